"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.race import Work


@pytest.mark.task("flash", kind="race")
@weight(2)
@number("7.9")
def test_streaming_race(race):
    """StreamingAttention: forward and backward keep up with the reference"""
    race.autograd("StreamingAttention", lambda draw: (*(draw.single(2, 1024, 64) for _ in range(3)), True))


@pytest.mark.gpu
@pytest.mark.task("flash", kind="race")
@weight(1)
@number("7.10")
def test_streaming_gpu(gpu_race):
    """StreamingAttention: forward and backward keep up with the reference on a GPU"""
    lead, length, d = 16, 4096, 64
    product = 2 * lead * length**2 * d
    work = Work(flops=7 * product / 2, bytes=8 * 4 * lead * length * d)  # seven products, causal: half of each

    def inputs(draw):
        return *(draw.single(lead, length, d) for _ in range(3)), True

    gpu_race.measure("autograd", "StreamingAttention", inputs, work, library="library_streaming")
