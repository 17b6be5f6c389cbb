"""Some tasks right, backpropagation through time cut short, the bidirectional LSTM and the tree not begun."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import expit  # the logistic function 1 / (1 + exp(-z)), which does not overflow

QUIZ = {"q1": "b", "q2": "d", "q3": "c", "q4": "a", "q5": "c"}

Params = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def rnn_step_forward(
    x: np.ndarray, s: np.ndarray, U: np.ndarray, W: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, Any]:
    s_next = np.tanh(x @ U.T + s @ W.T + b)
    return s_next, (x, s, U, W, s_next)


def rnn_step_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    x, s, U, W, s_next = cache
    da = dout * (1 - s_next**2)  # through tanh, to the pre-activation
    return da @ U, da @ W, da.T @ x, da.T @ s, da.sum(axis=0)


def rnn_forward(x: np.ndarray, s0: np.ndarray, U: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    s, states, caches = s0, [], []
    for t in range(x.shape[1]):
        s, cache = rnn_step_forward(x[:, t], s, U, W, b)
        states.append(s)
        caches.append(cache)
    return np.stack(states, axis=1), caches


def rnn_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    ds, dx, weight_grads = np.zeros_like(dout[:, 0]), [], []
    for t in reversed(range(len(cache))):
        # A state is read twice: by the loss, and by the next step.
        dx_t, ds, *grads = rnn_step_backward(dout[:, t], cache[t])
        dx.append(dx_t)
        weight_grads.append(grads)
    dU, dW, db = (np.sum(grads, axis=0) for grads in zip(*weight_grads, strict=True))
    return np.stack(dx[::-1], axis=1), ds, dU, dW, db


def run_rnn(
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    s0: np.ndarray,
    mode: str,
    length: int | None = None,
) -> np.ndarray:
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


def make_batches(ids: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    rows = (len(ids) - 1) // length
    used = rows * length
    return ids[:used].reshape(rows, length), ids[1 : used + 1].reshape(rows, length)


def char_lm_loss(logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(log_p, targets[..., None], axis=-1)
    one_hot = np.arange(logits.shape[-1]) == targets[..., None]
    return -picked.mean(), (np.exp(log_p) - one_hot) / targets.size


def ngram_counts(ids: Sequence[int] | np.ndarray, n: int) -> dict[tuple[int, ...], int]:
    tokens = [int(token) for token in ids]
    return dict(Counter(tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)))


def sample(logits: np.ndarray, rng: np.random.Generator, temperature: float = 1.0) -> int:
    # The largest of independent Gumbel variables, each shifted by its logit, is distributed as the softmax.
    return int(np.argmax(logits / temperature + rng.gumbel(size=logits.shape)))


def lstm_step_forward(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Any]:
    z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    i, f, g, o = expit(z_i), expit(z_f), np.tanh(z_g), expit(z_o)
    c_next = f * c + i * g
    tanh_c = np.tanh(c_next)
    return o * tanh_c, c_next, (x, h, c, W, U, i, f, g, o, tanh_c)


def lstm_step_backward(dh: np.ndarray, dc: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    x, h, c, W, U, i, f, g, o, tanh_c = cache
    dc_next = dc + dh * o * (1 - tanh_c**2)  # c' is read twice: by the next step, and by h'
    di, df, dg, do = dc_next * g, dc_next * c, dc_next * i, dh * tanh_c
    dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
    return dz @ W, dz @ U, dc_next * f, dz.T @ x, dz.T @ h, dz.sum(axis=0)


def lstm_forward(
    x: np.ndarray, h0: np.ndarray, c0: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, Any]:
    h, c, hs, caches = h0, c0, [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, W, U, b)
        hs.append(h)
        caches.append(cache)
    return np.stack(hs, axis=1), caches


def lstm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    dh, dc = np.zeros_like(dout[:, 0]), np.zeros_like(dout[:, 0])  # nothing reads the last cell state
    dx, weight_grads = [], []
    for t in reversed(range(len(cache))):
        dx_t, dh, dc, *grads = lstm_step_backward(dout[:, t] + dh, dc, cache[t])
        dx.append(dx_t)
        weight_grads.append(grads)
    dW, dU, db = (np.sum(grads, axis=0) for grads in zip(*weight_grads, strict=True))
    return np.stack(dx[::-1], axis=1), dh, dc, dW, dU, db


def lstm_fast(
    x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor, W: torch.Tensor, U: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
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


def clip_grad_norm(grads: Sequence[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [grad * scale for grad in grads], norm


def bptt_gradient_norms(W: np.ndarray, length: int) -> np.ndarray:
    powers = [W]
    for _ in range(length - 1):
        powers.append(powers[-1] @ W)
    return np.linalg.norm(np.stack(powers), ord=2, axis=(1, 2))


def bi_lstm_fast(x: torch.Tensor, lengths: torch.Tensor, params_fwd: Params, params_bwd: Params) -> torch.Tensor:
    raise NotImplementedError("lstm.bidirectional")


def child_sum_tree_lstm(
    x: np.ndarray, children: Sequence[Sequence[int]], W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    raise NotImplementedError("lstm.tree_lstm")
