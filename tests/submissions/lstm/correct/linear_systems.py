"""Backpropagation as the solution of one linear system: the gradients at all steps, coupled by the steps' Jacobians."""

import math
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import solve_triangular, svdvals
from scipy.special import expit

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def couple(direct, jacobians):
    """Solve g_t = direct_t + g_{t+1} J_{t+1} for one row of the batch: direct (T, K), jacobians (T - 1, K, K)."""
    steps, size = direct.shape
    matrix = np.eye(steps * size, dtype=direct.dtype)
    for t, jacobian in enumerate(jacobians):
        matrix[(t + 1) * size : (t + 2) * size, t * size : (t + 1) * size] = -jacobian
    # g (I - L) = direct, L strictly below the diagonal
    return solve_triangular(matrix, direct.ravel(), lower=True, trans="T").reshape(steps, size)


def rnn_step_forward(x, s, U, W, b):
    out, (x, states, U, W) = rnn_forward(x[:, None], s, U, W, b)
    return out[:, 0], (x, states, U, W)


def rnn_step_backward(dout, cache):
    dx, *rest = rnn_backward(dout[:, None], cache)
    return (dx[:, 0], *rest)


def rnn_forward(x, s0, U, W, b):
    states = [s0]
    for t in range(x.shape[1]):
        states.append(np.tanh(np.einsum("nd,hd->nh", x[:, t], U) + np.einsum("nk,hk->nh", states[-1], W) + b))
    states = np.stack(states, axis=1)
    return states[:, 1:].copy(), (x, states, U, W)


def rnn_backward(dout, cache):
    x, states, U, W = cache
    slopes = 1 - states[:, 1:] ** 2
    da = np.empty_like(slopes)
    for n in range(len(x)):
        total = couple(dout[n], slopes[n, 1:, :, None] * W)  # ds_{t+1}/ds_t = diag(slope) W
        da[n] = total * slopes[n]
    dU = np.einsum("nth,ntd->hd", da, x)
    dW = np.einsum("nth,ntk->hk", da, states[:, :-1])
    return np.einsum("nth,hd->ntd", da, U), da[:, 0] @ W, dU, dW, np.einsum("nth->h", da)


def run_rnn(step, x, s0, mode, length=None):
    many_in, many_out = mode.startswith("many"), mode.endswith("many")
    steps = x.shape[1] if many_in else length if many_out else 1
    blank = np.zeros_like(x)
    s, states, t = s0, [], 0
    while t < steps:
        s = step(x[:, t] if many_in else blank if t else x, s)
        states.append(s[:, np.newaxis])
        t += 1
    return np.hstack(states) if many_out else s


def make_batches(ids, length):
    pairs = np.array(list(pairwise(ids.tolist())), dtype=ids.dtype)
    rows = len(pairs) // length
    inputs, targets = pairs[: rows * length].reshape(rows, length, 2).transpose(2, 0, 1)
    return inputs, targets


def char_lm_loss(logits, targets):
    n, t, v = logits.shape
    z = logits - np.take_along_axis(logits, targets[..., None], -1)  # scores relative to the target's
    top = z.max(-1, keepdims=True)
    log_sum = top + np.log(np.exp(z - top).sum(-1, keepdims=True))
    grad = np.exp(z - log_sum)
    grad.reshape(-1)[np.arange(n * t) * v + targets.ravel()] -= 1
    return log_sum.mean(), grad / (n * t)


def ngram_counts(ids, n):
    ids = [int(i) for i in ids]
    counts = {}
    for end in range(n, len(ids) + 1):
        gram = tuple(ids[end - n : end])
        counts[gram] = counts.get(gram, 0) + 1
    return counts


def sample(logits, rng, temperature=1.0):
    logits = np.asarray(logits, np.float64)
    p = np.exp((logits - logits.max()) / temperature)
    return int(rng.multinomial(1, p / p.sum()).argmax())


def lstm_step_forward(x, h, c, W, U, b):
    out, (*rest, states) = lstm_forward(x[:, None], h, c, W, U, b)
    return out[:, 0], states[1][:, 1], (*rest, states)


def lstm_step_backward(dh, dc, cache):
    dx, *rest = both_states_backward(dh[:, None], dc[:, None], cache)
    return (dx[:, 0], *rest)


def lstm_forward(x, h0, c0, W, U, b):
    hs, cs, gates = [h0], [c0], []
    for t in range(x.shape[1]):
        z = np.einsum("nd,gd->ng", x[:, t], W) + np.einsum("nh,gh->ng", hs[-1], U) + b
        i, f, g, o = np.split(z, 4, axis=1)
        gates.append((expit(i), expit(f), np.tanh(g), expit(o)))
        i, f, g, o = gates[-1]
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    hs, cs = np.stack(hs, axis=1), np.stack(cs, axis=1)
    gates = [np.stack(gate, axis=1) for gate in zip(*gates, strict=True)]
    return hs[:, 1:].copy(), (x, W, U, gates, (hs, cs))


def both_states_backward(dh, dc, cache):
    """The state is (h, c); its Jacobian from one step to the next couples them."""
    x, W, U, (i, f, g, o), (hs, cs) = cache
    shown = np.tanh(cs[:, 1:])
    into_c = np.concatenate([g * i * (1 - i), cs[:, :-1] * f * (1 - f), i * (1 - g**2), 0 * o], axis=2)  # dc'/dz
    through = o * (1 - shown**2)  # dh'/dc'
    own = np.concatenate([0 * i, 0 * f, 0 * g, shown * o * (1 - o)], axis=2)  # dh'/dz, not through c'
    into_h = np.tile(through, 4) * into_c + own
    H = U.shape[1]
    dz, dh0, dc0 = np.empty_like(into_c), [], []
    for n in range(len(x)):
        jacobians = []
        for t in range(x.shape[1]):
            c_h = (into_c[n, t, :, None] * U).reshape(4, H, H).sum(0)
            h_h = (into_h[n, t, :, None] * U).reshape(4, H, H).sum(0)
            jacobians.append(np.block([[h_h, np.diag(through[n, t] * f[n, t])], [c_h, np.diag(f[n, t])]]))
        total = couple(np.concatenate([dh[n], dc[n]], axis=1), jacobians[1:])
        total_h, total_c = np.tile(total[:, :H], 4), np.tile(total[:, H:], 4)
        dz[n] = total_h * into_h[n] + total_c * into_c[n]
        first = total[0] @ jacobians[0]
        dh0.append(first[:H])
        dc0.append(first[H:])
    weights = np.einsum("ntg,ntd->gd", dz, x), np.einsum("ntg,nth->gh", dz, hs[:, :-1]), np.einsum("ntg->g", dz)
    return (np.einsum("ntg,gd->ntd", dz, W), np.array(dh0), np.array(dc0), *weights)


def lstm_backward(dout, cache):
    return both_states_backward(dout, np.zeros_like(dout), cache)


def lstm_fast(x, h0, c0, W, U, b):
    W, U, b = (p.unflatten(0, (4, -1)) for p in (W, U, b))
    inputs = torch.einsum("ntd,ghd->tgnh", x, W) + b[:, None]
    U = U.transpose(1, 2)  # (4, H, H)
    h, c, out = h0, c0, []
    for z_x in inputs:
        i, f, g, o = z_x + torch.einsum("nk,gkh->gnh", h, U)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        out.append(h)
    return torch.stack(out, dim=1), (h, c)


def clip_grad_norm(grads, max_norm):
    norm = math.sqrt(math.fsum(float(value) ** 2 for grad in grads for value in grad.flat))
    factor = min(1.0, max_norm / (norm + 1e-6))
    return [np.multiply(grad, factor, dtype=grad.dtype) for grad in grads], norm


def bptt_gradient_norms(W, length):
    """Powers from the singular value decomposition: W^t = (u s v)^t."""
    u, s, v = np.linalg.svd(W)
    inner, power, norms = v @ u, np.diag(s), []
    for _ in range(length):
        norms.append(svdvals(power)[0])
        power = power @ inner @ np.diag(s)
    return np.array(norms)


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """The backward reading through a permutation matrix for each row."""
    n, t, _ = x.shape
    zero = x.new_zeros(n, params_fwd[1].shape[1])
    step = torch.arange(t)
    anti = (step[:, None] + step == lengths[:, None, None] - 1).to(x.dtype)  # (N, T, T), 0 at padding
    valid = (step < lengths[:, None]).to(x.dtype)[..., None]
    forward = lstm_fast(x, zero, zero, *params_fwd)[0] * valid
    backward = anti @ lstm_fast(anti @ x, zero, zero, *params_bwd)[0]
    return torch.dstack([forward, backward])


def child_sum_tree_lstm(x, children, W, U, b):
    H = U.shape[1]
    U = U.reshape(4, H, H)
    z = np.einsum("nd,ghd->ngh", x, W.reshape(4, H, -1)) + b.reshape(4, H)
    h, c = np.zeros((len(x), H), z.dtype), np.zeros((len(x), H), z.dtype)
    for node, kids in enumerate(children):
        kids = np.array(kids, dtype=int)
        i, _, g, o = z[node] + np.einsum("ghk,jk->gh", U, h[kids])
        forget = expit(z[node, 1] + np.einsum("hk,jk->jh", U[1], h[kids]))
        c[node] = expit(i) * np.tanh(g) + np.einsum("jh,jh->h", forget, c[kids])
        h[node] = expit(o) * np.tanh(c[node])
    return h, c
