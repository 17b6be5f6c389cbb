"""Autoencoders: squeeze data through k numbers and rebuild it: with PCA, with a network, from noise, with a prior.

Shapes used throughout: n samples, d features, k numbers in the code. Every squared error is summed over the features
and averaged over the samples, a divergence over k and the samples: losses of different tasks can be compared.
"""

import numpy as np
import torch
from torch import Tensor, nn

### BEGIN SOLUTION autoencoder.quiz
QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
### END SOLUTION


def linear_ae_loss_grad(x: np.ndarray, enc: np.ndarray, dec: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Reconstruction error of a linear autoencoder without biases, and its gradients.

    The code is x enc, the reconstruction x enc dec, and loss = (1/n) sum_i ||x_i enc dec - x_i||^2: a sum over the d
    features, a mean over the n samples, no factor 1/2. The data is taken as it is, not centred.

    Args:
        x: data, shape (n, d).
        enc: encoder weights, shape (d, k).
        dec: decoder weights, shape (k, d).

    Returns:
        (loss, denc, ddec): a scalar, its gradient by enc, shape (d, k), and by dec, shape (k, d).

    Example:
        x = [[1, 2], [3, 0]], enc = [[1], [0]], dec = [[1, 1]] is rebuilt as [[1, 1], [3, 3]]:
        loss 5, denc [[8], [-2]], ddec [[0, 8]].
    """
    ### BEGIN SOLUTION autoencoder.linear_ae
    scale = 2 / len(x)
    code = x @ enc
    error = code @ dec - x
    loss = np.sum(error**2) / len(x)
    denc = scale * (x.T @ (error @ dec.T))
    ddec = scale * (code.T @ error)
    return loss, denc, ddec
    ### END SOLUTION


def pca(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components: the k orthonormal directions that keep most of the variance of the data around its mean.

    Args:
        x: data, shape (n, d); n may be smaller or larger than d. Features are centred, never rescaled.
        k: number of components, 1 <= k <= min(n, d).

    Returns:
        (mean, components): shape (d,) and (k, d). The rows are orthonormal, by descending variance; their signs are
        free, and so is their choice where variances are equal.

    Example:
        [[3, 2], [-1, 2], [1, 3], [1, 1]] with k = 1 gives mean [1, 2] and components [[1, 0]] or [[-1, 0]].
    """
    ### BEGIN SOLUTION autoencoder.pca
    mean = x.mean(axis=0)
    directions = np.linalg.svd(x - mean, full_matrices=False)[2]
    return mean, directions[:k]
    ### END SOLUTION


def pca_reconstruct(x: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Project samples onto the affine subspace that `pca` found.

    Args:
        x: samples, shape (m, d); they need not be those that the components came from.
        mean: shape (d,).
        components: orthonormal rows, shape (k, d).

    Returns:
        Array of shape (m, d): the nearest point of the subspace through `mean` for every sample.

    Example:
        The four points of `pca`'s example come back as [[3, 2], [-1, 2], [1, 2], [1, 2]].
    """
    ### BEGIN SOLUTION autoencoder.pca
    scores = (x - mean) @ components.T
    return mean + scores @ components
    ### END SOLUTION


def fit_linear_ae(x: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The linear autoencoder that rebuilds the data best; how it is found is free (training, or a closed form).

    The reconstruction is mean + (x - mean) enc dec. Its loss, (1/n) times the summed squared error, has to be within
    0.1 % of PCA's with k components, plus a millionth of the total variance. Unlike PCA's components, the rows of dec
    need be neither orthonormal nor ordered.

    Args:
        x: data, shape (n, d), with any mean.
        k: length of the code, 1 <= k <= min(n, d).
        rng: where all random numbers come from.

    Returns:
        (mean, enc, dec): shapes (d,), (d, k), (k, d).

    Example:
        For the four points of `pca`'s example and k = 1, enc = [[2], [0]] and dec = [[0.5, 0]] are as good as any.
    """
    ### BEGIN SOLUTION autoencoder.ae_equals_pca
    # Eckart-Young: the best map of rank k projects onto the leading right singular vectors V. Only the product
    # enc dec = V V' counts, so that a rotation of the code, undone by the decoder, leaves the loss as it is.
    mean = x.mean(axis=0)
    leading = np.linalg.svd(x - mean, full_matrices=False)[2][:k]
    rotation = np.linalg.qr(rng.standard_normal((k, k)))[0].astype(x.dtype)
    return mean, leading.T @ rotation, rotation.T @ leading
    ### END SOLUTION


class Autoencoder(nn.Module):
    """A network that rebuilds its input from a code of k numbers: d -> hidden -> k -> hidden -> d.

    Both halves are Linear, ReLU, Linear: code and reconstruction are linear in a hidden layer and may be negative.

    Args:
        d: number of features.
        hidden: width of the hidden layer in either half.
        k: length of the code.
    """

    def __init__(self, d: int, hidden: int, k: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, d))

    def encode(self, x: Tensor) -> Tensor:
        """The code: (n, d) to (n, k)."""
        ### BEGIN SOLUTION autoencoder.autoencoder
        return self.encoder(x)
        ### END SOLUTION

    def decode(self, code: Tensor) -> Tensor:
        """The reconstruction: (n, k) to (n, d)."""
        ### BEGIN SOLUTION autoencoder.autoencoder
        return self.decoder(code)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Encode, then decode: (n, d) to (n, d)."""
        ### BEGIN SOLUTION autoencoder.autoencoder
        return self.decode(self.encode(x))
        ### END SOLUTION


def denoising_loss(model: nn.Module, x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Error of a model that has to rebuild clean samples from noisy ones.

    The model sees x + noise, with independent noise from N(0, sigma^2) in every entry; sigma is the standard deviation.
    Its output is compared with x itself: squared error, summed over the features, averaged over the samples.

    Args:
        model: maps (n, d) to (n, d).
        x: clean samples, shape (n, d).
        sigma: standard deviation of the noise; 0 gives the plain reconstruction error.
        generator: where all the noise comes from; on the device of x.

    Returns:
        Scalar tensor, differentiable to the model's parameters.

    Example:
        The identity as a model has loss 0 at sigma = 0, and d sigma^2 on average.
    """
    ### BEGIN SOLUTION autoencoder.denoising
    noise = sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    rebuilt = model(x + noise)
    return (rebuilt - x).square().sum(dim=1).mean()
    ### END SOLUTION


def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """A sample of N(mu, exp(logvar)) made of standard normal noise, so that gradients reach mu and logvar.

    Args:
        mu: means, shape (n, k).
        logvar: natural logarithms of the variances, shape (n, k).
        eps: standard normal draws, shape (n, k).

    Returns:
        Tensor of shape (n, k).

    Example:
        mu = 1, logvar = ln 4, eps = -0.5 gives 0: half a standard deviation of 2 below the mean.
    """
    ### BEGIN SOLUTION autoencoder.vae
    return mu + torch.exp(logvar / 2) * eps
    ### END SOLUTION


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(N(mu, exp(logvar)) to N(0, 1)), in nats: summed over k, averaged over n.

    Args:
        mu: means, shape (n, k).
        logvar: natural logarithms of the variances, shape (n, k); anything from -50 to 50 gives a finite result.

    Returns:
        Scalar tensor.

    Example:
        N(1, 4), a single number: mu = [[1]], logvar = [[ln 4]] gives (1 + 4 - 1 - ln 4) / 2 = 1.30685.
    """
    ### BEGIN SOLUTION autoencoder.vae
    per_number = (mu.square() + torch.expm1(logvar) - logvar) / 2
    return per_number.sum(dim=1).mean()
    ### END SOLUTION


def vae_loss(x: Tensor, recon: Tensor, mu: Tensor, logvar: Tensor, beta: float = 1.0) -> Tensor:
    """Loss of a variational autoencoder: reconstruction error plus beta times the divergence of the code from N(0, 1).

    Args:
        x: samples, shape (n, d).
        recon: their reconstructions, shape (n, d); squared error, summed over the features, averaged over the samples.
        mu: means of the codes, shape (n, k).
        logvar: natural logarithms of their variances, shape (n, k).
        beta: weight of the divergence.

    Returns:
        Scalar tensor.

    Example:
        x = [[1, 2]] rebuilt as [[0, 2]] from a code N(1, 4) costs 1 + 1.30685 beta.
    """
    ### BEGIN SOLUTION autoencoder.vae
    squared_error = (recon - x).square().sum(dim=1).mean()
    return squared_error + beta * kl(mu, logvar)
    ### END SOLUTION


### BEGIN SOLUTION autoencoder.pca_fast
OVERSAMPLING = 8  # directions beyond k in a random sketch
POWER_STEPS = 4  # every step squares the decay of the singular values that the sketch sees, twice
EXACT_UP_TO = 12  # times the width of the sketch: below, an eigendecomposition of the small side costs less


def leading_basis(short: Tensor, k: int) -> Tensor:
    """Orthonormal columns, at least k, whose span holds the k leading left singular vectors of `short` (s, l).

    Exact, from the s x s Gram matrix, where s is small; otherwise by a randomised subspace iteration (Halko, Martinsson
    and Tropp, 2011), which touches `short` a constant number of times and makes nothing larger than it.
    """
    width = k + OVERSAMPLING
    if len(short) <= EXACT_UP_TO * width:
        return torch.linalg.eigh(short @ short.T).eigenvectors[:, -k:]
    generator = torch.Generator(device=short.device).manual_seed(0)
    basis = torch.randn(len(short), width, generator=generator, dtype=short.dtype, device=short.device)
    for _ in range(POWER_STEPS):
        basis = torch.linalg.qr(short @ (short.T @ basis)).Q
    return basis


### END SOLUTION


def pca_fast(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The top k principal components, fast: for n << d nothing of size d x d is ever made.

    Randomised methods count: the reconstruction error may exceed the optimum by 1 %. Autograd reaches x.

    Args:
        x: data, shape (n, d).
        k: number of components, 1 <= k <= min(n, d).

    Returns:
        (mean, components): shape (d,) and (k, d), orthonormal rows by descending variance, as `pca` returns them.

    Example:
        For 64 images of 20,000 pixels the covariance matrix has 400 million entries; the data has 1.3 million.
    """
    ### BEGIN SOLUTION autoencoder.pca_fast
    n, d = x.shape
    mean = x.mean(dim=0)
    centred = x - mean
    short = centred if n <= d else centred.T
    basis = leading_basis(short, k)
    # The small decomposition orders the directions, and keeps them orthonormal where the rank is below k.
    left, _, right = torch.linalg.svd(basis.T @ short, full_matrices=False)
    return mean, right[:k] if n <= d else (basis @ left[:, :k]).T
    ### END SOLUTION
