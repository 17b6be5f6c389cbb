"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.race import Work

CHANNELS, SIZE = 32, 28


def block(draw, n, channels, size):
    """Images, and the state of a basic block without a projection."""
    fan_in = 9 * channels
    state = {f"conv{i}.weight": draw.single(channels, channels, 3, 3) / fan_in**0.5 for i in (1, 2)}
    for norm in ("bn1", "bn2"):
        state |= {f"{norm}.{entry}": draw.single(channels) for entry in ("weight", "bias", "running_mean")}
        state[f"{norm}.running_var"] = draw.single(channels).abs() + 0.1
    return draw.single(n, channels, size, size), state


@pytest.mark.task("residual_fast", kind="race")
@weight(2)
@number("7.6")
def test_residual_fast_race(race):
    """residual_fast: keeps up with the reference"""
    race("residual_fast", lambda draw: block(draw, 8, CHANNELS, SIZE))


@pytest.mark.gpu
@pytest.mark.task("residual_fast", kind="race")
@weight(1)
@number("7.7")
def test_residual_fast_gpu(gpu_race):
    """residual_fast: keeps up with the reference on a GPU"""
    n, channels, side = 32, 128, 56
    maps = n * channels * side**2
    work = Work(flops=2 * 2 * maps * channels * 9, bytes=2 * 4 * maps)
    gpu_race.measure("call", "residual_fast", lambda draw: block(draw, n, channels, side), work)
