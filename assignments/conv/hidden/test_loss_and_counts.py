"""The loss, the arithmetic of sizes, and convolution as probability."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

WINDOWS = [  # of image and kernel
    pytest.param((7, 5), (3, 2), id="tall"),
    pytest.param((4, 8), (1, 5), id="flat"),
    pytest.param((3, 6), (3, 6), id="kernel as large as the image"),
]


@pytest.mark.task("softmax_cross_entropy")
@weight(3)
@number("5.2")
@pytest.mark.parametrize(
    "rows, classes", [(6, 4), (3, 9), (1, 5), (60, 1500)], ids=["6x4", "3x9", "one row", "many classes"]
)
def test_softmax_cross_entropy(agrees, draw, rows, classes):
    """softmax_cross_entropy: loss and gradient, averaged over the rows"""
    for logits in (3 * draw(rows, classes), draw.wide(rows, classes)):
        agrees("softmax_cross_entropy", logits, draw.ints(0, classes, rows))


@pytest.mark.task("softmax_cross_entropy")
@weight(3)
@number("5.3")
@pytest.mark.parametrize("shift", [1e4, -1e4, 0.0], ids=["all large", "all very negative", "far apart"])
def test_softmax_cross_entropy_of_large_logits(agrees, draw, shift):
    """softmax_cross_entropy: logits of 1e4 neither overflow nor underflow"""
    for rows, classes in ((5, 4), (60, 1500)):  # a derivative taken entry by entry takes minutes of these
        logits = draw(rows, classes) + shift if shift else 1e4 * draw(rows, classes)
        logits[0] += 1e3  # nor is there one largest logit for all rows
        agrees("softmax_cross_entropy", logits, logits.argmin(axis=1))  # whose probability underflows


@pytest.mark.task("sizes")
@weight(2)
@number("6.2")
@pytest.mark.parametrize(
    "n, kernel, stride, padding",
    [
        pytest.param(7, 3, 2, 0, id="divides"),
        pytest.param(224, 11, 4, 2, id="AlexNet's first layer"),
        pytest.param(10, 3, 4, 0, id="leaves most of a step"),
        pytest.param(8, 3, 2, 1, id="leaves a remainder"),
        pytest.param(6, 2, 1, 4, id="wide padding"),
    ],
)
def test_conv_output_size(agrees, n, kernel, stride, padding):
    """conv_output_size: strides that leave a remainder, and padding on both sides"""
    agrees("conv_output_size", n, kernel, stride=stride, padding=padding)


@pytest.mark.task("sizes")
@weight(2)
@number("6.3")
@pytest.mark.parametrize("bias", [True, False], ids=["with biases", "without"])
def test_parameter_counts(agrees, draw, bias):
    """conv_params, fc_params: with and without biases, kernels that are not square"""
    c_in, c_out, n_in, n_out = (int(draw.ints(low, low + 20)) for low in (3, 30, 60, 90))
    agrees("conv_params", c_in, c_out, 3, bias=bias)
    agrees("conv_params", c_in, c_out, (5, 2), bias=bias)
    agrees("fc_params", n_in, n_out, bias=bias)


@pytest.mark.task("sizes")
@weight(3)
@number("6.4")
@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([], id="no layers"),
        pytest.param([(3, 1)] * 6, id="six stacked 3x3"),
        pytest.param([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1)], id="the beginning of AlexNet"),
        pytest.param([(1, 3), (4, 2), (2, 2), (6, 1)], id="strides first"),
    ],
)
def test_receptive_field(agrees, layers):
    """receptive_field: stacked layers, strides, no layers"""
    agrees("receptive_field", layers)


def pmf(draw, n):
    """A random distribution on 0..n-1."""
    mass = draw(n) ** 2
    return mass / mass.sum()


@pytest.mark.task("probability")
@weight(2)
@number("7.2")
@pytest.mark.parametrize("a, b", [(4, 7), (8, 3), (1, 5)], ids=["4 and 7 values", "8 and 3", "1 and 5"])
def test_pmf_convolve(agrees, draw, a, b):
    """pmf_convolve: distributions of different lengths"""
    agrees("pmf_convolve", pmf(draw, a), pmf(draw, b))


@pytest.mark.task("probability")
@weight(3)
@number("7.3")
@pytest.mark.parametrize("image, kernel", WINDOWS)
def test_log_conv2d(agrees, draw, image, kernel):
    """log_conv2d: values"""
    for drawn in (draw, draw.wide):
        agrees("log_conv2d", drawn(*image), draw(*kernel))


@pytest.mark.task("probability")
@weight(2)
@number("7.4")
@pytest.mark.parametrize("spread", [1, 1000], ids=["all tiny", "far apart"])
def test_log_conv2d_of_tiny_probabilities(agrees, draw, spread):
    """log_conv2d: log-probabilities around -1000 stay finite, in windows that are 1,000 apart too"""
    agrees("log_conv2d", spread * draw(6, 5) - 1000, draw(2, 3) - 700)


@pytest.mark.task("probability")
@weight(1)
@number("7.5")
def test_log_conv2d_of_impossible_events(student, reference, draw, expect):
    """log_conv2d: -inf means impossible, and never becomes NaN"""
    x, k = draw(7, 6), draw(2, 3)
    x[:4, :4] = -np.inf
    k[0, 1] = -np.inf
    got, expected = student.log_conv2d(x, k), reference.log_conv2d(x, k)
    if isinstance(got, np.ndarray):
        expect.true(not np.isnan(got).any(), f"{np.isnan(got).sum()} of {got.size} values are NaN")
    expect(got, expected)
