"""Batch normalisation: outputs, running statistics and gradients against the reference's."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

SHAPES = [  # sizes all differ; M is N * H * W
    pytest.param((3, 4, 5, 2), {}, id="defaults"),
    pytest.param((4, 3, 2, 5), {"momentum": 0.3, "eps": 1e-2}, id="momentum and eps"),
    pytest.param((1, 2, 4, 3), {"momentum": 0.9}, id="one image"),
    pytest.param((5, 3, 1, 1), {"eps": 0.1}, id="one pixel"),
    pytest.param((4, 1000, 5, 5), {"eps": 1e-3}, id="many channels"),  # minutes, for derivatives entry by entry
]


def batchnorm_arguments(draw, shape):
    """x, gamma, beta, running mean and variance, none of them centred; every channel of x has a size of its own."""
    channels = shape[1]
    x = 10 ** draw.rng.uniform(-1, 1, (channels, 1, 1)) * draw(*shape) + 2 * draw(channels, 1, 1)
    return x, draw(channels), draw(channels), draw(channels), draw.rng.uniform(0.5, 2, channels)


def gradients(student, reference, draw, arguments, **options):
    """The student's gradients and the reference's, for the same cotangent, which is returned too."""
    dout = draw(*arguments[0].shape)
    got, right = (door.pair("batchnorm", *arguments, cotangents=dout, **options) for door in (student, reference))
    return got["gradients"], right["gradients"], dout


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.3")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_output(student, reference, expect, draw, shape, options):
    """batchnorm: in training, normalises by the mean and the biased variance of batch and space"""
    arguments = batchnorm_arguments(draw, shape)
    got, right = (door.run("normalised", *arguments, training=True, **options) for door in (student, reference))
    expect(got["y"], right["y"], what="y")


@pytest.mark.task("batchnorm")
@weight(3)
@number("1.4")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_running_statistics(student, reference, expect, draw, shape, options):
    """batchnorm: in training, running mean and variance move towards the batch's, with the unbiased variance"""
    arguments = batchnorm_arguments(draw, shape)
    got, right = (door.run("normalised", *arguments, training=True, **options) for door in (student, reference))
    expect.true(not np.array_equal(got["y"], arguments[0]), "y is x itself: nothing was normalised")
    for name in ("running_mean", "running_var"):
        expect(got[name], right[name], what=name)


@pytest.mark.task("batchnorm")
@weight(5)
@number("1.5")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_input_gradient(student, reference, expect, draw, shape, options):
    """batchnorm: dx in training, through the mean and the variance"""
    got, right, _ = gradients(student, reference, draw, batchnorm_arguments(draw, shape), training=True, **options)
    expect(got["dx"], right["dx"], what="dx")
    calls, dout = [batchnorm_arguments(draw, shape) for _ in range(2)], draw(*shape)
    options = options | {"training": True, "cotangents": dout}
    got, right = (door.interleaved("batchnorm", *calls, **options) for door in (student, reference))
    for index, (mine, theirs) in enumerate(zip(got, right, strict=True), 1):
        what = f"dx of call {index} of 2 (both forwards ran before the first backward)"
        expect(mine["gradients"]["dx"], theirs["gradients"]["dx"], what=what)


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.6")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_parameter_gradients(student, reference, expect, draw, shape, options):
    """batchnorm: dgamma and dbeta in training"""
    got, right, dout = gradients(student, reference, draw, batchnorm_arguments(draw, shape), training=True, **options)
    expect.true(not np.array_equal(got["dx"], dout), "dx is dout itself: nothing was differentiated")
    for name in ("dgamma", "dbeta"):
        expect(got[name], right[name], what=name)


@pytest.mark.task("batchnorm")
@weight(1)
@number("1.7")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_evaluation(student, reference, expect, draw, shape, options):
    """batchnorm: in evaluation, normalises by the running statistics and leaves them alone"""
    arguments = batchnorm_arguments(draw, shape)
    got, right = (door.run("normalised", *arguments, training=False, **options) for door in (student, reference))
    for name in ("y", "running_mean", "running_var"):
        expect(got[name], right[name], what=name)


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.8")
@pytest.mark.parametrize("shape, options", SHAPES)
def test_batchnorm_evaluation_gradients(student, reference, expect, draw, shape, options):
    """batchnorm: gradients in evaluation, where the statistics are constants"""
    got, right, _ = gradients(student, reference, draw, batchnorm_arguments(draw, shape), training=False, **options)
    for name in ("dx", "dgamma", "dbeta"):
        expect(got[name], right[name], what=name)


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.9")
def test_batchnorm_constant_channels(student, expect, draw):
    """batchnorm: channels that are constant, in float32, give beta and finite gradients"""
    # Many channels: rounding is a matter of luck in one. An error in the mean grows 1 / sqrt(eps) = 316 times.
    n, channels, height, width = 4, 64, 9, 10
    level, gamma, beta = draw.rng.uniform(-30, 30, channels), draw.rng.uniform(0.5, 1, channels), draw(channels)
    x = np.tile(level[:, None, None], (n, 1, height, width))
    arguments = [array.astype(np.float32) for array in (x, gamma, beta, np.zeros(channels), np.ones(channels))]
    dout = draw(*x.shape).astype(np.float32)
    got = student.pair("batchnorm", *arguments, cotangents=dout, training=True)
    right = np.broadcast_to(beta[:, None, None], x.shape)
    expect(got["outputs"]["y"], right, what="y of constant channels", tol=Tolerance(0, 0.05))
    expect(got["outputs"]["running_var"], np.full(channels, 0.9), what="running_var", tol=Tolerance(0, 1e-3))
    right = gamma[:, None, None] / np.sqrt(1e-5) * (dout - dout.mean(axis=(0, 2, 3), keepdims=True))
    expect(got["gradients"]["dx"], right, what="dx of constant channels", tol=Tolerance(1e-2, 0))
