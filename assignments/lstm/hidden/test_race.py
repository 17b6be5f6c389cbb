"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.race import Work

N, T, D, H = 16, 48, 64, 96


def parameters(draw, d=D, h=H):
    """W, U, b."""
    return tuple(draw.single(*shape) / h**0.5 for shape in ((4 * h, d), (4 * h, h), (4 * h,)))


@pytest.mark.task("lstm_fast", kind="race")
@weight(2)
@number("5.6")
@visibility("after_published")
def test_lstm_fast_race(race):
    """lstm_fast: forward and backward keep up with the reference"""

    def inputs(draw):
        return draw.single(N, T, D), draw.single(N, H), draw.single(N, H), *parameters(draw)

    race.autograd("lstm_fast", inputs)


@pytest.mark.task("bidirectional", kind="race")
@weight(2)
@number("8.6")
@visibility("after_published")
def test_bidirectional_race(race):
    """bi_lstm_fast: forward and backward keep up with the reference"""

    def inputs(draw):
        lengths = torch.from_numpy(draw.ints(T // 2, T + 1, N))
        return draw.single(N, T, D), lengths, parameters(draw), parameters(draw)

    race.autograd("bi_lstm_fast", inputs)


def recurrent_work(n, t, d, h):
    """Forward and backward of one direction: three times the products, every step's output and state moved."""
    return Work(flops=3 * 2 * n * t * 4 * h * (d + h), bytes=2 * 4 * n * t * (d + 6 * h))


@pytest.mark.gpu
@pytest.mark.task("lstm_fast", kind="race")
@weight(1)
@number("5.7")
@visibility("after_published")
def test_lstm_fast_gpu(gpu_race):
    """lstm_fast: forward and backward keep up with the reference on a GPU"""
    n, t, d, h = 64, 128, 256, 512

    def inputs(draw):
        return draw.single(n, t, d), draw.single(n, h), draw.single(n, h), *parameters(draw, d, h)

    work = recurrent_work(n, t, d, h)
    gpu_race.measure("autograd", "lstm_fast", inputs, work, library="library_lstm_fast")


@pytest.mark.gpu
@pytest.mark.task("bidirectional", kind="race")
@weight(1)
@number("8.7")
@visibility("after_published")
def test_bidirectional_gpu(gpu_race):
    """bi_lstm_fast: forward and backward keep up with the reference on a GPU"""
    n, t, d, h = 64, 64, 256, 512

    def inputs(draw):
        lengths = torch.from_numpy(draw.ints(t // 2, t + 1, n))
        return draw.single(n, t, d), lengths, parameters(draw, d, h), parameters(draw, d, h)

    gpu_race.measure("autograd", "bi_lstm_fast", inputs, recurrent_work(n, t, d, h))
