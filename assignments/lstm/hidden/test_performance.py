"""What the fast LSTMs cost, in counts that are the same on every machine, forward: that is where products count."""

from typing import Any

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

SIZES = {"N": 4, "T": 8, "D": 5, "H": 3}
LENGTHS = [8, 2, 5, 3]  # of the rows, where T is 8


def parameters(draw: Any, d: int, h: int) -> tuple[torch.Tensor, ...]:
    """W, U, b."""
    return draw.tensor(4 * h, d) / 2, draw.tensor(4 * h, h) / 2, draw.tensor(4 * h)


def doubled(measured: Any, *names: str) -> dict[str, Any]:
    """The measurements with each of these sizes doubled."""
    return {f"{name} doubles": measured(**{name: 2 * SIZES[name]}) for name in names}


@pytest.mark.task("lstm_fast", kind="cost")
@weight(2)
@number("5.5")
@visibility("after_published")
def test_lstm_fast_cost(cost, limits):
    """lstm_fast: at most 2T matrix products, and a loop over nothing but the steps"""

    def measured(**sizes):
        n, t, d, h = (SIZES | sizes).values()

        def inputs(draw):
            return draw.tensor(n, t, d), draw.tensor(n, h), draw.tensor(n, h), *parameters(draw, d, h)

        return cost("lstm_fast", inputs)

    first, constant, linear = measured(), doubled(measured, "N", "D", "H"), doubled(measured, "T")
    cost.within(first, limits, constant=constant, linear=linear)


@pytest.mark.task("bidirectional", kind="cost")
@weight(2)
@number("8.5")
@visibility("after_published")
def test_bidirectional_cost(cost, limits):
    """bi_lstm_fast: at most 4T matrix products, and a loop over nothing but the steps"""

    def measured(**sizes):
        n, t, d, h = (SIZES | sizes).values()
        lengths = torch.tensor(LENGTHS).repeat(n // len(LENGTHS)) * (t // max(LENGTHS))

        def inputs(draw):
            return draw.tensor(n, t, d), lengths, parameters(draw, d, h), parameters(draw, d, h)

        return cost("bi_lstm_fast", inputs)

    first, constant, linear = measured(), doubled(measured, "N", "D", "H"), doubled(measured, "T")
    cost.within(first, limits, constant=constant, linear=linear)
