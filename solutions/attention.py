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

### BEGIN SOLUTION attention.quiz
QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
### END SOLUTION


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
    ### BEGIN SOLUTION attention.embedding
    return table[ids], (ids, table)
    ### END SOLUTION


def embedding_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Backpropagate through `embedding_forward`. The ids are integers and have no gradient.

    Args:
        dout: gradient of the loss with respect to out, shape (..., d).
        cache: what the forward pass returned.

    Returns:
        dtable, shape (V, d): in row w the sum of dout over all places where word w stands.
    """
    ### BEGIN SOLUTION attention.embedding
    ids, table = cache
    dtable = np.zeros_like(table)
    np.add.at(dtable, ids, dout)  # dtable[ids] += dout would keep one of several equal ids only
    return dtable
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.contexts
    seen = np.arange(1, len(x) + 1, dtype=x.dtype)
    return np.cumsum(x, axis=0) / seen[:, None]
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.contexts
    relevance = x @ x.T / math.sqrt(x.shape[1])
    relevance[np.triu_indices(len(x), k=1)] = -np.inf
    likeness = np.exp(relevance - relevance.max(axis=1, keepdims=True))
    return likeness / likeness.sum(axis=1, keepdims=True) @ x
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.softmax
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.softmax
    return y * (dout - np.sum(dout * y, axis=axis, keepdims=True))
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.attention
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(highest), highest, 0))  # a row of -inf becomes a row of zeros
    total = weights.sum(axis=-1, keepdims=True)
    weights /= np.where(total > 0, total, 1)
    return weights @ v, (q, k, v, weights)
    ### END SOLUTION


def attention_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backpropagate through `attention_forward`.

    Args:
        dout: gradient of the loss with respect to out, shape (..., Tq, dv).
        cache: what the forward pass returned.

    Returns:
        (dq, dk, dv), shaped as q, k and v. A query that may attend to nothing gets the gradient 0 and adds none to
        keys and values.
    """
    ### BEGIN SOLUTION attention.attention
    q, k, v, weights = cache
    dv = weights.swapaxes(-1, -2) @ dout
    dweights = dout @ v.swapaxes(-1, -2)
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dscores /= math.sqrt(q.shape[-1])
    dq = dscores @ k
    dk = dscores.swapaxes(-1, -2) @ q
    return dq, dk, dv
    ### END SOLUTION


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
    ### BEGIN SOLUTION attention.causal_mask
    t_k = t_q if t_k is None else t_k
    return np.tri(t_q, t_k, k=t_k - t_q, dtype=bool)
    ### END SOLUTION


# Task 6: multi_head ------------------------------------------------------------------------------------------------


### BEGIN SOLUTION attention.multi_head
def _split(x: Tensor, heads: int) -> Tensor:
    """(N, T, d_model) to (N, heads, T, d_model/heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


### END SOLUTION


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
        ### BEGIN SOLUTION attention.multi_head
        q = _split(self.q_proj(query), self.heads)
        k = _split(self.k_proj(key), self.heads)
        v = _split(self.v_proj(value), self.heads)
        scores = q / math.sqrt(q.shape[-1]) @ k.mT
        if mask is None:
            weights = scores.softmax(dim=-1)
        else:
            hidden = ~(mask.unsqueeze(1) if mask.ndim == 3 else mask)
            lowest = torch.finfo(scores.dtype).min  # not -inf: the softmax of an all-hidden row stays finite
            weights = scores.masked_fill(hidden, lowest).softmax(dim=-1).masked_fill(hidden, 0)
        return self.out_proj((weights @ v).transpose(1, 2).flatten(2))
        ### END SOLUTION


# Task 7: flash -----------------------------------------------------------------------------------------------------


### BEGIN SOLUTION attention.flash
KEY_BLOCK = 128


def _block_scores(q: Tensor, k: Tensor, start: int, causal: bool) -> tuple[Tensor, int]:
    """Scores of the key block that begins at `start`, for those queries that see any of it.

    Returns:
        (scores, first): shape (..., Tq - first, block); queries before `first` see nothing of the block. In the others
        every row has at least one score above -inf.
    """
    block = k[..., start : start + KEY_BLOCK, :]
    if not causal:
        return q @ block.mT, 0
    last_seen = k.shape[-2] - q.shape[-2]  # by query 0; one key more by every later query
    first = max(0, start - last_seen)
    scores = q[..., first:, :] @ block.mT
    size = block.shape[-2]
    corner = scores[..., :size, :]  # only the first `size` of these queries have keys of the block ahead of them
    ahead = torch.ones(corner.shape[-2:], dtype=torch.bool, device=q.device).triu(first + last_seen - start + 1)
    corner.masked_fill_(ahead, -math.inf)
    return scores, first


### END SOLUTION


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
        ### BEGIN SOLUTION attention.flash
        scaled = q / math.sqrt(q.shape[-1])
        out = q.new_zeros(*q.shape[:-1], v.shape[-1])
        highest = q.new_full((*q.shape[:-1], 1), -math.inf)
        total = torch.zeros_like(highest)
        for start in range(0, k.shape[-2], KEY_BLOCK):
            scores, first = _block_scores(scaled, k, start, causal)
            so_far = highest[..., first:, :]
            higher = torch.maximum(so_far, scores.amax(dim=-1, keepdim=True))
            weights = scores.sub_(higher).exp_()
            fading = torch.exp(so_far - higher)
            total[..., first:, :].mul_(fading).add_(weights.sum(dim=-1, keepdim=True))
            out[..., first:, :].mul_(fading).add_(weights @ v[..., start : start + KEY_BLOCK, :])
            so_far.copy_(higher)
        out /= total.clamp(min=1)  # the highest score alone adds 1; less means that nothing was seen
        ctx.save_for_backward(q, k, v, out, highest + total.log())
        ctx.causal = causal
        return out
        ### END SOLUTION

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
        ### BEGIN SOLUTION attention.flash
        q, k, v, out, log_total = ctx.saved_tensors
        scale = 1 / math.sqrt(q.shape[-1])
        scaled = q * scale
        mean_dweight = (dout * out).sum(dim=-1, keepdim=True)  # the sum over keys of weight * dweight
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for start in range(0, k.shape[-2], KEY_BLOCK):
            keys = slice(start, start + KEY_BLOCK)
            scores, first = _block_scores(scaled, k, start, ctx.causal)
            weights = scores.sub_(log_total[..., first:, :]).exp_()
            seen_dout = dout[..., first:, :]
            dv[..., keys, :] = weights.mT @ seen_dout
            dscores = (seen_dout @ v[..., keys, :].mT).sub_(mean_dweight[..., first:, :]).mul_(weights)
            dk[..., keys, :] = dscores.mT @ scaled[..., first:, :]
            dq[..., first:, :] += dscores @ k[..., keys, :]
        return dq.mul_(scale), dk, dv, None
        ### END SOLUTION
