# %% [markdown] Experiment: what shortcuts do to deep networks
# The networks below stack your own `BasicBlock` and differ in one thing: in the plain ones the shortcut of every block
# is silenced. They classify small generated images of stripes by their direction. Two pictures come out of it: how
# large the first layer's gradient is before training, over depth; and how the training loss falls, shallow and deep.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from resnet import BasicBlock
from torch import nn


class Silence(nn.Module):
    """In the place of a shortcut: adds nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def stack(blocks: int, residual: bool, seed: int, width: int = 16, classes: int = 4) -> nn.Sequential:
    """A first convolution, a number of your blocks, the mean over space, and a classifier."""
    torch.manual_seed(seed)
    body = [BasicBlock(width, width) for _ in range(blocks)]
    for block in body:
        block.shortcut = block.shortcut if residual else Silence()
    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def stripes(count: int, rng: np.random.Generator, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy 8x8 images of stripes in one of four directions, with any phase, and the number of the direction."""
    labels = rng.integers(4, size=count)
    angle = labels * np.pi / 4
    phase = rng.uniform(0, 2 * np.pi, count)
    row, column = np.mgrid[:size, :size]
    along = np.cos(angle)[:, None, None] * row + np.sin(angle)[:, None, None] * column
    images = np.sin(1.6 * along + phase[:, None, None]) + rng.normal(0, 0.8, (count, size, size))
    return torch.from_numpy(images[:, None]).float(), torch.from_numpy(labels)


# %%
rng = np.random.default_rng(0)
images, labels = stripes(64, rng)
depths = [1, 2, 4, 8, 16]
gradients = {}
for residual in (False, True):
    norms = []
    for blocks in depths:
        network = stack(blocks, residual, seed=1)
        loss = F.cross_entropy(network(images), labels)
        norms.append(torch.autograd.grad(loss, network[0].weight)[0].norm().item())
    gradients["residual" if residual else "plain"] = norms


# %%
def train(blocks: int, residual: bool, steps: int = 60, batch: int = 32) -> list[float]:
    """Training loss, step by step. Every network sees the same batches."""
    network, rng = stack(blocks, residual, seed=2), np.random.default_rng(3)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(steps):
        x, y = stripes(batch, rng)
        loss = F.cross_entropy(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


curves = {
    f"{name}, {2 * blocks + 2} layers": train(blocks, name == "residual")
    for name in ("plain", "residual")
    for blocks in (3, 20)
}

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
for name, norms in gradients.items():
    left.semilogy([2 * blocks + 2 for blocks in depths], norms, "o-", label=name)
left.set(xlabel="layers", ylabel="gradient of the first layer, before training", title="Gradients and depth")
left.legend()
for name, losses in curves.items():
    smooth = np.convolve(losses, np.ones(8) / 8, mode="valid")
    right.plot(smooth, "-" if name.startswith("residual") else "--", label=name)
right.set(xlabel="step", ylabel="training loss", title="Plain (dashed) against residual")
right.legend()
plt.show()

# %% [markdown]
# Which of the four curves is worst? Both deep networks can represent whatever the shallow ones can, so what the deep
# plain one lacks is not capacity. Turn the last batch normalisation of every block off at the start
# (`nn.init.zeros_(block.bn2.weight)`): every residual block then begins as the identity. What changes, and why can a
# plain network not do the same?
