"""Einstein sums throughout; weights per head taken from the projections; masks as numbers to multiply or add."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    one_hot = (ids[..., None] == np.arange(len(table))).astype(table.dtype)
    return np.einsum("...w,wd->...d", one_hot, table), one_hot


def embedding_backward(dout, cache):
    return np.einsum("bw,bd->wd", cache.reshape(-1, cache.shape[-1]), dout.reshape(-1, dout.shape[-1]))


def uniform_context(x):
    lower = np.tril(np.ones((len(x), len(x)), dtype=x.dtype))
    return np.einsum("ij,jd->id", lower, x) / np.einsum("ij->i", lower)[:, None]


def similarity_context(x):
    scores = np.einsum("id,jd->ij", x, x) * x.dtype.type(x.shape[1] ** -0.5)
    lower = np.tril(np.ones_like(scores, dtype=bool))
    shifted = scores - np.max(scores, axis=1, keepdims=True, where=lower, initial=-np.inf)
    weights = np.exp(np.minimum(shifted, 0)) * lower
    return np.einsum("ij,jd,i->id", weights, x, 1 / np.einsum("ij->i", weights))


def softmax(x, axis=-1):
    rows = np.swapaxes(x, axis, -1)
    e = np.exp(rows - np.amax(rows, axis=-1)[..., None])
    return np.swapaxes(np.einsum("...i,...->...i", e, 1 / np.einsum("...i->...", e)), axis, -1)


def softmax_backward(dout, y, axis=-1):
    d, p = np.swapaxes(dout, axis, -1), np.swapaxes(y, axis, -1)
    dx = np.einsum("...i,...i->...i", d, p) - np.einsum("...i,...i,...j->...j", d, p, p)
    return np.swapaxes(dx, axis, -1)


def attention_forward(q, k, v, mask=None):
    scale = q.dtype.type(q.shape[-1] ** -0.5)
    s = np.einsum("...id,...jd->...ij", q * scale, k)
    seen = np.ones_like(s) if mask is None else np.broadcast_to(mask, s.shape).astype(s.dtype)
    peak = np.max(s, axis=-1, keepdims=True, where=seen > 0, initial=np.finfo(s.dtype).min)
    e = np.exp(np.minimum(s - peak, 0)) * seen
    z = np.einsum("...ij->...i", e)
    p = np.einsum("...ij,...i->...ij", e, np.divide(1, z, out=np.zeros_like(z), where=z > 0))
    return np.einsum("...ij,...jv->...iv", p, v), {"q": q, "k": k, "v": v, "p": p, "scale": scale}


def attention_backward(dout, cache):
    q, k, v, p, scale = (cache[name] for name in ("q", "k", "v", "p", "scale"))
    g = np.einsum("...iv,...jv->...ij", dout, v)
    ds = scale * (p * g - np.einsum("...ij,...ik,...ik->...ij", p, p, g))
    dq = np.einsum("...ij,...jd->...id", ds, k)
    dk = np.einsum("...ij,...id->...jd", ds, q)
    return dq, dk, np.einsum("...ij,...iv->...jv", p, dout)


def causal_mask(t_q, t_k=None):
    t_k = t_k or t_q
    rows, columns = np.indices((t_q, t_k))
    return columns - rows <= t_k - t_q


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads, self.size = heads, d_model // heads
        self.q_proj, self.k_proj = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.v_proj, self.out_proj = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)

    def per_head(self, layer, x):
        weight = layer.weight.view(self.heads, self.size, -1)
        return torch.einsum("ntm,hdm->nhtd", x, weight) + layer.bias.view(self.heads, 1, self.size)

    def forward(self, query, key, value, mask=None):
        q, k, v = self.per_head(self.q_proj, query), self.per_head(self.k_proj, key), self.per_head(self.v_proj, value)
        scores = torch.einsum("nhid,nhjd->nhij", q, k) * self.size**-0.5
        if mask is None:
            seen = torch.ones_like(scores)
        else:
            seen = (mask[:, None] if mask.ndim == 3 else mask).to(scores.dtype).expand_as(scores)
        lowered = scores + (seen - 1) * 1e30
        e = torch.exp(lowered - lowered.amax(-1, keepdim=True).detach()) * seen
        p = e / (e.sum(-1, keepdim=True) + (seen.sum(-1, keepdim=True) == 0))
        weight = self.out_proj.weight.view(-1, self.heads, self.size)
        return torch.einsum("nhij,nhjd,mhd->nim", p, v, weight) + self.out_proj.bias


BLOCK = 128


def blocks(q, k, v, causal):
    """Scores (hidden ones -inf), keys, values and place of each block."""
    ends = torch.arange(q.shape[-2]) + k.shape[-2] - q.shape[-2]
    for j in range(0, k.shape[-2], BLOCK):
        keys = slice(j, min(j + BLOCK, k.shape[-2]))
        scores = torch.einsum("...id,...jd->...ij", q, k[..., keys, :]) * q.shape[-1] ** -0.5
        if causal:
            seen = torch.arange(keys.start, keys.stop) <= ends[:, None]
            scores = torch.where(seen, scores, torch.full_like(scores, -torch.inf))
        yield scores, keys


class StreamingAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        highest = torch.full(q.shape[:-1], -1e300 if q.dtype == torch.float64 else -1e38, dtype=q.dtype)
        total = torch.zeros_like(highest)
        summed = q.new_zeros(*q.shape[:-1], v.shape[-1])
        for scores, keys in blocks(q, k, v, causal):
            higher = torch.maximum(highest, scores.amax(-1))
            shrink = torch.exp(highest - higher)
            e = torch.exp(scores - higher[..., None])
            total = total * shrink + e.sum(-1)
            summed = summed * shrink[..., None] + torch.einsum("...ij,...jv->...iv", e, v[..., keys, :])
            highest = higher
        inverse = torch.where(total > 0, 1 / total, 0)
        out = summed * inverse[..., None]
        ctx.save_for_backward(q, k, v, out, highest, inverse)
        ctx.causal = causal
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, highest, inverse = ctx.saved_tensors
        mean = torch.einsum("...iv,...iv->...i", dout, out)
        dq, dks, dvs = torch.zeros_like(q), [], []
        for scores, keys in blocks(q, k, v, ctx.causal):
            p = torch.exp(scores - highest[..., None]) * inverse[..., None]
            dvs.append(torch.einsum("...ij,...iv->...jv", p, dout))
            dp = torch.einsum("...iv,...jv->...ij", dout, v[..., keys, :])
            ds = p * (dp - mean[..., None]) * q.shape[-1] ** -0.5
            dq = dq + torch.einsum("...ij,...jd->...id", ds, k[..., keys, :])
            dks.append(torch.einsum("...ij,...id->...jd", ds, q))
        return dq, torch.cat(dks, dim=-2), torch.cat(dvs, dim=-2), None
