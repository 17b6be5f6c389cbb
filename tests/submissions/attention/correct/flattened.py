"""Leading axes are folded into one, so that everything is a batch of matrices: bmm, baddbmm, addmm."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def embedding_forward(ids, table):
    flat = ids.ravel()
    return table[flat].reshape(ids.shape + (table.shape[1],)), (flat, table.shape)


def embedding_backward(dout, cache):
    """One bincount over (word, feature) pairs, numbered word * d + feature."""
    flat, (words, width) = cache
    pairs = flat[:, None] * width + np.arange(width)
    sums = np.bincount(pairs.ravel(), weights=dout.ravel(), minlength=words * width)
    return sums.reshape(words, width).astype(dout.dtype)


def uniform_context(x):
    return np.add.accumulate(x) * (1 / np.arange(1, len(x) + 1)).astype(x.dtype)[:, None]


def similarity_context(x):
    """Only the pairs j <= i are ever computed; they are summed per token by reduceat."""
    i, j = np.tril_indices(len(x))
    scores = (x[i] * x[j]).sum(axis=1) / math.sqrt(x.shape[1])
    starts = np.arange(len(x)) * (np.arange(len(x)) + 1) // 2
    weights = np.exp(scores - np.maximum.reduceat(scores, starts)[i])
    sums = np.add.reduceat(np.concatenate([weights[:, None] * x[j], weights[:, None]], axis=1), starts)
    return sums[:, :-1] / sums[:, -1:]


def _as_rows(x, axis):
    moved = np.moveaxis(x, axis, -1)
    return moved.reshape(-1, moved.shape[-1]), moved.shape


def softmax(x, axis=-1):
    rows, shape = _as_rows(x, axis)
    e = np.exp(rows.T - rows.max(axis=1))
    return np.moveaxis((e / e.sum(axis=0)).T.reshape(shape), -1, axis)


def softmax_backward(dout, y, axis=-1):
    (d, _), (p, shape) = _as_rows(dout, axis), _as_rows(y, axis)
    inner = np.matmul(d[:, None, :], p[:, :, None])[:, 0]
    return np.moveaxis((p * d - p * inner).reshape(shape), -1, axis)


def attention_forward(q, k, v, mask=None):
    lead = q.shape[:-2]
    folded = [item.reshape(-1, *item.shape[-2:]) for item in (q, k, v)]
    scores = np.matmul(folded[0], folded[1].transpose(0, 2, 1)) / math.sqrt(q.shape[-1])
    hidden = np.zeros(scores.shape, dtype=bool)
    if mask is not None:
        hidden |= ~np.broadcast_to(mask, (*lead, *scores.shape[1:])).reshape(scores.shape)
    scores[hidden] = -np.inf
    empty = hidden.all(axis=2)
    scores[empty] = 0
    scores -= scores.max(axis=2, keepdims=True)
    weights = np.exp(scores)
    weights /= weights.sum(axis=2, keepdims=True)
    weights[empty] = 0
    return np.matmul(weights, folded[2]).reshape(*lead, q.shape[-2], v.shape[-1]), (*folded, weights, lead)


def attention_backward(dout, cache):
    q, k, v, weights, lead = cache
    d = dout.reshape(-1, *dout.shape[-2:])
    dscores = np.matmul(d, v.transpose(0, 2, 1))
    dscores -= np.einsum("bij,bij->bi", dscores, weights)[..., None]
    dscores *= weights / math.sqrt(q.shape[-1])
    gradients = (np.matmul(dscores, k), np.matmul(dscores.transpose(0, 2, 1), q), np.matmul(weights.transpose(0, 2, 1), d))
    return tuple(gradient.reshape(*lead, *gradient.shape[1:]) for gradient in gradients)


def causal_mask(t_q, t_k=None):
    """A strip of True, False, … read with one step to the left a row."""
    t_k = t_q if t_k is None else t_k
    strip = np.concatenate([np.ones(t_k, bool), np.zeros(t_q, bool)])
    mask = np.zeros((t_q, t_k), dtype=bool)
    for i in range(t_q):
        start = t_q - 1 - i
        mask[i] = strip[start : start + t_k]
    return mask


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def folded(self, layer, x):
        """(N, T, d_model) to (N * heads, T, d_model / heads)."""
        n, t, d_model = x.shape
        out = torch.addmm(layer.bias, x.reshape(n * t, d_model), layer.weight.t())
        return out.view(n, t, self.heads, -1).transpose(1, 2).reshape(n * self.heads, t, -1)

    def forward(self, query, key, value, mask=None):
        n, t_q, d_model = query.shape
        q, k, v = (self.folded(*pair) for pair in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value)))
        bias = torch.zeros(n, self.heads, t_q, key.shape[1], dtype=q.dtype, device=q.device)
        if mask is not None:
            allowed = (mask.unsqueeze(1) if mask.dim() == 3 else mask).expand_as(bias)
            bias = bias.masked_fill(~allowed, torch.finfo(q.dtype).min)
        scores = torch.baddbmm(bias.flatten(0, 1), q, k.mT, alpha=(d_model // self.heads) ** -0.5)
        weights = scores.softmax(dim=2)
        if mask is not None:
            weights = weights * allowed.reshape_as(weights)
        context = torch.bmm(weights, v).view(n, self.heads, t_q, -1).permute(0, 2, 1, 3).reshape(n * t_q, d_model)
        return torch.addmm(self.out_proj.bias, context, self.out_proj.weight.t()).view(n, t_q, d_model)


ROWS, KEYS = 256, 256


def fold(x):
    return x.reshape(-1, *x.shape[-2:])


class StreamingAttention(torch.autograd.Function):
    """The outer loop runs over blocks of queries, so that their sums stay small; the inner one over the keys they see."""

    @staticmethod
    def spans(t_q, t_k, causal):
        for i in range(0, t_q, ROWS):
            rows = slice(i, min(i + ROWS, t_q))
            end = min(t_k, rows.stop + t_k - t_q) if causal else t_k
            yield rows, [slice(j, min(j + KEYS, end)) for j in range(0, max(end, 0), KEYS)]

    @staticmethod
    def scores(q, k, rows, keys, causal):
        scores = torch.bmm(q[:, rows], k[:, keys].mT).mul_(q.shape[-1] ** -0.5)
        offset = k.shape[1] - q.shape[1]
        if causal and keys.stop > rows.start + offset + 1:
            i = torch.arange(rows.start, rows.stop, device=q.device)[:, None] + offset
            scores.masked_fill_(torch.arange(keys.start, keys.stop, device=q.device) > i, -math.inf)
        return scores

    @staticmethod
    def forward(ctx, q, k, v, causal):
        fq, fk, fv = fold(q), fold(k), fold(v)
        out = torch.zeros(*fq.shape[:2], fv.shape[2], dtype=q.dtype, device=q.device)
        log_total = torch.zeros(*fq.shape[:2], 1, dtype=q.dtype, device=q.device)
        for rows, spans in StreamingAttention.spans(fq.shape[1], fk.shape[1], causal):
            high = torch.full_like(log_total[:, rows], -math.inf)
            total, summed = torch.zeros_like(high), torch.zeros_like(out[:, rows])
            for keys in spans:
                scores = StreamingAttention.scores(fq, fk, rows, keys, causal)
                higher = torch.maximum(high, scores.amax(2, keepdim=True))
                safe = higher.masked_fill(higher == -math.inf, 0)
                p, fade = torch.exp(scores - safe), torch.exp(high - safe)
                total = total * fade + p.sum(2, keepdim=True)
                summed = torch.baddbmm(summed * fade, p, fv[:, keys])
                high = higher
            nothing = total == 0
            out[:, rows] = summed / total.masked_fill(nothing, 1)
            log_total[:, rows] = (high + total.log()).masked_fill(nothing, 0)
        ctx.save_for_backward(q, k, v, out, log_total)
        ctx.causal = causal
        return out.view(*q.shape[:-1], v.shape[-1]).clone()

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, log_total = ctx.saved_tensors
        fq, fk, fv, d = fold(q), fold(k), fold(v), fold(dout)
        dq, dk, dv = torch.zeros_like(fq), torch.zeros_like(fk), torch.zeros_like(fv)
        scale = q.shape[-1] ** -0.5
        for rows, spans in StreamingAttention.spans(fq.shape[1], fk.shape[1], ctx.causal):
            inner = (d[:, rows] * out[:, rows]).sum(2, keepdim=True)
            for keys in spans:
                scores = StreamingAttention.scores(fq, fk, rows, keys, ctx.causal)
                p = torch.exp(scores - log_total[:, rows])
                ds = p * (torch.bmm(d[:, rows], fv[:, keys].mT) - inner)
                dv[:, keys] += torch.bmm(p.mT, d[:, rows])
                dk[:, keys] += torch.bmm(ds.mT, fq[:, rows]) * scale
                dq[:, rows] += torch.bmm(ds, fk[:, keys]) * scale
        return dq.view_as(q), dk.view_as(k), dv.view_as(v), None
