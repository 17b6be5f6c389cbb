"""The picture of a wrong answer shows where and on which side, and nothing of what was expected."""

from typing import Any

import numpy as np
import pytest

from autograder.checks.compare import compare
from autograder.checks.picture import SIDE, Picture

ZEROS = np.zeros((2, 3, 4, 5))


def at(shape: tuple[int, ...], **places: Any) -> np.ndarray:
    """Zeros but for values at places, written as `i0_1_2=value`."""
    array = np.zeros(shape)
    for place, value in places.items():
        array[tuple(map(int, place[1:].split("_")))] = value
    return array


def drawn(got: np.ndarray, expected: np.ndarray) -> Picture | None:
    """The picture of an answer that is wrong."""
    found = compare(got, expected, "dw")
    assert found is not None
    return found.picture


def test_the_plane_of_the_worst_place_is_shown_with_its_axes_and_sides() -> None:
    picture = drawn(at(ZEROS.shape, i0_1_2_3=1.0, i1_2_0_0=-9.0, i1_2_3_4=2.0), ZEROS)
    assert picture is not None
    assert picture.rows == [[-1, 0, 0, 0, 0], [0] * 5, [0] * 5, [0, 0, 0, 0, 0.5]]
    assert picture.caption == (
        "dw, at [1, 2, :, :]: axis 2 down, axis 3 across. "
        "+ is too large, − is too small; the frame is around the worst."
    )


def test_a_plane_alone_has_no_place_and_one_side_no_other() -> None:
    picture = drawn(at((2, 3), i0_1=-2.0), np.zeros((2, 3)))
    assert picture is not None
    assert picture.rows == [[0, -1, 0], [0, 0, 0]]
    assert picture.caption == "dw: axis 0 down, axis 1 across. − is too small; the frame is around the worst."


def test_a_row_is_drawn_as_a_row() -> None:
    picture = drawn(at((4,), i2=3.0), np.zeros(4))
    assert picture is not None
    assert picture.rows == [[0, 0, 1, 0]]
    assert picture.caption.startswith("dw: index 0 to the left. + is too large")


@pytest.mark.parametrize(
    "got, expected",
    [
        pytest.param(ZEROS + 1, ZEROS, id="everywhere"),
        pytest.param(ZEROS + at(ZEROS.shape[:2], i0_1=1.0)[..., None, None], ZEROS, id="everywhere in the plane"),
        pytest.param(2.0, 1.0, id="one number"),
        pytest.param(np.array([2.0]), np.array([1.0]), id="one number in an array"),
        pytest.param(np.zeros((2, 3)), np.zeros((3, 2)), id="another shape"),
    ],
)
def test_there_is_no_picture_where_there_is_nothing_to_see(got: Any, expected: Any) -> None:
    assert drawn(got, expected) is None


@pytest.mark.parametrize(
    "got, expected",
    [
        pytest.param(at((2, 2), i0_1=np.nan), np.zeros((2, 2)), id="NaN"),
        pytest.param(at((2, 2), i0_1=np.inf), np.zeros((2, 2)), id="infinity"),
        pytest.param(at((2, 2), i0_1=1).astype(bool), np.zeros((2, 2), bool), id="booleans"),
        pytest.param(at((2, 2), i0_1=1).astype(complex), np.zeros((2, 2), complex), id="complex numbers"),
    ],
)
def test_what_has_no_side_is_marked_all_the_same(got: np.ndarray, expected: np.ndarray) -> None:
    picture = drawn(got, expected)
    assert picture is not None
    assert picture.rows == [[0, 0.25], [0, 0]]
    assert picture.caption.endswith("The squares in colour are wrong.")


def test_a_large_array_is_thinned_and_loses_no_wrong_value() -> None:
    picture = drawn(at((100, 300), i99_299=-1.0, i50_7=2.0), np.zeros((100, 300)))
    assert picture is not None
    rows = np.array(picture.rows)
    assert max(rows.shape) <= SIDE
    assert (rows[50 // 4, 0], rows[-1, -1], np.count_nonzero(rows)) == (1, -0.5, 2)
    assert picture.caption.endswith("Each square stands for up to 4 x 10 values.")


def test_how_far_off_an_answer_is_does_not_show() -> None:
    right = np.random.default_rng(5).standard_normal((6, 7))
    wrong = np.where(np.arange(7) == 2, 0.0, right)
    one, other = drawn(wrong, right), drawn(np.where(np.arange(7) == 2, right - 5 * np.sign(right), right), right)
    assert one is not None
    assert other is not None
    assert set(np.abs(one.rows).ravel()) == {0, 0.5, 1}
    assert np.array_equal(np.sign(one.rows), np.sign(other.rows))
