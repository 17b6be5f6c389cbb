"""Recurrences: running means, online softmax in NumPy too; blocks merged by the sigmoid of their logsumexps' difference."""

import math
from itertools import accumulate

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    return np.array([table[i] for i in ids.flat], dtype=table.dtype).reshape(ids.shape + table.shape[1:]), (ids, table)


def embedding_backward(dout, cache):
    """Sort the ids, add up each run of equal ones."""
    ids, table = cache
    order = np.argsort(ids, axis=None, kind="stable")
    words, starts = np.unique(ids.ravel()[order], return_index=True)
    dtable = np.zeros_like(table)
    dtable[words] = np.add.reduceat(dout.reshape(-1, dout.shape[-1])[order], starts, axis=0)
    return dtable


def uniform_context(x):
    def step(mean, item):
        i, token = item
        return mean + (token - mean) / (i + 1)

    tokens = [(i, token) for i, token in enumerate(x)]
    return np.stack(list(accumulate(tokens[1:], step, initial=x[0])))


def similarity_context(x):
    """All tokens meet token j at step j; three numbers a token are carried along."""
    highest = np.full(len(x), -np.inf, dtype=x.dtype)
    total, summed = np.zeros_like(highest), np.zeros_like(x)
    for j, token in enumerate(x):
        score = x[j:] @ token / math.sqrt(x.shape[1])  # tokens before j do not see it
        higher = np.maximum(highest[j:], score)
        fade, weight = np.exp(highest[j:] - higher), np.exp(score - higher)
        total[j:] = total[j:] * fade + weight
        summed[j:] = summed[j:] * fade[:, None] + weight[:, None] * token
        highest[j:] = higher
    return summed / total[:, None]


def softmax(x, axis=-1):
    rows = np.moveaxis(x, axis, 0)
    highest, total = np.full_like(rows[0], -np.inf), np.zeros_like(rows[0])
    for row in rows:
        higher = np.maximum(highest, row)
        total = total * np.exp(highest - higher) + np.exp(row - higher)
        highest = higher
    return np.moveaxis(np.exp(rows - highest) / total, 0, axis)


def softmax_backward(dout, y, axis=-1):
    mean = np.average(dout, axis=axis, weights=y, keepdims=True)
    return y * (dout - mean)


def attention_forward(q, k, v, mask=None):
    shape = (*q.shape[:-1], k.shape[-2])
    allowed = np.broadcast_to(True if mask is None else mask, shape)
    highest = np.full(shape[:-1], -np.inf, dtype=q.dtype)
    total, summed = np.zeros_like(highest), np.zeros((*shape[:-1], v.shape[-1]), dtype=q.dtype)
    for j in range(shape[-1]):
        score = (q * k[..., j : j + 1, :]).sum(-1) / math.sqrt(q.shape[-1])
        score = np.where(allowed[..., j], score, -np.inf)
        higher = np.maximum(highest, score)
        safe = np.where(np.isneginf(higher), 0, higher)
        fade, weight = np.exp(highest - safe), np.exp(score - safe)
        total = total * fade + weight
        summed = summed * fade[..., None] + weight[..., None] * v[..., j : j + 1, :]
        highest = higher
    out = summed / np.where(total == 0, 1, total)[..., None]
    return out, (q, k, v, allowed, highest, total, out)


def attention_backward(dout, cache):
    q, k, v, allowed, highest, total, out = cache
    inner = (dout * out).sum(-1)
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    safe, divisor = np.where(np.isneginf(highest), 0, highest), np.where(total == 0, 1, total)
    for j in range(k.shape[-2]):
        key, value = k[..., j : j + 1, :], v[..., j : j + 1, :]
        score = np.where(allowed[..., j], (q * key).sum(-1) / math.sqrt(q.shape[-1]), -np.inf)
        weight = np.exp(score - safe) / divisor
        dscore = weight * ((dout * value).sum(-1) - inner) / math.sqrt(q.shape[-1])
        dv[..., j, :] = (weight[..., None] * dout).sum(-2)
        dk[..., j, :] = (dscore[..., None] * q).sum(-2)
        dq += dscore[..., None] * key
    return dq, dk, dv


def causal_mask(t_q, t_k=None):
    """Each row is the one below it with one key fewer."""
    t_k = t_q if t_k is None else t_k
    rows = [np.arange(t_k) < t_k - missing for missing in range(t_q)]
    return np.stack(rows[::-1])


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d_model, d_model) for _ in range(4))

    def forward(self, query, key, value, mask=None):
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        # Heads become samples: chunks of features, one below the other.
        q, k, v = (torch.cat(item.chunk(self.heads, dim=-1), dim=0) for item in (q, k, v))
        scores = torch.bmm(q, k.transpose(1, 2)).div(math.sqrt(q.shape[-1]))
        if mask is not None:
            n, size = len(query), scores.shape[1:]
            mask = mask[:, None] if mask.ndim == 3 else mask
            mask = mask.expand(n, self.heads, *size).transpose(0, 1).reshape(-1, *size)
            scores = torch.where(mask, scores, -1e9)
        weights = scores.softmax(-1)
        if mask is not None:
            weights = weights * mask
        return self.out_proj(torch.cat(torch.bmm(weights, v).chunk(self.heads, dim=0), dim=-1))


STEP = 160


def visible(q, k, start, causal):
    """Scores of a block of keys, what is hidden at the lowest finite number, and which of them are visible."""
    block = k[..., start : start + STEP, :]
    scores = torch.matmul(q, block.mT) / math.sqrt(q.shape[-1])
    if not causal:
        return scores, torch.ones_like(scores, dtype=torch.bool)
    last = torch.arange(q.shape[-2]).unsqueeze(-1) + (k.shape[-2] - q.shape[-2])
    seen = (torch.arange(block.shape[-2]) + start <= last).expand_as(scores)
    return scores.masked_fill(~seen, torch.finfo(q.dtype).min), seen


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        out, log_total = None, None
        for start in range(0, k.shape[-2], STEP):
            scores, seen = visible(q, k, start, causal)
            block_total = scores.logsumexp(-1, keepdim=True)
            weights = (scores - block_total).exp() * seen
            block_out = weights @ v[..., start : start + STEP, :]
            if out is None:
                out, log_total = block_out, block_total
            else:
                share = torch.sigmoid(block_total - log_total)  # of the new block in the sum of both
                out = out + share * (block_out - out)
                log_total = torch.logaddexp(log_total, block_total)
        ctx.save_for_backward(q, k, v, out, log_total)
        ctx.causal = causal
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, log_total = ctx.saved_tensors
        inner = (out * dout).sum(-1, keepdim=True)
        gradients = []
        dq = torch.zeros_like(q)
        for start in range(0, k.shape[-2], STEP):
            scores, seen = visible(q, k, start, ctx.causal)
            weights = (scores - log_total).exp() * seen
            dscores = weights * (dout @ v[..., start : start + STEP, :].mT - inner) / math.sqrt(q.shape[-1])
            dq = dq + dscores @ k[..., start : start + STEP, :]
            gradients.append((dscores.mT @ q, weights.mT @ dout))
        dk, dv = (torch.cat(parts, dim=-2) for parts in zip(*gradients, strict=True))
        return dq, dk, dv, None
