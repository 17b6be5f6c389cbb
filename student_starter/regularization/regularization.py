"""Regularization: penalties, dropout, augmented images and sentences, and averaging over transformations in a test.

Images are arrays of shape (H, W, C), integers from 0 to 255 or floats from 0 to 1, and keep their dtype; batches of
images are torch tensors of shape (N, C, H, W). All random numbers come from the generator `rng` that is passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # an image and a generator in, an image out

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: A team lets a script apply transformations to its training images, without looking at them. The images
#     are handwritten digits, and the script turns by up to 180 degrees and crops windows of any size. What
#     may come of it?
#     a: labels that are wrong now, but never a useless image: every pixel comes from a digit
#     b: useless images, such as an empty corner, but never a wrong label: the label is kept
#     c: neither: a network learns from any image that was made from a digit
#     d: both: a 6 that reads as a 9, and windows that hold no digit at all
#
# q2: Ten transformations of every image are drawn afresh in each epoch, while the batch is being loaded; the
#     batch size stays. An epoch now means ten passes over the images. What else changes?
#     a: the memory for the data grows tenfold, and there are as many batches in an epoch as before
#     b: there are ten times as many batches in an epoch, and the memory for the data stays as it was
#     c: both grow tenfold, as the data set is ten times as large
#     d: neither grows, as a transformed image is no new sample
#
# q3: Of two changes to a training procedure, one halves the training error and leaves the test error alone,
#     the other raises the training error and lowers the test error. Which of them is regularisation in
#     Goodfellow's sense?
#     a: the first, since the training error is what is minimised
#     b: both, since each of them lowers an error
#     c: the second, since it is meant for the error on new data and not for that on the training data
#     d: neither, since regularisation is a penalty on the parameters
#
# q4: In regularised least squares with a free intercept, lam grows without bound. Where do theta, the
#     intercept and the error on the training data go?
#     a: theta to 0, the intercept to the mean of the targets, the error up to their variance
#     b: theta and the intercept to 0, the error up to the mean square of the targets
#     c: theta to the least-squares solution, the intercept to 0, the error down to 0
#     d: theta to 0, the intercept to the mean of the targets, the error down to 0
#
# q5: A network was trained on randomly mirrored and shifted photographs. How does the lecture use the
#     transformations when a new photograph has to be classified?
#     a: not at all: a trained network is invariant, and its answer for any version of the photograph is the
#        same
#     b: it averages all versions of the photograph pixel by pixel, and classifies the mean image
#     c: it trains on the versions of the photograph for a few steps first, with the label it predicts
#     d: it classifies several versions of the photograph, and averages what the network says
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}


def ridge_fit(x: np.ndarray, y: np.ndarray, lam: float) -> tuple[float, np.ndarray]:
    """Regularised least squares: the theta0 and theta that minimise

        (1/n) * sum over i of (theta0 + x_i . theta - y_i)^2  +  lam * ||theta||^2

    The error is a mean over the n samples; the penalty is not, and it leaves the intercept theta0 alone.

    Args:
        x: features, shape (n, d), not centred; n may be smaller than d, columns may be constant.
        y: targets, shape (n,).
        lam: weight of the penalty, >= 0. At 0 this is least squares, and where that has many solutions any will do.

    Returns:
        (theta0, theta): a scalar, and an array of shape (d,).

    Example:
        x = [[0], [2]], y = [1, 5], lam = 1: theta = [1], theta0 = 2; the error is 1, the penalty 1.
    """
    # Your code here.
    raise NotImplementedError("regularization.ridge")


def regularized_loss(loss: float, penalty: float, lam: float) -> float:
    """What is minimised once a loss has a penalty: loss + lam * penalty.

    Args:
        loss: the model's error on the data.
        penalty: R(f), a number that is large for models that are not wanted.
        lam: the regularisation parameter.

    Returns:
        A scalar.

    Example:
        A loss of 2 and a penalty of 3 make 3.5 at lam = 0.5.
    """
    # Your code here.
    raise NotImplementedError("regularization.ridge")


def dropout_forward(x: np.ndarray, p: float, rng: np.random.Generator, *, training: bool) -> tuple[np.ndarray, Any]:
    """Inverted dropout: in training, every entry is dropped with probability p, and what stays is scaled up.

    Every entry decides for itself: out = x / (1 - p) where it stays, and 0 where it is dropped, so that the expected
    output is x. In evaluation out = x.

    Args:
        x: activations, any shape.
        p: the probability of *dropping* an entry, 0 <= p <= 1. At 1 everything is dropped.
        rng: where all random numbers come from.
        training: whether entries are dropped at all.

    Returns:
        (out, cache): out of the shape of x; the cache is whatever `dropout_backward` needs.

    Example:
        p = 0.5 turns [1, 2] into [0, 0], [2, 0], [0, 4] or [2, 4], each with probability 1/4.
    """
    # Your code here.
    raise NotImplementedError("regularization.dropout")


def dropout_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Gradient of `dropout_forward`: through the entries that stayed, by the same factor.

    Args:
        dout: gradient of some loss in the forward's output, same shape.
        cache: what that forward returned.

    Returns:
        dx, the gradient in x, same shape.

    Example:
        If [1, 2] went to [2, 0] at p = 0.5, then dout = [3, 5] gives dx = [6, 0].
    """
    # Your code here.
    raise NotImplementedError("regularization.dropout")


def random_crop(image: np.ndarray, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Cut a window out of an image; every place where it fits is equally likely.

    Args:
        image: shape (H, W, C).
        rng: where all random numbers come from.
        size: (h, w) of the window, 1 <= h <= H and 1 <= w <= W.

    Returns:
        Array of shape (h, w, C).

    Example:
        A 3x3 image has four windows of size (2, 2), and one of size (3, 3).
    """
    # Your code here.
    raise NotImplementedError("regularization.augment")


def horizontal_flip(image: np.ndarray, rng: np.random.Generator, p: float = 0.5) -> np.ndarray:
    """Mirror an image with probability p: left becomes right.

    Args:
        image: shape (H, W, C).
        rng: where all random numbers come from.
        p: the probability of mirroring.

    Returns:
        Array of shape (H, W, C).

    Example:
        The rows [1, 2, 3] and [4, 5, 6] become [3, 2, 1] and [6, 5, 4].
    """
    # Your code here.
    raise NotImplementedError("regularization.augment")


def rotate90(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn an image counterclockwise by k quarter turns, k = 0, 1, 2, 3 equally likely (the k of `np.rot90`).

    Args:
        image: shape (H, W, C).
        rng: where all random numbers come from.

    Returns:
        Array of shape (H, W, C) for even k, (W, H, C) for odd k.

    Example:
        The rows [1, 2] and [3, 4] turn by k = 1 into [2, 4] and [1, 3].
    """
    # Your code here.
    raise NotImplementedError("regularization.augment")


def translate(image: np.ndarray, rng: np.random.Generator, max_shift: int) -> np.ndarray:
    """Shift an image down by dy and right by dx: whole pixels, what comes in from outside is 0.

    dy and dx are independent, and each of -max_shift, …, max_shift is equally likely. A shift by more than the image's
    size leaves nothing.

    Args:
        image: shape (H, W, C).
        rng: where all random numbers come from.
        max_shift: largest shift in any of the four directions, >= 0.

    Returns:
        Array of shape (H, W, C): out[i, j] = image[i - dy, j - dx], 0 where that is outside.

    Example:
        dy = 1, dx = 0 turns the rows [1, 2] and [3, 4] into [0, 0] and [1, 2].
    """
    # Your code here.
    raise NotImplementedError("regularization.augment")


def color_jitter(
    image: np.ndarray, rng: np.random.Generator, brightness: float = 0.2, contrast: float = 0.2
) -> np.ndarray:
    """Change brightness and contrast of an image at random, by one factor each for the whole image:

        out = b * (mean + c * (image - mean)),  b uniform in 1 +- brightness,  c uniform in 1 +- contrast,

    b and c independent, `mean` one number: the mean over all pixels and channels of the image. At the end values are
    clipped, to 0..255 for integers and to [0, 1] for floats.

    Args:
        image: shape (H, W, C), of any integer or floating dtype.
        rng: where all random numbers come from.
        brightness: largest relative change of the brightness, below 1.
        contrast: largest relative change of the distances from the mean, below 1.

    Returns:
        Array of shape (H, W, C) and the dtype of `image`; whether integers are rounded to the nearest or down is free.

    Example:
        b = 1.2, c = 1 turns the bytes 100, 200, 240 into 120, 240, 255.
    """
    # Your code here.
    raise NotImplementedError("regularization.augment")


def compose(transforms: Sequence[Transform]) -> Transform:
    """One transformation out of several, applied in the order of the list.

    Args:
        transforms: functions of an image and a generator, each of which returns an image.

    Returns:
        A function of an image and a generator: `compose([f, g])(image, rng)` is `g(f(image, rng), rng)`. It may be
        called any number of times. Without transforms it returns the image.

    Example:
        compose([lambda image, rng: image + 1, lambda image, rng: 2 * image]) turns 3 into 8.
    """

    # Your code here.
    raise NotImplementedError("regularization.augment")


def tta_predict(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, transforms: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray:
    """Test-time augmentation: transform, predict, average.

    Args:
        f: the model, from an input to probabilities of any shape, the same for every input.
        x: the input, as f takes it.
        transforms: at least one function from an input to an input. The plain input counts only if the identity is
            among them.

    Returns:
        The mean of f(t(x)) over all transforms t, of the shape that f returns.

    Example:
        If f gives [0.8, 0.2] for an image and [0.4, 0.6] for its mirror image, the two together give [0.6, 0.4].
    """
    # Your code here.
    raise NotImplementedError("regularization.tta")


def synonym_substitute(
    tokens: Sequence[str], thesaurus: Mapping[str, Sequence[str]], p: float, rng: np.random.Generator
) -> list[str]:
    """Replace words by synonyms at random.

    Every token that the thesaurus knows is replaced with probability p, each occurrence on its own, by one of its
    synonyms, all equally likely. Words without an entry, or with an empty one, stay. A synonym is not looked up again.

    Args:
        tokens: the words of a text.
        thesaurus: for some words a list of synonyms, which may be empty. A synonym may be several words long and is
            still one token. Words are looked up as they are written.
        p: the probability of replacing.
        rng: where all random numbers come from.

    Returns:
        A list of strings, as many as there are tokens.

    Example:
        ["it", "is", "a", "great", "day"] with {"great": ["wonderful"]} and p = 1:
        ["it", "is", "a", "wonderful", "day"].
    """
    # Your code here.
    raise NotImplementedError("regularization.text")


def back_translate(text: str, forward: Callable[[str], str], backward: Callable[[str], str]) -> str:
    """Say it otherwise by way of another language.

    Args:
        text: in the first language.
        forward: translates from the first language into the second.
        backward: translates from the second language into the first.

    Returns:
        backward(forward(text)).

    Example:
        With forward "day" -> "Tag" and backward "Tag" -> "daytime", "day" becomes "daytime".
    """
    # Your code here.
    raise NotImplementedError("regularization.text")


def augment_batch_fast(images: Tensor, params: Mapping[str, Any]) -> Tensor:
    """Crop, mirror and shift every image of a batch by parameters of its own, all images at once.

    For image n: crop[:, r, c] = images[n, :, top + r, left + c], of `size`; if `flip`, the crop is mirrored, left to
    right; then out[n, :, i, j] = crop[:, i - dy, j - dx], and 0 where i - dy or j - dx is outside the crop.

    Args:
        images: shape (N, C, H, W), floats of any size and sign, or integers.
        params: a dict with
            top, left: corner of each crop, int64 of shape (N,), such that the crop is inside the image.
            dy, dx: shift down and right, int64 of shape (N,); may be larger than the crop.
            flip: whether to mirror, bool of shape (N,).
            size: (h, w) of the crops, two ints.

    Returns:
        Tensor of shape (N, C, h, w) and the dtype of the images, differentiable by autograd.

    Example:
        The row [1, 2, 3, 4] with left = 1, w = 3: the crop is [2, 3, 4]; mirrored [4, 3, 2]; shifted by dx = 1
        [0, 4, 3].
    """
    # Your code here.
    raise NotImplementedError("regularization.augment_fast")
