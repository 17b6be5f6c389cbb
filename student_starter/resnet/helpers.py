"""What the checks of `resnet` run beside a submission: build, fill and look at networks, and report plain values."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

BLOCKS = ("BasicBlock", "Bottleneck")


def normalised(submission: ModuleType, *args: Any, **kwargs: Any) -> dict[str, np.ndarray]:
    """What `batchnorm_forward` returns, without its cache."""
    returned = submission.batchnorm_forward(*args, **kwargs)
    if not isinstance(returned, tuple | list) or len(returned) != 4:
        raise TypeError("batchnorm_forward must return four values: y, cache, running_mean, running_var")
    return {"y": returned[0], "running_mean": returned[2], "running_var": returned[3]}


# Blocks --------------------------------------------------------------------------------------------------------


def with_zero_branch(submission: ModuleType, name: str, channels: tuple[int, int], last: str, x: torch.Tensor) -> Any:
    """A new block, in training mode, whose last batch normalisation gives 0, applied to x."""
    block = getattr(submission, name)(*channels).to(x.dtype)
    for parameter in getattr(block, last).parameters():
        nn.init.zeros_(parameter)
    return block(x)


def block_outputs(submission: ModuleType, x: torch.Tensor) -> list[torch.Tensor] | None:
    """Outputs of the blocks in both modes, every entry of their state depending on its shape; None where one raises."""
    made = [(BLOCKS[0], (3, 3, 1)), (BLOCKS[0], (3, 4, 2)), (BLOCKS[1], (3, 2, 2)), (BLOCKS[1], (3, 2, 1))]
    try:
        blocks = [_filled(getattr(submission, name)(*init).to(x.dtype)) for name, init in made]
        return [block.train(training)(x) for block in blocks for training in (False, True)]
    except Exception:
        return None


def highway(submission: ModuleType, x: torch.Tensor, gate_bias: torch.Tensor, weight: torch.Tensor) -> Any:
    """A highway layer with this weight in its transform, gates that depend on their bias only, and no other bias."""
    layer = submission.HighwayLayer(len(gate_bias)).to(x.dtype)
    with torch.no_grad():
        layer.transform.weight.copy_(weight)
        layer.gate.bias.copy_(gate_bias)
        for rest in (layer.transform.bias, layer.gate.weight):
            rest.zero_()
    return layer(x)


def fast_gradients(
    submission: ModuleType, x: torch.Tensor, params: dict[str, torch.Tensor], stride: int, cotangent: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Gradients of `residual_fast` with respect to x and the weights and biases; running statistics are constants."""
    leaves = {key: value for key, value in params.items() if key.endswith(("weight", "bias"))} | {"x": x}
    for leaf in leaves.values():
        leaf.requires_grad_()
    shown = {key: value.clone() if key in leaves else value for key, value in params.items()}
    out = submission.residual_fast(x.clone(), shown, stride)
    found = torch.autograd.grad(out, list(leaves.values()), cotangent, allow_unused=True)
    pairs = zip(leaves.items(), found, strict=True)
    return {key: torch.zeros_like(leaf) if gradient is None else gradient for (key, leaf), gradient in pairs}


# Networks ------------------------------------------------------------------------------------------------------

WEIGHT = {"conv2d": 1, "convolution": 1, "linear": 1, "matmul": 1, "__matmul__": 1, "addmm": 2}  # place of the weight


def structure(
    submission: ModuleType, builder: str, depth: int, classes: int, size: int, stand_in: bool = False
) -> dict[str, Any]:
    """What a network is made of and does to size x size images, on weights that are all alike and need no memory.

    Gives the number of parameters, the widths of the convolutions' outputs, multiply-adds an image, the logits' shape,
    and whether a black and a white image get different logits.
    """
    network = _filled(_built(submission, builder, depth, classes), _alike).eval()
    images = torch.stack([torch.zeros(3, size, size), torch.ones(3, size, size)])
    with _stand_ins(submission, stand_in), torch.no_grad(), _Products() as seen:
        logits = network(images)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "widths": sorted(seen.widths, reverse=True),
        "work": seen.work,
        "logits": list(logits.shape),
        "alive": not torch.equal(logits[0], logits[1]),
    }


def logits(
    submission: ModuleType, builder: str, depth: int, classes: int, x: torch.Tensor, stand_in: bool = False
) -> torch.Tensor:
    """What a network in evaluation mode makes of images; its weights depend on kind and shape only."""
    with _stand_ins(submission, stand_in), torch.no_grad():
        network = _filled(_built(submission, builder, depth, classes).to(x.dtype))
        out: torch.Tensor = network.eval()(x)
        return out


def first_layer_gradients(
    submission: ModuleType, builder: str, depths: tuple[int, ...], x: torch.Tensor, labels: torch.Tensor, seed: int
) -> list[float]:
    """Norm of the loss's gradient to the 7x7 convolution of new networks in training mode, for each depth."""
    norms = []
    for depth in depths:
        torch.manual_seed(seed)
        network = getattr(submission, builder)(depth, 10).to(x.dtype).train()
        first = [parameter for parameter in network.parameters() if parameter.shape == (64, 3, 7, 7)]
        if len(first) != 1:
            raise LookupError(f"{builder}({depth}) has {len(first)} convolutions of 7x7 from 3 to 64 channels, not 1")
        loss = nn.functional.cross_entropy(network(x), labels)
        norms.append(float(torch.autograd.grad(loss, first)[0].norm()))
    return norms


def _built(submission: ModuleType, builder: str, *args: Any) -> nn.Module:
    """The network without memory for its weights; with, where it cannot be built without."""
    build = getattr(submission, builder)
    try:
        with torch.device("meta"):
            network = build(*args)
    except Exception:
        network = build(*args)
    if not isinstance(network, nn.Module):
        raise TypeError(f"{builder} must return a torch.nn.Module; it returned {type(network).__name__}")
    return network


class _Products(TorchFunctionMode):
    """Counts the multiply-adds an image of convolutions and linear layers, wherever they are called from."""

    def __init__(self) -> None:
        super().__init__()
        self.widths, self.work = set[int](), 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out, name = func(*args, **kwargs), getattr(func, "__name__", "")
        if name in WEIGHT:
            weight = args[WEIGHT[name]] if len(args) > WEIGHT[name] else kwargs["weight"]
            self.work += weight.numel() * out[0, 0].numel()
        if name in ("conv2d", "convolution"):
            self.widths.add(out.shape[3])
        return out


def _by_shape(name: str, old: torch.Tensor) -> torch.Tensor:
    """Values that depend on a tensor's last name and its shape only."""
    if not old.is_floating_point():
        return torch.zeros(old.shape, dtype=old.dtype)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{name}{tuple(old.shape)}".encode()))
    drawn = torch.zeros(old.shape, dtype=old.dtype).uniform_(-1, 1, generator=generator)
    if old.ndim > 1:
        return drawn.mul_((6 / old[0].numel()) ** 0.5)  # keeps the scale of what a relu follows
    return drawn.mul_(0.5).add_(1.0 if "var" in name or "weight" in name else 0.0)


def _alike(name: str, old: torch.Tensor) -> torch.Tensor:
    """Kernels that take means (a bit more, for what the padding takes away), normalisations that do nothing."""
    if old.ndim == 2:
        return torch.linspace(0, 1, len(old))[:, None].expand(old.shape)
    value = 1.5 / old[0].numel() if old.ndim > 1 else float("var" in name or "weight" in name)
    return torch.tensor(value, dtype=old.dtype).expand(old.shape)


def _filled(network: nn.Module, values: Callable[[str, torch.Tensor], torch.Tensor] = _by_shape) -> nn.Module:
    """Gives every parameter and buffer its values, the same to those that agree in last name and shape."""
    made: dict[tuple[str, torch.Size], torch.Tensor] = {}
    for module in network.modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, old in own:
            key = (name, old.shape)
            made[key] = made[key] if key in made else values(name, old)
            setattr(module, name, nn.Parameter(made[key], False) if name in module._parameters else made[key].clone())
    return network


@contextmanager
def _stand_ins(submission: ModuleType, wanted: bool) -> Iterator[None]:
    """A network need not suffer from wrong blocks: with their convolutions in a row it has the same structure."""
    classes = [getattr(submission, name) for name in BLOCKS if wanted and hasattr(submission, name)]
    originals = [vars(block).get("forward") for block in classes]
    for block in classes:
        block.forward = _in_a_row(block.forward)
    try:
        yield
    finally:
        for block, original in zip(classes, originals, strict=True):
            if original is None:
                del block.forward
            else:
                block.forward = original


def _in_a_row(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(block: Any, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(block, "conv1"):
            out: torch.Tensor = original(block, x)
            return out
        block.shortcut(x)  # looked at, not used
        for name in ("conv1", "conv2", "conv3"):
            x = getattr(block, name)(x) if hasattr(block, name) else x
        return x

    return forward
