"""Jacobi rotations for PCA, a Gauss-Newton flavoured training, a randomised SVD from the library."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    """Gradients through Kronecker products: the model is linear in each of its matrices."""
    n, d = x.shape
    error = (x @ enc @ dec - x).ravel()
    by_enc = np.kron(x, dec.T)  # d vec(x enc dec) / d vec(enc), rows of x enc dec one after the other
    by_dec = np.kron(x @ enc, np.eye(d, dtype=x.dtype))
    denc = (2 * error @ by_enc / n).reshape(enc.shape)
    ddec = (2 * error @ by_dec / n).reshape(dec.shape)
    return error @ error / n, denc.astype(x.dtype), ddec.astype(x.dtype)


def pca(x, k):
    """One-sided Jacobi: rotate pairs of columns until they are orthogonal."""
    mean = x.mean(axis=0)
    columns = (x - mean).astype(np.float64)
    d = x.shape[1]
    vectors = np.eye(d)
    for _ in range(30):
        largest = 0.0
        for i in range(d - 1):
            for j in range(i + 1, d):
                a, b, c = columns[:, i] @ columns[:, i], columns[:, j] @ columns[:, j], columns[:, i] @ columns[:, j]
                if abs(c) <= 1e-15 * np.sqrt(a * b) or c == 0:
                    continue
                largest = max(largest, abs(c) / max(np.sqrt(a * b), 1e-300))
                zeta = (b - a) / (2 * c)
                t = (1.0 if zeta >= 0 else -1.0) / (abs(zeta) + np.sqrt(1 + zeta * zeta))
                cosine = 1 / np.sqrt(1 + t * t)
                rotation = np.array([[cosine, t * cosine], [-t * cosine, cosine]])
                columns[:, [i, j]] = columns[:, [i, j]] @ rotation
                vectors[:, [i, j]] = vectors[:, [i, j]] @ rotation
        if largest < 1e-14:
            break
    order = np.argsort(-(columns**2).sum(axis=0))[:k]
    return mean, vectors[:, order].T.astype(x.dtype)


def pca_reconstruct(x, mean, components):
    return np.vstack([mean, components]).T.dot(np.vstack([np.ones(len(x), x.dtype), components @ (x - mean).T])).T


def fit_linear_ae(x, k, rng):
    """Expectation maximisation for PCA without noise (Roweis, 1998), in the samples' own span."""
    mean = x.mean(axis=0)
    centred = x - mean
    dec = (rng.standard_normal((k, len(x))) @ centred).astype(np.float64)
    for _ in range(80):
        code = centred @ np.linalg.pinv(dec)
        dec = np.linalg.pinv(code) @ centred
        dec = dec / max(np.abs(dec).max(), 1e-12)
    return mean, np.linalg.pinv(dec).astype(x.dtype), dec.astype(x.dtype)


class Half(nn.Sequential):
    """Linear, ReLU, Linear, as a class of its own."""

    def __init__(self, n_in, hidden, n_out):
        super().__init__(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder, self.decoder = Half(d, hidden, k), Half(k, hidden, d)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, code):
        return self.decoder(code)

    def forward(self, x):
        return torch.nn.Sequential(self.encoder, self.decoder)(x)


def denoising_loss(model, x, sigma, generator):
    with torch.no_grad():
        corrupted = torch.randn(*x.shape, dtype=x.dtype, generator=generator).mul_(sigma).add_(x)
    return ((model(corrupted) - x).abs() ** 2).sum(1).sum(0).div(x.size(0))


def reparameterize(mu, logvar, eps):
    return mu + eps.mul(logvar.div(2).exp())


def kl(mu, logvar):
    """As the mean over samples of log q - log p, whose expectation has a closed form."""
    log_q = -0.5 * (logvar + 1)
    log_p = -0.5 * (mu.pow(2) + logvar.exp())
    return (log_q - log_p).sum(1).mean(0)


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return torch.stack([(x - recon).pow(2).sum(1).mean(), beta * kl(mu, logvar)]).sum()


def pca_fast(x, k):
    mean = x.mean(dim=0)
    torch.manual_seed(0)
    _, _, right = torch.svd_lowrank(x - mean, q=min(k + 12, *x.shape), niter=4)
    return mean, right[:, :k].T
