"""Convolution as numbers, with its gradients, and as fast tensor operations."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

SHAPES = [  # of image and kernel
    pytest.param((7, 5), (3, 2), id="tall"),
    pytest.param((4, 9), (1, 5), id="flat"),
    pytest.param((3, 6), (3, 6), id="kernel as large as the image"),
    pytest.param((5, 4), (1, 1), id="one entry"),
]
CHANNELS = [  # of images and kernels; sizes all differ, so that a swapped axis shows
    pytest.param((2, 3, 7, 6), (4, 3, 3, 2), id="more out than in"),
    pytest.param((3, 5, 4, 8), (2, 5, 2, 3), id="more in than out"),
]
STRIDES = [  # of images, kernels, stride
    pytest.param((2, 3, 9, 8), (4, 3, 3, 2), 2, id="divides"),
    pytest.param((2, 3, 8, 11), (4, 3, 3, 2), (2, 4), id="leaves a remainder"),
    pytest.param((3, 2, 10, 7), (4, 2, 2, 3), (3, 1), id="skips rows"),
]
PADDINGS = [  # of images, kernels, stride, padding
    pytest.param((2, 3, 5, 6), (4, 3, 3, 2), 1, 1, id="one"),
    pytest.param((3, 2, 6, 4), (5, 2, 2, 3), 1, (0, 2), id="columns only"),
    pytest.param((2, 3, 4, 5), (1, 3, 2, 3), (2, 3), (3, 4), id="wider than the kernel"),
]
LARGE = (2, 32, 36, 37), (2, 32, 2, 2)  # a derivative taken entry by entry takes minutes of these
EDGES = [  # of images, kernels
    pytest.param((2, 3, 4, 5), (6, 3, 1, 1), id="1x1 kernel"),
    pytest.param((2, 3, 4, 5), (6, 3, 4, 5), id="kernel as large as the image"),
    pytest.param((0, 3, 5, 4), (2, 3, 3, 2), id="no images"),
]


@pytest.mark.task("corr2d")
@weight(3)
@number("1.2")
@pytest.mark.parametrize("image, kernel", SHAPES)
def test_corr2d(agrees, draw, image, kernel):
    """corr2d: images and kernels of any shape"""
    agrees("corr2d", draw.wide(*image), draw(*kernel))


@pytest.mark.task("conv2d")
@weight(4)
@number("2.3")
@pytest.mark.parametrize("x, w, stride, padding", PADDINGS)
def test_conv2d_forward(agrees, draw, x, w, stride, padding):
    """conv2d_forward: values, whatever the backward does"""
    agrees.run("forward", "conv2d", draw(*x), draw(*w), draw(w[0]), stride=stride, padding=padding)


@pytest.mark.task("conv2d")
@weight(3)
@number("2.4")
@pytest.mark.parametrize("x, w", [*CHANNELS, pytest.param(*LARGE, id="many channels")])
def test_conv2d_channels(agrees, draw, x, w):
    """conv2d: several channels in and out, with gradients"""
    agrees.pair("conv2d", draw(*x), draw(*w), draw(w[0]))
    agrees.interleaved("conv2d", *((draw.wide(*x), draw(*w), draw(w[0])) for _ in range(2)))


@pytest.mark.task("conv2d")
@weight(4)
@number("2.5")
@pytest.mark.parametrize("x, w, stride", [*STRIDES, pytest.param(*LARGE, (2, 1), id="many channels")])
def test_conv2d_stride(agrees, draw, x, w, stride):
    """conv2d: strides, with gradients"""
    agrees.pair("conv2d", draw(*x), draw(*w), draw(w[0]), stride=stride)


@pytest.mark.task("conv2d")
@weight(3)
@number("2.6")
@pytest.mark.parametrize("x, w, stride, padding", [*PADDINGS, pytest.param(*LARGE, 1, (1, 2), id="many channels")])
def test_conv2d_padding(agrees, draw, x, w, stride, padding):
    """conv2d: padding, with gradients"""
    agrees.pair("conv2d", draw(*x), draw(*w), draw(w[0]), stride=stride, padding=padding)


@pytest.mark.task("conv2d")
@weight(2)
@number("2.7")
@pytest.mark.parametrize("x, w", [*EDGES, pytest.param((2, 32, 36, 37), (3, 32, 1, 1), id="1x1 kernel, many channels")])
def test_conv2d_edge_cases(agrees, draw, x, w):
    """conv2d: 1x1 kernels, kernels as large as the image, no images at all"""
    agrees.pair("conv2d", draw(*x), draw(*w), draw(w[0]))


@pytest.mark.task("conv2d")
@weight(2)
@number("2.8")
def test_conv2d_without_bias(agrees, draw):
    """conv2d: without a bias, db is None"""
    agrees.pair("conv2d", draw(2, 3, 6, 5), draw(4, 3, 2, 3))
    agrees.pair("conv2d", *(draw(*shape) for shape in LARGE))


@pytest.mark.task("conv2d", kind="property")
@weight(1)
@number("2.9")
def test_conv2d_unread_rows_get_no_gradient(student, draw, expect):
    """conv2d: rows and columns that no window reads get exactly 0"""
    x, stride = (2, 3, 150, 160), (3, 4)
    got = student.pair("conv2d", draw(*x), draw(4, 3, 2, 2), draw(4), stride=stride, padding=0)
    dx = expect.array(got["gradients"]["dx"], x, what="dx")
    read = (np.arange(150) % 3 < 2)[:, None] & (np.arange(160) % 4 < 2)  # windows of 2x2, every 3 rows and 4 columns
    expect.true((dx[:, :, ~read] == 0).all(), "dx is not exactly 0 in rows and columns that no window reads")
    expect.true((dx[:, :, read] != 0).all(), "dx is 0 where a window reads")


@pytest.mark.task("conv2d", kind="dtype")
@weight(1)
@number("2.10")
def test_float32_stays_float32(keeps_dtype, draw):
    """all tasks: float32 in, float32 out"""
    keeps_dtype.pair("conv2d", *(draw(*shape).astype(np.float32) for shape in (*LARGE, (2,))), stride=2, padding=1)
    x, w, b = (draw(*shape).astype(np.float32) for shape in ((2, 3, 6, 5), (4, 3, 3, 2), (4,)))
    others = keeps_dtype.if_right
    others("corr2d", x[0, 0], w[0, 0])
    others.pair("max_pool2d", x, kernel=2)
    others.pair("avg_pool2d", x, kernel=2)
    others("softmax_cross_entropy", x[0, 0], draw.ints(0, 5, 6))
    others("pmf_convolve", np.full(3, 1 / 3, np.float32), np.full(2, 1 / 2, np.float32))
    others("log_conv2d", x[0, 0], w[0, 0])
    tensors = [draw.tensor(*array.shape).float() for array in (x, w, b)]
    others.autograd("conv2d_fast", *tensors, stride=2, padding=1)


@pytest.mark.task("conv2d_fast")
@weight(3)
@number("8.2")
@pytest.mark.parametrize("x, w, stride, padding", PADDINGS)
def test_conv2d_fast(agrees, draw, x, w, stride, padding):
    """conv2d_fast: outputs and gradients, with stride and padding"""
    agrees.autograd("conv2d_fast", draw.tensor(*x), draw.tensor(*w), draw.tensor(w[0]), stride=stride, padding=padding)


@pytest.mark.task("conv2d_fast")
@weight(1)
@number("8.3")
@pytest.mark.parametrize("x, w, stride", STRIDES)
def test_conv2d_fast_stride(agrees, draw, x, w, stride):
    """conv2d_fast: strides that leave rows unread"""
    agrees.autograd("conv2d_fast", draw.tensor(*x), draw.tensor(*w), draw.tensor(w[0]), stride=stride)


@pytest.mark.task("conv2d_fast")
@weight(2)
@number("8.4")
@pytest.mark.parametrize("x, w", EDGES)
def test_conv2d_fast_edge_cases(agrees, draw, x, w):
    """conv2d_fast: without a bias; 1x1 kernels, kernels as large as the image, no images"""
    agrees.autograd("conv2d_fast", draw.tensor(*x), draw.tensor(*w))
