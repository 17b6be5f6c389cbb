"""What writing with a cache costs, in counts that are the same on every machine."""

from typing import Any

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = {"N": 3, "max_len": 24}
MODEL = [13, 16, 4, 24, 2]  # vocab, d_model, heads, d_ff, layers
BOS, EOS, SOURCE = 1, 0, 5


def inputs(draw: Any, reference: Any, n: int, max_len: int) -> tuple[Any, ...]:
    """Arguments of the helper: all of max_len is written, not one token for ever, and no token hangs on a hair."""
    shapes = reference.run("parameter_shapes", MODEL)
    while True:
        state = {
            name: draw.tensor(*shape) / (shape[-1] if len(shape) > 1 else 4) ** 0.5 for name, shape in shapes.items()
        }
        texts = [torch.from_numpy(draw.ints(1, MODEL[0], 32, length)) for length in (SOURCE, max_len)]
        state, src = reference.run("sharpened", MODEL, state, texts, EOS), texts[0][:n]
        found = reference.run("written", MODEL, state, src, BOS, EOS, max_len)
        if found["gap"] > 1e-4 and found["tokens"].unique().numel() > 3:
            return MODEL, state, src, BOS, EOS, max_len


@pytest.mark.task("decode", kind="cost")
@weight(2)
@number("7.8")
def test_greedy_decode_cached_cost(cost, limits, reference, draw):
    """greedy_decode_cached: every token goes through the layers once"""

    def measured(**sizes):
        return cost.run("decoded", "greedy_decode_cached", *inputs(draw, reference, *(SIZES | sizes).values()))

    first = measured()
    constant = {"N doubles": measured(N=2 * SIZES["N"])}
    linear = {"max_len doubles": measured(max_len=2 * SIZES["max_len"])}
    cost.within(first, limits, constant=constant, linear=linear)
