# %% [markdown]
# ## Experiment: what a state remembers
#
# Four questions, each answered from several seeds. Can a recurrent network do better on "hello" than any bigram? How
# far back does a gradient reach, in a plain cell and in an LSTM? What does clipping save? And what does an LSTM write
# that has read one short text over and over?
#
# All of it takes about 6 seconds on one core; the longest cell, the last training, has a progress bar.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from lstm import (
    bptt_gradient_norms,
    char_lm_loss,
    clip_grad_norm,
    lstm_backward,
    lstm_fast,
    lstm_forward,
    make_batches,
    ngram_counts,
    rnn_backward,
    rnn_forward,
    sample,
)
from tqdm import tqdm

torch.set_num_threads(1)  # the matrices are small: more threads would wait for each other
SEEDS = range(5)


def encode(text):
    """The letters of a text, and the text as their indices."""
    letters = sorted(set(text))
    return letters, np.array([letters.index(letter) for letter in text])


def losses_of_rnn(seed, inputs, targets, hidden, rate, clip=None, steps=150):
    """Loss of a plain recurrent network and global norm of its gradient, step after step of gradient descent."""
    rng, size = np.random.default_rng(seed), 1 + max(inputs.max(), targets.max())
    x, s0 = np.eye(size)[inputs], np.zeros((len(inputs), hidden))
    U, W = 0.5 * rng.standard_normal((hidden, size)), np.linalg.qr(rng.standard_normal((hidden, hidden)))[0]
    params = [U, W, np.zeros(hidden), rng.standard_normal((size, hidden)) / hidden**0.5, np.zeros(size)]
    curve = []
    for _ in range(steps):
        U, W, b, V, c = params
        s, cache = rnn_forward(x, s0, U, W, b)
        loss, dlogits = char_lm_loss(s @ V.T + c, targets)
        _, _, dU, dW, db = rnn_backward(dlogits @ V, cache)
        grads = [dU, dW, db, np.einsum("ntv,nth->vh", dlogits, s), dlogits.sum(axis=(0, 1))]
        clipped, norm = clip_grad_norm(grads, clip or 1.0)
        params = [p - rate * g for p, g in zip(params, clipped if clip else grads, strict=True)]
        curve.append((loss, norm))
    return np.array(curve)


def draw_band(axis, x, values, label, **style):
    """The median of several runs (runs, points) as a line, and all of them as a band."""
    (line,) = axis.plot(x, np.median(values, axis=0), label=label, **style)
    axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2, linewidth=0)


# %% [markdown]
# ### "hello"
#
# Three hidden units, as in the lecture. The dashed line is the best that counting pairs of letters can do: after an *l*
# comes an *l* or an *o*, and a bigram has nothing else to go by.

# %%
letters, ids = encode("hello")
inputs, targets = make_batches(ids, 4)
losses = np.stack([losses_of_rnn(seed, inputs, targets, 3, rate=0.5, clip=1.0, steps=300)[:, 0] for seed in SEEDS])

pairs, firsts = ngram_counts(ids, 2), ngram_counts(ids[:-1], 1)
bigram = -sum(n * np.log(n / firsts[pair[:1]]) for pair, n in pairs.items()) / sum(pairs.values())

_, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
draw_band(axis, range(300), losses, f"recurrent network, {len(SEEDS)} seeds")
axis.axhline(bigram, color="gray", linestyle="--", label=f"best bigram, (ln 2) / 2 = {bigram:.3f}")
axis.set(title='"hello": a state knows more than a pair', xlabel="training step", ylabel="loss (nats a letter)")
axis.legend()
plt.show()
low, high = losses[:, -1].min(), losses[:, -1].max()
print(f"after 300 steps: {low:.3f} to {high:.3f} nats a letter; no bigram gets below {bigram:.3f}")

# %% [markdown]
# ### How far back?
#
# A loss at the last of 60 steps, and the size of its gradient in each input. In the plain cells W is a rotation times a
# number, which is thus all its singular values; the LSTMs differ in nothing but the bias of their forget gate. The
# lecture says: below 1 the gradient vanishes, above 1 it explodes, and the LSTM's way back is uninterrupted. Before you
# run it: which of the five lines do you expect to be flat? The dotted lines are your `bptt_gradient_norms`, what W
# would do alone, without tanh.

# %%
T, H, D = 60, 32, 8
SCALES, BIASES = (0.7, 1.0, 2.0), (0.0, 3.0)


def reaches(seed):
    """Norm of the gradient in every input, (lines, T), and what W alone makes of it, (scales, T)."""
    rng = np.random.default_rng(seed)
    x, dout, zero = rng.standard_normal((16, T, D)), np.zeros((16, T, H)), np.zeros((16, H))
    dout[:, -1] = rng.standard_normal((16, H))
    rotation = np.linalg.qr(rng.standard_normal((H, H)))[0]
    U, W4, U4 = (rng.standard_normal(shape) for shape in ((H, D), (4 * H, D), (4 * H, H)))
    caches = [rnn_forward(x, zero, 0.1 * U, scale * rotation, np.zeros(H))[1] for scale in SCALES]
    grads = [rnn_backward(dout, cache)[0] for cache in caches]
    for bias in BIASES:
        b4 = np.repeat([0.0, bias, 0.0, 0.0], H)
        grads.append(lstm_backward(dout, lstm_forward(x, zero, zero, 0.05 * W4, 0.05 * U4, b4)[1])[0])
    sizes = np.array([np.linalg.norm(grad, axis=(0, 2)) for grad in grads])
    return sizes, np.array([bptt_gradient_norms(scale * rotation, T - 1)[::-1] for scale in SCALES])


sizes, alone = (np.stack(parts) for parts in zip(*map(reaches, SEEDS), strict=True))
names = [f"tanh cell, singular values {scale:g}" for scale in SCALES]
names += [f"LSTM, forget bias {bias:g} (gate {1 / (1 + np.exp(-bias)):.2f})" for bias in BIASES]

_, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for line, name in enumerate(names):
    draw_band(axis, range(1 - T, 1), np.maximum(sizes[:, line], 1e-16), name, linestyle="--" if "LSTM" in name else "-")
for line in range(len(SCALES)):
    label = "the same without tanh: W alone" if line == 0 else None
    axis.plot(range(1 - T, 0), sizes[0, line, -1] * alone[0, line], ":", color=f"C{line}", linewidth=1, label=label)
axis.set(title=f"A gradient on its way back: {len(SEEDS)} seeds", yscale="log", ylim=(1e-16, 1e20))
axis.set(xlabel="position of the input (steps, the loss is at 0)", ylabel="norm of the gradient in the input")
axis.legend(fontsize=8)
plt.show()

for line, name in enumerate(names):
    change = sizes[:, line, 0] / sizes[:, line, -1]
    low, high = change.min() ** (1 / (T - 1)), change.max() ** (1 / (T - 1))
    print(f"{name}: times {low:.2f} to {high:.2f} a step, {change.min():.0e} to {change.max():.0e} over {T - 1} steps")

# %% [markdown]
# From every seed: at 0.7 more than eleven orders of magnitude are lost in 59 steps, at 2 about four are gained, and the
# LSTM whose forget gates stand at 0.95 passes on about what it was given: times 1.00 a step. With gates at a half it
# forgets faster than any of the plain cells: it is the gate that does it, not the name. At 1 tanh, whose slope is less
# than 1, has the gradient vanish all the same, and at 2 it holds back most of the explosion, as the dotted lines show.
# Try 1.3: what keeps it from exploding?
#
# ### Clipping
#
# A counting rhyme now, 25 letters a row, and a plain cell whose learning rate is high. Where the loss is steep one step
# flies far, to where it is steeper still. Clipped, the step has the same direction, and a length it can bear.

# %%
VERSE = "\n".join(
    f"{number} little ducks went out one day, over the hills and far away, and {number} came back."
    for number in ("one", "two", "three", "four", "five", "six")
)
letters, ids = encode(VERSE)
V = len(letters)
inputs, targets = make_batches(ids, 25)
THRESHOLD = 0.25
clipping = {"clipped": THRESHOLD, "not clipped": None}
runs = {
    name: np.stack([losses_of_rnn(seed, inputs, targets, 32, rate=3.0, clip=clip) for seed in SEEDS])
    for name, clip in clipping.items()
}

_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for name, curves in runs.items():
    draw_band(left, range(150), curves[..., 0], name)
    draw_band(right, range(150), curves[..., 1], name)
    ends = curves[:, -10:, 0].mean(axis=1)
    print(f"{name}: {ends.min():.2f} to {ends.max():.2f} nats a letter at the end; ", end="")
    print(f"largest gradient of each seed: {', '.join(f'{norm:.1f}' for norm in curves[..., 1].max(axis=1))}")
left.axhline(np.log(V), color="gray", linestyle="--", label=f"no idea, ln {V} = {np.log(V):.2f}")
left.set(title=f"The same steps, clipped or not: {len(SEEDS)} seeds", yscale="log")
left.set(xlabel="training step", ylabel="loss (nats a letter)")
right.axhline(THRESHOLD, color="gray", linestyle="--", label=f"threshold, {THRESHOLD}")
right.set(title="What is clipped", xlabel="training step", ylabel="norm of the gradient before clipping", yscale="log")
left.legend(loc="lower left")
right.legend()
plt.show()

# %% [markdown]
# From every seed: with clipping the loss ends near 0.05 nats a letter; without it the network ends worse than one that
# has no idea. The gradients tell why: single ones are hundreds of times as large as any that the clipped network meets.
#
# ### Writing
#
# Now an LSTM reads the rhyme, its gates with a forget bias of 1, and autograd goes through your `lstm_fast`. Then it
# writes by itself, at three temperatures. The training, from three seeds, takes about 3 seconds.


# %%
def read_verse(seed, bar, hidden=64, steps=120):
    """An LSTM that has read the verse: its parameters W, U, b, readout, bias, and its losses."""
    torch.manual_seed(seed)
    shapes = ((4 * hidden, V), (4 * hidden, hidden), (4 * hidden,), (V, hidden), (V,))
    model = [torch.nn.Parameter(torch.randn(shape) / hidden**0.5) for shape in shapes]
    with torch.no_grad():
        model[2][hidden : 2 * hidden] = 1.0
    optimizer, losses = torch.optim.Adam(model, lr=0.01), []
    one_hot, zero = torch.eye(V)[torch.from_numpy(inputs)], torch.zeros(len(inputs), hidden)
    for _ in range(steps):
        W, U, b, readout, bias = model
        h, _ = lstm_fast(one_hot, zero, zero, W, U, b)
        logits = h @ readout.T + bias
        loss, dlogits = char_lm_loss(logits.detach().numpy(), targets)
        optimizer.zero_grad()
        logits.backward(torch.from_numpy(np.asarray(dlogits, np.float32)))
        optimizer.step()
        losses.append(loss)
        bar.update()
    return model, losses


with tqdm(total=3 * 120, unit="step") as bar:
    models, losses = zip(*(read_verse(seed, bar) for seed in range(3)), strict=True)


@torch.no_grad()
def write(model, start, count, temperature, seed=0):
    """Let the model go on from `start`, letter by letter; the final states carry it along."""
    rng, text, unread = np.random.default_rng(seed), start, start
    W, U, b, readout, bias = model
    h = c = torch.zeros(1, U.shape[1])
    for _ in range(count):
        x = torch.eye(V)[[letters.index(letter) for letter in unread]][None]
        _, (h, c) = lstm_fast(x, h, c, W, U, b)
        unread = letters[sample((h @ readout.T + bias)[0].numpy().astype(float), rng, temperature)]
        text += unread
    return text


print(f"no idea: {np.log(V):.2f} nats a letter; after 120 steps: ", ", ".join(f"{curve[-1]:.3f}" for curve in losses))
for temperature in (0.2, 1.0, 3.0):
    print(f"\ntemperature {temperature}:\n{write(models[0], 'two little', 150, temperature)}")

# %% [markdown]
# To think about:
#
# * The verse differs from line to line in one word, which comes back at the end of the line. When the network writes,
#   does it remember the number? Rows of 25 letters are all it ever saw, each from a zero state: what could you change?
# * Low temperatures repeat, high ones babble. Which temperature would you choose, and what would your reader say?
