"""The worked examples of the handout, and what may come out of a random transformation of a tiny image."""

from itertools import product

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded

IMAGE = np.array([[1, 2, 3], [4, 5, 6]])[:, :, None]  # two rows, three columns, one channel


def seen(student, draw, expect, name, args, allowed):
    """Which of the allowed images came up in 300 calls; any other one fails the check."""
    found = set()
    for result in student.run("draws", name, IMAGE, args, draw.seed(), 300):
        shapes = [image.shape for image in allowed.values()]
        shape = np.shape(result) if np.shape(result) in shapes else shapes[0]
        image = expect.array(result, shape, what="the image")
        matching = [label for label, one in allowed.items() if np.array_equal(image, one)]
        expect.true(matching, f"{name} of {IMAGE[..., 0].tolist()} gave {np.asarray(image)[..., 0].tolist()}")
        found |= set(matching)
    return found


@pytest.mark.task("ridge")
@weight(2)
@number("1.1")
def test_ridge_example(student, expect):
    """ridge_fit: two samples and a heavy penalty, by hand"""
    got = student.ridge_fit(np.array([[0.0], [2.0]]), np.array([1.0, 5.0]), 1.0)
    expect.true(isinstance(got, tuple | list) and len(got) == 2, "ridge_fit should return (theta0, theta)")
    off = abs(expect.number(got[0], what="theta0") - 2), abs(expect.array(got[1], (1,), what="theta")[0] - 1)
    expect.true(max(off) < 1e-3, f"theta0 is off by {off[0]:.4g} and theta by {off[1]:.4g}")


@pytest.mark.task("ridge")
@weight(1)
@number("1.2")
def test_regularized_loss_example(student, expect):
    """regularized_loss: a loss of 2 and a penalty of 3"""
    expect(student.regularized_loss(2.0, 3.0, 0.5), 3.5, what="the loss at lam = 0.5")


@pytest.mark.task("dropout")
@weight(2)
@number("2.1")
def test_dropout_example(student, draw, expect):
    """dropout: at p = 1/2 every entry is doubled or gone, and its gradient with it; in evaluation nothing happens"""
    for rows, training in product((10, 30_000), (True, False)):  # of many, a derivative by entries takes minutes
        x, dout = np.tile([1.0, 2.0, -3.0, 4.0], (rows, 1)), np.tile([3.0, 5.0, 7.0, -1.0], (rows, 1))
        got = student.pair("dropout", x, 0.5, Seeded("numpy", draw.seed()), training=training, cotangents=dout)
        out = expect.array(got["outputs"]["out"], x.shape, what="out")
        factor = np.where(np.asarray(out) == 0, 0.0, 2.0) if training else np.ones(x.shape)
        where = "in training" if training else "in evaluation"
        expect(out, factor * x, what=f"out {where}")
        expect(got["gradients"]["dx"], factor * dout, what=f"dx {where}")
        text = f"at p = 1/2 some of {x.size} entries should go, and some stay"
        expect.true(not training or 0 < factor.mean() < 2, text)


@pytest.mark.task("augment")
@weight(1)
@number("3.1")
def test_random_crop_example(student, draw, expect):
    """random_crop: the two windows of size (2, 2) in an image of two rows and three columns"""
    windows = {"left": IMAGE[:, :2], "right": IMAGE[:, 1:]}
    found = seen(student, draw, expect, "random_crop", [(2, 2)], windows)
    expect.true(len(found) == 2, f"only the {' '.join(found)} one of the two windows came up in 300 calls")


@pytest.mark.task("augment")
@weight(1)
@number("3.2")
def test_horizontal_flip_example(student, draw, expect):
    """horizontal_flip: left becomes right, always at p = 1, never at p = 0"""
    mirrored = np.array([[3, 2, 1], [6, 5, 4]])[:, :, None]
    seen(student, draw, expect, "horizontal_flip", [1.0], {"mirrored": mirrored})
    seen(student, draw, expect, "horizontal_flip", [0.0], {"as it was": IMAGE})


@pytest.mark.task("augment")
@weight(1)
@number("3.3")
def test_rotate90_example(student, draw, expect):
    """rotate90: the four turns of an image of two rows and three columns"""
    rows = {0: IMAGE[..., 0], 1: [[3, 6], [2, 5], [1, 4]], 2: [[6, 5, 4], [3, 2, 1]], 3: [[4, 1], [5, 2], [6, 3]]}
    turned = {f"k = {turns}": np.array(row)[:, :, None] for turns, row in rows.items()}
    found = seen(student, draw, expect, "rotate90", [], turned)
    expect.true(len(found) == 4, f"in 300 calls only {', '.join(sorted(found))} came up")


@pytest.mark.task("augment")
@weight(1)
@number("3.4")
def test_translate_example(student, draw, expect):
    """translate: nine shifts by at most one pixel, zeros come in"""
    framed = np.array([[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 4, 5, 6, 0], [0, 0, 0, 0, 0]])[:, :, None]
    shifts = {f"({1 - i}, {1 - j})": framed[i : i + 2, j : j + 3] for i in range(3) for j in range(3)}
    found = seen(student, draw, expect, "translate", [1], shifts)
    missing = sorted(set(shifts) - found)
    expect.true(not missing, f"in 300 calls the shifts {', '.join(missing)} never came up")


@pytest.mark.task("augment")
@weight(1)
@number("3.5")
def test_color_jitter_example(student, draw, expect):
    """color_jitter: bytes are multiplied by a factor within the bounds, and clipped"""
    image = np.array([[100, 200, 250]], dtype=np.uint8)[:, :, None]
    results = student.run("draws", "color_jitter", image, [0.2, 0.0], draw.seed(), 200)
    firsts = []
    for result in results:
        first, second, third = np.asarray(expect.array(result, (1, 3, 1), what="the image"), dtype=float)[0, :, 0]
        text = f"100, 200, 250 became {first:g}, {second:g}, {third:g}, which no factor does"
        expect.true(abs(second - 2 * first) <= 3 and abs(third - min(255, 2.5 * first)) <= 4, text)
        firsts.append(first)
    text = f"100 became {min(firsts):g} to {max(firsts):g}; a factor in 1 ± 0.2 makes 80 to 120 of it"
    expect.true(79 <= min(firsts) < 90 and 110 < max(firsts) <= 120, text)


@pytest.mark.task("augment")
@weight(1)
@number("3.6")
def test_compose_example(student, draw, expect):
    """compose: first add 1, then double"""
    got = student.run("composed", np.full((1, 1, 1), 3.0), [["add", 1.0], ["multiply", 2.0]], draw.seed())
    expect(got, [np.full((1, 1, 1), 8.0)], what="3, plus 1, times 2, in a list of one call")


@pytest.mark.task("tta")
@weight(2)
@number("4.1")
def test_tta_example(student, expect):
    """tta_predict: the mean of the predictions for an image and for its mirror image"""
    x, weights = np.array([[[np.log(4.0)], [np.log(2 / 3)]]]), np.eye(2)
    # softmax of (ln 4, ln 2/3) is (6/7, 1/7), of the mirror image (1/7, 6/7).
    expect(student.run("averaged", x, weights, ["same", "mirror"]), [0.5, 0.5], what="the mean")
    expect(student.run("averaged", x, weights, ["same", "same", "mirror"]), [13 / 21, 8 / 21], what="the mean of three")


@pytest.mark.task("text")
@weight(1)
@number("5.1")
def test_synonym_example(student, draw, expect):
    """synonym_substitute: it is a wonderful day"""
    tokens, thesaurus = ["it", "is", "a", "great", "day"], {"great": ["wonderful"], "rain": ["drizzle"]}
    results = student.run("sentences", tokens, thesaurus, 1.0, draw.seed(), 50)
    expect(results, [["it", "is", "a", "wonderful", "day"]] * 50, what="the sentence at p = 1, 50 times")


@pytest.mark.task("text")
@weight(1)
@number("5.2")
def test_back_translate_example(student, expect):
    """back_translate: out by one dictionary, back by another"""
    got = student.run("there_and_back", "good day", {"good": "gut", "day": "Tag"}, {"gut": "well", "Tag": "daytime"})
    expect(got, "well daytime", what="the text")


@pytest.mark.task("augment_fast")
@weight(2)
@number("6.1")
def test_augment_batch_fast_example(student, expect):
    """augment_batch_fast: two rows of four pixels; one is cropped, mirrored and shifted, the other only cropped"""
    images = torch.tensor([[[[1.0, 2, 3, 4]]], [[[5.0, 6, 7, 8]]]], dtype=torch.float64)
    params = {
        "top": torch.tensor([0, 0]),
        "left": torch.tensor([1, 0]),
        "dy": torch.tensor([0, 0]),
        "dx": torch.tensor([1, 0]),
        "flip": torch.tensor([True, False]),
        "size": (1, 3),
    }
    got = student.augment_batch_fast(images, params)
    expect(got, torch.tensor([[[[0.0, 4, 3]]], [[[5.0, 6, 7]]]], dtype=torch.float64), what="the batch")
