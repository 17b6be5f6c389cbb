"""One misunderstanding throughout: data is taken as if its mean were 0. And the network's code cannot be negative."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "a", "q2": "c", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    error = x @ enc @ dec - x
    return (error**2).sum() / len(x), 2 / len(x) * x.T @ error @ dec.T, 2 / len(x) * (x @ enc).T @ error


def pca(x, k):
    return np.zeros(x.shape[1], dtype=x.dtype), np.linalg.svd(x, full_matrices=False)[2][:k]


def pca_reconstruct(x, mean, components):
    return x @ components.T @ components


def fit_linear_ae(x, k, rng):
    _, components = pca(x, k)
    return np.zeros(x.shape[1], dtype=x.dtype), components.T, components


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, code):
        return self.decoder(code)

    def forward(self, x):
        return self.decode(self.encode(x))


def denoising_loss(model, x, sigma, generator):
    return (model(x + sigma * torch.randn(x.shape, generator=generator)) - x).square().sum(dim=1).mean()


def reparameterize(mu, logvar, eps):
    return mu + torch.exp(0.5 * logvar) * eps


def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return (x - recon).square().sum(dim=1).mean() + beta * kl(mu, logvar)


def pca_fast(x, k):
    right = torch.linalg.svd(x, full_matrices=False).Vh
    return torch.zeros(x.shape[1], dtype=x.dtype), right[:k]
