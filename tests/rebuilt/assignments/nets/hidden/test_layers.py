"""The layers: outputs and gradients equal the reference's; dropout by its definition."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded


@pytest.mark.task("affine")
@weight(10)
@number("1.2")
@pytest.mark.parametrize("shape", [(5,), (2, 3)], ids=["rows", "images"])
def test_affine(agrees, draw, shape):
    """affine: output and gradients equal the reference's"""
    agrees.pair("affine", draw(4, *shape), draw(int(np.prod(shape)), 3), draw(3))


@pytest.mark.task("relu")
@weight(6)
@number("2.2")
def test_relu(agrees, draw):
    """relu: output and gradient equal the reference's"""
    agrees.pair("relu", draw(4, 3, 2))


@pytest.mark.task("batchnorm")
@weight(10)
@number("3.2")
def test_batchnorm_in_training(agrees, draw):
    """batchnorm, training: output, running statistics and gradients equal the reference's"""
    running = draw(3), draw(3) ** 2
    agrees.pair("batchnorm", 2 + 3 * draw(7, 3), draw(3), draw(3), *running, training=True, momentum=0.8, eps=1e-2)


@pytest.mark.task("batchnorm")
@weight(7)
@number("3.3")
def test_batchnorm_in_evaluation(agrees, draw):
    """batchnorm, evaluation: output, running statistics and gradients equal the reference's"""
    agrees.pair("batchnorm", 2 + 3 * draw(7, 3), draw(3), draw(3), draw(3), draw(3) ** 2, training=False, eps=1e-2)


@pytest.mark.task("dropout")
@weight(10)
@number("4.2")
@pytest.mark.parametrize("p", [0.3, 0.8])
def test_dropout(student, expect, draw, p):
    """dropout: drops as often as p says, scales what stays, and the gradient goes the same way"""
    x, dout = draw.rng.uniform(1, 2, (50, 80)), draw(50, 80)
    got = student.pair("dropout", x, p, Seeded("numpy", draw.seed()), training=True, cotangents=dout)
    out = np.asarray(expect.array(got["outputs"]["out"], x.shape))
    dropped = out == 0
    expect.share(int(dropped.sum()), x.size, p, f"dropout with p = {p}: as many entries should be 0")
    expect(out, np.where(dropped, 0, x / (1 - p)), what="what is kept")
    expect(got["gradients"]["dx"], np.where(dropped, 0, dout / (1 - p)), what="dx")


@pytest.mark.task("affine", kind="dtype")
@weight(3)
@number("8.1")
def test_keeps_float32(keeps_dtype, draw):
    """float32 in, float32 out: affine, relu, batchnorm"""
    keeps_dtype.pair("affine", draw.single(4, 5).numpy(), draw.single(5, 3).numpy(), draw.single(3).numpy())
    keeps_dtype.if_right.pair("relu", draw.single(4, 5).numpy())
    features = [draw.single(3).numpy() ** 2 for _ in range(4)]
    keeps_dtype.if_right.pair("batchnorm", draw.single(4, 3).numpy(), *features, training=True)
