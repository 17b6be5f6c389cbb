"""How fast it is: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.gpurace import Work

CHANNELS, SIZE = 32, 28


@pytest.mark.task("residual_fast", kind="race")
@weight(2)
@number("7.6")
def test_residual_fast_race(race, draw):
    """residual_fast: keeps up with the reference"""

    def inputs():
        state = {f"conv{i}.weight": draw.tensor(CHANNELS, CHANNELS, 3, 3).float() / 17 for i in (1, 2)}
        for norm in ("bn1", "bn2"):
            state |= {f"{norm}.{entry}": draw.tensor(CHANNELS).float() for entry in ("weight", "bias", "running_mean")}
            state[f"{norm}.running_var"] = draw.tensor(CHANNELS).float().abs() + 0.1
        return draw.tensor(8, CHANNELS, SIZE, SIZE).float(), state

    race("residual_fast", inputs)


@pytest.mark.gpu
@pytest.mark.task("residual_fast", kind="race")
@weight(1)
@number("7.7")
def test_residual_fast_gpu(gpu_race):
    """residual_fast: keeps up with the reference on a GPU"""
    n, channels, side = 32, 128, 56
    maps = n * channels * side**2
    work = Work(flops=2 * 2 * maps * channels * 9, bytes=2 * 4 * maps)
    gpu_race.measure("call", "residual_fast", "draw_residual_fast", work)
