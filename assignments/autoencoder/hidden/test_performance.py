"""What the fast PCA costs, in counts that are the same on every machine."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

SAMPLES, FEATURES, COMPONENTS = 40, 600, 3


@pytest.mark.task("pca_fast", kind="cost")
@weight(2)
@number("7.6")
def test_pca_fast_cost(cost, limits):
    """pca_fast: nothing of size d x d for n << d, forward and backward, and few operations"""

    def inputs(draw):
        scores = torch.linalg.qr(draw.tensor(SAMPLES, COMPONENTS)).Q * torch.tensor([9.0, 7.0, 5.0])
        directions = torch.linalg.qr(draw.tensor(FEATURES, COMPONENTS)).Q
        x = scores @ directions.T + 0.01 * draw.tensor(SAMPLES, FEATURES) + draw.tensor(FEATURES)
        return x, COMPONENTS, draw.tensor(4, FEATURES), draw.tensor(4, FEATURES)

    cost.within(cost.run("projection_gradient", inputs, tol=Tolerance(0.02, 0.0)), limits)
