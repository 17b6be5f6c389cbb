"""The plain recurrent cell, its unrolled forms, and the spectral norms behind vanishing gradients."""

import math
from typing import Any

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

SIZES = [  # N, T, D, H: all differ, so that a swapped axis shows
    pytest.param(2, 5, 3, 4, id="uneven"),
    pytest.param(3, 1, 2, 5, id="one-step"),
    pytest.param(1, 6, 4, 2, id="one-row"),
]


LARGE = 40, 10, 600, 2  # a derivative taken entry by entry takes minutes of these


def rnn_arguments(draw: Any, n: int, t: int, d: int, h: int) -> list[np.ndarray]:
    """x, s0, U, W, b, with states that do not saturate."""
    return [draw(n, t, d), draw(n, h), draw(h, d) / d**0.5, draw(h, h) / h**0.5, draw(h)]


def two_calls(draw: Any, *sizes: int) -> list[list[np.ndarray]]:
    """Arguments of two calls; the second's x is of any size."""
    first, second = rnn_arguments(draw, *sizes), rnn_arguments(draw, *sizes)
    return [first, [draw.wide(*second[0].shape), *second[1:]]]


@pytest.mark.task("rnn")
@weight(3)
@number("1.2")
@visibility("after_published")
@pytest.mark.parametrize(
    "n, d, h", [(3, 2, 5), (1, 4, 3), (4, 5, 1), (600, 400, 2)], ids=["batch", "one-row", "one-unit", "large"]
)
def test_rnn_step(agrees, draw, n, d, h):
    """rnn_step: one step and its gradients"""
    x, *rest = rnn_arguments(draw, n, 1, d, h)
    agrees.pair("rnn_step", x[:, 0], *rest)
    agrees.interleaved("rnn_step", *([x[:, 0], *rest] for x, *rest in two_calls(draw, 3, 1, 2, 4)))


@pytest.mark.task("rnn")
@weight(5)
@number("1.3")
@visibility("after_published")
@pytest.mark.parametrize("n, t, d, h", [*SIZES, pytest.param(*LARGE, id="large")])
def test_rnn_through_time(agrees, draw, n, t, d, h):
    """rnn: states, and backpropagation through time with a loss at every step"""
    agrees.pair("rnn", *rnn_arguments(draw, n, t, d, h))
    agrees.interleaved("rnn", *two_calls(draw, 2, 5, 3, 4))


@pytest.mark.task("rnn", kind="property")
@weight(2)
@number("1.4")
@visibility("after_published")
@pytest.mark.parametrize("step", [0, 2, 4])
def test_rnn_past_and_future(student, draw, expect, step):
    """rnn: a loss at one step sends gradient to that step's input and all before it, and to none after"""
    n, d, h = 40, 800, 2  # as for LARGE
    arguments, dout = rnn_arguments(draw, n, 5, d, h), np.zeros((n, 5, h))
    dout[:, step] = draw(n, h)
    dx = expect.array(student.pair("rnn", *arguments, cotangents=[dout])["gradients"]["dx"], (n, 5, d), what="dx")
    reached = np.abs(dx).max(axis=(0, 2)) > 1e-12
    where = f"with a loss at step {step} of 0 to 4 only"
    expect.true(not reached[step + 1 :].any(), f"{where}, dx should be 0 at every later step")
    expect.true(reached[: step + 1].all(), f"{where}, dx should not be 0 at that step or before it")


@pytest.mark.task("rnn", kind="property")
@weight(1)
@number("1.5")
@visibility("after_published")
def test_rnn_learns_hello(student, draw, expect):
    """rnn: trained on hello with your gradients, it does better than any bigram can"""
    student.pair("rnn", *rnn_arguments(draw, *LARGE))
    losses = student.run("losses_on_hello", hidden=8, steps=100, rate=0.5, seed=0)
    loss = expect.number(losses[-1], what="the loss after training")
    bound = math.log(2) / 2
    message = f"after 100 steps of gradient descent the loss is {loss:.3f}; a bigram reaches {bound:.3f}, a memory 0.01"
    expect.true(loss < 0.1, message)


@pytest.mark.task("forms")
@weight(3)
@number("2.2")
@visibility("after_published")
@pytest.mark.parametrize("mode", ["many_to_one", "many_to_many"])
@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_sequence_in(agrees, draw, mode, n, t, d, h):
    """run_rnn: many_to_one and many_to_many read the whole sequence"""
    agrees.run("unroll", mode, draw(n, t, d), draw(n, h), draw(d, h), draw(h, h))


@pytest.mark.task("forms")
@weight(3)
@number("2.3")
@visibility("after_published")
@pytest.mark.parametrize("length", [1, 2, 5])
def test_one_to_many(agrees, draw, length):
    """run_rnn: one_to_many reads its input once, then goes on from its own state"""
    agrees.run("unroll", "one_to_many", draw(2, 3), draw(2, 4), draw(3, 4), draw(4, 4), length)


@pytest.mark.task("forms")
@weight(1)
@number("2.4")
@visibility("after_published")
def test_one_to_one(agrees, draw):
    """run_rnn: one_to_one is a single step from s0"""
    agrees.run("unroll", "one_to_one", draw(2, 3), draw(2, 4), draw(3, 4), draw(4, 4))


@pytest.mark.task("vanishing")
@weight(2)
@number("7.2")
@visibility("after_published")
@pytest.mark.parametrize("hidden, length", [(4, 6), (3, 1), (1, 5)], ids=["matrix", "one-step", "one-unit"])
def test_norms_of_powers(agrees, draw, hidden, length):
    """bptt_gradient_norms: spectral norms of W, W^2, ... for any W"""
    agrees("bptt_gradient_norms", draw(hidden, hidden) / hidden**0.5, length)


@pytest.mark.task("vanishing", kind="property")
@weight(2)
@number("7.3")
@visibility("after_published")
def test_norms_of_a_shear(student, draw, expect):
    """bptt_gradient_norms: a shear stretches more and more, although its eigenvalues are 1"""
    shear = 1 + abs(float(draw()))
    norms = student.bptt_gradient_norms(np.array([[1.0, shear], [0.0, 1.0]]), 8)
    # The largest singular value of [[1, a], [0, 1]] is (a + sqrt(a^2 + 4)) / 2; its powers shear by 2a, 3a, ...
    a = shear * np.arange(1, 9)
    expect(norms, (a + np.sqrt(a**2 + 4)) / 2, what="the norms")
