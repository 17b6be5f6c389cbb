"""Everything that needs no state is computed for all steps at once, forwards and backwards."""

from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, softmax

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def rnn_step_forward(x, s, U, W, b):
    s_next = np.tanh(x @ U.T + s @ W.T + b)
    return s_next, {"x": x, "s": s, "U": U, "W": W, "slope": 1 - s_next * s_next}


def rnn_step_backward(dout, cache):
    da = dout * cache["slope"]
    return da @ cache["U"], da @ cache["W"], da.T @ cache["x"], da.T @ cache["s"], da.sum(0)


def rnn_forward(x, s0, U, W, b):
    n, t, _ = x.shape
    pre = x @ U.T + b
    states = np.empty((n, t + 1, len(b)), pre.dtype)
    states[:, 0] = s0
    for i in range(t):
        states[:, i + 1] = np.tanh(pre[:, i] + states[:, i] @ W.T)
    return states[:, 1:].copy(), (x, U, W, states)


def rnn_backward(dout, cache):
    x, U, W, states = cache
    da = np.empty_like(states[:, 1:])
    ds = np.zeros_like(states[:, 0])
    for i in range(x.shape[1] - 1, -1, -1):
        da[:, i] = (dout[:, i] + ds) * (1 - states[:, i + 1] ** 2)
        ds = da[:, i] @ W
    both = ([0, 1], [0, 1])
    return da @ U, ds, np.tensordot(da, x, both), np.tensordot(da, states[:, :-1], both), da.sum((0, 1))


def run_rnn(step, x, s0, mode, length=None):
    if mode == "one_to_one":
        return step(x, s0)
    if mode == "one_to_many":  # the same as many to many on a sequence that is zero after its first step
        padded = np.zeros((x.shape[0], length, x.shape[1]), x.dtype)
        padded[:, 0] = x
        return run_rnn(step, padded, s0, "many_to_many")
    out = np.empty((x.shape[0], x.shape[1], s0.shape[1]), s0.dtype)
    s = s0
    for t in range(x.shape[1]):
        s = step(x[:, t], s)
        out[:, t] = s
    return out[:, -1] if mode == "many_to_one" else out


def make_batches(ids, length):
    windows = np.lib.stride_tricks.sliding_window_view(ids, length + 1)[::length]
    return windows[:, :-1].copy(), windows[:, 1:].copy()


def char_lm_loss(logits, targets):
    log_p = log_softmax(logits, axis=-1)
    grad = softmax(logits, axis=-1)
    n, t = np.indices(targets.shape)
    grad[n, t, targets] -= 1
    return -log_p[n, t, targets].mean(), grad / targets.size


def ngram_counts(ids, n):
    counts = defaultdict(int)
    for gram in zip(*(ids[i:] for i in range(n)), strict=False):
        counts[gram] += 1
    return counts


def sample(logits, rng, temperature=1.0):
    p = softmax(np.asarray(logits, dtype=np.float64) / temperature)
    return int(rng.choice(len(p), p=p))


def lstm_step_forward(x, h, c, W, U, b):
    z = x @ W.T + h @ U.T + b
    H = h.shape[1]
    i, f, g, o = sigmoid(z[:, :H]), sigmoid(z[:, H : 2 * H]), np.tanh(z[:, 2 * H : 3 * H]), sigmoid(z[:, 3 * H :])
    c_next = f * c + i * g
    squashed = np.tanh(c_next)
    return o * squashed, c_next, (x, h, c, W, U, i, f, g, o, squashed)


def lstm_step_backward(dh, dc, cache):
    x, h, c, W, U, i, f, g, o, squashed = cache
    dc = dc + dh * o * (1 - squashed * squashed)
    dz = np.hstack((dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o)))
    return dz @ W, dz @ U, f * dc, dz.T @ x, dz.T @ h, dz.sum(0)


def lstm_forward(x, h0, c0, W, U, b):
    n, t, _ = x.shape
    H = h0.shape[1]
    z = x @ W.T + b
    gates = np.empty((n, t, 4, H), z.dtype)
    hs, cs = np.empty((n, t + 1, H), z.dtype), np.empty((n, t + 1, H), z.dtype)
    hs[:, 0], cs[:, 0] = h0, c0
    for k in range(t):
        a = (z[:, k] + hs[:, k] @ U.T).reshape(n, 4, H)
        gates[:, k] = sigmoid(a)
        gates[:, k, 2] = np.tanh(a[:, 2])
        i, f, g, o = np.moveaxis(gates[:, k], 1, 0)
        cs[:, k + 1] = f * cs[:, k] + i * g
        hs[:, k + 1] = o * np.tanh(cs[:, k + 1])
    return hs[:, 1:].copy(), (x, W, U, gates, hs, cs)


def lstm_backward(dout, cache):
    x, W, U, gates, hs, cs = cache
    n, t, _, H = gates.shape
    i, f, g, o = np.moveaxis(gates, 2, 0)
    squashed = np.tanh(cs[:, 1:])
    # what dh and dc are multiplied with on their way to each gate's pre-activation, for all steps at once
    from_c = np.stack((g * i * (1 - i), cs[:, :-1] * f * (1 - f), i * (1 - g * g)), axis=2)
    from_h = squashed * o * (1 - o)
    into_c = o * (1 - squashed**2)
    dz = np.empty_like(gates)
    dh, dc = np.zeros_like(hs[:, 0]), np.zeros_like(cs[:, 0])
    for k in range(t - 1, -1, -1):
        dh = dh + dout[:, k]
        dc = dc + dh * into_c[:, k]
        dz[:, k, :3] = dc[:, None] * from_c[:, k]
        dz[:, k, 3] = dh * from_h[:, k]
        dh, dc = dz[:, k].reshape(n, 4 * H) @ U, dc * f[:, k]
    dz = dz.reshape(n, t, 4 * H)
    both = ([0, 1], [0, 1])
    return dz @ W, dh, dc, np.tensordot(dz, x, both), np.tensordot(dz, hs[:, :-1], both), dz.sum((0, 1))


def lstm_fast(x, h0, c0, W, U, b):
    inputs = F.linear(x, W, b)
    h, c, out = h0, c0, []
    for t in range(x.shape[1]):
        i, f, g, o = (inputs[:, t] + h @ U.T).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out.append(h)
    return torch.stack(out, 1), (h, c)


def clip_grad_norm(grads, max_norm):
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads]))
    return [g * np.minimum(1, max_norm / (norm + 1e-6)).astype(g.dtype) for g in grads], norm


def bptt_gradient_norms(W, length):
    return np.array([np.linalg.svd(np.linalg.matrix_power(W, t), compute_uv=False)[0] for t in range(1, length + 1)])


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    n, t, _ = x.shape
    zero = x.new_zeros(n, params_fwd[1].shape[1])
    position = torch.arange(t)
    valid = (position[None] < lengths[:, None])[..., None]
    mirror = (lengths[:, None] - 1 - position).remainder(t)  # padding goes wherever, after the valid steps
    turn = mirror[..., None]
    forward, _ = lstm_fast(x, zero, zero, *params_fwd)
    backward, _ = lstm_fast(x.gather(1, turn.expand_as(x)), zero, zero, *params_bwd)
    backward = backward.gather(1, turn.expand_as(backward))
    return torch.where(valid, torch.cat((forward, backward), -1), torch.zeros((), dtype=x.dtype))


def child_sum_tree_lstm(x, children, W, U, b):
    H = U.shape[1]
    h, c = np.zeros((len(x), H), x.dtype), np.zeros((len(x), H), x.dtype)
    for j, kids in enumerate(children):
        total = np.zeros(H, x.dtype)
        for k in kids:
            total = total + h[k]
        zi, zf, zg, zo = np.split(W @ x[j] + b, 4)
        Ui, Uf, Ug, Uo = np.split(U, 4)
        cell = sigmoid(zi + Ui @ total) * np.tanh(zg + Ug @ total)
        for k in kids:
            cell = cell + sigmoid(zf + Uf @ h[k]) * c[k]
        c[j], h[j] = cell, sigmoid(zo + Uo @ total) * np.tanh(cell)
    return h, c
