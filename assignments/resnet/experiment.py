# %% [markdown]
# ## Experiment: what shortcuts do to deep networks
#
# More layers, lower error? The lecture names two things that come in between: gradients that get lost on their way, and
# deep networks that are harder to optimise, so that they are *worse on what they are trained on*. The networks below
# are made of your own `BasicBlock`; in the plain ones its convolutions and normalisations stand in one chain, without
# the shortcut, and in a third kind without the normalisations too. They tell small images of stripes apart.
#
# It takes about 10 seconds on one core, nearly all of them in the training, which has a progress bar.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from resnet import BasicBlock
from torch import nn
from tqdm import tqdm

torch.set_num_threads(1)  # the images are small: more threads would wait for each other
SEEDS, CLASSES, STEPS = (0, 1, 2), 4, 60


def chain(block, normalised):
    """The layers of a block without its shortcut, the same weights."""
    layers = [block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2, nn.ReLU()]
    return nn.Sequential(*(layer for layer in layers if normalised or not isinstance(layer, nn.BatchNorm2d)))


BLOCKS = {
    "residual": lambda block: block,
    "plain": lambda block: chain(block, normalised=True),
    "plain, not normalised": lambda block: chain(block, normalised=False),
}


def stack(kind, blocks, seed, width=16):
    """A first convolution, a number of blocks, the mean over space, and a classifier."""
    torch.manual_seed(seed)
    body = [BLOCKS[kind](BasicBlock(width, width)) for _ in range(blocks)]
    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.ReLU()]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def stripes(count, rng, size=8):
    """Noisy images (count, 1, size, size) of stripes in four directions, and the directions (count,)."""
    labels = rng.integers(CLASSES, size=count)
    angle, phase = labels * np.pi / CLASSES, rng.uniform(0, 2 * np.pi, count)
    row, column = np.mgrid[:size, :size]
    along = np.cos(angle)[:, None, None] * row + np.sin(angle)[:, None, None] * column
    images = np.sin(1.6 * along + phase[:, None, None]) + rng.normal(0, 0.8, (count, size, size))
    return torch.from_numpy(images[:, None]).float(), torch.from_numpy(labels)


def draw_band(axis, x, values, label, *style):
    """The mean of several runs (runs, points) as a line, and all of them as a band."""
    (line,) = axis.plot(x, values.mean(axis=0), *style, label=label)
    axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2, linewidth=0)


# %% [markdown]
# ### Before training: what arrives at the first layer
#
# The gradient of the loss with respect to the first convolution, in new networks.

# %%
depths = (1, 2, 4, 8, 16)
layers = [2 * blocks + 2 for blocks in depths]


def first_gradient(kind, blocks, seed):
    images, labels = stripes(64, np.random.default_rng(seed))
    network = stack(kind, blocks, seed)
    return torch.autograd.grad(F.cross_entropy(network(images), labels), network[0].weight)[0].norm().item()


_, panels = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for kind in BLOCKS:
    norms = np.array([[first_gradient(kind, blocks, seed) for blocks in depths] for seed in SEEDS])
    draw_band(panels[int("not" in kind)], layers, norms, kind, "o-")
    change = norms[:, -1] / norms[:, 0]
    print(f"{kind}: from {layers[0]} to {layers[-1]} layers times {change.min():.2g} to {change.max():.2g}")
for panel, title in zip(panels, ("normalised", "not normalised"), strict=True):
    panel.set(title=f"New networks, {title}: {len(SEEDS)} seeds", yscale="log", xlabel="layers")
    panel.set(ylabel="norm of the first layer's gradient")
    panel.legend()
plt.show()

# %% [markdown]
# On the right the gradient vanishes, as the lecture says: torch's usual initial weights make the signal, and with it
# the gradient, smaller in every layer, until at 34 layers some thirteen orders of magnitude are lost. Batch
# normalisation gives every layer a signal of the same size, and the plain network's gradient vanishes no more. It does
# the opposite: on its way back each normalisation multiplies it by a little more than the relu before takes away, and
# it grows 57 to 83 times. One step size then fits the first layers or the last, not both. Shortcuts add paths on which
# nothing is multiplied: from 4 to 34 layers the residual network's gradient grows 5 to 7 times.
#
# ### Training
#
# Plain and residual, shallow and deep, from the same weights and on the same batches. No image is seen twice, so what
# is measured is no overfitting.


# %%
def train(kind, blocks, seed, bar, steps=STEPS, batch=32):
    """Training loss (steps,)."""
    network, rng, losses = stack(kind, blocks, seed), np.random.default_rng(seed), []
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for _ in range(steps):
        images, labels = stripes(batch, rng)
        loss = F.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        bar.update(blocks)
    return losses


runs = [(kind, blocks) for kind in ("plain", "residual") for blocks in (3, 20)]
with tqdm(total=STEPS * len(SEEDS) * sum(blocks for _, blocks in runs), unit="block", unit_scale=True) as bar:
    curves = {(kind, blocks): np.array([train(kind, blocks, seed, bar) for seed in SEEDS]) for kind, blocks in runs}

# %%
_, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (kind, blocks), losses in curves.items():
    smooth = np.stack([np.convolve(curve, np.ones(8) / 8, mode="valid") for curve in losses])
    name, color = f"{kind}, {2 * blocks + 2} layers", "C0" if kind == "residual" else "C1"
    draw_band(axis, range(8, STEPS + 1), smooth, name, color + ("-" if blocks > 3 else "--"))
    ends = losses[:, -20:].mean(axis=1)
    print(f"{name}: loss {ends.min():.2f} to {ends.max():.2f} in the last 20 steps")
axis.axhline(np.log(CLASSES), color="gray", linestyle=":", label=f"guessing, ln {CLASSES} = {np.log(CLASSES):.2f}")
axis.set(title=f"Shallow (dashed) and deep: mean and range of {len(SEEDS)} seeds", ylim=(0, None))
axis.set(xlabel="training step (mean of the last 8)", ylabel="training loss (nats an image)")
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# From every seed: the plain network with 42 layers ends near a loss of 1, not far below guessing, where the one with 8
# is below 0.2. This is the error on what it is trained on, so it is not overfitting; and it can represent whatever the
# shallow one can, so it is not capacity: it has to *learn* the identity, and does not find it. With shortcuts, weights
# of zero are the identity, and 42 layers come down as fast as 8 do. Nor do they get lower: stripes need no 42 layers.
#
# Turn the last normalisation of every residual block off at the start (`nn.init.zeros_(block.bn2.weight)`): it then
# begins as the identity. What changes, and why can a plain network not do the same?
