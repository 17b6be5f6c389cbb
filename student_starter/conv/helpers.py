"""What conv's checks run beside the submission: half of a pair. It reports only."""

from types import ModuleType
from typing import Any

import torch
from torch import nn


class ContractError(Exception):
    """The submission breaks the contract; the message is for the student."""


def forward(submission: ModuleType, name: str, *args: Any, **kwargs: Any) -> Any:
    """The output of NAME_forward, whatever its backward does."""
    returned = getattr(submission, f"{name}_forward")(*args, **kwargs)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ContractError(f"{name}_forward must return (out, cache); it returned {type(returned).__name__}")
    return returned[0]


def library_conv2d_fast(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The library's own operation, for comparison."""
    return nn.functional.conv2d(x, w, b)
