"""Functional style: a batch axis everywhere, vmap over samples, the SVD of a QR decomposition's triangle."""

import math

import numpy as np
import scipy.linalg
import torch
from torch import nn
from torch.func import functional_call

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    """Everything with a batch axis: outer products of each sample, then their mean."""
    code = (x[:, :, None] * enc[None]).sum(axis=1)
    error = (code[:, :, None] * dec[None]).sum(axis=1) - x
    back = (error[:, None, :] * dec[None]).sum(axis=2)
    loss = (error**2).sum(axis=1).mean()
    denc, ddec = x[:, :, None] * back[:, None, :], code[:, :, None] * error[:, None, :]
    return loss, 2 * denc.mean(axis=0), 2 * ddec.mean(axis=0)


def pca(x, k):
    """QR first, then the SVD of the small triangle."""
    mean = np.add.reduce(x, axis=0) / x.dtype.type(len(x))
    if x.shape[0] >= x.shape[1]:
        triangle = scipy.linalg.qr(x - mean, mode="economic")[1]
        return mean, scipy.linalg.svd(triangle)[2][:k]
    basis, triangle = scipy.linalg.qr((x - mean).T, mode="economic")
    return mean, (basis @ scipy.linalg.svd(triangle)[0][:, :k]).T


def pca_reconstruct(x, mean, components):
    return np.apply_along_axis(lambda sample: mean + (components @ (sample - mean)) @ components, 1, x)


def fit_linear_ae(x, k, rng):
    """A closed form with unequal scales in the code: encoder divided, decoder multiplied."""
    mean = x.mean(axis=0)
    right = scipy.linalg.svd(x - mean, full_matrices=False)[2]
    scale = np.exp(rng.uniform(-1, 1, k)).astype(x.dtype)
    return mean, right[:k].T / scale, scale[:, None] * right[:k]


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x):
        return functional_call(self.encoder, dict(self.encoder.named_parameters()), (x,))

    def decode(self, code):
        return functional_call(self.decoder, dict(self.decoder.named_parameters()), (code,))

    def forward(self, x):
        return self.decode(self.encode(x))


def denoising_loss(model, x, sigma, generator):
    """The normal distribution's quantiles of uniform noise."""
    uniform = torch.rand(x.shape, generator=generator, dtype=torch.float64).clamp(1e-300, 1 - 1e-16)
    noise = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
    squared = torch.square(model(x + sigma * noise.to(x.dtype)) - x)
    return squared.mean() * x.shape[1]


def reparameterize(mu, logvar, eps):
    return torch.vmap(lambda m, v, e: m + torch.exp(v / 2) * e)(mu, logvar, eps)


def kl(mu, logvar):
    return torch.vmap(lambda m, v: 0.5 * torch.sum(m**2 + torch.expm1(v) - v))(mu, logvar).mean()


def vae_loss(x, recon, mu, logvar, beta=1.0):
    def one(sample, rebuilt, m, v):
        return torch.sum((sample - rebuilt) ** 2) + 0.5 * beta * torch.sum(m**2 + torch.exp(v) - 1 - v)

    return torch.vmap(one)(x, recon, mu, logvar).mean()


def pca_fast(x, k):
    """The eigenvalue problem of the symmetric matrix on the smaller side, eigenvectors scaled, then polished."""
    mean = x.mean(dim=0)
    centred = x - mean
    if x.shape[1] <= x.shape[0]:
        vectors = torch.linalg.eigh(torch.cov(x.T, correction=0)).eigenvectors
        return mean, vectors.T.flip(0)[:k]
    left = torch.linalg.eigh(centred @ centred.T).eigenvectors
    rough = (left.T @ centred).flip(0)[:k]
    return mean, torch.linalg.svd(rough, full_matrices=False).Vh
