# %% [markdown]
# ## Experiment: what do words look at?
#
# First the lecture's sentence with three-dimensional embeddings made by hand (living, edible, small): which words does
# each attempt look at? A trick shows the weights of any attention: where the values are the identity matrix, the output
# is the matrix of weights. The queries are doubled, which sharpens the weights and the picture.

# %%
import math
import time

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

VOCABULARY = ["the", "was", "ate", "monkey", "banana", "it", "hungry", "ripe"]
TABLE = np.array(
    [[0, 0, 0.2], [0, 0, 0.2], [0.5, 0.8, 0], [2, 0, 0.5], [0, 2, 0.5], [0.6, 0.6, 0.6], [1.8, 0.2, 0], [0.2, 1.8, 0]]
)


def heat_map(axis, weights, rows, columns, title):
    """A matrix of weights, one row for each word that attends."""
    image = axis.imshow(weights, vmin=0, cmap="Greens")
    axis.set_xticks(range(len(columns)), columns, rotation=60)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_title(title)
    plt.colorbar(image, ax=axis, shrink=0.7)


def weights_of(q, k, mask=None):
    """The matrix of weights, shape (Tq, Tk)."""
    return attention_forward(q, k, np.eye(len(k)), mask)[0]


_, panels = plt.subplots(1, 3, figsize=(14, 4.5))
for panel, last in zip(panels[1:], ("ripe", "hungry"), strict=True):
    words = ["the", "monkey", "ate", "the", "banana", "it", "was", last]
    x, _ = embedding_forward(np.array([VOCABULARY.index(word) for word in words]), TABLE)
    heat_map(panel, weights_of(2 * x, x, causal_mask(len(x))), words, words, f"similarity, sharpened: … it was {last}")
heat_map(panels[0], uniform_context(np.eye(len(words))), words, words, "uniform context")
plt.tight_layout()
plt.show()

# %% [markdown]
# The last row changes with the last word: *ripe* looks at the banana, *hungry* at the monkey. Above the diagonal
# everything is white.
#
# ### Learned queries and keys
#
# Now a task that no mean can solve. Eight boxes, each with a name and a colour; then somebody asks for one by its
# name. The embedding of a box is the sum of the two words' embeddings, so a mean over the boxes knows which names and
# which colours occur, but not which belong together. Both networks end in the same two layers; one reads that mean,
# the other what two heads of attention found.

# %%
NAMES, COLOURS, BOXES = 20, 10, 8
torch.manual_seed(0)


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


def trained(attentive, steps=300):
    """A reader, and its accuracy on fresh boxes every 20 steps."""
    reader, curve = Reader(attentive), []
    optimiser = torch.optim.Adam(reader.parameters(), lr=3e-3)
    for step in range(steps):
        names, colours, asked = boxes(128)
        logits, targets = reader(names, colours, asked), colours.gather(1, asked[:, None]).squeeze(1)
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits, targets).backward()
        optimiser.step()
        if step % 20 == 0:
            curve.append((logits.argmax(dim=1) == targets).double().mean().item())
    return reader, curve


_, panels = plt.subplots(1, 3, figsize=(14, 4), width_ratios=[2, 1.3, 1.3])
for attentive, label in ((False, "mean over the boxes"), (True, "two heads of attention")):
    reader, curve = trained(attentive)
    panels[0].plot(range(0, 20 * len(curve), 20), curve, label=label)
    print(f"{label}: {np.mean(curve[-5:]):.0%} right at the end")
panels[0].axhline(1 / COLOURS, color="grey", linestyle=":", label="guessing")
panels[0].set(xlabel="step", ylabel="accuracy on fresh boxes")
panels[0].legend()

names, colours, asked = boxes(8)
with torch.no_grad():
    shelf, question = reader.embedded(names, colours, asked)
    q, k = reader.attention.q_proj(question).numpy(), reader.attention.k_proj(shelf).numpy()
size = q.shape[-1] // 2
for head, panel in enumerate(panels[1:]):
    features = slice(head * size, (head + 1) * size)
    rows = [weights_of(query[:, features], keys[:, features])[0] for query, keys in zip(q, k, strict=True)]
    heat_map(panel, np.stack(rows), [f"shelf {i}" for i in range(8)], range(BOXES), f"head {head}")
    panel.plot(asked.numpy(), range(8), "rs", markersize=12, fillstyle="none")
plt.tight_layout()
plt.show()

# %% [markdown]
# The red squares mark the box that was asked for. Nobody told the heads to look there.
#
# ### Long texts
#
# One head, forward and backward, once with all T x T weights and once block by block. What does the time do when T
# doubles, what does memory do, and where does the block-wise way pay?

# %%
d = 32


def at_once(q, k, v):
    """Every weight in one matrix."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-1) @ v


def by_blocks(q, k, v):
    """A block of keys at a time."""
    return StreamingAttention.apply(q, k, v, False)


def milliseconds(attend, *inputs):
    """Time of the forward and backward pass, the best of five."""
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        attend(*inputs).sum().backward()
        best = min(best, time.perf_counter() - started)
    return 1e3 * best


print(f"{'T':>6} {'all at once':>14} {'block by block':>15} {'T x T weights':>15}")
for length in (256, 512, 1024, 2048):
    q, k, v = (torch.randn(length, d, requires_grad=True) for _ in range(3))
    plain, blocked = milliseconds(at_once, q, k, v), milliseconds(by_blocks, q, k, v)
    print(f"{length:>6} {plain:>11.1f} ms {blocked:>12.1f} ms {4e-6 * length**2:>12.1f} MB")
