"""Recurrent networks: a tanh cell, the forms it unrolls into, a character language model, the LSTM as chain and tree.

NumPy where the backward pass is the lesson, torch where speed is (`*_fast`). Sequences are batch-first: N sequences of
T steps (at least 1) with D features each, H hidden units. Functions keep the dtype and the device they are given, and
never write into their arguments.

LSTM weights are stacked along the first axis in the order i, f, g, o (input gate, forget gate, candidate, output gate),
as in torch: rows 0..H-1 of `W`, `U` and `b` belong to i, the next H to f, and so on. `W` acts on the input, `U` on the
hidden state. Beware: the plain RNN has it the other way round, as in the lecture: `U` on the input, `W` on the state.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import expit  # the logistic function 1 / (1 + exp(-z)), which does not overflow

### BEGIN SOLUTION lstm.quiz
QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}
### END SOLUTION

Params = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


# rnn -----------------------------------------------------------------------------------------------------------


def rnn_step_forward(
    x: np.ndarray, s: np.ndarray, U: np.ndarray, W: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, Any]:
    """One step of a recurrent cell: s' = tanh(b + W s + U x) for every row of the batch.

    Args:
        x: input at this step, shape (N, D).
        s: state before this step, shape (N, H).
        U: weights on the input, shape (H, D).
        W: weights on the state, shape (H, H).
        b: bias, shape (H,).

    Returns:
        (s', cache): the state after the step, shape (N, H), and whatever `rnn_step_backward` needs.
    """
    ### BEGIN SOLUTION lstm.rnn
    s_next = np.tanh(x @ U.T + s @ W.T + b)
    return s_next, (x, s, U, W, s_next)
    ### END SOLUTION


def rnn_step_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Gradients of one step.

    Args:
        dout: gradient of the loss to the new state s', shape (N, H).
        cache: as returned by `rnn_step_forward`.

    Returns:
        (dx, ds, dU, dW, db), each of the shape of its argument; those of U, W and b are summed over the batch.
    """
    ### BEGIN SOLUTION lstm.rnn
    x, s, U, W, s_next = cache
    da = dout * (1 - s_next**2)  # through tanh, to the pre-activation
    return da @ U, da @ W, da.T @ x, da.T @ s, da.sum(axis=0)
    ### END SOLUTION


def rnn_forward(x: np.ndarray, s0: np.ndarray, U: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """Unroll the cell over a sequence, with the same weights at every step.

    Args:
        x: inputs, shape (N, T, D).
        s0: state before the first step, shape (N, H).
        U, W, b: as in `rnn_step_forward`.

    Returns:
        (s, cache): s[:, t] is the state after step t, shape (N, T, H); s0 is not part of it.
    """
    ### BEGIN SOLUTION lstm.rnn
    s, states, caches = s0, [], []
    for t in range(x.shape[1]):
        s, cache = rnn_step_forward(x[:, t], s, U, W, b)
        states.append(s)
        caches.append(cache)
    return np.stack(states, axis=1), caches
    ### END SOLUTION


def rnn_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Backpropagation through time, over the whole sequence (nothing is truncated).

    Args:
        dout: gradient of the loss to every state, shape (N, T, H): each s[:, t] may enter the loss directly.
        cache: as returned by `rnn_forward`.

    Returns:
        (dx, ds0, dU, dW, db), each of its argument's shape; those of the weights are summed over batch and time.
    """
    ### BEGIN SOLUTION lstm.rnn
    ds, dx, weight_grads = np.zeros_like(dout[:, 0]), [], []
    for t in reversed(range(len(cache))):
        # A state is read twice: by the loss, and by the next step.
        dx_t, ds, *grads = rnn_step_backward(dout[:, t] + ds, cache[t])
        dx.append(dx_t)
        weight_grads.append(grads)
    dU, dW, db = (np.sum(grads, axis=0) for grads in zip(*weight_grads, strict=True))
    return np.stack(dx[::-1], axis=1), ds, dU, dW, db
    ### END SOLUTION


# forms ---------------------------------------------------------------------------------------------------------


def run_rnn(
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    s0: np.ndarray,
    mode: str,
    length: int | None = None,
) -> np.ndarray:
    """Run any recurrent cell in one of the four forms of the lecture.

    Args:
        step: the cell, called as `step(x_t, s)` with x_t (N, D) and s (N, H); gives the next state, (N, H).
        x: input, shape (N, D) for "one_to_one" and "one_to_many", (N, T, D) for "many_to_one" and "many_to_many".
        s0: state before the first step, shape (N, H).
        mode: "one_to_one", "one_to_many", "many_to_one" or "many_to_many".
        length: number of steps for "one_to_many", at least 1: the first step reads x, every later one reads zeros.
            Other modes ignore it.

    Returns:
        The last state, shape (N, H), for "one_to_one" and "many_to_one"; otherwise the state after every step, shape
        (N, T, H), where T is `length` for "one_to_many".

    Raises:
        ValueError: there is no such mode.

    Example:
        With step(x, s) = x + 2 s and s0 = 0, the inputs 1, 1, 1 give the states 1, 3, 7.
        In three steps of one_to_many the input 1 gives 1, 2, 4.
    """
    ### BEGIN SOLUTION lstm.forms
    if mode in ("many_to_one", "many_to_many"):
        inputs = list(np.moveaxis(x, 1, 0))
    elif mode == "one_to_many":
        inputs = [x] + [np.zeros_like(x)] * ((length or 1) - 1)
    elif mode == "one_to_one":
        inputs = [x]
    else:
        raise ValueError(f"unknown mode {mode!r}")
    s, states = s0, []
    for x_t in inputs:
        s = step(x_t, s)
        states.append(s)
    return s if mode.endswith("to_one") else np.stack(states, axis=1)
    ### END SOLUTION


# char_lm -------------------------------------------------------------------------------------------------------


def make_batches(ids: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into rows for next-token prediction.

    Args:
        ids: the text as token ids, shape (M,), M at least 1.
        length: tokens in a row, at least 1.

    Returns:
        (inputs, targets), both integers of shape ((M - 1) // length, length). The rows of `inputs` are consecutive
        windows that do not overlap; each target is the token that follows its input in the text. What does not fill
        a row is dropped.

    Example:
        ids 0 1 2 3 4 5 6 7 with length 3: inputs [[0, 1, 2], [3, 4, 5]], targets [[1, 2, 3], [4, 5, 6]].
    """
    ### BEGIN SOLUTION lstm.char_lm
    rows = (len(ids) - 1) // length
    used = rows * length
    return ids[:used].reshape(rows, length), ids[1 : used + 1].reshape(rows, length)
    ### END SOLUTION


def char_lm_loss(logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Cross-entropy of next-token prediction: the mean of -ln softmax(logits)[target] over all N T tokens.

    Args:
        logits: unnormalised scores of every token of the vocabulary, shape (N, T, V), of any size (1e4 too).
        targets: the tokens that came, integers of shape (N, T).

    Returns:
        (loss, dlogits): a scalar in nats, and its gradient, shape (N, T, V).

    Example:
        Equal scores for the four letters of "helo" cost ln 4 = 1.386 a letter, whatever comes.
    """
    ### BEGIN SOLUTION lstm.char_lm
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(log_p, targets[..., None], axis=-1)
    one_hot = np.arange(logits.shape[-1]) == targets[..., None]
    return -picked.mean(), (np.exp(log_p) - one_hot) / targets.size
    ### END SOLUTION


def ngram_counts(ids: Sequence[int] | np.ndarray, n: int) -> dict[tuple[int, ...], int]:
    """Count the n-grams of a text.

    Args:
        ids: token ids, shape (M,).
        n: length of an n-gram, at least 1.

    Returns:
        How often each n-tuple of neighbouring ids occurs, overlapping ones too. Tuples that do not occur are not in it.

    Example:
        The bigrams of "hello" with h, e, l, o = 0, 1, 2, 3: {(0, 1): 1, (1, 2): 1, (2, 2): 1, (2, 3): 1}.
    """
    ### BEGIN SOLUTION lstm.char_lm
    tokens = [int(token) for token in ids]
    return dict(Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)))
    ### END SOLUTION


def sample(logits: np.ndarray, rng: np.random.Generator, temperature: float = 1.0) -> int:
    """Draw a token from softmax(logits / temperature).

    Args:
        logits: unnormalised scores, shape (V,), of any size.
        rng: the only source of randomness.
        temperature: above 0; below 1 the likely tokens become likelier still, above 1 the choice becomes more even.

    Returns:
        The id of the token, a plain int in 0..V-1.
    """
    ### BEGIN SOLUTION lstm.char_lm
    # The largest of independent Gumbel variables, each shifted by its logit, is distributed as the softmax.
    return int(np.argmax(logits / temperature + rng.gumbel(size=logits.shape)))
    ### END SOLUTION


# lstm ----------------------------------------------------------------------------------------------------------


def lstm_step_forward(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Any]:
    """One step of a long short-term memory cell.

    With z = W x + U h + b split into (z_i, z_f, z_g, z_o):
    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);  g = tanh(z_g);  c' = f c + i g;  h' = o tanh(c').

    Args:
        x: input at this step, shape (N, D).
        h: hidden state before this step, shape (N, H).
        c: cell state before this step, shape (N, H).
        W: weights on the input, shape (4H, D), gates in the order i, f, g, o.
        U: weights on the hidden state, shape (4H, H), same order.
        b: bias, shape (4H,), same order.

    Returns:
        (h', c', cache): both states after the step, shape (N, H), and whatever `lstm_step_backward` needs.
    """
    ### BEGIN SOLUTION lstm.lstm
    z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    i, f, g, o = expit(z_i), expit(z_f), np.tanh(z_g), expit(z_o)
    c_next = f * c + i * g
    tanh_c = np.tanh(c_next)
    return o * tanh_c, c_next, (x, h, c, W, U, i, f, g, o, tanh_c)
    ### END SOLUTION


def lstm_step_backward(dh: np.ndarray, dc: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Gradients of one step.

    Args:
        dh: gradient of the loss to the new hidden state h', shape (N, H).
        dc: gradient of the loss to the new cell state c', shape (N, H), not counting the way through h'.
        cache: as returned by `lstm_step_forward`.

    Returns:
        (dx, dh, dc, dW, dU, db): gradients to the step's arguments, each of its argument's shape.
    """
    ### BEGIN SOLUTION lstm.lstm
    x, h, c, W, U, i, f, g, o, tanh_c = cache
    dc_next = dc + dh * o * (1 - tanh_c**2)  # c' is read twice: by the next step, and by h'
    di, df, dg, do = dc_next * g, dc_next * c, dc_next * i, dh * tanh_c
    dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
    return dz @ W, dz @ U, dc_next * f, dz.T @ x, dz.T @ h, dz.sum(axis=0)
    ### END SOLUTION


def lstm_forward(
    x: np.ndarray, h0: np.ndarray, c0: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, Any]:
    """Unroll the LSTM over a sequence.

    Args:
        x: inputs, shape (N, T, D).
        h0, c0: states before the first step, shape (N, H).
        W, U, b: as in `lstm_step_forward`.

    Returns:
        (h, cache): h[:, t] is the hidden state after step t, shape (N, T, H). Cell states are not returned.
    """
    ### BEGIN SOLUTION lstm.lstm
    h, c, hs, caches = h0, c0, [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, W, U, b)
        hs.append(h)
        caches.append(cache)
    return np.stack(hs, axis=1), caches
    ### END SOLUTION


def lstm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Backpropagation through time through both states.

    Args:
        dout: gradient of the loss to every hidden state, shape (N, T, H).
        cache: as returned by `lstm_forward`.

    Returns:
        (dx, dh0, dc0, dW, dU, db), each of its argument's shape; those of the weights are summed over batch and time.
    """
    ### BEGIN SOLUTION lstm.lstm
    dh, dc = np.zeros_like(dout[:, 0]), np.zeros_like(dout[:, 0])  # nothing reads the last cell state
    dx, weight_grads = [], []
    for t in reversed(range(len(cache))):
        dx_t, dh, dc, *grads = lstm_step_backward(dout[:, t] + dh, dc, cache[t])
        dx.append(dx_t)
        weight_grads.append(grads)
    dW, dU, db = (np.sum(grads, axis=0) for grads in zip(*weight_grads, strict=True))
    return np.stack(dx[::-1], axis=1), dh, dc, dW, dU, db
    ### END SOLUTION


# lstm_fast -----------------------------------------------------------------------------------------------------


def lstm_fast(
    x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor, W: torch.Tensor, U: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """The LSTM of `lstm_forward` in torch, differentiable by autograd and fast: at most 2T matrix products.

    Args:
        x: inputs, shape (N, T, D), T at least 1.
        h0, c0: states before the first step, shape (N, H).
        W, U, b: shapes (4H, D), (4H, H), (4H,), gates in the order i, f, g, o.

    Returns:
        (h, (h_T, c_T)): the hidden state after every step, shape (N, T, H), and both states after the last, (N, H).
    """
    ### BEGIN SOLUTION lstm.lstm_fast
    (n, length, d), hidden = x.shape, h0.shape[1]
    # With the order i, f, o, g the three sigmoids are one call.
    W, U, b = (p.unflatten(0, (4, hidden))[[0, 1, 3, 2]].flatten(0, 1) for p in (W, U, b))
    # What the input contributes does not wait for any state: one product for all steps.
    from_input = torch.addmm(b, x.transpose(0, 1).reshape(length * n, d), W.t()).view(length, n, 4 * hidden)
    h, c, hs, U_t = h0, c0, [], U.t()
    for z_x in from_input.unbind(0):
        z_gates, z_g = torch.addmm(z_x, h, U_t).split([3 * hidden, hidden], dim=1)
        i, f, o = z_gates.sigmoid().chunk(3, dim=1)
        c = torch.addcmul(i * z_g.tanh(), f, c)
        h = o * c.tanh()
        hs.append(h)
    return torch.stack(hs, dim=1), (h, c)
    ### END SOLUTION


# clip_grad_norm ------------------------------------------------------------------------------------------------


def clip_grad_norm(grads: Sequence[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    """Scale gradients down so that their norm, taken over all of them together, is at most `max_norm`.

    Args:
        grads: one array for each parameter, of any shapes.
        max_norm: the threshold, positive.

    Returns:
        (clipped, norm): a list of arrays of the same shapes, all scaled by one and the same factor (1 where the norm is
        not above the threshold), and the 2-norm of all entries together *before* clipping.

    Example:
        The gradients [3.0] and [4.0] at threshold 1 have norm 5 and become [0.6] and [0.8].
    """
    ### BEGIN SOLUTION lstm.clip_grad_norm
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [grad * scale for grad in grads], norm
    ### END SOLUTION


# vanishing -----------------------------------------------------------------------------------------------------


def bptt_gradient_norms(W: np.ndarray, length: int) -> np.ndarray:
    """How strongly t steps of a linear recurrence can stretch a gradient: the spectral norm of W^t.

    Args:
        W: recurrent weights, shape (H, H), not necessarily symmetric.
        length: number of steps, at least 1.

    Returns:
        Array of shape (length,): the largest singular value of W, W W, ..., W^length.

    Example:
        0.9 times the identity gives 0.9, 0.81, ..., and 0.9^50 = 0.00515 after 50 steps; 1.1 gives 1.1^50 = 117.
    """
    ### BEGIN SOLUTION lstm.vanishing
    powers = [W]
    for _ in range(length - 1):
        powers.append(powers[-1] @ W)
    return np.linalg.norm(np.stack(powers), ord=2, axis=(1, 2))
    ### END SOLUTION


# bidirectional -------------------------------------------------------------------------------------------------


def bi_lstm_fast(x: torch.Tensor, lengths: torch.Tensor, params_fwd: Params, params_bwd: Params) -> torch.Tensor:
    """Two LSTMs over a padded batch, one reading forwards and one backwards, concatenated at each time step.

    Args:
        x: inputs, shape (N, T, D); row n holds a sequence in its first lengths[n] steps, the rest is padding.
        lengths: integer tensor of shape (N,), each from 1 to T; not sorted, and none of them needs to be T.
        params_fwd: (W, U, b) of the forward LSTM as in `lstm_fast`: shapes (4H, D), (4H, H), (4H,).
        params_bwd: (W, U, b) of the backward LSTM, same shapes.

    Returns:
        Shape (N, T, 2H): at each step the forward hidden state, then the backward one. Both LSTMs start from zero
        states, the backward one at the last *valid* step of each row. At padding the output is 0, and which finite
        numbers x holds there changes nothing.
    """
    ### BEGIN SOLUTION lstm.bidirectional
    (n, length, d), hidden = x.shape, params_fwd[1].shape[1]
    steps, rows = torch.arange(length, device=x.device), torch.arange(n, device=x.device)[:, None]
    valid = steps < lengths[:, None]
    x = x.masked_fill(~valid[..., None], 0)
    flipped = torch.where(valid, lengths[:, None] - 1 - steps, steps)  # its own inverse
    # Both directions are one batch of two independent LSTMs, so each step is one batched product.
    W, U, b = (torch.stack(both) for both in zip(params_fwd, params_bwd, strict=True))
    both_x = torch.stack([x, x[rows, flipped]]).transpose(1, 2).reshape(2, length * n, d)
    z_input = torch.baddbmm(b[:, None], both_x, W.transpose(1, 2)).view(2, length, n, 4 * hidden)
    h = c = x.new_zeros(2, n, hidden)
    hs, U_t = [], U.transpose(1, 2)
    for z_x in z_input.unbind(1):
        z_i, z_f, z_g, z_o = torch.baddbmm(z_x, h, U_t).chunk(4, dim=2)
        c = torch.addcmul(z_i.sigmoid() * z_g.tanh(), z_f.sigmoid(), c)
        h = z_o.sigmoid() * c.tanh()
        hs.append(h)
    forward, backward = torch.stack(hs, dim=2)
    both = torch.cat([forward, backward[rows, flipped]], dim=2)
    return both.masked_fill(~valid[..., None], 0)
    ### END SOLUTION


# tree_lstm -----------------------------------------------------------------------------------------------------


def child_sum_tree_lstm(
    x: np.ndarray, children: Sequence[Sequence[int]], W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An LSTM on a tree (Tai et al., 2015): a node reads its own input and the states of any number of children.

    For node j with children k, and h~ the sum of the children's h (0 for a leaf):
    i, o = sigmoid(W_i x + U_i h~ + b_i), sigmoid(W_o x + U_o h~ + b_o);  g = tanh(W_g x + U_g h~ + b_g);
    one forget gate for each child, from that child's own state: f_k = sigmoid(W_f x + U_f h_k + b_f);
    c = i g + sum over k of f_k c_k;  h = o tanh(c).

    Args:
        x: one input for each node, shape (nodes, D).
        children: children[j] lists the ids of node j's children, each smaller than j; an empty list is a leaf. There
            may be several roots.
        W, U, b: as in `lstm_step_forward`: shapes (4H, D), (4H, H), (4H,), gates in the order i, f, g, o.

    Returns:
        (h, c): both states of every node, shape (nodes, H).
    """
    ### BEGIN SOLUTION lstm.tree_lstm
    hidden = U.shape[1]
    z_i, z_f, z_g, z_o = np.split(x @ W.T + b, 4, axis=1)
    U_i, U_f, U_g, U_o = np.split(U, 4)
    h, c = np.zeros((len(x), hidden), z_i.dtype), np.zeros((len(x), hidden), z_i.dtype)
    for node, kids in enumerate(map(list, children)):
        h_sum = h[kids].sum(axis=0)
        i, o = expit(z_i[node] + U_i @ h_sum), expit(z_o[node] + U_o @ h_sum)
        g = np.tanh(z_g[node] + U_g @ h_sum)
        forget = expit(z_f[node] + h[kids] @ U_f.T)  # (children, H)
        c[node] = i * g + (forget * c[kids]).sum(axis=0)
        h[node] = o * np.tanh(c[node])
    return h, c
    ### END SOLUTION
