"""What can be known beforehand is: queries, keys and values are products that were multiplied out, heads are an axis
of the weights."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def positional_encoding(length, d_model):
    encoding = torch.zeros(d_model, length, dtype=torch.float64)
    steps = torch.linspace(0, length - 1, length, dtype=torch.float64) if length else torch.zeros(0, dtype=torch.float64)
    for i in range(0, d_model, 2):
        encoding[i] = torch.sin(steps * 10000 ** (-i / d_model))
        if i + 1 < d_model:
            encoding[i + 1] = torch.cos(steps * 10000 ** (-i / d_model))
    return encoding.T.contiguous().float()


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    axis = x.ndim - 1
    total, squares = x.sum(axis, keepdims=True), None
    mu = total / x.shape[axis]
    diff = np.subtract(x, mu)
    squares = np.linalg.norm(diff, axis=axis, keepdims=True) ** 2
    sd = np.sqrt(squares / x.shape[axis] + eps)
    return beta + diff / sd * gamma, [diff, sd, gamma]


def layer_norm_backward(dout, cache):
    diff, sd, gamma = cache
    d, upstream = diff.shape[-1], dout * gamma / sd
    flat = np.tensordot(dout.reshape(-1, d) * (diff / sd).reshape(-1, d), np.ones(1, dout.dtype), axes=0)[..., 0]
    projection = np.sum(upstream * diff, axis=-1, keepdims=True) / (d * sd**2)
    dx = upstream - projection * diff
    dx = dx - np.mean(upstream, axis=-1, keepdims=True)
    return dx, flat.sum(axis=0), np.sum(dout.reshape(-1, d), axis=0)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        return nn.Sequential(self.fc1, nn.ReLU(), self.fc2)(x)


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def per_head(self, layer, x):
        weight = layer.weight.unflatten(0, (self.heads, -1))  # (heads, size, d)
        return torch.einsum("ntd,hsd->nhts", x, weight) + layer.bias.view(1, self.heads, 1, -1)

    def forward(self, query, key, value, mask=None):
        q, k, v = self.per_head(self.q_proj, query), self.per_head(self.k_proj, key), self.per_head(self.v_proj, value)
        return self.mixed(q, k, v, mask)

    def mixed(self, q, k, v, mask=None):
        scores = q @ k.transpose(2, 3)
        scores = scores / math.sqrt(q.shape[3])
        if mask is not None:
            mask = mask[:, None] if mask.ndim == 3 else mask
            blind = ~mask.any(-1, keepdim=True)  # these see everything, and then nothing
            log_weights = torch.log_softmax(scores.masked_fill(~(mask | blind), -torch.inf), -1)
            weights = log_weights.exp() * ~blind
        else:
            weights = torch.log_softmax(scores, -1).exp()
        out_weight = self.out_proj.weight.unflatten(1, (self.heads, -1))  # (d, heads, size)
        return torch.einsum("nhts,dhs->ntd", weights @ v, out_weight) + self.out_proj.bias


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        first = F.layer_norm(x + self.attn(x, x, x, mask), x.shape[-1:], self.norm1.weight, self.norm1.bias)
        return F.layer_norm(first + self.ffn(first), x.shape[-1:], self.norm2.weight, self.norm2.bias)


def normed(x, norm):
    """By hand: the same."""
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + norm.eps) * norm.weight + norm.bias


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
        x = normed(x + self.self_attn(x, x, x, mask), self.norm1)
        x = normed(x + self.cross_attn(x, memory, memory, memory_mask), self.norm2)
        return normed(x + self.ffn(x), self.norm3)


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList([EncoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(d_model, heads, d_ff) for _ in range(layers)])
        self.out = nn.Linear(d_model, vocab)

    def forward(self, src, tgt):
        x, memory = self.begin(tgt), self.begin(src)
        for layer in self.encoder:
            memory = layer(memory)
        mask = torch.ones(1, 1, tgt.shape[1], tgt.shape[1]).tril().bool()
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.out(x)

    def begin(self, ids):
        table = self.embed.weight * math.sqrt(self.embed.embedding_dim)
        return table[ids] + positional_encoding(ids.shape[1], table.shape[1]).to(table.dtype)


@torch.no_grad()
def greedy_decode(model, src, bos, eos, max_len):
    answer = torch.full((len(src), max_len), eos)
    answer[:, 0] = bos
    open_rows = torch.arange(len(src))
    length = 1
    while length < max_len and len(open_rows):
        best = model(src[open_rows], answer[open_rows, :length])[:, -1].argmax(-1)  # of the rows that still write
        answer[open_rows, length] = best
        open_rows = open_rows[best != eos]
        length += 1
    return answer[:, :length]


@torch.no_grad()
def greedy_decode_cached(model, src, bos, eos, max_len):
    table = model.embed.weight * math.sqrt(model.embed.embedding_dim)
    places = positional_encoding(max_len, table.shape[1]).to(table.dtype)
    memory = model.begin(src)
    for layer in model.encoder:
        memory = layer(memory)
    fixed, growing = [], []
    for layer in model.decoder:
        attn = layer.cross_attn
        fixed.append((attn.per_head(attn.k_proj, memory), attn.per_head(attn.v_proj, memory)))
        growing.append(None)
    answer = torch.full((len(src), max_len), eos)
    answer[:, 0] = bos
    writing = torch.ones(len(src), dtype=torch.bool)
    for t in range(max_len - 1):
        x = table[answer[:, t : t + 1]] + places[t]
        for i, layer in enumerate(model.decoder):
            attn = layer.self_attn
            new = torch.stack([attn.per_head(attn.k_proj, x), attn.per_head(attn.v_proj, x)])
            growing[i] = new if growing[i] is None else torch.cat([growing[i], new], dim=3)
            x = normed(x + attn.mixed(attn.per_head(attn.q_proj, x), *growing[i]), layer.norm1)
            attn = layer.cross_attn
            x = normed(x + attn.mixed(attn.per_head(attn.q_proj, x), *fixed[i]), layer.norm2)
            x = normed(x + layer.ffn(x), layer.norm3)
        best = F.linear(x[:, 0], model.out.weight, model.out.bias).argmax(-1)
        answer[:, t + 1] = torch.where(writing, best, answer[:, t + 1])
        writing &= answer[:, t + 1] != eos
        if not writing.any():
            return answer[:, : t + 2]
    return answer
