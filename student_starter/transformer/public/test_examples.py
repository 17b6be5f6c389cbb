"""Worked examples of the handout, and the library's own layers."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gradescope_utils.autograder_utils.decorators import number, weight
from torch import Tensor, nn

from autograder.checks import Tolerance

NEAR = Tolerance(1e-4, 1e-6)  # positional encodings may be float32 beside parameters of float64
SIZES = [9, 6, 2, 8, 2]  # vocab, d_model, heads, d_ff, layers


def random_state(draw, module: nn.Module) -> dict[str, Tensor]:
    """Other values for every parameter of one of the library's modules."""
    state = {name: draw.tensor(*item.shape) / max(2, item.shape[-1]) ** 0.5 for name, item in module.named_parameters()}
    for name, item in state.items():
        if "in_proj" in name:
            item[: 2 * len(item) // 3] *= 3  # queries and keys: so that scores lie far apart
    return state


def our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The library's parameters of attention and layers, under the names of this assignment."""
    renamed = {"linear1": "ffn.fc1", "linear2": "ffn.fc2", "multihead_attn": "cross_attn", "self_attn": "self_attn"}
    ours: dict[str, Tensor] = {}
    for name, item in state.items():
        for theirs, mine in renamed.items():
            name = name.replace(theirs, mine)
        if "in_proj_" in name:
            for part, chunk in zip("qkv", item.chunk(3), strict=True):
                ours[name.replace("in_proj_", f"{part}_proj.")] = chunk
        else:
            ours[name] = item
    return ours


def compare_module(student, draw, expect, name, init, theirs, state, inputs, call, **options):
    """The student's module against the library's, with its parameters: output and gradients of the inputs."""
    leaves = [item.clone().requires_grad_() for item in inputs]
    expected = call(theirs, *leaves)
    dout = draw.tensor(*expected.shape)
    slopes = torch.autograd.grad(expected, leaves, dout)
    got = student.module(name, init, *inputs, state=state, cotangents=(dout,), **options)
    expect(got["outputs"], expected.detach(), what="the output")
    for position, (mine, slope) in enumerate(zip(got["gradients"]["inputs"], slopes, strict=True), start=1):
        expect(mine, slope, what=f"the gradient with respect to input {position}")


def filled(draw, module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """A module of the library in float64 with random parameters, and these under our names."""
    state = random_state(draw, module)
    module.double().load_state_dict(state)
    return module, our_names(state)


@pytest.mark.task("positional_encoding")
@weight(1)
@number("1.1")
def test_public_positional_encoding(student, expect):
    """positional_encoding: three positions of four features"""
    rows = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in range(3)]
    expect(student.positional_encoding(3, 4), rows, what="the encoding", tol=Tolerance(1e-5, 0))


@pytest.mark.task("positional_encoding")
@weight(1)
@number("1.2")
def test_public_positional_encoding_odd(student, expect):
    """positional_encoding: two positions of three features, the last a sine"""
    rows = [[0.0, 1.0, 0.0], [math.sin(1), math.cos(1), math.sin(10000 ** (-2 / 3))]]
    expect(student.positional_encoding(2, 3), rows, what="the encoding", tol=Tolerance(1e-5, 0))


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.1")
def test_public_layer_norm(student, expect):
    """layer_norm_forward: the handout's token"""
    got = student.run("layer_norm_output", np.array([[0.0, 4]]), np.array([3.0, 6]), np.array([1.0, 1]), 5.0)
    expect(got, [[-1.0, 5]], what="the output")


@pytest.mark.task("layer_norm")
@weight(1)
@number("2.2")
def test_public_layer_norm_backward(student, draw, expect):
    """layer_norm_backward: the handout's token, and tokens of many features against torch's"""
    arguments = np.array([[0.0, 4]]), np.array([3.0, 6]), np.array([1.0, 1]), 5.0
    got = student.pair("layer_norm", *arguments, cotangents=(np.array([[1.0, 0]]),))["gradients"]
    expect(got["dx"], [[5 / 18, -5 / 18]], what="dx")
    expect(got["dgamma"], [-2 / 3, 0.0], what="dgamma")
    expect(got["dbeta"], [1.0, 0], what="dbeta")
    arrays, dout = (draw(24, 6000), draw(6000), draw(6000)), draw(24, 6000)  # minutes, for a derivative by entries
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    slopes = torch.autograd.grad(F.layer_norm(leaves[0], (6000,), *leaves[1:]), leaves, torch.from_numpy(dout))
    got = student.pair("layer_norm", *arrays, cotangents=(dout,))["gradients"]
    for what, slope in zip(("dx", "dgamma", "dbeta"), slopes, strict=True):
        expect(got[what], slope.numpy(), what=what)


@pytest.mark.task("feed_forward")
@weight(2)
@number("3.1")
def test_public_feed_forward(student, draw, expect):
    """FeedForward: two of torch's Linear layers with a relu between them"""
    theirs = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 5)).double()
    state = random_state(draw, theirs)
    theirs.load_state_dict(state)
    ours = {name.replace("0.", "fc1.").replace("2.", "fc2."): item for name, item in state.items()}
    inputs, call = [draw.tensor(2, 3, 5)], lambda module, x: module(x)
    compare_module(student, draw, expect, "FeedForward", (5, 7), theirs, ours, inputs, call)


@pytest.mark.task("encoder_layer")
@weight(2)
@number("4.1")
@pytest.mark.parametrize("masked", [pytest.param(False, id="no mask"), pytest.param(True, id="causal mask")])
def test_public_multi_head_equals_torch(student, draw, expect, masked):
    """MultiHeadAttention: output and gradients equal torch's with the same weights"""
    theirs, ours = filled(draw, nn.MultiheadAttention(6, 2, batch_first=True))
    hidden = torch.ones(4, 5, dtype=torch.bool).triu(2) if masked else None  # theirs marks what is hidden
    inputs, options = [draw.tensor(2, length, 6) for length in (4, 5, 5)], {} if hidden is None else {"mask": ~hidden}

    def call(module, *leaves):
        return module(*leaves, attn_mask=hidden)[0]

    compare_module(student, draw, expect, "MultiHeadAttention", (6, 2), theirs, ours, inputs, call, **options)


@pytest.mark.task("encoder_layer")
@weight(2)
@number("4.2")
def test_public_encoder_layer_equals_torch(student, draw, expect):
    """EncoderLayer: output and gradients equal torch's with the same weights"""
    theirs, ours = filled(draw, nn.TransformerEncoderLayer(6, 2, 8, dropout=0, batch_first=True))
    ours = {name.replace("self_attn", "attn"): item for name, item in ours.items()}
    inputs, call = [draw.tensor(3, 5, 6)], lambda module, x: module(x)
    compare_module(student, draw, expect, "EncoderLayer", (6, 2, 8), theirs, ours, inputs, call)


@pytest.mark.task("decoder_layer")
@weight(2)
@number("5.1")
@pytest.mark.parametrize("masked", [pytest.param(False, id="no mask"), pytest.param(True, id="causal mask")])
def test_public_decoder_layer_equals_torch(student, draw, expect, masked):
    """DecoderLayer: output and gradients equal torch's with the same weights"""
    theirs, ours = filled(draw, nn.TransformerDecoderLayer(6, 2, 8, dropout=0, batch_first=True))
    seen = torch.ones(4, 4, dtype=torch.bool).tril()
    inputs, options = [draw.tensor(3, length, 6) for length in (4, 5)], {"mask": seen} if masked else {}

    def call(module, x, memory):
        return module(x, memory, tgt_mask=~seen if masked else None)

    compare_module(student, draw, expect, "DecoderLayer", (6, 2, 8), theirs, ours, inputs, call, **options)


class Library(nn.Module):
    """The whole transformer from the library's layers, with the positions by hand."""

    def __init__(self, vocab: int, d_model: int, heads: int, d_ff: int, layers: int) -> None:
        super().__init__()
        options = {"dropout": 0.0, "batch_first": True}
        self.embed = nn.Embedding(vocab, d_model)
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(d_model, heads, d_ff, **options) for _ in range(layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(d_model, heads, d_ff, **options) for _ in range(layers))
        self.out = nn.Linear(d_model, vocab)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, x = self.embedded(src), self.embedded(tgt)
        for layer in self.encoder:
            memory = layer(memory)
        hidden = torch.ones(tgt.shape[1], tgt.shape[1], dtype=torch.bool).triu(1)
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=hidden)
        return self.out(x)

    def embedded(self, tokens: Tensor) -> Tensor:
        d = self.embed.embedding_dim
        rows = [
            [(math.cos if j % 2 else math.sin)(p / 10000 ** ((j - j % 2) / d)) for j in range(d)]
            for p in range(tokens.shape[1])
        ]
        return self.embed(tokens) * math.sqrt(d) + torch.tensor(rows, dtype=torch.float64)


def whole(draw) -> tuple[Library, dict[str, Tensor], Tensor, Tensor]:
    """The library's transformer, its parameters under our names, a source and a target."""
    library, ours = filled(draw, Library(*SIZES))
    ours = {name.replace("self_attn", "attn") if "encoder" in name else name: item for name, item in ours.items()}
    return library, ours, *(torch.from_numpy(draw.ints(0, SIZES[0], 3, length)) for length in (5, 4))


@pytest.mark.task("seq2seq")
@weight(2)
@number("6.1")
def test_public_transformer_equals_torch(student, draw, expect):
    """Transformer: the logits equal those of torch's layers with the same weights"""
    library, ours, src, tgt = whole(draw)
    expect(student.run("logits", SIZES, ours, src, tgt), library(src, tgt).detach(), what="the logits", tol=NEAR)


@pytest.mark.task("decode")
@weight(2)
@number("7.1")
@pytest.mark.parametrize("function", ["greedy_decode", "greedy_decode_cached"])
def test_public_decoding(student, draw, expect, function):
    """greedy_decode and greedy_decode_cached: four tokens, each the likeliest by torch's layers"""
    gap = 0.0
    while gap < 1e-3:  # rounding must not decide between two tokens
        library, ours, src, _ = whole(draw)
        ours["out.bias"][0] = library.out.bias.data[0] = -1e6  # token 0, the end, is never written
        written, gap = torch.full((3, 1), 1), 1.0
        while written.shape[1] < 4:
            best = library(src, written)[:, -1].detach().topk(2)
            gap = min(gap, float((best.values[:, 0] - best.values[:, 1]).min()))
            written = torch.cat([written, best.indices[:, :1]], dim=1)
    got = student.run("decoded", function, SIZES, ours, src, 1, 0, 4)
    expect(got, written, what="the tokens")
