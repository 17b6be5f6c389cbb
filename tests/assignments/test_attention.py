"""The attention reference against second oracles: the library's operations, autograd, gradcheck, closed forms."""

import ast
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).parents[2]
T_LONG = 1024
Rng = np.random.Generator


@pytest.fixture(scope="module")
def attention(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("attention")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20251030)


def normal(rng: Rng, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


def leaves(*tensors: Tensor) -> list[Tensor]:
    return [tensor.clone().requires_grad_() for tensor in tensors]


# embedding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 1, 4)])
def test_embedding_and_its_gradient_equal_the_librarys(attention: ModuleType, rng: Rng, shape: tuple[int, ...]) -> None:
    ids, table = rng.integers(0, 7, shape), rng.standard_normal((7, 4))
    dout = rng.standard_normal((*shape, 4))
    (weight,) = leaves(torch.from_numpy(table))
    expected = F.embedding(torch.from_numpy(ids), weight)
    (dweight,) = torch.autograd.grad(expected, weight, torch.from_numpy(dout))
    out, cache = attention.embedding_forward(ids, table)
    assert_allclose(out, expected.detach(), rtol=0)
    assert_allclose(attention.embedding_backward(dout, cache), dweight, rtol=1e-12, atol=1e-14)


def test_embedding_is_one_hot_times_table_and_so_is_its_gradient(attention: ModuleType, rng: Rng) -> None:
    ids, table = np.array([3, 0, 3, 3, 1]), rng.standard_normal((5, 2))
    one_hot, dout = np.eye(5)[ids], rng.standard_normal((5, 2))
    out, cache = attention.embedding_forward(ids, table)
    assert_allclose(out, one_hot @ table)
    assert_allclose(attention.embedding_backward(dout, cache), one_hot.T @ dout)


# contexts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "width"), [(1, 3), (6, 1), (7, 4)])
def test_uniform_context_equals_attention_with_equal_scores(
    attention: ModuleType, rng: Rng, length: int, width: int
) -> None:
    x = normal(rng, 1, 1, length, width)
    expected = F.scaled_dot_product_attention(torch.zeros_like(x), x, x, is_causal=True)[0, 0]
    assert_allclose(attention.uniform_context(x[0, 0].numpy()), expected, rtol=1e-12)


@pytest.mark.parametrize(("length", "width"), [(1, 3), (6, 1), (7, 4)])
def test_similarity_context_equals_the_librarys_causal_self_attention(
    attention: ModuleType, rng: Rng, length: int, width: int
) -> None:
    x = normal(rng, 1, 1, length, width)
    expected = F.scaled_dot_product_attention(x, x, x, is_causal=True)[0, 0]
    assert_allclose(attention.similarity_context(x[0, 0].numpy()), expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["uniform_context", "similarity_context"])
def test_contexts_of_a_prefix_do_not_depend_on_what_follows(attention: ModuleType, rng: Rng, name: str) -> None:
    context, x = getattr(attention, name), 3 * rng.standard_normal((8, 5))
    for end in range(1, 8):
        assert_allclose(context(x)[:end], context(x[:end]), rtol=1e-12, atol=1e-12)


def test_contexts_worked_examples_of_the_docstrings(attention: ModuleType) -> None:
    assert_allclose(
        attention.uniform_context(np.array([[1.0, 0], [0, 1], [1, 1]])), [[1, 0], [0.5, 0.5], [2 / 3, 2 / 3]]
    )
    contexts = attention.similarity_context(np.array([[0.0, 2, 0, 0], [2, 0, 0, 0]]))
    assert_allclose(contexts, [[0, 2, 0, 0], [1.7616, 0.2384, 0, 0]], atol=1e-4)


def test_similarity_context_of_long_vectors_is_finite(attention: ModuleType, rng: Rng) -> None:
    x = 100 * rng.standard_normal((6, 4))
    assert np.isfinite(attention.similarity_context(x)).all()


# softmax -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax_equals_scipys_and_its_backward_equals_autograds(
    attention: ModuleType, rng: Rng, axis: int, scale: float
) -> None:
    (x,) = leaves(scale * normal(rng, 3, 4, 5))
    dout = normal(rng, 3, 4, 5)
    (dx,) = torch.autograd.grad(x.softmax(dim=axis), x, dout)
    y = attention.softmax(x.detach().numpy(), axis=axis)
    assert_allclose(y, scipy.special.softmax(x.detach().numpy(), axis=axis), rtol=1e-12)
    assert_allclose(attention.softmax_backward(dout.numpy(), y, axis=axis), dx, rtol=1e-9, atol=1e-14)


def test_softmax_worked_examples_of_the_docstrings(attention: ModuleType) -> None:
    assert_allclose(attention.softmax(np.log([1.0, 2, 5])), [1 / 8, 2 / 8, 5 / 8])
    assert_allclose(attention.softmax_backward(np.array([1.0, 0]), np.array([0.5, 0.5])), [0.25, -0.25])


# attention ---------------------------------------------------------------------------------------------------------

SIZES = [  # leading axes, Tq, Tk, d, dv
    pytest.param((), 3, 5, 4, 2, id="one"),
    pytest.param((2,), 5, 3, 2, 4, id="batch"),
    pytest.param((2, 3), 4, 6, 5, 7, id="heads"),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("lead", "t_q", "t_k", "d", "d_v"), SIZES)
def test_attention_and_its_gradients_equal_the_librarys(
    attention: ModuleType, rng: Rng, lead: tuple[int, ...], t_q: int, t_k: int, d: int, d_v: int, masked: bool
) -> None:
    q, k, v = leaves(normal(rng, *lead, t_q, d), normal(rng, *lead, t_k, d), normal(rng, *lead, t_k, d_v))
    mask = None
    if masked:
        mask = torch.from_numpy(rng.random((t_q, t_k)) < 0.5)
        mask[:, 0] = True  # the library's answer for a row with nothing to attend to has changed between versions
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    dout = normal(rng, *expected.shape)
    gradients = torch.autograd.grad(expected, (q, k, v), dout)
    arrays = [tensor.detach().numpy() for tensor in (q, k, v)]
    out, cache = attention.attention_forward(*arrays, mask=None if mask is None else mask.numpy())
    assert_allclose(out, expected.detach(), rtol=1e-10, atol=1e-12)
    for got, gradient in zip(attention.attention_backward(dout.numpy(), cache), gradients, strict=True):
        assert_allclose(got, gradient, rtol=1e-10, atol=1e-12)


def test_attention_rows_with_nothing_to_attend_to_are_zero_and_take_no_part_in_gradients(
    attention: ModuleType, rng: Rng
) -> None:
    q, k, v = rng.standard_normal((4, 3)), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    mask, dout = rng.random((4, 5)) < 0.7, rng.standard_normal((4, 2))
    mask[:, 0], empty = True, np.array([False, True, False, True])
    mask[empty] = False
    out, cache = attention.attention_forward(q, k, v, mask)
    dq, dk, dv = attention.attention_backward(dout, cache)
    fewer, fewer_cache = attention.attention_forward(q[~empty], k, v, mask[~empty])
    assert (out[empty] == 0).all()
    assert (dq[empty] == 0).all()
    assert_allclose(out[~empty], fewer)
    expected = attention.attention_backward(dout[~empty], fewer_cache)
    for got, gradient in zip((dq[~empty], dk, dv), expected, strict=True):
        assert_allclose(got, gradient, atol=1e-14)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_attention_does_not_see_a_shift_of_all_scores(attention: ModuleType, rng: Rng, shift: float) -> None:
    q, k, v = rng.standard_normal((3, 4)), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    expected, _ = attention.attention_forward(q, k, v)
    wide_q = np.concatenate([q, np.full((3, 1), shift)], axis=1) * math.sqrt(5 / 4)
    wide_k = np.concatenate([k, np.ones((5, 1))], axis=1)
    assert_allclose(attention.attention_forward(wide_q, wide_k, v)[0], expected, rtol=1e-9)


def test_attention_ignores_a_masked_key_however_high_its_score(attention: ModuleType, rng: Rng) -> None:
    q, k, v = np.ones((2, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    expected, _ = attention.attention_forward(q, k[:2], v[:2])
    k[2] = 1e4
    assert_allclose(attention.attention_forward(q, k, v, np.array([True, True, False]))[0], expected)


def test_attention_worked_example_of_the_docstring(attention: ModuleType) -> None:
    k = np.array([[math.log(3), 0, 0, 0], [0, 1, 0, 0]])
    out, _ = attention.attention_forward(np.array([[2.0, 0, 0, 0]]), k, np.array([[4.0, 0], [8, 4]]))
    assert_allclose(out, [[5, 1]])


# causal_mask -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t_q", "t_k"), [(1, 1), (4, 4), (3, 5), (1, 6), (5, 3), (6, 1)])
def test_causal_mask_is_its_definition(attention: ModuleType, t_q: int, t_k: int) -> None:
    mask = attention.causal_mask(t_q, t_k)
    assert mask.dtype == bool
    assert mask.tolist() == [[j <= i + (t_k - t_q) for j in range(t_k)] for i in range(t_q)]
    assert mask[-1].all()


def test_causal_mask_without_a_number_of_keys_is_square(attention: ModuleType) -> None:
    assert_allclose(attention.causal_mask(5), np.tril(np.ones((5, 5))))


# multi_head --------------------------------------------------------------------------------------------------------


def both(attention: ModuleType, rng: Rng, d_model: int, heads: int) -> tuple[nn.Module, nn.MultiheadAttention]:
    """Ours and the library's, with the same random weights, biases too."""
    ours = attention.MultiHeadAttention(d_model, heads).double()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(normal(rng, *parameter.shape))
    theirs = nn.MultiheadAttention(d_model, heads, batch_first=True).double()
    projections = (ours.q_proj, ours.k_proj, ours.v_proj)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([projection.weight for projection in projections]),
            "in_proj_bias": torch.cat([projection.bias for projection in projections]),
            "out_proj.weight": ours.out_proj.weight,
            "out_proj.bias": ours.out_proj.bias,
        }
    )
    return ours, theirs


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [1, 2, 6])
def test_multi_head_equals_the_librarys_with_gradients(
    attention: ModuleType, rng: Rng, heads: int, masked: bool
) -> None:
    ours, theirs = both(attention, rng, 6, heads)
    inputs = leaves(normal(rng, 2, 3, 6), normal(rng, 2, 5, 6), normal(rng, 2, 5, 6))
    mask = None
    if masked:
        mask = torch.from_numpy(rng.random((3, 5)) < 0.5)
        mask[:, 0] = True
    expected, _ = theirs(*inputs, attn_mask=None if mask is None else ~mask)  # there True hides
    got, dout = ours(*inputs, mask=mask), normal(rng, 2, 3, 6)
    assert_close(got, expected, rtol=1e-9, atol=1e-12)
    ours_gradients = torch.autograd.grad(got, [*inputs, ours.out_proj.weight, ours.q_proj.bias], dout)
    theirs_gradients = torch.autograd.grad(expected, [*inputs, theirs.out_proj.weight, theirs.in_proj_bias], dout)
    for one, other in zip(ours_gradients[:4], theirs_gradients[:4], strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)
    assert_close(ours_gradients[4], theirs_gradients[4][:6], rtol=1e-9, atol=1e-12)


def test_multi_head_takes_a_mask_of_three_axes_as_one_for_each_sequence(attention: ModuleType, rng: Rng) -> None:
    ours, _ = both(attention, rng, 6, 3)  # as many sequences as heads, so that a mix-up would go unnoticed
    x = normal(rng, 3, 4, 6)
    mask = torch.from_numpy(rng.random((3, 4, 4)) < 0.5)
    alone = torch.cat([ours(*[x[n : n + 1]] * 3, mask=mask[n]) for n in range(3)])
    assert_close(ours(x, x, x, mask=mask), alone)
    assert_close(ours(x, x, x, mask=mask[:, None].expand(3, 3, 4, 4)), alone)


def test_multi_head_gives_the_bias_of_out_proj_where_there_is_nothing_to_attend_to(
    attention: ModuleType, rng: Rng
) -> None:
    ours, _ = both(attention, rng, 6, 2)
    x, y = leaves(normal(rng, 2, 3, 6), normal(rng, 2, 4, 6))
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[1, 2] = False
    out = ours(x, y, y, mask=mask)
    assert_close(out[1, 2], ours.out_proj.bias)
    gradients = torch.autograd.grad(out, [x, y, *ours.parameters()], torch.ones_like(out))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (gradients[0][1, 2] == 0).all()


def test_multi_head_refuses_heads_that_do_not_divide_the_features(attention: ModuleType) -> None:
    with pytest.raises(ValueError, match="4 heads do not divide 6 features"):
        attention.MultiHeadAttention(6, 4)


def test_multi_head_dispatches_as_many_operations_at_any_size(attention: ModuleType) -> None:
    def operations(samples: int, length: int, heads: int) -> int:
        module, x = attention.MultiHeadAttention(24, heads), torch.randn(samples, length, 24)
        with Watch() as watch:
            module(x, x, x, mask=torch.ones(length, length, dtype=torch.bool))
        return watch.operations

    assert operations(2, 3, 2) == operations(4, 3, 2) == operations(2, 6, 2) == operations(2, 3, 12)


# flash -------------------------------------------------------------------------------------------------------------


class Watch(TorchDispatchMode):
    """Counts dispatched operations and keeps the size of the largest tensor made."""

    operations, largest = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += 1
        for item in out if isinstance(out, tuple | list) else (out,):
            if isinstance(item, Tensor):
                self.largest = max(self.largest, item.numel())
        return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("lead", "t_q", "t_k", "d", "d_v"), SIZES)
def test_streaming_attention_passes_gradcheck(
    attention: ModuleType,
    rng: Rng,
    lead: tuple[int, ...],
    t_q: int,
    t_k: int,
    d: int,
    d_v: int,
    causal: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "KEY_BLOCK", 2)
    q, k, v = leaves(normal(rng, *lead, t_q, d), normal(rng, *lead, t_k, d), normal(rng, *lead, t_k, d_v))
    assert torch.autograd.gradcheck(lambda q, k, v: attention.StreamingAttention.apply(q, k, v, causal), (q, k, v))


@pytest.mark.parametrize("block", [1, 7, 128, 256, 300])
@pytest.mark.parametrize("causal", [False, True])
def test_streaming_attention_equals_the_librarys_at_300_tokens(
    attention: ModuleType, rng: Rng, causal: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "KEY_BLOCK", block)
    q, k, v = leaves(normal(rng, 1, 2, 300, 8), normal(rng, 1, 2, 300, 8), normal(rng, 1, 2, 300, 8))
    expected, dout = F.scaled_dot_product_attention(q, k, v, is_causal=causal), normal(rng, 1, 2, 300, 8)
    got = attention.StreamingAttention.apply(q, k, v, causal)
    assert_close(got, expected, rtol=1e-9, atol=1e-12)
    for one, other in zip(*(torch.autograd.grad(out, (q, k, v), dout) for out in (got, expected)), strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("t_q", "t_k"), [(130, 300), (300, 130), (1, 257), (257, 1)])
def test_streaming_attention_is_causal_from_the_end_where_lengths_differ(
    attention: ModuleType, rng: Rng, t_q: int, t_k: int
) -> None:
    q, k, v = leaves(normal(rng, t_q, 3), normal(rng, t_k, 3), normal(rng, t_k, 2))
    mask = torch.tensor([[j <= i + (t_k - t_q) for j in range(t_k)] for i in range(t_q)])
    scores = (q @ k.mT / math.sqrt(3)).masked_fill(~mask, -1e300)
    expected, dout = scores.softmax(-1).masked_fill(~mask, 0) @ v, normal(rng, t_q, 2)
    got = attention.StreamingAttention.apply(q, k, v, True)
    assert (got[: max(0, t_q - t_k)] == 0).all()
    assert_close(got, expected, rtol=1e-9, atol=1e-12)
    for one, other in zip(*(torch.autograd.grad(out, (q, k, v), dout) for out in (got, expected)), strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_streaming_attention_never_holds_a_square_of_scores(attention: ModuleType, causal: bool) -> None:
    q, k, v = (torch.randn(T_LONG, 8, requires_grad=True) for _ in range(3))
    with Watch() as watch:
        out = attention.StreamingAttention.apply(q, k, v, causal)
        saved = sum(tensor.numel() for tensor in out.grad_fn.saved_tensors)
        out.backward(torch.randn_like(out))
    assert watch.largest <= 256 * T_LONG
    assert saved == T_LONG * (4 * 8 + 1)  # q, k, v, out, and one number a query


def test_streaming_attention_says_that_it_cannot_be_differentiated_twice(attention: ModuleType) -> None:
    q, k, v = (torch.randn(3, 2, requires_grad=True) for _ in range(3))
    out = attention.StreamingAttention.apply(q, k, v, False)
    (dq,) = torch.autograd.grad(out.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        dq.sum().backward()


# all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_numpy_function_keeps_the_dtype_and_leaves_its_arguments_alone(
    attention: ModuleType, rng: Rng, dtype: type
) -> None:
    ids, table = rng.integers(0, 5, (2, 3)), rng.standard_normal((5, 4)).astype(dtype)
    q, k, v = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 3, 6), (2, 5, 6), (2, 5, 4)))
    mask = rng.random((3, 5)) < 0.5
    given = (ids, table, q, k, v, mask)
    before = [array.copy() for array in given]
    embedded, embedding_cache = attention.embedding_forward(ids, table)
    out, cache = attention.attention_forward(q, k, v, mask)
    results = [
        embedded,
        attention.embedding_backward(embedded, embedding_cache),
        attention.uniform_context(table),
        attention.similarity_context(table),
        attention.softmax(q),
        attention.softmax_backward(q, attention.softmax(q)),
        out,
        *attention.attention_backward(out, cache),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    for array, copy in zip(given, before, strict=True):
        assert (array == copy).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_torch_function_keeps_the_dtype_and_leaves_its_arguments_alone(
    attention: ModuleType, dtype: torch.dtype
) -> None:
    x, y = (torch.randn(2, length, 6, dtype=dtype) for length in (3, 5))
    mask = torch.rand(2, 3, 5) < 0.5
    before = [tensor.clone() for tensor in (x, y, mask)]
    out = attention.MultiHeadAttention(6, 2).to(dtype)(x, y, y, mask)
    inputs = leaves(x, y, y)
    streamed = attention.StreamingAttention.apply(*inputs, True)
    gradients = torch.autograd.grad(streamed, inputs, torch.ones_like(streamed))
    assert {result.dtype for result in (out, streamed, *gradients)} == {dtype}
    for tensor, copy in zip((x, y, mask), before, strict=True):
        assert torch.equal(tensor, copy)


def test_float32_agrees_with_float64_to_single_precision(attention: ModuleType, rng: Rng) -> None:
    q, k, v = (rng.standard_normal((2, 40, 8)) for _ in range(3))
    exact, cache = attention.attention_forward(q, k, v)
    single, single_cache = attention.attention_forward(*(array.astype(np.float32) for array in (q, k, v)))
    assert_allclose(single, exact, rtol=1e-4, atol=1e-5)
    pairs = zip(
        attention.attention_backward(exact.astype(np.float32), single_cache),
        attention.attention_backward(exact, cache),
        strict=True,
    )
    for got, expected in pairs:
        assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def test_numpy_tasks_use_no_torch() -> None:
    module = ast.parse((ROOT / "solutions" / "attention.py").read_text())
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    used = {node.id for function in functions for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert len(functions) == 9
    assert "torch" not in used


def test_the_quiz_is_answered_with_options_that_exist(attention: ModuleType) -> None:
    facts = tomllib.loads((ROOT / "assignments" / "attention" / "assignment.toml").read_text())
    options = {entry["id"]: entry["options"] for entry in facts["quiz"]}
    assert attention.QUIZ.keys() == options.keys()
    assert all(answer in options[question] for question, answer in attention.QUIZ.items())
