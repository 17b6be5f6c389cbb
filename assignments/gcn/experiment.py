# %% [markdown]
# ## Experiment: what are links worth?
#
# Three communities of 60 nodes. A node's features say little about its community, and only five nodes of each are
# labelled. The GCN uses the links; the other network has the same weights and the same training, but its mixing matrix
# is the one of a graph without edges, so that every node stands for itself. We vary how clear the communities are: the
# share of a node's links that stay inside its own.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from gcn import GCN, laplacian, masked_nll, normalize_adjacency, spectral_filter

CLASSES, SIZE, LINKS, LABELLED = 3, 60, 6, 5
n = CLASSES * SIZE
labels = np.repeat(np.arange(CLASSES), SIZE)


def communities(rng, inside):
    """Links of about 2 * LINKS a node, in both directions; the share `inside` of them within the community."""
    source = np.repeat(np.arange(n), LINKS)
    stays = rng.random(len(source)) < inside
    shift = np.where(stays, 0, rng.integers(1, CLASSES, len(source)))
    target = (labels[source] + shift) % CLASSES * SIZE + rng.integers(0, SIZE, len(source))
    edges = np.unique(np.sort([source, target], axis=0), axis=1)
    edges = edges[:, edges[0] != edges[1]]
    return np.concatenate([edges, edges[::-1]], axis=1)


def train(x, graph, known, steps=100):
    """Accuracy on the nodes without a label after training on those with one."""
    torch.manual_seed(0)
    edges, value = (torch.from_numpy(array) for array in graph)
    model, y = GCN(x.shape[1], 16, CLASSES).double(), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        masked_nll(model(x, edges, value), y, known).backward()
        optimizer.step()
    right = model(x, edges, value).argmax(dim=1) == y
    return right[~known].double().mean().item()


shares = [1 / 3, 0.45, 0.6, 0.75, 0.9]
curves = {"with links (GCN)": [], "without links": []}
for share in shares:
    results = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = torch.from_numpy(rng.standard_normal((n, 12)) + 0.5 * np.eye(CLASSES).repeat(4, axis=1)[labels])
        known = torch.zeros(n, dtype=torch.bool)
        for community in range(CLASSES):
            known[community * SIZE + rng.choice(SIZE, LABELLED, replace=False)] = True
        edges = communities(rng, share)
        results.append([train(x, normalize_adjacency(links, n), known) for links in (edges, edges[:, :0])])
    for curve, accuracy in zip(curves.values(), np.mean(results, axis=0), strict=True):
        curve.append(accuracy)

# %%
for name, curve in curves.items():
    plt.plot(shares, curve, "o-", label=name)
plt.axhline(1 / CLASSES, color="gray", linestyle=":", label="guessing")
plt.xlabel("share of links inside the community (1/3: the links know nothing)")
plt.ylabel("accuracy on unlabelled nodes")
plt.legend()
plt.show()

# %% [markdown]
# Where the links know nothing, mixing does harm: why? Then look at the graph in its own spectrum. Below, the last
# graph's features before and after a filter that keeps only small eigenvalues, without any training and any label.

# %%
smooth = spectral_filter(laplacian(edges, n), x.numpy(), lambda eigenvalues: eigenvalues < 5.0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for axis, signal, title in ((left, x.numpy(), "features"), (right, smooth, "features, low eigenvalues only")):
    centred = signal - signal.mean(axis=0)
    principal = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axis.scatter(*(centred @ principal.T).T, c=labels, s=12)
    axis.set(title=title, xlabel="first principal component", ylabel="second")
plt.show()

# %% [markdown]
# The three clouds in the right plot come from features and links; no label was read. Try other limits for the
# eigenvalues, and a filter that keeps the large ones instead.
