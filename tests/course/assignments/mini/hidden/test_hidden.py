"""Checks that never ship."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("double")
@weight(20)
@number("1.2")
@pytest.mark.parametrize("shape", [(3,), (2, 4)], ids=["vector", "matrix"])
def test_double(agrees, draw, shape):
    """double: the result equals the reference's"""
    agrees("double", draw(*shape))


@pytest.mark.task("scale")
@weight(20)
@number("2.1")
def test_scale(agrees, draw):
    """scale: output and gradients equal the reference's"""
    agrees.pair("scale", draw(5, 3), draw(3))


@pytest.mark.task("affine")
@weight(5)
@number("3.1")
def test_affine(agrees, draw):
    """affine: output and gradients equal the reference's"""
    agrees.autograd("affine", draw.tensor(5, 3), draw.tensor(3, 2))


@pytest.mark.task("affine", kind="cost")
@weight(5)
@number("3.2")
def test_affine_cost(cost, limits):
    """affine: as few operations as a product needs, however many rows"""
    small = cost.autograd("affine", lambda draw: (draw.tensor(12, 3), draw.tensor(3, 2)))
    large = cost.autograd("affine", lambda draw: (draw.tensor(24, 3), draw.tensor(3, 2)))
    cost.within(small, limits, constant={"the rows double": large})


@pytest.mark.task("layer")
@weight(15)
@number("4.1")
def test_layer(agrees, draw):
    """layer: output, gradients and state equal the reference's"""
    agrees.module("Layer", (3, 4), draw.tensor(5, 3))


@pytest.mark.task("twice")
@weight(15)
@number("5.1")
def test_twice(agrees, draw):
    """twice: calls what it was given"""
    agrees.run("twice_square", draw(4))


@pytest.mark.task("double", kind="dtype")
@weight(5)
@number("6.1")
def test_keeps_float32(keeps_dtype, draw):
    """every task keeps float32"""
    keeps_dtype("double", draw(3).astype(np.float32))
    keeps_dtype.if_right.pair("scale", draw(5, 3).astype(np.float32), draw(3).astype(np.float32))
