"""The linear autoencoder trained with torch; the rest as in scipy_lbfgs.py."""

import numpy as np
import scipy.linalg
import scipy.optimize
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    residual = x - x @ enc @ dec
    weights = residual * np.asarray(-2 / len(x), dtype=x.dtype)
    return np.square(residual).sum(axis=1).mean(), x.T @ weights @ dec.T, (x @ enc).T @ weights


def pca(x, k):
    mean = np.average(x, axis=0)
    covariance = np.atleast_2d(np.cov(x.T.astype(np.float64), bias=True))
    d = len(covariance)
    vectors = scipy.linalg.eigh(covariance, subset_by_index=[d - k, d - 1])[1]
    return mean, np.flip(vectors, axis=1).T.astype(x.dtype)


def pca_reconstruct(x, mean, components):
    scores = np.linalg.lstsq(components.T, (x - mean).T, rcond=None)[0]
    return (components.T @ scores).T + mean


def fit_linear_ae(x, k, rng):
    """Gradient descent with torch, on data of size 1."""
    mean = x.mean(axis=0)
    centred = torch.from_numpy((x - mean).astype(np.float64))
    scale = centred.square().mean().sqrt().clamp(min=1e-12)
    data = centred / scale
    enc, dec = (torch.from_numpy(rng.standard_normal(shape) / x.shape[1] ** 0.5) for shape in ((x.shape[1], k), (k, x.shape[1])))
    weights = [enc.requires_grad_(), dec.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        weights, lr=1, max_iter=3000, max_eval=5000, tolerance_grad=1e-10, tolerance_change=1e-14, history_size=30,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = (data @ weights[0] @ weights[1] - data).square().sum(dim=1).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return mean, *(weight.detach().numpy().astype(x.dtype) for weight in weights)


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = self.mlp(d, hidden, k)
        self.decoder = self.mlp(k, hidden, d)

    @staticmethod
    def mlp(*sizes):
        return nn.Sequential(nn.Linear(sizes[0], sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2]))

    def encode(self, x):
        return self.encoder.forward(x)

    def decode(self, code):
        return self.decoder.forward(code)

    def forward(self, x):
        return self.decode(self.encode(x))


def denoising_loss(model, x, sigma, generator):
    """Noise row by row."""
    rows = [torch.randn(x.shape[1], generator=generator, dtype=torch.float64) for _ in range(len(x))]
    noise = torch.stack(rows).to(x) * sigma
    return torch.stack([(out - row).dot(out - row) for out, row in zip(model(x + noise), x, strict=True)]).mean()


def reparameterize(mu, logvar, eps):
    return torch.stack([mu, eps * torch.exp(logvar / 2)]).sum(dim=0)


def kl(mu, logvar):
    """From the entropy and the cross-entropy of Gaussians."""
    entropy = 0.5 * (1 + logvar)
    cross = 0.5 * (mu.square() + logvar.exp())
    return torch.einsum("nk->n", cross - entropy).mean()


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return torch.cdist(x[:, None], recon[:, None]).square().sum() / len(x) + beta * kl(mu, logvar)


def pca_fast(x, k):
    """Squaring the small matrix twice sharpens its spectrum: a random block then falls into the leading directions."""
    mean = x.mean(dim=0)
    centred = x - mean
    wide = x.shape[0] <= x.shape[1]
    power = centred @ centred.T if wide else centred.T @ centred
    for _ in range(2):
        power = power @ power
        power = power / torch.linalg.matrix_norm(power)
    width = min(3 * k + 10, len(power))
    block = torch.randn(len(power), width, generator=torch.Generator().manual_seed(11), dtype=x.dtype)
    basis = torch.linalg.qr(power @ block + 1e-14 * block).Q
    left, _, right = torch.linalg.svd(basis.T @ (centred if wide else centred.T), full_matrices=False)
    return mean, right[:k] if wide else (basis @ left[:, :k]).T
