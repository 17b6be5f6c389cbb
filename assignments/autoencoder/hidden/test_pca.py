"""PCA, the linear autoencoder that equals it, and fast PCA: judged by what they keep, not by signs."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded, Tolerance

SLACK = 1e-6  # of the total variance: what rounding may cost an optimum


def samples(draw, n, d, deviations, offset=4.0):
    """Data with these standard deviations (1/n) along random axes, around a mean that is not 0."""
    centred = draw(n, len(deviations))
    left = np.linalg.qr(centred - centred.mean(axis=0))[0]
    right = np.linalg.qr(draw(d, len(deviations)))[0]
    return n**0.5 * (left * np.asarray(deviations)) @ right.T + offset * draw(d)


def eigenvalues(x):
    """Of the covariance (1/n), largest first, min(n, d) of them."""
    return np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)


def taken(expect, got, call, *names):
    """The values that a function returned, once their number is right."""
    fits = isinstance(got, tuple | list) and len(got) == len(names)
    expect.true(fits, f"{call} should return ({', '.join(names)}), {len(names)} values")
    return got


def components_of(expect, got, call, k, d):
    """The components that a PCA returned, once it returned a mean and k rows; float64 numpy."""
    mean, components = taken(expect, got, call, "mean", "components")
    expect.array(mean, (d,), what="mean")
    return np.asarray(expect.array(components, (k, d), what="components"), dtype=np.float64)


def orthonormal_rows(expect, got, call, k, d):
    """The components that a PCA returned, once they are k orthonormal rows; float64 numpy."""
    rows = components_of(expect, got, call, k, d)
    lengths = np.linalg.norm(rows, axis=1)
    worst = lengths[np.abs(lengths - 1).argmax()]
    expect.true(np.abs(lengths - 1).max() < 1e-6, f"the rows should have length 1; one has length {worst:.4g}")
    between = np.abs(rows @ rows.T - np.eye(k)).max()
    expect.true(between < 1e-6, f"the rows should be orthogonal; two of them have the dot product {between:.4g}")
    return rows


# Sizes all differ, so that a swapped axis shows.
PCA_CASES = [
    pytest.param(17, 6, 3, id="n above d"),
    pytest.param(7, 19, 2, id="n below d"),
    pytest.param(12, 5, 1, id="one component"),
]


@pytest.mark.task("pca")
@weight(1)
@number("2.3")
@pytest.mark.parametrize("n, d, k", PCA_CASES)
def test_pca_mean(agrees, draw, n, d, k):
    """pca: the mean of every feature over the samples"""
    agrees.run("mean_of_pca", samples(draw, n, d, np.linspace(3, 1, min(n - 1, d))), k)


@pytest.mark.task("pca")
@weight(3)
@number("2.4")
@pytest.mark.parametrize(
    "n, d, k", [*PCA_CASES, pytest.param(6, 11, 6, id="as many as samples"), pytest.param(9, 4, 4, id="k = d")]
)
def test_pca_orthonormal(student, draw, expect, n, d, k):
    """pca: k orthonormal rows of d entries, for every k up to min(n, d)"""
    orthonormal_rows(expect, student.pca(draw(n, d) + 5 * draw(d), k), "pca", k, d)


@pytest.mark.task("pca")
@weight(4)
@number("2.5")
@pytest.mark.parametrize("n, d, k", PCA_CASES)
def test_pca_subspace(student, draw, expect, n, d, k):
    """pca: the components span the directions of largest variance around the mean"""
    x = samples(draw, n, d, np.linspace(4, 1, min(n - 1, d)))
    mean, projector = taken(expect, student.run("projector_of_pca", x, k), "pca", "mean", "components")
    expect.array(mean, (d,), what="mean")
    got = np.asarray(expect.array(projector, (d, d), what="components' components"))
    leading = np.linalg.svd(x - x.mean(axis=0))[2][:k]
    kept = np.trace(got @ np.cov(x.T, bias=True)) / eigenvalues(x).sum()
    best = eigenvalues(x)[:k].sum() / eigenvalues(x).sum()
    text = f"the components span other directions: they keep {kept:.1%} of the variance, {k} can keep {best:.1%}"
    expect.true(np.abs(got - leading.T @ leading).max() < 1e-6, text)


@pytest.mark.task("pca")
@weight(2)
@number("2.6")
@pytest.mark.parametrize("n, d, k", [pytest.param(17, 6, 4, id="n above d"), pytest.param(7, 19, 5, id="n below d")])
def test_pca_order(student, draw, expect, n, d, k):
    """pca: the components come one by one, by descending variance"""
    x = samples(draw, n, d, np.linspace(4, 1, min(n - 1, d)))
    got = expect.array(student.run("variances_of_pca", x, k), (k,), what="variances along the components")
    share = got / eigenvalues(x)[:k]
    listed = ", ".join(f"{entry:.3g}" for entry in share)
    text = f"along component i the variance should be the i-th largest there is; yours have {listed} times that"
    expect.true(np.abs(share - 1).max() < 1e-6, text)


@pytest.mark.task("pca")
@weight(1)
@number("2.7")
@pytest.mark.parametrize("k", [2, 4, 6])
def test_pca_repeated_eigenvalues(student, draw, expect, k):
    """pca: orthonormal and optimal where directions have exactly the same variance"""
    deviations = np.array([2, 2, 2, 2, 2, 1, 1, 1])  # of the corners of a cross-polytope, times the root of 1/8
    corners = np.vstack([np.diag(deviations), -np.diag(deviations)])
    x = corners @ np.linalg.qr(draw(8, 8))[0] + 4 * draw(8)
    rows = orthonormal_rows(expect, student.pca(x, k), "pca", k, 8)
    kept, best = ((x - x.mean(axis=0)) @ rows.T).var(axis=0).sum(), (deviations[:k] ** 2).sum() / 8
    text = f"five directions have the same variance, three have a quarter of it: yours keep {kept:.4g}, not {best:.4g}"
    expect.true(abs(kept - best) < 1e-9, text)


@pytest.mark.task("pca")
@weight(2)
@number("2.8")
@pytest.mark.parametrize("m, d, k", [pytest.param(5, 7, 2, id="new samples"), pytest.param(1, 4, 3, id="one sample")])
def test_pca_reconstruct(agrees, draw, m, d, k):
    """pca_reconstruct: projects any samples onto the subspace through the given mean"""
    agrees("pca_reconstruct", 3 * draw(m, d) + draw(d), 4 * draw(d), np.linalg.qr(draw(d, k))[0].T)


FIT_CASES = [  # with `gapped` data: training converges, and the subspace is determined
    pytest.param(40, 7, 2, id="n above d"),
    pytest.param(9, 15, 3, id="n below d"),
    pytest.param(25, 6, 1, id="one number"),
]


def gapped(draw, n, d, k):
    """Data with k large standard deviations, 2.5 to 3, and min(n - 1, d) - k small ones, up to 0.9."""
    return samples(draw, n, d, [*np.linspace(3, 2.5, k), *np.linspace(0.9, 0.3, min(n - 1, d) - k)])


def fitted(student, draw, expect, x, k):
    """mean, enc and dec that `fit_linear_ae` returned, with their shapes checked."""
    d = x.shape[1]
    got = student.fit_linear_ae(x, k, Seeded("numpy", draw.seed()))
    shapes = {"mean": (d,), "enc": (d, k), "dec": (k, d)}
    values = taken(expect, got, "fit_linear_ae", *shapes)
    return [expect.array(value, shapes[what], what=what) for what, value in zip(shapes, values, strict=True)]


def excess(x, mean, enc, dec):
    """What a linear autoencoder loses, what PCA loses, and how much more than that is allowed."""
    loss, values = ((mean + (x - mean) @ enc @ dec - x) ** 2).sum(axis=1).mean(), eigenvalues(x)
    best = values[enc.shape[1] :].sum()
    return loss, best, 1e-3 * best + SLACK * values.sum()


@pytest.mark.task("ae_equals_pca")
@weight(6)
@number("3.2")
@pytest.mark.parametrize("n, d, k", FIT_CASES)
def test_fit_linear_ae_loss(student, draw, expect, n, d, k):
    """fit_linear_ae: loses no more than PCA with k components"""
    x = gapped(draw, n, d, k)
    loss, best, allowed = excess(x, *fitted(student, draw, expect, x, k))
    expect.true(loss <= best + allowed, f"the loss is {loss:.6g}; PCA's is {best:.6g}, {allowed:.2g} more is allowed")


@pytest.mark.task("ae_equals_pca")
@weight(3)
@number("3.3")
@pytest.mark.parametrize("n, d, k", FIT_CASES)
def test_fit_linear_ae_subspace(student, draw, expect, n, d, k):
    """fit_linear_ae: what the decoder can produce is the subspace of PCA"""
    x = gapped(draw, n, d, k)
    _, _, dec = fitted(student, draw, expect, x, k)
    values, leading = eigenvalues(x), np.linalg.svd(x - x.mean(axis=0))[2][:k]
    outside = (leading**2).sum() - ((leading @ np.linalg.pinv(dec) @ dec) ** 2).sum()
    # A loss within the slack leaves at most slack / gap of the squared sines of the angles between the subspaces.
    slack = 1e-3 * values[k:].sum() + SLACK * values.sum()
    text = f"the decoder's rows miss PCA's subspace: the squared sines of the angles between them sum to {outside:.3g}"
    expect.true(outside <= slack / (values[k - 1] - values[k]) + 1e-9, text)


@pytest.mark.task("ae_equals_pca")
@weight(2)
@number("3.4")
@pytest.mark.parametrize("n, d, k", [pytest.param(5, 8, 5, id="k = n"), pytest.param(11, 4, 4, id="k = d")])
def test_fit_linear_ae_full_code(student, draw, expect, n, d, k):
    """fit_linear_ae: a code of min(n, d) numbers loses nothing"""
    x = samples(draw, n, d, np.linspace(2, 1, min(n - 1, d)))
    loss, _, allowed = excess(x, *fitted(student, draw, expect, x, k))
    expect.true(loss <= allowed, f"{k} numbers suffice for {n} samples of {d} features, yet the loss is {loss:.6g}")


FAST_CASES = [
    pytest.param(30, 400, 4, id="n far below d"),
    pytest.param(350, 25, 3, id="n far above d"),
    pytest.param(230, 260, 5, id="both large"),
    pytest.param(40, 33, 1, id="one component"),
    pytest.param(150, 150, 9, id="n = d"),
    pytest.param(290, 240, 12, id="both large, n above d"),
]


def decaying(draw, n, d, power=1.0):
    """Data whose i-th standard deviation is 1/i: slow enough for a careless random sketch to show. With a smaller power
    it falls more slowly still."""
    return samples(draw, n, d, 3 / np.arange(1.0, min(n - 1, d) + 1) ** power)


@pytest.mark.task("pca_fast")
@weight(3)
@number("7.2")
@pytest.mark.parametrize("n, d, k", FAST_CASES)
@pytest.mark.parametrize("power", [1.0, 0.5], ids=["slow", "very slow"])
def test_pca_fast_loss(student, draw, expect, n, d, k, power):
    """pca_fast: the components lose at most 1 % more than the best there are"""
    x = decaying(draw, n, d, power)
    rows = components_of(expect, student.pca_fast(torch.from_numpy(x), k), "pca_fast", k, d)
    centred, best = x - x.mean(axis=0), eigenvalues(x)[k:].sum()
    loss = ((centred - centred @ rows.T @ rows) ** 2).sum() / n
    expect.true(
        loss <= 1.01 * best, f"the reconstruction error is {loss / best - 1:.2%} above the least that is possible"
    )


@pytest.mark.task("pca_fast")
@weight(1)
@number("7.3")
@pytest.mark.parametrize(
    "n, d, k", [*FAST_CASES, pytest.param(6, 50, 6, id="as many as samples"), pytest.param(14, 5, 5, id="k = d")]
)
def test_pca_fast_orthonormal(student, draw, expect, n, d, k):
    """pca_fast: k orthonormal rows of d entries, for every k up to min(n, d)"""
    orthonormal_rows(expect, student.pca_fast(torch.from_numpy(decaying(draw, n, d)), k), "pca_fast", k, d)


@pytest.mark.task("pca_fast")
@weight(2)
@number("7.4")
@pytest.mark.parametrize("n, d, k", [*FAST_CASES[:3], *FAST_CASES[4:]])
def test_pca_fast_mean_and_order(student, draw, expect, n, d, k):
    """pca_fast: the mean of every feature, and components by descending variance"""
    x = decaying(draw, n, d)
    got = student.pca_fast(torch.from_numpy(x), k)
    rows = components_of(expect, got, "pca_fast", k, d)
    expect(got[0], x.mean(axis=0), what="mean")
    variances = ((x - x.mean(axis=0)) @ rows.T).var(axis=0)
    listed = ", ".join(f"{entry:.3g}" for entry in variances)
    text = f"the variances along the components should be positive and descend; they are {listed}"
    expect.true(variances.min() > 0 and (np.diff(variances) <= 0.01 * variances[0]).all(), text)


@pytest.mark.task("pca_fast")
@weight(2)
@number("7.5")
@pytest.mark.parametrize("n, d, k", [pytest.param(60, 90, 3, id="n below d"), pytest.param(95, 50, 2, id="n above d")])
def test_pca_fast_gradient(agrees, draw, n, d, k):
    """pca_fast: autograd reaches the data through mean and components"""
    x = samples(draw, n, d, np.linspace(3, 2, k)) + 0.05 * draw(n, d)  # a gap, so that random methods are near
    points, cotangent = draw.tensor(4, d), draw.tensor(4, d)
    agrees.run("projection_gradient", torch.from_numpy(x), k, points, cotangent, tol=Tolerance(0.02, 0.0))
