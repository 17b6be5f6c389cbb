"""What attention's checks run beside the submission."""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor


class ContractError(Exception):
    """The submission breaks the contract; the message is for the student."""


def attention_output(submission: ModuleType, *args: Any) -> Any:
    """The output of attention_forward, whatever its backward does."""
    returned = submission.attention_forward(*args)
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ContractError(f"attention_forward must return (out, cache); it returned {type(returned).__name__}")
    return returned[0]


def library_streaming(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """The library's own operation, for comparison."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
