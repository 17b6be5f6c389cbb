"""Right everywhere, and slow: what is called a cache keeps the text alone, and the layers read all of it every time."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def positional_encoding(length, d_model):
    position = torch.arange(length, dtype=torch.float64).reshape(-1, 1)
    feature = torch.arange(d_model).reshape(1, -1)
    angle = position / 10000 ** ((feature // 2 * 2) / d_model)
    return torch.where(feature % 2 == 0, torch.sin(angle), torch.cos(angle)).float()


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    """Mean and variance by Welford's updates, feature by feature."""
    mean, spread = np.zeros_like(x[..., 0]), np.zeros_like(x[..., 0])
    for j in range(x.shape[-1]):
        before = x[..., j] - mean
        mean = mean + before / (j + 1)
        spread = spread + before * (x[..., j] - mean)
    scale = 1 / np.sqrt(spread / x.shape[-1] + eps)
    xhat = (x - mean[..., None]) * scale[..., None]
    return xhat * gamma + beta, (xhat, scale[..., None], gamma)


def layer_norm_backward(dout, cache):
    xhat, scale, gamma = cache
    d = xhat.shape[-1]
    g = dout * gamma
    along = (g[..., None, :] @ xhat[..., :, None])[..., 0]  # the part along the token itself
    dx = scale * (g - g.sum(-1, keepdims=True) / d - xhat * (along / d))
    over = tuple(range(dout.ndim - 1))
    return dx, np.add.reduce(dout * xhat, axis=over), np.add.reduce(dout, axis=over)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff):
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x):
        return self.fc2(torch.threshold(self.fc1(x), 0.0, 0.0))


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query, key, value, mask=None):
        k, v = (torch.stack(x.chunk(self.heads, -1), 1) for x in (self.k_proj(key), self.v_proj(value)))
        q = torch.stack(self.q_proj(query).chunk(self.heads, -1), 1)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if mask is None:
            weights = torch.softmax(scores, -1)
        else:
            mask = mask.unsqueeze(1) if mask.ndim == 3 else mask
            mask = mask.broadcast_to(scores.shape)
            weights = torch.softmax(torch.where(mask, scores, -1e30), -1)
            weights = torch.where(mask, weights, 0)
        return self.out_proj(torch.cat((weights @ v).unbind(1), -1))


class Residual(nn.Module):
    def add(self, number, x, change):
        return getattr(self, f"norm{number}")(x + change)


class EncoderLayer(Residual):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x, mask=None):
        x = self.add(1, x, self.attn(x, x, x, mask))
        return self.add(2, x, self.ffn(x))


class DecoderLayer(Residual):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm2 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(self, x, memory, mask=None, memory_mask=None):
        x = self.add(1, x, self.self_attn(x, x, x, mask))
        x = self.add(2, x, self.cross_attn(x, memory, memory, memory_mask))
        return self.add(3, x, self.ffn(x))


class Transformer(nn.Module):
    def __init__(self, vocab, d_model, heads, d_ff, layers):
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def enter(self, ids, places):
        d = self.embed.weight.shape[1]
        x = self.embed(ids)
        return d**0.5 * x + positional_encoding(places.stop, d)[places].to(x)

    def encode(self, src):
        return nn.Sequential(*self.encoder)(self.enter(src, slice(0, src.shape[1])))

    def decode(self, x, memory, mask):
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.out(x)

    def forward(self, src, tgt):
        length = tgt.shape[1]
        mask = torch.tril(torch.ones((length, length), dtype=torch.bool))
        return self.decode(self.enter(tgt, slice(0, length)), self.encode(src), mask)


def greedy_decode(model, src, bos, eos, max_len):
    tokens = torch.full((src.size(0), 1), bos, dtype=torch.long)
    ended = torch.zeros(src.size(0), dtype=torch.bool)
    for _ in range(max_len - 1):
        logits = model(src, tokens)[:, -1]
        _, best = torch.max(logits.log_softmax(-1), -1)
        best[ended] = eos
        tokens = torch.cat((tokens, best.unsqueeze(-1)), -1)
        ended = torch.eq(tokens[:, 1:], eos).any(-1)
        if ended.all():
            break
    return tokens


def greedy_decode_cached(model, src, bos, eos, max_len):
    with torch.no_grad():
        return greedy_decode(model, src, bos, eos, max_len)
