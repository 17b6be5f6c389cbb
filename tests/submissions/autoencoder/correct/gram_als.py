"""PCA from inner products of samples; alternating least squares for the linear autoencoder; a thin SVD."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    """The loss as a trace of second moments: the samples are needed only once."""
    n, d = x.shape
    moment = x.T @ x / n
    miss = enc @ dec - np.eye(d, dtype=x.dtype)
    loss = np.trace(miss.T @ moment @ miss)
    slope = 2 * moment @ miss
    return loss, slope @ dec.T, enc.T @ slope


def pca(x, k):
    """Inner products of samples give the scores, these the components, completed where the rank is too low."""
    mean = x.mean(axis=0)
    centred = x - mean
    values, left = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(values)[::-1][:k]
    rows = left[:, order].T @ centred
    basis, triangle = np.linalg.qr(np.concatenate([rows.T, np.eye(x.shape[1], dtype=x.dtype)], axis=1)[:, : x.shape[1]])
    directions = basis * np.where(np.diag(triangle) < 0, -1, 1).astype(x.dtype)
    return mean, directions[:, :k].T


def pca_reconstruct(x, mean, components):
    rebuilt = np.tile(mean, (len(x), 1))
    for component in components:
        rebuilt = rebuilt + np.outer((x - mean) @ component, component)
    return rebuilt


def fit_linear_ae(x, k, rng):
    """The best decoder for a code and the best encoder for a decoder, in turns."""
    mean = x.mean(axis=0)
    centred = x - mean
    enc = rng.standard_normal((x.shape[1], k)).astype(x.dtype)
    for _ in range(60):
        dec = np.linalg.lstsq(centred @ enc, centred, rcond=None)[0]
        enc = np.linalg.pinv(dec)
    return mean, enc, dec


class Autoencoder(nn.Module):
    """The layers are applied one by one, by their weights."""

    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    @staticmethod
    def half(x, layers):
        hidden = F.linear(x, layers[0].weight, layers[0].bias).clamp(min=0)
        return F.linear(hidden, layers[2].weight, layers[2].bias)

    def encode(self, x):
        return self.half(x, self.encoder)

    def decode(self, code):
        return self.half(code, self.decoder)

    def forward(self, x):
        code = self.encode(x)
        return self.decode(code)


def denoising_loss(model, x, sigma, generator):
    noise = torch.normal(torch.zeros_like(x), float(sigma), generator=generator)
    return torch.linalg.vector_norm(model(x + noise) - x, dim=1).pow(2).mean()


def reparameterize(mu, logvar, eps):
    return torch.addcmul(mu, eps, torch.exp(0.5 * logvar))


def kl(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - torch.exp(logvar)).sum() / len(mu)


def vae_loss(x, recon, mu, logvar, beta=1.0):
    per_sample = (x - recon).pow(2).sum(1) + beta * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    return per_sample.mean()


def pca_fast(x, k):
    """A thin SVD of the shorter side: exact, and still nothing of size d x d."""
    mean = x.mean(0)
    if x.shape[0] >= x.shape[1]:
        return mean, torch.linalg.svd(x - mean, full_matrices=False).Vh[:k]
    left, _, _ = torch.linalg.svd((x - mean).T, full_matrices=False)
    return mean, left[:, :k].T
