"""Linear, nonlinear, denoising and variational autoencoders: answers and gradients against the reference's."""

import math

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

LINEAR_CASES = [
    pytest.param(9, 5, 2, id="short code"),
    pytest.param(4, 3, 6, id="code longer than the input"),
    pytest.param(1, 7, 3, id="one sample"),
    pytest.param(30, 8, 5000, id="very long code"),  # minutes, for derivatives entry by entry
]


def linear(draw, n, d, k):
    """Data of any size that is not centred, and random weights."""
    return draw.wide(n, d) + 2 * draw(d), draw(d, k), draw(k, d)


@pytest.mark.task("linear_ae")
@weight(3)
@number("1.2")
@pytest.mark.parametrize("n, d, k", LINEAR_CASES)
def test_linear_ae_loss(agrees, draw, n, d, k):
    """linear_ae_loss_grad: the squared error, summed over the features, averaged over the samples"""
    agrees.run("loss_part", *linear(draw, n, d, k))


@pytest.mark.task("linear_ae")
@weight(4)
@number("1.3")
@pytest.mark.parametrize("n, d, k", LINEAR_CASES)
def test_linear_ae_encoder_gradient(agrees, draw, n, d, k):
    """linear_ae_loss_grad: the gradient by the encoder"""
    agrees.run("denc_part", *linear(draw, n, d, k))


@pytest.mark.task("linear_ae")
@weight(3)
@number("1.4")
@pytest.mark.parametrize("n, d, k", LINEAR_CASES)
def test_linear_ae_decoder_gradient(agrees, draw, n, d, k):
    """linear_ae_loss_grad: the gradient by the decoder"""
    agrees.run("ddec_part", *linear(draw, n, d, k))


AUTOENCODER_CASES = [pytest.param(5, (7, 6, 2), id="narrow"), pytest.param(3, (4, 9, 8), id="wide")]


def weights(draw, d, hidden, k):
    """A random state for `Autoencoder(d, hidden, k)`, biases too."""
    shapes = {"encoder.0": (hidden, d), "encoder.2": (k, hidden), "decoder.0": (hidden, k), "decoder.2": (d, hidden)}
    state = {f"{name}.weight": draw.tensor(*shape) / shape[1] ** 0.5 for name, shape in shapes.items()}
    return state | {f"{name}.bias": draw.tensor(shape[0]) for name, shape in shapes.items()}


@pytest.mark.task("autoencoder")
@weight(2)
@number("4.2")
@pytest.mark.parametrize("n, init", AUTOENCODER_CASES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_autoencoder_forward(agrees, draw, n, init, training):
    """Autoencoder: reconstruction and all gradients"""
    for wide in (False, True):
        agrees.module("Autoencoder", init, draw.tensor(n, init[0], wide=wide), training=training)


@pytest.mark.task("autoencoder")
@weight(1)
@number("4.3")
@pytest.mark.parametrize("n, init", AUTOENCODER_CASES)
def test_autoencoder_encode(agrees, draw, n, init):
    """Autoencoder: encode gives the code"""
    agrees.run("encode", init, weights(draw, *init), draw.tensor(n, init[0]))


@pytest.mark.task("autoencoder")
@weight(1)
@number("4.4")
@pytest.mark.parametrize("n, init", AUTOENCODER_CASES)
def test_autoencoder_decode(agrees, draw, n, init):
    """Autoencoder: decode rebuilds from any code"""
    agrees.run("decode", init, weights(draw, *init), draw.tensor(n, init[2]))


@pytest.mark.task("autoencoder")
@weight(1)
@number("4.5")
@pytest.mark.parametrize("n, init", AUTOENCODER_CASES)
def test_autoencoder_round_trip(agrees, draw, n, init):
    """Autoencoder: decode(encode(x)) is forward(x)"""
    agrees.run("round_trip", init, weights(draw, *init), draw.tensor(n, init[0]))


CURVE_SEED = 1  # the same training in every run; over 150 seeds the loss ended at 0 to 30 % of PCA's


@pytest.mark.task("autoencoder", kind="property")
@weight(2)
@number("4.6")
def test_autoencoder_learns_a_curve(student, expect):
    """Autoencoder: one number is enough for samples on a curve, where PCA with one component is not"""
    t = np.linspace(-1, 1, 60)
    x = np.column_stack([t, 2 * t**2 - 2 / 3]) @ [[0.6, 0.8, 0, 0, 0], [0, 0, 0.48, -0.64, 0.6]]
    got = student.run("rebuilt_after_training", torch.from_numpy(x).float(), (5, 64, 1), CURVE_SEED, 300)
    loss = ((expect.array(got, (60, 5), what="the reconstruction").double().numpy() - x) ** 2).sum() / 60
    pca_loss = (np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[1:] ** 2).sum() / 60
    text = f"after 300 steps of Adam on a parabola the loss is {loss / pca_loss:.0%} of PCA's; below 80% is easy"
    expect.true(loss < 0.8 * pca_loss, text)


def noisy(student, draw, expect, n, d, sigma):
    """A run of `denoising_loss` on a recording linear model: clean samples, matrix, what the model saw, the report."""
    x, matrix = draw.tensor(n, d) + 3, draw.tensor(d, d) / d**0.5
    report = student.run("denoise", x, matrix, sigma, draw.seed())
    return x, matrix, expect.array(report["seen"], (n, d), what="what the model was given"), report


DENOISING_CASES = [
    pytest.param(6, 11, 0.5, id="small"),
    pytest.param(13, 4, 3.0, id="noisy"),
    pytest.param(1, 5, 1.7, id="one"),
]


@pytest.mark.task("denoising")
@weight(4)
@number("5.2")
@pytest.mark.parametrize("n, d, sigma", DENOISING_CASES)
def test_denoising_target(student, draw, expect, n, d, sigma):
    """denoising_loss: the squared distance from the clean samples, summed over features, averaged over samples"""
    x, matrix, seen, report = noisy(student, draw, expect, n, d, sigma)
    expect(report["loss"], (seen @ matrix - x).square().sum() / n, what="denoising_loss")


@pytest.mark.task("denoising")
@weight(4)
@number("5.3")
@pytest.mark.parametrize("sigma", [0.2, 3.0])
def test_denoising_noise(student, draw, expect, sigma):
    """denoising_loss: the model is given the samples plus independent noise from N(0, sigma^2)"""
    n, d = 400, 25
    x, _, seen, report = noisy(student, draw, expect, n, d, sigma)
    expect.true(expect.number(report["loss"], what="denoising_loss") > 0, "with noise the loss should be positive")
    noise = (seen - x).numpy() / sigma
    mean, spread = noise.mean(), noise.std()
    expect.true(spread > 0, "the model was given the samples without any noise")
    rows, columns = noise.mean(axis=1).std() * d**0.5 / spread, noise.mean(axis=0).std() * n**0.5 / spread
    expect.true(rows < 1.4, "the noise is not independent: entries of the same sample share it")
    expect.true(columns < 2, "the noise is not independent: samples share it")
    expect.true(abs(mean) < 0.1, f"the noise has mean {mean * sigma:.3g}, not 0")
    expect.true(0.9 < spread < 1.1, f"at sigma = {sigma} the noise has standard deviation {spread * sigma:.3g}")
    kurtosis = ((noise - mean) ** 4).mean() / spread**4
    expect.true(2.5 < kurtosis < 3.5, f"the noise is not normal: its kurtosis is {kurtosis:.2f}, not 3")


@pytest.mark.task("denoising")
@weight(2)
@number("5.4")
def test_denoising_generator(student, draw, expect):
    """denoising_loss: all noise comes from the generator, so that a seed repeats it"""
    x, matrix, seed = draw.tensor(5, 8), draw.tensor(8, 8), draw.seed()
    reports = [student.run("denoise", x, matrix, 0.8, seed + offset) for offset in (0, 0, 1)]
    seen = [expect.array(report["seen"], (5, 8), what="what the model was given") for report in reports]
    losses = [expect.number(report["loss"], what="denoising_loss") for report in reports]
    repeats = torch.equal(seen[0], seen[1]) and losses[0] == losses[1]
    expect.true(repeats, "two generators with the same seed should give the same noise")
    differs = not torch.equal(seen[0], seen[2]) and losses[0] != losses[2]
    expect.true(differs, "two generators with different seeds gave the same noise")


@pytest.mark.task("denoising")
@weight(2)
@number("5.5")
@pytest.mark.parametrize("n, d, sigma", DENOISING_CASES)
def test_denoising_gradient(student, draw, expect, n, d, sigma):
    """denoising_loss: autograd reaches the model's parameters"""
    x, matrix, seen, report = noisy(student, draw, expect, n, d, sigma)
    expect(report["gradient"], 2 / n * seen.T @ (seen @ matrix - x), what="the gradient to the model's matrix")


@pytest.mark.task("vae")
@weight(3)
@number("6.4")
@pytest.mark.parametrize("n, k", [pytest.param(5, 3, id="batch"), pytest.param(1, 1, id="one number")])
def test_reparameterize(agrees, draw, n, k):
    """reparameterize: the sample, and its gradients to mu, logvar and eps"""
    agrees.autograd("reparameterize", draw.tensor(n, k), 2 * draw.tensor(n, k), draw.tensor(n, k))


@pytest.mark.task("vae")
@weight(3)
@number("6.5")
@pytest.mark.parametrize("n, k", [pytest.param(6, 4, id="batch"), pytest.param(1, 3, id="one sample")])
def test_kl(agrees, draw, n, k):
    """kl: the divergence from N(0, 1) and its gradients, summed over the code, averaged over samples"""
    agrees.autograd("kl", draw.tensor(n, k), 2 * draw.tensor(n, k))


@pytest.mark.task("vae")
@weight(2)
@number("6.6")
@pytest.mark.parametrize("logvar", [50.0, -50.0])
@pytest.mark.parametrize("name", ["kl", "reparameterize"])
def test_vae_extremes(agrees, draw, name, logvar):
    """kl and reparameterize: logvar = 50 and logvar = -50, values and gradients"""
    logvars = torch.full((3, 2), logvar, dtype=torch.float64)
    if name == "kl":
        agrees.autograd("kl", draw.tensor(3, 2), logvars)
    else:  # around 0, where a standard deviation of 1e-11 is everything there is
        zeros = torch.zeros(3, 2, dtype=torch.float64)
        agrees.autograd("reparameterize", zeros, logvars, draw.tensor(3, 2), tol=Tolerance(1e-7, 0.0))


@pytest.mark.task("vae")
@weight(4)
@number("6.7")
@pytest.mark.parametrize("options", [{}, {"beta": 0.0}, {"beta": 0.3}, {"beta": 7.0}], ids=["default", "0", "0.3", "7"])
def test_vae_loss(agrees, draw, options):
    """vae_loss: reconstruction error plus beta times the divergence, and all gradients"""
    mu, logvar = draw.tensor(6, 3), draw.tensor(6, 3) + math.log(2)
    for wide in (False, True):
        x, recon = (draw.tensor(6, 5, wide=wide) for _ in range(2))
        agrees.autograd("vae_loss", x, recon, mu, logvar, **options)
