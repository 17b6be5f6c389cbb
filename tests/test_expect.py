"""How often is often enough: shares of random outcomes, by the binomial distribution."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from autograder.checks import CheckFailed, Expect


def share(seen: int, of: int, p: float) -> None:
    Expect(cast(Any, SimpleNamespace(log=[]))).share(seen, of, p, "not as often as it should")


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.97])
@pytest.mark.parametrize("of", [1, 40, 3000])
def test_what_a_binomial_draws_passes(p: float, of: int) -> None:
    for seen in np.random.default_rng(0).binomial(of, p, 300):
        share(int(seen), of, p)


@pytest.mark.parametrize(
    "seen, of, p",
    [
        pytest.param(0, 400, 0.1, id="never, where forty are due"),
        pytest.param(250, 1000, 0.5, id="half as often"),
        pytest.param(1000, 1000, 0.5, id="always, where half are due"),
        pytest.param(1, 50, 0.0, id="once, where it cannot be"),
        pytest.param(49, 50, 1.0, id="once less than always"),
    ],
)
def test_what_chance_does_not_do_fails(seen: int, of: int, p: float) -> None:
    with pytest.raises(CheckFailed, match="not as often as it should"):
        share(seen, of, p)


@pytest.mark.parametrize("seen, p", [(0, 0.0), (50, 1.0)])
def test_the_certain_and_the_impossible_pass(seen: int, p: float) -> None:
    share(seen, 50, p)
