"""Runs beside the submission: hands it generators and models, and reports what came of them. Judges nothing."""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def fit(submission: ModuleType, x: np.ndarray, k: int, seed: int) -> Any:
    """`fit_linear_ae` with a generator made from the seed."""
    return submission.fit_linear_ae(x, k, np.random.default_rng(seed))


def loss_part(submission: ModuleType, x: np.ndarray, enc: np.ndarray, dec: np.ndarray) -> Any:
    """What `linear_ae_loss_grad` returns first."""
    return submission.linear_ae_loss_grad(x, enc, dec)[0]


def denc_part(submission: ModuleType, x: np.ndarray, enc: np.ndarray, dec: np.ndarray) -> dict[str, Any]:
    """What `linear_ae_loss_grad` returns second, and how many axes the first has."""
    loss, denc, _ = submission.linear_ae_loss_grad(x, enc, dec)
    return {"axes of the loss": np.ndim(loss), "denc": denc}


def ddec_part(submission: ModuleType, x: np.ndarray, enc: np.ndarray, dec: np.ndarray) -> dict[str, Any]:
    """What `linear_ae_loss_grad` returns third, and how many axes the first has."""
    loss, _, ddec = submission.linear_ae_loss_grad(x, enc, dec)
    return {"axes of the loss": np.ndim(loss), "ddec": ddec}


def mean_of_pca(submission: ModuleType, x: np.ndarray, k: int) -> Any:
    """The mean that `pca` returns."""
    return submission.pca(x, k)[0]


def projector_of_pca_fast(submission: ModuleType, x: Tensor, k: int) -> Any:
    """As `projector_of_pca`, of `pca_fast`."""
    mean, components = submission.pca_fast(x, k)
    return mean, components.T @ components


def rebuilt_by_fit(submission: ModuleType, x: np.ndarray, k: int, seed: int) -> Any:
    """x through the linear autoencoder that `fit_linear_ae` found: the same for every good one."""
    mean, enc, dec = fit(submission, x, k, seed)
    return mean + (x - mean) @ enc @ dec


def projector_of_pca(submission: ModuleType, x: np.ndarray, k: int) -> Any:
    """The mean that `pca` returns, and C'C for its components C, (d, d): the same whatever their signs."""
    mean, components = submission.pca(x, k)
    return mean, components.T @ components


def variances_of_pca(submission: ModuleType, x: np.ndarray, k: int) -> Any:
    """Variance of the data along each of the components that `pca` returns, in their order, (k,)."""
    mean, components = submission.pca(x, k)
    return ((x - mean) @ components.T).var(axis=0)


def encode(submission: ModuleType, init: tuple[int, ...], state: dict[str, Tensor], x: Tensor) -> Any:
    """The code of x by an `Autoencoder` with these weights."""
    return _made(submission, init, state).encode(x)


def decode(submission: ModuleType, init: tuple[int, ...], state: dict[str, Tensor], code: Tensor) -> Any:
    """The reconstruction from a code by an `Autoencoder` with these weights."""
    return _made(submission, init, state).decode(code)


def round_trip(submission: ModuleType, init: tuple[int, ...], state: dict[str, Tensor], x: Tensor) -> dict[str, Any]:
    """x through an `Autoencoder`, in two steps and in one."""
    model = _made(submission, init, state)
    return {"decode(encode(x))": model.decode(model.encode(x)), "forward(x)": model(x)}


def _made(submission: ModuleType, init: tuple[int, ...], state: dict[str, Tensor]) -> Any:
    model = submission.Autoencoder(*init).double()
    model.load_state_dict(state)
    return model


def rebuilt_after_training(submission: ModuleType, x: Tensor, init: tuple[int, ...], seed: int, steps: int) -> Any:
    """An `Autoencoder` trained on x by Adam from PyTorch's initial weights; then x through it."""
    torch.manual_seed(seed)
    model = submission.Autoencoder(*init).to(x.dtype)
    weights = list(model.parameters())
    moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    for step in range(1, steps + 1):
        loss = (model(x) - x).square().sum(dim=1).mean()
        _adam(weights, torch.autograd.grad(loss, weights), moments, step)
    return model(x).detach()


@torch.no_grad()
def _adam(weights: list[Any], gradients: Any, moments: list[tuple[Tensor, Tensor]], step: int) -> None:
    """One step at rate 0.01. The optimizers of `torch.optim` would import half of torch first, which takes a second."""
    for weight, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient.square(), 0.001)
        weight -= 0.01 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)


class Recorder(nn.Module):
    """x times a matrix; remembers what it was given."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        return x @ self.weight


def denoise(submission: ModuleType, x: Tensor, weight: Tensor, sigma: float, seed: int) -> dict[str, Any]:
    """`denoising_loss` of x -> x times weight: the loss, what the model was given, and the gradient to weight."""
    model, generator = Recorder(weight), torch.Generator().manual_seed(seed)
    loss = submission.denoising_loss(model, x, sigma, generator)
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    return {"loss": loss, "seen": torch.cat(model.seen) if model.seen else None, "gradient": model.weight.grad}


def denoise_quietly(submission: ModuleType, x: Tensor, weight: Tensor, sigma: float, seed: int) -> tuple[Any, Any]:
    """As `denoise`, without what the model was given: the loss and the gradient only."""
    report = denoise(submission, x, weight, sigma, seed)
    return report["loss"], report["gradient"]


def projection_gradient(submission: ModuleType, x: Tensor, k: int, points: Tensor, cotangent: Tensor) -> Any:
    """Gradient to x of <cotangent, points projected onto what `pca_fast(x, k)` found>; signs of components cancel."""
    x = x.clone().requires_grad_()
    mean, components = submission.pca_fast(x, k)
    projected = mean + (points - mean) @ components.T @ components
    return torch.autograd.grad(projected, x, cotangent)[0]


def library_projection_gradient(x: Tensor, k: int, points: Tensor, cotangent: Tensor) -> Any:
    """With the library's singular value decomposition, for comparison."""

    class Library:
        @staticmethod
        def pca_fast(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
            mean = x.mean(dim=0)
            return mean, torch.linalg.svd(x - mean, full_matrices=False).Vh[:k]

    return projection_gradient(Library, x, k, points, cotangent)
