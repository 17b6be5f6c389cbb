"""Fixed room for the cache, with a mask over what is not written yet; modules take the cache as an argument."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def positional_encoding(length, d_model):
    """By angle addition: position 2p is position p turned on by itself."""
    freq = 10000.0 ** (-torch.arange(0, d_model + d_model % 2, 2, dtype=torch.float64) / d_model)
    turn = torch.complex(freq.cos(), freq.sin())
    table = torch.ones(1, len(freq), dtype=torch.complex128)
    while len(table) < length:
        table = torch.cat([table, table * turn ** len(table)])
    return torch.view_as_real(table[:length]).flip(-1).reshape(length, -1)[:, :d_model].to(torch.float32)


def _mean(x):
    return np.mean(x, axis=-1, keepdims=True)


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    mu = _mean(x)
    var = _mean((x - mu) ** 2)
    y = (x - mu) / np.sqrt(var + eps)
    return gamma * y + beta, (x, mu, var, gamma, eps)


def layer_norm_backward(dout, cache):
    x, mu, var, gamma, eps = cache
    d, v = x.shape[-1], var + eps
    g = dout * gamma
    dvar = np.sum(g * (x - mu), axis=-1, keepdims=True) * -0.5 * v**-1.5
    dmu = -np.sum(g, axis=-1, keepdims=True) / np.sqrt(v) + dvar * np.sum(-2 * (x - mu), axis=-1, keepdims=True) / d
    dx = g / np.sqrt(v) + dvar * 2 * (x - mu) / d + dmu / d
    lead = tuple(range(x.ndim - 1))
    return dx, np.sum(dout * (x - mu) / np.sqrt(v), axis=lead), np.sum(dout, axis=lead)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        return self.fc2(torch.maximum(self.fc1(x), torch.zeros((), dtype=x.dtype)))


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key=None, value=None, mask=None, cache=None, at=None):
        """With a cache: what is new is written to place `at`, or nothing where there is nothing new."""
        if cache is None:
            k, v = self.k_proj(key), self.v_proj(value)
        else:
            k, v = cache
            if key is not None:
                k.index_copy_(1, at, self.k_proj(key))
                v.index_copy_(1, at, self.v_proj(value))
        q, k, v = [x.unflatten(2, (self.heads, -1)).movedim(2, 1) for x in (self.q_proj(query), k, v)]
        scores = torch.matmul(q, k.mT).div(math.sqrt(q.shape[-1]))
        if mask is not None:
            mask = mask if mask.dim() != 3 else mask[:, None]
            scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
            powers = torch.exp(scores - scores.amax(-1, keepdim=True).detach()) * mask
        else:
            powers = torch.exp(scores - scores.amax(-1, keepdim=True).detach())
        total = powers.sum(-1, keepdim=True)
        mixed = torch.matmul(powers, v) / torch.where(total > 0, total, 1)
        return self.out_proj(mixed.movedim(1, 2).reshape(query.shape))


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        x = self.norm1(x + self.attn(x, x, x, mask))
        return self.norm2(x + self.ffn(x))


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm2 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(self, x, memory=None, mask=None, memory_mask=None, cache=None, at=None):
        own, source = cache or (None, None)
        x = self.norm1(x + self.self_attn(x, x, x, mask, own, at))
        x = self.norm2(x + self.cross_attn(x, memory, memory, memory_mask, source))
        return self.norm3(x + self.ffn(x))


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList([EncoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.out = nn.Linear(d_model, vocab)

    def embedded(self, ids, places):
        return self.embed(ids) * math.sqrt(self.d_model) + places.to(self.embed.weight.dtype)

    def encode(self, src):
        x = self.embedded(src, positional_encoding(src.shape[1], self.d_model))
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, tgt, places, memory, mask, caches=None, at=None):
        x = self.embedded(tgt, places)
        for i, layer in enumerate(self.decoder):
            x = layer(x, memory, mask, cache=caches and caches[i], at=at)
        return self.out(x)

    def forward(self, src, tgt):
        t = tgt.shape[1]
        mask = torch.arange(t).unsqueeze(1).ge(torch.arange(t))
        return self.decode(tgt, positional_encoding(t, self.d_model), self.encode(src), mask)


def _loop(step, n, bos, eos, max_len):
    tokens = [torch.full((n, 1), bos, dtype=torch.int64)]
    done = torch.zeros(n, 1, dtype=torch.bool)
    while len(tokens) < max_len:
        tokens.append(step(tokens).argmax(-1, keepdim=True).masked_fill(done, eos))
        done = done.logical_or(tokens[-1].eq(eos))
        if int(done.sum()) == n:
            break
    return torch.cat(tokens, dim=1)


@torch.no_grad()
def greedy_decode(model, src, bos, eos, max_len):
    return _loop(lambda tokens: model(src, torch.cat(tokens, 1))[:, -1], len(src), bos, eos, max_len)


@torch.no_grad()
def greedy_decode_cached(model, src, bos, eos, max_len):
    memory, places = model.encode(src), positional_encoding(max_len, model.d_model)
    empty = memory.new_zeros(len(src), max_len, model.d_model)
    caches = []
    for layer in model.decoder:
        attn = layer.cross_attn
        caches.append(((empty.clone(), empty.clone()), (attn.k_proj(memory), attn.v_proj(memory))))

    def step(tokens):
        t = len(tokens) - 1
        seen = torch.arange(max_len).le(t)
        return model.decode(tokens[-1], places[t], None, seen, caches, torch.tensor([t]))[:, 0]

    return _loop(step, len(src), bos, eos, max_len)
