"""What writing with a cache costs, in counts that are the same on every machine, and how fast it is.

In the replay the model is another one, but so near to the recorded one that it writes the same tokens, which a program
may have kept as numbers. The logits that they were chosen by are others, and are compared.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

BOS, EOS, NEAR = 1, 0, 1e-3
SIZES = {"N": 3, "max_len": 24}
SMALL, SOURCE = [13, 16, 4, 24, 2], 5  # vocab, d_model, heads, d_ff, layers
LARGE = [31, 64, 4, 128, 1]


def models(draw: Any, reference: Any, model: list[int], n: int, source: int, max_len: int) -> Callable[[Any], Any]:
    """Draws arguments of the helper: all of max_len is written, not one token for ever, and none hangs on a hair."""
    shapes = reference.run("parameter_shapes", model)
    while True:
        state = {
            name: draw.tensor(*shape) / (shape[-1] if len(shape) > 1 else 4) ** 0.5 for name, shape in shapes.items()
        }
        texts = [torch.from_numpy(draw.ints(1, model[0], 32, length)) for length in (source, max_len)]
        state, src = reference.run("sharpened", model, state, texts, EOS), texts[0][:n]
        found = reference.run("written", model, state, src, BOS, EOS, max_len)
        if found["gap"] > 1e-4 and found["tokens"].unique().numel() > 3:
            break

    def near(draw: Any) -> Any:
        for size in (NEAR, NEAR / 10, NEAR / 100, NEAR / 1000):
            moved = {name: item * (1 + size * draw.tensor(*item.shape)) for name, item in state.items()}
            again = reference.run("written", model, moved, src, BOS, EOS, max_len)
            if torch.equal(again["tokens"], found["tokens"]) and again["gap"] > 1e-6:
                return model, moved, src, BOS, EOS, max_len
        return near(draw)

    return near


@pytest.mark.task("decode", kind="cost")
@weight(2)
@number("7.8")
def test_greedy_decode_cached_cost(cost, limits, reference, draw):
    """greedy_decode_cached: every token goes through the layers once"""

    def measured(**sizes):
        n, max_len = (SIZES | sizes).values()
        return cost.run("scored", models(draw, reference, SMALL, n, SOURCE, max_len))

    first = measured()
    constant = {"N doubles": measured(N=2 * SIZES["N"])}
    linear = {"max_len doubles": measured(max_len=2 * SIZES["max_len"])}
    cost.within(first, limits, constant=constant, linear=linear)


@pytest.mark.task("decode", kind="race")
@weight(2)
@number("7.9")
def test_greedy_decode_cached_race(race, reference, draw):
    """greedy_decode_cached: keeps up with the reference"""
    race.run("scored", models(draw, reference, LARGE, 16, 32, 48))
