"""What attention's checks run beside the submission. It reports what happened and does not judge."""

from collections.abc import Iterator
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


def streaming_kept(submission: ModuleType, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> dict[str, Any]:
    """StreamingAttention's output, and how many numbers are kept for its backward pass.

    Counted are the tensors that autograd saves, and those in attributes of ctx, which is the output's grad_fn.
    """
    saved: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = submission.StreamingAttention.apply(*(item.requires_grad_() for item in (q, k, v)), causal)
    attributes = sum(tensor.numel() for tensor in _tensors(getattr(out.grad_fn, "__dict__", {})))
    return {"out": out, "kept": sum(saved) + attributes}


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple | set):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def draw_streaming(generator: torch.Generator) -> list[Any]:
    """q, k, v and causal, of the race on a GPU."""
    return [*(torch.randn(16, 4096, 64, generator=generator, device=generator.device) for _ in range(3)), True]


def library_streaming(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """The library's own operation, for comparison."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
