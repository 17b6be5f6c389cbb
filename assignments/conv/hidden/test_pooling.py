"""Pooling: windows with and without overlap, remainders, ties."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

LARGE = (2, 3, 126, 120)  # a derivative taken entry by entry takes minutes of these
PLAIN = [  # images, kernel
    pytest.param((2, 3, 6, 8), 2, id="square"),
    pytest.param((3, 2, 6, 8), (3, 2), id="tall"),
    pytest.param((2, 4, 5, 7), (1, 7), id="whole rows"),
    pytest.param(LARGE, (4, 5), id="large images"),
]
OVERLAPPING = [  # images, kernel, stride
    pytest.param((2, 3, 7, 9), 3, 2, id="as in AlexNet"),
    pytest.param((3, 2, 5, 6), (2, 4), 1, id="stride 1"),
    pytest.param((2, 3, 8, 10), (4, 3), (2, 1), id="uneven"),
    pytest.param(LARGE, (5, 3), (4, 2), id="large images"),
]
REMAINDER = [  # images, kernel, stride
    pytest.param((2, 3, 7, 8), (2, 3), None, id="last row and columns unread"),
    pytest.param((3, 2, 9, 8), 2, (3, 4), id="gaps between windows"),
    pytest.param(LARGE, (5, 3), (5, 4), id="large images"),
]


@pytest.mark.task("max_pool2d")
@weight(3)
@number("3.2")
@pytest.mark.parametrize("x, kernel", PLAIN)
def test_max_pool2d(agrees, draw, x, kernel):
    """max_pool2d: windows side by side, with gradients"""
    agrees.pair("max_pool2d", draw(*x), kernel=kernel)
    agrees.interleaved("max_pool2d", *((draw.wide(*x),) for _ in range(2)), kernel=kernel)


@pytest.mark.task("max_pool2d")
@weight(3)
@number("3.3")
@pytest.mark.parametrize("x, kernel, stride", OVERLAPPING)
def test_max_pool2d_overlap(agrees, draw, x, kernel, stride):
    """max_pool2d: overlapping windows, with gradients"""
    agrees.pair("max_pool2d", draw(*x), kernel=kernel, stride=stride)


@pytest.mark.task("max_pool2d")
@weight(2)
@number("3.4")
@pytest.mark.parametrize("x, kernel, stride", REMAINDER)
def test_max_pool2d_remainder(agrees, draw, x, kernel, stride):
    """max_pool2d: rows and columns that no window reads"""
    agrees.pair("max_pool2d", draw(*x), kernel=kernel, stride=stride)


@pytest.mark.task("max_pool2d")
@weight(1)
@number("3.5")
def test_max_pool2d_of_negative_numbers(agrees, draw):
    """max_pool2d: an input that is negative everywhere"""
    for shape in ((2, 3, 6, 4), LARGE):
        agrees.pair("max_pool2d", -1 - np.abs(draw(*shape)), kernel=(3, 2))


@pytest.mark.task("max_pool2d", kind="property")
@weight(2)
@number("3.6")
def test_max_pool2d_ties(student, draw, expect):
    """max_pool2d: among equals the gradient may be split, but none is lost or invented"""
    n, rows, columns = 2, 63, 40
    x, dout = draw.ints(0, 2, n, 3, 2 * rows, 4 * columns).astype(float), draw(n, 3, rows, columns)
    x[0, 0, :2, :4] = 1.0  # one window of equals for certain
    got = student.pair("max_pool2d", x, kernel=(2, 4), cotangents=(dout,))
    dx = expect.array(got["gradients"]["dx"], x.shape, what="dx")
    windows, shares = (array.reshape(n, 3, rows, 2, columns, 4) for array in (x, dx))
    expect(shares.sum(axis=(3, 5)), dout, what="the sum of dx over each window")
    is_largest = windows == windows.max(axis=(3, 5), keepdims=True)
    expect.true((shares[~is_largest] == 0).all(), "an entry that is not the largest of its window gets a gradient")


@pytest.mark.task("avg_pool2d")
@weight(2)
@number("4.2")
@pytest.mark.parametrize("x, kernel", PLAIN)
def test_avg_pool2d(agrees, draw, x, kernel):
    """avg_pool2d: windows side by side, with gradients"""
    agrees.pair("avg_pool2d", draw(*x), kernel=kernel)
    agrees.interleaved("avg_pool2d", *((draw.wide(*shape),) for shape in (x, (1, *x[1:]))), kernel=kernel)


@pytest.mark.task("avg_pool2d")
@weight(2)
@number("4.3")
@pytest.mark.parametrize("x, kernel, stride", OVERLAPPING)
def test_avg_pool2d_overlap(agrees, draw, x, kernel, stride):
    """avg_pool2d: overlapping windows, with gradients"""
    agrees.pair("avg_pool2d", draw(*x), kernel=kernel, stride=stride)


@pytest.mark.task("avg_pool2d")
@weight(2)
@number("4.4")
@pytest.mark.parametrize("x, kernel, stride", REMAINDER)
def test_avg_pool2d_remainder(agrees, draw, x, kernel, stride):
    """avg_pool2d: rows and columns that no window reads"""
    agrees.pair("avg_pool2d", draw(*x), kernel=kernel, stride=stride)
