"""The worked examples of the handout: what you can check by hand."""

import math

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

FOUR_POINTS = np.array([[3.0, 2.0], [-1.0, 2.0], [1.0, 3.0], [1.0, 1.0]])  # a wide cross around (1, 2)


@pytest.mark.task("linear_ae")
@weight(2)
@number("1.1")
def test_linear_ae_example(student, expect):
    """linear_ae_loss_grad: the worked example of the handout"""
    x, enc, dec = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0], [0.0]]), np.array([[1.0, 1.0]])
    got = student.linear_ae_loss_grad(x, enc, dec)
    expect(got, (5.0, np.array([[8.0], [-2.0]]), np.array([[0.0, 8.0]])), what="(loss, denc, ddec)")


@pytest.mark.task("pca")
@weight(2)
@number("2.1")
def test_pca_example(student, expect):
    """pca: the wide axis of a cross of four points"""
    got = student.pca(FOUR_POINTS, 1)
    expect.true(isinstance(got, tuple | list) and len(got) == 2, "pca should return (mean, components)")
    expect(got[0], np.array([1.0, 2.0]), what="mean")
    components = expect.array(got[1], (1, 2), what="components")
    expect(np.abs(components), np.array([[1.0, 0.0]]), what="components without their signs")


@pytest.mark.task("pca")
@weight(1)
@number("2.2")
def test_pca_reconstruct_example(student, expect):
    """pca_reconstruct: the same four points, projected onto the wide axis"""
    got = student.pca_reconstruct(FOUR_POINTS, np.array([1.0, 2.0]), np.array([[-1.0, 0.0]]))
    expect(got, np.array([[3.0, 2.0], [-1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]), what="the reconstruction")


@pytest.mark.task("ae_equals_pca")
@weight(2)
@number("3.1")
def test_fit_linear_ae_example(student, draw, expect):
    """fit_linear_ae: loses no more than PCA on the same four points, which is 0.5"""
    got = student.run("fit", FOUR_POINTS, 1, draw.seed())
    expect.true(isinstance(got, tuple | list) and len(got) == 3, "fit_linear_ae should return (mean, enc, dec)")
    shapes = {"mean": (2,), "enc": (2, 1), "dec": (1, 2)}
    mean, enc, dec = (expect.array(value, shapes[what], what) for what, value in zip(shapes, got, strict=True))
    loss = ((mean + (FOUR_POINTS - mean) @ enc @ dec - FOUR_POINTS) ** 2).sum(axis=1).mean()
    expect.true(loss <= 0.5 * 1.001 + 1e-6 * 2.5, f"the loss is {loss:.6g}; PCA with one component loses 0.5")


@pytest.mark.task("autoencoder")
@weight(2)
@number("4.1")
def test_autoencoder_example(student, draw, expect):
    """Autoencoder: with all weights 1 and biases -1 the forward pass can be done by hand"""
    shapes = {"encoder.0": (2, 3), "encoder.2": (1, 2), "decoder.0": (2, 1), "decoder.2": (3, 2)}
    state = {f"{name}.weight": torch.ones(shape, dtype=torch.float64) for name, shape in shapes.items()}
    state |= {f"{name}.bias": -torch.ones(shape[0], dtype=torch.float64) for name, shape in shapes.items()}
    x = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    # First row: hidden 2, 2, code 3, hidden 2, 2, output 3. Second row: hidden 0, 0, code -1, hidden 0, 0, output -1.
    got = student.module("Autoencoder", (3, 2, 1), x, state=state)
    expect(got["outputs"], [[3.0, 3.0, 3.0], [-1.0, -1.0, -1.0]], what="the reconstruction")
    expect(student.run("encode", (3, 2, 1), state, x), [[3.0], [-1.0]], what="the code")


@pytest.mark.task("denoising")
@weight(2)
@number("5.1")
def test_denoising_without_noise(student, draw, expect):
    """denoising_loss: with sigma = 0 it is the plain reconstruction error"""
    x, matrix = draw.tensor(6, 4), draw.tensor(4, 4)
    got = student.run("denoise", x, matrix, 0.0, draw.seed())
    expect(got["loss"], (x @ matrix - x).square().sum() / 6, what="denoising_loss at sigma = 0")


@pytest.mark.task("vae")
@weight(1)
@number("6.1")
def test_reparameterize_example(student, expect):
    """reparameterize: half a standard deviation below the mean, and two above it"""
    mu, logvar = torch.tensor([[1.0, -3.0]]).double(), torch.tensor([[math.log(4.0), 0.0]]).double()
    got = student.reparameterize(mu, logvar, torch.tensor([[-0.5, 2.0]]).double())
    expect(got, [[0.0, -1.0]], what="the sample")


@pytest.mark.task("vae")
@weight(1)
@number("6.2")
def test_kl_example(student, expect):
    """kl: from N(1, 4) to N(0, 1) it is 1.30685 nats"""
    mu, logvar = torch.tensor([[1.0]]).double(), torch.tensor([[math.log(4.0)]]).double()
    expect(student.kl(mu, logvar), (4.0 - math.log(4.0)) / 2, what="kl of N(1, 4)")


@pytest.mark.task("vae")
@weight(1)
@number("6.3")
def test_vae_loss_example(student, expect):
    """vae_loss: one sample, rebuilt with an error of 1, from a code N(1, 4), at beta = 2"""
    x, recon = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[0.0, 2.0]]).double()
    mu, logvar = torch.tensor([[1.0]]).double(), torch.tensor([[math.log(4.0)]]).double()
    expect(student.vae_loss(x, recon, mu, logvar, beta=2.0), 1 + (4.0 - math.log(4.0)), what="vae_loss")


@pytest.mark.task("pca_fast")
@weight(1)
@number("7.1")
def test_pca_fast_example(student, expect):
    """pca_fast: the wide axis of the same four points"""
    got = student.pca_fast(torch.from_numpy(FOUR_POINTS), 1)
    expect.true(isinstance(got, tuple | list) and len(got) == 2, "pca_fast should return (mean, components)")
    expect(got[0], torch.tensor([1.0, 2.0]).double(), what="mean")
    component = expect.array(got[1], (1, 2), what="components").double().numpy()[0]
    expect(float(component @ component), 1.0, what="the squared length of the component")
    centred = FOUR_POINTS - [1.0, 2.0]
    loss = (centred**2).sum(axis=1).mean() - ((centred @ component) ** 2).mean()
    expect.true(loss <= 0.5 * 1.01, f"the loss is {loss:.6g}; the best component loses 0.5, and 1 % more is allowed")
