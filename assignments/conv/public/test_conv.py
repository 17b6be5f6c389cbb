"""Worked examples from the handout and the lectures, which students can run themselves."""

import math

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

IMAGE = np.arange(9.0).reshape(3, 3)
KERNEL = np.arange(4.0).reshape(2, 2)


def equals_torch(student, draw, expect, name, layer, *arrays, **options):
    """Output and gradients are those of torch's layer; of large arrays a derivative by entries takes minutes."""
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    expected = layer(*leaves)
    dout = draw(*expected.shape)
    got = student.pair(name, *arrays, **options, cotangents=(dout,))
    expect(got["outputs"]["out"], expected.detach().numpy(), what="the output")
    slopes = torch.autograd.grad(expected, leaves, torch.from_numpy(dout))
    for what, slope in zip(("dx", "dw", "db"), slopes, strict=False):  # a pooling layer has dx only
        expect(got["gradients"][what], slope.numpy(), what=what)


@pytest.mark.task("corr2d")
@weight(2)
@number("1.1")
def test_corr2d_lecture_example(student, expect):
    """corr2d: the lecture's 3x3 image and 2x2 kernel"""
    expect(student.corr2d(IMAGE, KERNEL), [[19.0, 25.0], [37.0, 43.0]])


@pytest.mark.task("conv2d")
@weight(2)
@number("2.1")
def test_conv2d_forward_example(student, draw, expect):
    """conv2d_forward: two input channels, three output channels, against torch's convolution"""
    x, w, b = draw(2, 2, 6, 5), draw(3, 2, 3, 2), draw(3)
    out = student.run("forward", "conv2d", x, w, b, stride=(2, 1), padding=(1, 0))
    expected = torch.nn.functional.conv2d(*map(torch.from_numpy, (x, w, b)), stride=(2, 1), padding=(1, 0))
    expect(out, expected.numpy(), what="the output")


@pytest.mark.task("conv2d")
@weight(2)
@number("2.2")
def test_conv2d_backward_example(student, draw, expect):
    """conv2d_backward: the gradients of the handout's example, and of many channels"""
    x, w, dout = IMAGE.reshape(1, 1, 3, 3), KERNEL.reshape(1, 1, 2, 2), np.ones((1, 1, 2, 2))
    got = student.pair("conv2d", x, w, np.array([10.0]), cotangents=(dout,))
    expect(got["outputs"]["out"], [[[[29.0, 35.0], [47.0, 53.0]]]], what="the output")
    expect(got["gradients"]["dx"], [[[[0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]]], what="dx")
    expect(got["gradients"]["dw"], [[[[8.0, 12.0], [20.0, 24.0]]]], what="dw")
    expect(got["gradients"]["db"], [4.0], what="db")
    arrays = draw(2, 32, 36, 37), draw(2, 32, 2, 2), draw(2)
    equals_torch(student, draw, expect, "conv2d", torch.nn.functional.conv2d, *arrays)


@pytest.mark.task("max_pool2d")
@weight(2)
@number("3.1")
def test_max_pool2d_example(student, draw, expect):
    """max_pool2d: the handout's 3x3 example, overlapping windows, and large images"""
    x, dout = IMAGE.reshape(1, 1, 3, 3) + 1, np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    got = student.pair("max_pool2d", x, kernel=2, stride=1, cotangents=(dout,))
    expect(got["outputs"]["out"], [[[[5.0, 6.0], [8.0, 9.0]]]], what="the output")
    expect(got["gradients"]["dx"], [[[[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 4.0]]]], what="dx")
    layer = torch.nn.MaxPool2d(3, stride=2)
    equals_torch(student, draw, expect, "max_pool2d", layer, draw(2, 3, 125, 121), kernel=3, stride=2)


@pytest.mark.task("avg_pool2d")
@weight(1)
@number("4.1")
def test_avg_pool2d_example(student, draw, expect):
    """avg_pool2d: the handout's 3x3 example, overlapping windows, and large images"""
    x, dout = IMAGE.reshape(1, 1, 3, 3) + 1, np.array([[[[4.0, 8.0], [12.0, 16.0]]]])
    got = student.pair("avg_pool2d", x, kernel=2, stride=1, cotangents=(dout,))
    expect(got["outputs"]["out"], [[[[3.0, 4.0], [6.0, 7.0]]]], what="the output")
    expect(got["gradients"]["dx"], [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]], what="dx")
    layer = torch.nn.AvgPool2d(3, stride=2)
    equals_torch(student, draw, expect, "avg_pool2d", layer, draw(2, 3, 125, 121), kernel=3, stride=2)


@pytest.mark.task("softmax_cross_entropy")
@weight(1)
@number("5.1")
def test_softmax_cross_entropy_of_no_opinion(student, draw, expect):
    """softmax_cross_entropy: all logits 0 cost ln C"""
    labels = draw.ints(0, 7, 5)
    loss, _ = student.softmax_cross_entropy(np.zeros((5, 7)), labels)
    expect(expect.number(loss, what="the loss"), math.log(7), what="the loss")


@pytest.mark.task("sizes")
@weight(2)
@number("6.1")
def test_sizes_in_the_lectures(student, expect):
    """sizes: the lectures' numbers"""
    expect(student.conv_output_size(3, 2), 2, what="conv_output_size(3, 2)")
    expect(student.fc_params(36_000_000, 100, bias=False), 3_600_000_000, what="fc_params of the lecture's photograph")
    expect(student.fc_params(200 * 200 * 3, 1, bias=False), 120_000, what="fc_params of one neuron on 200x200x3")
    expect(student.conv_params(1, 1, 2), 5, what="conv_params(1, 1, 2)")
    expect(student.receptive_field([(3, 1), (3, 1)]), 5, what="receptive_field of two stacked 3x3")


@pytest.mark.task("probability")
@weight(1)
@number("7.1")
def test_two_dice(student, expect):
    """pmf_convolve: the sum of two dice"""
    die = np.array([0, 1, 1, 1, 1, 1, 1]) / 6
    expect(student.pmf_convolve(die, die), np.array([0, 0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]) / 36)


@pytest.mark.task("conv2d_fast")
@weight(1)
@number("8.1")
def test_conv2d_fast_example(student, draw, expect):
    """conv2d_fast: values against torch's convolution"""
    x, w, b = draw.tensor(3, 2, 7, 5), draw.tensor(4, 2, 2, 3), draw.tensor(4)
    expect(student.conv2d_fast(x, w, b, stride=(1, 2), padding=1), torch.nn.functional.conv2d(x, w, b, (1, 2), 1))


@pytest.mark.task("cnn")
@weight(2)
@number("9.1")
def test_lenet_size(networks, draw, expect):
    """build_cnn: LeNet has 61,706 parameters and gives 10 numbers an image"""
    images = int(draw.ints(2, 6))
    lenet = networks("build_cnn", "lenet", images=(images, 1, 28, 28))
    expect(list(lenet.structure.output), [images, 10], what="LeNet's output shape")
    expect(lenet.held, 61_706, what="the number of LeNet's parameters")
    expect(lenet.structure.parameters, 61_706, what="the number of LeNet's parameters that take part in its output")
