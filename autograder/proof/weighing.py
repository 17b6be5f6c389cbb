"""A recorded network run with numbers: weights that are drawn after the recording arrived, and gradients of them.

Tensors that a network holds get their values by role and shape, so that two networks of the same layers get the same,
however their parts are called and whichever comes first. The role is seen in the recording: what a normalisation scales
or shifts with.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autograder.proof.kinds import NORMS
from autograder.proof.recording import Recording, RecordingRefused, Slot
from autograder.proof.replay import Replay

ROLES = ("input", "scale", "shift", "mean", "variance")  # a normalisation's arguments, in order


class _Real(Replay):
    """A recording of tensors without numbers, run on numbers, differentiably."""

    def _filled(self, item: Any, environment: dict[int, Any], reads: list[Any]) -> Any:
        found = super()._filled(item, environment, reads)
        return self.device if isinstance(found, torch.device) else found


@dataclass
class Weighed:
    """A network's recording, ready to be given weights.

    Args:
        recording: its inputs are what the network holds, then images.
        held: role (parameter or buffer), shape and dtype of each of what it holds.
    """

    recording: Recording
    held: list[Any]

    def __post_init__(self) -> None:
        if len(self.recording.inputs) != len(self.held) + 1:
            raise RecordingRefused("has another number of inputs than the network holds")
        self.replay = _Real(self.recording)
        self.roles = dict(self._roles())

    def forward(self, images: torch.Tensor, seed: int, usual: bool) -> torch.Tensor:
        """What the network makes of images, in their dtype.

        Args:
            images: shape (N, C, H, W).
            seed: of the weights.
            usual: whether weights are as torch initialises them, normalisations doing nothing at first; else
                everything is random.
        """
        return self._run(self._weights(images.dtype, seed, usual), images)

    def gradients(
        self, images: torch.Tensor, cotangent: torch.Tensor, seed: int, shapes: list[list[int]] | None
    ) -> tuple[torch.Tensor, list[float]]:
        """Outputs, and norms of the gradients of `sum <cotangent, output>` to parameters, usually initialised.

        Args:
            images: shape (N, C, H, W).
            cotangent: of the shape of the output.
            seed: of the weights.
            shapes: of the parameters in question, None for all of them.
        """
        weights = self._weights(images.dtype, seed, True)
        leaves = [
            weight.requires_grad_()
            for weight, (role, shape, _) in zip(weights, self.held, strict=True)
            if role == "parameter" and weight.is_floating_point() and (shapes is None or list(shape) in shapes)
        ]
        with torch.enable_grad():
            out = self._run(weights, images)
            if not out.requires_grad or out.shape != cotangent.shape:
                return out.detach(), [0.0 for _ in leaves]
            found = torch.autograd.grad(out, leaves, cotangent.to(out.dtype), allow_unused=True)
        return out.detach(), [0.0 if item is None else float(item.norm()) for item in found]

    def _run(self, weights: list[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        environment: dict[int, Any] = dict(zip(self.recording.inputs, [*weights, images.clone()], strict=True))
        environment |= {slot: tensor.clone() for slot, tensor in self.recording.constants.items()}
        for index, step in enumerate(self.recording.steps):
            self.replay._do(step, environment, [], None)
            for slot in self.replay.last.get(index, ()):
                environment.pop(slot, None)
        out = self.replay._filled(self.recording.results, environment, [])
        if not isinstance(out, torch.Tensor):
            raise RecordingRefused("gives something that is no tensor")
        return out

    def _weights(self, dtype: torch.dtype, seed: int, usual: bool) -> list[torch.Tensor]:
        made: dict[Any, torch.Tensor] = {}
        weights = []
        for slot, (role, shape, kind) in zip(self.recording.inputs, self.held, strict=False):
            if not getattr(torch, kind).is_floating_point:
                weights.append(torch.zeros(shape, dtype=getattr(torch, kind)))
                continue
            what = self.roles.get(slot, role)
            key = (what, tuple(shape))
            if usual or key not in made:  # new networks have no two layers alike
                made[key] = _drawn(what, list(shape), seed + len(weights) * usual, usual).to(dtype)
            weights.append(made[key].clone() if role == "buffer" else made[key])
        return weights

    def _roles(self) -> Iterator[tuple[int, str]]:
        for step in self.recording.steps:
            if step.name.removeprefix("aten::").partition(".")[0] in NORMS:
                pairs = zip(step.args[1:5], ROLES[1:], strict=False)
                yield from ((item.number, role) for item, role in pairs if isinstance(item, Slot))


def _drawn(role: str, shape: list[int], seed: int, usual: bool) -> torch.Tensor:
    """Values for a tensor of a role and a shape: uniform within 1 / sqrt(fan-in) as torch draws them, else as large as
    keeps the scale of what a ReLU follows."""
    key = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, *role.encode(), 0, *shape]
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
    drawn = torch.rand(shape, generator=generator).mul_(2).sub_(1)
    if len(shape) > 1:
        return drawn.mul_(((1 if usual else 6) / math.prod(shape[1:])) ** 0.5)
    if role in ("scale", "variance"):
        return torch.ones(shape) if usual else drawn.mul_(0.5).add_(1)
    if role in ("shift", "mean") and usual:
        return torch.zeros(shape)
    return drawn.mul_(0.05 if usual else 0.5)
