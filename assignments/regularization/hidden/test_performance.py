"""What augmenting a batch costs, in counts that are the same on every machine, forward and backward."""

from typing import Any

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

IMAGES, SIZE, MOST = (6, 3, 11, 9), (8, 7), 3


def parameters(draw: Any, n: int) -> dict[str, Any]:
    """Parameters of a batch of n images of 11x9 pixels: every crop inside, shifts up to 3."""
    return {
        "top": torch.from_numpy(draw.ints(0, 4, n)),
        "left": torch.from_numpy(draw.ints(0, 3, n)),
        "dy": torch.from_numpy(draw.ints(-MOST, MOST + 1, n)),
        "dx": torch.from_numpy(draw.ints(-MOST, MOST + 1, n)),
        "flip": torch.from_numpy(draw.rng.permutation(n) % 2 == 0),
        "size": SIZE,
    }


@pytest.mark.task("augment_fast", kind="cost")
@weight(2)
@number("6.4")
def test_augment_batch_fast_cost(cost, limits):
    """augment_batch_fast: few operations, and no more of them for more images"""

    def measured(n):
        return cost.autograd(
            "augment_batch_fast", lambda draw: (draw.tensor(n, *IMAGES[1:]), parameters(draw, n)), wrt=[0]
        )

    cost.within(measured(IMAGES[0]), limits, constant={"N doubles": measured(2 * IMAGES[0])})
