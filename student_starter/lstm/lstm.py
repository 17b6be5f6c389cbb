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

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: A feedforward network and a recurrent one read a text word by word. Why can only the recurrent one use,
#     at word 20, what stood at word 3?
#     a: It slides a filter along the text, wide enough to cover both words.
#     b: Its hidden state is fed back into the next step, so what it has read goes on to influence what it
#        computes.
#     c: It is trained without backpropagation, so no information is lost.
#     d: It has more than one hidden layer.
#
# q2: For which of these is a recurrent network the natural choice?
#     a: A spreadsheet of patients, whose columns could stand in any order.
#     b: One large satellite photograph.
#     c: A cloud of unlabelled points without any structure.
#     d: Hourly readings of a power meter, to predict the next hour.
#
# q3: A model reads a whole film review and then says once whether it was friendly. Which form is that?
#     a: one to one
#     b: one to many
#     c: many to one
#     d: many to many
#
# q4: The largest singular value of W is 0.5. How large can the factor be, by which 20 steps of a tanh RNN
#     multiply a gradient on its way back?
#     a: At most 0.5^20, about one in a million: it vanishes.
#     b: At most 0.5, since the steps share one W.
#     c: At most 20 times 0.5, which is 10: it explodes.
#     d: It can be anything, since tanh can stretch it again.
#
# q5: Why does an LSTM lose gradients over long times less easily than a plain RNN?
#     a: Its gates are linear, so nothing saturates.
#     b: It clips every gradient to norm 1.
#     c: From one cell state to the one before, the gradient is multiplied by the forget gate, entry by entry,
#        and by no weight matrix.
#     d: It backpropagates through fewer steps.
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}

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
    # Your code here.
    raise NotImplementedError("lstm.rnn")


def rnn_step_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Gradients of one step.

    Args:
        dout: gradient of the loss to the new state s', shape (N, H).
        cache: as returned by `rnn_step_forward`.

    Returns:
        (dx, ds, dU, dW, db), each of the shape of its argument; those of U, W and b are summed over the batch.
    """
    # Your code here.
    raise NotImplementedError("lstm.rnn")


def rnn_forward(x: np.ndarray, s0: np.ndarray, U: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """Unroll the cell over a sequence, with the same weights at every step.

    Args:
        x: inputs, shape (N, T, D).
        s0: state before the first step, shape (N, H).
        U, W, b: as in `rnn_step_forward`.

    Returns:
        (s, cache): s[:, t] is the state after step t, shape (N, T, H); s0 is not part of it.
    """
    # Your code here.
    raise NotImplementedError("lstm.rnn")


def rnn_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Backpropagation through time, over the whole sequence (nothing is truncated).

    Args:
        dout: gradient of the loss to every state, shape (N, T, H): each s[:, t] may enter the loss directly.
        cache: as returned by `rnn_forward`.

    Returns:
        (dx, ds0, dU, dW, db), each of its argument's shape; those of the weights are summed over batch and time.
    """
    # Your code here.
    raise NotImplementedError("lstm.rnn")


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
    # Your code here.
    raise NotImplementedError("lstm.forms")


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
    # Your code here.
    raise NotImplementedError("lstm.char_lm")


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
    # Your code here.
    raise NotImplementedError("lstm.char_lm")


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
    # Your code here.
    raise NotImplementedError("lstm.char_lm")


def sample(logits: np.ndarray, rng: np.random.Generator, temperature: float = 1.0) -> int:
    """Draw a token from softmax(logits / temperature).

    Args:
        logits: unnormalised scores, shape (V,), of any size.
        rng: the only source of randomness.
        temperature: above 0; below 1 the likely tokens become likelier still, above 1 the choice becomes more even.

    Returns:
        The id of the token, a plain int in 0..V-1.
    """
    # Your code here.
    raise NotImplementedError("lstm.char_lm")


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
    # Your code here.
    raise NotImplementedError("lstm.lstm")


def lstm_step_backward(dh: np.ndarray, dc: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Gradients of one step.

    Args:
        dh: gradient of the loss to the new hidden state h', shape (N, H).
        dc: gradient of the loss to the new cell state c', shape (N, H), not counting the way through h'.
        cache: as returned by `lstm_step_forward`.

    Returns:
        (dx, dh, dc, dW, dU, db): gradients to the step's arguments, each of its argument's shape.
    """
    # Your code here.
    raise NotImplementedError("lstm.lstm")


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
    # Your code here.
    raise NotImplementedError("lstm.lstm")


def lstm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    """Backpropagation through time through both states.

    Args:
        dout: gradient of the loss to every hidden state, shape (N, T, H).
        cache: as returned by `lstm_forward`.

    Returns:
        (dx, dh0, dc0, dW, dU, db), each of its argument's shape; those of the weights are summed over batch and time.
    """
    # Your code here.
    raise NotImplementedError("lstm.lstm")


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
    # Your code here.
    raise NotImplementedError("lstm.lstm_fast")


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
    # Your code here.
    raise NotImplementedError("lstm.clip_grad_norm")


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
    # Your code here.
    raise NotImplementedError("lstm.vanishing")


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
    # Your code here.
    raise NotImplementedError("lstm.bidirectional")


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
    # Your code here.
    raise NotImplementedError("lstm.tree_lstm")
