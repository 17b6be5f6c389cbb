"""Multi-head attention, and attention block by block."""

import math

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

MODULE = "MultiHeadAttention"
HEADS = [  # N, Tq, Tk, d_model, heads: all different
    pytest.param(2, 4, 5, 6, 3, id="three heads"),
    pytest.param(3, 5, 4, 8, 2, id="two heads"),
    pytest.param(2, 3, 5, 4, 1, id="one head"),
    pytest.param(3, 2, 6, 5, 5, id="one feature a head"),
]
MASKS = [  # for N = 2, heads = 3, Tq = 4, Tk = 5
    pytest.param((4, 5), id="(Tq, Tk)"),
    pytest.param((2, 1, 1, 5), id="(N, 1, 1, Tk)"),
    pytest.param((1, 3, 4, 5), id="(1, heads, Tq, Tk)"),
    pytest.param((2, 3, 4, 5), id="(N, heads, Tq, Tk)"),
]
PER_SEQUENCE = [  # N, heads
    pytest.param(2, 3, id="fewer sequences than heads"),
    pytest.param(3, 3, id="as many sequences as heads"),
    pytest.param(4, 2, id="more sequences than heads"),
]
SIZES = [  # leading axes, Tq, Tk, d, dv: all different
    pytest.param((), 5, 3, 4, 2, id="one sequence"),
    pytest.param((2,), 3, 6, 5, 4, id="two sequences"),
    pytest.param((2, 3), 4, 7, 5, 6, id="two sequences, three heads"),
]
CAUSAL = [  # leading axes, T
    pytest.param((), 6, id="one sequence"),
    pytest.param((3,), 1, id="one token"),
    pytest.param((2, 3), 5, id="two sequences, three heads"),
]
UNEVEN = [  # Tq, Tk
    pytest.param(3, 7, id="fewer queries than keys"),
    pytest.param(7, 3, id="more queries than keys"),
    pytest.param(40, 300, id="300 keys"),
    pytest.param(300, 40, id="300 queries"),
]


@pytest.mark.task("multi_head")
@weight(5)
@number("6.2")
@pytest.mark.parametrize("n, t_q, t_k, d_model, heads", HEADS)
def test_multi_head(agrees, draw, n, t_q, t_k, d_model, heads):
    """MultiHeadAttention: output and gradients, of inputs and parameters, without a mask"""
    agrees.module(MODULE, (d_model, heads), *(draw.tensor(n, length, d_model) for length in (t_q, t_k, t_k)))


@pytest.mark.task("multi_head")
@weight(2)
@number("6.3")
@pytest.mark.parametrize("shape", MASKS)
def test_multi_head_with_a_mask(agrees, draw, shape):
    """MultiHeadAttention: a mask that broadcasts to (N, heads, Tq, Tk)"""
    agrees.module(MODULE, (6, 3), *(draw.tensor(2, length, 6) for length in (4, 5, 5)), mask=_some(draw, *shape))


@pytest.mark.task("multi_head")
@weight(3)
@number("6.4")
@pytest.mark.parametrize("n, heads", PER_SEQUENCE)
def test_multi_head_with_a_mask_for_each_sequence(agrees, draw, n, heads):
    """MultiHeadAttention: a mask (N, Tq, Tk) belongs to sequences, not to heads"""
    inputs = [draw.tensor(n, length, 2 * heads) for length in (4, 5, 5)]
    agrees.module(MODULE, (2 * heads, heads), *inputs, mask=_some(draw, n, 4, 5))


def _some(draw, *shape: int) -> torch.Tensor:
    """A random mask in which every query may attend to the first key, and must not to the second."""
    mask = torch.from_numpy(draw.bools(*shape))
    mask[..., 0], mask[..., 1] = True, False
    return mask


@pytest.mark.task("multi_head")
@weight(3)
@number("6.5")
@pytest.mark.parametrize("shape", [pytest.param((4, 5), id="a token"), pytest.param((2, 1, 4, 5), id="a sequence")])
def test_multi_head_with_nothing_to_attend_to(agrees, draw, shape):
    """MultiHeadAttention: what may attend to nothing gives 0 before out_proj, and finite gradients"""
    mask = torch.ones(shape, dtype=torch.bool)
    mask[1] = False  # whole rows; the others see every key
    agrees.module(MODULE, (6, 3), *(draw.tensor(2, length, 6) for length in (4, 5, 5)), mask=mask)


@pytest.mark.task("multi_head")
@weight(1)
@number("6.6")
def test_multi_head_with_large_scores(agrees, draw):
    """MultiHeadAttention: large queries and keys do not overflow"""
    query, near = 100 * draw.tensor(2, 4, 6), 100 * draw.tensor(2, 1, 6) + draw.tensor(2, 5, 6) / 100
    for key in (near, 100 * draw.tensor(2, 5, 6)):
        agrees.module(MODULE, (6, 3), query, key, draw.tensor(2, 5, 6))


@pytest.mark.task("flash")
@weight(2)
@number("7.2")
@pytest.mark.parametrize("lead, t_q, t_k, d, d_v", SIZES)
def test_streaming(agrees, draw, lead, t_q, t_k, d, d_v):
    """StreamingAttention: output and gradients, a few keys, not causal"""
    agrees.autograd("StreamingAttention", *_tensors(draw, lead, t_q, t_k, d, d_v), False)


@pytest.mark.task("flash")
@weight(2)
@number("7.3")
@pytest.mark.parametrize("lead, length", CAUSAL)
def test_streaming_causal(agrees, draw, lead, length):
    """StreamingAttention: output and gradients, a few keys, causal"""
    agrees.autograd("StreamingAttention", *_tensors(draw, lead, length, length, 4, 3), True)


@pytest.mark.task("flash")
@weight(3)
@number("7.4")
@pytest.mark.parametrize("causal", [pytest.param(False, id="all keys"), pytest.param(True, id="causal")])
def test_streaming_over_many_blocks(agrees, draw, causal):
    """StreamingAttention: output and gradients at 300 tokens, several blocks and a rest"""
    agrees.autograd("StreamingAttention", *_tensors(draw, (2,), 300, 300, 6, 5), causal)


@pytest.mark.task("flash")
@weight(2)
@number("7.5")
@pytest.mark.parametrize("t_q, t_k", UNEVEN)
def test_streaming_causal_with_other_lengths(agrees, draw, t_q, t_k):
    """StreamingAttention: causal with fewer or more queries than keys; the last query sees all keys"""
    agrees.autograd("StreamingAttention", *_tensors(draw, (2,), t_q, t_k, 4, 3), True)


def _tensors(draw, lead: tuple[int, ...], t_q: int, t_k: int, d: int, d_v: int) -> list[torch.Tensor]:
    return [draw.tensor(*lead, *sizes) for sizes in ((t_q, d), (t_k, d), (t_k, d_v))]


@pytest.mark.task("flash")
@weight(1)
@number("7.6")
@pytest.mark.parametrize("sign", [1, -1, 0], ids=["rising", "falling", "far apart"])
def test_streaming_with_large_scores(agrees, draw, sign):
    """StreamingAttention: scores that rise or fall by 1,000 from block to block, or differ by thousands anywhere"""
    q, k, v = _tensors(draw, (), 5, 600, 4, 3)
    if sign:
        q[:, -1] = math.sqrt(4)  # the last feature of a key is added to its scores
        k[:, -1] = sign * 1e3 * torch.arange(600).div(200, rounding_mode="floor")
    else:
        q, k = 100 * q, 100 * k
    agrees.autograd("StreamingAttention", q, k, v, False)


@pytest.mark.task("flash", kind="property")
@weight(2)
@number("7.7")
def test_streaming_keeps_little_for_the_backward(cost, expect):
    """StreamingAttention: what is kept for the backward pass grows like T d, not like T^2"""
    length, d = 1024, 16
    seen = cost.autograd("StreamingAttention", lambda draw: (*_tensors(draw, (), length, length, d, d), False))
    kept = seen.student["kept"] // 8
    size = f"T = {length}, d = {d}, so T d = {length * d} and T^2 = {length**2}"
    advice = "Inputs, output and a few numbers a query are enough"
    expect.true(kept <= 16 * length * d, f"{kept:,} numbers are kept for the backward pass, with {size}. {advice}.")
