"""What the fast convolution costs, in counts that are the same on every machine."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = {"N": 2, "C_in": 3, "C_out": 2, "H": 7, "W": 6}


@pytest.mark.task("conv2d_fast", kind="cost")
@weight(2)
@number("8.5")
def test_conv2d_fast_cost(cost, limits):
    """conv2d_fast: few operations, and no more of them for more images, channels or pixels"""

    def measured(**sizes):
        n, c_in, c_out, height, width = (SIZES | sizes).values()

        def inputs(draw):
            return draw.tensor(n, c_in, height, width), draw.tensor(c_out, c_in, 3, 2), draw.tensor(c_out)

        return cost.autograd("conv2d_fast", inputs, padding=1)

    first = measured()
    doubled = {f"{name} doubles": measured(**{name: 2 * size}) for name, size in SIZES.items()}
    cost.within(first, limits, constant=doubled)
