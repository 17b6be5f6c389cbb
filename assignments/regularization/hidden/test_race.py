"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

from typing import Any

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.race import Work

CHANNELS = 3


def batch(draw: Any, n: int, side: int, crop: int, most: int) -> tuple[torch.Tensor, dict[str, Any]]:
    """n square images, and where to crop, mirror and shift each of them."""
    corners = {name: draw.ints(0, side - crop + 1, n) for name in ("top", "left")}
    shifts = {name: draw.ints(-most, most + 1, n) for name in ("dy", "dx")}
    numbers = {name: torch.from_numpy(value) for name, value in (corners | shifts | {"flip": draw.bools(n)}).items()}
    return draw.single(n, CHANNELS, side, side), numbers | {"size": (crop, crop)}


@pytest.mark.task("augment_fast", kind="race")
@weight(1)
@number("6.5")
def test_augment_batch_fast_race(race):
    """augment_batch_fast: forward and backward keep up with the reference"""
    race.autograd("augment_batch_fast", lambda draw: batch(draw, n=128, side=64, crop=56, most=8), wrt=[0])


@pytest.mark.gpu
@pytest.mark.task("augment_fast", kind="race")
@weight(1)
@number("6.6")
def test_augment_batch_fast_gpu(gpu_race):
    """augment_batch_fast: forward and backward keep up with the reference on a GPU"""
    n, side, crop = 512, 224, 192
    moved = 4 * n * CHANNELS * (crop**2 + side**2)  # images and result, each read or written once, each way
    work = Work(flops=0, bytes=2 * moved)
    gpu_race.measure("autograd", "augment_batch_fast", lambda draw: batch(draw, n, side, crop, 32), work, wrt=[0])
