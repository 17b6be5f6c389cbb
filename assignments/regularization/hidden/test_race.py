"""How fast it is: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.gpurace import Work

N, CHANNELS, SIDE, CROP, MOST = 128, 3, 64, 56, 8


@pytest.mark.task("augment_fast", kind="race")
@weight(1)
@number("6.5")
def test_augment_batch_fast_race(race, draw):
    """augment_batch_fast: forward and backward keep up with the reference"""

    def inputs():
        params = {
            "top": torch.from_numpy(draw.ints(0, SIDE - CROP + 1, N)),
            "left": torch.from_numpy(draw.ints(0, SIDE - CROP + 1, N)),
            "dy": torch.from_numpy(draw.ints(-MOST, MOST + 1, N)),
            "dx": torch.from_numpy(draw.ints(-MOST, MOST + 1, N)),
            "flip": torch.from_numpy(draw.bools(N)),
            "size": (CROP, CROP),
        }
        return draw.tensor(N, CHANNELS, SIDE, SIDE).float(), params

    race.autograd("augment_batch_fast", inputs, wrt=[0])


@pytest.mark.gpu
@pytest.mark.task("augment_fast", kind="race")
@weight(1)
@number("6.6")
def test_augment_batch_fast_gpu(gpu_race):
    """augment_batch_fast: forward and backward keep up with the reference on a GPU"""
    n, channels, side, crop = 512, 3, 224, 192  # as in draw_augment_batch_fast
    moved = 4 * n * channels * (crop**2 + side**2)  # each way, the images are read or written, and so is the result
    work = Work(flops=0, bytes=2 * moved)
    gpu_race.measure("autograd", "augment_batch_fast", "draw_augment_batch_fast", work, wrt=[0])
