"""The reference of `regularization` against second oracles: minimisers, exact arithmetic, scipy's images, binomials."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
import torch
from scipy.stats import binomtest, kstest

RNG = np.random.default_rng(20261)
LIKELY = 1e-6  # seeds are fixed, so that this is no matter of luck


@pytest.fixture(scope="module")
def ra(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("regularization")


def pixels(*shape: int) -> np.ndarray:
    """An image of bytes that all differ."""
    return RNG.choice(256, shape, replace=False).astype(np.uint8)


def occurs(results: list[Any], expected: dict[Any, float]) -> None:
    """Results are those expected, and as frequent."""
    counts = Counter(results)
    assert set(counts) == {result for result, chance in expected.items() if chance > 0}
    for result, chance in expected.items():
        assert binomtest(counts[result], len(results), chance).pvalue > LIKELY


def image_key(image: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    return image.shape, image.tobytes()


@pytest.mark.parametrize("n, d", [(20, 3), (6, 9), (15, 1)])
@pytest.mark.parametrize("lam", [0.01, 0.7, 30.0])
def test_ridge_is_where_a_minimiser_of_the_objective_ends(ra: ModuleType, n: int, d: int, lam: float) -> None:
    x, y = RNG.standard_normal((n, d)) + 2, RNG.standard_normal(n) - 5
    theta0, theta = ra.ridge_fit(x, y, lam)

    def objective(both: np.ndarray) -> float:
        return float(((both[0] + x @ both[1:] - y) ** 2).mean() + lam * (both[1:] ** 2).sum())

    found = scipy.optimize.minimize(objective, np.zeros(d + 1), method="BFGS", options={"gtol": 1e-8})
    assert objective(np.r_[theta0, theta]) <= found.fun * (1 + 1e-12)
    np.testing.assert_allclose(np.r_[theta0, theta], found.x, atol=1e-4)


def test_ridge_in_rational_arithmetic(ra: ModuleType) -> None:
    x, y, lam = [Fraction(v) for v in (0, 1, 5, -2)], [Fraction(v) for v in (3, 1, 4, 1)], Fraction(1, 3)
    x_mean, y_mean = sum(x) / 4, sum(y) / 4
    above = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    slope = above / (sum((a - x_mean) ** 2 for a in x) + 4 * lam)
    theta0, theta = ra.ridge_fit(np.array(x, float)[:, None], np.array(y, float), float(lam))
    assert theta[0] == pytest.approx(float(slope), rel=1e-13)
    assert theta0 == pytest.approx(float(y_mean - slope * x_mean), rel=1e-13)


def test_ridge_has_no_slope_for_autograd(ra: ModuleType) -> None:
    x, y = RNG.standard_normal((12, 4)), RNG.standard_normal(12)
    theta0, theta = (torch.tensor(value, requires_grad=True) for value in ra.ridge_fit(x, y, 0.2))
    error = (theta0 + torch.from_numpy(x) @ theta - torch.from_numpy(y)).square().mean()
    ra.regularized_loss(error, theta.square().sum(), 0.2).backward()
    np.testing.assert_allclose(np.r_[theta0.grad, theta.grad], 0, atol=1e-14)


@pytest.mark.parametrize("n, d", [(15, 4), (4, 7)])
def test_ridge_without_a_penalty_is_least_squares(ra: ModuleType, n: int, d: int) -> None:
    x, y = RNG.standard_normal((n, d)) + 1, RNG.standard_normal(n)
    x[:, 1] = 2.0
    theta0, theta = ra.ridge_fit(x, y, 0.0)
    residual = np.linalg.lstsq(np.c_[np.ones(n), x], y, rcond=None)[0]
    best = ((np.c_[np.ones(n), x] @ residual - y) ** 2).sum()
    assert ((theta0 + x @ theta - y) ** 2).sum() == pytest.approx(best, abs=1e-20)


def test_ridge_worked_example(ra: ModuleType) -> None:
    theta0, theta = ra.ridge_fit(np.array([[0.0], [2.0]]), np.array([1.0, 5.0]), 1.0)
    assert (theta0, theta[0]) == (pytest.approx(2), pytest.approx(1))
    assert ra.regularized_loss(2.0, 3.0, 0.5) == 3.5


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_as_often_as_it_should_and_keeps_the_mean(ra: ModuleType, p: float) -> None:
    x = RNG.standard_normal((300, 200)) + 3
    out, _ = ra.dropout_forward(x, p, np.random.default_rng(1), training=True)
    zeros = int((out == 0).sum())
    assert binomtest(zeros, x.size, p).pvalue > LIKELY
    np.testing.assert_allclose(out[out != 0], (x / (1 - p))[out != 0])
    assert out.mean() == pytest.approx(x.mean(), rel=0.05)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_has_the_gradient_that_autograd_has_through_its_mask(ra: ModuleType, p: float, training: bool) -> None:
    x, dout = RNG.standard_normal((5, 7)), RNG.standard_normal((5, 7))
    out, cache = ra.dropout_forward(x, p, np.random.default_rng(2), training=training)
    factor = torch.from_numpy(out / x)
    leaf = torch.tensor(x, requires_grad=True)
    (leaf * factor).backward(torch.from_numpy(dout))
    np.testing.assert_allclose(ra.dropout_backward(dout, cache), leaf.grad)
    assert np.isfinite(out).all()


def test_dropout_layers_do_not_share_a_mask(ra: ModuleType) -> None:
    rng, x = np.random.default_rng(3), np.ones((30, 30))
    (first, one), (second, other) = (ra.dropout_forward(x, 0.5, rng, training=True) for _ in range(2))
    assert (first != second).any()
    assert (ra.dropout_backward(x, other) == second).all()
    assert (ra.dropout_backward(x, one) == first).all()


def test_crops_are_windows_each_as_often(ra: ModuleType) -> None:
    image, rng = pixels(5, 4, 3), np.random.default_rng(4)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 2), axis=(0, 1))
    expected = {image_key(windows[i, j].transpose(1, 2, 0)): 1 / 9 for i, j in np.ndindex(3, 3)}
    occurs([image_key(ra.random_crop(image, rng, (3, 2))) for _ in range(3000)], expected)
    assert image_key(ra.random_crop(image, rng, (5, 4))) == image_key(image)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flips_are_fliplr_as_often_as_asked(ra: ModuleType, p: float) -> None:
    image, rng = pixels(3, 5, 2), np.random.default_rng(5)
    expected = {image_key(np.fliplr(image)): p, image_key(image): 1 - p}
    occurs([image_key(ra.horizontal_flip(image, rng, p)) for _ in range(2000)], expected)


def test_rotations_are_scipys(ra: ModuleType) -> None:
    image, rng = pixels(3, 5, 2), np.random.default_rng(6)
    turned = [scipy.ndimage.rotate(image, angle, axes=(1, 0), order=0) for angle in (0, 90, 180, 270)]
    occurs([image_key(ra.rotate90(image, rng)) for _ in range(2000)], {image_key(one): 1 / 4 for one in turned})


@pytest.mark.parametrize("shape, most", [((4, 5, 2), 1), ((2, 3, 1), 3), ((3, 3, 1), 0)])
def test_translations_are_scipys_shifts(ra: ModuleType, shape: tuple[int, int, int], most: int) -> None:
    image, rng, expected = pixels(*shape), np.random.default_rng(7), Counter()
    image[image == 0] = 1
    for dy, dx in np.ndindex(2 * most + 1, 2 * most + 1):
        moved = scipy.ndimage.shift(image, (dy - most, dx - most, 0), order=0)
        expected[image_key(moved)] += 1 / (2 * most + 1) ** 2
    occurs([image_key(ra.translate(image, rng, most)) for _ in range(4000)], dict(expected))


def test_jitter_is_affine_with_uniform_factors(ra: ModuleType) -> None:
    image, rng = RNG.uniform(0.3, 0.5, (4, 5, 3)), np.random.default_rng(8)
    fits = []
    for _ in range(2000):
        out = ra.color_jitter(image, rng, 0.4, 0.3)
        (slope, shift), rest, *_ = np.linalg.lstsq(np.c_[image.ravel(), np.ones(60)], out.ravel(), rcond=None)
        assert rest.item() < 1e-20
        fits.append((slope + shift / image.mean(), slope / (slope + shift / image.mean())))
    b, c = np.array(fits).T
    assert kstest(b, "uniform", (0.6, 0.8)).pvalue > LIKELY
    assert kstest(c, "uniform", (0.7, 0.6)).pvalue > LIKELY
    assert abs(np.corrcoef(b, c)[0, 1]) < 0.1


@pytest.mark.parametrize("dtype, highest", [(np.uint8, 255), (np.int16, 255), (np.float32, 1), (np.float64, 1)])
def test_jitter_stays_in_the_range_and_reaches_its_ends(ra: ModuleType, dtype: type, highest: int) -> None:
    image, rng = (RNG.uniform(0, 1, (6, 7, 3)) * highest).astype(dtype), np.random.default_rng(9)
    results = np.array([ra.color_jitter(image, rng, 0.9, 0.9) for _ in range(50)])
    assert (results.min(), results.max()) == (0, highest)
    assert results.dtype == dtype


def test_composition_is_in_order_and_lasts(ra: ModuleType) -> None:
    policy = ra.compose([lambda image, rng: image + 1, lambda image, rng: 2 * image])
    assert [policy(3, None), policy(0, None)] == [8, 2]
    assert ra.compose([])(5, None) == 5


def test_a_seed_repeats_a_policy(ra: ModuleType) -> None:
    steps = [lambda image, rng: ra.random_crop(image, rng, (4, 4)), ra.horizontal_flip, ra.rotate90, ra.color_jitter]
    policy, image = ra.compose([*steps, lambda image, rng: ra.translate(image, rng, 1)]), pixels(6, 7, 3)
    first, again, other = (policy(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert image_key(first) == image_key(again)
    assert image_key(first) != image_key(other)


def test_tta_is_the_weighted_sum_and_invariant_over_the_quarter_turns(ra: ModuleType) -> None:
    weights, x = RNG.standard_normal((3, 16)), RNG.standard_normal((4, 4))

    def f(image: np.ndarray) -> np.ndarray:
        return scipy.special.softmax(weights @ image.ravel())

    turns = [lambda image, k=k: np.rot90(image, k) for k in range(4)]
    got = ra.tta_predict(f, x, turns)
    np.testing.assert_allclose(got, sum(0.25 * f(np.rot90(x, k)) for k in range(4)))
    np.testing.assert_allclose(ra.tta_predict(f, np.rot90(x), turns), got)
    np.testing.assert_allclose(ra.tta_predict(f, x, turns[1:2]), f(np.rot90(x)))


@pytest.mark.parametrize("p", [0.0, 0.35, 1.0])
def test_sentences_have_the_probabilities_of_independent_words(ra: ModuleType, p: float) -> None:
    thesaurus, rng = {"great": ["fine", "very good"], "day": ["time"], "a": []}, np.random.default_rng(10)
    words = {
        "great": {"great": 1 - p, "fine": p / 2, "very good": p / 2},
        "day": {"day": 1 - p, "time": p},
        "a": {"a": 1.0},
        "it": {"it": 1.0},
    }
    tokens = ["it", "a", "great", "great", "day"]
    expected: dict[tuple[str, ...], float] = {(): 1.0}
    for token in tokens:
        expected = {(*so_far, word): q * r for so_far, q in expected.items() for word, r in words[token].items()}
    occurs([tuple(ra.synonym_substitute(tokens, thesaurus, p, rng)) for _ in range(4000)], expected)


def test_back_translation_goes_there_and_back(ra: ModuleType) -> None:
    assert ra.back_translate("day", "to {}".format, "from ({})".format) == "from (to day)"


def one_by_one(images: torch.Tensor, params: dict[str, Any]) -> np.ndarray:
    """`augment_batch_fast` with slices, fliplr and scipy's shift, image by image and channel by channel."""
    (h, w), batch = params["size"], []
    for n, image in enumerate(images.numpy()):
        top, left, dy, dx, flip = (params[key][n].item() for key in ("top", "left", "dy", "dx", "flip"))
        crop = image[:, top : top + h, left : left + w]
        crop = crop[:, :, ::-1] if flip else crop
        batch.append([scipy.ndimage.shift(channel, (dy, dx), order=0, prefilter=False) for channel in crop])
    return np.array(batch, dtype=images.numpy().dtype).reshape(len(images), images.shape[1], h, w)


def random_params(n: int, height: int, width: int, size: tuple[int, int], most: int) -> dict[str, Any]:
    numbers = {"top": RNG.integers(0, height - size[0] + 1, n), "left": RNG.integers(0, width - size[1] + 1, n)}
    numbers |= {name: RNG.integers(-most, most + 1, n) for name in ("dy", "dx")}
    tensors = {name: torch.from_numpy(value) for name, value in numbers.items()}
    return tensors | {"flip": torch.from_numpy(RNG.random(n) < 0.5), "size": size}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.uint8])
@pytest.mark.parametrize(
    "shape, size, most",
    [((9, 3, 8, 6), (5, 4), 2), ((4, 1, 3, 7), (3, 7), 9), ((6, 2, 5, 4), (1, 1), 1), ((0, 2, 5, 4), (2, 3), 1)],
)
def test_batch_equals_a_loop_over_scipys_shifts(
    ra: ModuleType, shape: tuple[int, ...], size: tuple[int, int], most: int, dtype: torch.dtype
) -> None:
    images = torch.from_numpy(RNG.integers(1, 256, shape)).to(dtype)
    params = random_params(shape[0], *shape[2:], size, most)
    got = ra.augment_batch_fast(images, params)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.numpy(), one_by_one(images, params))


def test_batch_passes_gradcheck(ra: ModuleType) -> None:
    params = random_params(3, 5, 6, (4, 3), 2)
    images = torch.randn(3, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda images: ra.augment_batch_fast(images, params), (images,))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_images_keep_their_dtype_and_are_not_written_into(ra: ModuleType, dtype: type) -> None:
    image, rng = RNG.uniform(0, 1 if dtype in (np.float32, np.float64) else 255, (6, 5, 3)).astype(dtype), RNG
    before = image.copy()
    results = [ra.random_crop(image, rng, (3, 2)), ra.horizontal_flip(image, rng, 1.0), ra.rotate90(image, rng)]
    results += [ra.translate(image, rng, 2), ra.color_jitter(image, rng)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert (image == before).all()


def test_float32_stays_float32(ra: ModuleType) -> None:
    x, rng = RNG.standard_normal((6, 3)).astype(np.float32), np.random.default_rng(0)
    out, cache = ra.dropout_forward(x, 0.4, rng, training=True)
    results = [out, ra.dropout_backward(x, cache), *ra.ridge_fit(x, x[:, 0], 0.3), ra.tta_predict(abs, x, [np.sin])]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
