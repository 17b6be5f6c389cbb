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

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: A layer of self-attention reads a sentence whose words were shuffled, and no positions are added. What
#     comes out?
#     a: Something quite different: attention to distant words becomes weaker.
#     b: An error, since the queries no longer belong to their keys.
#     c: The same vectors as before, shuffled in the same way: it cannot tell the order.
#     d: Zeros, because the softmax finds no neighbours.
#
# q2: A translator has read a sentence and writes its fifth word. What does the decoder work with at this
#     point?
#     a: The source only; words already written would bias the next one.
#     b: The four words written so far, and what the encoder made of the whole source.
#     c: The source up to its fifth word, and nothing of the target.
#     d: The whole target, since it was trained on whole targets.
#
# q3: What is added to a token's embedding before the first layer, and why that way?
#     a: Its place as one whole number, in every feature: the later a token, the larger it is.
#     b: A random vector drawn once a sentence, so that no two tokens are equal.
#     c: Nothing; the place is told to the last layer alone.
#     d: Sines and cosines of its place, at many wavelengths: bounded, different for every place, defined for
#        any length.
#
# q4: In the decoder's second attention, where do queries, keys and values come from?
#     a: Queries from the target, keys and values from the encoder's output.
#     b: Queries from the encoder's output, keys and values from the target.
#     c: All three from the encoder's output.
#     d: Keys from the target, queries and values from the encoder's output.
#
# q5: You have texts to sort into topics, and you have titles to write for them. Which half of a transformer
#     is made for which?
#     a: The decoder sorts, the encoder writes.
#     b: The encoder sorts: it turns a text into vectors that a classifier reads. The decoder writes.
#     c: Either needs both halves; one alone computes nothing.
#     d: Either is for the encoder; decoders only check what was written.
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}


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
    # Your code here.
    raise NotImplementedError("transformer.positional_encoding")


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
    # Your code here.
    raise NotImplementedError("transformer.layer_norm")


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
    # Your code here.
    raise NotImplementedError("transformer.layer_norm")


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
        # Your code here.
        raise NotImplementedError("transformer.feed_forward")


# Task 4: encoder_layer ---------------------------------------------------------------------------------------------


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
        # Your code here.
        raise NotImplementedError("transformer.encoder_layer")


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
        # Your code here.
        raise NotImplementedError("transformer.encoder_layer")


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
        # Your code here.
        raise NotImplementedError("transformer.decoder_layer")


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
        # Your code here.
        raise NotImplementedError("transformer.seq2seq")


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
    # Your code here.
    raise NotImplementedError("transformer.decode")


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
    # Your code here.
    raise NotImplementedError("transformer.decode")
