"""Caches hold nothing but the arguments: the backward passes run the forward once more."""

import itertools

import numpy as np
import torch
from scipy import special

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def rnn_step_forward(x, s, U, W, b):
    return np.tanh(x @ U.T + s @ W.T + b), (x, s, U, W, b)


def rnn_step_backward(dout, cache):
    x, s, U, W, b = cache
    da = dout / np.cosh(x @ U.T + s @ W.T + b) ** 2
    return da @ U, da @ W, da.T @ x, da.T @ s, np.ones_like(da[:, 0]) @ da


def rnn_forward(x, s0, U, W, b):
    states, s = [], s0
    for t in range(x.shape[1]):
        s = rnn_step_forward(x[:, t], s, U, W, b)[0]
        states.append(s)
    return np.stack(states, 1), (x, s0, U, W, b)


def rnn_backward(dout, cache):
    x, s0, U, W, b = cache
    before = np.concatenate([s0[:, None], rnn_forward(*cache)[0]], axis=1)
    grads = [np.zeros_like(part) for part in cache]
    grads[1] = np.zeros_like(s0)
    for t in range(x.shape[1] - 1, -1, -1):
        step = rnn_step_backward(dout[:, t] + grads[1], (x[:, t], before[:, t], U, W, b))
        grads[0][:, t], grads[1] = step[:2]
        for total, part in zip(grads[2:], step[2:], strict=True):
            total += part
    return tuple(grads)


def run_rnn(step, x, s0, mode, length=None):
    sequence = x if mode[:4] == "many" else x[:, None]
    steps = {"one_to_one": 1, "one_to_many": length}.get(mode, sequence.shape[1])
    s, history = s0, np.zeros((steps, *s0.shape), dtype=s0.dtype)
    for t in range(steps):
        s = history[t] = step(sequence[:, t] if t < sequence.shape[1] else np.zeros_like(x), s)
    return history.transpose(1, 0, 2) if mode[-4:] == "many" else history[-1]


def make_batches(ids, length):
    rows = len(ids[1:]) // length
    return tuple(np.array(part[: rows * length]).reshape(-1, length) for part in (ids[:-1], ids[1:]))


def char_lm_loss(logits, targets):
    log_p = special.log_softmax(logits, axis=2)
    places = (*np.ogrid[: targets.shape[0], : targets.shape[1]], targets)
    grad = special.softmax(logits, axis=2)
    np.subtract.at(grad, places, 1)
    return np.mean(-log_p[places]), grad / targets.size


def ngram_counts(ids, n):
    grams = list(itertools.pairwise(ids)) if n == 2 else [tuple(ids[k : k + n]) for k in range(len(ids) - n + 1)]
    return {tuple(map(int, gram)): sum(other == gram for other in grams) for gram in grams}


def sample(logits, rng, temperature=1.0):
    """Rejection: propose a token uniformly, keep it with probability p / max p."""
    ratio = np.exp((np.asarray(logits, dtype=float) - np.max(logits)) / temperature)
    while True:
        token = int(rng.integers(len(ratio)))
        if rng.random() < ratio[token]:
            return token


def lstm_step_forward(x, h, c, W, U, b):
    i, f, g, o = activations(x, h, W, U, b)
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, (x, h, c, W, U, b)


def activations(x, h, W, U, b):
    W, U, b = W.reshape(4, -1, x.shape[1]), U.reshape(4, -1, h.shape[1]), b.reshape(4, 1, -1)
    z = x @ W.swapaxes(1, 2) + h @ U.swapaxes(1, 2) + b
    z[[0, 1, 3]] = special.expit(z[[0, 1, 3]])
    z[2] = np.tanh(z[2])
    return z


def lstm_step_backward(dh, dc, cache):
    x, h, c, W, U, b = cache
    i, f, g, o = gates = activations(x, h, W, U, b)
    shown = np.tanh(f * c + i * g)
    dc = dc + dh * o * (1 - shown**2)
    dz = np.stack([dc * g, dc * c, dc * i, dh * shown]) * gates * (1 - gates)
    dz[2] = dc * i * (1 - g * g)
    W3, U3 = W.reshape(4, -1, x.shape[1]), U.reshape(4, -1, h.shape[1])
    dW = np.einsum("gnh,nd->ghd", dz, x).reshape(W.shape)
    dU = np.einsum("gnh,nk->ghk", dz, h).reshape(U.shape)
    return np.einsum("gnh,ghd->nd", dz, W3), np.einsum("gnh,ghk->nk", dz, U3), dc * f, dW, dU, dz.sum(1).ravel()


def lstm_forward(x, h0, c0, W, U, b):
    h, c, out = h0, c0, []
    for t in range(x.shape[1]):
        h, c, _ = lstm_step_forward(x[:, t], h, c, W, U, b)
        out.append(h)
    return np.stack(out, 1), (x, h0, c0, W, U, b)


def lstm_backward(dout, cache):
    x, h, c, W, U, b = cache
    moments = []
    for t in range(x.shape[1]):
        moments.append((x[:, t], h, c, W, U, b))
        h, c, _ = lstm_step_forward(*moments[-1])
    dh, dc, dx = np.zeros_like(h), np.zeros_like(c), np.zeros_like(x)
    weights = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    for t in reversed(range(len(moments))):
        dx[:, t], dh, dc, *parts = lstm_step_backward(dout[:, t] + dh, dc, moments[t])
        for total, part in zip(weights, parts, strict=True):
            total += part
    return (dx, dh, dc, *weights)


def lstm_fast(x, h0, c0, W, U, b):
    """In blocks of steps that are run again in the backward pass, so that few activations are kept."""
    inputs = (x @ W.T + b).transpose(0, 1)

    def block(z, h, c, U):
        out = []
        for z_t in z:
            i, f, g, o = torch.addmm(z_t, h, U.T).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return torch.stack(out), h, c

    out, h, c = [], h0, c0
    for part in inputs.split(3):
        states, h, c = torch.utils.checkpoint.checkpoint(block, part, h, c, U, use_reentrant=False)
        out.append(states)
    return torch.cat(out).transpose(0, 1), (h, c)


def clip_grad_norm(grads, max_norm):
    flat = np.hstack([np.ravel(grad) for grad in grads])
    norm = np.sqrt(flat @ flat)
    flat = flat * (max_norm / norm) if norm > max_norm else flat
    parts = np.split(flat, np.cumsum([grad.size for grad in grads])[:-1])
    return [part.reshape(grad.shape) for part, grad in zip(parts, grads, strict=True)], norm


def bptt_gradient_norms(W, length):
    return np.array([np.linalg.cond(np.linalg.matrix_power(W, t), 2) * sigma_min(W, t) for t in range(1, length + 1)])


def sigma_min(W, t):
    return np.linalg.norm(np.linalg.matrix_power(W, t), -2)


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """Valid steps of all rows in a flat list, from which every direction takes and to which it writes."""
    n, t, _ = x.shape
    zero = x.new_zeros(n, params_fwd[1].shape[1])
    row, step = torch.nonzero(torch.arange(t) < lengths[:, None], as_tuple=True)
    mirror = lengths[row] - 1 - step
    turned = torch.zeros_like(x).index_put((row, mirror), x[row, step])
    forward = lstm_fast(x, zero, zero, *params_fwd)[0][row, step]
    backward = lstm_fast(turned, zero, zero, *params_bwd)[0][row, mirror]
    both = torch.cat([forward, backward], dim=1)
    return both.new_zeros(n, t, both.shape[1]).index_put((row, step), both)


def child_sum_tree_lstm(x, children, W, U, b):
    """Children pour into their parent: edges instead of lists, parents after children."""
    H = U.shape[1]
    h_sum, kept = np.zeros((len(x), H), x.dtype), np.zeros((len(x), H), x.dtype)
    h, c = np.zeros_like(h_sum), np.zeros_like(h_sum)
    parent_of = {kid: parent for parent, kids in enumerate(children) for kid in kids}
    W_f, U_f, b_f = W[H : 2 * H], U[H : 2 * H], b[H : 2 * H]
    for node in range(len(x)):
        i, _, g, o = activations(x[node][None], h_sum[node][None], W, U, b)[:, 0]
        c[node] = i * g + kept[node]
        h[node] = o * np.tanh(c[node])
        if node in parent_of:
            parent = parent_of[node]
            h_sum[parent] += h[node]
            kept[parent] += special.expit(W_f @ x[parent] + U_f @ h[node] + b_f) * c[node]
    return h, c
