"""float32 in, float32 out, for every function of the assignment."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Tolerance

SHAPES = {  # of the arguments; every function gets its own in float32
    "linear_ae_loss_grad": [(6, 4), (4, 2), (2, 4)],
    "pca_reconstruct": [(6, 4), (4,), (2, 4)],
    "reparameterize": [(6, 2), (6, 2), (6, 2)],
    "kl": [(6, 2), (6, 2)],
    "vae_loss": [(6, 4), (6, 4), (6, 2), (6, 2)],
}
NUMPY, TORCH = ["linear_ae_loss_grad", "pca_reconstruct"], ["reparameterize", "kl", "vae_loss"]
OTHERS = ["pca", "fit_linear_ae", "Autoencoder", "denoising_loss", "pca_fast"]


def gapped(draw):
    """Data that two directions nearly exhaust: whatever finds them finds the same plane."""
    return ((draw(9, 4) * [3, 2, 0.1, 0.05]) @ np.linalg.qr(draw(4, 4))[0] + draw(4)).astype(np.float32)


@pytest.mark.task("pca", kind="dtype")
@weight(2)
@number("2.9")
@pytest.mark.parametrize("name", [*NUMPY, *TORCH, *OTHERS])
def test_keeps_dtype(keeps_dtype, draw, name):
    """all functions: float32 arguments give float32 results and gradients"""
    others = keeps_dtype.if_right
    arrays = [draw(*shape).astype(np.float32) for shape in SHAPES.get(name, [(9, 4)])]
    tensors = [torch.from_numpy(array) for array in arrays]
    if name in NUMPY:
        others(name, *arrays)
    elif name in TORCH:
        others.autograd(name, *tensors)
    elif name == "pca":
        keeps_dtype.run("projector_of_pca", gapped(draw), 2, tol=Tolerance(1e-3, 0))
    elif name == "fit_linear_ae":
        others.run("rebuilt_by_fit", gapped(draw), 2, draw.seed(), tol=Tolerance(0.05, 0))
    elif name == "Autoencoder":
        others.module("Autoencoder", (4, 5, 2), *tensors)
    elif name == "denoising_loss":  # without noise: which random numbers are drawn is free
        others.run("denoise_quietly", *tensors, torch.from_numpy(draw(4, 4)).float(), 0.0, draw.seed())
    else:
        others.run("projector_of_pca_fast", torch.from_numpy(gapped(draw)), 2, tol=Tolerance(0.05, 0))
