"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.race import Work

NODES, EDGES = 2_000, 20_000


@pytest.mark.task("gcn_fast", kind="race")
@weight(2)
@number("7.6")
def test_fast_race(race):
    """gcn_fast: forward and backward keep up with the reference"""

    def inputs(draw):
        x, w0, w1 = (draw.tensor(*shape) / 4 for shape in ((NODES, 64), (64, 32), (32, 7)))
        edges, value = draw.ints(0, NODES, 2, EDGES), draw.rng.random(EDGES)
        return x, w0, w1, torch.from_numpy(edges), torch.from_numpy(value)

    race.autograd("gcn_fast", inputs, wrt=[0, 1, 2])


@pytest.mark.gpu
@pytest.mark.task("gcn_fast", kind="race")
@weight(1)
@number("7.7")
def test_fast_gpu(gpu_race):
    """gcn_fast: forward and backward keep up with the reference on a GPU"""
    n, edges, widths = 200_000, 2_000_000, (64, 32, 7)
    dense = 2 * n * (widths[0] * widths[1] + widths[1] * widths[2])
    sparse = 2 * edges * (widths[1] + widths[2])
    moved = 4 * n * sum(widths) + 20 * edges
    work = Work(flops=3 * dense + 2 * sparse, bytes=2 * moved)

    def inputs(draw):
        x, w0, w1 = (draw.single(*shape) / 4 for shape in ((n, widths[0]), widths[:2], widths[1:]))
        return x, w0, w1, torch.from_numpy(draw.ints(0, n, 2, edges)), draw.single(edges).abs()

    gpu_race.measure("autograd", "gcn_fast", inputs, work, wrt=[0, 1, 2], library="library_gcn_fast")
