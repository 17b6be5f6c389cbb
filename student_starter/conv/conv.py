"""Convolutional networks: the operations inside them, forward and backward, and four networks of the library's layers.

Below, `kernel`, `stride` and `padding` are an int or an (h, w) pair unless a docstring says otherwise. Padding is with
zeros, on both sides of an axis. An axis of n entries gives floor((n + 2 * padding - kernel) / stride) + 1 outputs.
Results have the dtype of the inputs (float32 stays float32), and no function writes into its arguments.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: A 10x10 image meets a 3x3 kernel with stride 2 and padding 1. How large is the output?
#     a: 3x3
#     b: 4x4
#     c: 5x5
#     d: 10x10
#
# q2: A convolution layer turns 16 channels into 32 with 3x3 kernels. The images grow from 32x32 to 64x64.
#     What happens to its number of weights?
#     a: it doubles
#     b: it stays the same
#     c: it grows fourfold
#     d: it shrinks, since each window is a smaller part
#
# q3: A layer has kernels of shape (8, 3, 5, 5). What does one of its output entries add up?
#     a: 25 products, from one input channel
#     b: 200 products, from every output channel
#     c: three separate outputs, one per input channel
#     d: 75 products, from all three input channels
#
# q4: Where does the gradient of a max-pooling window go, if its entries all differ?
#     a: to its largest entry alone
#     b: to all entries, in equal parts
#     c: to all entries, in proportion to their size
#     d: nowhere: a maximum has no gradient
#
# q5: Two stacked 3x3 convolutions replace one 5x5 convolution (stride 1, C channels in and out, no biases).
#     What changes?
#     a: they see a smaller part of the input
#     b: they see as much, with 18 instead of 25 weights for each pair of channels
#     c: they see more, with more weights
#     d: nothing: the weights are the same in number
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}

Size = int | tuple[int, int]


def as_pair(size: Size) -> tuple[int, int]:
    """Both axes of a size: 3 means (3, 3)."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def corr2d(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Slide a kernel over one image, without padding: what networks call convolution (the kernel is not flipped).

    Args:
        x: image, shape (H, W).
        k: kernel, shape (kh, kw), no larger than the image.

    Returns:
        Array of shape (H - kh + 1, W - kw + 1): out[i, j] = sum over m, n of x[i + m, j + n] * k[m, n].

    Example:
        The lecture's image [[0, 1, 2], [3, 4, 5], [6, 7, 8]] and kernel [[0, 1], [2, 3]] give [[19, 25], [37, 43]];
        the first entry is 0*0 + 1*1 + 3*2 + 4*3 = 19.
    """
    # Your code here.
    raise NotImplementedError("conv.corr2d")


def conv2d_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, *, stride: Size = 1, padding: Size = 0
) -> tuple[np.ndarray, Any]:
    """Convolution layer: every output channel adds up the correlations of all input channels with kernels of its own.

    Args:
        x: images, shape (N, C_in, H, W); N may be 0.
        w: kernels, shape (C_out, C_in, kh, kw).
        b: one number per output channel, shape (C_out,), or None for no bias.
        stride: step between windows, int or (down, across).
        padding: zeros on both sides of an axis, int or (rows, columns).

    Returns:
        (out, cache): out has shape (N, C_out, H_out, W_out); the cache is whatever your backward needs.

    Example:
        A 1x1x3x3 image 0..8 and a 1x1x2x2 kernel 0..3 give [[19, 25], [37, 43]] with stride 1 and [[19]] with stride 2.
    """
    # Your code here.
    raise NotImplementedError("conv.conv2d")


def conv2d_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Gradients of a scalar loss through `conv2d_forward`.

    Args:
        dout: gradient of the loss in the layer's output, shape (N, C_out, H_out, W_out).
        cache: what `conv2d_forward` returned.

    Returns:
        (dx, dw, db): shapes of x, w and b. Entries of x that no window reads get exactly 0; db is None without a bias.
    """
    # Your code here.
    raise NotImplementedError("conv.conv2d")


def max_pool2d_forward(x: np.ndarray, *, kernel: Size, stride: Size | None = None) -> tuple[np.ndarray, Any]:
    """The largest entry of every window, each channel by itself, without padding.

    Args:
        x: shape (N, C, H, W).
        kernel: size of a window, int or (h, w).
        stride: step between windows; None means the kernel, so that windows neither overlap nor leave gaps.

    Returns:
        (out, cache): out has shape (N, C, H_out, W_out). Rows and columns that do not fill a window are left out.

    Example:
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]] with kernel 2 gives [[5]], and with stride 1 [[5, 6], [8, 9]].
    """
    # Your code here.
    raise NotImplementedError("conv.max_pool2d")


def max_pool2d_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Gradient through `max_pool2d_forward`: only the largest entry of a window gets the window's gradient.

    Where several entries of a window are the largest, the gradient may go to any one of them or be split among
    them; the shares of a window add up to its entry of dout. An entry that wins several windows gets the sum.

    Args:
        dout: shape (N, C, H_out, W_out).
        cache: what `max_pool2d_forward` returned.

    Returns:
        dx, shape (N, C, H, W).
    """
    # Your code here.
    raise NotImplementedError("conv.max_pool2d")


def avg_pool2d_forward(x: np.ndarray, *, kernel: Size, stride: Size | None = None) -> tuple[np.ndarray, Any]:
    """The mean of every window, each channel by itself, without padding.

    Args:
        x: shape (N, C, H, W).
        kernel: size of a window, int or (h, w).
        stride: step between windows; None means the kernel.

    Returns:
        (out, cache): out has shape (N, C, H_out, W_out). Rows and columns that do not fill a window are left out.

    Example:
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]] with kernel 2 gives [[3]], and with stride 1 [[3, 4], [6, 7]].
    """
    # Your code here.
    raise NotImplementedError("conv.avg_pool2d")


def avg_pool2d_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Gradient through `avg_pool2d_forward`: every entry of a window gets an equal share of the window's gradient.

    Args:
        dout: shape (N, C, H_out, W_out).
        cache: what `avg_pool2d_forward` returned.

    Returns:
        dx, shape (N, C, H, W). An entry that several windows read gets the sum of its shares.
    """
    # Your code here.
    raise NotImplementedError("conv.avg_pool2d")


def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Cross-entropy of softmax(logits) against the labels, averaged over the rows, and its gradient.

    Args:
        logits: shape (N, C), of any magnitude: 1e4 must not overflow.
        labels: the right class of each row, int in 0..C-1, shape (N,).

    Returns:
        (loss, dlogits): loss is a number, the mean over rows of -log softmax(logits)[label], natural logarithm;
        dlogits has shape (N, C) and is the gradient of that mean.

    Example:
        All logits 0 and C classes: every class has probability 1/C, so the loss is ln C.
    """
    # Your code here.
    raise NotImplementedError("conv.softmax_cross_entropy")


def conv_output_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Number of window positions along one axis.

    Args:
        n: entries along the axis.
        kernel: entries of a window.
        stride: step between windows.
        padding: zeros added on *each* side.

    Returns:
        floor((n + 2 * padding - kernel) / stride) + 1, an int.

    Example:
        A 3x3 image and a 2x2 kernel: conv_output_size(3, 2) = 2.
    """
    # Your code here.
    raise NotImplementedError("conv.sizes")


def conv_params(c_in: int, c_out: int, kernel: Size, bias: bool = True) -> int:
    """Number of learnable parameters of a convolution layer; the image's size plays no part.

    Args:
        c_in: input channels.
        c_out: output channels, that is filters.
        kernel: int or (h, w).
        bias: whether each filter has a bias.

    Example:
        One 2x2 filter on one channel: conv_params(1, 1, 2) = 4 weights + 1 bias = 5.
    """
    # Your code here.
    raise NotImplementedError("conv.sizes")


def fc_params(n_in: int, n_out: int, bias: bool = True) -> int:
    """Number of learnable parameters of a fully connected layer.

    Args:
        n_in: inputs of the layer.
        n_out: neurons.
        bias: whether each neuron has a bias.

    Example:
        The lecture's photograph of 36 million numbers and 100 neurons, no bias: 3.6 billion weights.
    """
    # Your code here.
    raise NotImplementedError("conv.sizes")


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """How many input entries along one axis can reach one entry of the last layer's output.

    Args:
        layers: (kernel, stride) of each convolution or pooling layer, the first one first.

    Returns:
        An int; 1 without layers, since an input entry sees itself.

    Example:
        Two 3-wide layers with stride 1: an output sees 3 entries in between, and those see 5 of the input.
    """
    # Your code here.
    raise NotImplementedError("conv.sizes")


def pmf_convolve(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Distribution of X + Y for independent X and Y on 0, 1, 2, ...

    Args:
        p: p[i] = P(X = i), shape (a,), a >= 1.
        q: q[j] = P(Y = j), shape (b,), b >= 1.

    Returns:
        Array of shape (a + b - 1,): entry z is P(X + Y = z) = sum over i of p[i] * q[z - i].

    Example:
        Two fair coins, p = q = [1/2, 1/2], give [1/4, 1/2, 1/4].
    """
    # Your code here.
    raise NotImplementedError("conv.probability")


def log_conv2d(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Correlation of probabilities that are given, and returned, as logarithms.

    Args:
        x: log-probabilities, shape (H, W). Entries of -1000 and less must not vanish in exp; -inf means probability 0.
        k: log-probabilities, shape (kh, kw), -inf allowed.

    Returns:
        Array of shape (H - kh + 1, W - kw + 1): out[i, j] = log of the sum over m, n of exp(x[i + m, j + n] + k[m, n]);
        -inf (never NaN) where every term is -inf.

    Example:
        All entries 0 (probability 1) and a 2x2 kernel: every output is log 4.
    """
    # Your code here.
    raise NotImplementedError("conv.probability")


def conv2d_fast(
    x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None, *, stride: Size = 1, padding: Size = 0
) -> torch.Tensor:
    """The convolution layer as few large tensor operations, differentiable by autograd.

    Not allowed: any convolution or transposed convolution of the library, forward or backward. The number of
    operations may depend on kh and kw, but not on N, C_in, C_out, H or W.

    Args:
        x: images, shape (N, C_in, H, W); N may be 0.
        w: kernels, shape (C_out, C_in, kh, kw).
        b: shape (C_out,), or None.
        stride: int or (down, across).
        padding: int or (rows, columns).

    Returns:
        Tensor of shape (N, C_out, H_out, W_out), on the device and with the dtype of x.
    """
    # Your code here.
    raise NotImplementedError("conv.conv2d_fast")


def build_cnn(name: str) -> nn.Module:
    """One of the networks that made convolution win, built from the layers of `torch.nn`; every layer has a bias.

    * "lenet": images (N, 1, 28, 28), 10 classes. 5x5 convolutions to 6 channels (padding 2) and 16 (no padding), each
      followed by a non-linearity and 2x2 pooling; then fully connected layers of 120, 84 and 10. 61,706 parameters.
    * "alexnet": images (N, 3, 224, 224), 1000 classes, one tower. Convolutions to 64 channels (11x11, stride 4,
      padding 2), 192 (5x5, padding 2), 384, 256 and 256 (3x3, padding 1); 3x3 max pooling with stride 2 after the
      first, second and fifth; then fully connected layers of 4096, 4096 and 1000. 61,100,840 parameters.
    * "vgg16", "vgg19": images (N, 3, 224, 224), 1000 classes. Five stages of 3x3 convolutions (padding 1) that are 64,
      128, 256, 512 and 512 channels wide, 2x2 max pooling after each; 2, 2, 3, 3, 3 convolutions in the stages of
      vgg16 and 2, 2, 4, 4, 4 in those of vgg19; then 4096, 4096 and 1000. 138,357,544 and 143,667,240 parameters.

    ReLU follows every layer but the last (in LeNet another non-linearity will do); the outputs are logits. Dropout
    between fully connected layers is customary, and free. Make the layers without naming a device: the three large
    networks are checked on torch's "meta" device, where numbers take no memory.

    Args:
        name: "lenet", "alexnet", "vgg16" or "vgg19".

    Raises:
        ValueError: there is no network of that name.
    """
    # Your code here.
    raise NotImplementedError("conv.cnn")
