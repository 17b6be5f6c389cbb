"""Embeddings, contexts and softmax: from words to weights."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

WORDS, FEATURES = 7, 3
MANY_WORDS, MANY_FEATURES = 400, 480  # a derivative taken entry by entry takes minutes
LENGTHS = [  # T, d
    pytest.param(6, 4, id="six tokens"),
    pytest.param(1, 3, id="one token"),
    pytest.param(5, 9, id="more features than tokens"),
]
SHAPES = [
    pytest.param((5,), id="one axis"),
    pytest.param((3, 4), id="two axes"),
    pytest.param((2, 3, 5), id="three axes"),
    pytest.param((50, 100, 12), id="many rows"),
]
AXES = [
    pytest.param((4, 3), 0, id="first of two"),
    pytest.param((2, 5, 3), 1, id="middle of three"),
    pytest.param((2, 5, 3), -2, id="counted from the end"),
    pytest.param((100, 12, 50), 1, id="many columns"),
]


@pytest.mark.task("embedding")
@weight(2)
@number("1.2")
@pytest.mark.parametrize("shape", [(7,), (1, 7), (7, 1, 1)], ids=["one axis", "two axes", "three axes"])
def test_embedding(agrees, draw, shape):
    """embedding: every word once, ids of any shape"""
    agrees.pair("embedding", draw.rng.permutation(WORDS).reshape(shape), draw(WORDS, FEATURES))
    agrees.pair("embedding", draw.rng.permutation(MANY_WORDS), draw(MANY_WORDS, MANY_FEATURES))
    calls = [(draw.rng.permutation(WORDS).reshape(shape), draw.wide(WORDS, FEATURES)) for _ in range(2)]
    agrees.interleaved("embedding", *calls)


@pytest.mark.task("embedding")
@weight(3)
@number("1.3")
@pytest.mark.parametrize(
    "shape, words, features",
    [
        pytest.param((10,), WORDS, FEATURES, id="one axis"),
        pytest.param((4, 3), WORDS, FEATURES, id="two axes"),
        pytest.param((2, 3, 2), WORDS, FEATURES, id="three axes"),
        pytest.param((500,), MANY_WORDS, MANY_FEATURES, id="many words"),
    ],
)
def test_embedding_of_repeated_words(student, expect, draw, shape, words, features):
    """embedding: repeated words; output and gradient are products with the one-hot matrix"""
    ids = draw.ints(0, words, *shape)
    ids.reshape(-1)[[0, 1, -1]] = words - 1, 0, words - 1  # one word certainly twice, and the table's ends
    one_hot, table, dout = np.eye(words)[ids], draw(words, features), draw(*shape, features)
    got = student.pair("embedding", ids, table, cotangents=(dout,))
    expect(got["outputs"]["out"], one_hot @ table, what="the output (the one-hot matrix times the table)")
    accumulated = one_hot.reshape(-1, words).T @ dout.reshape(-1, features)
    expect(got["gradients"]["dtable"], accumulated, what="dtable (the one-hot matrix, transposed, times dout)")


@pytest.mark.task("embedding")
@weight(2)
@number("1.4")
@pytest.mark.parametrize(
    "ids", [(3, 1), (4, 0, 2), (0,), 5], ids=["words 3, 1", "words 4, 0, 2", "word 0", "one word, without axes"]
)
def test_embedding_with_unused_words(agrees, draw, ids):
    """embedding: words that do not occur, the table's last among them, have gradient 0"""
    agrees.pair("embedding", np.array(ids), draw(WORDS, FEATURES))
    agrees.pair("embedding", draw.rng.permutation(MANY_WORDS - 1)[:300], draw(MANY_WORDS, MANY_FEATURES))


@pytest.mark.task("contexts")
@weight(3)
@number("2.3")
@pytest.mark.parametrize("length, width", LENGTHS)
def test_uniform_context(agrees, draw, length, width):
    """uniform_context: the mean of every token and those before it"""
    agrees("uniform_context", draw.wide(length, width))


@pytest.mark.task("contexts")
@weight(3)
@number("2.4")
@pytest.mark.parametrize("length, width", LENGTHS)
def test_similarity_context(agrees, draw, length, width):
    """similarity_context: weights by similarity, of vectors of several lengths"""
    agrees("similarity_context", draw(length, width))


@pytest.mark.task("contexts")
@weight(3)
@number("2.5")
@pytest.mark.parametrize("seen", [1, 3, 6], ids=["first", "first three", "all but the last"])
def test_similarity_context_ignores_the_future(student, expect, draw, seen):
    """similarity_context: what follows a token has no part in its context, in the denominator either"""
    x = np.sort(np.abs(draw(7, 1)), axis=0) + np.arange(1, 8)[:, None] / 4  # one feature; the future is always larger
    contexts = expect.array(student.similarity_context(x), (7, 1), what="the contexts")
    alone = [_mean(x[: i + 1], x[: i + 1] @ x[i]) for i in range(seen)]
    what = f"the contexts of the first {seen} of 7 tokens (nothing later may change them)"
    expect(contexts[:seen], np.array(alone), what=what)


def _mean(x: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean of the rows of x (i, 1), weighted by exp(scores) (i,)."""
    weights = np.exp(scores - scores.max())
    return weights @ x / weights.sum()


@pytest.mark.task("contexts")
@weight(1)
@number("2.6")
def test_similarity_context_of_long_vectors(agrees, draw):
    """similarity_context: scores of 10,000 do not overflow, whether they differ by 1 or by 10,000"""
    agrees("similarity_context", 100 + draw(6, 1) / 100)
    agrees("similarity_context", 100 * draw(40, 3))


@pytest.mark.task("softmax")
@weight(2)
@number("3.3")
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(agrees, draw, shape):
    """softmax: along the last axis"""
    agrees("softmax", draw(*shape))
    agrees("softmax", draw.wide(*shape))


@pytest.mark.task("softmax")
@weight(1)
@number("3.4")
@pytest.mark.parametrize("shape, axis", AXES)
def test_softmax_along_any_axis(agrees, draw, shape, axis):
    """softmax: along another axis than the last"""
    agrees("softmax", draw(*shape), axis=axis)


@pytest.mark.task("softmax")
@weight(2)
@number("3.5")
@pytest.mark.parametrize("spread", [1, 1000], ids=["rows far apart", "all far apart"])
def test_softmax_of_large_scores(student, expect, draw, spread):
    """softmax: rows near +10,000, near -10,000 and near 0 in one array; a shift of a row changes nothing"""
    x = spread * draw(3, 4)
    exponentials = np.exp(x - x.max(axis=1, keepdims=True))
    got = student.softmax(x + np.array([[1e4], [-1e4], [0]]))
    expect(got, exponentials / exponentials.sum(axis=1, keepdims=True))


@pytest.mark.task("softmax")
@weight(2)
@number("3.6")
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_backward(agrees, draw, shape):
    """softmax_backward: along the last axis, random gradients"""
    agrees("softmax_backward", draw(*shape), _weights(draw(*shape), -1))


@pytest.mark.task("softmax")
@weight(1)
@number("3.7")
@pytest.mark.parametrize("shape, axis", AXES)
def test_softmax_backward_along_any_axis(agrees, draw, shape, axis):
    """softmax_backward: along another axis than the last"""
    agrees("softmax_backward", draw(*shape), _weights(draw(*shape), axis), axis=axis)


def _weights(x: np.ndarray, axis: int) -> np.ndarray:
    exponentials = np.exp(x)
    return exponentials / exponentials.sum(axis=axis, keepdims=True)
