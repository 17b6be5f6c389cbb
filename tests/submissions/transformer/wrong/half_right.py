"""About half: pre-norm in the encoder, sines and cosines side by side, and a cache that forgets its own place."""

from __future__ import annotations

import dataclasses
import math
from typing import Iterator

import numpy as np
import torch
from torch import Tensor, nn

QUIZ = {"q1": "c", "q2": "d", "q3": "d", "q4": "b", "q5": None}


def positional_encoding(length: int, d_model: int) -> Tensor:
    pe = torch.zeros(length, d_model)
    position = torch.arange(0, length, dtype=torch.float).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
    pe[:, : len(div_term)] = torch.sin(position * div_term)
    pe[:, len(div_term) :] = torch.cos(position * div_term[: d_model // 2])
    return pe


@dataclasses.dataclass
class Normalised:
    centred: np.ndarray
    std: np.ndarray
    gamma: np.ndarray

    def backward(self, dout):
        """Through scale, division, deviation and mean, one after another."""
        d = dout.shape[-1]
        dxhat = dout * self.gamma
        dcentred = dxhat / self.std
        dstd = -(dxhat * self.centred).sum(-1, keepdims=True) / self.std**2
        dvar = dstd / (2 * self.std)
        dcentred = dcentred + dvar * 2 * self.centred / d
        dx = dcentred - dcentred.sum(-1, keepdims=True) / d
        flat = (dout * self.centred / self.std).reshape(-1, d)
        return dx, flat.sum(0), dout.reshape(-1, d).sum(0)


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    cache = Normalised(x - np.mean(x, -1, keepdims=True), np.sqrt(np.var(x, -1, keepdims=True) + eps), gamma)
    return cache.centred / cache.std * gamma + beta, cache


def layer_norm_backward(dout, cache):
    return cache.backward(dout)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


class KeysAndValues:
    """Grows by doubling, so that not every token copies everything."""

    def __init__(self, like: Tensor, heads: int) -> None:
        self.room = like.new_zeros(2, like.shape[0], heads, 4, like.shape[-1] // heads)
        self.used = 0

    def add(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.used == self.room.shape[3]:
            self.room = torch.cat([self.room, torch.zeros_like(self.room)], dim=3)
        self.room[0, :, :, self.used], self.room[1, :, :, self.used] = k[:, :, 0], v[:, :, 0]
        self.used += 1
        return self.room[0, :, :, : self.used], self.room[1, :, :, : self.used]


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        assert d_model % heads == 0
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def cut(self, x):
        n, t, d = x.size()
        return x.view(n, t, self.heads, d // self.heads).transpose(1, 2)

    def keys_and_values(self, x):
        return self.cut(self.k_proj(x)), self.cut(self.v_proj(x))

    def look(self, query, k, v, mask=None):
        q = self.cut(self.q_proj(query))
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.size(-1))
        if mask is not None:
            if mask.dim() == 3:
                mask = mask.unsqueeze(1)
            scores = scores.masked_fill(mask == 0, -1e9)
            p = scores.softmax(dim=-1) * mask
        else:
            p = scores.softmax(dim=-1)
        x = torch.matmul(p, v).transpose(1, 2).contiguous()
        return self.out_proj(x.view(x.size(0), x.size(1), -1))

    def forward(self, query, key, value, mask=None):
        return self.look(query, self.cut(self.k_proj(key)), self.cut(self.v_proj(value)), mask)


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, mask=mask)
        return x + self.ffn(self.norm2(x))


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
        return self.finish(
            x, self.self_attn(x, x, x, mask), self.cross_attn.keys_and_values(memory), memory_mask
        )

    def finish(self, x, seen, source, memory_mask=None):
        x = self.norm1(x + seen)
        x = self.norm2(x + self.cross_attn.look(x, *source, memory_mask))
        return self.norm3(x + self.ffn(x))


class Transformer(nn.Module):
    LONGEST = 16

    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList([EncoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.out = nn.Linear(d_model, vocab)
        self.register_buffer("pe", positional_encoding(self.LONGEST, d_model))

    def embedded(self, ids, start=0):
        d_model, end = self.embed.embedding_dim, start + ids.shape[1]
        if end > len(self.pe):
            self.pe = positional_encoding(2 * end, d_model).to(self.pe)
        return self.embed(ids) * math.sqrt(d_model) + self.pe[start:end]

    def encode(self, src):
        x = self.embedded(src)
        for layer in self.encoder:
            x = layer(x)
        return x

    def forward(self, src, tgt):
        memory = self.encode(src)
        mask = torch.triu(torch.ones(tgt.shape[1], tgt.shape[1]), diagonal=1) == 0
        x = self.embedded(tgt)
        for layer in self.decoder:
            x = layer(x, memory, mask=mask)
        return self.out(x)


class Writer:
    """Logits of one next token after another."""

    def __init__(self, model: Transformer, src: Tensor) -> None:
        self.model, memory = model, model.encode(src)
        self.sources = [layer.cross_attn.keys_and_values(memory) for layer in model.decoder]
        self.written = [KeysAndValues(memory, layer.self_attn.heads) for layer in model.decoder]
        self.position = 0

    def after(self, newest: Tensor) -> Tensor:
        x = self.model.embedded(newest[:, None], self.position)
        for layer, written, source in zip(self.model.decoder, self.written, self.sources):
            past = written.add(*layer.self_attn.keys_and_values(x))
            x = layer.finish(x, layer.self_attn.look(x, *past), source)
        return self.model.out(x[:, -1])


def _tokens(after, n, bos, eos, most) -> Iterator[Tensor]:
    newest, ended = torch.full((n,), bos), torch.zeros(n, dtype=torch.bool)
    yield newest
    for _ in range(most - 1):
        newest = torch.where(ended, torch.tensor(eos), after(newest).argmax(dim=-1))
        yield newest
        ended = ended | (newest == eos)
        if ended.all():
            return


def greedy_decode(model, src, bos, eos, max_len):
    so_far = []

    def after(newest):
        so_far.append(newest)
        return model(src, torch.stack(so_far, dim=1))[:, -1]

    with torch.no_grad():
        return torch.stack([*_tokens(after, len(src), bos, eos, max_len)], dim=1)


def greedy_decode_cached(model, src, bos, eos, max_len):
    with torch.no_grad():
        return torch.stack([*_tokens(Writer(model, src).after, len(src), bos, eos, max_len)], dim=1)
