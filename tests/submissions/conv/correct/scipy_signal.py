"""SciPy does the sliding: correlate and convolve channel by channel, maximum filters for pooling."""

from itertools import pairwise

import numpy as np
import torch.nn.functional as F
from scipy import ndimage, signal, special
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def as_pair(size):
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def corr2d(x, k):
    return signal.correlate2d(x, k, mode="valid")


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    rows, columns = padded.shape[2] - w.shape[2] + 1, padded.shape[3] - w.shape[3] + 1
    every = np.zeros((len(x), len(w), rows, columns), x.dtype)
    for n, image in enumerate(padded):
        for o, kernels in enumerate(w):
            for channel, k in zip(image, kernels, strict=True):
                every[n, o] += signal.correlate2d(channel, k, mode="valid")
            if b is not None:
                every[n, o] += b[o]
    return every[:, :, ::sh, ::sw], (padded, w, b, (sh, sw), (ph, pw), every.shape)


def conv2d_backward(dout, cache):
    """The gradient of a correlation is a full convolution of dout, with zeros in between where there is a stride."""
    padded, w, b, (sh, sw), (ph, pw), shape = cache
    every = np.zeros(shape, dout.dtype)
    every[:, :, ::sh, ::sw] = dout
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for n, image in enumerate(padded):
        for o, kernels in enumerate(w):
            for c, channel in enumerate(image):
                dpadded[n, c] += signal.convolve2d(every[n, o], kernels[c], mode="full")
                dw[o, c] += signal.correlate2d(channel, every[n, o], mode="valid")
    dx = dpadded[:, :, ph : padded.shape[2] - ph, pw : padded.shape[3] - pw]
    return dx, dw, None if b is None else dout.sum(axis=(0, 2, 3))


def centred(kernel):
    """Shift of ndimage's window so that it begins at its entry."""
    return tuple(-(size // 2) for size in kernel)


def max_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    filtered = ndimage.maximum_filter(x, size=(1, 1, kh, kw), origin=(0, 0, *centred((kh, kw))))
    out = filtered[:, :, : x.shape[2] - kh + 1 : sh, : x.shape[3] - kw + 1 : sw]
    return out, (x, out, (kh, kw), (sh, sw))


def max_pool2d_backward(dout, cache):
    """Ties share."""
    x, out, (kh, kw), (sh, sw) = cache
    down, across = sh * out.shape[2], sw * out.shape[3]
    taps = [np.s_[:, :, m : m + down : sh, n : n + across : sw] for m in range(kh) for n in range(kw)]
    winners = sum((x[tap] == out).astype(x.dtype) for tap in taps)
    dx = np.zeros_like(x)
    for tap in taps:
        dx[tap] += np.where(x[tap] == out, dout / winners, 0)
    return dx


def avg_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    box = np.full((1, 1, kh, kw), 1 / (kh * kw), x.dtype)
    return signal.correlate(x, box, mode="valid", method="direct")[:, :, ::sh, ::sw], (x.shape, box, (sh, sw))


def avg_pool2d_backward(dout, cache):
    shape, box, (sh, sw) = cache
    every = np.zeros((*shape[:2], shape[2] - box.shape[2] + 1, shape[3] - box.shape[3] + 1), dout.dtype)
    every[:, :, ::sh, ::sw] = dout
    return signal.convolve(every, box, mode="full", method="direct")


def softmax_cross_entropy(logits, labels):
    rows = np.arange(len(labels))
    loss = (special.logsumexp(logits, axis=1) - logits[rows, labels]).mean()
    dlogits = special.softmax(logits, axis=1)
    np.subtract.at(dlogits, (rows, labels), 1)
    dlogits /= len(labels)
    return loss, dlogits


def conv_output_size(n, kernel, stride=1, padding=0):
    return len(np.arange(n + 2 * padding)[: n + 2 * padding - kernel + 1 : stride])


def conv_params(c_in, c_out, kernel, bias=True):
    return np.empty((c_out, c_in, *as_pair(kernel)), np.int8).size + np.empty(c_out).size * bool(bias)


def fc_params(n_in, n_out, bias=True):
    return sum([n_in + bool(bias)] * n_out)


def receptive_field(layers):
    """All the layers as one: its kernel is the composition of theirs."""
    kernel, stride = 1, 1
    for next_kernel, next_stride in layers:
        kernel, stride = kernel + stride * (next_kernel - 1), stride * next_stride
    return kernel


def pmf_convolve(p, q):
    return signal.convolve(p, q, method="direct")


def log_conv2d(x, k):
    """The image is folded into columns of windows, and one logsumexp reduces them."""
    (kh, kw), (rows, columns) = k.shape, (x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1)
    stack = np.array([[x[m : m + rows, n : n + columns] + k[m, n] for n in range(kw)] for m in range(kh)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return special.logsumexp(stack.reshape(kh * kw, rows, columns), axis=0)


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    (kh, kw), stride, padding = w.shape[2:], as_pair(stride), as_pair(padding)
    columns = F.unfold(x, (kh, kw), stride=stride, padding=padding).transpose(1, 2)
    out = F.linear(columns, w.reshape(len(w), -1), b).transpose(1, 2)
    rows = (x.shape[2] + 2 * padding[0] - kh) // stride[0] + 1
    return F.fold(out, (rows, (x.shape[3] + 2 * padding[1] - kw) // stride[1] + 1), (1, 1))


class Block(nn.Sequential):
    def __init__(self, c_in, c_out, kernel, *pool, stride=1, padding=0):
        super().__init__(nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=padding), nn.ReLU(), *pool)


class Classifier(nn.Sequential):
    def __init__(self, *widths):
        layers = [nn.Flatten()]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        super().__init__(*layers[:-1])


def build_cnn(name):
    if name == "lenet":
        pool = nn.MaxPool2d(2)
        return nn.Sequential(
            Block(1, 6, 5, pool, padding=2), Block(6, 16, 5, pool), Classifier(16 * 5 * 5, 120, 84, 10)
        )
    if name == "alexnet":
        pool = nn.MaxPool2d(3, 2)
        return nn.Sequential(
            Block(3, 64, 11, pool, stride=4, padding=2),
            Block(64, 192, 5, pool, padding=2),
            Block(192, 384, 3, padding=1),
            Block(384, 256, 3, padding=1),
            Block(256, 256, 3, pool, padding=1),
            Classifier(256 * 6 * 6, 4096, 4096, 1000),
        )
    extra = 1 if name == "vgg16" else 2
    widths = [3, 64, 64, 128, 128, 256, 256, *[256] * extra, 512, 512, *[512] * extra, 512, 512, *[512] * extra]
    ends = {2, 4, 6 + extra, 8 + 2 * extra, 10 + 3 * extra}
    blocks = [
        Block(before, width, 3, *([nn.MaxPool2d(2)] if position in ends else []), padding=1)
        for position, (before, width) in enumerate(pairwise(widths), start=1)
    ]
    return nn.Sequential(*blocks, Classifier(512 * 7 * 7, 4096, 4096, 1000))
