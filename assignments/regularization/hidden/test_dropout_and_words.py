"""Dropout of activations and substitution of words: what may come out, how often, and what it does not depend on."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded

CLOSE = 1e-5  # relative: rounding, in float32 too


def activations(draw: Any, *shape: int) -> np.ndarray:
    """Of any sign and scale, none of them 0."""
    return (draw(*shape) + 3.0 * draw.rng.choice([-1, 1], shape)) * 10 ** draw.rng.uniform(-3, 3)


def dropped(expect: Any, x: np.ndarray, out: Any, p: float, what: str) -> np.ndarray:
    """Which entries are 0, once every other one is x / (1 - p)."""
    got = np.asarray(expect.array(out, x.shape, what=what), dtype=np.float64)
    zero, scaled = got == 0, np.abs(got * (1 - p) - x) <= CLOSE * np.abs(x)
    odd = int((~(zero | scaled)).sum())
    expect.true(odd == 0, f"{what}: {odd} of {x.size} entries are neither 0 nor the one that went in over 1 - p")
    return zero


def through(student: Any, draw: Any, x: np.ndarray, dout: np.ndarray, p: float, training: bool) -> Any:
    """dropout_forward and dropout_backward: what they return, by name."""
    seed = Seeded("numpy", draw.seed())
    got = student.pair("dropout", x, p, seed, training=training, cotangents=dout)
    return got["outputs"]["out"], got["gradients"]["dx"]


DROPOUT = [  # p is not 1/2, so that keeping and dropping differ
    pytest.param((60, 130), 0.3, id="0.3"),
    pytest.param((7, 41, 30), 0.85, id="0.85"),
    pytest.param((9000,), 0.05, id="0.05"),
]


@pytest.mark.task("dropout")
@weight(4)
@number("2.2")
@pytest.mark.parametrize("shape, p", DROPOUT)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_dropout_output(student, draw, expect, shape, p, training):
    """dropout: in training x / (1 - p), or 0 with probability p; in evaluation x"""
    x = activations(draw, *shape)
    out, _ = through(student, draw, x, x, p, training)
    if training:
        zeros = int(dropped(expect, x, out, p, "out").sum())
        expect.share(zeros, x.size, p, f"{zeros} of {x.size} entries are dropped, where about {p * x.size:.0f} are due")
    else:
        expect(out, x, what="out in evaluation")


@pytest.mark.task("dropout")
@weight(3)
@number("2.3")
@pytest.mark.parametrize("shape, p", [((40, 52), 0.3), ((12, 14, 16), 0.6)])
def test_dropout_drops_each_entry_on_its_own(student, draw, expect, shape, p):
    """dropout: whether an entry is dropped depends on no other entry, and on no other call"""
    x = activations(draw, *shape)
    out, _ = through(student, draw, x, x, p, True)
    zeros = dropped(expect, x, out, p, "out")
    for axis in range(x.ndim):  # neighbours in disjoint pairs: each pair agrees on its own
        lined = np.moveaxis(zeros, axis, 0)
        agree = lined[0::2] == lined[1::2]
        text = f"{int(agree.sum())} of {agree.size} pairs of neighbours along axis {axis} are dropped or kept together"
        expect.share(int(agree.sum()), agree.size, p**2 + (1 - p) ** 2, text)
    small = activations(draw, 6, 7)
    calls = [dropped(expect, small, each, p, "out") for each in student.run("dropouts", small, p, draw.seed(), 60)]
    expect.true(len({call.tobytes() for call in calls}) > 1, "60 calls with one generator drop the same entries")
    seed = draw.seed()
    first, again, other = (student.run("dropouts", small, p, seed + off, 2) for off in (0, 0, 1))
    expect(again, first, what="out with a generator of the same seed")
    expect.true(not np.array_equal(np.asarray(first), np.asarray(other)), "another seed drops the same entries")
    expect.true(len({int(call.sum()) for call in calls}) > 1, "60 calls drop the same number of entries, to the last")


@pytest.mark.task("dropout")
@weight(3)
@number("2.4")
@pytest.mark.parametrize("shape, p", DROPOUT)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_dropout_backward(student, draw, expect, shape, p, training):
    """dropout: the gradient passes where the entry passed, by the same factor"""
    x, dout = activations(draw, *shape), activations(draw, *shape)
    out, dx = through(student, draw, x, dout, p, training)
    if training:
        kept = ~dropped(expect, x, out, p, "out")
        expect(dx, dout * kept / (1 - p), what="dx")
        _, dx = through(student, draw, 0 * x, dout, p, training)  # an entry that is 0 may be kept all the same
        kept = ~dropped(expect, dout, dx, p, "dx where x is 0")
        text = f"where x is 0, {int(kept.sum())} of {x.size} gradients pass, and {(1 - p) * x.size:.0f} are due"
        expect.share(int(kept.sum()), x.size, 1 - p, text)
    else:
        expect(dx, dout, what="dx in evaluation")


@pytest.mark.task("dropout")
@weight(3)
@number("2.5")
@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["in order", "in reverse"])
def test_dropout_of_two_layers(student, draw, expect, order):
    """dropout: two forward passes, then both backward passes, each with its own mask"""
    p, shapes = 0.4, [(20, 30), (20, 30)]
    x, dout = ([activations(draw, *shape) for shape in shapes] for _ in range(2))
    got = student.run("two_by_two", x, dout, p, draw.seed(), order)
    for index in range(2):
        which = f"of the {('first', 'second')[index]} of two passes"
        kept = ~dropped(expect, x[index], got["out"][index], p, f"out {which}")
        expect.true(kept.any(), f"out {which} is 0 everywhere, at p = {p}")
        expect(got["dx"][index], dout[index] * kept / (1 - p), what=f"dx {which}")


@pytest.mark.task("dropout")
@weight(2)
@number("2.6")
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_and_everything(student, draw, expect, p, training):
    """dropout: p = 0 keeps everything, p = 1 nothing, and both stay finite"""
    x, dout = activations(draw, 5, 8), activations(draw, 5, 8)
    out, dx = through(student, draw, x, dout, p, training)
    passes = 0.0 if training and p == 1 else 1.0
    expect(out, passes * x, what=f"out at p = {p:g}")
    expect(dx, passes * dout, what=f"dx at p = {p:g}")


LETTERS = list("abcdefghijklmnopqrstuvwxyzäöüß-'")
SENTENCES = 3000


def words(draw: Any, count: int) -> list[str]:
    """Different words of 2 to 9 letters."""
    found: set[str] = set()
    while len(found) < count:
        found.add("".join(draw.rng.choice(LETTERS, draw.rng.integers(2, 10))))
    return [str(word) for word in draw.rng.permutation(sorted(found))]


def drawn(student: Any, draw: Any, expect: Any, tokens: list[str], thesaurus: Any, p: float, count: int) -> list[Any]:
    """Many substitutions of one sentence, each a list of as many strings."""
    results = student.run("sentences", tokens, thesaurus, p, draw.seed(), count)
    for result in results:
        text = f"synonym_substitute should return a list of {len(tokens)} strings, one for each token"
        expect.true(isinstance(result, list | tuple) and len(result) == len(tokens), text)
        expect.true(all(isinstance(token, str) for token in result), text)
    return list(results)


@pytest.mark.task("text")
@weight(3)
@number("5.3")
@pytest.mark.parametrize("p", [0.0, 0.25, 0.8, 1.0])
def test_synonyms(student, draw, expect, p):
    """synonym_substitute: a known word is replaced with probability p, by each of its synonyms as often"""
    great, film, other, *rest = words(draw, 9)
    thesaurus = {great: [rest[0], film, f"{rest[1]} {rest[2]}"], film: [rest[3], rest[4]], rest[0]: [rest[5]]}
    tokens = [great, other, film]
    results = drawn(student, draw, expect, tokens, thesaurus, p, SENTENCES)
    for place, token in enumerate(tokens):
        synonyms = thesaurus.get(token, [])
        chances = {word: p / len(synonyms) for word in synonyms} | {token: 1 - p if synonyms else 1.0}
        counts = Counter(result[place] for result in results)
        for word, seen in counts.items():
            text = f"token {place}, {token!r}, became {word[:40]!r}, which is not among its synonyms: {synonyms}"
            expect.true(word in chances, text)
            expect.true(seen == 0 or chances[word] > 0, f"at p = {p:g} {token!r} became {word[:40]!r}")
        for word, chance in chances.items():
            text = f"at p = {p:g} {token!r} became {word!r} {counts[word]} times in {SENTENCES}; due are {chance:.1%}"
            expect.share(counts[word], SENTENCES, chance, text)


@pytest.mark.task("text")
@weight(2)
@number("5.4")
def test_every_occurrence_on_its_own(student, draw, expect):
    """synonym_substitute: whether one word is replaced, and by what, says nothing about the others"""
    p, (great, film, *rest) = 0.6, words(draw, 7)
    thesaurus = {great: rest[:2], film: rest[2:]}
    results = drawn(student, draw, expect, [great, film, great], thesaurus, p, SENTENCES)
    alike = sum(result[0] == result[2] for result in results)
    chance = (1 - p) ** 2 + p**2 / 2
    text = f"two occurrences of a word end up the same {alike} times in {SENTENCES}, where {chance:.1%} are due"
    expect.share(alike, SENTENCES, chance, text)
    both = sum(result[0] != great and result[1] != film for result in results)
    text = f"two words are both replaced {both} times in {SENTENCES} at p = {p}, where {p**2:.1%} are due"
    expect.share(both, SENTENCES, p**2, text)


@pytest.mark.task("text")
@weight(2)
@number("5.5")
def test_words_that_stay(student, draw, expect):
    """synonym_substitute: words without an entry or with an empty one stay, in their places"""
    known, empty, unknown, new, *rest = words(draw, 6)
    cased = f"{known}q1", f"{known}Q1"  # no other word has a digit
    thesaurus: dict[str, list[str]] = {known: [new], empty: [], cased[0]: [rest[1]]}
    for tokens in ([unknown, known, empty, unknown, known], [empty, known], [known, cased[1]], [known, known]):
        for result in drawn(student, draw, expect, tokens, thesaurus, 1.0, 3):
            expect(list(result), [new if token == known else token for token in tokens], what="the sentence at p = 1")


@pytest.mark.task("text")
@weight(2)
@number("5.6")
@pytest.mark.parametrize("length", [1, 5])
def test_back_translate(agrees, draw, length):
    """back_translate: forward first, then backward on what that gave"""
    first, second, third = (words(draw, length) for _ in range(3))
    forward, backward = dict(zip(first, second, strict=True)), dict(zip(second, third, strict=True))
    agrees.run("there_and_back", " ".join(first), forward, backward)
