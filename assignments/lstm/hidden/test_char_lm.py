"""The character language model, and the clipping that keeps its training stable."""

import math

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import Tolerance

LARGE = 4, 25, 1000  # N, T, V: a derivative taken entry by entry takes minutes
EPS_ALLOWED = Tolerance(1e-5, 1e-9)  # 1e-6 in the denominator is fine


@pytest.mark.task("char_lm")
@weight(3)
@number("3.3")
@visibility("after_published")
@pytest.mark.parametrize("size, length", [(11, 4), (13, 4), (12, 4), (6, 1), (6, 5)])
def test_make_batches(agrees, draw, size, length):
    """make_batches: consecutive windows and the token after each, whatever the text's length"""
    agrees("make_batches", draw.ints(0, 50, size), length)


@pytest.mark.task("char_lm")
@weight(3)
@number("3.4")
@visibility("after_published")
@pytest.mark.parametrize(
    "n, t, v", [(2, 5, 3), (1, 4, 6), (3, 1, 4), LARGE], ids=["uneven", "one-row", "one-step", "large"]
)
def test_char_lm_loss(agrees, draw, n, t, v):
    """char_lm_loss: mean cross-entropy in nats, and its gradient"""
    for logits in (2 * draw(n, t, v), draw.wide(n, t, v)):
        agrees("char_lm_loss", logits, draw.ints(0, v, n, t))


@pytest.mark.task("char_lm")
@weight(1)
@number("3.5")
@visibility("after_published")
@pytest.mark.parametrize(
    "scale, shift", [(1e4, 0.0), (1.0, 1e4), (1.0, -1e4), (1.0, None)], ids=["large", "high", "low", "rows-far-apart"]
)
def test_char_lm_loss_at_large_scores(agrees, draw, scale, shift):
    """char_lm_loss: scores of ten thousand neither overflow nor lose the answer"""
    for n, t, v in ((2, 3, 5), LARGE):
        logits = scale * draw(n, t, v) + (1e4 * draw(n, t, 1) if shift is None else shift)
        agrees("char_lm_loss", logits, draw.ints(0, v, n, t), tol=Tolerance(1e-7, 1e-8))


@pytest.mark.task("char_lm", kind="property")
@weight(2)
@number("3.6")
@visibility("after_published")
def test_best_bigram_on_hello(student, draw, expect):
    """char_lm_loss: the best bigram on hello costs (ln 2)/2, every other one more"""
    inputs, targets = np.array([[0, 1, 2, 2]]), np.array([[1, 2, 2, 3]])
    table = np.full((4, 4), -40.0) + np.abs(draw(4, 4))  # score of the next letter, by the letter before
    table[inputs[0], targets[0]] = 0.0
    loss, dlogits = student.char_lm_loss(table[inputs], targets)
    expect(loss, math.log(2) / 2, what="the loss of the best bigram")
    expect.array(dlogits, (1, 4, 4), what="dlogits")
    to_table = np.zeros((4, 4))
    np.add.at(to_table, inputs[0], dlogits[0])
    expect.true(np.abs(to_table).max() < 1e-9, "summed for each letter, the gradient should vanish at the best bigram")
    table[2, 2] += 1 + abs(float(draw()))  # now it is too sure that l follows l
    worse, _ = student.char_lm_loss(table[inputs], targets)
    better = expect.number(worse, what="the loss of another bigram") > math.log(2) / 2
    expect.true(better, "no bigram can cost less than (ln 2)/2 a letter on hello")


@pytest.mark.task("char_lm")
@weight(2)
@number("3.7")
@visibility("after_published")
@pytest.mark.parametrize("size, n", [(40, 1), (40, 2), (40, 3), (41, 4), (5, 5)])
def test_ngram_counts(agrees, draw, size, n):
    """ngram_counts: every window of n tokens is counted"""
    agrees("ngram_counts", draw.ints(0, 3, size), n)


LOGITS = np.array([0.0, 1.0, -1.0, 2.0, 0.5])
DRAWS, MARGIN = 2000, 0.07  # six standard deviations


@pytest.mark.task("char_lm", kind="property")
@weight(3)
@number("3.8")
@visibility("after_published")
@pytest.mark.parametrize(
    "temperature, shift",
    [(None, 0.0), (0.5, 0.0), (2.0, 0.0), (1.0, 1e4)],
    ids=["plain", "sharpened", "flattened", "large-scores"],
)
def test_sample(student, draw, expect, temperature, shift):
    """sample: tokens come as often as softmax(logits / temperature) says, and a seed repeats them"""
    logits, seed = draw.rng.permutation(LOGITS) + shift, draw.seed()
    given = ("default_samples", logits) if temperature is None else ("many_samples", logits, temperature)
    tokens, again = student.run(*given, seed, DRAWS), student.run(*given, seed, 50)
    plain = all(isinstance(token, int | np.integer) and not isinstance(token, bool) for token in tokens)
    expect.true(plain, "every sample should be an int")
    expect.true(all(0 <= token < 5 for token in tokens), "every sample should be a token of the vocabulary, 0 to 4")
    weights = np.exp((logits - logits.max()) / (temperature or 1.0))
    off = np.abs(np.bincount(tokens, minlength=5) / DRAWS - weights / weights.sum()).max()
    where = f"at temperature {temperature or 1.0:g}" + (", with all scores 10,000 higher," if shift else "")
    expect.true(
        off < MARGIN, f"{where} a token's frequency in {DRAWS} samples is off by {off:.2f} from its probability"
    )
    expect.true(
        list(tokens[:50]) == list(again), "a generator with the same seed should give the same tokens: use rng alone"
    )


@pytest.mark.task("clip_grad_norm")
@weight(2)
@number("6.2")
@visibility("after_published")
@pytest.mark.parametrize("shapes", [((2, 3), (4,), (1, 2, 2)), ((5,),)], ids=["three-arrays", "one-array"])
def test_clip_is_global(agrees, draw, shapes):
    """clip_grad_norm: all gradients shrink by one factor, from their norm together"""
    agrees("clip_grad_norm", [3 * draw(*shape) for shape in shapes], 0.7, tol=EPS_ALLOWED)


@pytest.mark.task("clip_grad_norm")
@weight(1)
@number("6.3")
@visibility("after_published")
@pytest.mark.parametrize("factor", [0.9, 1.1, 50.0])
def test_clip_only_above_the_threshold(agrees, draw, factor):
    """clip_grad_norm: nothing changes unless the norm is above the threshold"""
    grads = [draw.wide(3, 2), draw.wide(4)]
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
    agrees("clip_grad_norm", grads, factor * norm, tol=EPS_ALLOWED)


@pytest.mark.task("clip_grad_norm")
@weight(1)
@number("6.4")
@visibility("after_published")
@pytest.mark.parametrize("scales", [(0, 0), (0, 1), (1, 0)], ids=["all-zero", "first-zero", "second-zero"])
def test_clip_zeros(agrees, draw, scales):
    """clip_grad_norm: gradients that are zero stay finite"""
    agrees("clip_grad_norm", [scales[0] * draw(2, 3), scales[1] * draw(4)], 0.5, tol=EPS_ALLOWED)
