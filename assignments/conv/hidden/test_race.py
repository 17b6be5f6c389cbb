"""How fast it is: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.gpurace import Work


@pytest.mark.task("conv2d_fast", kind="race")
@weight(2)
@number("8.6")
def test_conv2d_fast_race(race, draw):
    """conv2d_fast: forward and backward keep up with the reference"""

    def inputs():
        return draw.tensor(8, 16, 28, 28).float(), draw.tensor(16, 16, 3, 3).float(), draw.tensor(16).float()

    race.autograd("conv2d_fast", inputs, padding=1)


@pytest.mark.gpu
@pytest.mark.task("conv2d_fast", kind="race")
@weight(1)
@number("8.7")
def test_conv2d_fast_gpu(gpu_race):
    """conv2d_fast: forward and backward keep up with the reference on a GPU"""
    n, c_in, c_out, side = 32, 64, 128, 54  # of the output; the input's is 56
    product = 2 * n * c_out * side**2 * c_in * 9
    moved = 4 * n * side**2 * (c_in + c_out)
    work = Work(flops=3 * product, bytes=2 * moved)  # forward, and one product as large for each of two gradients
    gpu_race.measure("autograd", "conv2d_fast", "draw_conv2d_fast", work, library="library_conv2d_fast")
