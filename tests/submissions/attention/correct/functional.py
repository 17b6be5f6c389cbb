"""Closures and higher-order functions: a cache is the function that maps dout to gradients."""

from functools import partial, reduce

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.special
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = dict(zip(("q1", "q2", "q3", "q4", "q5"), "cadbc", strict=True))


def embedding_forward(ids, table):
    count = ids.size
    entries = (np.ones(count, table.dtype), (np.arange(count), ids.ravel()))
    selection = scipy.sparse.csr_array(entries, shape=(count, len(table)))
    out = (selection @ table).reshape(*ids.shape, -1)
    return out, lambda dout: selection.T @ dout.reshape(count, -1)


def embedding_backward(dout, cache):
    return cache(dout)


def uniform_context(x):
    return np.apply_along_axis(lambda column: np.cumsum(column) / np.arange(1, len(column) + 1), 0, x).astype(x.dtype)


def similarity_context(x):
    def context(i):
        return scipy.special.softmax(x[: i + 1] @ x[i] / x.dtype.type(x.shape[1] ** 0.5)) @ x[: i + 1]

    return np.array([context(i) for i in range(len(x))])


def softmax(x, axis=-1):
    return scipy.special.softmax(x, axis)


def softmax_backward(dout, y, axis=-1):
    return np.subtract(dout, np.multiply(dout, y).sum(axis, keepdims=True)) * y


def _swap(x):
    return np.swapaxes(x, -1, -2)


def attention_forward(q, k, v, mask=None):
    scale = np.reciprocal(np.sqrt(q.dtype.type(q.shape[-1])))
    scores = q @ _swap(k) * scale
    seen = np.ones((1, 1), bool) if mask is None else mask
    some = np.any(np.broadcast_to(seen, scores.shape), axis=-1, keepdims=True)
    # A row that sees nothing is computed as if it saw everything, and taken out of the product.
    weights = softmax(np.where(seen | ~some, scores, q.dtype.type(-np.inf)), axis=-1) * some

    def backward(dout):
        dscores = softmax_backward(dout @ _swap(v), weights) * scale
        return dscores @ k, _swap(dscores) @ q, _swap(weights) @ dout

    return weights @ v, backward


def attention_backward(dout, cache):
    return cache(dout)


def causal_mask(t_q, t_k=None):
    """Constant along diagonals: a Toeplitz matrix from its first column and first row."""
    t_k = t_q if t_k is None else t_k
    column, row = 0 <= np.arange(t_q) + t_k - t_q, np.arange(t_k) <= t_k - t_q
    return scipy.linalg.toeplitz(column, row)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        projected = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        q, k, v = (torch.stack(x.chunk(self.heads, dim=-1)) for x in projected)
        scores = torch.einsum("hnid,hnjd->nhij", q, k) * q.shape[-1] ** -0.5
        if mask is None:
            weights = F.softmax(scores, -1)
        else:
            mask = mask[:, None] if mask.ndim == 3 else mask
            # Hidden scores are replaced before exp and again after it, so that no NaN can come back through either.
            level = scores.detach().masked_fill(~mask, -torch.inf).amax(-1, keepdim=True)
            level = torch.where(level.isfinite(), level, 0)
            powers = torch.where(mask, torch.exp(torch.where(mask, scores - level, 0)), 0)
            weights = powers / powers.sum(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
        return self.out_proj(torch.einsum("nhij,hnjd->nihd", weights, v).reshape(query.shape))


def _block(q, k, causal, start):
    """Scores of 200 keys from `start`, queries scaled already."""
    scores = q @ k.narrow(-2, start, min(200, k.size(-2) - start)).mT
    if not causal:
        return scores
    i, j = torch.meshgrid(torch.arange(q.size(-2)), torch.arange(scores.size(-1)) + start, indexing="ij")
    return scores.where(j <= i + k.size(-2) - q.size(-2), -torch.inf)


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        scores_from = partial(_block, q * q.size(-1) ** -0.5, k, causal)
        starts = range(0, k.size(-2), 200)
        highest = reduce(torch.maximum, (scores_from(start).amax(-1, keepdim=True) for start in starts))
        highest = highest.nan_to_num(neginf=0.0)

        def step(sums, start):  # the highest score is known from a first pass: nothing has to be rescaled
            powers = torch.exp(scores_from(start) - highest)
            return sums[0] + powers.sum(-1, keepdim=True), sums[1] + powers @ v[..., start : start + 200, :]

        total, summed = reduce(step, starts, (0.0, 0.0))
        inverse = torch.where(total > 0, 1 / total, 0.0)
        ctx.save_for_backward(q, k, v, highest, inverse, summed * inverse)
        ctx.causal, ctx.starts = causal, starts
        return summed * inverse

    @staticmethod
    def backward(ctx, dout):
        q, k, v, highest, inverse, out = ctx.saved_tensors
        scale = q.size(-1) ** -0.5

        def gradients(start):
            keys, values = k[..., start : start + 200, :], v[..., start : start + 200, :]
            weights = torch.exp(_block(q * scale, k, ctx.causal, start) - highest) * inverse
            dscores = weights * ((dout @ values.mT) - (dout * out).sum(-1, keepdim=True)) * scale
            return dscores @ keys, dscores.mT @ q, weights.mT @ dout

        dq, dk, dv = zip(*map(gradients, ctx.starts), strict=True)
        return reduce(torch.add, dq), torch.cat(dk, -2), torch.cat(dv, -2), None
