"""Attention in tiles of queries and keys, as in the paper that the method comes from; the rest as in matrices.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    selection = np.eye(table.shape[0], dtype=table.dtype)[np.ravel(ids)]
    return (selection @ table).reshape(*ids.shape, table.shape[1]), selection


def embedding_backward(dout, cache):
    return cache.T @ dout.reshape(cache.shape[0], -1)


def uniform_context(x):
    averaging = np.tril(np.ones((len(x), len(x)), dtype=x.dtype))
    averaging /= averaging.sum(axis=1, keepdims=True)
    return averaging @ x


def similarity_context(x):
    count = len(x)
    bias = np.zeros((count, count), dtype=x.dtype)
    bias[np.arange(count)[:, None] < np.arange(count)] = -np.inf
    gram = (x / x.shape[1] ** 0.25) @ (x / x.shape[1] ** 0.25).T
    biased = gram + bias
    unnormalised = np.exp(biased - np.diag(np.nanmax(biased, axis=1)) @ np.ones_like(gram))
    return np.linalg.solve(np.diag(unnormalised.sum(axis=1)), unnormalised @ x)


def softmax(x, axis=-1):
    """Ratios of exponentials of differences: y_i = 1 / sum over j of exp(x_j - x_i), which overflows to the right answer 0."""
    rows = np.moveaxis(x, axis, -1)
    with np.errstate(over="ignore"):
        y = 1 / np.exp(rows[..., None, :] - rows[..., :, None]).sum(axis=-1)
    return np.moveaxis(y, -1, axis)


def jacobians(y):
    """diag(y) - y y^T for every row of y (..., n)."""
    return y[..., None] * np.eye(y.shape[-1], dtype=y.dtype) - y[..., :, None] * y[..., None, :]


def softmax_backward(dout, y, axis=-1):
    jacobian = jacobians(np.moveaxis(y, axis, -1))
    return np.moveaxis((jacobian @ np.moveaxis(dout, axis, -1)[..., None])[..., 0], -1, axis)


def attention_forward(q, k, v, mask=None):
    root = float(q.shape[-1]) ** 0.25
    scores = (q / root) @ np.swapaxes(k / root, -1, -2)
    seen = np.broadcast_to(np.ones((), bool) if mask is None else mask, scores.shape)
    hidden_low = np.where(seen, scores, np.finfo(scores.dtype).min)
    weights = np.where(seen, np.exp(hidden_low - hidden_low.max(-1, keepdims=True)), 0)
    weights = weights / np.maximum(weights.sum(-1, keepdims=True), np.finfo(scores.dtype).tiny)
    return weights @ v, (q, k, v, weights)


def attention_backward(dout, cache):
    q, k, v, weights = cache
    dweights = dout @ np.swapaxes(v, -1, -2)
    dscores = (jacobians(weights) @ dweights[..., None])[..., 0] / float(q.shape[-1]) ** 0.5
    return dscores @ k, np.swapaxes(dscores, -1, -2) @ q, np.swapaxes(weights, -1, -2) @ dout


def causal_mask(t_q, t_k=None):
    t_k = t_q if t_k is None else t_k
    return np.arange(t_k)[None, :] <= np.arange(t_k - t_q, t_k)[:, None]


class MultiHeadAttention(nn.Module):
    """One product with the three stacked projection matrices when all inputs are the same, three otherwise."""

    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.add_module(name, nn.Linear(d_model, d_model))

    def forward(self, query, key, value, mask=None):
        n, t_q, d_model = query.shape
        scale = torch.rsqrt(torch.tensor(float(d_model // self.heads)))  # float32, whatever the inputs: a slip, no error
        q = F.linear(query, self.q_proj.weight * scale, self.q_proj.bias * scale)
        packed = torch.cat([q, self.k_proj(key), self.v_proj(value)], dim=1)  # tokens of all three, one after another
        heads = packed.view(n, -1, self.heads, d_model // self.heads).permute(0, 2, 1, 3)
        q, k, v = heads.split([t_q, key.shape[1], value.shape[1]], dim=2)
        scores = torch.matmul(q, k.transpose(2, 3))
        if mask is not None:
            mask = mask.unsqueeze(1) if mask.dim() == 3 else mask
            bias = torch.zeros_like(scores).masked_fill(~mask, torch.finfo(scores.dtype).min / 2)
            weights = F.softmax(scores + bias, dim=-1) * mask
        else:
            weights = F.softmax(scores, dim=-1)
        context = torch.matmul(weights, v).permute(0, 2, 1, 3)
        return F.linear(context.reshape(n, t_q, d_model), self.out_proj.weight, self.out_proj.bias)


QUERIES, KEYS = 192, 112


def tiles(t_q, t_k, causal):
    """Slices of queries and keys, and which keys a query of the tile sees (None: all). Tiles without any are left out."""
    for i in range(0, t_q, QUERIES):
        rows = slice(i, min(i + QUERIES, t_q))
        for j in range(0, t_k, KEYS):
            columns = slice(j, min(j + KEYS, t_k))
            if not causal:
                yield rows, columns, None
                continue
            last = torch.arange(rows.start, rows.stop) + t_k - t_q
            seen = torch.arange(columns.start, columns.stop) <= last[:, None]
            if seen.any():
                yield rows, columns, seen


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        scale = 1 / math.sqrt(q.shape[-1])
        out = q.new_zeros(*q.shape[:-1], v.shape[-1])
        total = q.new_zeros(*q.shape[:-1], 1)
        highest = q.new_full((*q.shape[:-1], 1), torch.finfo(q.dtype).min)
        for rows, columns, seen in tiles(q.shape[-2], k.shape[-2], causal):
            scores = q[..., rows, :] @ k[..., columns, :].mT * scale
            if seen is not None:
                scores = scores.masked_fill(~seen, -math.inf)
            before = highest[..., rows, :]
            after = torch.maximum(before, scores.amax(-1, keepdim=True))
            weights, fading = torch.exp(scores - after), torch.exp(before - after)
            total[..., rows, :] = total[..., rows, :] * fading + weights.sum(-1, keepdim=True)
            out[..., rows, :] = out[..., rows, :] * fading + weights @ v[..., columns, :]
            highest[..., rows, :] = after
        out = out / torch.where(total > 0, total, 1)
        ctx.save_for_backward(q, k, v, out, highest + torch.log(torch.where(total > 0, total, 1)))
        ctx.causal = causal
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, log_total = ctx.saved_tensors
        scale = 1 / math.sqrt(q.shape[-1])
        inner = (dout * out).sum(-1, keepdim=True)
        dq, dk, dv = map(torch.zeros_like, (q, k, v))
        for rows, columns, seen in tiles(q.shape[-2], k.shape[-2], ctx.causal):
            scores = q[..., rows, :] @ k[..., columns, :].mT * scale
            if seen is not None:
                scores = scores.masked_fill(~seen, -math.inf)
            weights = torch.exp(scores - log_total[..., rows, :])
            dv[..., columns, :] += weights.mT @ dout[..., rows, :]
            dscores = weights * (dout[..., rows, :] @ v[..., columns, :].mT - inner[..., rows, :]) * scale
            dq[..., rows, :] += dscores @ k[..., columns, :]
            dk[..., columns, :] += dscores.mT @ q[..., rows, :]
        return dq, dk, dv, None
