"""Attention: from a fixed vector per word to vectors that know their context.

NumPy where the backward pass is the lesson (embedding, softmax, attention), torch where composition is
(`MultiHeadAttention`), and one `torch.autograd.Function` where memory is (`StreamingAttention`).

Conventions, everywhere in this file:
    shapes: N sequences, T tokens (Tq queries, Tk keys), d features of queries and keys, dv features of values, V words.
    masks: boolean, True = may attend; they broadcast to (..., Tq, Tk). A query that may attend to nothing gets 0.
    causal: query i of Tq sees keys j <= i + (Tk - Tq), so that the last query sees every key.
    scores: dot products over sqrt(d), d the number of features that enter the dot product.
    dtype and device: those of the arguments; arguments are never written into.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: What is self-attention for, whichever way the tokens of a sequence are ordered?
#     a: It numbers the tokens, so that the network knows where each one stands.
#     b: It saves parameters by sharing one vector among all tokens.
#     c: It decides how much every token takes over from each of the others, and mixes them accordingly.
#     d: It forces the network to read the tokens one after another, left to right.
#
# q2: A translation model is split into two halves. Which description of their work is right?
#     a: The encoder turns the source into vectors; the decoder writes the target token by token, looking at
#        them.
#     b: The encoder writes the target; the decoder assigns the result to a class.
#     c: Both only read: neither of them produces any output tokens.
#     d: The decoder turns the source into vectors; the encoder looks at them and writes the target.
#
# q3: A recurrent network has loops that carry information along. What does one layer of attention have
#     instead?
#     a: A longer loop: token 100 is reached from token 1 in exactly 99 steps.
#     b: Convolutions of growing width, so that distant tokens meet in a late layer.
#     c: Nothing: it treats every token alone, and context comes from the loss.
#     d: A direct connection between any two tokens, all computed at once; order must be told in another way.
#
# q4: Causal self-attention over 5 tokens: token 3 gets scores for tokens 1 to 5. Over which does its softmax
#     sum?
#     a: All five; the weights of tokens 4 and 5 are dropped afterwards.
#     b: Tokens 1, 2 and 3.
#     c: Tokens 1 and 2, since a token must not attend to itself.
#     d: Tokens 3, 4 and 5.
#
# q5: Each token has a query, a key and a value. Which of them enters the output of another token as a
#     summand?
#     a: The query, weighted by how well it fits the value.
#     b: The key, weighted by how well it fits the value.
#     c: The value, weighted by how well the key fits the other token's query.
#     d: All three, concatenated.
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}


# Task 1: embedding -------------------------------------------------------------------------------------------------


def embedding_forward(ids: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, Any]:
    """Look up the vector of every word.

    Args:
        ids: word numbers from 0 to V - 1, integers of any shape (...).
        table: one row per word, shape (V, d).

    Returns:
        (out, cache): out[..., :] = table[ids[...]], shape (..., d); the cache is what `embedding_backward` needs.

    Example:
        With table [[1, 2], [3, 4], [5, 6]], the ids [2, 0] give [[5, 6], [1, 2]].
    """
    # Your code here.
    raise NotImplementedError("attention.embedding")


def embedding_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Backpropagate through `embedding_forward`. The ids are integers and have no gradient.

    Args:
        dout: gradient of the loss with respect to out, shape (..., d).
        cache: what the forward pass returned.

    Returns:
        dtable, shape (V, d): in row w the sum of dout over all places where word w stands.
    """
    # Your code here.
    raise NotImplementedError("attention.embedding")


# Task 2: contexts --------------------------------------------------------------------------------------------------


def uniform_context(x: np.ndarray) -> np.ndarray:
    """Give every token the mean of all tokens up to and including itself (the lecture's first attempt).

    Args:
        x: token embeddings, shape (T, d).

    Returns:
        Array of shape (T, d): c_i = (x_1 + ... + x_i) / i, counting tokens from 1.

    Example:
        [[1, 0], [0, 1], [1, 1]] gives [[1, 0], [1/2, 1/2], [2/3, 2/3]].
    """
    # Your code here.
    raise NotImplementedError("attention.contexts")


def similarity_context(x: np.ndarray) -> np.ndarray:
    """Give every token a mean of the tokens up to itself, similar ones weighted highly (the lecture's second attempt).

    Args:
        x: token embeddings, shape (T, d).

    Returns:
        Array of shape (T, d): c_i = sum over j <= i of p_ij x_j, where p_i is the softmax **over j <= i only** of
        r_ij = <x_i, x_j> / sqrt(d). The weights of a token sum to 1, and no later token has a part in them.

    Example:
        x = [[0, 2, 0, 0], [2, 0, 0, 0]]: r_21 = 0 and r_22 = 4 / 2 = 2, so p_2 = (0.1192, 0.8808) and
        c_2 = [1.7616, 0.2384, 0, 0]; the first token has only itself, c_1 = x_1.
    """
    # Your code here.
    raise NotImplementedError("attention.contexts")


# Task 3: softmax ---------------------------------------------------------------------------------------------------


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Turn scores into weights that are positive and sum to 1 along an axis.

    Args:
        x: finite scores of any size, +-10,000 too, any shape.
        axis: the axis along which the weights sum to 1.

    Returns:
        Array of x's shape: exp(x) / sum of exp(x) along the axis, without overflow.

    Example:
        [0, ln 2, ln 5] gives [1/8, 2/8, 5/8].
    """
    # Your code here.
    raise NotImplementedError("attention.softmax")


def softmax_backward(dout: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Backpropagate through `softmax`, whose own output is all that is needed.

    Args:
        dout: gradient of the loss with respect to y, y's shape.
        y: what `softmax(x, axis)` returned.
        axis: the axis along which y sums to 1.

    Returns:
        dx, y's shape. Along the axis, dy_i/dx_j = y_i (1 if i = j else 0) - y_i y_j.

    Example:
        y = [1/2, 1/2] and dout = [1, 0] give [1/4, -1/4].
    """
    # Your code here.
    raise NotImplementedError("attention.softmax")


# Task 4: attention -------------------------------------------------------------------------------------------------


def attention_forward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, Any]:
    """Scaled dot-product attention: softmax(q k^T / sqrt(d)) v.

    Args:
        q: queries, shape (..., Tq, d).
        k: keys, shape (..., Tk, d).
        v: values, shape (..., Tk, dv). The leading axes of q, k and v are the same.
        mask: boolean, True = may attend, broadcasts to (..., Tq, Tk); None lets every query see every key.

    Returns:
        (out, cache): out of shape (..., Tq, dv). Weights are a softmax over the keys that the query may attend to;
        a query that may attend to none gets 0.

    Example:
        q = [[2, 0, 0, 0]], k = [[ln 3, 0, 0, 0], [0, 1, 0, 0]], v = [[4, 0], [8, 4]]: the scores are ln 3 and 0, the
        weights 3/4 and 1/4, the output [[5, 1]].
    """
    # Your code here.
    raise NotImplementedError("attention.attention")


def attention_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backpropagate through `attention_forward`.

    Args:
        dout: gradient of the loss with respect to out, shape (..., Tq, dv).
        cache: what the forward pass returned.

    Returns:
        (dq, dk, dv), shaped as q, k and v. A query that may attend to nothing gets the gradient 0 and adds none to
        keys and values.
    """
    # Your code here.
    raise NotImplementedError("attention.attention")


# Task 5: causal_mask -----------------------------------------------------------------------------------------------


def causal_mask(t_q: int, t_k: int | None = None) -> np.ndarray:
    """The mask that hides the future.

    Args:
        t_q: number of queries.
        t_k: number of keys; None means as many as queries.

    Returns:
        Boolean array of shape (t_q, t_k), True where query i may attend to key j: j <= i + (t_k - t_q). The last
        query always sees all keys: with fewer queries than keys, the queries are the last tokens of the text. With more
        queries than keys, the first t_q - t_k queries see nothing.

    Example:
        causal_mask(2, 4) is [[True, True, True, False], [True, True, True, True]].
    """
    # Your code here.
    raise NotImplementedError("attention.causal_mask")


# Task 6: multi_head ------------------------------------------------------------------------------------------------


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each on its own slice of the projected features.

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

        Example:
            d_model = 6 and heads = 2: head 0 owns features 0 to 2, head 1 features 3 to 5; both divide by sqrt(3).
        """
        # Your code here.
        raise NotImplementedError("attention.multi_head")


# Task 7: flash -----------------------------------------------------------------------------------------------------


class StreamingAttention(torch.autograd.Function):
    """Attention that reads the keys block by block and never holds all Tq x Tk scores at once.

    `StreamingAttention.apply(q, k, v, causal)` gives softmax(q k^T / sqrt(d)) v, as `attention_forward` does.

    For every query three things are carried from block to block: the highest score so far, the sum of
    exp(score - highest), and the sum of exp(score - highest) * value. When a block brings a higher score, the two sums
    are rescaled to it. The backward pass recomputes the weights of a block from the scores.

    A key block has at most 256 keys. What the forward pass keeps for the backward pass is O(T d), not O(T^2).
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        """Attend, keeping for the backward pass only what grows linearly with the number of tokens.

        Args:
            ctx: where `save_for_backward` keeps tensors; other values are attributes of it.
            q: queries, shape (..., Tq, d).
            k: keys, shape (..., Tk, d).
            v: values, shape (..., Tk, dv). The leading axes of q, k and v are the same.
            causal: if True, query i sees keys j <= i + (Tk - Tq); a query that sees none gets 0.

        Returns:
            Tensor of shape (..., Tq, dv).

        Example:
            One query; score ln 2 and value 8 in the first block, ln 6 and 4 in the second. After the first block the
            highest score is ln 2, the sums are 1 and 8. The second raises it to ln 6: the sums shrink to 1/3 and 8/3,
            then grow to 4/3 and 20/3. The output is 20/3 / (4/3) = 5, which is 2/8 * 8 + 6/8 * 4.
        """
        # Your code here.
        raise NotImplementedError("attention.flash")

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Backpropagate, block by block again.

        Args:
            ctx: what the forward pass kept.
            dout: gradient of the loss with respect to the output, shape (..., Tq, dv).

        Returns:
            (dq, dk, dv, None), shaped as q, k and v; `causal` has no gradient.
        """
        # Your code here.
        raise NotImplementedError("attention.flash")
