"""Einstein sums for everything that mixes, and complex numbers for the positions."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = dict(q1="c", q2="b", q3="d", q4="a", q5="b")


def positional_encoding(length, d_model):
    """The real and imaginary part of rotating pointers, interleaved; a superfluous last cosine is cut off."""
    half = -(-d_model // 2)
    speed = torch.exp(torch.arange(half, dtype=torch.float64) * (-2 * math.log(10000.0) / d_model))
    pointer = torch.polar(torch.ones(length, half, dtype=torch.float64), torch.arange(length)[:, None] * speed)
    return torch.stack([pointer.imag, pointer.real], dim=-1).flatten(1)[:, :d_model].float()


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    d = x.shape[-1]
    mean = np.einsum("...d->...", x) / d
    second = np.einsum("...d,...d->...", x, x) / d
    rstd = (np.maximum(second - mean * mean, 0) + eps) ** -0.5
    xhat = np.einsum("...d,...->...d", x - mean[..., None], rstd)
    return np.einsum("...d,d->...d", xhat, gamma) + beta, {"xhat": xhat, "rstd": rstd, "gamma": gamma}


def layer_norm_backward(dout, cache):
    xhat, rstd, gamma = cache["xhat"], cache["rstd"], cache["gamma"]
    d = xhat.shape[-1]
    g = np.einsum("...d,d->...d", dout, gamma)
    inner = np.einsum("...d,...d->...", g, xhat) / d
    dx = np.einsum("...d,...->...d", g - g.mean(-1)[..., None] - np.einsum("...,...d->...d", inner, xhat), rstd)
    rows, normal = dout.reshape(-1, d), xhat.reshape(-1, d)
    return dx, np.einsum("nd,nd->d", rows, normal), np.einsum("nd->d", rows)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        hidden = torch.einsum("...d,fd->...f", x, self.fc1.weight) + self.fc1.bias
        return torch.einsum("...f,df->...d", F.relu(hidden), self.fc2.weight) + self.fc2.bias


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        return self.mix(self.q_proj(query), self.k_proj(key), self.v_proj(value), mask)

    def mix(self, q, k, v, mask=None):
        q, k, v = (x.reshape(*x.shape[:2], self.heads, -1) for x in (q, k, v))
        scores = torch.einsum("nihd,njhd->nhij", q, k) * q.shape[-1] ** -0.5
        if mask is None:
            weights = scores.softmax(-1)
        else:
            mask = mask[:, None] if mask.ndim == 3 else mask
            weights = torch.nan_to_num(scores.masked_fill(~mask, -torch.inf).softmax(-1))
        return self.out_proj(torch.einsum("nhij,njhd->nihd", weights, v).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        y = self.norm1(self.attn(x, x, x, mask).add(x))
        return self.norm2(self.ffn(y).add(y))


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
        y = self.norm1(self.self_attn(x, x, x, mask).add(x))
        z = self.norm2(self.cross_attn(y, memory, memory, memory_mask).add(y))
        return self.norm3(self.ffn(z).add(z))

    def step(self, x, past, source):
        """One new token; `past` and `source` are stacked keys and values, (2, N, T, d)."""
        attn, cross = self.self_attn, self.cross_attn
        past = torch.cat([past, torch.stack([attn.k_proj(x), attn.v_proj(x)])], dim=2)
        y = self.norm1(x + attn.mix(attn.q_proj(x), *past))
        z = self.norm2(y + cross.mix(cross.q_proj(y), *source))
        return self.norm3(z + self.ffn(z)), past


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def place(self, ids, first=0):
        x = self.embed(ids)
        d = x.shape[-1]
        return torch.add(positional_encoding(first + ids.shape[1], d)[first:].to(x), x, alpha=math.sqrt(d))

    def memory(self, src):
        x = self.place(src)
        for layer in self.encoder:
            x = layer(x)
        return x

    def forward(self, src, tgt):
        memory, x = self.memory(src), self.place(tgt)
        i = torch.arange(tgt.shape[1])
        for layer in self.decoder:
            x = layer(x, memory, i[:, None] >= i)
        return self.out(x)


def _writing(model, src, bos, eos, max_len, predict):
    out = src.new_full((len(src), 1), bos)
    alive = torch.ones(len(src), dtype=torch.bool)
    while out.size(1) < max_len and alive.any():
        new = torch.where(alive, predict(out).argmax(-1), eos)
        alive = alive & new.ne(eos)
        out = torch.cat([out, new.unsqueeze(1)], 1)
    return out


@torch.inference_mode()
def greedy_decode(model, src, bos, eos, max_len):
    return _writing(model, src, bos, eos, max_len, lambda out: model(src, out)[:, -1])


@torch.inference_mode()
def greedy_decode_cached(model, src, bos, eos, max_len):
    memory = model.memory(src)
    sources = [torch.stack([layer.cross_attn.k_proj(memory), layer.cross_attn.v_proj(memory)]) for layer in model.decoder]
    pasts = [memory.new_zeros(2, len(src), 0, memory.shape[-1]) for _ in model.decoder]

    def predict(out):
        x = model.place(out[:, -1:], out.size(1) - 1)
        for i, layer in enumerate(model.decoder):
            x, pasts[i] = layer.step(x, pasts[i], sources[i])
        return model.out(x).squeeze(1)

    return _writing(model, src, bos, eos, max_len, predict)
