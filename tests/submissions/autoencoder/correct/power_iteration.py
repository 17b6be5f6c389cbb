"""One component after another by power iteration and deflation; gradient descent with momentum; block Krylov."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    """Sample by sample, as in stochastic gradient descent."""
    loss, denc, ddec = 0.0, np.zeros_like(enc), np.zeros_like(dec)
    for sample in x:
        code = sample @ enc
        error = code @ dec - sample
        loss += float(error @ error)
        denc += 2 * np.outer(sample, dec @ error)
        ddec += 2 * np.outer(code, error)
    return loss / len(x), denc / x.dtype.type(len(x)), ddec / x.dtype.type(len(x))


def pca(x, k):
    mean = x.mean(axis=0)
    rest = (x - mean).astype(np.float64)
    rng = np.random.default_rng(0)
    found = np.zeros((0, x.shape[1]))
    for _ in range(k):
        found = np.vstack([found, dominant(rest, found, rng)])
        rest = rest - np.outer(rest @ found[-1], found[-1])
    return mean, found.astype(x.dtype)


def dominant(rest, found, rng, steps=3000):
    direction = rng.standard_normal(rest.shape[1])
    for _ in range(steps):
        previous = direction
        direction = rest.T @ (rest @ direction)
        if np.linalg.norm(direction) < 1e-12 * np.linalg.norm(previous):
            direction = previous  # nothing is left: any direction that is still free will do
        for _ in range(2):
            direction = direction - found.T @ (found @ direction)
        direction = direction / np.linalg.norm(direction)
        if np.linalg.norm(direction - previous) < 1e-14:
            break
    return direction


def pca_reconstruct(x, mean, components):
    return mean + np.stack([components.T @ (components @ (sample - mean)) for sample in x])


def fit_linear_ae(x, k, rng):
    """Training, as the name says: gradient descent with momentum on the squared error of standardised data."""
    mean = x.mean(axis=0)
    scale = np.linalg.norm(x - mean, 2) / len(x) ** 0.5
    centred = (x - mean) / scale
    enc, dec = 0.3 * rng.standard_normal((x.shape[1], k)), 0.3 * rng.standard_normal((k, x.shape[1]))
    enc_speed, dec_speed = np.zeros_like(enc), np.zeros_like(dec)
    for _ in range(3000):
        _, denc, ddec = linear_gradient(centred, enc, dec)
        enc_speed, dec_speed = 0.9 * enc_speed - 0.05 * denc, 0.9 * dec_speed - 0.05 * ddec
        enc, dec = enc + enc_speed, dec + dec_speed
    return mean, enc.astype(x.dtype), dec.astype(x.dtype)


def linear_gradient(x, enc, dec):
    code = x @ enc
    error = code @ dec - x
    return np.vdot(error, error) / len(x), 2 / len(x) * x.T @ (error @ dec.T), 2 / len(x) * code.T @ error


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x):
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, code):
        for layer in self.decoder:
            code = layer(code)
        return code

    def forward(self, x):
        return nn.Sequential(*self.encoder, *self.decoder)(x)


def denoising_loss(model, x, sigma, generator):
    """Normal noise from uniform numbers, as Box and Muller make it."""
    first = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    second = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    normal = torch.sqrt(-2 * torch.log1p(-first)) * torch.cos(2 * torch.pi * second)
    error = model(x + sigma * normal.to(x.dtype)) - x
    return (error * error).sum() / len(x)


def reparameterize(mu, logvar, eps):
    return mu + eps * torch.exp(logvar * 0.5)


def kl(mu, logvar):
    total = mu.new_zeros(())
    for sample_mu, sample_logvar in zip(mu, logvar, strict=True):
        total = total + 0.5 * (sample_mu @ sample_mu + sample_logvar.exp().sum() - sample_logvar.sum() - len(sample_mu))
    return total / len(mu)


def vae_loss(x, recon, mu, logvar, beta=1.0):
    return torch.nn.functional.mse_loss(recon, x, reduction="sum") / len(x) + beta * kl(mu, logvar)


def pca_fast(x, k):
    """Randomised block Krylov; autograd sees two power steps of the result only, which forget where they started."""
    mean = x.mean(dim=0)
    centred = x - mean
    rows = krylov(centred.detach(), k)
    for _ in range(2):
        rows = torch.linalg.qr(centred.T @ (centred @ rows.T)).Q.T if is_regular(centred, rows) else rows
    return mean, rows


def is_regular(centred, rows):
    """Whether every direction carries variance: only then a power step is defined for all of them."""
    lengths = torch.linalg.vector_norm(centred.detach() @ rows.detach().T, dim=0)
    return bool(lengths.min() > 1e-6 * lengths.max())


def krylov(centred, k):
    """The best k directions in the span of powers of the covariance on a random block (Musco and Musco, 2015)."""
    side = centred if centred.shape[0] <= centred.shape[1] else centred.T
    width = min(k + 4, len(side))
    generator = torch.Generator().manual_seed(7)
    blocks = [side @ torch.randn(side.shape[1], width, generator=generator, dtype=side.dtype)]
    for _ in range(min(5, len(side) // width) - 1):
        blocks.append(side @ (side.T @ torch.linalg.qr(blocks[-1]).Q))
    basis = torch.linalg.qr(torch.cat(blocks, dim=1)).Q
    left, _, right = torch.linalg.svd(basis.T @ side, full_matrices=False)
    return right[:k] if side is centred else (basis @ left[:, :k]).T
