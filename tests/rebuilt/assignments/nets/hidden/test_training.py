"""What trains a network: an optimiser's state, the loss with its gradients, and a run that is judged on new points."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("momentum")
@weight(12)
@number("5.2")
def test_momentum(agrees, draw):
    """momentum: two parameters after each of four steps"""
    agrees.run("stepped", [{"w": draw(2, 3), "b": draw(3)} for _ in range(4)], 0.1, 0.8)


def parameters(draw, d, width, classes):
    """Of a network, all random, biases too."""
    return {"w1": draw(d, width), "b1": draw(width), "w2": draw(width, classes), "b2": draw(classes)}


@pytest.mark.task("net")
@weight(9)
@number("6.2")
def test_net(agrees, draw):
    """net: loss and gradients equal the reference's"""
    agrees("net_loss", parameters(draw, 4, 7, 3), draw(6, 4), draw.ints(0, 3, 6))


@pytest.mark.task("net")
@weight(5)
@number("6.3")
def test_net_of_large_scores(agrees, draw):
    """net: scores of thousands overflow nothing"""
    agrees("net_loss", parameters(draw, 4, 7, 3), 1000 * draw(6, 4), draw.ints(0, 3, 6))


def spiral(draw, each):
    """Points on three arms of a spiral, and which arm each is on; a line tells half of them apart."""
    y = np.repeat(np.arange(3), each)
    along = draw.rng.uniform(0.2, 1, 3 * each)
    angle = 4 * along + 2 * np.pi / 3 * y + 0.1 * draw(3 * each)
    return np.stack([along * np.sin(angle), along * np.cos(angle)], axis=1), y


@pytest.mark.task("fit", kind="property")
@weight(12)
@number("7.2")
def test_fit(student, expect, draw):
    """fit: of new points, nine of ten are told apart"""
    (x, y), (new, arm) = spiral(draw, 100), spiral(draw, 200)
    found = expect.array(student.run("told_apart", x, y, 3, new, draw.seed()), arm.shape)
    right = float((np.asarray(found) == arm).mean())
    expect.true(right >= 0.9, f"fit(x, y, 3, rng): {right:.0%} of new points are told apart, not 90 %")
