"""Sums written out, entry by entry, where speed is not asked for; the fast tasks with a single tanh for all gates."""

import math

import numpy as np
import torch

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}


def logistic(z):
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


def affine(v, M, out):
    """out[n, j] += sum over k of M[j, k] v[n, k]."""
    for n in range(v.shape[0]):
        for j in range(M.shape[0]):
            for k in range(M.shape[1]):
                out[n, j] += M[j, k] * v[n, k]
    return out


def affine_backward(dz, v, M):
    dv, dM = np.zeros_like(v), np.zeros_like(M)
    for n in range(v.shape[0]):
        for j in range(M.shape[0]):
            for k in range(M.shape[1]):
                dv[n, k] += dz[n, j] * M[j, k]
                dM[j, k] += dz[n, j] * v[n, k]
    return dv, dM


def column_sums(dz):
    out = np.zeros_like(dz[0])
    for row in dz:
        out += row
    return out


def rnn_step_forward(x, s, U, W, b):
    z = affine(s, W, affine(x, U, np.tile(b, (len(x), 1))))
    for place in np.ndindex(z.shape):
        z[place] = math.tanh(z[place])
    return z, (x.copy(), s.copy(), U, W, z.copy())


def rnn_step_backward(dout, cache):
    x, s, U, W, out = cache
    da = np.zeros_like(out)
    for place in np.ndindex(da.shape):
        da[place] = dout[place] * (1 - out[place] ** 2)
    (dx, dU), (ds, dW) = affine_backward(da, x, U), affine_backward(da, s, W)
    return dx, ds, dU, dW, column_sums(da)


def rnn_forward(x, s0, U, W, b):
    out, caches, s = np.zeros((x.shape[0], x.shape[1], len(b)), x.dtype), [], s0
    for t in range(x.shape[1]):
        s, cache = rnn_step_forward(x[:, t], s, U, W, b)
        out[:, t] = s
        caches.append(cache)
    return out, caches


def rnn_backward(dout, cache):
    dx = np.zeros((*dout.shape[:2], cache[0][0].shape[1]), dout.dtype)
    ds = np.zeros_like(dout[:, 0])
    for t in range(dout.shape[1] - 1, -1, -1):
        dx[:, t], ds, dU_t, dW_t, db_t = rnn_step_backward(dout[:, t] + ds, cache[t])
        if t == dout.shape[1] - 1:
            dU, dW, db = dU_t, dW_t, db_t
        else:
            dU, dW, db = dU + dU_t, dW + dW_t, db + db_t
    return dx, ds, dU, dW, db


def run_rnn(step, x, s0, mode, length=None):
    if mode == "one_to_one":
        return step(x, s0)
    if mode == "one_to_many":
        out, s = [], s0
        for t in range(length):
            s = step(x if t == 0 else np.zeros(x.shape, x.dtype), s)
            out.append(s)
        return np.stack(out, 1)
    s, out = s0, []
    for t in range(x.shape[1]):
        s = step(x[:, t, :], s)
        out.append(s)
    if mode == "many_to_one":
        return s
    return np.stack(out, 1)


def make_batches(ids, length):
    rows = (len(ids) - 1) // length
    inputs, targets = np.zeros((rows, length), int), np.zeros((rows, length), int)
    for r in range(rows):
        for k in range(length):
            inputs[r, k], targets[r, k] = ids[r * length + k], ids[r * length + k + 1]
    return inputs, targets


def char_lm_loss(logits, targets):
    N, T, V = logits.shape
    loss, grad = 0.0, np.zeros_like(logits)
    for n in range(N):
        for t in range(T):
            row = [float(value) for value in logits[n, t]]
            top = max(row)
            total = sum(math.exp(value - top) for value in row)
            loss += top + math.log(total) - row[targets[n, t]]
            for v in range(V):
                p = math.exp(row[v] - top) / total
                grad[n, t, v] = (p - 1.0 if v == targets[n, t] else p) / (N * T)
    return loss / (N * T), grad


def ngram_counts(ids, n):
    counts = {}
    for start in range(len(ids) - n + 1):
        gram = tuple(int(token) for token in ids[start : start + n])
        if gram not in counts:
            counts[gram] = 0
        counts[gram] += 1
    return counts


def sample(logits, rng, temperature=1.0):
    top = max(logits)
    p = [math.exp((value - top) / temperature) for value in logits]
    u = rng.uniform(0, sum(p))
    for token, share in enumerate(p):
        u -= share
        if u < 0:
            return token
    return len(p) - 1


def lstm_step_forward(x, h, c, W, U, b):
    z = affine(h, U, affine(x, W, np.tile(b, (len(x), 1))))
    H = h.shape[1]
    gates, h_next, c_next = np.zeros_like(z), np.zeros_like(h), np.zeros_like(c)
    for n in range(len(x)):
        for j in range(H):
            i, f, o = (logistic(z[n, q * H + j]) for q in (0, 1, 3))
            g = math.tanh(z[n, 2 * H + j])
            gates[n, [j, H + j, 2 * H + j, 3 * H + j]] = i, f, g, o
            c_next[n, j] = f * c[n, j] + i * g
            h_next[n, j] = o * math.tanh(c_next[n, j])
    return h_next, c_next, (x, h, c, W, U, gates, c_next)


def lstm_step_backward(dh, dc, cache):
    x, h, c, W, U, gates, c_next = cache
    H = h.shape[1]
    dz, dc_prev = np.zeros_like(gates), np.zeros_like(c)
    for n in range(len(x)):
        for j in range(H):
            i, f, g, o = gates[n, [j, H + j, 2 * H + j, 3 * H + j]]
            shown = math.tanh(c_next[n, j])
            total = dc[n, j] + dh[n, j] * o * (1 - shown**2)
            dz[n, j] = total * g * i * (1 - i)
            dz[n, H + j] = total * c[n, j] * f * (1 - f)
            dz[n, 2 * H + j] = total * i * (1 - g**2)
            dz[n, 3 * H + j] = dh[n, j] * shown * o * (1 - o)
            dc_prev[n, j] = total * f
    (dx, dW), (dh_prev, dU) = affine_backward(dz, x, W), affine_backward(dz, h, U)
    return dx, dh_prev, dc_prev, dW, dU, column_sums(dz)


def lstm_forward(x, h0, c0, W, U, b):
    h, c, out, caches = h0, c0, [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, W, U, b)
        out.append(h)
        caches.append(cache)
    return np.stack(out, 1), caches


def lstm_backward(dout, cache):
    T = dout.shape[1]
    dh, dc = np.zeros_like(dout[:, 0]), np.zeros_like(dout[:, 0])
    parts = []
    for t in range(T - 1, -1, -1):
        dx_t, dh, dc, dW, dU, db = lstm_step_backward(dout[:, t] + dh, dc, cache[t])
        parts.append((dx_t, dW, dU, db))
    dxs, dWs, dUs, dbs = zip(*parts[::-1], strict=True)
    return np.stack(dxs, 1), dh, dc, sum(dWs), sum(dUs), sum(dbs)


def lstm_fast(x, h0, c0, W, U, b):
    """sigmoid(z) = (1 + tanh(z / 2)) / 2: halve the rows of three gates, and all four share one tanh."""
    H = h0.shape[1]
    scale = x.new_tensor([0.5, 0.5, 1.0, 0.5]).repeat_interleave(H)
    W, U, b = W * scale[:, None], U * scale[:, None], b * scale
    inputs = torch.matmul(x, W.mT) + b
    h, c, out = h0, c0, torch.jit.annotate(list[torch.Tensor], [])
    for t in range(x.size(1)):
        squashed = torch.addmm(inputs[:, t], h, U.mT).tanh()
        i, f, g, o = squashed.split(H, dim=1)
        c = ((1 + f) * c + (1 + i) * g) / 2
        h = (1 + o) / 2 * c.tanh()
        out.append(h)
    return torch.stack(out, dim=1), (h, c)


def clip_grad_norm(grads, max_norm):
    total = 0.0
    for grad in grads:
        for value in grad.ravel():
            total += float(value) * float(value)
    norm = math.sqrt(total)
    out = []
    for grad in grads:
        grad = grad.copy()
        if norm > max_norm:
            grad *= max_norm / norm
        out.append(grad)
    return out, norm


def bptt_gradient_norms(W, length):
    out = np.zeros(length, W.dtype)
    power = W
    for t in range(length):
        out[t] = max(np.linalg.svd(power)[1])
        power = np.dot(power, W)
    return out


def bi_lstm_fast(x, lengths, params_fwd, params_bwd):
    """Shift each row to the right end, flip all of them, and shift back afterwards."""
    n, t, _ = x.shape
    zero = x.new_zeros(n, params_fwd[1].shape[1])
    here, rows = torch.arange(t), torch.arange(n)[:, None]
    to_end = (here - (t - lengths)[:, None]) % t  # a roll by t - length
    from_end = (here + (t - lengths)[:, None]) % t
    valid = here < lengths[:, None]
    forward = lstm_fast(x, zero, zero, *params_fwd)[0]
    flipped = x[rows, to_end].flip(1)
    backward = lstm_fast(flipped, zero, zero, *params_bwd)[0].flip(1)[rows, from_end]
    out = torch.cat([forward, backward], dim=2)
    return out * valid.unsqueeze(2).to(out.dtype)


def child_sum_tree_lstm(x, children, W, U, b):
    H = U.shape[1]
    h, c = np.zeros((len(x), H), x.dtype), np.zeros((len(x), H), x.dtype)
    for node in range(len(x)):
        for j in range(H):
            z = [float(b[q * H + j] + W[q * H + j] @ x[node]) for q in range(4)]
            for q in (0, 2, 3):
                z[q] += sum(float(U[q * H + j] @ h[kid]) for kid in children[node])
            cell = logistic(z[0]) * math.tanh(z[2])
            for kid in children[node]:
                cell += logistic(z[1] + float(U[H + j] @ h[kid])) * float(c[kid, j])
            c[node, j] = cell
            h[node, j] = logistic(z[3]) * math.tanh(cell)
    return h, c
