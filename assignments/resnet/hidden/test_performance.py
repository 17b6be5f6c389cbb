"""What the folded block costs, in counts that are the same on every machine."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = {"N": 4, "H": 16, "W": 16}
C_IN, C_OUT = 8, 16


def projection_state(draw):
    """A basic block's state dict with a projection at stride 1, every entry random."""
    kernels = {"conv1": (C_IN, 3, 3), "conv2": (C_OUT, 3, 3), "shortcut.0": (C_IN, 1, 1)}
    state = {f"{name}.weight": draw.tensor(C_OUT, *shape) / 3 for name, shape in kernels.items()}
    for norm in ("bn1", "bn2", "shortcut.1"):
        state |= {f"{norm}.{entry}": draw.tensor(C_OUT) for entry in ("weight", "bias", "running_mean")}
        state[f"{norm}.running_var"] = draw.tensor(C_OUT).abs() + 0.1
    return state


@pytest.mark.task("residual_fast", kind="cost")
@weight(2)
@number("7.5")
def test_residual_fast_cost(cost, limits):
    """residual_fast: fewer operations on feature maps than the block needs, however many images and pixels"""

    def measured(**sizes):
        n, height, width = (SIZES | sizes).values()
        return cost("residual_fast", lambda draw: (draw.tensor(n, C_IN, height, width), projection_state(draw)))

    first = measured()
    doubled = {f"{name} doubles": measured(**{name: 2 * size}) for name, size in SIZES.items()}
    cost.within(first, limits, constant=doubled)
