"""Worked examples of the handout, and the library's own attention."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gradescope_utils.autograder_utils.decorators import number, weight
from torch import nn


@pytest.mark.task("embedding")
@weight(1)
@number("1.1")
def test_public_embedding(student, draw, expect):
    """embedding: the handout's three words, one of them twice, and many words"""
    table, dout = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([[1.0, 0], [10, 20], [0, 1]])
    got = student.pair("embedding", np.array([2, 0, 2]), table, cotangents=(dout,))
    expect(got["outputs"]["out"], [[5.0, 6], [1, 2], [5, 6]], what="the output")
    expect(got["gradients"]["dtable"], [[10.0, 20], [0, 0], [1, 1]], what="dtable")
    ids, table, dout = draw.rng.permutation(400), draw(400, 480), draw(400, 480)  # minutes, for a derivative by entries
    got = student.pair("embedding", ids, table, cotangents=(dout,))
    expect(got["outputs"]["out"], table[ids], what="the output")
    expect(got["gradients"]["dtable"], np.eye(400)[ids].T @ dout, what="dtable")


@pytest.mark.task("contexts")
@weight(1)
@number("2.1")
def test_public_uniform_context(student, expect):
    """uniform_context: the handout's three tokens"""
    x = np.array([[1.0, 0], [0, 1], [1, 1]])
    expect(student.uniform_context(x), np.array([[1, 0], [1 / 2, 1 / 2], [2 / 3, 2 / 3]]), what="the contexts")


@pytest.mark.task("contexts")
@weight(1)
@number("2.2")
def test_public_similarity_context(student, expect):
    """similarity_context: the handout's two tokens"""
    x, own = np.array([[0.0, 2, 0, 0], [2, 0, 0, 0]]), math.exp(2) / (1 + math.exp(2))
    expected = np.array([[0, 2, 0, 0], [2 * own, 2 * (1 - own), 0, 0]])
    expect(student.similarity_context(x), expected, what="the contexts")


@pytest.mark.task("softmax")
@weight(1)
@number("3.1")
def test_public_softmax(student, expect):
    """softmax: scores 0, ln 2 and ln 5"""
    expect(student.softmax(np.log([1.0, 2, 5])), [1 / 8, 2 / 8, 5 / 8])


@pytest.mark.task("softmax")
@weight(1)
@number("3.2")
def test_public_softmax_backward(student, expect):
    """softmax_backward: two equal weights, and the handout's three"""
    expect(student.softmax_backward(np.array([1.0, 0]), np.array([0.5, 0.5])), [0.25, -0.25])
    got = student.softmax_backward(np.array([8.0, 0, 0]), np.array([1 / 8, 2 / 8, 5 / 8]))
    expect(got, [7 / 8, -2 / 8, -5 / 8])


@pytest.mark.task("attention")
@weight(1)
@number("4.1")
def test_public_attention_by_hand(student, expect):
    """attention_forward: one query, two keys, weights 3/4 and 1/4"""
    q, k = np.array([[2.0, 0, 0, 0]]), np.array([[math.log(3), 0, 0, 0], [0, 1, 0, 0]])
    expect(student.run("attention_output", q, k, np.array([[4.0, 0], [8, 4]])), [[5.0, 1]], what="the output")


@pytest.mark.task("attention")
@weight(3)
@number("4.2")
@pytest.mark.parametrize("d, d_v", [(5, 6), (5000, 5000)], ids=["few features", "many features"])
def test_public_attention_equals_torch(student, draw, expect, d, d_v):
    """attention: output and gradients equal torch's scaled_dot_product_attention"""
    q, k, v, dout = draw(2, 3, d), draw(2, 4, d), draw(2, 4, d_v), draw(2, 3, d_v)
    leaves = [torch.from_numpy(array).requires_grad_() for array in (q, k, v)]
    expected = F.scaled_dot_product_attention(*leaves)
    gradients = torch.autograd.grad(expected, leaves, torch.from_numpy(dout))
    got = student.pair("attention", q, k, v, cotangents=(dout,))
    expect(got["outputs"]["out"], expected.detach().numpy(), what="the output")
    for name, gradient in zip(("dq", "dk", "dv"), gradients, strict=True):
        expect(got["gradients"][name], gradient.numpy(), what=name)


@pytest.mark.task("causal_mask")
@weight(1)
@number("5.1")
def test_public_causal_mask(student, expect):
    """causal_mask: 3 queries and 3 keys, 2 queries and 4 keys"""
    expect(student.causal_mask(3), [[True, False, False], [True, True, False], [True, True, True]], what="the mask")
    expect(student.causal_mask(2, 4), [[True, True, True, False], [True, True, True, True]], what="the mask")


@pytest.mark.task("multi_head")
@weight(3)
@number("6.1")
@pytest.mark.parametrize("masked", [pytest.param(False, id="no mask"), pytest.param(True, id="causal mask")])
def test_public_multi_head_equals_torch(student, draw, expect, masked):
    """MultiHeadAttention: output and gradients equal torch.nn.MultiheadAttention's with the same weights"""
    shapes = {"weight": (6, 6), "bias": (6,)}
    layers = ("q_proj", "k_proj", "v_proj", "out_proj")
    state = {f"{layer}.{kind}": draw.tensor(*shape) for layer in layers for kind, shape in shapes.items()}
    theirs = nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    packed = {f"in_proj_{kind}": torch.cat([state[f"{layer}.{kind}"] for layer in layers[:3]]) for kind in shapes}
    theirs.load_state_dict(packed | {key: item for key, item in state.items() if key.startswith("out_proj")})
    inputs = [draw.tensor(2, length, 6).requires_grad_() for length in (4, 5, 5)]
    hidden = torch.ones(4, 5, dtype=torch.bool).triu(2) if masked else None  # theirs marks what is hidden
    expected, _ = theirs(*inputs, attn_mask=hidden)
    dout = draw.tensor(2, 4, 6)
    gradients = torch.autograd.grad(expected, inputs, dout)
    options = {} if hidden is None else {"mask": ~hidden}
    sent = [item.detach() for item in inputs]
    got = student.module("MultiHeadAttention", (6, 2), *sent, state=state, cotangents=(dout,), **options)
    expect(got["outputs"], expected.detach(), what="the output")
    for name, mine, gradient in zip(("query", "key", "value"), got["gradients"]["inputs"], gradients, strict=True):
        expect(mine, gradient, what=f"the gradient with respect to {name}")


@pytest.mark.task("flash")
@weight(2)
@number("7.1")
@pytest.mark.parametrize("causal", [pytest.param(False, id="all keys"), pytest.param(True, id="causal")])
def test_public_streaming_equals_torch(student, draw, expect, causal):
    """StreamingAttention: output and gradients equal torch's scaled_dot_product_attention"""
    tensors = [draw.tensor(2, 3, 7, 4) for _ in range(4)]
    leaves = [tensor.clone().requires_grad_() for tensor in tensors[:3]]
    expected = F.scaled_dot_product_attention(*leaves, is_causal=causal)
    gradients = torch.autograd.grad(expected, leaves, tensors[3])
    got = student.autograd("StreamingAttention", *tensors[:3], causal, cotangents=(tensors[3],))
    expect(got["outputs"], expected.detach(), what="the output")
    for name, mine, gradient in zip(("q", "k", "v"), got["gradients"].values(), gradients, strict=True):
        expect(mine, gradient, what=f"the gradient with respect to {name}")
