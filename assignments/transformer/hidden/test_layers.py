"""Feed-forward, attention, and the layers that are made of them."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

HEADS = [  # N, Tq, Tk, d_model, heads: all different
    pytest.param(2, 4, 5, 6, 3, id="three heads"),
    pytest.param(3, 5, 4, 8, 2, id="two heads"),
    pytest.param(2, 3, 5, 4, 1, id="one head"),
    pytest.param(3, 2, 6, 5, 5, id="one feature a head"),
]
MASKS = [  # for N = 2, heads = 3, Tq = 4, Tk = 5
    pytest.param((4, 5), id="(Tq, Tk)"),
    pytest.param((2, 1, 1, 5), id="(N, 1, 1, Tk)"),
    pytest.param((2, 3, 4, 5), id="(N, heads, Tq, Tk)"),
]
PER_SEQUENCE = [  # N, heads
    pytest.param(2, 3, id="fewer sequences than heads"),
    pytest.param(3, 3, id="as many sequences as heads"),
    pytest.param(4, 2, id="more sequences than heads"),
]
LAYERS = [  # N, T, d_model, heads, d_ff: all different; the memory has T + 2 tokens
    pytest.param(2, 5, 6, 3, 8, id="three heads"),
    pytest.param(3, 4, 8, 2, 5, id="two heads, narrow in the middle"),
    pytest.param(3, 1, 4, 1, 6, id="one token, one head"),
]


def some(draw, *shape: int) -> torch.Tensor:
    """A random mask in which every query may attend to the first key, and must not to the second."""
    mask = torch.from_numpy(draw.bools(*shape))
    mask[..., 0], mask[..., 1] = True, False
    return mask


def spread(draw, *shape: int) -> torch.Tensor:
    """Tokens whose sizes differ by powers of ten: some scores are nearly equal, others far apart."""
    return torch.from_numpy(10 ** draw.rng.uniform(-2, 2, (*shape[:-1], 1))) * draw.tensor(*shape)


def causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


@pytest.mark.task("feed_forward")
@weight(3)
@number("3.2")
@pytest.mark.parametrize("shape, d_ff", [((3, 5), 7), ((2, 3, 6), 4), ((2, 3, 4, 5), 8)], ids=["2", "3", "4 axes"])
def test_feed_forward(agrees, draw, shape, d_ff):
    """FeedForward: output and gradients, of inputs and parameters, any number of axes"""
    agrees.module("FeedForward", (shape[-1], d_ff), draw.tensor(*shape))


@pytest.mark.task("feed_forward")
@weight(1)
@number("3.3")
def test_feed_forward_of_tokens_of_any_size(agrees, draw):
    """FeedForward: tokens a hundred times larger or smaller than others"""
    agrees.module("FeedForward", (6, 9), spread(draw, 4, 5, 6))


@pytest.mark.task("encoder_layer")
@weight(3)
@number("4.3")
@pytest.mark.parametrize("n, t_q, t_k, d_model, heads", HEADS)
def test_multi_head(agrees, draw, n, t_q, t_k, d_model, heads):
    """MultiHeadAttention: output and gradients, of inputs and parameters, without a mask"""
    inputs = [draw.tensor(n, length, d_model) for length in (t_q, t_k, t_k)]
    agrees.module("MultiHeadAttention", (d_model, heads), *inputs)


@pytest.mark.task("encoder_layer")
@weight(1)
@number("4.4")
@pytest.mark.parametrize("shape", MASKS)
def test_multi_head_with_a_mask(agrees, draw, shape):
    """MultiHeadAttention: a mask that broadcasts to (N, heads, Tq, Tk)"""
    inputs = [draw.tensor(2, length, 6) for length in (4, 5, 5)]
    agrees.module("MultiHeadAttention", (6, 3), *inputs, mask=some(draw, *shape))


@pytest.mark.task("encoder_layer")
@weight(1)
@number("4.5")
@pytest.mark.parametrize("n, heads", PER_SEQUENCE)
def test_multi_head_with_a_mask_for_each_sequence(agrees, draw, n, heads):
    """MultiHeadAttention: a mask (N, Tq, Tk) belongs to sequences, not to heads"""
    inputs = [draw.tensor(n, length, 2 * heads) for length in (4, 5, 5)]
    agrees.module("MultiHeadAttention", (2 * heads, heads), *inputs, mask=some(draw, n, 4, 5))


@pytest.mark.task("encoder_layer")
@weight(1)
@number("4.6")
@pytest.mark.parametrize("shape", [pytest.param((4, 5), id="a token"), pytest.param((2, 1, 4, 5), id="a sequence")])
def test_multi_head_with_nothing_to_attend_to(agrees, draw, shape):
    """MultiHeadAttention: what may attend to nothing gives 0 before out_proj, and finite gradients"""
    mask = torch.ones(shape, dtype=torch.bool)
    mask[1] = False  # whole rows; the others see every key
    inputs = [draw.tensor(2, length, 6) for length in (4, 5, 5)]
    agrees.module("MultiHeadAttention", (6, 3), *inputs, mask=mask)


@pytest.mark.task("encoder_layer")
@weight(2)
@number("4.7")
def test_multi_head_of_tokens_of_any_size(agrees, draw):
    """MultiHeadAttention: scores that are nearly equal in one row and thousands apart in another"""
    inputs = [spread(draw, 3, length, 8) for length in (6, 7, 7)]
    agrees.module("MultiHeadAttention", (8, 2), *inputs)


@pytest.mark.task("encoder_layer")
@weight(4)
@number("4.8")
@pytest.mark.parametrize("n, length, d_model, heads, d_ff", LAYERS)
def test_encoder_layer(agrees, draw, n, length, d_model, heads, d_ff):
    """EncoderLayer: output and gradients, of inputs and parameters, without a mask"""
    agrees.module("EncoderLayer", (d_model, heads, d_ff), draw.tensor(n, length, d_model))


@pytest.mark.task("encoder_layer")
@weight(2)
@number("4.9")
@pytest.mark.parametrize("shape", [(5, 5), (2, 5, 5), (2, 1, 1, 5)], ids=["(T, T)", "(N, T, T)", "(N, 1, 1, T)"])
def test_encoder_layer_with_a_mask(agrees, draw, shape):
    """EncoderLayer: a mask goes to the attention"""
    agrees.module("EncoderLayer", (6, 3, 8), draw.tensor(2, 5, 6), mask=some(draw, *shape))


@pytest.mark.task("encoder_layer")
@weight(1)
@number("4.10")
def test_encoder_layer_of_tokens_of_any_size(agrees, draw):
    """EncoderLayer: tokens a hundred times larger or smaller than others"""
    agrees.module("EncoderLayer", (8, 2, 6), spread(draw, 3, 5, 8))


def decoder_inputs(draw, n: int, length: int, d_model: int) -> list[torch.Tensor]:
    """Target and memory; the source is two tokens longer."""
    return [draw.tensor(n, length, d_model), draw.tensor(n, length + 2, d_model)]


@pytest.mark.task("decoder_layer")
@weight(4)
@number("5.2")
@pytest.mark.parametrize("n, length, d_model, heads, d_ff", LAYERS)
def test_decoder_layer(agrees, draw, n, length, d_model, heads, d_ff):
    """DecoderLayer: without masks nothing is hidden; gradients of target, memory and parameters"""
    agrees.module("DecoderLayer", (d_model, heads, d_ff), *decoder_inputs(draw, n, length, d_model))


@pytest.mark.task("decoder_layer")
@weight(3)
@number("5.3")
@pytest.mark.parametrize("n, length, d_model, heads, d_ff", LAYERS)
def test_decoder_layer_with_a_causal_mask(agrees, draw, n, length, d_model, heads, d_ff):
    """DecoderLayer: causal within the target, free over the memory"""
    inputs = decoder_inputs(draw, n, length, d_model)
    agrees.module("DecoderLayer", (d_model, heads, d_ff), *inputs, mask=causal(length))


@pytest.mark.task("decoder_layer")
@weight(2)
@number("5.4")
@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6), (2, 1, 1, 6)], ids=["(Tt, Ts)", "(N, Tt, Ts)", "(N, 1, 1, Ts)"])
def test_decoder_layer_with_a_memory_mask(agrees, draw, shape):
    """DecoderLayer: memory_mask says what of the source may be seen, mask what of the target"""
    mask, memory_mask = some(draw, 2, 4, 4), some(draw, *shape)
    agrees.module("DecoderLayer", (6, 3, 8), *decoder_inputs(draw, 2, 4, 6), mask=mask, memory_mask=memory_mask)


@pytest.mark.task("decoder_layer")
@weight(2)
@number("5.5")
def test_decoder_layer_with_nothing_of_the_source_to_see(agrees, draw):
    """DecoderLayer: a target whose source is all padding still gets an answer, and finite gradients"""
    memory_mask = torch.ones(3, 4, 6, dtype=torch.bool)
    memory_mask[1], memory_mask[0, 2] = False, False
    agrees.module("DecoderLayer", (6, 3, 8), *decoder_inputs(draw, 3, 4, 6), None, memory_mask)


@pytest.mark.task("decoder_layer")
@weight(1)
@number("5.6")
def test_decoder_layer_of_tokens_of_any_size(agrees, draw):
    """DecoderLayer: tokens a hundred times larger or smaller than others, in target and memory"""
    agrees.module("DecoderLayer", (8, 2, 6), spread(draw, 3, 5, 8), spread(draw, 3, 4, 8), mask=causal(5))
