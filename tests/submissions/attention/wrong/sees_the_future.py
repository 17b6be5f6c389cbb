"""Masks misread all along: upside down in the mask itself, and wherever one is used; contexts leak through the denominator."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "a", "q5": "c"}


def embedding_forward(ids, table):
    return table[ids], (ids, table.shape)


def embedding_backward(dout, cache):
    ids, shape = cache
    dtable = np.zeros(shape, dtype=dout.dtype)
    dtable[ids] += dout
    return dtable


def uniform_context(x):
    return np.broadcast_to(x.mean(axis=0), x.shape)


def similarity_context(x):
    return np.tril(softmax(x @ x.T / np.sqrt(x.shape[1]), axis=1)) @ x


def softmax(x, axis=-1):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(dout, y, axis=-1):
    return y * (1 - y) * dout


def attention_forward(q, k, v, mask=None):
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, -1e9, scores)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = e / e.sum(axis=-1, keepdims=True)
    return weights @ v, (q, k, v, weights)


def attention_backward(dout, cache):
    q, k, v, weights = cache
    dweights = dout @ v.swapaxes(-1, -2)
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ dout


def causal_mask(t_q, t_k=None):
    return np.triu(np.ones((t_q, t_k or t_q)), k=1)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(mask, -math.inf)
        return self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class StreamingAttention(torch.autograd.Function):
    """Autograd through the plain formula; the mask is forgotten."""

    @staticmethod
    def forward(ctx, q, k, v, causal):
        with torch.enable_grad():
            ctx.inputs = [item.detach().requires_grad_() for item in (q, k, v)]
            q, k, v = ctx.inputs
            ctx.out = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
        return ctx.out.detach()

    @staticmethod
    def backward(ctx, dout):
        return *torch.autograd.grad(ctx.out, ctx.inputs, dout), None
