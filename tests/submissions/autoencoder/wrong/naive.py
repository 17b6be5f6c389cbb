"""Everything right, nothing fast: pca_fast adds up a d x d matrix sample by sample, and iterates vector by vector."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    loss, denc, ddec = 0.0, np.zeros_like(enc), np.zeros_like(dec)
    for sample in x:
        code = sample @ enc
        error = code @ dec - sample
        loss += float(error @ error) / len(x)
        denc += np.outer(sample, dec @ error) * x.dtype.type(2 / len(x))
        ddec += np.outer(code, error) * x.dtype.type(2 / len(x))
    return loss, denc, ddec


def pca(x, k):
    mean = x.mean(axis=0)
    covariance = np.zeros((x.shape[1], x.shape[1]))
    for sample in x - mean:
        covariance += np.outer(sample, sample)
    return mean, np.linalg.eigh(covariance)[1][:, ::-1][:, :k].T.astype(x.dtype)


def pca_reconstruct(x, mean, components):
    rebuilt = np.zeros_like(x)
    for i, sample in enumerate(x):
        rebuilt[i] = mean
        for component in components:
            rebuilt[i] += (component @ (sample - mean)) * component
    return rebuilt


def fit_linear_ae(x, k, rng):
    mean, components = pca(x, k)
    return mean, components.T, components


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
    noisy = [sample + sigma * torch.randn(sample.shape, generator=generator, dtype=x.dtype) for sample in x]
    errors = [((out - sample) ** 2).sum() for out, sample in zip(model(torch.stack(noisy)), x, strict=True)]
    return sum(errors) / len(errors)


def reparameterize(mu, logvar, eps):
    return torch.stack([m + torch.exp(v / 2) * e for m, v, e in zip(mu, logvar, eps, strict=True)])


def kl(mu, logvar):
    return sum((m**2 + torch.exp(v) - 1 - v).sum() / 2 for m, v in zip(mu, logvar, strict=True)) / len(mu)


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return sum(((a - b) ** 2).sum() for a, b in zip(x, recon, strict=True)) / len(x) + beta * kl(mu, logvar)


def pca_fast(x, k):
    mean = sum(x) / len(x)
    covariance = torch.zeros(x.shape[1], x.shape[1], dtype=x.dtype)
    for sample in x - mean:
        covariance = covariance + torch.outer(sample, sample)
    found, generator = [], torch.Generator().manual_seed(0)
    for _ in range(k):
        direction = free(torch.randn(x.shape[1], generator=generator, dtype=x.dtype), found)
        for _ in range(100):
            image = covariance @ direction
            if image.norm() < 1e-9 * covariance.norm():
                break
            direction = free(image, found)
        found.append(direction)
    return mean, torch.stack(found)


def free(direction, found):
    """A unit vector, orthogonal to those found before."""
    for _ in range(2):
        for other in found:
            direction = direction - (other @ direction) * other
    return direction / direction.norm()
