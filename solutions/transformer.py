"""The transformer: attention made into layers, layers into an encoder and a decoder, and a decoder that writes.

NumPy where the backward pass is the lesson (layer normalisation), torch where composition is (everything else).

Conventions, everywhere in this file:
    shapes: N sequences, T tokens (Tsrc of the source, Ttgt of the target, Tq queries, Tk keys), d or d_model features,
        V tokens in the vocabulary. Batch first: (N, T, d_model); tokens are integers, (N, T).
    masks: boolean, True = may attend; None = everything may be attended to, in the decoder too. A query that may
        attend to nothing gets 0 (in a module: before `out_proj`), with finite gradients.
    layers: post-norm, as in the lecture's figure: each part is added to its input, then the sum is normalised. No
        dropout.
    modules: parameters are declared for you, in `__init__`; the checks load weights into them by name.
    dtype and device: those of the arguments or of the model's parameters; arguments are never written into.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

### BEGIN SOLUTION transformer.quiz
QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}
### END SOLUTION


# Task 1: positional_encoding ---------------------------------------------------------------------------------------


def positional_encoding(length: int, d_model: int) -> Tensor:
    """A vector for every position, to be added to the embedding of the token that stands there.

    Args:
        length: number of positions, as many as you like; they are counted from 0.
        d_model: number of features, even or odd.

    Returns:
        Tensor of shape (length, d_model), of torch's default dtype:
        out[pos, 2i] = sin(pos / 10000^(2i / d_model)), out[pos, 2i + 1] = cos(pos / 10000^(2i / d_model)).

    Example:
        positional_encoding(2, 4) is [[0, 1, 0, 1], [sin 1, cos 1, sin 0.01, cos 0.01]].
    """
    ### BEGIN SOLUTION transformer.positional_encoding
    positions = torch.arange(length, dtype=torch.float64)
    frequencies = 10000 ** -(torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angles = torch.outer(positions, frequencies)
    encoding = angles.new_empty(length, d_model)
    encoding[:, 0::2] = angles.sin()
    encoding[:, 1::2] = angles[:, : d_model // 2].cos()  # with an odd number of features the last is a sine
    return encoding.to(torch.get_default_dtype())
    ### END SOLUTION


# Task 2: layer_norm ------------------------------------------------------------------------------------------------


def layer_norm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, Any]:
    """Give the features of every token mean 0 and variance 1, then a learned scale and shift.

    Args:
        x: tokens, shape (..., d).
        gamma: scale of each feature, shape (d,).
        beta: shift of each feature, shape (d,).
        eps: what is added to the variance, so that a token whose features are all equal gives beta.

    Returns:
        (out, cache): out = gamma * (x - mean) / sqrt(var + eps) + beta, shape (..., d). Mean and variance are those of
        the d features of one token; the variance divides by d.

    Example:
        x = [[0, 4]], gamma = [3, 6], beta = [1, 1], eps = 5: the mean is 2, the variance 4, sqrt(4 + 5) = 3, and the
        output [[-1, 5]].
    """
    ### BEGIN SOLUTION transformer.layer_norm
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    normal = centred / deviation
    return gamma * normal + beta, (normal, deviation, gamma)
    ### END SOLUTION


def layer_norm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backpropagate through `layer_norm_forward`.

    Args:
        dout: gradient of the loss with respect to out, shape (..., d).
        cache: what the forward pass returned.

    Returns:
        (dx, dgamma, dbeta), shaped as x, gamma and beta. Mean and variance depend on x too.

    Example:
        In the forward pass's example, dout = [[1, 0]] gives dx = [[5/18, -5/18]], dgamma = [-2/3, 0], dbeta = [1, 0].
    """
    ### BEGIN SOLUTION transformer.layer_norm
    normal, deviation, gamma = cache
    tokens = tuple(range(dout.ndim - 1))
    dnormal = dout * gamma
    along_mean = dnormal.mean(axis=-1, keepdims=True)
    along_scale = normal * (dnormal * normal).mean(axis=-1, keepdims=True)
    dx = (dnormal - along_mean - along_scale) / deviation
    return dx, (dout * normal).sum(axis=tokens), dout.sum(axis=tokens)
    ### END SOLUTION


# Task 3: feed_forward ----------------------------------------------------------------------------------------------


class FeedForward(nn.Module):
    """Two layers that treat every token alone: widen, relu, narrow.

    Args:
        d_model: features that come in and go out.
        d_ff: features in between.

    Attributes:
        fc1: Linear(d_model, d_ff).
        fc2: Linear(d_ff, d_model).
    """

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff)
        self.fc2 = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """fc2(relu(fc1(x))).

        Args:
            x: tokens, shape (..., d_model).

        Returns:
            Tensor of x's shape.
        """
        ### BEGIN SOLUTION transformer.feed_forward
        return self.fc2(torch.relu(self.fc1(x)))
        ### END SOLUTION


# Task 4: encoder_layer ---------------------------------------------------------------------------------------------


### BEGIN SOLUTION transformer.encoder_layer
def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Attention head by head on what the projections gave: (N, Tq, d_model), (N, Tk, d_model) to (N, Tq, d_model)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = q / math.sqrt(q.shape[-1]) @ k.mT
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        hidden = ~(mask.unsqueeze(1) if mask.ndim == 3 else mask)
        lowest = torch.finfo(scores.dtype).min  # not -inf: the softmax of an all-hidden row stays finite
        weights = scores.masked_fill(hidden, lowest).softmax(dim=-1).masked_fill(hidden, 0)
    return (weights @ v).transpose(1, 2).flatten(2)


### END SOLUTION


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each on its own slice of the projected features, as in the assignment attention.

    Args:
        d_model: features of queries, keys, values and of the output.
        heads: number of heads; divides d_model. Head h owns features h * d_model/heads up to (h + 1) * d_model/heads of
            each projection, and its scores are divided by sqrt(d_model/heads).

    Raises:
        ValueError: heads does not divide d_model.

    Attributes:
        q_proj, k_proj, v_proj: Linear(d_model, d_model) that make queries, keys and values.
        out_proj: Linear(d_model, d_model) that mixes the heads, laid side by side in order.
    """

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        if d_model % heads:
            raise ValueError(f"{heads} heads do not divide {d_model} features evenly")
        self.heads = heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from every token of `query` to the tokens of `key`, and mix those of `value`.

        Args:
            query: shape (N, Tq, d_model).
            key, value: shape (N, Tk, d_model).
            mask: boolean, True = may attend, broadcasts to (N, heads, Tq, Tk); one with three axes is (N, Tq, Tk), the
                same for every head. None lets every token see every other.

        Returns:
            Tensor of shape (N, Tq, d_model). A token that may attend to nothing gives 0 before `out_proj`, with finite
            gradients.
        """
        ### BEGIN SOLUTION transformer.encoder_layer
        projected = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        return self.out_proj(_attend(*projected, self.heads, mask))
        ### END SOLUTION


class EncoderLayer(nn.Module):
    """One layer of the encoder: every token looks at the others, then is worked on alone. Post-norm.

    Args:
        d_model: features of a token.
        heads: heads of the attention.
        d_ff: features in the middle of the feed-forward part.

    Attributes:
        attn: MultiHeadAttention(d_model, heads); queries, keys and values are all the layer's input.
        norm1: LayerNorm of input plus attention.
        ffn: FeedForward(d_model, d_ff).
        norm2: LayerNorm of that plus feed-forward.
    """

    def __init__(self, d_model: int, heads: int, d_ff: int) -> None:
        super().__init__()
        self.attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The layer's output.

        Args:
            x: tokens, shape (N, T, d_model).
            mask: who may attend to whom, as in `MultiHeadAttention`.

        Returns:
            Tensor of x's shape.
        """
        ### BEGIN SOLUTION transformer.encoder_layer
        seen = self.norm1(x + self.attn(x, x, x, mask))
        return self.norm2(seen + self.ffn(seen))
        ### END SOLUTION


# Task 5: decoder_layer ---------------------------------------------------------------------------------------------


class DecoderLayer(nn.Module):
    """One layer of the decoder: look at what is written, look at the source, then work on every token alone. Post-norm.

    Args:
        d_model: features of a token.
        heads: heads of either attention.
        d_ff: features in the middle of the feed-forward part.

    Attributes:
        self_attn: MultiHeadAttention(d_model, heads) within the target.
        norm1: LayerNorm of input plus self-attention.
        cross_attn: MultiHeadAttention(d_model, heads): queries from the target, keys and values from the memory.
        norm2: LayerNorm of that plus cross-attention.
        ffn: FeedForward(d_model, d_ff).
        norm3: LayerNorm of that plus feed-forward.
    """

    def __init__(self, d_model: int, heads: int, d_ff: int) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, heads)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross_attn = MultiHeadAttention(d_model, heads)
        self.norm2 = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """The layer's output.

        Args:
            x: target tokens, shape (N, Ttgt, d_model).
            memory: what the encoder made of the source, shape (N, Tsrc, d_model).
            mask: which target token may attend to which, as in `MultiHeadAttention`. None hides nothing: whoever wants
                a causal layer hands over a causal mask.
            memory_mask: which target token may attend to which of the source.

        Returns:
            Tensor of x's shape.
        """
        ### BEGIN SOLUTION transformer.decoder_layer
        written = self.norm1(x + self.self_attn(x, x, x, mask))
        informed = self.norm2(written + self.cross_attn(written, memory, memory, memory_mask))
        return self.norm3(informed + self.ffn(informed))
        ### END SOLUTION


# Task 6: seq2seq ---------------------------------------------------------------------------------------------------


class Transformer(nn.Module):
    """An encoder that reads the source and a decoder that predicts the target's next tokens.

    Args:
        vocab: number of tokens V; source and target share them.
        d_model: features of a token.
        heads: heads of every attention.
        d_ff: features in the middle of the feed-forward parts.
        layers: layers of the encoder, and as many of the decoder.

    Attributes:
        embed: Embedding(vocab, d_model), one for source and target.
        encoder: ModuleList of EncoderLayers.
        decoder: ModuleList of DecoderLayers.
        out: Linear(d_model, vocab), with weights of its own. There is no normalisation before it but the last layer's.
    """

    def __init__(self, vocab: int, d_model: int, heads: int, d_ff: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Predict every next token of the target from the source and the target so far.

        What enters either stack is the embedding times sqrt(d_model), plus the positional encoding.

        Args:
            src: source tokens, int64, shape (N, Tsrc).
            tgt: target tokens, int64, shape (N, Ttgt).

        Returns:
            Logits, shape (N, Ttgt, V): those at position t are for the token after tgt[:, t]. They depend on all of the
            source, on tgt[:, 0] to tgt[:, t], and on no later token.
        """
        ### BEGIN SOLUTION transformer.seq2seq
        memory = _encoded(self, src)
        x = _embedded(self, tgt)
        length = tgt.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=tgt.device).tril()
        for layer in self.decoder:
            x = layer(x, memory, causal)
        return self.out(x)
        ### END SOLUTION


### BEGIN SOLUTION transformer.seq2seq
def _embedded(model: Transformer, tokens: Tensor) -> Tensor:
    """What enters the first layer, shape (N, T, d_model)."""
    x = model.embed(tokens) * math.sqrt(model.embed.embedding_dim)
    return x + positional_encoding(*x.shape[1:]).to(x)


def _encoded(model: Transformer, src: Tensor) -> Tensor:
    """The memory, shape (N, Tsrc, d_model)."""
    x = _embedded(model, src)
    for layer in model.encoder:
        x = layer(x)
    return x


### END SOLUTION


# Task 7: decode ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def greedy_decode(model: Transformer, src: Tensor, bos: int, eos: int, max_len: int) -> Tensor:
    """Write a target for every source, always with the likeliest next token.

    Args:
        model: your `Transformer`.
        src: source tokens, int64, shape (N, Tsrc).
        bos: the token that every target begins with; it is never `eos`.
        eos: the token that ends a target.
        max_len: the most tokens that a target may have, `bos` and `eos` included; at least 1.

    Returns:
        int64 tensor of shape (N, L), L <= max_len. Column 0 is `bos`. A row that has written `eos` goes on with `eos`.
        Writing stops when all rows have ended, or at max_len tokens.
    """
    ### BEGIN SOLUTION transformer.decode
    written = src.new_full((len(src), 1), bos)
    ended = torch.zeros_like(written, dtype=torch.bool)
    while written.shape[1] < max_len and not ended.all():
        likeliest = model(src, written)[:, -1:].argmax(dim=-1)
        likeliest = likeliest.masked_fill(ended, eos)
        ended = ended | (likeliest == eos)
        written = torch.cat([written, likeliest], dim=1)
    return written
    ### END SOLUTION


@torch.no_grad()
def greedy_decode_cached(model: Transformer, src: Tensor, bos: int, eos: int, max_len: int) -> Tensor:
    """As `greedy_decode`, but every token goes through the layers once.

    What the encoder made of the source is computed once, and so are its keys and values in every decoder layer. Each
    layer keeps the keys and values of the tokens written so far; a new token adds its own and asks with one query.

    Args:
        model: your `Transformer`.
        src: source tokens, int64, shape (N, Tsrc).
        bos: the token that every target begins with; it is never `eos`.
        eos: the token that ends a target.
        max_len: the most tokens that a target may have, `bos` and `eos` included; at least 1.

    Returns:
        int64 tensor of shape (N, L): the same tokens as `greedy_decode`.
    """
    ### BEGIN SOLUTION transformer.decode
    caches = _empty_caches(model, src, max_len)
    places = positional_encoding(max_len, model.embed.embedding_dim).to(model.embed.weight)
    tokens = src.new_full((len(src), max_len), eos)
    tokens[:, 0] = bos
    ended = torch.zeros(len(src), dtype=torch.bool, device=src.device)
    for t in range(max_len - 1):
        x = model.embed(tokens[:, t : t + 1]) * math.sqrt(model.embed.embedding_dim) + places[t]
        for layer, cache in zip(model.decoder, caches, strict=True):
            x = _decoded_step(layer, x, t, *cache)
        newest = model.out(x[:, 0]).argmax(dim=-1).masked_fill(ended, eos)
        tokens[:, t + 1] = newest
        ended |= newest == eos
        if ended.all():
            return tokens[:, : t + 2]
    return tokens
    ### END SOLUTION


### BEGIN SOLUTION transformer.decode
Cache = tuple[Tensor, Tensor, Tensor, Tensor]  # keys and values of the target, room for all; those of the memory


def _empty_caches(model: Transformer, src: Tensor, max_len: int) -> list[Cache]:
    """For every decoder layer: room for max_len keys and values, and the memory's, each (N, T, d_model)."""
    memory = _encoded(model, src)
    room = [len(src), max_len, memory.shape[-1]]
    attentions = [layer.cross_attn for layer in model.decoder]
    return [(memory.new_zeros(room), memory.new_zeros(room), a.k_proj(memory), a.v_proj(memory)) for a in attentions]


def _decoded_step(
    layer: DecoderLayer, x: Tensor, t: int, keys: Tensor, values: Tensor, memory_keys: Tensor, memory_values: Tensor
) -> Tensor:
    """A decoder layer on token t alone, x (N, 1, d_model); its key and value join those of the tokens before it."""
    own, cross = layer.self_attn, layer.cross_attn
    keys[:, t : t + 1], values[:, t : t + 1] = own.k_proj(x), own.v_proj(x)
    found = own.out_proj(_attend(own.q_proj(x), keys[:, : t + 1], values[:, : t + 1], own.heads))
    written = layer.norm1(x + found)
    found = cross.out_proj(_attend(cross.q_proj(written), memory_keys, memory_values, cross.heads))
    informed = layer.norm2(written + found)
    return layer.norm3(informed + layer.ffn(informed))


### END SOLUTION
