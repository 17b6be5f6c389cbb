# %% [markdown]
# ## Experiment: what do words look at?
#
# First the lecture's sentence with three-dimensional embeddings made by hand (living, edible, small): which words does
# each attempt look at? A trick shows the weights of any attention: where the values are the identity matrix, the output
# is the matrix of weights. The queries are doubled, which sharpens the weights and the picture.
#
# The whole experiment takes about 8 seconds on one core; the training in the middle has a progress bar.

# %%
import math
import time
import weakref

import matplotlib.pyplot as plt
import numpy as np
import torch
from attention import (
    MultiHeadAttention,
    StreamingAttention,
    attention_forward,
    causal_mask,
    embedding_forward,
    uniform_context,
)
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from tqdm import tqdm

torch.set_num_threads(1)  # the networks are small: more threads would wait for each other
VOCABULARY = ["the", "was", "ate", "monkey", "banana", "it", "hungry", "ripe"]
TABLE = np.array(
    [[0, 0, 0.2], [0, 0, 0.2], [0.5, 0.8, 0], [2, 0, 0.5], [0, 2, 0.5], [0.6, 0.6, 0.6], [1.8, 0.2, 0], [0.2, 1.8, 0]]
)


def heat_map(axis, weights, rows, columns, **labels):
    """A matrix of weights, one row for each query."""
    image = axis.imshow(weights, vmin=0, vmax=1, cmap="Greens")
    axis.set_xticks(range(len(columns)), columns, rotation=60 if isinstance(columns[0], str) else 0)
    axis.set_yticks(range(len(rows)), rows)
    axis.set(**labels)
    return image


def weights_of(q, k, mask=None):
    """The matrix of weights, shape (Tq, Tk)."""
    return attention_forward(q, k, np.eye(len(k)), mask)[0]


fig, panels = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained")
axes = {"xlabel": "word that is looked at", "ylabel": "word that looks"}
for panel, last in zip(panels[1:], ("ripe", "hungry"), strict=True):
    words = ["the", "monkey", "ate", "the", "banana", "it", "was", last]
    x, _ = embedding_forward(np.array([VOCABULARY.index(word) for word in words]), TABLE)
    weights = weights_of(2 * x, x, causal_mask(len(x)))
    image = heat_map(panel, weights, words, words, title=f"similarity, sharpened: it was {last}", **axes)
    print(f"{last}: {weights[-1, 1]:.0%} of its weight on the monkey, {weights[-1, 4]:.0%} on the banana")
heat_map(panels[0], uniform_context(np.eye(len(words))), words, words, title="uniform context", **axes)
fig.colorbar(image, ax=panels, label="weight", shrink=0.8)
plt.show()

# %% [markdown]
# The last row changes with the last word: *ripe* looks at the banana, *hungry* at the monkey, with about half of its
# weight. Above the diagonal everything is white: nobody looks ahead. But *it* cannot choose: when it looks, the word
# that decides has not been read, and its own embedding is as near to the one as to the other.
#
# ### Learned queries and keys
#
# Now a task that no mean can solve. Eight boxes, each with a name and a colour; then somebody asks for one by its name.
# The embedding of a box is the sum of the two words' embeddings, so a mean over the boxes knows which names and which
# colours occur, but not which belong together. Both networks end in the same two layers; one reads that mean, the other
# what two heads of attention found. Three seeds each, about 3 seconds in all.

# %%
NAMES, COLOURS, BOXES = 20, 10, 8
SEEDS, STEPS = (0, 1, 2), 200


def boxes(count):
    """Names (count, BOXES), colours (count, BOXES), and which box is asked for (count,)."""
    names = torch.rand(count, NAMES).argsort(dim=1)[:, :BOXES]
    return names, torch.randint(COLOURS, (count, BOXES)), torch.randint(BOXES, (count,))


class Reader(nn.Module):
    """Embeds boxes and question, gets a context for the question, and answers with a colour."""

    def __init__(self, attentive, width=32):
        super().__init__()
        self.name, self.colour = nn.Embedding(NAMES, width), nn.Embedding(COLOURS, width)
        self.attention = MultiHeadAttention(width, 2) if attentive else None
        self.answer = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(), nn.Linear(64, COLOURS))

    def forward(self, names, colours, asked):
        """Logits (N, COLOURS)."""
        shelf, question = self.embedded(names, colours, asked)
        found = shelf.mean(dim=1) if self.attention is None else self.attention(question, shelf, shelf).squeeze(1)
        return self.answer(torch.cat([found, question.squeeze(1)], dim=1))

    def embedded(self, names, colours, asked):
        """Embeddings of the boxes (N, BOXES, width) and of the question (N, 1, width)."""
        return self.name(names) + self.colour(colours), self.name(names.gather(1, asked[:, None]))


def trained(attentive, seed, bar):
    """A reader, and its accuracy on fresh boxes, the mean of every 10 steps."""
    torch.manual_seed(seed)
    reader, curve = Reader(attentive), []
    optimiser = torch.optim.Adam(reader.parameters(), lr=3e-3)
    for _ in range(STEPS):
        names, colours, asked = boxes(128)
        logits, targets = reader(names, colours, asked), colours.gather(1, asked[:, None]).squeeze(1)
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits, targets).backward()
        optimiser.step()
        curve.append((logits.argmax(dim=1) == targets).double().mean().item())
        bar.update()
    return reader, np.array(curve).reshape(-1, 10).mean(axis=1)


@torch.no_grad()
def looks(reader, names, colours, asked):
    """Weights of each head over the boxes, shape (heads, N, BOXES)."""
    shelf, question = reader.embedded(names, colours, asked)
    q, k = reader.attention.q_proj(question).numpy(), reader.attention.k_proj(shelf).numpy()
    heads = zip(np.split(q, 2, axis=-1), np.split(k, 2, axis=-1), strict=True)
    return np.stack([attention_forward(q, k, np.eye(BOXES) + np.zeros((len(q), 1, 1)))[0][:, 0] for q, k in heads])


with tqdm(total=2 * len(SEEDS) * STEPS, unit="step") as bar:
    runs = {attentive: [trained(attentive, seed, bar) for seed in SEEDS] for attentive in (False, True)}

# %%
fig, panels = plt.subplots(1, 3, figsize=(13, 3.8), width_ratios=[2, 1.1, 1.1], layout="constrained")
steps = 10 * (np.arange(STEPS // 10) + 1)
for attentive, label in ((True, "two heads of attention"), (False, "mean over the boxes")):
    curves = 100 * np.stack([curve for _, curve in runs[attentive]])
    (line,) = panels[0].plot(steps, curves.mean(axis=0), label=label)
    panels[0].fill_between(steps, curves.min(axis=0), curves.max(axis=0), color=line.get_color(), alpha=0.2)
    ends = curves[:, -5:].mean(axis=1)
    print(f"{label}: {ends.min():.0f} to {ends.max():.0f} % right in the last 50 steps")
panels[0].axhline(100 / COLOURS, color="grey", linestyle=":", label="guessing")
panels[0].set(title=f"Which colour is in the box? Mean and range of {len(SEEDS)} seeds", ylim=(0, 103))
panels[0].set(xlabel="training step (batches of 128)", ylabel="answers right (%)")
panels[0].legend()

names, colours, asked = boxes(500)
for seed, (reader, _) in zip(SEEDS, runs[True], strict=True):
    weights = looks(reader, names, colours, asked)
    found = np.take_along_axis(weights, asked.numpy()[None, :, None], axis=-1).mean(axis=(1, 2))
    shares = " and ".join(f"{share:.0%}" for share in found)
    print(f"seed {seed}: {shares} of the two heads' weight on the box that is asked for")
for head, panel in enumerate(panels[1:]):
    image = heat_map(panel, weights[head, :8], range(1, 9), range(1, 9), title=f"Head {head} of the last seed")
    panel.set(xlabel="box", ylabel="shelf (eight examples)")
    panel.plot(asked[:8].numpy(), range(8), "rs", markersize=11, fillstyle="none")
fig.colorbar(image, ax=panels[1:], label="weight", shrink=0.8)
plt.show()

# %% [markdown]
# The red squares mark the box that was asked for. Nobody told the heads to look there: from every seed they do, and the
# answers are right, where the mean is right in three of ten.
#
# ### Long texts
#
# One head, forward and backward, once with all T x T weights and once block by block. Counted is the memory of all
# tensors that are there at the same time, at the worst moment, beyond q, k and v; and the time is taken. The claim: the
# same answer, and nearly the same time, with memory that grows as T and not as T².

# %%
d, LENGTHS = 32, (512, 1024, 2048, 4096)


def at_once(q, k, v):
    """Every weight in one matrix."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-1) @ v


def by_blocks(q, k, v):
    """A block of keys at a time."""
    return StreamingAttention.apply(q, k, v, False)


class Memory(TorchDispatchMode):
    """Bytes of the tensors that were made and are still there: now, and at the worst moment."""

    def __init__(self):
        super().__init__()
        self.now, self.worst, self.known = 0, 0, weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        old = {tensor.untyped_storage() for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor.untyped_storage(), old)
        return made

    def add(self, storage, old):
        """Count a storage once, until it is freed; a view has the storage of what it looks at."""
        if storage in old or storage in self.known:
            return
        size = storage.nbytes()
        self.known.add(storage)
        self.now += size
        self.worst = max(self.worst, self.now)
        weakref.finalize(storage, self.free, size)

    def free(self, size):
        self.now -= size


def measured(attend, length, seed):
    """Answer and gradients, megabytes at the worst moment, and milliseconds."""
    torch.manual_seed(seed)
    q, k, v = (torch.randn(length, d, requires_grad=True) for _ in range(3))
    with Memory() as memory:
        out = attend(q, k, v)
        grads = torch.autograd.grad(out.square().sum(), (q, k, v))
    started = time.perf_counter()
    torch.autograd.grad(attend(q, k, v).square().sum(), (q, k, v))
    seconds = time.perf_counter() - started
    return [out.detach(), *grads], memory.worst / 1e6, 1e3 * seconds


WAYS = {"all at once": at_once, "block by block": by_blocks}
sizes, times = np.zeros((2, len(WAYS), len(SEEDS), len(LENGTHS)))
furthest = 0.0
for i, seed in enumerate(SEEDS):
    for j, length in enumerate(LENGTHS):
        answers = []
        for way, attend in enumerate(WAYS.values()):
            answer, sizes[way, i, j], times[way, i, j] = measured(attend, length, seed)
            answers.append(answer)
        furthest = max(furthest, *((a - b).abs().max().item() for a, b in zip(*answers, strict=True)))

fig, panels = plt.subplots(1, 2, figsize=(10.5, 3.8), layout="constrained")
for way, name in enumerate(WAYS):
    for panel, values in zip(panels, (sizes[way], times[way]), strict=True):
        (line,) = panel.loglog(LENGTHS, np.median(values, axis=0), "o-", label=name)
        panel.fill_between(LENGTHS, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2)
    for length, size, duration in zip(LENGTHS, sizes[way].mean(axis=0), np.median(times[way], axis=0), strict=True):
        print(f"{name:14}  T = {length}: {size:6.1f} MB  {duration:6.1f} ms")
    growth = sizes[way, :, -1] / sizes[way, :, 0]
    factor, longer = f"{growth.min():.1f} to {growth.max():.1f}", LENGTHS[-1] // LENGTHS[0]
    print(f"{name}: when T grows {longer} times, memory grows {factor} times")
panels[0].set(title="Memory, forward and backward", xlabel="T, tokens", ylabel="worst moment (MB)")
panels[1].set(title=f"Time, forward and backward: {len(SEEDS)} seeds", xlabel="T, tokens", ylabel="time (ms)")
for panel in panels:
    panel.set_xticks(LENGTHS, LENGTHS)
    panel.set_xticks([], minor=True)
    panel.legend()
plt.show()
print(f"largest difference of an answer or a gradient: {furthest:.0e}")

# %% [markdown]
# When T grows 8 times, memory grows 62 times where all weights are kept, and 8 times block by block, whatever the seed:
# at 4096 tokens 202 MB against about 10. The time is that of the same products, and grows as T² in both: blocks save no
# arithmetic, and compute the weights a second time in the backward pass. What they buy is room, and from some length on
# it costs nothing: what does not fit into the processor's cache has a long way to memory. At 100,000 tokens one head
# would take 120 GB at once, and a quarter of one block by block.
