"""Functions of parameters: modules only hold weights, caches are closures."""

from functools import partial, reduce

import numpy as np
import scipy.special
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = dict(zip(("q1", "q2", "q3", "q4", "q5"), "cbdab"))


def positional_encoding(length, d_model):
    columns = torch.arange(d_model)
    angles = torch.arange(length).double()[:, None] * torch.pow(1e4, -(columns - columns % 2).double() / d_model)
    return torch.sin(angles + (columns % 2) * torch.pi / 2).float()  # a cosine is a sine a quarter ahead


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    centre = lambda y: y - np.add.reduce(y, axis=-1, keepdims=True) / x.dtype.type(y.shape[-1])
    c = centre(x)
    r = np.reciprocal(np.sqrt(np.add.reduce(np.square(c), axis=-1, keepdims=True) / x.dtype.type(x.shape[-1]) + x.dtype.type(eps)))
    z = c * r

    def backward(dout):
        g = dout * gamma
        flat = lambda y: y.reshape(-1, y.shape[-1])
        dx = r * centre(g - z * np.mean(g * z, axis=-1, keepdims=True))
        return dx, np.sum(flat(dout * z), axis=0), np.sum(flat(dout), axis=0)

    return z * gamma + beta, backward


def layer_norm_backward(dout, cache):
    return cache(dout)


def linear(layer, x):
    return F.linear(x, layer.weight, layer.bias)


def ffn(p, x):
    return linear(p.fc2, linear(p.fc1, x).clamp(min=0))


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    forward = ffn


def keys_values(p, x):
    """(N, T, d) to two (N * heads, T, d / heads)."""
    return rows(p.heads, linear(p.k_proj, x)), rows(p.heads, linear(p.v_proj, x))


def rows(heads, x):
    n, t, d = x.shape
    return x.reshape(n, t, heads, d // heads).permute(0, 2, 1, 3).reshape(n * heads, t, d // heads)


def attention(p, query, kv, mask=None):
    k, v = kv
    n, t, d = query.shape
    q = rows(p.heads, linear(p.q_proj, query))
    scores = torch.baddbmm(q.new_zeros(1, 1, 1), q, k.transpose(1, 2), beta=0, alpha=(d // p.heads) ** -0.5)
    if mask is not None:
        mask = mask[:, None] if mask.ndim == 3 else mask
        mask = mask.expand(n, p.heads, t, k.shape[1]).reshape(scores.shape)
        level = scores.detach().masked_fill(~mask, -torch.inf).amax(-1, keepdim=True)
        level = torch.where(level.isfinite(), level, 0)
        powers = torch.where(mask, torch.exp(torch.where(mask, scores - level, 0)), 0)
        weights = powers / powers.sum(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    else:
        weights = torch.exp(scores - scores.logsumexp(-1, keepdim=True))
    out = torch.bmm(weights, v).reshape(n, p.heads, t, -1).permute(0, 2, 1, 3).reshape(n, t, d)
    return linear(p.out_proj, out)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(d_model, d_model))

    def forward(self, query, key, value, mask=None):
        kv = rows(self.heads, linear(self.k_proj, key)), rows(self.heads, linear(self.v_proj, value))
        return attention(self, query, kv, mask)


def residual(norm, part, x):
    return norm(x + part(x))


def compose(x, *parts):
    return reduce(lambda y, part: residual(part[0], part[1], y), parts, x)


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        return compose(x, (self.norm1, lambda y: self.attn(y, y, y, mask)), (self.norm2, self.ffn))


def decoder(p, x, own, source, mask=None, memory_mask=None):
    return compose(
        x,
        (p.norm1, lambda y: attention(p.self_attn, y, own, mask)),
        (p.norm2, lambda y: attention(p.cross_attn, y, source, memory_mask)),
        (p.norm3, partial(ffn, p.ffn)),
    )


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm2 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(self, x, memory, mask=None, memory_mask=None):
        own, source = keys_values(self.self_attn, x), keys_values(self.cross_attn, memory)
        return decoder(self, x, own, source, mask, memory_mask)


def embedded(p, ids, start=0):
    d = p.embed.embedding_dim
    x = F.embedding(ids, p.embed.weight)
    return x * d**0.5 + positional_encoding(start + ids.shape[1], d)[start:].type_as(x)


def encoded(p, src):
    return reduce(lambda x, layer: layer(x), p.encoder, embedded(p, src))


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def forward(self, src, tgt):
        memory, causal = encoded(self, src), torch.ones(2 * tgt.shape[1:], dtype=torch.bool).tril()
        return linear(self.out, reduce(lambda x, layer: layer(x, memory, causal), self.decoder, embedded(self, tgt)))


def write(predict, n, bos, eos, max_len):
    def go(written, ended):
        if written.shape[1] >= max_len or ended.all():
            return written
        newest = predict(written).argmax(-1, keepdim=True)
        newest = newest * ~ended + eos * ended
        return go(torch.hstack([written, newest]), ended | (newest == eos))

    return go(torch.full((n, 1), bos), torch.zeros(n, 1, dtype=torch.bool))


def greedy_decode(model, src, bos, eos, max_len):
    return write(lambda written: model(src, written).detach()[:, -1], len(src), bos, eos, max_len)


def greedy_decode_cached(model, src, bos, eos, max_len):
    with torch.no_grad():
        memory = encoded(model, src)
        sources = [keys_values(layer.cross_attn, memory) for layer in model.decoder]
        past = {}

        def predict(written):
            x = embedded(model, written[:, -1:], written.shape[1] - 1)
            for i, layer in enumerate(model.decoder):
                new = keys_values(layer.self_attn, x)
                past[i] = tuple(map(lambda *kv: torch.cat(kv, 1), past[i], new)) if i in past else new
                x = decoder(layer, x, past[i], sources[i])
            return linear(model.out, x[:, 0])

        return write(predict, len(src), bos, eos, max_len)
