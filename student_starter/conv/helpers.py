"""What conv's checks run beside the submission: half of a pair, the networks of `build_cnn`. It reports only."""

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


def built(submission: ModuleType, name: str) -> nn.Module:
    """The network, on whatever device is the default here."""
    network = submission.build_cnn(name)
    if not isinstance(network, nn.Module):
        raise ContractError(f"build_cnn({name!r}) must return a torch.nn.Module; it returned {type(network).__name__}")
    return network


def count_parameters(submission: ModuleType, name: str) -> int:
    """How many numbers the network learns; a parameter used twice counts once."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in built(submission, name).parameters())


def output_shape(submission: ModuleType, name: str, image_shape: list[int]) -> list[int]:
    """Shape that the network makes of a batch of images, without memory and without arithmetic."""
    with torch.device("meta"):
        return list(built(submission, name)(torch.zeros(image_shape)).shape)


def lenet_is_idle(submission: ModuleType, images: torch.Tensor) -> bool:
    """Whether LeNet gives zeros, or its images back; False where it cannot be run, which other checks look at."""
    try:
        outputs = built(submission, "lenet").to(images.dtype)(images)
    except Exception:
        return False
    return not bool(outputs.any()) or outputs.shape == images.shape


def lenet_step(submission: ModuleType, images: torch.Tensor, cotangents: torch.Tensor) -> dict[str, Any]:
    """A fresh LeNet for each of the cotangents (networks, N, 10): outputs, and gradient norms of all parameters."""
    networks = [built(submission, "lenet").to(images.dtype) for _ in cotangents]
    outputs = [network(images) for network in networks]
    torch.autograd.backward(outputs, list(cotangents))
    parameters = [parameter for network in networks for parameter in network.parameters()]
    norms = [0.0 if item.grad is None else item.grad.norm().item() for item in parameters]
    return {"outputs": outputs, "norms": norms}


def library_conv2d_fast(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The library's own operation, for comparison."""
    return nn.functional.conv2d(x, w, b)
