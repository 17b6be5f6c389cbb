"""Step by step: positions and tokens in Python loops, a loop over heads, rows of a batch decoded together."""

import math

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def positional_encoding(length, d_model):
    rows = []
    for pos in range(length):
        row = []
        for j in range(d_model):
            angle = pos / math.pow(10000, (j - j % 2) / d_model)
            row.append(math.sin(angle) if j % 2 == 0 else math.cos(angle))
        rows.append(row)
    return torch.tensor(rows).reshape(length, d_model)


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    flat = x.reshape(-1, x.shape[-1])
    out, xhat, inv = np.empty_like(flat), np.empty_like(flat), []
    for i, row in enumerate(flat):
        mu = sum(row) / len(row)
        var = sum((row - mu) ** 2) / len(row)
        inv.append(1 / math.sqrt(var + eps))
        xhat[i] = (row - mu) * inv[-1]
        out[i] = gamma * xhat[i] + beta
    return out.reshape(x.shape), (xhat, inv, gamma)


def layer_norm_backward(dout, cache):
    xhat, inv, gamma = cache
    flat = dout.reshape(xhat.shape)
    dx, dgamma, dbeta = np.empty_like(flat), np.zeros_like(gamma), np.zeros_like(gamma)
    d = xhat.shape[1]
    for i, g in enumerate(flat):
        dgamma += g * xhat[i]
        dbeta += g
        h = g * gamma
        dx[i] = (d * h - h.sum() - xhat[i] * (h * xhat[i]).sum()) * (inv[i] / d)
    return dx.reshape(dout.shape), dgamma, dbeta


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        hidden = self.fc1(x)
        hidden = hidden * (hidden > 0)
        return self.fc2(hidden)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.size = d_model // heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        return self.attend(self.q_proj(query), self.k_proj(key), self.v_proj(value), mask)

    def attend(self, q, k, v, mask=None):
        found = []
        for h in range(self.heads):
            part = slice(h * self.size, (h + 1) * self.size)
            scores = torch.bmm(q[:, :, part], k[:, :, part].transpose(1, 2)) / math.sqrt(self.size)
            if mask is not None:
                seen = mask
                if seen.dim() == 4:
                    seen = seen[:, h] if seen.shape[1] > 1 else seen[:, 0]
                seen = seen.expand_as(scores)
                some = seen.any(-1, keepdim=True)
                scores = scores.masked_fill(~seen & some, -math.inf)
                weights = torch.softmax(scores, -1) * some
            else:
                weights = torch.softmax(scores, -1)
            found.append(torch.bmm(weights, v[:, :, part]))
        return self.out_proj(torch.cat(found, -1))


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        x = self.norm1(x + self.attn(x, x, x, mask))
        x = self.norm2(x + self.ffn(x))
        return x


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
        x = self.norm3(x + self.ffn(x))
        return x


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList([EncoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.out = nn.Linear(d_model, vocab)

    def forward(self, src, tgt):
        memory = self.encode(src)
        x = self.start(tgt)
        mask = torch.zeros(tgt.shape[1], tgt.shape[1], dtype=torch.bool)
        for i in range(tgt.shape[1]):
            mask[i, : i + 1] = True
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.out(x)

    def start(self, ids):
        pe = positional_encoding(ids.shape[1], self.d_model)
        return self.embed(ids) * self.d_model**0.5 + pe.to(self.embed.weight.dtype)

    def encode(self, src):
        x = self.start(src)
        for layer in self.encoder:
            x = layer(x)
        return x


def greedy_decode(model, src, bos, eos, max_len):
    rows = [[bos] for _ in src]
    while len(rows[0]) < max_len:
        with torch.no_grad():
            logits = model(src, torch.tensor(rows))
        for row, scores in zip(rows, logits[:, -1]):
            if eos in row[1:]:
                row.append(eos)
            else:
                row.append(int(scores.argmax()))
        if all(eos in row[1:] for row in rows):
            break
    return torch.tensor(rows)


def greedy_decode_cached(model, src, bos, eos, max_len):
    with torch.no_grad():
        memory = model.encode(src)
        pe = positional_encoding(max_len, model.d_model).to(memory.dtype)
        keys = [[] for _ in model.decoder]
        values = [[] for _ in model.decoder]
        cross = [(layer.cross_attn.k_proj(memory), layer.cross_attn.v_proj(memory)) for layer in model.decoder]
        out = torch.full((src.shape[0], 1), bos)
        done = torch.zeros(src.shape[0], dtype=torch.bool)
        while out.shape[1] < max_len:
            x = (model.embed(out[:, -1]) * model.d_model**0.5 + pe[out.shape[1] - 1])[:, None]
            for i, layer in enumerate(model.decoder):
                keys[i].append(layer.self_attn.k_proj(x))
                values[i].append(layer.self_attn.v_proj(x))
                k, v = torch.cat(keys[i], 1), torch.cat(values[i], 1)
                x = layer.norm1(x + layer.self_attn.attend(layer.self_attn.q_proj(x), k, v))
                x = layer.norm2(x + layer.cross_attn.attend(layer.cross_attn.q_proj(x), *cross[i]))
                x = layer.norm3(x + layer.ffn(x))
            new = model.out(x[:, 0]).argmax(-1)
            new[done] = eos
            out = torch.cat([out, new[:, None]], 1)
            done = done | (new == eos)
            if bool(done.all()):
                break
        return out
