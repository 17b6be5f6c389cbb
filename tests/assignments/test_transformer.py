"""The transformer reference against second oracles: the library's layers, autograd, closed forms, known models."""

import ast
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from torch import Tensor, nn
from torch.testing import assert_close

ROOT = Path(__file__).parents[2]
Rng = np.random.Generator
NEAR = {"rtol": 1e-5, "atol": 1e-6}  # the reference's positional encoding is float32


@pytest.fixture(scope="module")
def transformer(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("transformer")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20251030)


def normal(rng: Rng, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


def randomised(rng: Rng, module: nn.Module) -> nn.Module:
    """In float64, every parameter drawn, biases and scales too."""
    module.double()
    with torch.no_grad():
        for item in module.parameters():
            item.copy_(normal(rng, *item.shape) / max(2, item.shape[-1]) ** 0.5)
    return module


RENAMED = {"self_attn.": "attn.", "linear1.": "ffn.fc1.", "linear2.": "ffn.fc2."}


def ours(theirs: dict[str, Tensor], renamed: dict[str, str]) -> dict[str, Tensor]:
    """The library's parameters under our names: projections apart, attention and feed-forward renamed."""
    found: dict[str, Tensor] = {}
    for name, item in theirs.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        if "in_proj_" in name:
            parts = zip("qkv", item.chunk(3), strict=True)
            found |= {name.replace("in_proj_", f"{part}_proj."): chunk for part, chunk in parts}
        else:
            found[name] = item
    return found


def agree(mine: Tensor, theirs: Tensor, leaves: list[list[Tensor]], rng: Rng, **near: float) -> None:
    """Outputs, and the gradients of a random combination of them to both sides' leaves."""
    assert_close(mine, theirs, **(near or {"rtol": 1e-9, "atol": 1e-11}))
    dout = normal(rng, *theirs.shape)
    gradients = [torch.autograd.grad(out, side, dout) for out, side in zip((mine, theirs), leaves, strict=True)]
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, **(near or {"rtol": 1e-9, "atol": 1e-11}))


# positional_encoding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "d_model"), [(1, 1), (5, 4), (7, 3), (40, 10), (3, 9)])
def test_positional_encoding_is_the_lectures_formula(transformer: ModuleType, length: int, d_model: int) -> None:
    expected = np.empty((length, d_model))
    for pos in range(length):
        for feature in range(d_model):
            angle = pos / 10000 ** (feature // 2 * 2 / d_model)
            expected[pos, feature] = math.cos(angle) if feature % 2 else math.sin(angle)
    encoding = transformer.positional_encoding(length, d_model)
    assert encoding.dtype == torch.float32
    assert_allclose(encoding, expected, atol=1e-6)


@pytest.mark.parametrize("d_model", [2, 6, 64])
def test_positional_encodings_are_rotations_of_one_length(transformer: ModuleType, d_model: int) -> None:
    encoding = transformer.positional_encoding(50, d_model).double()
    assert_close(encoding.square().sum(dim=1), torch.full((50,), d_model / 2).double(), rtol=1e-5, atol=0)
    products = encoding @ encoding.T  # of two positions: it depends on their distance alone
    for distance in (1, 7, 30):
        diagonal = products.diagonal(distance)
        assert_close(diagonal, diagonal[0].expand_as(diagonal), rtol=1e-5, atol=1e-5)


# layer_norm --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (2, 1, 3, 6)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_layer_norm_and_its_gradients_equal_the_librarys(
    transformer: ModuleType, rng: Rng, shape: tuple[int, ...], scale: float
) -> None:
    x, gamma, beta = (scale * normal(rng, *shape) + scale).requires_grad_(), *(normal(rng, shape[-1]) for _ in "ab")
    expected = F.layer_norm(x, shape[-1:], gamma.requires_grad_(), beta.requires_grad_(), eps=1e-4)
    dout = normal(rng, *shape)
    gradients = torch.autograd.grad(expected, (x, gamma, beta), dout)
    out, cache = transformer.layer_norm_forward(*(item.detach().numpy() for item in (x, gamma, beta)), eps=1e-4)
    assert_allclose(out, expected.detach(), rtol=1e-10, atol=1e-12)
    for got, gradient in zip(transformer.layer_norm_backward(dout.numpy(), cache), gradients, strict=True):
        assert_allclose(got, gradient, rtol=1e-9, atol=1e-9 / scale if got.shape == shape else 1e-11)


def test_layer_norm_of_a_constant_token_is_beta_and_its_gradient_is_the_librarys(
    transformer: ModuleType, rng: Rng
) -> None:
    x, gamma, beta, dout = np.full((2, 5), 3.0), *(rng.standard_normal(5) for _ in "ab"), rng.standard_normal((2, 5))
    out, cache = transformer.layer_norm_forward(x, gamma, beta)
    assert_allclose(out, np.stack([beta, beta]))
    leaf = torch.from_numpy(x).requires_grad_()
    expected = F.layer_norm(leaf, (5,), torch.from_numpy(gamma), torch.from_numpy(beta))
    (gradient,) = torch.autograd.grad(expected, leaf, torch.from_numpy(dout))
    assert_allclose(transformer.layer_norm_backward(dout, cache)[0], gradient, rtol=1e-9)


def test_layer_norm_worked_example_of_the_docstrings(transformer: ModuleType) -> None:
    out, cache = transformer.layer_norm_forward(np.array([[0.0, 4]]), np.array([3.0, 6]), np.array([1.0, 1]), eps=5)
    dx, dgamma, dbeta = transformer.layer_norm_backward(np.array([[1.0, 0]]), cache)
    assert_allclose(out, [[-1, 5]])
    assert_allclose(dx, [[5 / 18, -5 / 18]])
    assert_allclose(dgamma, [-2 / 3, 0], atol=1e-15)
    assert_allclose(dbeta, [1, 0])


# The layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 4, 5)])
def test_feed_forward_equals_the_librarys_layers(transformer: ModuleType, rng: Rng, shape: tuple[int, ...]) -> None:
    mine = randomised(rng, transformer.FeedForward(5, 7))
    theirs = nn.Sequential(mine.fc1, nn.ReLU(), mine.fc2)
    x = normal(rng, *shape).requires_grad_()
    agree(mine(x), theirs(x), [[x, *mine.parameters()]] * 2, rng)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [1, 2, 6])
def test_multi_head_attention_equals_the_librarys(transformer: ModuleType, rng: Rng, heads: int, masked: bool) -> None:
    theirs = randomised(rng, nn.MultiheadAttention(6, heads, batch_first=True))
    mine = transformer.MultiHeadAttention(6, heads).double()
    mine.load_state_dict(ours(dict(theirs.named_parameters()), {}))
    inputs = [normal(rng, 2, length, 6).requires_grad_() for length in (4, 5, 5)]
    mask = torch.from_numpy(rng.random((4, 5)) < 0.5)
    mask[:, 0] = True
    expected, _ = theirs(*inputs, attn_mask=~mask if masked else None)
    agree(mine(*inputs, mask if masked else None), expected, [inputs, inputs], rng)


def test_multi_head_attention_with_a_mask_for_each_sequence_is_that_of_each_alone(
    transformer: ModuleType, rng: Rng
) -> None:
    mine, x = randomised(rng, transformer.MultiHeadAttention(6, 3)), normal(rng, 3, 4, 6)
    mask = torch.from_numpy(rng.random((3, 4, 4)) < 0.5)
    alone = torch.cat([mine(*[x[n : n + 1]] * 3, mask=mask[n]) for n in range(3)])
    assert_close(mine(x, x, x, mask=mask), alone)


def test_multi_head_attention_gives_the_bias_of_out_proj_where_there_is_nothing_to_attend_to(
    transformer: ModuleType, rng: Rng
) -> None:
    mine, x = randomised(rng, transformer.MultiHeadAttention(6, 2)), normal(rng, 2, 3, 6).requires_grad_()
    mask = torch.ones(2, 3, 3, dtype=torch.bool)
    mask[1, 2] = False
    out = mine(x, x, x, mask=mask)
    assert_close(out[1, 2], mine.out_proj.bias)
    gradients = torch.autograd.grad(out, [x, *mine.parameters()], torch.ones_like(out))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_multi_head_attention_refuses_heads_that_do_not_divide_the_features(transformer: ModuleType) -> None:
    with pytest.raises(ValueError, match="4 heads do not divide 6 features"):
        transformer.MultiHeadAttention(6, 4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_encoder_layer_equals_the_librarys(transformer: ModuleType, rng: Rng, heads: int, masked: bool) -> None:
    theirs = randomised(rng, nn.TransformerEncoderLayer(6, heads, 8, dropout=0, batch_first=True))
    mine = transformer.EncoderLayer(6, heads, 8).double()
    mine.load_state_dict(ours(dict(theirs.named_parameters()), RENAMED))
    x, seen = normal(rng, 2, 5, 6).requires_grad_(), torch.ones(5, 5, dtype=torch.bool).tril()
    got, expected = mine(x, seen if masked else None), theirs(x, src_mask=~seen if masked else None)
    agree(got, expected, [[x, *mine.norm1.parameters()], [x, *theirs.norm1.parameters()]], rng)


@pytest.mark.parametrize("memory_masked", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_decoder_layer_equals_the_librarys(
    transformer: ModuleType, rng: Rng, masked: bool, memory_masked: bool
) -> None:
    theirs = randomised(rng, nn.TransformerDecoderLayer(6, 2, 8, dropout=0, batch_first=True))
    mine = transformer.DecoderLayer(6, 2, 8).double()
    renamed = RENAMED | {"self_attn.": "self_attn.", "multihead_attn.": "cross_attn."}
    mine.load_state_dict(ours(dict(theirs.named_parameters()), renamed))
    x, memory = normal(rng, 3, 4, 6).requires_grad_(), normal(rng, 3, 5, 6).requires_grad_()
    seen, source = torch.ones(4, 4, dtype=torch.bool).tril(), torch.from_numpy(rng.random((4, 5)) < 0.5)
    source[:, 1] = True
    got = mine(x, memory, seen if masked else None, source if memory_masked else None)
    hidden = {"tgt_mask": ~seen if masked else None, "memory_mask": ~source if memory_masked else None}
    agree(got, theirs(x, memory, **hidden), [[x, memory], [x, memory]], rng)


# The whole ---------------------------------------------------------------------------------------------------------


def both(transformer: ModuleType, rng: Rng, *sizes: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Ours, and the same from the library's stacks with the same weights."""
    _, d_model, heads, d_ff, layers = sizes
    options = {"dropout": 0.0, "batch_first": True}
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(d_model, heads, d_ff, **options), layers, enable_nested_tensor=False
    )
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d_model, heads, d_ff, **options), layers)
    mine = randomised(rng, transformer.Transformer(*sizes))
    for theirs, stack in ((encoder, "encoder"), (decoder, "decoder")):
        randomised(rng, theirs)
        renamed = RENAMED | (
            {"self_attn.": "self_attn.", "multihead_attn.": "cross_attn."} if stack == "decoder" else {}
        )
        state = ours(dict(theirs.named_parameters()), renamed)
        getattr(mine, stack).load_state_dict({name.removeprefix("layers."): item for name, item in state.items()})

    def enter(tokens: Tensor) -> Tensor:
        positions = transformer.positional_encoding(tokens.shape[1], d_model).double()
        return F.embedding(tokens, mine.embed.weight) * d_model**0.5 + positions

    def library(src: Tensor, tgt: Tensor) -> Tensor:
        hidden = torch.ones(tgt.shape[1], tgt.shape[1], dtype=torch.bool).triu(1)
        return F.linear(decoder(enter(tgt), encoder(enter(src)), tgt_mask=hidden), mine.out.weight, mine.out.bias)

    return mine, library


@pytest.mark.parametrize("sizes", [(11, 8, 2, 6, 2), (7, 5, 1, 9, 1), (9, 6, 3, 4, 3)])
def test_transformer_equals_the_librarys_stacks(transformer: ModuleType, rng: Rng, sizes: tuple[int, ...]) -> None:
    mine, library = both(transformer, rng, *sizes)
    src, tgt = (torch.from_numpy(rng.integers(0, sizes[0], (3, length))) for length in (6, 4))
    shared = [mine.embed.weight, mine.out.weight, mine.out.bias]
    agree(mine(src, tgt), library(src, tgt), [shared, shared], rng, **NEAR)


def test_transformer_of_a_prefix_does_not_depend_on_what_follows(transformer: ModuleType, rng: Rng) -> None:
    mine, _ = both(transformer, rng, 11, 8, 2, 6, 2)
    src, tgt = (torch.from_numpy(rng.integers(0, 11, (3, length))) for length in (6, 5))
    whole = mine(src, tgt)
    for length in range(1, 6):
        assert_close(mine(src, tgt[:, :length]), whole[:, :length], rtol=1e-9, atol=1e-11)


def test_transformer_trains_in_float32(transformer: ModuleType) -> None:
    torch.manual_seed(0)
    model = transformer.Transformer(6, 16, 2, 16, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    src = torch.randint(6, (32, 4))
    tgt = torch.cat([torch.zeros(32, 1, dtype=torch.int64), src], dim=1)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(src, tgt[:, :-1]).flatten(0, 1), tgt[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


# decode ------------------------------------------------------------------------------------------------------------

DECODERS = ["greedy_decode", "greedy_decode_cached"]


@pytest.mark.parametrize("function", DECODERS)
@pytest.mark.parametrize("seed", range(4))
def test_decoding_takes_the_likeliest_token_by_the_librarys_stacks(
    transformer: ModuleType, function: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mine, library = both(transformer, rng, 19, 16, 4, 12, 2)
    src = torch.from_numpy(rng.integers(0, 19, (3, 5)))
    with torch.no_grad():
        texts = [torch.from_numpy(rng.integers(0, 19, (40, length))) for length in (5, 9)]
        mine.out.bias -= mine(*texts).mean(dim=(0, 1))  # otherwise one token is written for ever
        mine.out.bias[18] = -1e6
        written = getattr(transformer, function)(mine, src, 2, 18, 9)
        logits = library(src, written[:, :-1])
    assert written.dtype == torch.int64
    assert written.shape == (3, 9)
    assert (written[:, 0] == 2).all()
    assert len({*map(tuple, written.tolist())}) > 1
    chosen = logits.gather(2, written[:, 1:, None])[..., 0]
    assert_close(chosen, logits.amax(dim=2), rtol=0, atol=1e-5)


class Scripted(nn.Module):
    """What `greedy_decode` needs of a model: it has written `script` so far or goes on with it, row by row."""

    def __init__(self, script: list[list[int]]) -> None:
        super().__init__()
        self.script = torch.tensor(script)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        assert src.shape[0] == tgt.shape[0] == len(self.script)
        return F.one_hot(self.script[:, : tgt.shape[1]], 10).double()


@pytest.mark.parametrize(
    ("max_len", "expected"),
    [
        (1, [[1], [1]]),
        (2, [[1, 4], [1, 3]]),
        (3, [[1, 4, 0], [1, 3, 6]]),
        (4, [[1, 4, 0, 0], [1, 3, 6, 0]]),
        (7, [[1, 4, 0, 0], [1, 3, 6, 0]]),
    ],
)
def test_greedy_decode_of_a_known_script(transformer: ModuleType, max_len: int, expected: list[list[int]]) -> None:
    model = Scripted([[4, 0, 5, 5, 5, 5], [3, 6, 0, 7, 7, 7]])
    assert transformer.greedy_decode(model, torch.zeros(2, 3, dtype=torch.int64), 1, 0, max_len).tolist() == expected


@pytest.mark.parametrize("seed", range(6))
def test_the_cache_changes_no_token_whatever_ends(transformer: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mine, _ = both(transformer, rng, 9, 8, 2, 12, 2)
    src = torch.from_numpy(rng.integers(0, 9, (5, 4)))
    with torch.no_grad():
        texts = [torch.from_numpy(rng.integers(0, 9, (40, length))) for length in (4, 10)]
        mine.out.bias -= mine(*texts).mean(dim=(0, 1))
    for eos in range(1, 9):
        plain = transformer.greedy_decode(mine, src, 0, eos, 10)
        assert transformer.greedy_decode_cached(mine, src, 0, eos, 10).tolist() == plain.tolist()


def test_with_a_cache_the_rows_through_the_linear_layers_do_not_grow_with_what_is_written(
    transformer: ModuleType, rng: Rng
) -> None:
    model = randomised(rng, transformer.Transformer(9, 8, 2, 12, 2))
    with torch.no_grad():
        model.out.bias[8] = -1e6

    def rows(function: str, max_len: int) -> int:
        count = 0

        def note(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            nonlocal count
            count += inputs[0].shape[:-1].numel()

        hooks = [item.register_forward_hook(note) for item in model.modules() if isinstance(item, nn.Linear)]
        getattr(transformer, function)(model, torch.zeros(2, 3, dtype=torch.int64), 0, 8, max_len)
        for hook in hooks:
            hook.remove()
        return count

    cached = [rows("greedy_decode_cached", length) for length in (5, 9, 17)]
    assert cached[2] - cached[1] == 2 * (cached[1] - cached[0])
    assert rows("greedy_decode", 17) > 4 * cached[2]


# The file ----------------------------------------------------------------------------------------------------------


def test_the_numpy_task_uses_no_torch() -> None:
    source = ast.parse((ROOT / "solutions" / "transformer.py").read_text())
    functions = [node for node in source.body if getattr(node, "name", "").startswith("layer_norm")]
    used = {node.id for function in functions for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert len(functions) == 2
    assert "torch" not in used


def test_the_file_imports_no_other_assignment() -> None:
    source = ast.parse((ROOT / "solutions" / "transformer.py").read_text())
    imported = {alias.name for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(source) if isinstance(node, ast.ImportFrom) and node.module}
    assert imported == {"math", "typing", "numpy", "torch"}


def test_the_quiz_is_answered_with_options_that_exist(transformer: ModuleType) -> None:
    facts = tomllib.loads((ROOT / "assignments" / "transformer" / "assignment.toml").read_text())
    options = {entry["id"]: entry["options"] for entry in facts["quiz"]}
    assert transformer.QUIZ.keys() == options.keys()
    assert all(answer in options[question] for question, answer in transformer.QUIZ.items())
