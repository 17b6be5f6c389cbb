"""The assignment of docs/instructor-session.md: its files as they are at the end, and the wrong turns on the way."""

SOLUTION = '''\
"""Losses: what a rectifier passes on, a mean squared error, and softplus without the library's own."""

import numpy as np
import torch

### BEGIN SOLUTION losses.quiz
QUIZ = {"q1": "b", "q2": 0.25}
### END SOLUTION


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, object]:
    """max(x, 0), entry by entry.

    Args:
        x: any shape.

    Returns:
        The same shape, and a cache for the backward pass.
    """
    ### BEGIN SOLUTION losses.relu
    return np.maximum(x, 0), x > 0
    ### END SOLUTION


def relu_backward(dout: np.ndarray, cache: object) -> np.ndarray:
    """Gradient of relu_forward: dx, of dout's shape."""
    ### BEGIN SOLUTION losses.relu
    return dout * cache
    ### END SOLUTION


def mse_forward(pred: np.ndarray, target: np.ndarray) -> tuple[float, object]:
    """The mean of (pred - target)^2 over all entries.

    Args:
        pred, target: shape (N, D).

    Returns:
        The loss, a number, and a cache for the backward pass.
    """
    ### BEGIN SOLUTION losses.mse
    error = pred - target
    return (error**2).mean(), error
    ### END SOLUTION


def mse_backward(dout: float, cache: object) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of mse_forward: dpred and dtarget, shape (N, D)."""
    ### BEGIN SOLUTION losses.mse
    dpred = dout * 2 * cache / cache.size
    return dpred, -dpred
    ### END SOLUTION


def softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + exp(x)), entry by entry, finite wherever x is; autograd gives its gradient.

    Args:
        x: any shape.
    """
    ### BEGIN SOLUTION losses.softplus
    return torch.relu(x) + torch.log1p(torch.exp(-x.abs()))
    ### END SOLUTION
'''
FACTS = """\
title = "Losses"
deliverable = "losses"
lectures = ["Lecture 2"]

[tasks.relu]
title = "A rectifier, forward and backward"
functions = ["relu_forward", "relu_backward"]
ideas = ["a gradient passes where the input was positive"]
oracle = "torch.relu"
forbidden = ["torch"]

[tasks.mse]
title = "Mean squared error, forward and backward"
functions = ["mse_forward", "mse_backward"]
ideas = ["a mean shares its gradient out"]
oracle = "torch's mse_loss"
forbidden = ["torch"]

[tasks.softplus]
title = "Softplus, for large numbers too"
functions = ["softplus"]
ideas = ["what overflows is written otherwise"]
oracle = "torch's softplus"
forbidden = ["F.softplus", "F.logsigmoid", "torch.logaddexp"]

[pairs.relu]
gradients = ["dx"]

[pairs.mse]
returns = ["loss", "cache"]
gradients = ["dpred", "dtarget"]

[[quiz]]
id = "q1"
question = "What does a rectifier pass on of the gradient where its input was negative?"
options = { a = "all of it", b = "nothing", c = "its sign" }
reread = "the section on the rectifier"

[[quiz]]
id = "q2"
question = "pred = (1, 2), target = (1, 1.5): by what is dout multiplied in the second entry of dpred?"
kind = "number"
tolerance = 0.01
reread = "the section on the squared error"
"""
HANDOUT = """\
# Losses

What a network is trained by, forward and backward. Shapes stand in the docstrings.

{{points}}

## relu: A rectifier

`out = max(x, 0)`. Its gradient passes where x was positive, and nowhere else.

## mse: Mean squared error

`loss = mean((pred - target)^2)`, over all entries. `dout` is one number.

## softplus: Softplus

`softplus(x) = log(1 + exp(x))`, a smooth rectifier. `exp(1000)` is infinite: write it so that nothing overflows. The
library's own is not there.
"""
PUBLIC = '''\
"""Checks that students have."""

import math

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("relu")
@weight(6)
@number("1.1")
def test_relu_example(student, expect):
    """relu: three numbers"""
    expect(student.relu_forward(np.array([-1.0, 0.5, 2.0]))[0], np.array([0.0, 0.5, 2.0]))


@pytest.mark.task("mse")
@weight(6)
@number("2.1")
def test_mse_example(student, expect):
    """mse: one of two entries is off by 2"""
    step = student.pair("mse", np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    expect(float(expect.number(step["outputs"]["loss"])), 2.0)


@pytest.mark.task("softplus")
@weight(6)
@number("3.1")
def test_softplus_example(student, expect):
    """softplus: log 2 at 0"""
    expect(student.softplus(torch.zeros(2, dtype=torch.float64)), torch.full((2,), math.log(2), dtype=torch.float64))
'''
HIDDEN = '''\
"""Checks that never ship."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("relu")
@weight(20)
@number("1.2")
@pytest.mark.parametrize("shape", [(5,), (3, 4)], ids=["a vector", "a batch"])
def test_relu(agrees, draw, shape):
    """relu: output and gradient equal the reference's"""
    agrees.pair("relu", draw(*shape))


@pytest.mark.task("mse")
@weight(25)
@number("2.2")
def test_mse(agrees, draw):
    """mse: loss and gradients equal the reference's"""
    agrees.pair("mse", draw(5, 3), draw(5, 3))


@pytest.mark.task("softplus")
@weight(15)
@number("3.2")
def test_softplus(agrees, draw):
    """softplus: values and gradients equal the reference's"""
    agrees.autograd("softplus", draw.tensor(4, 3))


@pytest.mark.task("softplus")
@weight(15)
@number("3.3")
def test_softplus_of_large_numbers(agrees):
    """softplus: nothing overflows, in the gradient either"""
    agrees.autograd("softplus", torch.tensor([-1000.0, -40.0, 40.0, 1000.0], dtype=torch.float64))


@pytest.mark.task("relu", kind="dtype")
@weight(5)
@number("4.1")
def test_keeps_float32(keeps_dtype, draw):
    """float32 in, float32 out"""
    keeps_dtype.pair("relu", draw(4, 3).astype(np.float32))
    keeps_dtype.if_right.autograd("softplus", draw.single(4, 3))
'''
MISTAKES = """\
[[mistake]]
name = "relu-passes-everything"
task = "relu"
find = "return dout * cache"
replace = "return dout"
hint = "This gradient passes where x was negative, too. There the output does not change with x."
fails = ["test_relu", "test_keeps_float32"]

[[mistake]]
name = "mse-summed"
task = "mse"
find = "(error**2).mean()"
replace = "(error**2).sum()"
hint = "This is the sum of squares, not their mean."
fails = ["test_mse", "test_mse_example"]

[[mistake]]
name = "mse-without-the-two"
task = "mse"
find = "dout * 2 * cache"
replace = "dout * cache"
hint = "The derivative of a square has a factor of 2."
fails = ["test_mse"]

[[mistake]]
name = "softplus-overflows"
task = "softplus"
find = "torch.relu(x) + torch.log1p(torch.exp(-x.abs()))"
replace = "torch.log1p(torch.exp(x))"
hint = "exp(x) overflows for large x. Take the large part out of the logarithm first."
fails = ["test_softplus_of_large_numbers"]
"""
HALF = SOLUTION.replace("torch.relu(x) + torch.log1p(torch.exp(-x.abs()))", "torch.log1p(torch.exp(x))").replace(
    "dout * 2 * cache", "dout * cache"
)
FILES = {
    "solutions/losses.py": SOLUTION,
    "assignments/losses/assignment.toml": FACTS,
    "assignments/losses/handout.md": HANDOUT,
    "assignments/losses/public/test_public.py": PUBLIC,
    "assignments/losses/hidden/test_hidden.py": HIDDEN,
    "assignments/losses/mistakes.toml": MISTAKES,
}
SLIPS = (  # file, as it must be, as it was written first
    ("assignments/losses/assignment.toml", '"F.softplus", ', '"F.sofplus", '),
    ("assignments/losses/hidden/test_hidden.py", "def test_mse(agrees, draw)", "def test_mse(agree, draw)"),
    ("assignments/losses/public/test_public.py", '@weight(6)\n@number("1.1")', '@weight(5)\n@number("1.1")'),
    ("assignments/losses/handout.md", "## softplus: Softplus", "## sofplus: Softplus"),
    ("assignments/losses/hidden/test_hidden.py", "draw(*shape))", "np.abs(draw(*shape)))"),
    ("assignments/losses/mistakes.toml", '["test_relu", "test_keeps_float32"]', '["test_relu"]'),
)
