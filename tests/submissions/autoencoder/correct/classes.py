"""Objects instead of functions: a projector, a Gaussian; PCA by deflating the SVD; a sketch with many directions."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


@dataclass
class LinearAutoencoder:
    """The model, its forward pass and its backward pass."""

    enc: np.ndarray
    dec: np.ndarray

    def forward(self, x):
        self.x, self.code = x, x.dot(self.enc)
        return self.code.dot(self.dec)

    def backward(self, dout):
        return self.x.T.dot(dout.dot(self.dec.T)), self.code.T.dot(dout)


def linear_ae_loss_grad(x, enc, dec):
    model = LinearAutoencoder(enc, dec)
    error = model.forward(x) - x
    denc, ddec = model.backward(2 * error / len(x))
    return np.linalg.norm(error) ** 2 / len(x), denc, ddec


@dataclass
class Subspace:
    """An affine subspace: a point of it and orthonormal rows."""

    point: np.ndarray
    rows: np.ndarray

    def nearest(self, x):
        return self.point + (self.rows.T @ (self.rows @ (x - self.point).T)).T


def pca(x, k):
    """The first right singular vector of what the ones before have left."""
    mean = x.mean(axis=0)
    rest, rows = x - mean, []
    for _ in range(k):
        candidates = np.linalg.svd(rest, full_matrices=True)[2]
        earlier = np.array(rows, dtype=x.dtype).reshape(-1, x.shape[1])
        fresh = candidates - candidates @ earlier.T @ earlier
        first = int(np.argmax(np.linalg.norm(fresh, axis=1) > 0.5))  # at rank 0 the SVD may return an old direction
        rows.append(fresh[first] / np.linalg.norm(fresh[first]))
        rest = rest - np.outer(rest @ rows[-1], rows[-1])
    return mean, np.array(rows)


def pca_reconstruct(x, mean, components):
    return Subspace(mean, components).nearest(x)


def fit_linear_ae(x, k, rng):
    """Training on the reconstruction error, the decoder solved for in every step (variable projection)."""
    mean = x.mean(axis=0)
    centred = (x - mean).astype(np.float64)
    enc = np.linalg.qr(rng.standard_normal((x.shape[1], k)))[0]
    for _ in range(400):
        dec = np.linalg.pinv(centred @ enc) @ centred
        enc = np.linalg.qr(dec.T)[0]
    code = centred @ enc
    dec = np.linalg.pinv(code) @ centred
    enc = np.linalg.pinv(centred) @ centred @ np.linalg.pinv(dec)
    return mean, enc.astype(x.dtype), dec.astype(x.dtype)


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        for half, first, last in ((self.encoder, d, k), (self.decoder, k, d)):
            for layer in (nn.Linear(first, hidden), nn.ReLU(), nn.Linear(hidden, last)):
                half.append(layer)
        self.encode, self.decode = self.encoder.__call__, self.decoder.__call__

    def forward(self, x):
        return self.decode(self.encode(x))


@dataclass
class Gaussian:
    """A batch of independent normal distributions, by mean and logarithm of the variance."""

    mu: torch.Tensor
    logvar: torch.Tensor

    def sample(self, eps):
        return self.mu + eps * (self.logvar / 2).exp()

    def divergence(self):
        per_entry = (self.mu.square() + self.logvar.exp() - self.logvar - 1) / 2
        return per_entry.flatten(1).sum(1)


class Corruption:
    def __init__(self, sigma, generator):
        self.sigma, self.generator = sigma, generator

    def __call__(self, x):
        return x + torch.empty(x.shape, dtype=x.dtype).normal_(generator=self.generator) * self.sigma


def denoising_loss(model, x, sigma, generator):
    return (model(Corruption(sigma, generator)(x)) - x).square().sum(1).mean()


def reparameterize(mu, logvar, eps):
    return Gaussian(mu, logvar).sample(eps)


def kl(mu, logvar):
    return Gaussian(mu, logvar).divergence().mean()


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return ((x - recon).square().sum(1) + beta * Gaussian(mu, logvar).divergence()).mean()


def pca_fast(x, k):
    """A generous random sketch with two power steps, then an exact PCA inside it."""
    mean = x.mean(dim=0)
    centred = x - mean
    generator = torch.Generator().manual_seed(3)
    width = min(4 * k + 20, *x.shape)
    basis = torch.randn(width, len(x), generator=generator, dtype=x.dtype) @ centred
    basis = torch.linalg.qr((basis @ centred.T @ centred).T).Q
    basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    inside = torch.linalg.svd(centred @ basis, full_matrices=False).Vh[:k]
    return mean, inside @ basis.T
