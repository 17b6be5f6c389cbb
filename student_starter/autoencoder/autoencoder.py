"""Autoencoders: squeeze data through k numbers and rebuild it: with PCA, with a network, from noise, with a prior.

Shapes used throughout: n samples, d features, k numbers in the code. Every squared error is summed over the features
and averaged over the samples, a divergence over k and the samples: losses of different tasks can be compared.
"""

import numpy as np
import torch
from torch import Tensor, nn

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: An autoencoder with a code of 5 numbers is trained until its loss no longer falls. Which combination
#     makes it find the same 5-dimensional subspace as PCA?
#     a: ReLU layers, squared error, centred inputs
#     b: linear layers, cross-entropy, any inputs
#     c: linear layers, squared error, centred inputs
#     d: linear layers, absolute error, inputs in [0, 1]
#
# q2: A linear autoencoder has reached exactly the reconstruction error of PCA, but the rows of its decoder
#     are not orthogonal, and none of them is an eigenvector of the covariance. What happened?
#     a: nothing is wrong: the rows span the right subspace, and the code may be mixed in any invertible way
#     b: training stopped too early: with more steps the rows turn into the eigenvectors, one by one
#     c: the data was not centred, which tilts the rows, although it does not change the loss
#     d: the code is too short, so that several eigenvectors have to share each of the rows
#
# q3: Noise is added to an image, the noisy image goes through the autoencoder, and the output is compared.
#     With what, and why?
#     a: with the noisy image, because that is what went in
#     b: with the noise, because the network has to learn its distribution
#     c: with a second noisy copy of the image, so that the network cannot copy
#     d: with the image before the noise was added, so that copying the input does not pay
#
# q4: Your data has d = 100,000 features in float32. What speaks against PCA through the covariance matrix,
#     and for an autoencoder whose layers have a fixed number of units?
#     a: the matrix is no longer symmetric when d exceeds the number of samples; weights need not be symmetric
#     b: the matrix alone takes 40 GB, quadratic in d; the weights grow linearly in d, and batches suffice
#     c: so many features need labels in PCA; an autoencoder makes its own labels out of its inputs
#     d: the eigenvectors of so large a matrix are no longer orthogonal; an autoencoder needs none
#
# q5: What does the divergence term of a variational autoencoder buy that the reconstruction error alone does
#     not?
#     a: a lower reconstruction error for the same length of the code
#     b: a code whose entries come sorted by their variance, as in PCA
#     c: codes drawn from N(0, 1) that decode to plausible new samples
#     d: a decoder that can be left out once the training has ended
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}


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
    # Your code here.
    raise NotImplementedError("autoencoder.linear_ae")


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
    # Your code here.
    raise NotImplementedError("autoencoder.pca")


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
    # Your code here.
    raise NotImplementedError("autoencoder.pca")


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
    # Your code here.
    raise NotImplementedError("autoencoder.ae_equals_pca")


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
        # Your code here.
        raise NotImplementedError("autoencoder.autoencoder")

    def decode(self, code: Tensor) -> Tensor:
        """The reconstruction: (n, k) to (n, d)."""
        # Your code here.
        raise NotImplementedError("autoencoder.autoencoder")

    def forward(self, x: Tensor) -> Tensor:
        """Encode, then decode: (n, d) to (n, d)."""
        # Your code here.
        raise NotImplementedError("autoencoder.autoencoder")


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
    # Your code here.
    raise NotImplementedError("autoencoder.denoising")


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
    # Your code here.
    raise NotImplementedError("autoencoder.vae")


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
    # Your code here.
    raise NotImplementedError("autoencoder.vae")


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
    # Your code here.
    raise NotImplementedError("autoencoder.vae")


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
    # Your code here.
    raise NotImplementedError("autoencoder.pca_fast")
