"""Input and state side by side, times one matrix; the bias as the weight of a feature that is always 1."""

from collections import Counter

import numpy as np
import torch
from scipy.special import expit, logsumexp

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def joined(x, s):
    return np.concatenate([x, s, np.ones_like(x[:, :1])], axis=1)


def split_gradients(dz, v, M, d):
    """dx, ds and the gradients to both weights and the bias, from the gradient to v @ M.T."""
    dv, dM = dz @ M, dz.T @ v
    return dv[:, :d], dv[:, d:-1], dM[:, :d], dM[:, d:-1], dM[:, -1]


def rnn_step_forward(x, s, U, W, b):
    M = np.column_stack([U, W, b])
    v = joined(x, s)
    out = np.tanh(v @ M.T)
    return out, (v, M, out, x.shape[1])


def rnn_step_backward(dout, cache):
    v, M, out, d = cache
    return split_gradients(dout - dout * out**2, v, M, d)


def rnn_forward(x, s0, U, W, b):
    states, caches = [s0], []
    for x_t in x.swapaxes(0, 1):
        s, cache = rnn_step_forward(x_t, states[-1], U, W, b)
        states += [s]
        caches += [cache]
    return np.array(states[1:]).swapaxes(0, 1), caches


def rnn_backward(dout, cache):
    dx = np.zeros((*dout.shape[:2], cache[0][3]), dout.dtype)
    ds, totals = 0 * dout[:, 0], [0, 0, 0]
    for t in range(len(cache))[::-1]:
        dx[:, t], ds, *grads = rnn_step_backward(dout[:, t] + ds, cache[t])
        totals = [total + grad for total, grad in zip(totals, grads, strict=True)]
    return (dx, ds, *totals)


def inputs_of(x, mode, length):
    if mode.startswith("many"):
        yield from x.swapaxes(0, 1)
        return
    yield x
    for _ in range(1, length if mode == "one_to_many" else 1):
        yield 0 * x


def run_rnn(step, x, s0, mode, length=None):
    trail = [s0]
    for x_t in inputs_of(x, mode, length):
        trail.append(step(x_t, trail[-1]))
    return trail[-1] if mode in ("one_to_one", "many_to_one") else np.array(trail[1:]).swapaxes(0, 1)


def make_batches(ids, length):
    starts = range(0, (len(ids) - 1) // length * length, length)
    return np.array([ids[s : s + length] for s in starts]), np.array([ids[s + 1 : s + length + 1] for s in starts])


def char_lm_loss(logits, targets):
    flat, wanted = logits.reshape(-1, logits.shape[-1]), targets.ravel()
    log_p = flat - logsumexp(flat, axis=1)[:, None]
    one_hot = np.eye(flat.shape[1], dtype=logits.dtype)[wanted]
    loss = -log_p[np.arange(len(wanted)), wanted].sum() / len(wanted)
    return loss, ((np.exp(log_p) - one_hot) / len(wanted)).reshape(logits.shape)


def ngram_counts(ids, n):
    ids = list(map(int, ids))
    return Counter(tuple(ids[i : i + n]) for i in range(len(ids) + 1 - n))


def sample(logits, rng, temperature=1.0):
    p = np.exp((logits - np.max(logits)) / temperature)
    edges = np.cumsum(p)
    return int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))


def gates_of(z):
    i, f, g, o = z.reshape(len(z), 4, -1).swapaxes(0, 1)
    return expit(i), expit(f), np.tanh(g), expit(o)


def lstm_step_forward(x, h, c, W, U, b):
    M, v = np.column_stack([W, U, b]), joined(x, h)
    i, f, g, o = gates_of(v @ M.T)
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, (v, M, c, c_next, (i, f, g, o), x.shape[1])


def lstm_step_backward(dh, dc, cache):
    v, M, c, c_next, (i, f, g, o), d = cache
    revealed = np.tanh(c_next)
    total = dc + dh * o / np.cosh(np.clip(c_next, -300, 300)) ** 2
    dz = [total * g * i * (1 - i), total * c * f * (1 - f), total * i * (1 - g**2), dh * revealed * o * (1 - o)]
    dx, dh0, dW, dU, db = split_gradients(np.concatenate(dz, axis=1), v, M, d)
    return dx, dh0, total * f, dW, dU, db


def lstm_forward(x, h0, c0, W, U, b):
    h, c, out, caches = h0, c0, [], []
    for x_t in x.swapaxes(0, 1):
        h, c, cache = lstm_step_forward(x_t, h, c, W, U, b)
        out += [h]
        caches += [cache]
    return np.array(out).swapaxes(0, 1), caches


def lstm_backward(dout, cache):
    dx = np.zeros((*dout.shape[:2], cache[0][5]), dout.dtype)
    dh, dc, totals = 0 * dout[:, 0], 0 * dout[:, 0], [0, 0, 0]
    for t in range(len(cache))[::-1]:
        dx[:, t], dh, dc, *grads = lstm_step_backward(dout[:, t] + dh, dc, cache[t])
        totals = [total + grad for total, grad in zip(totals, grads, strict=True)]
    return (dx, dh, dc, *totals)


def lstm_fast(x, h0, c0, W, U, b):
    M = torch.cat([W, U], dim=1).T
    h, c, out = h0, c0, []
    for x_t in x.unbind(1):
        z = torch.addmm(b, torch.cat([x_t, h], dim=1), M)  # one product a step
        i, f, g, o = z.tensor_split(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        out.append(h)
    return torch.stack(out, dim=1), (h, c)


def clip_grad_norm(grads, max_norm):
    norm = np.hypot.reduce([np.linalg.norm(grad) for grad in grads])
    if norm <= max_norm:
        return [grad.copy() for grad in grads], norm
    return [grad / norm * max_norm for grad in grads], norm


def bptt_gradient_norms(W, length):
    norms, power = [], np.eye(len(W), dtype=W.dtype)
    for _ in range(length):
        power = W @ power
        norms.append(np.sqrt(np.linalg.eigvalsh(power.T @ power)[-1]))
    return np.array(norms)


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """Both LSTMs as one of twice the size, its weights block-diagonal."""
    (n, t, _), H = x.shape, params_fwd[1].shape[1]
    steps = torch.arange(t)
    valid = steps < lengths[:, None]
    order = torch.where(valid, lengths[:, None] - 1 - steps, steps)
    turned = torch.take_along_dim(x, order[..., None], dim=1)

    def gatewise(forward, backward, mix):
        return torch.cat([mix(f, g) for f, g in zip(forward.chunk(4), backward.chunk(4), strict=True)])

    W = gatewise(params_fwd[0], params_bwd[0], torch.block_diag)
    U = gatewise(params_fwd[1], params_bwd[1], torch.block_diag)
    b = gatewise(params_fwd[2], params_bwd[2], lambda f, g: torch.cat([f, g]))
    zero = x.new_zeros(n, 2 * H)
    h, _ = lstm_fast(torch.cat([x, turned], dim=2), zero, zero, W, U, b)
    backward = torch.take_along_dim(h[..., H:], order[..., None], dim=1)
    return torch.cat([h[..., :H], backward], dim=2) * valid[..., None]


def child_sum_tree_lstm(x, children, W, U, b):
    """Level by level: all nodes whose children are known, at once, through a matrix of who is whose child."""
    nodes, H = len(x), U.shape[1]
    is_child = np.zeros((nodes, nodes), x.dtype)
    for parent, kids in enumerate(children):
        is_child[parent, kids] = 1
    height = np.zeros(nodes, int)
    for parent, kids in enumerate(children):
        height[parent] = 1 + max((height[kid] for kid in kids), default=-1)
    z = x @ W.T + b
    U_f, z_f = U[H : 2 * H], z[:, H : 2 * H]
    h, c = np.zeros((nodes, H), x.dtype), np.zeros((nodes, H), x.dtype)
    for level in range(height.max() + 1):
        here = np.flatnonzero(height == level)
        i, _, g, o = gates_of(z[here] + is_child[here] @ h @ U.T)
        forget = expit(z_f[here][:, None] + (h @ U_f.T)[None])  # (nodes here, all nodes, H)
        c[here] = i * g + np.einsum("pk,pkh,kh->ph", is_child[here], forget, c)
        h[here] = o * np.tanh(c[here])
    return h, c
