"""Attention with hand-written gradients, and the causal mask."""

import math

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = [  # leading axes, Tq, Tk, d, dv: all different, so that a swapped axis shows
    pytest.param((), 3, 5, 4, 2, id="one sequence"),
    pytest.param((2,), 5, 3, 6, 4, id="two sequences"),
    pytest.param((2, 3), 4, 6, 5, 7, id="two sequences, three heads"),
    pytest.param((2,), 20, 24, 900, 920, id="many features"),
]
MASKS = [  # shape of the mask for queries (2, 3, 4, d) and keys (2, 3, 5, d)
    pytest.param((4, 5), id="(Tq, Tk)"),
    pytest.param((5,), id="(Tk,)"),
    pytest.param((2, 1, 1, 5), id="(N, 1, 1, Tk)"),
    pytest.param((2, 3, 4, 5), id="(N, heads, Tq, Tk)"),
]
MANY = 5000  # features: a derivative taken entry by entry takes minutes
EMPTY = [  # shape of the mask for queries (2, 4, d) and keys (2, 5, d); which of its rows are empty
    pytest.param((4, 5), [1], id="one query"),
    pytest.param((4, 5), [0, 3], id="first and last query"),
    pytest.param((2, 1, 5), (1, 0), id="all queries of a sequence"),
]


@pytest.mark.task("attention")
@weight(3)
@number("4.3")
@pytest.mark.parametrize("lead, t_q, t_k, d, d_v", SIZES)
def test_attention_forward(agrees, draw, lead, t_q, t_k, d, d_v):
    """attention_forward: as many queries as you like, keys and values of other sizes"""
    agrees.run("attention_output", draw(*lead, t_q, d), draw(*lead, t_k, d), draw(*lead, t_k, d_v))


@pytest.mark.task("attention")
@weight(4)
@number("4.4")
@pytest.mark.parametrize("lead, t_q, t_k, d, d_v", SIZES)
def test_attention_backward(agrees, draw, lead, t_q, t_k, d, d_v):
    """attention_backward: gradients of queries, keys and values"""
    agrees.pair("attention", draw(*lead, t_q, d), draw(*lead, t_k, d), draw(*lead, t_k, d_v))
    calls = [(draw.wide(3, 4), draw(5, 4), draw(5, 2)) for _ in range(2)]
    agrees.interleaved("attention", *calls)


@pytest.mark.task("attention")
@weight(3)
@number("4.5")
@pytest.mark.parametrize("shape", MASKS)
def test_attention_with_a_mask(agrees, draw, shape):
    """attention: masks of every shape that broadcasts; every query may attend to something"""
    mask = draw.bools(*shape)
    mask[..., :2] = True, False
    for d, d_v in ((6, 7), (MANY // 2, MANY // 2)):
        agrees.pair("attention", draw(2, 3, 4, d), draw(2, 3, 5, d), draw(2, 3, 5, d_v), mask)


@pytest.mark.task("attention")
@weight(3)
@number("4.6")
@pytest.mark.parametrize("shape, hidden", EMPTY)
def test_attention_with_nothing_to_attend_to(agrees, draw, shape, hidden):
    """attention: a query whose keys are all masked gives 0, and its gradients are finite"""
    mask = np.ones(shape, dtype=bool)
    mask[hidden] = False  # whole rows; the others see every key
    for d, d_v in ((6, 3), (MANY, MANY)):
        agrees.pair("attention", draw(2, 4, d), draw(2, 5, d), draw(2, 5, d_v), mask)


@pytest.mark.task("attention")
@weight(2)
@number("4.7")
def test_attention_hides_a_key_with_a_huge_score(agrees, draw):
    """attention: a masked key has no part in the answer, however high its score"""
    for d, d_v in ((6, 3), (2 * MANY, 2 * MANY)):
        q, k = np.abs(draw(4, d)) + 1, draw(5, d)
        k[2] = 1e4
        agrees.pair("attention", q, k, draw(5, d_v), np.array([True, True, False, True, True]))


@pytest.mark.task("attention")
@weight(1)
@number("4.8")
@pytest.mark.parametrize("shift", [1e4, -1e4, None], ids=["+10,000", "-10,000", "far apart"])
def test_attention_with_large_scores(agrees, draw, shift):
    """attention: scores around 10,000 and -10,000, and such that differ by thousands"""
    for d, d_v in ((4, 2), (2 * MANY, 2 * MANY)):
        q, k = draw(3, d), draw(5, d)
        if shift is None:
            q, k = 100 * q, 100 * k
        else:
            q[:, -1], k[:, -1] = shift, math.sqrt(d)  # adds the shift to every score, which changes no weight
        agrees.pair("attention", q, k, draw(5, d_v))


@pytest.mark.task("attention", kind="dtype")
@weight(2)
@number("4.9")
def test_everything_keeps_the_dtype(keeps_dtype, draw):
    """all functions: float32 in, float32 out, gradients too"""
    # Square where it can be: a swapped axis is another check's business.
    x, q, k, v = (draw(*shape).astype(np.float32) for shape in ((4, 4), *[(2, 4, 2 * MANY)] * 2, (2, 4, MANY)))
    mask, heads = draw.bools(4, 4), [3 * draw.tensor(2, 4, 12).float() for _ in range(3)]
    keeps_dtype.pair("attention", q, k, v, mask)
    others = keeps_dtype.if_right
    others.pair("embedding", draw.ints(0, 4, 3, 2), x)
    others("uniform_context", x)
    others("similarity_context", x)
    others("softmax", x)
    others("softmax_backward", x, np.full_like(x, 1 / 4))
    others.module("MultiHeadAttention", (12, 2), *heads, mask=torch.from_numpy(mask))
    others.autograd("StreamingAttention", *heads, True)


@pytest.mark.task("causal_mask")
@weight(1)
@number("5.2")
@pytest.mark.parametrize("sizes", [(4,), (1,), (6, 6)], ids=["4", "1", "6 and 6"])
def test_causal_mask(agrees, sizes):
    """causal_mask: as many keys as queries"""
    agrees("causal_mask", *sizes)


@pytest.mark.task("causal_mask")
@weight(2)
@number("5.3")
@pytest.mark.parametrize("t_q, t_k", [(3, 5), (1, 4), (2, 9)], ids=["3 and 5", "1 and 4", "2 and 9"])
def test_causal_mask_of_the_last_queries(agrees, t_q, t_k):
    """causal_mask: fewer queries than keys; the last query sees all keys"""
    agrees("causal_mask", t_q, t_k)


@pytest.mark.task("causal_mask")
@weight(1)
@number("5.4")
@pytest.mark.parametrize("t_q, t_k", [(5, 3), (4, 1), (9, 2)], ids=["5 and 3", "4 and 1", "9 and 2"])
def test_causal_mask_of_queries_without_keys(agrees, t_q, t_k):
    """causal_mask: more queries than keys; the first queries see nothing"""
    agrees("causal_mask", t_q, t_k=t_k)
