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

    The recurrent part is the student's; what reads the letters off the states, and their loss, is torch's.
    """
    rng = np.random.default_rng(seed)
    x, targets = np.eye(4)[None, [0, 1, 2, 2]], torch.tensor([1, 2, 2, 3])
    weights = [rng.normal(size=shape) / 2 for shape in ((hidden, 4), (hidden, hidden), (hidden,))]
    readout = [torch.tensor(rng.normal(size=shape) / 2, requires_grad=True) for shape in ((4, hidden), (4,))]
    losses = []
    for _ in range(steps):
        s, cache = submission.rnn_forward(x, np.zeros((1, hidden)), *[weight.copy() for weight in weights])
        states = torch.tensor(s, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(states[0] @ readout[0].T + readout[1], targets)
        ds, *slopes = torch.autograd.grad(loss, [states, *readout])
        gradients = submission.rnn_backward(ds.numpy(), cache)[2:]
        weights = [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]
        readout = [(item - rate * slope).detach().requires_grad_() for item, slope in zip(readout, slopes, strict=True)]
        losses.append(loss.item())
    return losses


def _drawn(generator: torch.Generator, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [torch.randn(shape, generator=generator, device=generator.device) / 23 for shape in shapes]


def draw_lstm_fast(generator: torch.Generator) -> list[torch.Tensor]:
    """x, h0, c0, W, U and b, of the race on a GPU."""
    return _drawn(generator, (64, 128, 256), (64, 512), (64, 512), (2048, 256), (2048, 512), (2048,))


def library_lstm_fast(
    x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor, W: torch.Tensor, U: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """The library's own operation, for comparison."""
    weights = [W, U, b, torch.zeros_like(b)]
    return torch.lstm(x, (h0[None], c0[None]), weights, True, 1, 0.0, True, False, True)[0]


def draw_bi_lstm_fast(generator: torch.Generator) -> list[Any]:
    """x, lengths and the parameters of both directions, of the race on a GPU."""
    x, *parameters = _drawn(generator, (64, 64, 256), *2 * [(2048, 256), (2048, 512), (2048,)])
    lengths = torch.randint(32, 65, (64,), generator=generator, device=generator.device)
    return [x, lengths, tuple(parameters[:3]), tuple(parameters[3:])]
