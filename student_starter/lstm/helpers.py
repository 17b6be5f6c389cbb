"""What the checks of recurrent networks need beside the student's code: a cell to unroll, many draws, a training."""

from types import ModuleType
from typing import Any

import numpy as np
import torch


def unroll(
    submission: ModuleType,
    mode: str,
    x: np.ndarray,
    s0: np.ndarray,
    A: np.ndarray,
    B: np.ndarray,
    length: int | None = None,
) -> Any:
    """`run_rnn` with the cell x A + s B: x (N, D) or (N, T, D), s0 (N, H), A (D, H), B (H, H)."""

    def step(x_t: np.ndarray, s: np.ndarray) -> np.ndarray:
        return x_t @ A + s @ B

    if length is None:
        return submission.run_rnn(step, x, s0, mode)
    return submission.run_rnn(step, x, s0, mode, length)


def many_samples(submission: ModuleType, logits: np.ndarray, temperature: float, seed: int, count: int) -> Any:
    """`count` tokens drawn one after another from one generator."""
    rng = np.random.default_rng(seed)
    return [submission.sample(logits, rng, temperature) for _ in range(count)]


def default_samples(submission: ModuleType, logits: np.ndarray, seed: int, count: int) -> Any:
    """As `many_samples`, leaving the temperature out."""
    rng = np.random.default_rng(seed)
    return [submission.sample(logits, rng) for _ in range(count)]


def losses_on_hello(submission: ModuleType, hidden: int, steps: int, rate: float, seed: int) -> list[float]:
    """Gradient descent on the four predictions in "hello": the loss before each step.

    The recurrent part is the student's; what reads the letters off the states, and their loss, is written here.
    """
    rng = np.random.default_rng(seed)
    x, targets = np.eye(4)[None, [0, 1, 2, 2]], [1, 2, 2, 3]
    weights = [rng.normal(size=shape) / 2 for shape in ((hidden, 4), (hidden, hidden), (hidden,))]
    V, c = rng.normal(size=(4, hidden)) / 2, rng.normal(size=4) / 2
    losses = []
    for _ in range(steps):
        s, cache = submission.rnn_forward(x, np.zeros((1, hidden)), *[weight.copy() for weight in weights])
        logits = s[0] @ V.T + c
        logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        dlogits = (np.exp(logp) - np.eye(4)[targets]) / len(targets)
        gradients = submission.rnn_backward((dlogits @ V)[None], cache)[2:]
        weights = [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]
        V, c = V - rate * dlogits.T @ s[0], c - rate * dlogits.sum(axis=0)
        losses.append(float(-logp[range(4), targets].mean()))
    return losses


def library_lstm_fast(
    x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor, W: torch.Tensor, U: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """The library's own operation, for comparison."""
    weights = [W, U, b, torch.zeros_like(b)]
    return torch.lstm(x, (h0[None], c0[None]), weights, True, 1, 0.0, True, False, True)[0]
