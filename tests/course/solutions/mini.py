"""A small assignment for the tests of the framework: one task of each kind."""

import numpy as np
import torch
from torch import nn

### BEGIN SOLUTION mini.quiz
QUIZ = {"q1": "b", "q2": "a"}
### END SOLUTION


def double(x: np.ndarray) -> np.ndarray:
    """Twice x, any shape."""
    ### BEGIN SOLUTION mini.double
    return 2 * x
    ### END SOLUTION


def scale_forward(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, object]:
    """x (N, D) times w (D,), row by row."""
    ### BEGIN SOLUTION mini.scale
    return x * w, (x, w)
    ### END SOLUTION


def scale_backward(dout: np.ndarray, cache: object) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (dx, dw) of scale_forward."""
    ### BEGIN SOLUTION mini.scale
    x, w = cache
    return dout * w, (dout * x).sum(axis=0)
    ### END SOLUTION


def affine(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """x (N, D) @ w (D, M)."""
    ### BEGIN SOLUTION mini.affine
    return x @ w
    ### END SOLUTION


class Layer(nn.Module):
    """relu(fc(x)), fc a Linear from d_in to d_out."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(d_in, d_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, d_in) to (N, d_out)."""
        ### BEGIN SOLUTION mini.layer
        return torch.relu(self.fc(x))
        ### END SOLUTION


def twice(f: object, x: np.ndarray) -> np.ndarray:
    """f(f(x))."""
    ### BEGIN SOLUTION mini.twice
    return f(f(x))
    ### END SOLUTION
