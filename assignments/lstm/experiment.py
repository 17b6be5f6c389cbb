# %% [markdown]
# ## Experiment: what a state remembers
#
# Three questions. Can a recurrent network do better on "hello" than any bigram? How far back does a gradient reach, in
# a plain cell and in an LSTM? And what does an LSTM write that has read one short text over and over?

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from lstm import (
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


def encode(text):
    """The letters of a text, and the text as their indices."""
    letters = sorted(set(text))
    return letters, np.array([letters.index(letter) for letter in text])


# %% [markdown]
# ### "hello"
#
# Three hidden units, as in the lecture. The dashed line is the best that counting pairs of letters can do.

# %%
letters, ids = encode("hello")
inputs, targets = make_batches(ids, 4)
x, s0 = np.eye(len(letters))[inputs], np.zeros((1, 3))

rng = np.random.default_rng(1)
params = [0.5 * rng.standard_normal(shape) for shape in ((3, 4), (3, 3), (3,), (4, 3), (4,))]
losses = []
for _ in range(300):
    U, W, b, V, c = params
    s, cache = rnn_forward(x, s0, U, W, b)
    loss, dlogits = char_lm_loss(s @ V.T + c, targets)
    _, _, dU, dW, db = rnn_backward(dlogits @ V, cache)
    grads = [dU, dW, db, np.einsum("ntv,nth->vh", dlogits, s), dlogits.sum(axis=(0, 1))]
    grads, _ = clip_grad_norm(grads, 1.0)
    params = [p - 0.5 * g for p, g in zip(params, grads, strict=True)]
    losses.append(loss)

pairs, firsts = ngram_counts(ids, 2), ngram_counts(ids[:-1], 1)
bigram = -sum(n * np.log(n / firsts[pair[:1]]) for pair, n in pairs.items()) / sum(pairs.values())

plt.plot(losses, label="recurrent network")
plt.axhline(bigram, color="gray", linestyle="--", label=f"best bigram, {bigram:.3f}")
plt.xlabel("step")
plt.ylabel("loss (nats a letter)")
plt.legend()
plt.show()

# %% [markdown]
# ### How far back?
#
# A loss at the last of 60 steps, and the size of its gradient in each input. The plain cells differ in nothing but the
# scale of W; the LSTMs in nothing but the bias of their forget gate. Before you run it: which of the five lines do you
# expect to be flat?

# %%
T, H, D = 60, 32, 8
x = rng.standard_normal((16, T, D))
dout = np.zeros((16, T, H))
dout[:, -1] = rng.standard_normal((16, H))
rotation, _ = np.linalg.qr(rng.standard_normal((H, H)))
U, b, zero = 0.1 * rng.standard_normal((H, D)), np.zeros(H), np.zeros((16, H))

for scale in (0.7, 1.0, 1.3):
    _, cache = rnn_forward(x, zero, U, scale * rotation, b)
    reach = np.linalg.norm(rnn_backward(dout, cache)[0], axis=(0, 2))
    plt.semilogy(range(1 - T, 1), np.maximum(reach, 1e-16), label=f"tanh cell, W = {scale} rotation")

W4, U4 = 0.1 * rng.standard_normal((4 * H, D)), 0.1 * rng.standard_normal((4 * H, H))
for bias in (0.0, 5.0):
    b4 = np.repeat([0.0, bias, 0.0, 0.0], H)
    _, cache = lstm_forward(x, zero, zero, W4, U4, b4)
    reach = np.linalg.norm(lstm_backward(dout, cache)[0], axis=(0, 2))
    plt.semilogy(range(1 - T, 1), np.maximum(reach, 1e-16), "--", label=f"LSTM, forget bias {bias:g}")

plt.xlabel("steps back from the loss")
plt.ylabel("norm of the gradient in the input")
plt.legend()
plt.show()

# %% [markdown]
# ### A short text
#
# An LSTM reads a counting rhyme. Its gates start with a forget bias of 1, its gradients are clipped at 0.2, and
# autograd goes through your `lstm_fast`. Then it writes by itself, at three temperatures.

# %%
VERSE = "\n".join(
    f"{number} little ducks went out one day, over the hills and far away, and {number} came back."
    for number in ("one", "two", "three", "four", "five", "six")
)
letters, ids = encode(VERSE)
V, H = len(letters), 64
inputs, targets = (torch.from_numpy(part) for part in make_batches(ids, 25))
one_hot = torch.eye(V)[inputs]

torch.manual_seed(0)
shapes = ((4 * H, V), (4 * H, H), (4 * H,), (V, H), (V,))
model = [torch.nn.Parameter(torch.randn(shape) / H**0.5) for shape in shapes]
with torch.no_grad():
    model[2][H : 2 * H] = 1.0
zero = torch.zeros(len(inputs), H)
optimizer = torch.optim.Adam(model, lr=0.01)

losses, norms = [], []
for _ in range(300):
    W, U, b, readout, c = model
    h, _ = lstm_fast(one_hot, zero, zero, W, U, b)
    logits = h @ readout.T + c
    loss, dlogits = char_lm_loss(logits.detach().numpy(), targets.numpy())
    grads = torch.autograd.grad(logits, model, torch.from_numpy(np.asarray(dlogits, np.float32)))
    clipped, norm = clip_grad_norm([grad.numpy() for grad in grads], 0.2)
    for p, grad in zip(model, clipped, strict=True):
        p.grad = torch.from_numpy(np.asarray(grad, np.float32))
    optimizer.step()
    losses.append(loss)
    norms.append(norm)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
left.plot(losses)
left.axhline(np.log(V), color="gray", linestyle="--", label=f"no idea, ln {V}")
left.set(xlabel="step", ylabel="loss (nats a letter)")
left.legend()
right.plot(norms)
right.axhline(0.2, color="gray", linestyle="--", label="threshold")
right.set(xlabel="step", ylabel="norm of the gradient before clipping")
right.legend()
plt.show()


# %%
def write(start, count, temperature, seed=0):
    """Let the model go on from `start`, letter by letter; the final states carry it along."""
    rng, text = np.random.default_rng(seed), start
    h = c = torch.zeros(1, H)
    unread = start
    with torch.no_grad():
        W, U, b, readout, bias = model
        for _ in range(count):
            x = torch.eye(V)[[letters.index(letter) for letter in unread]][None]
            _, (h, c) = lstm_fast(x, h, c, W, U, b)
            unread = letters[sample((h @ readout.T + bias)[0].numpy().astype(float), rng, temperature)]
            text += unread
    return text


for temperature in (0.2, 1.0, 3.0):
    print(f"temperature {temperature}:\n{write('two little', 150, temperature)}\n")

# %% [markdown]
# To think about:
#
# * The verse differs from line to line in one word, which comes back at the end of the line. When the network writes,
#   does it remember the number? Rows of 25 letters are all it ever saw, each from a zero state: what could you change?
# * Take the clipping out of "hello", or set the forget bias to -5 in the second plot. What changes, and why?
