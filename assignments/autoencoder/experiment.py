# %% [markdown]
# ## Experiment: digits through a bottleneck
#
# Fifteen hundred small digits, drawn with a soft pen on an 8x8 grid, each a little shifted, turned and scaled. How well
# can they be rebuilt from k numbers, by PCA and by your autoencoder? And can the autoencoder clean digits that it is
# given with noise?

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from autoencoder import Autoencoder, denoising_loss, pca, pca_reconstruct

CORNERS = np.array([[-1, -2], [1, -2], [-1, 0], [1, 0], [-1, 2], [1, 2]]) / 2.2  # of a digit on a pocket calculator
BARS = [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5)]  # its seven bars, from corner to corner
LIT = ["012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356"]  # bars of each digit


def digits(rng, count):
    """Images (count, 64), between 0 and 1."""
    points = np.stack([np.linspace(CORNERS[a], CORNERS[b], 9) for a, b in BARS])  # (bars, points, 2)
    labels, angle = rng.integers(0, 10, count), rng.normal(0, 0.15, count)
    lit = np.array([[str(bar) in digit for bar in range(7)] for digit in LIT])[labels]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    turn = turn * rng.uniform(2.2, 3.0, (count, 1, 1))
    pen = np.einsum("nij,bpj->nbpi", turn, points) + 3.5 + rng.normal(0, 0.4, (count, 1, 1, 2))
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(64, 1, 1, 2)
    distance = np.stack([((grid - image) ** 2).sum(axis=-1).min(axis=-1) for image in pen])  # (count, 64, bars)
    distance = np.where(lit[:, None, :], distance, np.inf).min(axis=-1)
    return np.exp(-distance).astype(np.float32)


def show(rows, titles):
    """Rows of images, one below the other."""
    axes = plt.subplots(len(rows), 12, figsize=(10, 0.95 * len(rows)), layout="constrained")[1]
    for line, images, title in zip(axes, rows, titles, strict=True):
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image.reshape(8, 8), cmap="gray", vmin=0, vmax=1)
            axis.axis("off")
        line[0].set_title(title, loc="left", fontsize=9)
    plt.show()


rng = np.random.default_rng(0)
train_x, test_x = digits(rng, 1500), digits(rng, 500)
show([test_x[:12], test_x[12:]], ["digits", ""])


# %%
def error(x, rebuilt):
    return ((x - rebuilt) ** 2).sum(axis=1).mean()


def train(k, sigma=0.0, steps=1000, batch=128):
    """An autoencoder with a code of k numbers, trained with noise of standard deviation sigma."""
    torch.manual_seed(0)
    model, generator = Autoencoder(64, 96, k), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x = torch.from_numpy(train_x)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (batch,), generator=generator)
        optimizer.zero_grad()
        denoising_loss(model, x[rows], sigma, generator).backward()
        optimizer.step()
        schedule.step()
    return lambda images: model(torch.from_numpy(images)).detach().numpy()


lengths = [1, 2, 4, 8, 16]
pca_errors, ae_errors, models = [], [], {}
for k in lengths:
    mean, components = pca(train_x, k)
    pca_errors.append(error(test_x, pca_reconstruct(test_x, mean, components)))
    models[k] = train(k)
    ae_errors.append(error(test_x, models[k](test_x)))

plt.figure(figsize=(6, 3.2), layout="constrained")
plt.semilogy(lengths, pca_errors, "o-", label="PCA")
plt.semilogy(lengths, ae_errors, "o-", label="autoencoder")
plt.xlabel("numbers in the code")
plt.ylabel("squared error of new digits")
plt.legend()
plt.show()
mean, components = pca(train_x, 4)
rows = [test_x, pca_reconstruct(test_x, mean, components), models[4](test_x)]
show(rows, ["digits", "PCA, 4 numbers", "autoencoder, 4 numbers"])

# %% [markdown]
# Now noise of standard deviation 0.4. One autoencoder has never seen noise, one is trained with `denoising_loss`, both
# with a code of 16 numbers. PCA with 12 components is in the race too: a projection removes the part of the noise that
# lies outside its subspace.

# %%
sigma = 0.4
noisy = test_x + sigma * rng.standard_normal(test_x.shape).astype(np.float32)
mean, components = pca(train_x, 12)
clean = {
    "noisy": noisy,
    "PCA, 12 numbers": pca_reconstruct(noisy, mean, components),
    "trained without noise": models[16](noisy),
    "trained with noise": train(16, sigma)(noisy),
}
show([test_x, *clean.values()], ["digits", *clean])
for name, images in clean.items():
    print(f"{name}: squared error {error(test_x, images):.2f}")
print(f"d sigma^2 = {64 * sigma**2:.2f}, the error of a model that copies its input")

# %% [markdown]
# Which digits does the denoiser confuse, and would you have read them in the noisy picture? Try other lengths of the
# code: is a longer one better for rebuilding, and is it better for denoising? For a code of two numbers, plot the codes
# of the test digits, and decode the points of a grid.
