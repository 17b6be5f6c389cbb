"""How fast it is: what the submission was seen to do races against what the reference does, one thread each."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance
from autograder.checks.race import Work

SPECTRUM = (90.0, 70.0, 50.0, 40.0)


def data(draw, samples, features):
    """Samples with four components far above the noise, k, points to project, and a cotangent."""
    scores = torch.linalg.qr(draw.single(samples, len(SPECTRUM))).Q * torch.tensor(SPECTRUM)
    directions = torch.linalg.qr(draw.single(features, len(SPECTRUM))).Q
    x = scores @ directions.T + 0.01 * draw.single(samples, features) + draw.single(features)
    return x, len(SPECTRUM), draw.single(4, features), draw.single(4, features)


@pytest.mark.task("pca_fast", kind="race")
@weight(2)
@number("7.7")
def test_pca_fast_race(race):
    """pca_fast: forward and backward keep up with the reference"""
    race.run("projection_gradient", lambda draw: data(draw, 128, 1024), tol=Tolerance(0.02, 0.0))


@pytest.mark.gpu
@pytest.mark.task("pca_fast", kind="race")
@weight(1)
@number("7.8")
def test_pca_fast_gpu(gpu_race):
    """pca_fast: forward and backward keep up with the reference on a GPU"""
    n, d, k = 512, 16_384, 4
    work = Work(flops=4 * n * d * k, bytes=2 * 4 * n * d)
    library, tol = "library_projection_gradient", Tolerance(0.02, 0.0)
    inputs = lambda draw: data(draw, n, d)  # noqa: E731
    gpu_race.measure("run", "projection_gradient", inputs, work, library=library, tol=tol)
