"""Checks that students have."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded


@pytest.mark.task("affine")
@weight(2)
@number("1.1")
def test_affine_example(student, expect):
    """affine: one example of two numbers"""
    got = student.affine_forward(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [3.0, -1.0]]), np.array([0.5, 0.5]))
    expect(got[0], np.array([[7.5, -1.5]]))


@pytest.mark.task("relu")
@weight(2)
@number("2.1")
def test_relu_example(student, expect):
    """relu: three numbers"""
    expect(student.relu_forward(np.array([-1.0, 0.5, 2.0]))[0], np.array([0.0, 0.5, 2.0]))


@pytest.mark.task("batchnorm")
@weight(2)
@number("3.1")
def test_batchnorm_example(student, expect, draw):
    """batchnorm: each feature has mean beta and deviation gamma in training"""
    x, gamma, beta = 3 + 2 * draw(50, 4), np.array([1.0, 2.0, 0.5, 3.0]), np.arange(4.0)
    out = student.batchnorm_forward(x, gamma, beta, np.zeros(4), np.ones(4), training=True, eps=1e-12)[0]
    out = np.asarray(expect.array(out, (50, 4)))
    expect(out.mean(axis=0), beta, what="the mean of each feature")
    expect(out.std(axis=0), gamma, what="the deviation of each feature")


@pytest.mark.task("dropout")
@weight(2)
@number("4.1")
def test_dropout_example(student, expect, draw):
    """dropout: p = 0 drops nothing, evaluation neither; p = 0.5 drops, or doubles"""
    x = draw(3, 4)
    out = np.asarray(expect.array(student.dropout_forward(x, 0.5, Seeded("numpy", 1), training=True)[0], x.shape))
    expect(out, np.where(out == 0, 0, 2 * x))
    for p, training in ((0.0, True), (0.4, False)):
        expect(student.dropout_forward(x, p, Seeded("numpy", 1), training=training)[0], x)


@pytest.mark.task("momentum")
@weight(2)
@number("5.1")
def test_momentum_example(student, expect):
    """momentum: two steps with mu = 0.5 and the gradient 1"""
    steps = student.run("stepped", [{"w": np.ones(1)}] * 2, 0.1, 0.5)
    expect(steps, [{"w": np.array([0.9])}, {"w": np.array([0.75])}])


@pytest.mark.task("net")
@weight(2)
@number("6.1")
def test_net_example(student, expect):
    """net: with weights of 0 the loss is ln C"""
    params = {"w1": np.zeros((2, 3)), "b1": np.zeros(3), "w2": np.zeros((3, 5)), "b2": np.zeros(5)}
    loss, _ = student.net_loss(params, np.ones((4, 2)), np.array([0, 1, 2, 4]))
    expect(float(expect.number(loss)), float(np.log(5)))


@pytest.mark.task("fit")
@weight(2)
@number("7.1")
def test_fit_example(student, expect, draw):
    """fit: two clouds far apart are told apart"""
    y = np.arange(60) % 2
    middles = np.array([[0.0, 0.0], [6.0, 6.0]])
    found = student.run("told_apart", draw(60, 2) + 6.0 * y[:, None], y, 2, middles, 1)
    expect(found, np.array([0, 1]), what="the clouds that their middles are told to be of")
