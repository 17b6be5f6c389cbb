"""How fast it is: the submission races against the reference, one thread each, on fresh inputs every turn."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance
from autograder.checks.gpurace import Work

SAMPLES, FEATURES, COMPONENTS = 128, 1024, 4


@pytest.mark.task("pca_fast", kind="race")
@weight(2)
@number("7.7")
def test_pca_fast_race(race, draw):
    """pca_fast: forward and backward keep up with the reference"""

    def inputs():
        scores = torch.linalg.qr(draw.tensor(SAMPLES, COMPONENTS)).Q * torch.tensor([90.0, 70.0, 50.0, 40.0])
        directions = torch.linalg.qr(draw.tensor(FEATURES, COMPONENTS)).Q
        x = scores @ directions.T + 0.01 * draw.tensor(SAMPLES, FEATURES) + draw.tensor(FEATURES)
        return x.float(), COMPONENTS, draw.tensor(4, FEATURES).float(), draw.tensor(4, FEATURES).float()

    race.run("projection_gradient", inputs, tol=Tolerance(0.02, 0.0))


@pytest.mark.gpu
@pytest.mark.task("pca_fast", kind="race")
@weight(1)
@number("7.8")
def test_pca_fast_gpu(gpu_race):
    """pca_fast: forward and backward keep up with the reference on a GPU"""
    n, d, k = 512, 16_384, 4
    work = Work(flops=4 * n * d * k, bytes=2 * 4 * n * d)
    library, tol = "library_projection_gradient", Tolerance(0.02, 0.0)
    gpu_race.measure("run", "projection_gradient", "draw_projection", work, library=library, tol=tol)
