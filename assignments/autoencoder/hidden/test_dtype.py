"""float32 in, float32 out, for every function of the assignment."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import Seeded

SHAPES = {  # of the arguments; every function gets its own in float32
    "linear_ae_loss_grad": [(6, 4), (4, 2), (2, 4)],
    "pca_reconstruct": [(6, 4), (4,), (2, 4)],
    "reparameterize": [(6, 2), (6, 2), (6, 2)],
    "kl": [(6, 2), (6, 2)],
    "vae_loss": [(6, 4), (6, 4), (6, 2), (6, 2)],
}
NUMPY, TORCH = ["linear_ae_loss_grad", "pca_reconstruct"], ["reparameterize", "kl", "vae_loss"]
OTHERS = ["pca", "fit_linear_ae", "Autoencoder", "denoising_loss", "pca_fast"]


@pytest.mark.task("pca", kind="dtype")
@weight(2)
@number("2.9")
@pytest.mark.parametrize("name", [*NUMPY, *TORCH, *OTHERS])
def test_keeps_dtype(keeps_dtype, draw, name):
    """all functions: float32 arguments give float32 results and gradients"""
    arrays = [draw(*shape).astype(np.float32) for shape in SHAPES.get(name, [(9, 4)])]
    tensors = [torch.from_numpy(array) for array in arrays]
    if name in NUMPY:
        keeps_dtype(name, *arrays)
    elif name in TORCH:
        keeps_dtype.autograd(name, *tensors)
    elif name == "pca":
        keeps_dtype("pca", *arrays, 2)
    elif name == "fit_linear_ae":
        keeps_dtype("fit_linear_ae", *arrays, 2, Seeded("numpy", draw.seed()))
    elif name == "Autoencoder":
        keeps_dtype.module("Autoencoder", (4, 5, 2), *tensors)
    elif name == "denoising_loss":
        keeps_dtype.run("denoise_quietly", *tensors, torch.from_numpy(draw(4, 4)).float(), 0.5, draw.seed())
    else:
        keeps_dtype.autograd("pca_fast", *tensors, 2)
