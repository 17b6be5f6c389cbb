"""Positions, and layer normalisation with a gradient by hand."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

NORMS = [  # shape of x: all sizes different
    pytest.param((5,), id="one token"),
    pytest.param((4, 6), id="tokens"),
    pytest.param((2, 3, 5), id="sequences"),
    pytest.param((2, 3, 4, 7), id="four axes"),
]


def encoding(length: int, d_model: int) -> np.ndarray:
    """The formula, entry by entry."""
    exponents = 2 * (np.arange(d_model) // 2) / d_model
    angles = np.arange(length)[:, None] / 10000**exponents
    return np.where(np.arange(d_model) % 2 == 0, np.sin(angles), np.cos(angles))


def spread(draw, *shape: int) -> np.ndarray:
    """Tokens whose sizes differ by powers of ten, and whose features are not centred."""
    return 10 ** draw.rng.uniform(-2, 2, (*shape[:-1], 1)) * (draw(*shape) + draw(*shape[:-1], 1))


@pytest.mark.task("positional_encoding")
@weight(2)
@number("1.3")
@pytest.mark.parametrize("case", range(4))
def test_positional_encoding(student, expect, draw, case):
    """positional_encoding: drawn lengths, and an even number of features"""
    length, d_model = draw.ints(3, 90, 2)
    expected = encoding(int(length), 2 * int(d_model))
    got = student.positional_encoding(int(length), 2 * int(d_model))
    expect(got, torch.from_numpy(expected), what="the encoding", tol=Tolerance(1e-4, 0))


@pytest.mark.task("positional_encoding")
@weight(2)
@number("1.4")
@pytest.mark.parametrize("d_model", [1, 3, 7, 25])
def test_positional_encoding_with_odd_features(student, expect, d_model):
    """positional_encoding: an odd number of features ends in a sine"""
    expected = torch.from_numpy(encoding(11, d_model))
    expect(student.positional_encoding(11, d_model), expected, what="the encoding", tol=Tolerance(1e-4, 0))


@pytest.mark.task("positional_encoding")
@weight(2)
@number("1.5")
@pytest.mark.parametrize("length", [1, 600, 7000])
def test_positional_encoding_of_any_length(student, expect, length):
    """positional_encoding: one position, hundreds, thousands"""
    expected = torch.from_numpy(encoding(length, 6))
    expect(student.positional_encoding(length, 6), expected, what="the encoding", tol=Tolerance(4e-3, 0))


@pytest.mark.task("positional_encoding", kind="property")
@weight(1)
@number("1.6")
@pytest.mark.parametrize("d_model", [2, 8, 30])
def test_positional_encoding_has_one_length(student, expect, d_model):
    """positional_encoding: every position's vector has the squared length d_model / 2"""
    got = expect.array(student.positional_encoding(40, d_model), (40, d_model), what="the encoding")
    squares = got.double().square().sum(dim=1)
    expect(squares, torch.full((40,), d_model / 2, dtype=torch.float64), "the squared lengths", Tolerance(1e-4, 0))


@pytest.mark.task("layer_norm")
@weight(2)
@number("2.3")
@pytest.mark.parametrize("shape", NORMS)
def test_layer_norm_forward(agrees, draw, shape):
    """layer_norm_forward: any number of axes; mean and variance of each token's own features"""
    agrees.run("layer_norm_output", 3 * draw(*shape) + 2, draw(shape[-1]), draw(shape[-1]))


@pytest.mark.task("layer_norm")
@weight(4)
@number("2.4")
@pytest.mark.parametrize("shape", NORMS)
def test_layer_norm_backward(agrees, draw, shape):
    """layer_norm_backward: gradients of tokens, scale and shift"""
    agrees.pair("layer_norm", draw(*shape), draw(shape[-1]), draw(shape[-1]))


@pytest.mark.task("layer_norm")
@weight(2)
@number("2.5")
@pytest.mark.parametrize("shape", [pytest.param((6, 5), id="tokens"), pytest.param((3, 2, 8), id="sequences")])
def test_layer_norm_of_tokens_of_any_size(agrees, draw, shape):
    """layer_norm: tokens a hundred times larger or smaller than others, and far from centred"""
    agrees.pair("layer_norm", spread(draw, *shape), 10 * draw(shape[-1]), 10 * draw(shape[-1]))


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.6")
@pytest.mark.parametrize("eps", [1e-3, 0.5])
def test_layer_norm_with_another_eps(agrees, draw, eps):
    """layer_norm: eps as it is given, beside a variance of its size"""
    agrees.pair("layer_norm", eps**0.5 * draw(4, 7), draw(7), draw(7), eps=eps)


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.7")
def test_layer_norm_of_constant_rows(agrees, draw):
    """layer_norm: a token whose features are all equal gives beta, and a finite gradient"""
    x = draw(3, 4, 6)
    x[1, 2], x[0, 1], x[2] = draw(1), 0, draw(4, 1)
    agrees.pair("layer_norm", x, draw(6), draw(6))


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.8")
def test_layer_norms_with_two_caches(agrees, draw):
    """layer_norm: two forward passes, then the two backward passes"""
    calls = [[draw(*shape, d), draw(d), draw(d)] for shape, d in (((3, 2), 5), ((4,), 7))]
    agrees.run("two_layer_norms", *calls, [draw(*x.shape) for x, _, _ in calls])


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.9")
def test_layer_norm_backward_of_wide_tokens(agrees, draw):
    """layer_norm_backward: 24 tokens of 6,000 features, by the formula and not by trying every entry"""
    agrees.pair("layer_norm", draw(24, 6000), draw(6000), draw(6000))


@pytest.mark.task("layer_norm", kind="dtype")
@weight(2)
@number("2.10")
def test_everything_keeps_the_dtype(keeps_dtype, reference, draw):
    """all functions and modules: float32 in, float32 out, gradients too"""
    for *lead, d in ((2, 3, 4), (24, 6000)):  # of the larger, a derivative taken entry by entry takes minutes
        keeps_dtype.pair("layer_norm", *(draw(*shape).astype(np.float32) for shape in ((*lead, d), (d,), (d,))))
    others = keeps_dtype.if_right
    x, memory = draw.tensor(2, 3, 4).float(), draw.tensor(2, 3, 4).float()
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    others.module("FeedForward", (4, 6), x)
    others.module("MultiHeadAttention", (4, 2), x, memory, memory, mask=mask)
    others.module("EncoderLayer", (4, 2, 6), x, mask=mask)
    others.module("DecoderLayer", (4, 2, 6), x, memory, mask=mask, memory_mask=mask)
    sizes = [7, 4, 2, 6, 1]
    state = {name: draw.tensor(*shape).float() for name, shape in reference.run("parameter_shapes", sizes).items()}
    others.run("logits", sizes, state, *(torch.from_numpy(draw.ints(0, 7, 2, 3)) for _ in range(2)))
