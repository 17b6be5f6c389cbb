"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.race import Work


@pytest.mark.task("conv2d_fast", kind="race")
@weight(2)
@number("8.6")
def test_conv2d_fast_race(race):
    """conv2d_fast: forward and backward keep up with the reference"""

    def inputs(draw):
        return draw.single(8, 16, 28, 28), draw.single(16, 16, 3, 3), draw.single(16)

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

    def inputs(draw):
        return draw.single(n, c_in, side + 2, side + 2), draw.single(c_out, c_in, 3, 3), draw.single(c_out)

    gpu_race.measure("autograd", "conv2d_fast", inputs, work, library="library_conv2d_fast")
