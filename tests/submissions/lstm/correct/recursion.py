"""Sequences and trees by recursion: the head now, the rest by the function itself."""

from functools import cache as memoised

import numpy as np
import torch
from scipy.special import expit, logsumexp

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def rnn_step_forward(x, s, U, W, b):
    out = np.tanh((U @ x.T + W @ s.T).T + b)
    return out, (x, s, U, W, out)


def rnn_step_backward(dout, cache):
    x, s, U, W, out = cache
    da = ((1 - np.square(out)) * dout).T  # (H, N)
    return (U.T @ da).T, (W.T @ da).T, da @ x, da @ s, da.sum(axis=1)


def rnn_forward(x, s0, U, W, b):
    s, here = rnn_step_forward(x[:, 0], s0, U, W, b)
    if x.shape[1] == 1:
        return s[:, None], (here, None)
    later, rest = rnn_forward(x[:, 1:], s, U, W, b)
    return np.concatenate([s[:, None], later], axis=1), (here, rest)


def rnn_backward(dout, cache):
    here, rest = cache
    if rest is None:
        dx, *others = rnn_step_backward(dout[:, 0], here)
        return (dx[:, None], *others)
    dx_later, ds, *later = rnn_backward(dout[:, 1:], rest)
    dx, ds, *now = rnn_step_backward(dout[:, 0] + ds, here)
    weights = (a + b for a, b in zip(now, later, strict=True))
    return (np.concatenate([dx[:, None], dx_later], axis=1), ds, *weights)


def states_of(step, x, s):
    """States after each step, x a list of inputs."""
    if not x:
        return []
    s = step(x[0], s)
    return [s, *states_of(step, x[1:], s)]


def run_rnn(step, x, s0, mode, length=None):
    match mode:
        case "one_to_one":
            return states_of(step, [x], s0)[0]
        case "one_to_many":
            return np.stack(states_of(step, [x, *(np.zeros_like(x) for _ in range(length - 1))], s0), axis=1)
        case "many_to_one":
            return states_of(step, [x[:, t] for t in range(x.shape[1])], s0)[-1]
        case "many_to_many":
            return np.stack(states_of(step, [x[:, t] for t in range(x.shape[1])], s0), axis=1)
    raise KeyError(mode)


def make_batches(ids, length):
    if len(ids) <= length:
        empty = np.zeros((0, length), dtype=ids.dtype)
        return empty, empty
    inputs, targets = make_batches(ids[length:], length)
    return np.vstack([ids[:length], inputs]), np.vstack([ids[1 : length + 1], targets])


def char_lm_loss(logits, targets):
    log_p = logits - logsumexp(logits, axis=-1, keepdims=True)
    one_hot = np.zeros_like(logits)
    np.put_along_axis(one_hot, targets[..., None], 1, axis=-1)
    return np.float64(-(one_hot * log_p).sum() / targets.size), (np.exp(log_p) - one_hot) / targets.size


def ngram_counts(ids, n):
    tokens = tuple(int(i) for i in ids)
    grams = sorted(tokens[i : i + n] for i in range(len(tokens) - n + 1))
    counts = {}
    while grams:
        first = grams[0]
        count = next((k for k, gram in enumerate(grams) if gram != first), len(grams))
        counts[first], grams = count, grams[count:]
    return counts


def sample(logits, rng, temperature=1.0):
    """Halve the vocabulary until one token is left."""

    below = [0.0, *np.cumsum(np.exp((logits - np.max(logits)) / temperature)).tolist()]
    low, high = 0, len(logits)
    while high - low > 1:
        middle = (low + high) // 2
        if rng.random() * (below[high] - below[low]) < below[middle] - below[low]:
            high = middle
        else:
            low = middle
    return low


def lstm_step_forward(x, h, c, W, U, b):
    z = ((W @ x.T + U @ h.T).T + b).reshape(len(x), 4, -1)
    i, f, o = (expit(z[:, k]) for k in (0, 1, 3))
    g = np.tanh(z[:, 2])
    c_next = i * g + f * c
    return o * np.tanh(c_next), c_next, (x, h, c, W, U, i, f, g, o, c_next)


def lstm_step_backward(dh, dc, cache):
    x, h, c, W, U, i, f, g, o, c_next = cache
    shown = np.tanh(c_next)
    dc_all = dc + dh * o * (1 - shown) * (1 + shown)
    dz = np.stack(
        [dc_all * g * i * (1 - i), dc_all * c * f * (1 - f), dc_all * i * (1 - g * g), dh * shown * o * (1 - o)]
    )
    dz = dz.transpose(1, 0, 2).reshape(len(x), -1)
    return (W.T @ dz.T).T, (U.T @ dz.T).T, f * dc_all, dz.T @ x, dz.T @ h, dz.sum(axis=0)


def lstm_forward(x, h0, c0, W, U, b):
    h, c, here = lstm_step_forward(x[:, 0], h0, c0, W, U, b)
    if x.shape[1] == 1:
        return h[:, None], [here]
    later, rest = lstm_forward(x[:, 1:], h, c, W, U, b)
    return np.concatenate([h[:, None], later], axis=1), [here, *rest]


def lstm_backward(dout, cache):
    def back(t):
        """Gradients to everything that the steps from t on read."""
        if t == len(cache):
            return [], np.zeros_like(dout[:, 0]), np.zeros_like(dout[:, 0]), (0, 0, 0)
        dxs, dh, dc, later = back(t + 1)
        dx, dh, dc, *now = lstm_step_backward(dout[:, t] + dh, dc, cache[t])
        return [dx, *dxs], dh, dc, [a + b for a, b in zip(now, later, strict=True)]

    dxs, dh, dc, weights = back(0)
    return (np.stack(dxs, axis=1), dh, dc, *weights)


def lstm_fast(x, h0, c0, W, U, b):
    inputs = torch.einsum("ntd,gd->tng", x, W) + b

    def states(t, h, c):
        if t == len(inputs):
            return [], h, c
        i, f, g, o = torch.hsplit(inputs[t] + torch.mm(h, U.T), 4)
        c = torch.sigmoid(f).mul(c).addcmul(torch.sigmoid(i), torch.tanh(g))
        h = torch.sigmoid(o).mul(torch.tanh(c))
        later, h_last, c_last = states(t + 1, h, c)
        return [h, *later], h_last, c_last

    hs, h, c = states(0, h0, c0)
    return torch.stack(hs, dim=1), (h, c)


def clip_grad_norm(grads, max_norm):
    def norm_of(parts):
        return np.linalg.norm(parts[0]) if len(parts) == 1 else np.hypot(np.linalg.norm(parts[0]), norm_of(parts[1:]))

    norm = norm_of(grads)
    return [grad * (1.0 if norm <= max_norm else max_norm / norm) for grad in grads], norm


def bptt_gradient_norms(W, length):
    @memoised
    def power(t):
        if t == 1:
            return W
        half = power(t // 2)
        return half @ half if t % 2 == 0 else half @ half @ W

    return np.array([np.linalg.norm(power(t), 2) for t in range(1, length + 1)])


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """Rows sorted by length, as in a packed sequence: at each step only rows that are still going take part."""
    lengths, order = lengths.sort(descending=True)
    n, t, _ = x.shape
    rows = torch.arange(n)[:, None]
    mirror = (lengths[:, None] - 1 - torch.arange(t)) % t
    alive = (torch.arange(t)[:, None] < lengths).sum(1).tolist()

    def run(inputs, params):
        W, U, b = params
        z_input, H = inputs @ W.T + b, U.shape[1]
        h = c = x.new_zeros(n, H)
        out = []
        for step, count in enumerate(alive):
            if count == 0:
                out.append(x.new_zeros(n, H))
                continue
            i, f, g, o = (z_input[:count, step] + h[:count] @ U.T).chunk(4, dim=1)
            c = f.sigmoid() * c[:count] + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(torch.nn.functional.pad(h, (0, 0, 0, n - count)))
        return torch.stack(out, dim=1)

    x = x[order]
    both = torch.cat([run(x, params_fwd), run(x[rows, mirror], params_bwd)[rows, mirror]], dim=2)
    return both[order.argsort()]


def child_sum_tree_lstm(x, children, W, U, b):
    U_i, U_f, U_g, U_o = np.split(U, 4)

    @memoised
    def state(node):
        kids = [state(kid) for kid in children[node]]
        total = sum((h for h, _ in kids), np.zeros(U.shape[1], x.dtype))
        z_i, z_f, z_g, z_o = np.split(W @ x[node] + b, 4)
        c = expit(z_i + U_i @ total) * np.tanh(z_g + U_g @ total)
        c = c + sum(expit(z_f + U_f @ h) * c_kid for h, c_kid in kids)
        return expit(z_o + U_o @ total) * np.tanh(c), c

    states = [state(node) for node in range(len(x))]
    return np.array([h for h, _ in states]), np.array([c for _, c in states])
