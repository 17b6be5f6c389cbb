"""Transformations of images, judged by what comes out of many calls: nothing impossible, everything possible, each as
often as it is due. No particular use of the generator is assumed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

Outcome = tuple[str, np.ndarray, float]  # what it is, in words; the image; its probability


def pixels(draw: Any, kind: str, *shape: int) -> np.ndarray:
    """An image whose entries all differ: floats of any sign and scale, bytes, or integers of either sign."""
    if kind == "floats":
        return draw(*shape) * 10 ** draw.rng.uniform(-3, 3)
    low, high, dtype = (0, 256, np.uint8) if kind == "bytes" else (-30_000, 30_000, np.int16)
    return draw.rng.choice(np.arange(low, high), shape, replace=False).astype(dtype)


def key(image: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """The same for equal images, whatever their dtype and the sign of their zeros."""
    return image.shape, (image.astype(np.float32) + 0.0).tobytes()


def judge(expect: Any, results: Any, outcomes: list[Outcome]) -> None:
    """Every result is one of the outcomes, and each outcome is as frequent as it should be."""
    table: dict[Any, tuple[str, float]] = {}
    for label, image, probability in outcomes:  # outcomes that look alike count together
        seen, sum_so_far = table.get(key(image), (label, 0.0))
        table[key(image)] = (seen, sum_so_far + probability)
    shapes, counts = {image.shape for _, image, _ in outcomes}, dict.fromkeys(table, 0)
    for result in results:
        shape = np.shape(result) if np.shape(result) in shapes else outcomes[0][1].shape
        found = key(expect.array(result, shape, what="the image"))
        expect.true(found in table, f"an image came back that is none of the {len(table)} that may")
        counts[found] += 1
    rarest = sorted(
        table, key=lambda found: counts[found] / max(table[found][1], 1e-9)
    )  # what never came is told first
    for found in rarest:
        label, probability = table[found]
        text = f"{label}: {counts[found]} times in {len(results)} calls; due are {len(results) * probability:.4g}"
        expect.share(counts[found], len(results), probability, text)


CROPS = [  # image, window: sizes all differ, so that a swapped axis shows
    pytest.param("floats", (7, 5, 3), (5, 2), id="floats"),
    pytest.param("bytes", (6, 8, 2), (3, 7), id="bytes"),
    pytest.param("integers", (4, 6, 1), (4, 5), id="full height"),
    pytest.param("floats", (3, 4, 2), (3, 4), id="the whole image"),
    pytest.param("floats", (5, 8, 4), (1, 1), id="one pixel"),
]


@pytest.mark.task("augment")
@weight(4)
@number("3.7")
@pytest.mark.parametrize("kind, shape, size", CROPS)
def test_random_crop(student, draw, expect, kind, shape, size):
    """random_crop: windows of the image, each place as often as any other"""
    image = pixels(draw, kind, *shape)
    corners = list(np.ndindex(shape[0] - size[0] + 1, shape[1] - size[1] + 1))
    outcomes = [
        (f"the window with its corner at ({i}, {j})", image[i : i + size[0], j : j + size[1]], 1 / len(corners))
        for i, j in corners
    ]
    judge(expect, student.run("draws", "random_crop", image, [size], draw.seed(), 2400), outcomes)


@pytest.mark.task("augment")
@weight(2)
@number("3.8")
@pytest.mark.parametrize("kind", ["floats", "bytes", "integers"])
@pytest.mark.parametrize("p", [None, 0.0, 0.2, 0.7, 1.0])
def test_horizontal_flip(student, draw, expect, kind, p):
    """horizontal_flip: mirrors left and right, with probability p"""
    image, seed, count = pixels(draw, kind, 4, 5, 3), draw.seed(), 500
    if p is None:
        results = student.run("default_draws", "horizontal_flip", image, seed, count)
    else:
        results = student.run("draws", "horizontal_flip", image, [p], seed, count)
    p = 0.5 if p is None else p
    judge(expect, results, [("mirrored", image[:, ::-1], p), ("not mirrored", image, 1 - p)])


@pytest.mark.task("augment")
@weight(2)
@number("3.9")
@pytest.mark.parametrize("kind, shape", [("floats", (5, 3, 2)), ("bytes", (4, 4, 3)), ("integers", (1, 6, 4))])
def test_rotate90(student, draw, expect, kind, shape):
    """rotate90: quarter turns, each of the four as often"""
    image = pixels(draw, kind, *shape)
    outcomes = [(f"k = {turns}", np.rot90(image, turns), 1 / 4) for turns in range(4)]
    judge(expect, student.run("draws", "rotate90", image, [], draw.seed(), 800), outcomes)


def shifted(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Down by dy, right by dx, pixel by pixel."""
    out = np.zeros_like(image)
    for i, j in np.ndindex(image.shape[:2]):
        if 0 <= i - dy < image.shape[0] and 0 <= j - dx < image.shape[1]:
            out[i, j] = image[i - dy, j - dx]
    return out


SHIFTS = [
    pytest.param("floats", (4, 6, 2), 1, id="floats"),
    pytest.param("bytes", (7, 5, 3), 2, id="bytes"),
    pytest.param("integers", (3, 2, 1), 4, id="further than the image"),
    pytest.param("floats", (3, 5, 2), 0, id="not at all"),
]


@pytest.mark.task("augment")
@weight(4)
@number("3.10")
@pytest.mark.parametrize("kind, shape, most", SHIFTS)
def test_translate(student, draw, expect, kind, shape, most):
    """translate: every shift within the bounds as often as any other, zeros come in"""
    image, steps = pixels(draw, kind, *shape), range(-most, most + 1)
    chance = 1 / len(steps) ** 2
    outcomes = [(f"shifted by ({dy}, {dx})", shifted(image, dy, dx), chance) for dy in steps for dx in steps]
    count = max(300, 40 * len(steps) ** 2)
    judge(expect, student.run("draws", "translate", image, [most], draw.seed(), count), outcomes)


JITTERED = 400


def factors(expect: Any, image: np.ndarray, results: Any, step: float) -> np.ndarray:
    """b and c of every result, (count, 2), where nothing is clipped; `step` is what rounding may change a value by.

    Distances from the mean sum to 0: the mean of a result is b times the image's, its slope on them is b c.
    """
    mean, found = image.mean(), []
    off = image - mean
    for result in results:
        out = np.asarray(expect.array(result, image.shape, what="the image"), dtype=np.float64)
        b, slope = out.mean() / mean, (out * off).sum() / (off**2).sum()
        worst = np.abs(out - (b * mean + slope * off)).max()
        expect.true(worst <= step, f"no pair of factors b and c gives this image: {worst:.3g} is left at one pixel")
        found.append((b, slope / b))
    return np.array(found)


def within(expect: Any, values: np.ndarray, most: float, slack: float, word: str) -> None:
    """Factors are in 1 +- most."""
    worst = values[np.abs(values - 1).argmax()]
    text = f"{word} changes by the factor {worst:.4g}, where 1 ± {most} is allowed"
    expect.true(abs(worst - 1) <= most + slack, text)


@pytest.mark.task("augment")
@weight(3)
@number("3.11")
@pytest.mark.parametrize("brightness, contrast", [(None, None), (0.3, 0.4), (0.5, 0.0), (0.0, 0.6)])
def test_color_jitter(student, draw, expect, brightness, contrast):
    """color_jitter: a factor for brightness and one for contrast, of the whole image, uniform in their ranges"""
    image, seed = draw.rng.uniform(0.3, 0.55, (4, 5, 3)), draw.seed()
    if brightness is None:
        results = student.run("default_draws", "color_jitter", image, seed, JITTERED)
        brightness = contrast = 0.2
    else:
        results = student.run("draws", "color_jitter", image, [brightness, contrast], seed, JITTERED)
    found = factors(expect, image, results, 1e-6)
    for values, most, word in zip(found.T, (brightness, contrast), ("brightness", "contrast"), strict=True):
        within(expect, values, most, 1e-5, word)
        for quarter in range(4) if most else ():
            low = 1 - most + quarter * most / 2
            seen = int(((low <= values) & (values < low + most / 2)).sum())
            where = f"from {low:.3g} to {low + most / 2:.3g}"
            text = f"{seen} of {JITTERED} factors of the {word} are {where}, and {JITTERED // 4} are due"
            expect.share(seen, JITTERED, 1 / 4, text)
    if brightness and contrast:
        same = int(((found[:, 0] > 1) == (found[:, 1] > 1)).sum())
        text = f"brightness and contrast grow or shrink together {same} times in {JITTERED}: they should be independent"
        expect.share(same, JITTERED, 1 / 2, text)


@pytest.mark.task("augment")
@weight(1)
@number("3.12")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
@pytest.mark.parametrize("brightness, contrast", [(0.3, 0.0), (0.0, 0.5), (0.25, 0.4)])
def test_color_jitter_of_integers(student, draw, expect, dtype, brightness, contrast):
    """color_jitter: integer images"""
    image = (draw.ints(80, 110, 6, 7, 3) + np.array([0, 12, 25])).astype(dtype)  # channels whose means differ
    results = student.run("draws", "color_jitter", image, [brightness, contrast], draw.seed(), 80)
    found = factors(expect, image, results, 1.2)
    within(expect, found[:, 0], brightness, 0.02, "brightness")
    within(expect, found[:, 1], contrast, 0.05, "contrast")
    for values, most, word in zip(found.T, (brightness, contrast), ("brightness", "contrast"), strict=True):
        text = f"80 factors of the {word} lie within {np.ptp(values):.3g} of each other, where {2 * most:g} is due"
        expect.true(np.ptp(values) >= 1.2 * most, text)


def extreme(draw: Any, part: str, width: int = 9) -> np.ndarray:
    """Values in [0, 1] of which many leave it; those of the first channel in the first row do not."""
    image, inner = draw.rng.uniform(0, 1, (4, 2 * width, 2)), draw.rng.uniform(0.27, 0.33, width)
    if part == "brightness":  # times 1.5 at most
        image[0, :, 0] = np.concatenate([inner, 2 * inner])
        return image
    image = np.rint(image)
    image[:, width:] = 1 - image[:, :width]  # so that the mean is 1/2
    image[0, :, 0] = np.concatenate([inner, 1 - inner])
    return image


@pytest.mark.task("augment")
@weight(2)
@number("3.13")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
@pytest.mark.parametrize("part, changes", [("brightness", [0.5, 0.0]), ("contrast", [0.0, 0.9])])
def test_color_jitter_clips(student, draw, expect, dtype, part, changes):
    """color_jitter: what leaves 0 to 255, for floats 0 to 1, is clipped"""
    largest, step = (1.0, 1e-5) if dtype == "float64" else (255, 3.0)  # step: what rounding may do
    image = extreme(draw, part) * largest
    image = (np.rint(image) if largest > 1 else image).astype(dtype)
    centre = 0.0 if part == "brightness" else image.mean()
    inner, found = image[0, :, 0] - centre, []
    for result in student.run("draws", "color_jitter", image, changes, draw.seed(), 60):
        out = np.asarray(expect.array(result, image.shape, what="the image"), dtype=np.float64)
        text = f"values should be clipped to 0 and {largest:g}; they go from {out.min():.4g} to {out.max():.4g}"
        expect.true(out.min() >= 0 and out.max() <= largest, text)
        factor = ((out[0, :, 0] - centre) * inner).sum() / (inner**2).sum()
        found.append(factor)
        off = np.abs(out - np.clip(centre + factor * (image - centre), 0, largest)).max()
        text = f"what stays inside has the factor {factor:.3g}; with it, and clipped, a value is off by {off:.4g}"
        expect.true(off <= step, text)
    expect.true(np.ptp(found) > 0.3, f"60 factors of the {part} lie within {np.ptp(found):.3g} of each other")


@pytest.mark.task("augment", kind="property")
@weight(1)
@number("3.16")
def test_augmentation_repeats_with_its_seed(student, draw, expect):
    """all five transformations: all that is random comes from rng, so that a seed repeats a policy"""
    image, seeds = pixels(draw, "bytes", 9, 7, 3), [draw.seed() for _ in range(40)]
    first, again = (student.run("augmented", image, (6, 5), seeds) for _ in range(2))
    for results in (first, again):
        for result in results:
            shape = np.shape(result) if np.shape(result) == (5, 6, 3) else (6, 5, 3)
            expect.array(result, shape, what="the image")
    same = all(key(one) == key(other) for one, other in zip(first, again, strict=True))
    expect.true(same, "two generators with the same seed should lead to the same images: use rng alone")
    expect.true(len({key(each) for each in first}) > 4, "generators with other seeds lead to the same images")


COMPOSED = [
    pytest.param([["add", 3.0], ["multiply", -2.0]], id="two"),
    pytest.param([["rows", 2], ["transpose", 0], ["rows", 1], ["add", -1.5], ["multiply", 0.5]], id="five"),
    pytest.param([["multiply", 4.0]], id="one"),
    pytest.param([], id="none"),
]


@pytest.mark.task("augment")
@weight(2)
@number("3.14")
@pytest.mark.parametrize("steps", COMPOSED)
def test_compose(agrees, draw, steps):
    """compose: one after the other, in the order of the list, whenever it is called"""
    agrees.run("composed", pixels(draw, "floats", 4, 5, 3), steps, draw.seed(), calls=3)


def noises(expect: Any, results: Any, calls: int) -> Iterator[float]:
    """The numbers that two transformations drew, in every call."""
    for result in results[:calls]:
        yield from np.asarray(expect.array(result, (1, 2, 2), what="the image"))[0, 0].tolist()


@pytest.mark.task("augment", kind="property")
@weight(1)
@number("3.15")
def test_compose_hands_the_generator_on(student, draw, expect):
    """compose: every transformation draws from the generator that was passed in"""
    steps, seed, calls = [["noise", 0], ["noise", 1]], draw.seed(), 20
    runs = [student.run("composed", np.zeros((1, 2, 2)), steps, seed + off, calls) for off in (0, 0, 1)]
    for results in runs:
        expect.true(isinstance(results, list) and len(results) == calls, "compose should return an image for each call")
    first, again, other = (list(noises(expect, results, calls)) for results in runs)
    expect.true(len(set(first)) == len(first), "two transformations, or two calls, drew the same random number")
    expect.true(first == again, "the same seed should give the same random numbers")
    expect.true(not set(first) & set(other), "another seed gave the same random numbers")
