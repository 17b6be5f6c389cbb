# %% [markdown]
# ## Experiment
# Nothing to see.

# %%
print(double(np.ones(2)))
