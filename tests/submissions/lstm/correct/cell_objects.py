"""Cells as objects with their own records, and the fast LSTM as an autograd function with a hand-written backward."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import expit, log_softmax

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


@dataclass
class Cell:
    """Weights, their gradients, and a stack of what each step saw."""

    on_x: np.ndarray
    on_state: np.ndarray
    bias: np.ndarray
    seen: list = field(default_factory=list)

    def __post_init__(self):
        self.grads = [np.zeros_like(p) for p in (self.on_x, self.on_state, self.bias)]

    def affine(self, x, s):
        return np.matmul(x, self.on_x.T) + np.matmul(s, self.on_state.T) + self.bias

    def affine_back(self, dz, x, s):
        for total, part in zip(self.grads, (dz.T @ x, dz.T @ s, dz.sum(0)), strict=True):
            total += part
        return dz @ self.on_x, dz @ self.on_state


class Tanh(Cell):
    def step(self, x, s):
        out = np.tanh(self.affine(x, s))
        self.seen.append((x, s, out))
        return out

    def back(self, ds):
        x, s, out = self.seen.pop()
        return self.affine_back(ds - ds * out * out, x, s)


class Gated(Cell):
    def step(self, x, h, c):
        i, f, g, o = np.array_split(self.affine(x, h), 4, axis=1)
        i, f, g, o = expit(i), expit(f), np.tanh(g), expit(o)
        out = f * c + i * g
        self.seen.append((x, h, c, i, f, g, o, np.tanh(out)))
        return o * self.seen[-1][-1], out

    def back(self, dh, dc):
        x, h, c, i, f, g, o, shown = self.seen.pop()
        dc = dc + dh * o * (1 - shown * shown)
        dz = np.concatenate(
            [dc * g * (i - i * i), dc * c * (f - f * f), dc * i * (1 - g * g), dh * shown * (o - o * o)], 1
        )
        return (*self.affine_back(dz, x, h), dc * f)


def rnn_step_forward(x, s, U, W, b):
    cell = Tanh(U, W, b)
    return cell.step(x, s), cell


def rnn_step_backward(dout, cache):
    dx, ds = cache.back(dout)
    return (dx, ds, *cache.grads)


def rnn_forward(x, s0, U, W, b):
    cell, states = Tanh(U, W, b), [s0]
    for x_t in np.moveaxis(x, 1, 0):
        states.append(cell.step(x_t, states[-1]))
    return np.stack(states[1:], axis=1), cell


def rnn_backward(dout, cache):
    dx, ds = [], 0
    for dout_t in np.moveaxis(dout, 1, 0)[::-1]:
        dx_t, ds = cache.back(dout_t + ds)
        dx.append(dx_t)
    return (np.stack(dx[::-1], axis=1), ds, *cache.grads)


class Unrolled:
    """Iterates over the states of a recurrence."""

    def __init__(self, step, inputs, s0):
        self.step, self.inputs, self.s = step, iter(inputs), s0

    def __iter__(self):
        return self

    def __next__(self):
        self.s = self.step(next(self.inputs), self.s)
        return self.s


def run_rnn(step, x, s0, mode, length=None):
    source, _, target = mode.partition("_to_")
    inputs = [x[:, t] for t in range(x.shape[1])] if source == "many" else [x]
    if source == "one" and target == "many":
        inputs = inputs + [np.full_like(x, 0) for _ in range(length - 1)]
    states = list(Unrolled(step, inputs, s0))
    return np.stack(states, axis=1) if target == "many" else states.pop()


def make_batches(ids, length):
    rows = (ids.size - 1) // length
    both = np.stack([ids[:-1], ids[1:]])[:, : rows * length]
    return tuple(both.reshape(2, rows, length))


def char_lm_loss(logits, targets):
    """Through the derivative of the log-softmax: d logits = dlog_p - p sum(dlog_p)."""
    log_p = log_softmax(logits, axis=-1)
    dlog_p = np.zeros_like(log_p)
    np.put_along_axis(dlog_p, targets[..., None], -1 / targets.size, axis=-1)
    return (dlog_p * log_p).sum(), dlog_p - np.exp(log_p) * dlog_p.sum(-1, keepdims=True)


def ngram_counts(ids, n):
    counts, window = Counter(), []
    for token in ids:
        window = [*window, int(token)][-n:]
        if len(window) == n:
            counts[tuple(window)] += 1
    return counts


def sample(logits, rng, temperature=1.0):
    p = np.exp(log_softmax(np.asarray(logits, dtype=np.float64) / temperature))
    return np.flatnonzero(rng.random() < np.append(np.cumsum(p)[:-1], 1.0))[0]


def lstm_step_forward(x, h, c, W, U, b):
    cell = Gated(W, U, b)
    return (*cell.step(x, h, c), cell)


def lstm_step_backward(dh, dc, cache):
    return (*cache.back(dh, dc), *cache.grads)


def lstm_forward(x, h0, c0, W, U, b):
    cell, h, c, out = Gated(W, U, b), h0, c0, []
    for x_t in np.moveaxis(x, 1, 0):
        h, c = cell.step(x_t, h, c)
        out.append(h)
    return np.stack(out, axis=1), cell


def lstm_backward(dout, cache):
    dx, dh, dc = [], 0, 0
    for dout_t in np.moveaxis(dout, 1, 0)[::-1]:
        dx_t, dh, dc = cache.back(dout_t + dh, dc)
        dx.append(dx_t)
    return (np.stack(dx[::-1], axis=1), dh, dc, *cache.grads)


class FastLSTM(torch.autograd.Function):
    """The weights' gradients are one product each, after the loop."""

    @staticmethod
    def forward(ctx, x, h0, c0, W, U, b):
        z_input = torch.matmul(x, W.t()) + b
        h, c, hs, cs, gates = h0, c0, [h0], [c0], []
        for z in z_input.unbind(1):
            i, f, g, o = (z + h @ U.t()).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            hs.append(h)
            cs.append(c)
            gates.append(torch.stack([i, f, g, o]))
        hs, cs = torch.stack(hs, 1), torch.stack(cs, 1)
        ctx.save_for_backward(x, W, U, hs, cs, torch.stack(gates))
        return hs[:, 1:].clone(), h, c

    @staticmethod
    def backward(ctx, dout, dh, dc):
        x, W, U, hs, cs, gates = ctx.saved_tensors
        shown, dz = cs.tanh(), []
        for t in range(x.shape[1] - 1, -1, -1):
            i, f, g, o = gates[t]
            dh = dh + dout[:, t]
            dc = dc + dh * o * (1 - shown[:, t + 1] ** 2)
            parts = [dc * g * i * (1 - i), dc * cs[:, t] * f * (1 - f), dc * i * (1 - g**2)]
            dz.append(torch.cat([*parts, dh * shown[:, t + 1] * o * (1 - o)], dim=1))
            dh, dc = dz[-1] @ U, dc * f
        dz = torch.stack(dz[::-1], dim=1)
        flat = dz.flatten(0, 1).t()
        return dz @ W, dh, dc, flat @ x.flatten(0, 1), flat @ hs[:, :-1].flatten(0, 1), dz.sum((0, 1))


def lstm_fast(x, h0, c0, W, U, b):
    h, h_last, c_last = FastLSTM.apply(x, h0, c0, W, U, b)
    return h, (h_last, c_last)


def clip_grad_norm(grads, max_norm):
    norm = np.sqrt(sum(np.einsum("i,i->", grad.ravel(), grad.ravel()) for grad in grads))
    return [grad * np.asarray(np.clip(max_norm / (norm + 1e-6), None, 1), grad.dtype) for grad in grads], norm


def bptt_gradient_norms(W, length):
    norms, power = np.zeros(length, W.dtype), W.copy()
    for t in range(length):
        norms[t] = np.sqrt(np.linalg.norm(power @ power.T, 2))
        power = power @ W
    return norms


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """Both directions as one batch of 2N rows would need one set of weights; here they share the loop instead."""
    (n, t, _), H = x.shape, params_fwd[1].shape[1]
    mask = torch.arange(t).expand(n, t).lt(lengths.unsqueeze(1)).unsqueeze(2)
    x = x * mask
    ends = [x @ W.t() + b for W, _, b in (params_fwd, params_bwd)]
    h, c = [x.new_zeros(n, H)] * 2, [x.new_zeros(n, H)] * 2
    found = [[None] * t, [None] * t]
    for k in range(t):
        for side, at in ((0, k), (1, t - 1 - k)):
            z = torch.addmm(ends[side][:, at], h[side], (params_fwd, params_bwd)[side][1].t())
            i, f, g, o = z.chunk(4, dim=1)
            c_new = f.sigmoid() * c[side] + i.sigmoid() * g.tanh()
            c[side] = torch.where(mask[:, at], c_new, 0.0)
            h[side] = torch.where(mask[:, at], o.sigmoid() * c_new.tanh(), 0.0)
            found[side][at] = h[side]
    return torch.cat([torch.stack(side, dim=1) for side in found], dim=2)


class Tree:
    def __init__(self, x, children, W, U, b):
        self.z, self.children, self.U = x @ W.T + b, children, U.reshape(4, -1, U.shape[1])
        self.states = [None] * len(x)

    def visit(self, node):
        if self.states[node] is None:
            kids = [self.visit(kid) for kid in self.children[node]]
            self.states[node] = self.join(node, [h for h, _ in kids], [c for _, c in kids])
        return self.states[node]

    def join(self, node, hs, cs):
        z_i, z_f, z_g, z_o = self.z[node].reshape(4, -1)
        total = np.sum(hs, axis=0) if hs else np.zeros_like(z_i)
        U_i, U_f, U_g, U_o = self.U
        c = expit(z_i + U_i @ total) * np.tanh(z_g + U_g @ total)
        for h_kid, c_kid in zip(hs, cs, strict=True):
            c = c + expit(z_f + U_f @ h_kid) * c_kid
        return expit(z_o + U_o @ total) * np.tanh(c), c


def child_sum_tree_lstm(x, children, W, U, b):
    tree = Tree(x, children, W, U, b)
    h, c = zip(*(tree.visit(node) for node in range(len(x))), strict=True)
    return np.stack(h), np.stack(c)
