"""The whole transformer, and how it writes."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

NEAR = Tolerance(1e-4, 1e-6)  # positional encodings may be float32 beside parameters of float64
MODELS = [  # N, Tsrc, Ttgt, then vocab, d_model, heads, d_ff, layers
    pytest.param(3, 6, 5, [11, 8, 2, 7, 2], id="two layers"),
    pytest.param(2, 4, 7, [9, 6, 3, 10, 1], id="one layer"),
    pytest.param(2, 1, 3, [7, 5, 1, 8, 3], id="odd features, one source token"),
]
WRITER = [23, 16, 4, 20, 2]
VOCAB, BOS, NEVER = 23, 3, 17  # NEVER: a token that is made impossible
LENGTH = 13


def tokens(draw, *shape: int, vocab: int = VOCAB) -> torch.Tensor:
    return torch.from_numpy(draw.ints(0, vocab, *shape))


def parameters(draw, reference, sizes: list[int]) -> dict[str, torch.Tensor]:
    """All random, biases and scales too; weights keep the scale of their fan-in, embeddings are of any size."""
    shapes = reference.run("parameter_shapes", sizes)
    state = {name: draw.tensor(*shape) / (shape[-1] if len(shape) > 1 else 4) ** 0.5 for name, shape in shapes.items()}
    state["embed.weight"] *= torch.from_numpy(10 ** draw.rng.uniform(-1, 1, (sizes[0], 1)))
    for name in state:
        if "q_proj" in name or "k_proj" in name:
            state[name] *= 3  # so that scores lie far apart
    return state


@pytest.mark.task("seq2seq")
@weight(4)
@number("6.2")
@pytest.mark.parametrize("n, t_src, t_tgt, sizes", MODELS)
def test_transformer(agrees, reference, draw, n, t_src, t_tgt, sizes):
    """Transformer: the logits of every next token"""
    src, tgt = (tokens(draw, n, length, vocab=sizes[0]) for length in (t_src, t_tgt))
    agrees.run("logits", sizes, parameters(draw, reference, sizes), src, tgt, tol=NEAR)


@pytest.mark.task("seq2seq")
@weight(3)
@number("6.3")
@pytest.mark.parametrize("n, t_src, t_tgt, sizes", MODELS)
def test_transformer_gradients(agrees, reference, draw, n, t_src, t_tgt, sizes):
    """Transformer: the gradient to every parameter, of the shared embedding too"""
    src, tgt = (tokens(draw, n, length, vocab=sizes[0]) for length in (t_src, t_tgt))
    state = parameters(draw, reference, sizes)
    while reference.run("closest_to_a_kink", sizes, state, src, tgt) < 1e-5:
        state = parameters(draw, reference, sizes)
    agrees.run("gradients", sizes, state, src, tgt, draw.tensor(n, t_tgt, sizes[0]), tol=NEAR)


@pytest.mark.task("seq2seq")
@weight(2)
@number("6.4")
def test_teacher_forcing_equals_step_by_step(agrees, reference, draw):
    """Transformer: the last logits of every prefix of the target are those of the whole target at that place"""
    sizes = [11, 8, 4, 6, 2]
    src, tgt = (tokens(draw, 3, length, vocab=11) for length in (5, 6))
    agrees.run("step_by_step", sizes, parameters(draw, reference, sizes), src, tgt, tol=NEAR)


@pytest.mark.task("seq2seq", kind="property")
@weight(1)
@number("6.5")
def test_transformer_reads_all_of_the_source_and_nothing_ahead(student, reference, expect, draw):
    """Transformer: the last source token changes every prediction; a later target token changes none before it"""
    sizes, told = [11, 8, 4, 6, 2], False
    while not told:  # where all attention is on other tokens, nothing can be seen to change
        src, tgt = (tokens(draw, 3, length, vocab=11) for length in (5, 6))
        state, pairs = parameters(draw, reference, sizes), changed(src, tgt)
        source, ahead = moved(*(reference.run("logits", sizes, state, *pair).detach() for pair in pairs))
        told = min(source.min(), ahead[:, 3:].min()) > 1e-5
    plain, *others = (
        expect.array(student.run("logits", sizes, state, *pair), (3, 6, 11), what="the logits") for pair in pairs
    )
    source, ahead = moved(plain, *others)
    expect(others[1][:, :3], plain[:, :3], "the logits before the target token that was changed", NEAR)
    text = "Another last token of the source should change the predictions at every place."
    expect.true((source > 1e-9).all(), text)
    text = "Another target token should change the predictions at its own place and after it."
    expect.true((ahead[:, 3:] > 1e-9).all(), text)


def changed(src: torch.Tensor, tgt: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Source and target, then with another last source token, then with another fourth target token."""
    other_src, other_tgt = src.clone(), tgt.clone()
    other_src[:, -1], other_tgt[:, 3] = (src[:, -1] + 1) % 11, (tgt[:, 3] + 1) % 11
    return [(src, tgt), (other_src, tgt), (src, other_tgt)]


def moved(plain: torch.Tensor, *others: torch.Tensor) -> list[torch.Tensor]:
    """How far the logits moved at every place, (N, Ttgt), for each of the others."""
    return [(other - plain).abs().amax(dim=2) for other in others]


def writer(draw, reference, n: int, t_src: int):
    """Parameters and sources with which what is written varies from row to row and from place to place.

    What is dull is drawn again, since nobody would notice a cache that forgets; and so is what hangs on a hair, where
    rounding decides between two tokens.
    """
    while True:
        state = parameters(draw, reference, WRITER)
        state["embed.weight"] = 0.4 * draw.tensor(VOCAB, WRITER[1])
        for name in state:
            layer, kind = name.rsplit(".", 2)[-2:]
            state[name] *= {"q_proj": 2 / 3, "k_proj": 2 / 3, "v_proj": 0.6, "out_proj": 0.6}.get(layer, 1)
            if layer.startswith("norm"):
                state[name] *= 2 if kind == "weight" else 0.6
        texts = [tokens(draw, 48, length) for length in (t_src, LENGTH)]
        state, src = reference.run("sharpened", WRITER, state, texts, NEVER), tokens(draw, n, t_src)
        found = reference.run("written", WRITER, state, src, BOS, NEVER, LENGTH)
        rows = found["tokens"].tolist()
        distinct = [len(set(row)) for row in rows]
        if found["gap"] > 1e-3 and min(distinct) > 2 and sum(distinct) > 4 * n and len({*map(tuple, rows)}) == n:
            return state, src, found["tokens"]


def ending(draw, reference, n: int, t_src: int, every_row: bool):
    """A writer, its sources, and a token to end with: written by every row or by some, not at once by all, and with
    something else to write after it, so that a row that goes on shows."""
    while True:
        state, src, written = writer(draw, reference, n, t_src)
        for eos in draw.rng.permutation(VOCAB).tolist():
            there = written == eos
            first = {row: there[row].tolist().index(True) for row in range(n) if there[row].any()}
            if eos == BOS or len({*first.values()}) < 2 or (len(first) == n) != every_row:
                continue
            last = max(first.values()) if every_row else LENGTH - 1
            goes_on = any(not there[row, place + 1 : last + 1].all() for row, place in first.items())
            if goes_on and max(first.values()) < LENGTH - 2:
                return state, src, eos


@pytest.mark.task("decode")
@weight(3)
@number("7.2")
@pytest.mark.parametrize("case", range(2))
def test_greedy_decode(agrees, reference, draw, case):
    """greedy_decode: the likeliest token each time, up to max_len tokens"""
    state, src, _ = writer(draw, reference, 4, 6)
    agrees.run("decoded", "greedy_decode", WRITER, state, src, BOS, NEVER, LENGTH)


@pytest.mark.task("decode")
@weight(2)
@number("7.3")
def test_greedy_decode_after_the_end(agrees, reference, draw):
    """greedy_decode: a row that has ended goes on with eos, while others write on"""
    state, src, eos = ending(draw, reference, 4, 6, every_row=False)
    agrees.run("decoded", "greedy_decode", WRITER, state, src, BOS, eos, LENGTH)


@pytest.mark.task("decode")
@weight(2)
@number("7.4")
def test_greedy_decode_stops(agrees, reference, draw):
    """greedy_decode: stops when all rows have ended, eos included"""
    state, src, eos = ending(draw, reference, 2, 6, every_row=True)
    agrees.run("decoded", "greedy_decode", WRITER, state, src, BOS, eos, LENGTH)


@pytest.mark.task("decode")
@weight(1)
@number("7.5")
@pytest.mark.parametrize("function", ["greedy_decode", "greedy_decode_cached"])
@pytest.mark.parametrize("max_len", [1, 2], ids=["bos alone", "one token"])
def test_decoding_of_short_targets(agrees, reference, draw, max_len, function):
    """greedy_decode and greedy_decode_cached: bos counts, so max_len 1 is bos alone"""
    state, src, _ = writer(draw, reference, 3, 5)
    agrees.run("decoded", function, WRITER, state, src, BOS, NEVER, max_len)


@pytest.mark.task("decode")
@weight(3)
@number("7.6")
@pytest.mark.parametrize("case", range(3))
def test_greedy_decode_cached(agrees, reference, draw, case):
    """greedy_decode_cached: the same tokens as without a cache"""
    state, src, _ = writer(draw, reference, 4, 6 - case)
    agrees.run("decoded", "greedy_decode_cached", WRITER, state, src, BOS, NEVER, LENGTH)


@pytest.mark.task("decode")
@weight(2)
@number("7.7")
@pytest.mark.parametrize("every_row", [False, True], ids=["some rows end", "all rows end"])
def test_greedy_decode_cached_ends(agrees, reference, draw, every_row):
    """greedy_decode_cached: eos after the end, and a stop when all rows have ended"""
    state, src, eos = ending(draw, reference, 2 if every_row else 4, 6, every_row)
    agrees.run("decoded", "greedy_decode_cached", WRITER, state, src, BOS, eos, LENGTH)
