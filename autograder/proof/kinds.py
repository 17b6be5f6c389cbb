"""What the reading of a network's structure knows of torch's operations, and of the tensors that go through them."""

from dataclasses import dataclass
from typing import Any

import torch

PROBE = torch.cat([torch.linspace(-7, 7, 57, dtype=torch.float64), torch.tensor([-1e3, -0.013, 0.017, 1e3]).double()])
SKIPPED = frozenset(
    [
        "view",
        "_unsafe_view",
        "reshape",
        "_reshape_alias",
        "_reshape_copy",
        "view_copy",
        "flatten",
        "alias",
        "detach",
        "clone",
        "contiguous",
        "_to_copy",
        "lift_fresh",
        "lift_fresh_copy",
        "squeeze",
        "unsqueeze",
        "to",
    ]
)
NORMS = frozenset(
    [
        "native_batch_norm",
        "cudnn_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_batch_norm_with_update",
        "_batch_norm_no_update",
        "batch_norm",
    ]
)
MAKING = {"zeros": 0.0, "zeros_like": 0.0, "new_zeros": 0.0, "ones": 1.0, "ones_like": 1.0, "new_ones": 1.0}
POINTWISE = frozenset(
    [
        "threshold",
        "hardtanh",
        "softplus",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "logsigmoid",
        "where",
        "clamp",
        "clamp_min",
        "relu",
        "relu6",
        "log_sigmoid_forward",
        "celu",
    ]
)
DIRECT = ["convolution", "addmm", "mm", "max_pool2d_with_indices", "avg_pool2d", "mean", "constant_pad_nd", "add"]
MAKERS = {name: f"_{name}" for name in DIRECT} | {  # operations that are layers, and what reads them
    "_adaptive_avg_pool2d": "_adaptive_avg_pool2d",
    "adaptive_max_pool2d": "_adaptive_max_pool2d",
    "_softmax": "_softmax",
    "_log_softmax": "_log_softmax",
}


@dataclass
class Known:
    """What is known of a tensor: a parameter, a number that all its entries are, or a function of a layer's output."""

    tensor: torch.Tensor
    layer: str = ""
    probe: torch.Tensor | None = None  # what the function makes of PROBE; None for the layer's output itself
    parameter: int | None = None
    number: float | None = None
    memory: int = 0  # tensors with the same number share it


def bare(item: Any) -> Any:
    """The tensors themselves in a tree of what is known."""
    if isinstance(item, Known):
        return item.tensor
    return type(item)(map(bare, item)) if isinstance(item, list | tuple) else nowhere(item)


def nowhere(item: Any) -> Any:
    """Devices are nowhere: there are no numbers."""
    return torch.device("meta") if isinstance(item, torch.device) or type(item) is object else item


def probed(item: Any) -> Any:
    """What functions make of `PROBE`, in their place."""
    if isinstance(item, Known):
        if item.number is not None:
            return torch.tensor(item.number, dtype=torch.float64)
        return PROBE if item.probe is None else item.probe
    return type(item)(map(probed, item)) if isinstance(item, list | tuple) else item


def tensors_in(item: Any) -> list[Known]:
    """What is known of every tensor in a tree."""
    if isinstance(item, Known):
        return [item]
    return [each for part in item for each in tensors_in(part)] if isinstance(item, list | tuple) else []


def settings(item: Any) -> Any:
    """A tree as plain settings, to be compared."""
    if isinstance(item, Known):
        return "t"
    if isinstance(item, dict):
        return {key: settings(each) for key, each in item.items()}
    return [settings(each) for each in item] if isinstance(item, list | tuple) else str(item)


def is_pointwise(function: Any, name: str) -> bool:
    """Whether an operation is a function of single numbers."""
    tags = (torch.Tag.pointwise in getattr(function, overload).tags for overload in function.overloads())
    return name in POINTWISE or any(tags)


def pair(size: Any) -> tuple[int, ...]:
    """A size for both axes."""
    given = list(size) if isinstance(size, list | tuple) else [size]
    return tuple(given * 2 if len(given) == 1 else given)


def short(shape: tuple[int, ...]) -> tuple[int, ...]:
    """1x1 maps are rows."""
    return shape[:1] if len(shape) == 3 and shape[1:] == (1, 1) else shape
