"""How fast it is: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.gpurace import Work

N, T, D, H = 16, 48, 64, 96


def parameters(draw):
    """W, U, b."""
    return tuple(draw.tensor(*shape).float() / 9 for shape in ((4 * H, D), (4 * H, H), (4 * H,)))


@pytest.mark.task("lstm_fast", kind="race")
@weight(2)
@number("5.6")
@visibility("after_published")
def test_lstm_fast_race(race, draw):
    """lstm_fast: forward and backward keep up with the reference"""

    def inputs():
        return draw.tensor(N, T, D).float(), *(draw.tensor(N, H).float() for _ in range(2)), *parameters(draw)

    race.autograd("lstm_fast", inputs)


@pytest.mark.task("bidirectional", kind="race")
@weight(2)
@number("8.6")
@visibility("after_published")
def test_bidirectional_race(race, draw):
    """bi_lstm_fast: forward and backward keep up with the reference"""

    def inputs():
        lengths = torch.from_numpy(draw.ints(T // 2, T + 1, N))
        return draw.tensor(N, T, D).float(), lengths, parameters(draw), parameters(draw)

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
    work = recurrent_work(64, 128, 256, 512)
    gpu_race.measure("autograd", "lstm_fast", "draw_lstm_fast", work, library="library_lstm_fast")


@pytest.mark.gpu
@pytest.mark.task("bidirectional", kind="race")
@weight(1)
@number("8.7")
@visibility("after_published")
def test_bidirectional_gpu(gpu_race):
    """bi_lstm_fast: forward and backward keep up with the reference on a GPU"""
    gpu_race.measure("autograd", "bi_lstm_fast", "draw_bi_lstm_fast", recurrent_work(64, 64, 256, 512))
