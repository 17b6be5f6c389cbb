"""Eigenvectors of the covariance; einsum for the gradients; torch.distributions for the divergence."""

import numpy as np
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    n = x.shape[0]
    error = np.einsum("nd,dk,ke->ne", x, enc, dec) - x
    loss = np.einsum("nd,nd->", error, error) / n
    denc = np.einsum("nd,ne,ke->dk", x, error, dec) * (2.0 / n)
    ddec = np.einsum("nd,dk,ne->ke", x, enc, error) * (2.0 / n)
    return loss, denc, ddec


def pca(x, k):
    mean = x.mean(axis=0)
    centred = x - mean
    vectors = np.linalg.eigh(centred.T @ centred)[1]
    return mean, vectors[:, ::-1][:, :k].T


def pca_reconstruct(x, mean, components):
    projector = components.T @ components
    return x @ projector + (mean - mean @ projector)


def fit_linear_ae(x, k, rng):
    mean = x.mean(axis=0)
    vectors = np.linalg.eigh(np.atleast_2d((x - mean).T @ (x - mean)))[1][:, -k:]
    mixing = (rng.standard_normal((k, k)) / 4 + np.eye(k)).astype(x.dtype)
    return mean, vectors @ mixing, np.linalg.solve(mixing, vectors.T)


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, code):
        return self.decoder(code)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def denoising_loss(model, x, sigma, generator):
    noisy = x + torch.empty_like(x).normal_(0, 1, generator=generator) * sigma
    return torch.nn.functional.mse_loss(model(noisy), x, reduction="sum") / x.shape[0]


def reparameterize(mu, logvar, eps):
    return mu + eps * logvar.exp().sqrt()


def kl(mu, logvar):
    return kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(dim=1).mean()


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return ((x - recon) ** 2).sum(dim=1).mean() + beta * kl(mu, logvar)


def pca_fast(x, k):
    """Eigenvectors of the smaller of Gram and covariance matrix, made orthonormal by a QR decomposition."""
    mean = x.mean(dim=0)
    centred = x - mean
    if x.shape[0] > x.shape[1]:
        return mean, torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -k:].flip(1).T
    left = torch.linalg.eigh(centred @ centred.T).eigenvectors[:, -k:].flip(1)
    return mean, torch.linalg.qr(centred.T @ left).Q.T
