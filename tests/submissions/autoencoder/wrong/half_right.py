"""A homework in progress: PCA and the network are right, two slips, a return value forgotten, two tasks not begun."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": None}


def linear_ae_loss_grad(x, enc, dec):
    n, d = x.shape
    code = x @ enc
    error = code @ dec - x
    loss = (error**2).mean()
    return loss, 2 / (n * d) * x.T @ error @ dec.T, 2 / (n * d) * code.T @ error


def pca(x, k):
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean))
    order = np.argsort(values)[::-1]
    return mean, vectors[:, order[:k]].T


def pca_reconstruct(x, mean, components):
    return mean + (x - mean) @ components.T @ components


def fit_linear_ae(x, k, rng):
    mean, components = pca(x, k)
    return mean, components.T


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
        return self.decode(self.encode(x))


def denoising_loss(model, x, sigma, generator):
    noisy = x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return ((model(noisy) - noisy) ** 2).sum(dim=1).mean()


def reparameterize(mu, logvar, eps):
    raise NotImplementedError("autoencoder.vae")


def kl(mu, logvar):
    raise NotImplementedError("autoencoder.vae")


def vae_loss(x, recon, mu, logvar, beta=1.0):
    raise NotImplementedError("autoencoder.vae")


def pca_fast(x, k):
    raise NotImplementedError("autoencoder.pca_fast")
