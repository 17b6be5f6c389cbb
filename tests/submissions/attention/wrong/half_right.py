"""Embedding, contexts, softmax and the mask are right; attention masks after the softmax; multi-head is not begun; flash half done."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": None}


def embedding_forward(ids, table):
    return table[ids], (ids, table.shape)


def embedding_backward(dout, cache):
    ids, shape = cache
    dtable = np.zeros(shape, dtype=dout.dtype)
    np.add.at(dtable, ids, dout)
    return dtable


def uniform_context(x):
    return np.cumsum(x, axis=0) / np.arange(1, len(x) + 1, dtype=x.dtype)[:, None]


def similarity_context(x):
    scores = np.where(np.tri(len(x), dtype=bool), x @ x.T / math.sqrt(x.shape[1]), -np.inf)
    return softmax(scores) @ x


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(dout, y, axis=-1):
    return y * (dout - (dout * y).sum(axis=axis, keepdims=True))


def attention_forward(q, k, v, mask=None):
    weights = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))
    if mask is not None:
        weights = weights * mask
    return weights @ v, (q, k, v, weights)


def attention_backward(dout, cache):
    q, k, v, weights = cache
    dscores = softmax_backward(dout @ v.swapaxes(-1, -2), weights) / math.sqrt(q.shape[-1])
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ dout


def causal_mask(t_q, t_k=None):
    t_k = t_q if t_k is None else t_k
    return np.arange(t_k) <= np.arange(t_q)[:, None] + t_k - t_q


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        raise NotImplementedError("attention.multi_head")


class StreamingAttention(torch.autograd.Function):
    """Keeps all weights, and knows nothing of lengths that differ."""

    @staticmethod
    def forward(ctx, q, k, v, causal):
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if causal:
            future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(future, -math.inf)
        weights = scores.softmax(-1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    def backward(ctx, dout):
        q, k, v, weights = ctx.saved_tensors
        dweights = dout @ v.mT
        dscores = weights * (dweights - (dweights * weights).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
        return dscores @ k, dscores.mT @ q, weights.mT @ dout, None
