"""The reference of `autoencoder` against second oracles: autograd, eigendecompositions, closed forms, distributions."""

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.distributions import Normal, kl_divergence

RNG = np.random.default_rng(20260)
SHAPES = [pytest.param(11, 4, 2, id="n > d"), pytest.param(5, 13, 3, id="n < d"), pytest.param(6, 6, 6, id="k = n = d")]


@pytest.fixture(scope="module")
def ae(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("autoencoder")


def data(n: int, d: int, *, offset: float = 3.0) -> np.ndarray:
    """Samples with unequal feature scales and a mean that is not 0."""
    return RNG.standard_normal((n, d)) * np.linspace(0.5, 3.0, d) + offset * RNG.standard_normal(d)


def spectrum(x: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance (1/n), largest first."""
    return scipy.linalg.eigh(np.atleast_2d(np.cov(x.T, bias=True)), eigvals_only=True)[::-1]


def loss(x: np.ndarray, rebuilt: np.ndarray) -> float:
    return float(((x - rebuilt) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("n, d, k", [*SHAPES, pytest.param(4, 3, 5, id="k > d"), pytest.param(1, 3, 2, id="n = 1")])
def test_linear_ae_equals_autograd(ae: ModuleType, n: int, d: int, k: int) -> None:
    x, enc, dec = data(n, d), RNG.standard_normal((d, k)), RNG.standard_normal((k, d))
    x_t, enc_t, dec_t = torch.tensor(x), torch.tensor(enc, requires_grad=True), torch.tensor(dec, requires_grad=True)
    expected = torch.nn.functional.mse_loss(x_t @ enc_t @ dec_t, x_t, reduction="sum") / n
    expected.backward()
    got, denc, ddec = ae.linear_ae_loss_grad(x, enc, dec)
    assert got == pytest.approx(expected.item())
    np.testing.assert_allclose(denc, enc_t.grad, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ddec, dec_t.grad, rtol=1e-10, atol=1e-10)


def test_linear_ae_worked_example(ae: ModuleType) -> None:
    got, denc, ddec = ae.linear_ae_loss_grad(np.array([[1.0, 2], [3, 0]]), np.array([[1.0], [0]]), np.array([[1.0, 1]]))
    assert got == 5
    assert (denc.tolist(), ddec.tolist()) == ([[8], [-2]], [[0, 8]])


@pytest.mark.parametrize("n, d, k", SHAPES)
def test_pca_diagonalises_the_covariance(ae: ModuleType, n: int, d: int, k: int) -> None:
    x = data(n, d)
    mean, components = ae.pca(x, k)
    np.testing.assert_allclose(mean, x.sum(axis=0) / n)
    covariance = np.atleast_2d(np.cov(x.T, bias=True))
    diagonal = components @ covariance @ components.T
    np.testing.assert_allclose(diagonal, np.diag(spectrum(x)[:k]), atol=1e-10)
    np.testing.assert_allclose(components @ components.T, np.eye(k), atol=1e-12)


def test_pca_with_equal_variances_still_gives_orthonormal_rows_and_the_optimal_loss(ae: ModuleType) -> None:
    corners = np.vstack([np.eye(5), -np.eye(5)])
    mean, components = ae.pca(corners, 3)
    np.testing.assert_allclose(components @ components.T, np.eye(3), atol=1e-12)
    assert loss(corners, ae.pca_reconstruct(corners, mean, components)) == pytest.approx(2 * 2 / 10)


@pytest.mark.parametrize("n, d, k", SHAPES)
def test_pca_reconstruction_loses_the_discarded_variance(ae: ModuleType, n: int, d: int, k: int) -> None:
    x = data(n, d)
    assert loss(x, ae.pca_reconstruct(x, *ae.pca(x, k))) == pytest.approx(spectrum(x)[k:].sum(), abs=1e-10)


def test_pca_reconstruct_is_the_nearest_point_for_new_samples_too(ae: ModuleType) -> None:
    mean, basis, new = RNG.standard_normal(7), scipy.linalg.orth(RNG.standard_normal((7, 3))).T, data(4, 7)
    scores = np.linalg.lstsq(basis.T, (new - mean).T, rcond=None)[0]
    np.testing.assert_allclose(ae.pca_reconstruct(new, mean, basis), mean + scores.T @ basis)


@pytest.mark.parametrize("n, d, k", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_linear_autoencoder_reaches_pca_from_any_start(ae: ModuleType, n: int, d: int, k: int, seed: int) -> None:
    x = data(n, d)
    mean, enc, dec = ae.fit_linear_ae(x, k, np.random.default_rng(seed))
    assert (mean.shape, enc.shape, dec.shape) == ((d,), (d, k), (k, d))
    assert loss(x, mean + (x - mean) @ enc @ dec) == pytest.approx(spectrum(x)[k:].sum(), abs=1e-10)


def test_linear_autoencoder_is_a_stationary_point_of_its_own_loss(ae: ModuleType) -> None:
    x = data(20, 6)
    mean, enc, dec = ae.fit_linear_ae(x, 2, np.random.default_rng(0))
    _, denc, ddec = ae.linear_ae_loss_grad(x - mean, enc, dec)
    np.testing.assert_allclose(np.concatenate([denc.ravel(), ddec.ravel()]), 0, atol=1e-10)


def test_autoencoder_equals_the_same_layers_written_in_numpy(ae: ModuleType) -> None:
    model, x = ae.Autoencoder(7, 5, 2).double(), torch.from_numpy(data(4, 7))
    weights = [p.detach().numpy() for p in model.parameters()]

    def half(x: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> np.ndarray:
        return np.maximum(x @ w1.T + b1, 0) @ w2.T + b2

    code = half(x.numpy(), *weights[:4])
    rebuilt = half(code, *weights[4:])
    np.testing.assert_allclose(model.encode(x).detach(), code)
    np.testing.assert_allclose(model.decode(torch.from_numpy(code)).detach(), rebuilt)
    np.testing.assert_allclose(model(x).detach(), rebuilt)


def test_autoencoder_has_as_many_parameters_as_its_layers(ae: ModuleType) -> None:
    sizes = [(64, 32), (32, 3), (3, 32), (32, 64)]
    assert sum(p.numel() for p in ae.Autoencoder(64, 32, 3).parameters()) == sum((a + 1) * b for a, b in sizes)


def test_denoising_loss_of_the_identity_is_d_sigma_squared(ae: ModuleType) -> None:
    x, generator = torch.from_numpy(data(4000, 5)), torch.Generator().manual_seed(3)
    assert ae.denoising_loss(torch.nn.Identity(), x, 0.0, generator).item() == 0
    assert ae.denoising_loss(torch.nn.Identity(), x, 0.7, generator).item() == pytest.approx(5 * 0.7**2, rel=0.1)


def test_denoising_loss_of_the_zero_map_is_the_energy_of_the_clean_samples(ae: ModuleType) -> None:
    x = torch.from_numpy(data(6, 5))
    got = ae.denoising_loss(torch.zeros_like, x, 2.0, torch.Generator().manual_seed(3))
    assert got.item() == pytest.approx(x.square().sum().item() / 6)


def test_best_linear_denoiser_shrinks_as_wiener_says(ae: ModuleType) -> None:
    """For N(0, s^2) data the best multiple of a noisy sample is s^2 / (s^2 + sigma^2): there the loss has no slope."""
    s, sigma = 1.5, 0.8
    model = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.constant_(model.weight, s**2 / (s**2 + sigma**2))
    x = s * torch.randn(200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ae.denoising_loss(model, x, sigma, torch.Generator().manual_seed(2)).backward()
    assert abs(model.weight.grad.item()) < 0.05


def test_kl_equals_torch_distributions(ae: ModuleType) -> None:
    mu, logvar = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(dim=1).mean()
    assert ae.kl(mu, logvar).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    "mu, logvar, expected",
    [
        pytest.param(1.0, math.log(4), 1.30685, id="N(1, 4)"),
        pytest.param(0.0, 0.0, 0.0, id="the prior itself"),
        pytest.param(0.0, 50.0, (math.exp(50) - 51) / 2, id="huge variance"),
        pytest.param(2.0, -50.0, (4 - 1 + 50) / 2, id="tiny variance"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kl_of_known_gaussians(ae: ModuleType, mu: float, logvar: float, expected: float, dtype: torch.dtype) -> None:
    got = ae.kl(torch.full((1, 1), mu, dtype=dtype), torch.full((1, 1), logvar, dtype=dtype))
    assert got.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert got.dtype == dtype


def test_reparameterized_samples_have_the_moments_asked_for(ae: ModuleType) -> None:
    eps = torch.randn(100_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    mu, logvar = torch.tensor([[1.0, -2.0]]).double(), torch.tensor([[math.log(4), math.log(0.09)]]).double()
    sample = ae.reparameterize(mu.expand(100_000, 2), logvar.expand(100_000, 2), eps)
    np.testing.assert_allclose(sample.mean(dim=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(sample.std(dim=0), [2, 0.3], rtol=0.02)


def test_vae_functions_pass_gradcheck(ae: ModuleType) -> None:
    x, recon = (torch.randn(4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mu, logvar, eps = (torch.randn(4, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(ae.reparameterize, (mu, logvar, eps))
    assert torch.autograd.gradcheck(ae.kl, (mu, logvar))
    assert torch.autograd.gradcheck(lambda *args: ae.vae_loss(*args, beta=0.3), (x, recon, mu, logvar))


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_vae_loss_is_the_negative_gaussian_log_likelihood_plus_beta_kl(ae: ModuleType, beta: float) -> None:
    x, recon, mu, logvar = (torch.randn(6, width, dtype=torch.float64) for width in (5, 5, 2, 2))
    decoder = Normal(recon, math.sqrt(0.5))  # its negative log-likelihood is the squared error plus a constant
    constant = 5 * math.log(math.pi) / 2
    divergence = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(dim=1).mean()
    expected = -decoder.log_prob(x).sum(dim=1).mean() - constant + beta * divergence
    assert ae.vae_loss(x, recon, mu, logvar, beta).item() == pytest.approx(expected.item())


FAST_SHAPES = [
    pytest.param(20, 300, 4, id="gram, n < d"),
    pytest.param(300, 20, 4, id="gram, n > d"),
    pytest.param(160, 200, 3, id="randomised, n < d"),
    pytest.param(200, 160, 3, id="randomised, n > d"),
    pytest.param(5, 9, 5, id="k = n, rank n - 1"),
    pytest.param(9, 5, 5, id="k = d"),
    pytest.param(1, 4, 1, id="one sample"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n, d, k", FAST_SHAPES)
def test_pca_fast_is_nearly_optimal(ae: ModuleType, n: int, d: int, k: int, dtype: torch.dtype) -> None:
    x = data(n, d)
    mean, components = ae.pca_fast(torch.from_numpy(x).to(dtype), k)
    assert (mean.dtype, components.dtype) == (dtype, dtype)
    rows = components.double().numpy()
    np.testing.assert_allclose(rows @ rows.T, np.eye(k), atol=1e-5)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-5, atol=1e-5)
    centred = x - x.mean(axis=0)
    best = (scipy.linalg.svdvals(centred)[k:] ** 2).sum()
    assert ((centred - centred @ rows.T @ rows) ** 2).sum() <= 1.01 * best + 1e-6 * (centred**2).sum()
    variances = ((centred @ rows.T) ** 2).mean(axis=0)
    assert (np.diff(variances) <= 1e-5 * variances[0]).all()


@pytest.mark.parametrize("n, d, k", [(6, 9, 2), (9, 6, 2), (150, 140, 2)])
def test_pca_fast_has_the_gradients_of_the_projector_that_eigh_has(ae: ModuleType, n: int, d: int, k: int) -> None:
    left, right = scipy.linalg.orth(RNG.standard_normal((n, k))), scipy.linalg.orth(RNG.standard_normal((d, k)))
    values = (left * [9.0, 5.0]) @ right.T + 1e-3 * RNG.standard_normal((n, d))
    probe, cotangent = torch.from_numpy(data(5, d)), torch.from_numpy(RNG.standard_normal((5, d)))

    def gradient(pca: Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        x = torch.tensor(values, requires_grad=True)
        mean, rows = pca(x, k)
        ((mean + (probe - mean) @ rows.T @ rows) * cotangent).sum().backward()
        return x.grad

    def by_eigh(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        return x.mean(dim=0), torch.linalg.eigh(torch.cov(x.T)).eigenvectors[:, -k:].T

    expected = gradient(by_eigh)
    np.testing.assert_allclose(gradient(ae.pca_fast), expected, rtol=0, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_numpy_function_keeps_dtype_and_leaves_its_arguments_alone(ae: ModuleType, dtype: type) -> None:
    x, enc, dec = (a.astype(dtype) for a in (data(7, 4), RNG.standard_normal((4, 2)), RNG.standard_normal((2, 4))))
    before = x.copy()
    mean, components = ae.pca(x, 2)
    results = [mean, components, ae.pca_reconstruct(x, mean, components), *ae.linear_ae_loss_grad(x, enc, dec)]
    results += ae.fit_linear_ae(x, 2, np.random.default_rng(0))
    assert {np.asarray(result).dtype for result in results} == {np.dtype(dtype)}
    assert (x == before).all()


def test_every_torch_function_keeps_float32(ae: ModuleType) -> None:
    x, mu = torch.randn(7, 4), torch.randn(7, 2)
    results = [ae.denoising_loss(ae.Autoencoder(4, 5, 2), x, 0.3, torch.Generator()), *ae.pca_fast(x, 2)]
    results += [ae.reparameterize(mu, mu, mu), ae.kl(mu, mu), ae.vae_loss(x, x, mu, mu)]
    assert {result.dtype for result in results} == {torch.float32}
