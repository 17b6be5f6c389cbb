"""Ridge regression, judged by what it minimises, and averaging over transformations, by what is averaged."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import CheckFailed, Seeded


def objective(x: np.ndarray, y: np.ndarray, lam: float, theta0: float, theta: np.ndarray) -> float:
    """(1/n) sum_i (theta0 + x_i theta - y_i)^2 + lam ||theta||^2."""
    return float(((theta0 + x @ theta - y) ** 2).mean() + lam * (theta**2).sum())


def least(x: np.ndarray, y: np.ndarray, lam: float) -> float:
    """The smallest value of the objective: least squares with a row of sqrt(n lam) for each feature below the data."""
    n, d = x.shape
    rows = np.block([[np.ones((n, 1)), x], [np.zeros((d, 1)), np.sqrt(n * lam) * np.eye(d)]])
    best = np.linalg.lstsq(rows, np.concatenate([y, np.zeros(d)]), rcond=None)[0]
    return objective(x, y, lam, best[0], best[1:])


def fitted(student: Any, expect: Any, x: np.ndarray, y: np.ndarray, lam: float) -> tuple[float, np.ndarray]:
    """theta0 and theta that `ridge_fit` returned, with their shapes checked."""
    got = student.ridge_fit(x, y, lam)
    expect.true(isinstance(got, tuple | list) and len(got) == 2, "ridge_fit should return (theta0, theta)")
    theta = expect.array(got[1], (x.shape[1],), what="theta")
    return expect.number(got[0], what="theta0"), np.asarray(theta, dtype=np.float64)


def minimises(student: Any, expect: Any, x: np.ndarray, y: np.ndarray, lam: float) -> None:
    """theta0 and theta come as close to the minimum as an iterative solver does that is run to its end."""
    value, best = objective(x, y, lam, *fitted(student, expect, x, y, lam)), least(x, y, lam)
    text = f"error plus penalty is {value:.8g} at lam = {lam:.3g}, and could be {best:.8g}"
    expect.true(value <= best + 1e-6 * best + 1e-10 * (y**2).mean(), text)


def samples(draw: Any, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets with means of their own, of any scale; the targets depend on the features."""
    x = draw(n, d) + 2 * draw(d)
    y = x @ draw(d) + 0.5 * draw(n) + 3 * draw.rng.choice([-1, 1])
    return x * 10 ** draw.rng.uniform(-1, 1), y * 10 ** draw.rng.uniform(-3, 3)


RIDGE = [  # lam in units of the features' mean square
    pytest.param(23, 4, 0.3, id="n above d"),
    pytest.param(6, 11, 0.1, id="n below d"),
    pytest.param(40, 1, 1.5, id="one feature"),
    pytest.param(9, 5, 0.02, id="a light penalty"),
]


@pytest.mark.task("ridge")
@weight(5)
@number("1.3")
@pytest.mark.parametrize("n, d, relative", RIDGE)
def test_ridge_fit(student, draw, expect, n, d, relative):
    """ridge_fit: minimises the mean squared error plus the penalty"""
    x, y = samples(draw, n, d)
    minimises(student, expect, x, y, relative * float((x**2).mean()))


@pytest.mark.task("ridge")
@weight(3)
@number("1.4")
@pytest.mark.parametrize("lam", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("offset", [100.0, -40.0])
def test_ridge_leaves_the_intercept_alone(student, draw, expect, lam, offset):
    """ridge_fit: targets far from 0 cost nothing: on average the predictions equal them, however heavy the penalty"""
    x, y = draw(14, 3) + 5, draw(14) + offset * (1 + abs(float(draw())))
    theta0, theta = fitted(student, expect, x, y, lam)
    off = abs(theta0 + x.mean(axis=0) @ theta - y.mean())
    expect.true(off < 1e-3, f"at lam = {lam:g} the predictions' mean is off the targets' mean by {off:.4g}")


@pytest.mark.task("ridge")
@weight(3)
@number("1.5")
@pytest.mark.parametrize("kind", ["plain", "n below d", "constant column", "twin columns"])
def test_least_squares(student, draw, expect, kind):
    """ridge_fit: lam = 0 is least squares, also where there are many solutions"""
    x, y = samples(draw, 5, 9) if kind == "n below d" else samples(draw, 17, 4)
    x[:, 1] = 3.0 if kind == "constant column" else x[:, 2] if kind == "twin columns" else x[:, 1]
    minimises(student, expect, x, y, 0.0)


@pytest.mark.task("ridge")
@weight(2)
@number("1.6")
def test_regularized_loss(agrees, draw):
    """regularized_loss: the penalty times lam on top of the loss"""
    for _ in range(5):
        loss, penalty, lam = (float(draw()) * 10 ** draw.rng.uniform(-3, 3) for _ in range(3))
        agrees("regularized_loss", loss, penalty, lam)


AVERAGED = [
    pytest.param(["same", "mirror", "double"], id="three"),
    pytest.param(["turn 1", "negative"], id="without the plain input"),
    pytest.param(["shift"], id="one"),
    pytest.param(["mirror", "same", "mirror", "mirror", "turn 3"], id="one of them three times"),
]


@pytest.mark.task("tta")
@weight(3)
@number("4.2")
@pytest.mark.parametrize("names", AVERAGED)
@pytest.mark.parametrize("helper", ["averaged", "averaged_rows"])
def test_tta_predict(agrees, draw, names, helper):
    """tta_predict: the mean of the probabilities over the transformations that are given"""
    x = draw(4, 4, 3) * 10 ** draw.rng.uniform(-2, 2)
    weights = draw(5, 48 if helper == "averaged" else 12) / np.abs(x).max()
    agrees.run(helper, x, weights, names)


GROUP = ["turn 1", "same", "turn 3", "turn 2"]


@pytest.mark.task("tta")
@weight(3)
@number("4.3")
def test_tta_is_invariant_over_a_group(student, draw, expect):
    """tta_predict: over all quarter turns, a turned image gets the same prediction, wherever the answer lies"""
    x, weights = draw(5, 5, 2), draw(5, 50)  # more classes than turns: votes leave one without any
    first = np.asarray(expect.array(student.run("averaged", x, weights, GROUP), (5,)), dtype=np.float64)
    expect.true(abs(first.sum() - 1) < 1e-6 and first.min() > 0, "a mean of probabilities is positive and sums to 1")
    turned = student.run("averaged", np.rot90(x).copy(), weights, GROUP[::-1])
    expect(turned, first, what="the prediction for the turned image")
    mirrored = np.asarray(student.run("averaged", x[:, ::-1].copy(), weights, GROUP))
    far = mirrored.shape == (5,) and np.abs(mirrored - first).max() > 1e-6
    expect.true(far, "a mirrored image, which is none of the turned ones, gets exactly the same prediction")


BATCHES = [  # images, crops, largest shift: sizes all differ, so that a swapped axis shows
    pytest.param((5, 3, 9, 7), (6, 4), 3, id="small"),
    pytest.param((2, 1, 4, 6), (4, 6), 2, id="whole images"),
    pytest.param((7, 2, 5, 8), (1, 3), 1, id="one row"),
    pytest.param((1, 4, 6, 3), (5, 2), 0, id="one image, not shifted"),
    pytest.param((6, 2, 4, 3), (2, 3), 5, id="far beyond the crop"),
]


def parameters(draw: Any, n: int, height: int, width: int, size: tuple[int, int], most: int) -> dict[str, Any]:
    """Parameters of a batch: every crop inside, shifts up to `most`."""
    return {
        "top": torch.from_numpy(draw.ints(0, height - size[0] + 1, n)),
        "left": torch.from_numpy(draw.ints(0, width - size[1] + 1, n)),
        "dy": torch.from_numpy(draw.ints(-most, most + 1, n)),
        "dx": torch.from_numpy(draw.ints(-most, most + 1, n)),
        "flip": torch.from_numpy(draw.rng.permutation(np.arange(n) % 2 == 0)),
        "size": size,
    }


@pytest.mark.task("augment_fast")
@weight(5)
@number("6.2")
@pytest.mark.parametrize("shape, size, most", BATCHES)
def test_augment_batch_fast(agrees, draw, shape, size, most):
    """augment_batch_fast: crop, mirror, shift, each image its own; with gradients"""
    n, _, height, width = shape
    images = draw.tensor(*shape) * 10 ** draw.rng.uniform(-3, 3)
    agrees.autograd("augment_batch_fast", images, parameters(draw, n, height, width, size, most), wrt=[0])


@pytest.mark.task("augment_fast")
@weight(2)
@number("6.3")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("shape, size, most", BATCHES[:3])
def test_augment_batch_fast_of_integers(agrees, draw, dtype, shape, size, most):
    """augment_batch_fast: images of integers"""
    n, _, height, width = shape
    images = torch.from_numpy(draw.ints(0, 256, *shape)).to(dtype)
    agrees.run("augment_batch", images, parameters(draw, n, height, width, size, most))


IMAGES = ["random_crop", "horizontal_flip", "rotate90", "translate", "color_jitter"]
ARGUMENTS = {"random_crop": [(3, 4)], "translate": [2]}


@pytest.mark.task("augment", kind="dtype")
@weight(2)
@number("3.17")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", [*IMAGES, "compose", "dropout", "ridge_fit", "tta_predict", "augment_batch_fast"])
def test_keeps_dtype(student, keeps_dtype, draw, expect, name, dtype):
    """all functions: images keep their dtype, and float32 arguments give float32 results and gradients"""
    if name in IMAGES:
        image = draw.rng.uniform(0, 1 if "float" in dtype else 200, (5, 6, 3)).astype(dtype)
        for got in student.run("draws", name, image, ARGUMENTS.get(name, []), draw.seed(), 6):
            same = np.asarray(got).dtype == np.dtype(dtype)
            expect.true(same, f"{name} should return {dtype}, as it was given, and returns {np.asarray(got).dtype}")
            expect.true(np.asarray(got).any(), f"the dtype of an answer counts only where there is one: {name} gives 0")
    elif name == "augment_batch_fast" and dtype != "float32":
        images, params = (draw.tensor(3, 2, 5, 4) * 50 + 120).clamp(0, 255), parameters(draw, 3, 5, 4, (4, 3), 1)
        kind, got = getattr(torch, dtype), None
        with suppress(CheckFailed):  # another task's: a wrong answer, or none, is the business of its own checks
            got = expect.array(student.run("augment_batch", images.to(kind), params), (3, 2, 4, 3))
        if got is not None:
            expect.true(got.dtype == kind, f"images of {dtype} should stay {dtype}, and become {got.dtype}")
    elif dtype == "float32":
        single(keeps_dtype, draw, name)


def single(keeps_dtype: Any, draw: Any, name: str) -> None:
    """float32 arguments for the functions that are no transformations of one image."""
    x, y, others = draw(9, 4).astype(np.float32), draw(9).astype(np.float32), keeps_dtype.if_right
    if name == "compose":
        keeps_dtype.run("composed", draw(4, 5, 2).astype(np.float32), [["transpose", 0], ["rows", 1]], draw.seed())
    elif name == "dropout":
        others.pair("dropout", x, 0.4, Seeded("numpy", draw.seed()), training=True)
    elif name == "ridge_fit":
        others("ridge_fit", x, y, 0.5)
    elif name == "tta_predict":
        others.run("averaged", x[:4, :, None], draw(3, 16).astype(np.float32), ["same", "mirror"])
    else:
        images = draw.tensor(3, 2, 5, 4).float()
        others.autograd("augment_batch_fast", images, parameters(draw, 3, 5, 4, (4, 3), 1), wrt=[0])
