"""Subspace iteration with Rayleigh-Ritz, Oja's rule with tied weights, hooks instead of layers."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def linear_ae_loss_grad(x, enc, dec):
    """Backpropagation written out, one operation after the other."""
    code = np.matmul(x, enc)
    rebuilt = np.matmul(code, dec)
    difference = rebuilt - x
    loss = (difference * difference).mean() * x.shape[1]
    drebuilt = difference + difference
    ddec = np.matmul(code.T, drebuilt)
    dcode = np.matmul(drebuilt, dec.T)
    denc = np.matmul(x.T, dcode)
    return loss, denc / x.shape[0], ddec / x.shape[0]


def pca(x, k):
    mean = x.sum(axis=0) / x.shape[0]
    centred = (x - mean).astype(np.float64)
    d = x.shape[1]
    # A full block converges like QR iteration; for a random start no direction is missed.
    block = np.linalg.qr(np.random.default_rng(5).standard_normal((d, d)))[0]
    moment = centred.T @ centred
    for _ in range(300):
        block = np.linalg.qr(moment @ block)[0]
    values, rotation = np.linalg.eigh(block.T @ moment @ block)
    ritz = block @ rotation[:, np.argsort(-values)]
    return mean, ritz[:, :k].T.astype(x.dtype)


def pca_reconstruct(x, mean, components):
    centred = x - mean
    outside = centred - np.einsum("nd,kd,ke->ne", centred, components, components)
    return x - outside


def fit_linear_ae(x, k, rng):
    """Oja's subspace rule on the whole batch: the decoder is the encoder transposed."""
    mean = x.mean(axis=0)
    centred = (x - mean).astype(np.float64)
    moment = centred.T @ centred
    moment = moment / np.linalg.norm(moment, 2)
    weights = np.linalg.qr(rng.standard_normal((x.shape[1], k)))[0]
    for _ in range(1500):
        weights = weights + 0.4 * (moment @ weights - weights @ (weights.T @ moment @ weights))
    return mean, weights.astype(x.dtype), weights.T.astype(x.dtype)


class Autoencoder(nn.Module):
    def __init__(self, d, hidden, k):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x):
        first, _, second = self.encoder
        return torch.relu(x @ first.weight.T + first.bias) @ second.weight.T + second.bias

    def decode(self, code):
        first, _, second = self.decoder
        return torch.addmm(second.bias, torch.addmm(first.bias, code, first.weight.T).relu(), second.weight.T)

    def forward(self, x):
        return self.decode(self.encode(x))


def denoising_loss(model, x, sigma, generator):
    noise = torch.randn(x.numel(), generator=generator).reshape(x.shape).to(x.dtype)
    output = model(x + noise * sigma)
    return torch.sum(output**2 - 2 * output * x + x**2, dim=-1).mean()


def reparameterize(mu, logvar, eps):
    return mu + torch.sqrt(torch.exp(logvar)) * eps


def kl(mu, logvar):
    std = torch.exp(0.5 * logvar)
    return ((mu**2 + std**2 - 1) / 2 - logvar / 2).sum(dim=-1).mean(dim=0)


def vae_loss(x, recon, mu, logvar, beta=1.0):
    error = torch.einsum("nd,nd->n", x - recon, x - recon)
    return torch.mean(error) + beta * kl(mu, logvar)


def pca_fast(x, k):
    """Subspace iteration on the side of the samples or the features, whichever are fewer; no matrix product is kept."""
    mean = x.mean(dim=0, keepdim=True)
    centred = x - mean
    side = centred if x.shape[0] <= x.shape[1] else centred.T
    basis = torch.eye(len(side), min(2 * k + 2, len(side)), dtype=x.dtype)
    for _ in range(4):
        basis, _ = torch.linalg.qr(side @ (side.T @ basis))
    scores = side.T @ basis
    rotation = torch.linalg.eigh(scores.T @ scores).eigenvectors.flip(1)[:, :k]
    if side is not centred:
        return mean[0], (basis @ rotation).T
    return mean[0], torch.linalg.qr(scores @ rotation).Q.T
