"""Divide and conquer: halves of a sequence, merged; the streaming forward pass is a tree of merges."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    return table.take(ids.reshape(-1), axis=0).reshape((*ids.shape, -1)), [ids, table.shape]


def embedding_backward(dout, cache):
    ids, shape = cache

    def gathered(places):
        if len(places) == 1:
            row = np.zeros(shape, dtype=dout.dtype)
            row[ids.reshape(-1)[places[0]]] = dout.reshape(-1, shape[1])[places[0]]
            return row
        half = len(places) // 2
        return gathered(places[:half]) + gathered(places[half:])

    return gathered(list(range(ids.size)))


def uniform_context(x):
    def prefix_sums(part):
        if len(part) == 1:
            return part.copy()
        left, right = prefix_sums(part[: len(part) // 2]), prefix_sums(part[len(part) // 2 :])
        return np.concatenate([left, left[-1] + right])

    return prefix_sums(x) / np.arange(1, len(x) + 1, dtype=x.dtype).reshape(-1, 1)


def similarity_context(x):
    if len(x) == 1:
        return x.copy()
    scores = x @ x[-1] / math.sqrt(x.shape[1])
    weights = np.exp(scores - scores.max())
    last = weights @ x / weights.sum()
    return np.vstack([similarity_context(x[:-1]), last])


def softmax(x, axis=-1):
    if x.ndim == 1:
        powers = np.exp(x - x.max())
        return powers / powers.sum()
    axis = axis % x.ndim
    other = 0 if axis else x.ndim - 1
    inner = axis - 1 if other < axis else axis
    return np.stack([softmax(part, inner) for part in np.moveaxis(x, other, 0)], axis=other)


def softmax_backward(dout, y, axis=-1):
    """Differentiates x -> exp(x) and the division by its sum one after the other; y stands in for exp(x)."""
    total = y.sum(axis=axis, keepdims=True)  # 1, up to rounding
    dpowers = dout / total - (dout * y).sum(axis=axis, keepdims=True) / total**2
    return dpowers * y


def attention_forward(q, k, v, mask=None):
    if q.ndim > 2:
        allowed = np.broadcast_to(True if mask is None else mask, (*q.shape[:-1], k.shape[-2]))
        outs, caches = zip(*map(attention_forward, q, k, v, allowed), strict=True)
        return np.stack(outs), caches
    scores = q @ k.T / math.sqrt(q.shape[1])
    weights = np.zeros_like(scores)
    for i, row in enumerate(scores):
        seen = np.full(len(row), True) if mask is None else np.broadcast_to(mask, scores.shape)[i]
        if seen.any():
            weights[i, seen] = softmax(row[seen])
    return weights @ v, (q, k, v, weights)


def attention_backward(dout, cache):
    if dout.ndim > 2:
        parts = [attention_backward(one, kept) for one, kept in zip(dout, cache, strict=True)]
        return tuple(np.stack(gradients) for gradients in zip(*parts, strict=True))
    q, k, v, weights = cache
    dscores = softmax_backward(dout @ v.T, np.where(weights.any(1, keepdims=True), weights, 1 / len(k)), axis=1)
    dscores = np.where(weights > 0, dscores, 0) / math.sqrt(q.shape[1])
    return dscores @ k, dscores.T @ q, weights.T @ dout


def causal_mask(t_q, t_k=None):
    t_k = t_q if t_k is None else t_k
    if t_q == 1:
        return np.full((1, t_k), True)
    above = causal_mask(t_q - 1, t_k - 1) if t_k > 1 else np.full((t_q - 1, 0), False)
    return np.block([[above, np.full((t_q - 1, 1), False)], [np.full((1, t_k), True)]])


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
        # A head is picked by multiplying the features with its indicator: the dot product then runs over its features only.
        d_model = query.shape[-1]
        owner = torch.arange(d_model, device=query.device) // (d_model // self.heads)
        picks = (owner == torch.arange(self.heads, device=query.device)[:, None]).to(query.dtype)  # (heads, d_model)
        q, k, v = projected
        scores = (q.unsqueeze(1) * picks[:, None, :]) @ k.unsqueeze(1).mT / math.sqrt(d_model / self.heads)
        if mask is not None:
            mask = mask.unsqueeze(1) if mask.ndim == 3 else mask
            scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, -1)
        if mask is not None:
            weights = torch.where(mask, weights, 0)
        return self.out_proj(((weights @ v.unsqueeze(1)) * picks[:, None, :]).sum(1))


LEAF = 128


def leaf_scores(q, k, start, stop, causal):
    scores = (q / math.sqrt(q.shape[-1])) @ k[..., start:stop, :].mT
    if causal:
        last = torch.arange(k.shape[-2] - q.shape[-2], k.shape[-2]).unsqueeze(1)
        scores.masked_fill_(torch.arange(start, stop) > last, -math.inf)
    return scores


def attended(q, k, v, start, stop, causal):
    """Output over the keys from start to stop, and their log-sum-exp (-inf where none is seen)."""
    if stop - start > LEAF:
        middle = (start + stop) // 2
        left, right = (attended(q, k, v, *half, causal) for half in ((start, middle), (middle, stop)))
        total = torch.logaddexp(left[1], right[1])
        shares = [torch.exp(side[1] - total).nan_to_num(0) for side in (left, right)]
        return shares[0] * left[0] + shares[1] * right[0], total
    scores = leaf_scores(q, k, start, stop, causal)
    total = scores.logsumexp(-1, keepdim=True)
    return torch.exp(scores - total).nan_to_num(0) @ v[..., start:stop, :], total


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        out, total = attended(q, k, v, 0, k.shape[-2], causal)
        ctx.save_for_backward(q, k, v, out, total)
        ctx.causal = causal
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, total = ctx.saved_tensors
        inner = (dout * out).sum(-1, keepdim=True)

        def gradients(start, stop):
            if stop - start > LEAF:
                middle = (start + stop) // 2
                (dq1, dk1, dv1), (dq2, dk2, dv2) = gradients(start, middle), gradients(middle, stop)
                return dq1 + dq2, torch.cat([dk1, dk2], -2), torch.cat([dv1, dv2], -2)
            p = torch.exp(leaf_scores(q, k, start, stop, ctx.causal) - total).nan_to_num(0)
            ds = p * (dout @ v[..., start:stop, :].mT - inner) / math.sqrt(q.shape[-1])
            return ds @ k[..., start:stop, :], ds.mT @ q, p.mT @ dout

        return *gradients(0, k.shape[-2]), None
