"""Yours and expected, side by side: what is shown, and where nothing is."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from autograder.checks import Expect
from autograder.checks.beside import MOST, WIDEST, beside
from autograder.checks.failure import CheckFailed

TABLES = {
    "whole numbers": (
        [[5, 11], [23, 29]],
        [[19, 11], [37, 43]],
        [" 5  11    19  11      -14    ·", "23  29    37  43      -14  -14"],
    ),
    "fractions": ([0.5, 2.0], [0.25, 2.0], ["0.5  2.0    0.25  2.00    +0.25      ·"]),
    "booleans": ([True, False], [True, True], [" True  False    True  True    ·  x"]),
    "one number": (3.0, 4.0, ["3        4           -1"]),
    "NaN": ([np.nan, 1.0], [2.0, 1.0], ["nan    1    2  1         x  ·"]),
    "large ones": ([2e9], [1e9], ["2e+09    1e+09       +1e+09"]),
    "blocks": (
        [[[1, 2]], [[3, 4]]],
        [[[1, 2]], [[3, 5]]],
        ["[0]", "1  2     1  2         ·   ·", "[1]", "3  4     3  5         ·  -1"],
    ),
}


@pytest.mark.parametrize(("got", "expected", "rows"), TABLES.values(), ids=TABLES.keys())
def test_small_arrays_stand_side_by_side(got: object, expected: object, rows: list[str]) -> None:
    head, *shown = beside(np.array(got), np.array(expected)).split("\n")
    assert head.split() == ["yours", "expected", "difference"]
    assert [row.split() for row in shown] == [row.split() for row in rows]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        pytest.param(np.zeros(MOST + 1), np.ones(MOST + 1), id="too many"),
        pytest.param(np.zeros((2, 3)), np.ones((3, 2)), id="another shape"),
        pytest.param(np.zeros((0, 3)), np.ones((0, 3)), id="nothing in it"),
        pytest.param(np.zeros((1, 40)), np.ones((1, 40)), id="too wide"),
    ],
)
def test_what_is_too_much_is_not_shown(got: np.ndarray, expected: np.ndarray) -> None:
    assert beside(got, expected) == ""


def test_digits_give_way_where_there_is_no_room() -> None:
    numbers = np.random.default_rng(0).standard_normal(5)
    table = beside(numbers, numbers + 1)
    assert table and max(map(len, table.split("\n"))) <= WIDEST


def test_the_message_itself_never_holds_what_was_expected() -> None:
    with pytest.raises(CheckFailed) as failed:
        Expect(cast(Any, SimpleNamespace(log=[])))(np.array([1.25, 7.5]), np.array([3.125, 9.625]))
    assert "3.125" in failed.value.evidence.beside
    assert "3.125" not in str(failed.value) and "9.625" not in str(failed.value)
