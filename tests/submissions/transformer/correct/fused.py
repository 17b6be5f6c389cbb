"""Few and large products: queries, keys and values by one, the sources of all layers by one."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def positional_encoding(length, d_model):
    inverse = 1.0 / 10000 ** (np.arange(0, d_model, 2) / d_model)
    angles = np.arange(length)[:, None] * inverse[None]
    both = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(length, -1)
    return torch.tensor(both[:, :d_model])  # float64: whoever adds it converts it


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    d = x.shape[-1]
    flat = x.reshape(-1, d)
    ones = np.full((d, 1), 1 / d, x.dtype)
    centred = flat - flat @ ones
    inverse = 1 / np.sqrt(np.square(centred) @ ones + x.dtype.type(eps))
    normal = centred * inverse
    return (normal * gamma + beta).reshape(x.shape), (normal, inverse, gamma, ones, x.shape)


def layer_norm_backward(dout, cache):
    normal, inverse, gamma, ones, shape = cache
    flat = dout.reshape(normal.shape)
    h = flat * gamma
    dx = inverse * (h - h @ ones - normal * ((h * normal) @ ones))
    rows = np.ones(len(flat), flat.dtype)
    return dx.reshape(shape), rows @ (flat * normal), rows @ flat


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        shape = x.shape
        hidden = torch.addmm(self.fc1.bias, x.reshape(-1, shape[-1]), self.fc1.weight.T).relu()
        return torch.addmm(self.fc2.bias, hidden, self.fc2.weight.T).view(shape)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def packed(self, *names):
        layers = [getattr(self, f"{name}_proj") for name in names]
        return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])

    def split(self, x, parts):
        """(N, T, parts * d) to parts of (N, heads, T, size)."""
        n, t, _ = x.shape
        return x.view(n, t, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, query, key, value, mask=None):
        if query is key and key is value:
            q, k, v = self.split(F.linear(query, *self.packed(*"qkv")), 3)
        elif key is value:
            (q,) = self.split(self.q_proj(query), 1)
            k, v = self.split(F.linear(key, *self.packed(*"kv")), 2)
        else:
            (q,), (k,), (v,) = (
                self.split(p(x), 1) for p, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
            )
        return self.finish(q, k, v, mask)

    def finish(self, q, k, v, mask=None):
        scores = (q * q.shape[-1] ** -0.5) @ k.mT
        if mask is not None:
            mask = mask.unsqueeze(1) if mask.dim() == 3 else mask
            bias = torch.zeros_like(scores).masked_fill(~mask, torch.finfo(scores.dtype).min / 2)
            weights = (scores + bias).softmax(-1) * mask.any(-1, keepdim=True)
            weights = weights.masked_fill(~mask, 0)
        else:
            weights = scores.softmax(-1)
        return self.out_proj((weights @ v).transpose(1, 2).flatten(2))


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

    def forward(self, x, memory, mask=None, memory_mask=None):
        x = self.norm1(x + self.self_attn(x, x, x, mask))
        x = self.norm2(x + self.cross_attn(x, memory, memory, memory_mask))
        return self.norm3(x + self.ffn(x))


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def table(self, length):
        return positional_encoding(length, self.embed.embedding_dim).to(self.embed.weight)

    def enter(self, ids, table):
        return self.embed(ids) * self.embed.embedding_dim**0.5 + table

    def encode(self, src):
        x = self.enter(src, self.table(src.shape[1]))
        for layer in self.encoder:
            x = layer(x)
        return x

    def forward(self, src, tgt):
        memory, x = self.encode(src), self.enter(tgt, self.table(tgt.shape[1]))
        mask = torch.ones(tgt.shape[1], tgt.shape[1], dtype=torch.bool).tril_()
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.out(x)


@torch.no_grad()
def greedy_decode(model, src, bos, eos, max_len):
    """The encoder is asked once; the decoder reads all that is written, each time."""
    memory, table = model.encode(src), model.table(max_len)
    causal = torch.ones(max_len, max_len, dtype=torch.bool).tril_()
    out = torch.full((len(src), max_len), eos)
    out[:, 0] = bos
    ended = torch.zeros(len(src), dtype=torch.bool)
    for t in range(1, max_len):
        x = model.enter(out[:, :t], table[:t])
        for layer in model.decoder:
            x = layer(x, memory, causal[:t, :t])
        best = model.out(x[:, -1]).argmax(1)
        out[~ended, t] = best[~ended]
        ended |= out[:, t] == eos
        if ended.all():
            return out[:, : t + 1]
    return out


@torch.no_grad()
def greedy_decode_cached(model, src, bos, eos, max_len):
    memory, table = model.encode(src), model.table(max_len)
    packs = [layer.cross_attn.packed(*"kv") for layer in model.decoder]
    everything = F.linear(memory, torch.cat([w for w, _ in packs]), torch.cat([b for _, b in packs]))
    chunks = everything.chunk(len(packs), dim=-1)
    sources = [layer.cross_attn.split(chunk, 2) for layer, chunk in zip(model.decoder, chunks)]
    own = [layer.self_attn.packed(*"qkv") for layer in model.decoder]
    n, d = len(src), memory.shape[-1]
    heads = model.decoder[0].self_attn.heads
    room = memory.new_zeros(len(own), 2, n, heads, max_len, d // heads)
    out = torch.full((n, max_len), eos)
    out[:, 0] = bos
    ended = torch.zeros(n, dtype=torch.bool)
    for t in range(1, max_len):
        x = model.enter(out[:, t - 1 : t], table[t - 1])
        for i, layer in enumerate(model.decoder):
            q, k, v = layer.self_attn.split(F.linear(x, *own[i]), 3)
            room[i, 0, :, :, t - 1 : t], room[i, 1, :, :, t - 1 : t] = k, v
            x = layer.norm1(x + layer.self_attn.finish(q, room[i, 0, :, :, :t], room[i, 1, :, :, :t]))
            (q,) = layer.cross_attn.split(layer.cross_attn.q_proj(x), 1)
            x = layer.norm2(x + layer.cross_attn.finish(q, *sources[i]))
            x = layer.norm3(x + layer.ffn(x))
        best = model.out(x[:, 0]).argmax(1)
        out[:, t] = torch.where(ended, eos, best)
        ended |= out[:, t] == eos
        if ended.all():
            return out[:, : t + 1]
    return out
