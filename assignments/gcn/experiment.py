# %% [markdown]
# ## Experiment: what are links worth?
#
# Three communities of 60 nodes. A node's features say little about its community, and only five nodes of each are
# labelled. The GCN uses the links; the other network has the same weights and the same training, but its mixing matrix
# is the one of a graph without edges, so that every node stands for itself. We vary how clear the communities are: the
# share of a node's links that stay inside its own. Five seeds, each with nodes, links, labels and weights of its own.
#
# It takes about 4 seconds on one core; the bar says how far it is.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from gcn import GCN, laplacian, masked_nll, normalize_adjacency, spectral_filter
from tqdm import tqdm

torch.set_num_threads(1)  # the graph is small: more threads would wait for each other
CLASSES, SIZE, LINKS, LABELLED = 3, 60, 6, 5
n, SEEDS, SHARES = CLASSES * SIZE, range(5), (1 / 3, 0.45, 0.6, 0.75, 0.9)
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


def nodes(rng):
    """Features (n, 12), a little larger where the community is, and which nodes have a label (n,)."""
    x, known = rng.standard_normal((n, 12)) + 0.5 * np.eye(CLASSES).repeat(4, axis=1)[labels], np.zeros(n, bool)
    for community in range(CLASSES):
        known[community * SIZE + rng.choice(SIZE, LABELLED, replace=False)] = True
    return x, known


def train(seed, x, edges, known, bar, steps=100):
    """Accuracy on the nodes without a label after training on those with one."""
    torch.manual_seed(seed)
    graph, value = (torch.from_numpy(array) for array in normalize_adjacency(edges, n))
    x, y, known = torch.from_numpy(x), torch.from_numpy(labels), torch.from_numpy(known)
    model = GCN(x.shape[1], 16, CLASSES).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        masked_nll(model(x, graph, value), y, known).backward()
        optimizer.step()
        bar.update()
    right = model(x, graph, value).argmax(dim=1) == y
    return right[~known].double().mean().item()


linked, alone = np.zeros((2, len(SEEDS), len(SHARES)))  # accuracies
with tqdm(total=100 * len(SEEDS) * (len(SHARES) + 1), unit="step") as bar:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        x, known = nodes(rng)
        alone[seed] = train(seed, x, np.zeros((2, 0), int), known, bar)
        linked[seed] = [train(seed, x, communities(rng, share), known, bar) for share in SHARES]

# %%
_, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, accuracy in {"with links (GCN)": linked, "without links": alone}.items():
    (line,) = axis.plot(SHARES, 100 * accuracy.mean(axis=0), "o-", label=name)
    low, high = 100 * accuracy.min(axis=0), 100 * accuracy.max(axis=0)
    axis.fill_between(SHARES, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
axis.axhline(100 / CLASSES, color="gray", linestyle=":", label="guessing")
axis.set(title=f"What links are worth: mean and range of {len(SEEDS)} seeds", ylim=(25, 102))
axis.set(
    xlabel="share of links inside the community (1/3: the links know nothing)", ylabel="unlabelled nodes right (%)"
)
axis.legend(loc="lower right")
plt.show()
print(f"without links: {alone.min():.0%} to {alone.max():.0%} of the unlabelled nodes right")
for share, accuracy in zip(SHARES, linked.T, strict=True):
    better = f"better with links in {(accuracy > alone[:, 0]).sum()} of {len(SEEDS)} seeds"
    print(f"share {share:.2f}: {accuracy.min():.0%} to {accuracy.max():.0%}, {better}")

# %% [markdown]
# Where three links of four stay inside, fifteen labels are enough for more than nine nodes of ten, from every seed; the
# same weights without links get about half. Where the links know nothing, mixing does harm: why?
#
# ### In its own spectrum
#
# A filter on certain eigenvalues of the Laplacian, says the lecture, controls which features are kept, smooth ones or
# others. Here it is without any training and any label: the clearest graphs once more, and their features behind your
# `spectral_filter`, first with the small eigenvalues only, then with the others. Colours are communities; how many
# nodes are nearer to the middle of their own than to any other says how far the three are apart.

# %%
FILTERS = {
    "features as they are": lambda eigenvalues: np.ones_like(eigenvalues),
    "eigenvalues below 5: smooth": lambda eigenvalues: eigenvalues < 5.0,
    "the others: what differs along links": lambda eigenvalues: eigenvalues >= 5.0,
}


def apart(signal):
    """Share of the nodes that are nearest to the mean of their own community."""
    means = np.stack([signal[labels == community].mean(axis=0) for community in range(CLASSES)])
    return (np.linalg.norm(signal[:, None] - means, axis=-1).argmin(axis=1) == labels).mean()


def filtered(seed):
    """The features of the clearest graph of a seed behind every filter."""
    rng = np.random.default_rng(seed)
    (x, _), L = nodes(rng), laplacian(communities(rng, SHARES[-1]), n)
    return [spectral_filter(L, x, g) for g in FILTERS.values()]


signals = [filtered(seed) for seed in SEEDS]
_, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for axis, title, signal in zip(axes, FILTERS, signals[0], strict=True):
    centred = signal - signal.mean(axis=0)
    principal = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for community in range(CLASSES):
        axis.scatter(*principal[labels == community].T, s=10, label=f"community {community}")
    axis.set(title=title, xlabel="first principal component", ylabel="second principal component")
axes[0].legend(fontsize=8)
plt.show()
for title, of_seeds in zip(FILTERS, zip(*signals, strict=True), strict=True):
    shares = [apart(signal) for signal in of_seeds]
    print(f"{title}: {min(shares):.0%} to {max(shares):.0%} of the nodes nearest to their own community")

# %% [markdown]
# The three clouds in the middle come from features and links; no label was read. What the communities have in common is
# smooth, and nearly all of the noise is not. Try other limits for the eigenvalues.
