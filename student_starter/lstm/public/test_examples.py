"""Worked examples from the handout, and torch's own recurrent layers. These checks ship with the assignment."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = [  # N, T, D, H; of the large one, a derivative taken entry by entry takes minutes
    pytest.param(2, 4, 3, 5, id="small"),
    pytest.param(40, 10, 600, 2, id="large"),
]


def torch_recurrent(layer: Any, weights: dict[str, torch.Tensor], *inputs: Any) -> Any:
    """A torch layer with these weights; torch has a second bias, which is 0 here."""
    second = {name.replace("_ih_", "_hh_"): torch.zeros_like(bias) for name, bias in weights.items() if "bias" in name}
    return torch.func.functional_call(layer, weights | second, inputs)


def direction(W: torch.Tensor, U: torch.Tensor, b: torch.Tensor, suffix: str = "") -> dict[str, torch.Tensor]:
    """Weights on the input, weights on the state and bias, under the names that torch gives them."""
    return {f"weight_ih_l0{suffix}": W, f"weight_hh_l0{suffix}": U, f"bias_ih_l0{suffix}": b}


def torch_lstm(
    x: torch.Tensor, h0: torch.Tensor, c0: torch.Tensor, W: torch.Tensor, U: torch.Tensor, b: torch.Tensor
) -> Any:
    """torch's LSTM: all hidden states, and the last of both."""
    layer = torch.nn.LSTM(x.shape[2], h0.shape[1], batch_first=True, dtype=torch.float64)
    h, (h_last, c_last) = torch_recurrent(layer, direction(W, U, b), x, (h0[None], c0[None]))
    return h, h_last[0], c_last[0]


def lstm_arguments(draw: Any, n: int, t: int, d: int, h: int) -> list[np.ndarray]:
    """x, h0, c0, W, U, b."""
    return [draw(*shape) for shape in ((n, t, d), (n, h), (n, h), (4 * h, d), (4 * h, h), (4 * h,))]


def leaves(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    """Tensors that autograd differentiates to."""
    return [torch.tensor(array, requires_grad=True) for array in arrays]


@pytest.mark.task("rnn")
@weight(2)
@number("1.1")
@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_rnn_equals_torch(student, draw, expect, n, t, d, h):
    """rnn: states and gradients are those of torch.nn.RNN"""
    arguments, dout = [draw(*shape) for shape in ((n, t, d), (n, h), (h, d), (h, h), (h,))], draw(n, t, h)
    arguments[2] /= d**0.5  # so that no unit saturates
    x, s0, U, W, b = tensors = leaves(arguments)
    layer = torch.nn.RNN(d, h, batch_first=True, dtype=torch.float64)
    states, _ = torch_recurrent(layer, direction(U, W, b), x, s0[None])
    gradients = torch.autograd.grad(states, tensors, torch.tensor(dout))
    got = student.pair("rnn", *arguments, cotangents=[dout])
    expect(got["outputs"]["s"], states.detach().numpy(), what="the states")
    for name, gradient in zip(("dx", "ds0", "dU", "dW", "db"), gradients, strict=True):
        expect(got["gradients"][name], gradient.numpy(), what=name)


FORMS = [
    pytest.param("one_to_one", [[1.0]], None, [[1.0]], id="one_to_one"),
    pytest.param("one_to_many", [[1.0]], 3, [[[1.0], [2.0], [4.0]]], id="one_to_many"),
    pytest.param("many_to_one", [[[1.0], [1.0], [1.0]]], None, [[7.0]], id="many_to_one"),
    pytest.param("many_to_many", [[[1.0], [1.0], [1.0]]], None, [[[1.0], [3.0], [7.0]]], id="many_to_many"),
]


@pytest.mark.task("forms")
@weight(1)
@number("2.1")
@pytest.mark.parametrize("mode, x, length, expected", FORMS)
def test_forms_by_hand(student, expect, mode, x, length, expected):
    """run_rnn: the handout's cell x + 2 s, unrolled in each form"""
    zero, one, two = np.zeros((1, 1)), np.ones((1, 1)), np.full((1, 1), 2.0)
    expect(student.run("unroll", mode, np.array(x), zero, one, two, length), np.array(expected), what=mode)


@pytest.mark.task("char_lm")
@weight(1)
@number("3.1")
def test_batches_by_hand(student, expect):
    """make_batches: the handout's eight tokens in rows of three"""
    inputs_and_targets = student.make_batches(np.arange(8), 3)
    expect(inputs_and_targets, (np.arange(6).reshape(2, 3), np.arange(1, 7).reshape(2, 3)), what="(inputs, targets)")


@pytest.mark.task("char_lm")
@weight(1)
@number("3.2")
def test_uniform_guess_costs_ln_4(student, expect):
    """char_lm_loss: equal scores for the four letters of helo cost ln 4"""
    for n in (1, 10_000):  # a derivative taken entry by entry takes minutes of the latter
        targets, gradient = np.tile([1, 2, 2, 3], (n, 1)), np.full((n, 4, 4), 0.25)
        gradient[:, np.arange(4), targets[0]] -= 1
        expected = math.log(4), gradient / targets.size
        expect(student.char_lm_loss(np.zeros((n, 4, 4)), targets), expected, what="(loss, dlogits)")


@pytest.mark.task("lstm")
@weight(2)
@number("4.1")
@pytest.mark.parametrize("n, t, d, h", SIZES)
def test_lstm_equals_torch(student, draw, expect, n, t, d, h):
    """lstm: hidden states and gradients are those of torch.nn.LSTM"""
    arguments, dout = lstm_arguments(draw, n, t, d, h), draw(n, t, h)
    arguments[3] /= d**0.5  # so that no gate saturates
    tensors = leaves(arguments)
    states, _, _ = torch_lstm(*tensors)
    gradients = torch.autograd.grad(states, tensors, torch.tensor(dout))
    got = student.pair("lstm", *arguments, cotangents=[dout])
    expect(got["outputs"]["h"], states.detach().numpy(), what="the hidden states")
    for name, gradient in zip(("dx", "dh0", "dc0", "dW", "dU", "db"), gradients, strict=True):
        expect(got["gradients"][name], gradient.numpy(), what=name)


@pytest.mark.task("lstm_fast")
@weight(2)
@number("5.1")
def test_lstm_fast_equals_torch(student, draw, expect):
    """lstm_fast: hidden states, final states and gradients are those of torch.nn.LSTM"""
    arguments = lstm_arguments(draw, 2, 4, 3, 5)
    cotangents = [draw.tensor(*shape) for shape in ((2, 4, 5), (2, 5), (2, 5))]
    tensors = leaves(arguments)
    states, h_last, c_last = torch_lstm(*tensors)
    gradients = torch.autograd.grad((states, h_last, c_last), tensors, cotangents)
    got = student.autograd("lstm_fast", *map(torch.tensor, arguments), cotangents=cotangents)
    plain = [item.detach() for item in (states, h_last, c_last)]
    expect(got["outputs"], (plain[0], (plain[1], plain[2])), what="(h, (h_T, c_T))")
    for index, (name, gradient) in enumerate(zip(("x", "h0", "c0", "W", "U", "b"), gradients, strict=True)):
        expect(got["gradients"][str(index)], gradient, what=f"the gradient to {name}")


@pytest.mark.task("clip_grad_norm")
@weight(1)
@number("6.1")
def test_clip_by_hand(student, expect):
    """clip_grad_norm: (3, 4) at threshold 1 has norm 5 and becomes (0.6, 0.8)"""
    clipped, norm = student.clip_grad_norm([np.array([3.0]), np.array([4.0])], 1.0)
    expect(norm, 5.0, what="the norm before clipping")
    expect.true(len(clipped) == 2, "there should be as many clipped gradients as gradients")
    for array, value in zip(clipped, (0.6, 0.8), strict=True):
        off = float(abs(expect.array(array, (1,), what="a clipped gradient")[0] - value))
        expect.true(off < 1e-5, f"the gradient that should become {value} is off by {off:.3g}")


@pytest.mark.task("vanishing")
@weight(1)
@number("7.1")
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_powers_of_a_multiple_of_the_identity(student, expect, factor):
    """bptt_gradient_norms: 0.9 and 1.1 times the identity give 0.9^t and 1.1^t"""
    norms = student.bptt_gradient_norms(factor * np.eye(3), 50)
    expect(norms, np.array([factor**t for t in range(1, 51)]), what="the norms")


@pytest.mark.task("bidirectional")
@weight(1)
@number("8.1")
def test_bidirectional_equals_torch(student, draw, expect):
    """bi_lstm_fast: without padding, states are those of a bidirectional torch.nn.LSTM"""
    x, shapes = draw.tensor(3, 4, 2), ((20, 2), (20, 5), (20,))
    forward, backward = (tuple(draw.tensor(*shape) for shape in shapes) for _ in range(2))
    layer = torch.nn.LSTM(2, 5, batch_first=True, bidirectional=True, dtype=torch.float64)
    states, _ = torch_recurrent(layer, direction(*forward) | direction(*backward, "_reverse"), x)
    got = student.bi_lstm_fast(x, torch.full((3,), 4), forward, backward)
    expect(got, states.detach(), what="the hidden states")


@pytest.mark.task("tree_lstm")
@weight(2)
@number("9.1")
def test_chain_equals_torch(student, draw, expect):
    """child_sum_tree_lstm: on a chain it is torch.nn.LSTM"""
    x, _, _, W, U, b = lstm_arguments(draw, 1, 5, 3, 4)
    zeros = np.zeros((1, 4))
    states, _, c_last = torch_lstm(*map(torch.tensor, (x, zeros, zeros, W, U, b)))
    h_and_c = student.child_sum_tree_lstm(x[0], [[], [0], [1], [2], [3]], W, U, b)
    h, c = (expect.array(item, (5, 4), what=name) for item, name in zip(h_and_c, ("h", "c"), strict=True))
    expect(h, states[0].detach().numpy(), what="h")
    expect(c[-1:], c_last.detach().numpy(), what="c of the last node")
