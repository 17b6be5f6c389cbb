"""The ladder of comparison: which rung stops an answer, what it is told, and what it is never told."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from autograder.checks import Closeness, Tolerance, compare, tolerance_for
from autograder.checks.compare import slips
from autograder.errors import GraderError
from autograder.sandbox.wire import Foreign

F64, F32, F16, I64 = (np.dtype(code) for code in ("f8", "f4", "f2", "i8"))
GRID = np.random.default_rng(1).standard_normal((3, 4, 5))


def told(got: Any, expected: Any, **closeness: Any) -> str:
    """What an answer is told; it must be wrong."""
    found = compare(got, expected, "y", Closeness(**closeness))
    assert found is not None
    return found.text


# Rungs ------------------------------------------------------------------------------------------------------------

ARRAY = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
RUNGS = {
    "nothing": (None, ARRAY, "returned", "y is None: is a return missing"),
    "nothing inside a tuple": ((ARRAY, None), (ARRAY, 1.0), "returned", "y[1] is None"),
    "something for nothing": (3, None, "type", "should be None, and is an int"),
    "a list for an array": (ARRAY.tolist(), ARRAY, "type", "should be a numpy array, and is a list of length 2"),
    "a tensor for an array": (torch.ones(2, 3), ARRAY, "type", "is a float32 tensor of shape (2, 3)"),
    "an array for a tensor": (ARRAY, torch.ones(2, 3), "type", "should be a torch tensor, and is a float64 array"),
    "an object for an array": (Foreign("Liar"), ARRAY, "type", "is an object of type Liar"),
    "a number for an array": (3.0, ARRAY, "type", "should be a numpy array, and is a float"),
    "an array for a number": (np.ones(1), 1.0, "type", "should be one number, and is a float64 array of shape (1,)"),
    "true for one": (True, 1, "type", "should be one number, and is a bool"),
    "text for a number": ("1", 1, "type", "should be one number, and is a str"),
    "a number for truth": (1, True, "type", "should be a bool, and is an int"),
    "an array for a dict": (ARRAY, {"a": 1}, "type", "should be a dict"),
    "a dict for a list": ({"a": 1}, [1], "type", "should be 1 values, and is a dict"),
    "too short": ([1], [1, 2], "structure", "should be 2 values, and has 1"),
    "too long": ((1, 2, 3), (1, 2), "structure", "should be 2 values, and has 3"),
    "another key": ({"a": 1, "c": 2}, {"a": 1, "b": 2}, "structure", "lacks 1 of its 2 keys and has 1 too many"),
    "transposed": (ARRAY.T, ARRAY, "shape", "(3, 2); it should be (2, 3) (the axes are in another order)"),
    "flat": (ARRAY.ravel(), ARRAY, "shape", "(6,); it should be (2, 3) (the same number of entries"),
    "kept dimension": (ARRAY[None], ARRAY, "shape", "(1, 2, 3); it should be (2, 3)"),
    "booleans for numbers": (ARRAY > 2, ARRAY, "dtype", "holds booleans; it should be floating numbers"),
    "numbers for booleans": (ARRAY, ARRAY > 2, "dtype", "holds floating numbers; it should be booleans"),
    "complex for real": (ARRAY + 0j, ARRAY, "dtype", "holds complex numbers"),
    "NaN": (
        ARRAY * [1, np.nan, 1],
        ARRAY,
        "finite",
        "2 of 6 values NaN where a finite number belongs, first at [0, 1]",
    ),
    "infinity": (ARRAY * [np.inf, 1, 1], ARRAY, "finite", "2 of 6 values infinite where a finite number belongs"),
    "NaN for a number": (math.nan, 1.0, "finite", "the value NaN"),
    "a wrong number": (1.5, 1.0, "value", "the value differs: off by 0.5"),
    "a wrong integer": (7, 4, "value", "y is wrong: off by 3"),
    "wrong text": ("abc", "xyz", "value", "'abc', which is wrong"),
    "a wrong truth": (False, True, "value", "is False, which is wrong"),
    "a wrong entry": (ARRAY + np.eye(2, 3), ARRAY, "value", "2 of 6 values differ, worst at [0, 0]: off by 1"),
    "a wrong part": ({"a": [1, 2]}, {"a": [1, 3]}, "value", "y['a'][1] is wrong"),
}


@pytest.mark.parametrize(("got", "expected", "rung", "text"), RUNGS.values(), ids=RUNGS.keys())
def test_an_answer_stops_at_the_first_rung_it_misses(got: Any, expected: Any, rung: str, text: str) -> None:
    found = compare(got, expected, "y")
    assert found is not None
    assert found.rung == rung
    assert text in found.text


EQUAL = {
    "nothing": (None, None),
    "a list for a tuple": ([1, 2.0], (1, 2.0)),
    "an integer array of whole numbers": (np.array([1, 2]), np.array([1.0, 2.0])),
    "float32 within its rounding": (ARRAY.astype("f4") * np.float32(1 + 1e-6), ARRAY),
    "a scalar array for a number": (np.array(2.0), 2.0),
    "a scalar tensor for a number": (torch.tensor(2.0), 2.0),
    "a number for a scalar tensor": (2.0, torch.tensor(2.0)),
    "numpy's truth": (np.True_, True),
    "the same infinities": (np.array([np.inf, -np.inf, 1.0]), np.array([np.inf, -np.inf, 1.0])),
    "nothing in it": (np.zeros((0, 3)), np.zeros((0, 3))),
    "tensors": (torch.ones(2), torch.ones(2)),
    "a dict in another order": ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
    "complex numbers": (np.array([1 + 2j]), np.array([1 + 2j])),
}


@pytest.mark.parametrize(("got", "expected"), EQUAL.values(), ids=EQUAL.keys())
def test_what_is_equal_passes(got: Any, expected: Any) -> None:
    assert compare(got, expected, "y") is None


def test_where_answers_differ_is_told_as_a_mask() -> None:
    found = compare(ARRAY + np.eye(2, 3), ARRAY, "y")
    assert found is not None
    np.testing.assert_array_equal(found.differs, np.eye(2, 3, dtype=bool))


@pytest.mark.parametrize(
    "got, expected",
    [
        pytest.param(np.array([np.inf]), np.array([-np.inf]), id="the other infinity"),
        pytest.param(np.array([1.0]), np.array([np.inf]), id="finite for infinite"),
        pytest.param(np.array([1.0]), np.array([np.nan]), id="finite for NaN"),
        pytest.param(np.array([np.nan]), np.array([np.inf]), id="NaN for infinite"),
        pytest.param(np.array([np.nan]), np.array([np.nan]), id="NaN for NaN"),
    ],
)
def test_nothing_is_near_what_is_not_finite(got: np.ndarray, expected: np.ndarray) -> None:
    found = compare(got, expected, "y")
    assert found is not None
    assert found.rung == "value"


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(shapes, shapes)
def test_shapes_never_broadcast(mine: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    assume(mine != theirs)
    found = compare([np.ones(mine)], [np.ones(theirs)], "y")
    assert found is not None
    assert found.rung in ("shape", "type")  # a reference's 0-d array is a number


# Tolerances -------------------------------------------------------------------------------------------------------

TABLE = {  # dtypes of what is expected and of what was sent, options, rtol
    "float64": ((F64, F64), {}, 1e-8),
    "float32": ((F32, F32), {}, 1e-4),
    "float16 sent": ((F64, F16), {}, 1e-2),
    "the coarser of two": ((F64, F32), {}, 1e-4),
    "the coarser of two, the other way round": ((F32, F64), {}, 1e-4),
    "complex128 as float64": ((np.dtype("c16"), F64), {}, 1e-8),
    "complex64 as float32": ((np.dtype("c8"), np.dtype("c16")), {}, 1e-4),
    "integers exactly": ((I64, I64), {}, 0.0),
    "booleans exactly": ((np.dtype(bool), np.dtype(bool)), {"gradient": True}, 0.0),
    "an integer beside a float": ((I64, F32), {}, 1e-4),
    "a gradient": ((F64, F64), {"gradient": True}, 1e-7),
    "short sums": ((F64, F64), {"length": 4096}, 1e-8),
    "long sums, like the square root": ((F64, F64), {"length": 4 * 4096}, 2e-8),
    "long sums of a gradient": ((F32, F32), {"length": 16 * 4096, "gradient": True}, 4e-3),
}


@pytest.mark.parametrize(("dtypes", "options", "rtol"), TABLE.values(), ids=TABLE.keys())
def test_the_table_of_tolerances(dtypes: tuple[np.dtype, np.dtype], options: dict[str, Any], rtol: float) -> None:
    assert tolerance_for(*dtypes, **options).rtol == pytest.approx(rtol)


@pytest.mark.parametrize("dtype", [F64, F32, F16], ids=str)
@pytest.mark.parametrize("gradient", [False, True], ids=["value", "gradient"])
def test_a_difference_passes_below_its_tolerance_and_not_above(dtype: np.dtype, gradient: bool) -> None:
    expected = np.array([0.0, 1.0, -4.0]).astype(dtype)
    rtol = tolerance_for(dtype, gradient=gradient).rtol
    strict = {"gradient": gradient, "strict": True}
    for share, passes in ((0.5, True), (2.5, False)):
        got = expected.copy()
        got[2] = -4.0 * (1 + share * rtol)
        assert (compare(got, expected, "y", Closeness(**strict)) is None) is passes


def test_an_entry_that_cancels_is_judged_by_the_largest() -> None:
    expected = np.array([1e6, 0.0])
    assert compare(expected + np.array([0, 1e-3]), expected, "y") is None
    assert "differ" in told(expected + np.array([0, 1e1]), expected)


def test_infinities_do_not_loosen_the_tolerance() -> None:
    expected = np.array([np.inf, 1.0])
    assert "1 of 2 values differ" in told(np.array([np.inf, 1.1]), expected)


def test_a_tolerance_of_the_checks_own_takes_the_place_of_the_table() -> None:
    assert compare(np.ones(3), np.full(3, 1.05), "y", Closeness(Tolerance(0.1, 0.0))) is None
    assert "differ" in told(np.ones(3), np.full(3, 1.0 + 1e-9), tol=Tolerance(0.0, 0.0), strict=True)


COARSE = {
    "float16": GRID.astype(np.float16),
    "float16 that happens to be exact": np.round(GRID).astype(np.float16),
    "bfloat16": torch.from_numpy(GRID).bfloat16(),
}


@pytest.mark.parametrize("got", COARSE.values(), ids=COARSE.keys())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_coarse_answer_is_judged_by_what_was_expected(got: Any, dtype: torch.dtype) -> None:
    right = torch.as_tensor(got).to(dtype)
    found = compare(got, right if isinstance(got, torch.Tensor) else right.numpy(), "y")
    assert found is not None and found.rung == "dtype"
    assert "16 numbers, which keep two or three digits" in found.text


def test_where_half_precision_was_sent_it_may_come_back() -> None:
    for right in (GRID.astype(np.float16), torch.from_numpy(GRID).bfloat16()):
        assert compare(right * (1 + 1e-3), right, "y") is None
    assert compare(GRID * (1 + 5e-5), GRID, "y", Closeness(sent=F32)) is None
    assert "differ" in told(GRID * (1 + 5e-5), GRID)


def scaled_in_float32(x: np.ndarray) -> np.ndarray:
    return x * float(np.float32(1 / np.sqrt(3)))


def summed_in_float32(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.cumsum(x.astype(np.float32), axis=1, dtype=np.float32), dtype=np.float64)


SLIPS = {  # computed in float32 on the way, right
    "a constant": (scaled_in_float32(GRID), GRID / np.sqrt(3)),
    "an accumulator": (summed_in_float32(GRID), np.cumsum(GRID, axis=1)),
    "the answer": (GRID.astype(np.float32), GRID),
}


@pytest.mark.parametrize(("got", "right"), SLIPS.values(), ids=SLIPS.keys())
def test_what_was_computed_in_float32_on_the_way_is_right_and_told_apart(got: np.ndarray, right: np.ndarray) -> None:
    assert compare(got, right, "y") is None
    assert slips(got, right, Closeness())
    assert not slips(right * (1 + 1e-12), right, Closeness())


def test_a_wrong_formula_is_no_slip_of_precision() -> None:
    variance = np.abs(GRID) + 1
    assert "differ" in told(GRID / (np.sqrt(variance) + 1e-5), GRID / np.sqrt(variance + 1e-5))


@pytest.mark.parametrize(
    "expected", [b"ab", {1, 2}, Foreign("Point"), object()], ids=["bytes", "set", "foreign", "object"]
)
def test_what_cannot_be_compared_is_our_fault(expected: Any) -> None:
    with pytest.raises(GraderError, match="cannot be compared"):
        compare(1, expected, "y")


def test_integers_are_exact() -> None:
    assert "1 of 2 values differ" in told(np.array([10**12, 1]), np.array([10**12 + 1, 1]))


# Patterns ---------------------------------------------------------------------------------------------------------

SQUARE = np.random.default_rng(2).standard_normal((4, 4))


def only(index: int, axis: int) -> np.ndarray:
    """GRID with one index along an axis changed, each entry of it by another amount."""
    got = GRID.copy()
    changed = np.moveaxis(got, axis, 0)[index]
    changed += np.linspace(1, 2, changed.size).reshape(changed.shape)
    return got


PATTERNS = {
    "a factor": (GRID * 3, GRID, "Every value is 3 times what it should be"),
    "a factor near 1": (GRID * 1.0003, GRID, "Every value is too large by 0.03 %"),
    "a factor below 1": (GRID * 0.99998, GRID, "Every value is too small by 0.002 %"),
    "a fraction": (GRID / 4, GRID, "Every value is 0.25 times"),
    "the sign": (-GRID, GRID, "Every value has the wrong sign"),
    "an offset": (GRID + 0.5, GRID, "Every value is off by the same amount"),
    "zeros": (GRID * 0, GRID, "Every value you return is 0"),
    "swapped axes": (SQUARE.T, SQUARE, "right with axes 0 and 1 swapped"),
    "reversed first axis": (GRID[::-1], GRID, "right in reverse order along axis 0"),
    "reversed last axis": (GRID[..., ::-1], GRID, "right in reverse order along axis 2"),
    "only the last index": (only(-1, 1), GRID, "Only the last index along axis 1 is affected"),
    "only the first index": (only(0, 2), GRID, "Only the first index along axis 2 is affected"),
    "only one in the middle": (only(1, 0), GRID, "Only index 1 along axis 0 is affected"),
}


@pytest.mark.parametrize(("got", "expected", "text"), PATTERNS.values(), ids=PATTERNS.keys())
def test_a_regularity_is_recognised(got: np.ndarray, expected: np.ndarray, text: str) -> None:
    assert text in told(got, expected)
    assert text in told(torch.from_numpy(got.copy()), torch.from_numpy(expected.copy()))


def test_no_regularity_is_made_up() -> None:
    text = told(GRID + np.random.default_rng(3).standard_normal(GRID.shape), GRID)
    assert re.search(r"off by \d\.\d+$", text)
    assert "60 of 60 values differ" in text


# What is never told -----------------------------------------------------------------------------------------------

# Distances are told to three digits, so an answer of 0 learns as many of what was expected, and no more.
numbers = st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3 and float(f"{x:.3g}") != x)


@given(st.lists(numbers, min_size=1, max_size=6), st.lists(numbers, min_size=6, max_size=6))
def test_no_message_holds_an_expected_entry(expected: list[float], got: list[float]) -> None:
    theirs = np.array(expected)
    found = compare(np.array(got[: len(expected)]), theirs, "y")
    assume(found is not None)
    assert found is not None
    assert not any(repr(abs(value)) in found.text for value in expected)


@given(st.dictionaries(st.text("abcdefgh", min_size=6), numbers, min_size=1, max_size=3))
def test_a_missing_key_is_not_named(expected: dict[str, float]) -> None:
    text = told({}, expected)
    assert all(key not in text for key in expected)


@given(st.text(min_size=3), st.text(min_size=3))
def test_expected_text_is_not_told(got: str, expected: str) -> None:
    assume(expected not in got and expected not in "y is '', which is wrong" and repr(expected)[1:-1] not in repr(got))
    assert expected not in told(got, expected)


@pytest.mark.parametrize(
    "got", [np.zeros(3), np.full(3, np.nan), np.zeros(4), None, [1, 2], np.zeros(3, bool), Foreign("X")], ids=repr
)
def test_no_rung_shows_what_was_expected(got: Any) -> None:
    expected = np.array([12345.678, 87654.321, 31415.926])
    assert not any(piece in told(got, expected) for piece in ("12345", "87654", "31415", "12346"))
