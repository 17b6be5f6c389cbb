"""The cache is a function: each forward step returns the backward step that belongs to it."""

from functools import reduce
from itertools import accumulate, chain, repeat

import numpy as np
import torch

QUIZ = {"q1": "B", "q2": "D", "q3": "C", "q4": "A", "q5": "C"}


def logistic(z):
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))


def rnn_step_forward(x, s, U, W, b):
    out = np.tanh(np.dot(x, U.T) + np.dot(s, W.T) + b)

    def backward(dout):
        da = dout * (1 + out) * (1 - out)
        return np.dot(da, U), np.dot(da, W), np.dot(da.T, x), np.dot(da.T, s), np.add.reduce(da)

    return out, backward


def rnn_step_backward(dout, cache):
    return cache(dout)


def rnn_forward(x, s0, U, W, b):
    def advance(before, x_t):
        return rnn_step_forward(x_t, before[0], U, W, b)

    trail = list(accumulate(np.swapaxes(x, 0, 1), advance, initial=(s0, None)))[1:]
    steps = [backward for _, backward in trail]

    def backward(dout):
        def retreat(after, moment):
            dout_t, step = moment
            ds, dxs, totals = after
            dx, ds, *grads = step(dout_t + ds)
            return ds, [dx, *dxs], [total + grad for total, grad in zip(totals, grads, strict=True)]

        moments = list(zip(np.swapaxes(dout, 0, 1), steps, strict=True))[::-1]
        start = (np.zeros_like(s0), [], [np.zeros_like(p) for p in (U, W, b)])
        ds, dxs, totals = reduce(retreat, moments, start)
        return (np.stack(dxs, axis=1), ds, *totals)

    return np.stack([s for s, _ in trail], axis=1), backward


def rnn_backward(dout, cache):
    return cache(dout)


def run_rnn(step, x, s0, mode, length=None):
    feeds = {
        "one_to_one": lambda: [x],
        "one_to_many": lambda: chain([x], repeat(np.zeros_like(x), length - 1)),
        "many_to_one": lambda: np.swapaxes(x, 0, 1),
        "many_to_many": lambda: np.swapaxes(x, 0, 1),
    }
    states = list(accumulate(feeds[mode](), lambda s, x_t: step(x_t, s), initial=s0))
    return states[-1] if mode.endswith("one") else np.stack(states[1:], axis=1)


def make_batches(ids, length):
    rows = (len(ids) - 1) // length
    index = np.arange(rows * length).reshape(rows, length)
    return ids[index], ids[index + 1]


def char_lm_loss(logits, targets):
    log_norm = reduce(np.logaddexp, np.moveaxis(logits, -1, 0))
    hit = np.arange(logits.shape[-1]) == targets[..., None]
    loss = (log_norm - np.where(hit, logits, 0).sum(-1)).mean()
    return loss, (np.exp(logits - log_norm[..., None]) - hit) / targets.size


def ngram_counts(ids, n):
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(ids), n)
    grams, counts = np.unique(windows, axis=0, return_counts=True)
    return {tuple(gram): count for gram, count in zip(grams.tolist(), counts.tolist(), strict=True)}


def sample(logits, rng, temperature=1.0):
    # the first of exponential clocks to ring, each with its token's rate
    scaled = logits / temperature
    return int(np.argmin(rng.exponential(size=len(logits)) / np.exp(scaled - scaled.max())))


def lstm_step_forward(x, h, c, W, U, b):
    zi, zf, zg, zo = np.hsplit(np.dot(x, W.T) + np.dot(h, U.T) + b, 4)
    i, f, g, o = logistic(zi), logistic(zf), np.tanh(zg), logistic(zo)
    c_next = f * c + i * g
    shown = np.tanh(c_next)

    def backward(dh, dc):
        dc = dc + o * dh * (1 - shown**2)
        dz = np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * shown * o * (1 - o)])
        return np.dot(dz, W), np.dot(dz, U), dc * f, np.dot(dz.T, x), np.dot(dz.T, h), np.add.reduce(dz)

    return o * shown, c_next, backward


def lstm_step_backward(dh, dc, cache):
    return cache(dh, dc)


def lstm_forward(x, h0, c0, W, U, b):
    def advance(before, x_t):
        return lstm_step_forward(x_t, before[0], before[1], W, U, b)

    trail = list(accumulate(np.swapaxes(x, 0, 1), advance, initial=(h0, c0, None)))[1:]

    def backward(dout):
        dh, dc, dxs = np.zeros_like(h0), np.zeros_like(c0), []
        totals = [np.zeros_like(p) for p in (W, U, b)]
        for dout_t, (_, _, step) in zip(np.swapaxes(dout, 0, 1)[::-1], trail[::-1], strict=True):
            dx, dh, dc, *grads = step(dout_t + dh, dc)
            dxs.insert(0, dx)
            for total, grad in zip(totals, grads, strict=True):
                total += grad
        return (np.stack(dxs, axis=1), dh, dc, *totals)

    return np.stack([h for h, _, _ in trail], axis=1), backward


def lstm_backward(dout, cache):
    return cache(dout)


def lstm_fast(x, h0, c0, W, U, b):
    """Column by column: states are (H, N), so that the weights stand on the left."""
    inputs = (W @ x.permute(1, 2, 0) + b[:, None]).unbind(0)  # T times (4H, N)

    def advance(state, z_x):
        h, c = state
        zi, zf, zg, zo = (U @ h + z_x).view(4, -1, x.shape[0])
        c = zf.sigmoid() * c + zi.sigmoid() * zg.tanh()
        return zo.sigmoid() * c.tanh(), c

    trail = list(accumulate(inputs, advance, initial=(h0.T, c0.T)))
    h, c = trail[-1]
    return torch.stack([state for state, _ in trail[1:]]).permute(2, 0, 1), (h.T, c.T)


def clip_grad_norm(grads, max_norm):
    norm = float(np.sqrt(np.sum([np.vdot(grad, grad) for grad in grads])))
    factor = max_norm / max(norm, max_norm)
    return tuple(factor * grad for grad in grads), norm


def bptt_gradient_norms(W, length):
    return np.array([np.linalg.norm(power, 2) for power in accumulate(repeat(W, length), np.dot)])


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """No reversal: the backward LSTM walks from the end, and stays at zero until a row's last valid step."""
    n, t, _ = x.shape
    valid = (torch.arange(t)[:, None] < lengths).to(x.dtype)[..., None]  # (T, N, 1)

    def walk(params, order):
        W, U, b = params
        inputs = x.transpose(0, 1) @ W.T + b
        h = c = x.new_zeros(n, U.shape[1])
        out = [h] * t
        for k in order:
            zi, zf, zg, zo = (inputs[k] + h @ U.T).chunk(4, dim=1)
            c = valid[k] * (zf.sigmoid() * c + zi.sigmoid() * zg.tanh())
            h = out[k] = valid[k] * zo.sigmoid() * c.tanh()
        return torch.stack(out, dim=1)

    return torch.cat([walk(params_fwd, range(t)), walk(params_bwd, reversed(range(t)))], dim=2)


def child_sum_tree_lstm(x, children, W, U, b):
    U_i, U_f, U_g, U_o = np.vsplit(U, 4)

    def grow(states, node):
        kids = [states[k] for k in children[node]]
        total = reduce(np.add, (h for h, _ in kids), np.zeros_like(x, shape=U.shape[1]))
        z_i, z_f, z_g, z_o = np.split(W @ x[node] + b, 4)
        kept = reduce(np.add, (logistic(z_f + U_f @ h) * c for h, c in kids), np.zeros_like(total))
        c = kept + logistic(z_i + U_i @ total) * np.tanh(z_g + U_g @ total)
        return [*states, (logistic(z_o + U_o @ total) * np.tanh(c), c)]

    h, c = zip(*reduce(grow, range(len(x)), []), strict=True)
    return np.array(h), np.array(c)
