"""Weights are exponentials of log-probabilities; attention in two passes over the keys, the first for the logsumexp only."""

import math

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    return np.take(table, ids, axis=0), (np.asarray(ids).ravel(), table.shape[0])


def embedding_backward(dout, cache):
    ids, words = cache
    flat = dout.reshape(len(ids), -1)
    columns = [np.bincount(ids, weights=column, minlength=words) for column in flat.T]
    return np.stack(columns, axis=1).astype(dout.dtype)


def uniform_context(x):
    logs = np.where(np.tri(len(x), dtype=bool), -np.log(np.arange(1, len(x) + 1))[:, None], -np.inf)
    return np.exp(logs).astype(x.dtype) @ x


def similarity_context(x):
    scores = np.where(np.tri(len(x), dtype=bool), x @ x.T / math.sqrt(x.shape[1]), -np.inf)
    return np.exp(log_softmax(scores, axis=1)).astype(x.dtype) @ x


def softmax(x, axis=-1):
    return np.exp(x - logsumexp(x, axis=axis, keepdims=True)).astype(x.dtype)


def softmax_backward(dout, y, axis=-1):
    """Through log y: dlog = dout * y, and log-softmax's gradient is dlog - y * sum of dlog."""
    dlog = dout * y
    return dlog - y * dlog.sum(axis=axis, keepdims=True)


def attention_forward(q, k, v, mask=None):
    scores = np.matmul(q, np.moveaxis(k, -1, -2)) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    with np.errstate(divide="ignore"):
        log_total = logsumexp(scores, axis=-1, keepdims=True).astype(q.dtype)
    log_total = np.nan_to_num(log_total, neginf=0.0)  # exp(-inf - 0) = 0
    return np.matmul(np.exp(scores - log_total), v), (q, k, v, scores, log_total)


def attention_backward(dout, cache):
    q, k, v, scores, log_total = cache
    weights = np.exp(scores - log_total)  # computed again rather than kept
    out = np.matmul(weights, v)
    inner = np.sum(dout * out, axis=-1, keepdims=True)
    ds = weights * (np.matmul(dout, np.moveaxis(v, -1, -2)) - inner)
    dq = np.matmul(ds, k) / math.sqrt(q.shape[-1])
    dk = np.matmul(np.moveaxis(ds, -1, -2), q) / math.sqrt(q.shape[-1])
    return dq, dk, np.matmul(np.moveaxis(weights, -1, -2), dout)


def causal_mask(t_q, t_k=None):
    return ~np.triu(np.ones((t_q, t_k or t_q), dtype=bool), k=1 + (t_k or t_q) - t_q)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.d_model, self.heads = d_model, heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        shape = (len(query), -1, self.heads, self.d_model // self.heads)
        q, k, v = (
            layer(x).reshape(shape).transpose(1, 2)
            for layer, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.d_model / self.heads)
        if mask is not None:
            mask = mask.unsqueeze(-3) if mask.ndim == 3 else mask
            lonely = ~mask.any(-1, keepdim=True)
            scores = scores.masked_fill(~(mask | lonely), -torch.inf)  # a lonely row is computed, then cleared
        weights = torch.exp(torch.log_softmax(scores, dim=-1))
        if mask is not None:
            weights = weights.masked_fill(lonely, 0)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(len(query), -1, self.d_model))


def log_weights(q, k, start, stop, causal):
    scores = q @ k[..., start:stop, :].transpose(-2, -1) / math.sqrt(q.shape[-1])
    if not causal:
        return scores
    offset = k.shape[-2] - q.shape[-2]
    seen = torch.ones(q.shape[-2], stop - start, dtype=torch.bool).tril(offset - start)
    return scores.masked_fill(~seen, -torch.inf)


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        ctx.spans = [(start, min(start + 256, k.shape[-2])) for start in range(0, k.shape[-2], 256)]
        ctx.causal = causal
        parts = [torch.logsumexp(log_weights(q, k, *span, causal), -1, keepdim=True) for span in ctx.spans]
        total = torch.logsumexp(torch.cat(parts, -1), -1, keepdim=True)
        total = total.masked_fill(total == -torch.inf, 0)
        out = sum(torch.exp(log_weights(q, k, *span, causal) - total) @ v[..., slice(*span), :] for span in ctx.spans)
        ctx.save_for_backward(q, k, v, out, total)
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, total = ctx.saved_tensors
        inner = torch.einsum("...d,...d->...", dout, out).unsqueeze(-1)
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for span in ctx.spans:
            keys = slice(*span)
            p = torch.exp(log_weights(q, k, *span, ctx.causal) - total)
            ds = p * (dout @ v[..., keys, :].transpose(-2, -1) - inner) / math.sqrt(q.shape[-1])
            dq += ds @ k[..., keys, :]
            dk[..., keys, :] = ds.transpose(-2, -1) @ q
            dv[..., keys, :] = p.transpose(-2, -1) @ dout
        return dq, dk, dv, None
