"""One large operation for each entry of the kernel: shift, weigh, add. Channels last inside, and no windows at all."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def as_pair(size):
    return (size, size) if isinstance(size, int) else (size[0], size[1])


@dataclass(frozen=True)
class Taps:
    """Where each entry of a kernel meets an image."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    rows: int
    columns: int

    @classmethod
    def over(cls, size, kernel, stride):
        rows, columns = ((n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True))
        return cls(tuple(kernel), stride, rows, columns)

    def __iter__(self):
        for m in range(self.kernel[0]):
            for n in range(self.kernel[1]):
                yield (m, n), (self.span(0, m, self.rows), self.span(1, n, self.columns))

    def span(self, axis, start, count):
        return slice(start, start + self.stride[axis] * count, self.stride[axis])


def corr2d(x, k):
    out = 0
    for (m, n), (down, across) in Taps.over(x.shape, k.shape, (1, 1)):
        out = out + k[m, n] * x[down, across]
    return out


@dataclass
class ConvCache:
    padded: np.ndarray
    w: np.ndarray
    has_bias: bool
    taps: Taps
    inside: tuple[slice, slice]


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    (ph, pw), (n, _, height, width) = as_pair(padding), x.shape
    inside = slice(ph, ph + height), slice(pw, pw + width)
    padded = np.zeros((n, height + 2 * ph, width + 2 * pw, x.shape[1]), x.dtype)
    padded[:, inside[0], inside[1]] = x.transpose(0, 2, 3, 1)
    taps = Taps.over(padded.shape[1:3], w.shape[2:], as_pair(stride))
    out = np.zeros((n, taps.rows, taps.columns, len(w)), x.dtype)
    if b is not None:
        out[...] = b
    for (m, k), (down, across) in taps:
        out += padded[:, down, across] @ w[:, :, m, k].T
    return out.transpose(0, 3, 1, 2), ConvCache(padded, w, b is not None, taps, inside)


def conv2d_backward(dout, cache):
    dout = dout.transpose(0, 2, 3, 1)
    dpadded, dw = np.zeros_like(cache.padded), np.empty_like(cache.w)
    for (m, k), (down, across) in cache.taps:
        seen = cache.padded[:, down, across]
        dw[:, :, m, k] = np.einsum("nijo,nijc->oc", dout, seen)
        dpadded[:, down, across] += dout @ cache.w[:, :, m, k]
    dx = dpadded[:, cache.inside[0], cache.inside[1]].transpose(0, 3, 1, 2)
    return dx, dw, dout.sum(axis=0).sum(axis=0).sum(axis=0) if cache.has_bias else None


def max_pool2d_forward(x, *, kernel, stride=None):
    """A running maximum; the cache keeps the flat position in x of every winner (the last among equals)."""
    taps = Taps.over(x.shape[2:], as_pair(kernel), as_pair(kernel if stride is None else stride))
    positions = np.arange(x.size).reshape(x.shape)
    best = np.full((*x.shape[:2], taps.rows, taps.columns), -np.inf, x.dtype)
    where = np.zeros(best.shape, int)
    for _, (down, across) in taps:
        candidate = x[:, :, down, across]
        where = np.where(candidate >= best, positions[:, :, down, across], where)
        best = np.maximum(candidate, best)
    return best, (x.shape, where)


def max_pool2d_backward(dout, cache):
    shape, where = cache
    dx = np.zeros(int(np.prod(shape)), dout.dtype)
    np.add.at(dx, where.reshape(-1), dout.reshape(-1))
    return dx.reshape(shape)


def avg_pool2d_forward(x, *, kernel, stride=None):
    taps = Taps.over(x.shape[2:], as_pair(kernel), as_pair(kernel if stride is None else stride))
    total = sum(x[:, :, down, across] for _, (down, across) in taps)
    return total / (taps.kernel[0] * taps.kernel[1]), (x.shape, taps)


def avg_pool2d_backward(dout, cache):
    shape, taps = cache
    dx = np.zeros(shape, dout.dtype)
    for _, (down, across) in taps:
        dx[:, :, down, across] += dout
    dx /= taps.kernel[0] * taps.kernel[1]
    return dx


def softmax_cross_entropy(logits, labels):
    """By differences to the right class: loss = log of sum exp(z_c - z_label), computed like softplus."""
    gaps = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    top = np.maximum(gaps.max(axis=1, keepdims=True), 0)
    total = np.exp(gaps - top).sum(axis=1, keepdims=True)
    losses = top + np.log(total)
    dlogits = np.exp(gaps - losses)
    dlogits[np.arange(len(labels)), labels] -= 1
    return losses.mean(), dlogits / len(labels)


def conv_output_size(n, kernel, stride=1, padding=0):
    windows, end = 0, kernel
    while end <= n + 2 * padding:
        windows, end = windows + 1, end + stride
    return windows


def conv_params(c_in, c_out, kernel, bias=True):
    kh, kw = as_pair(kernel)
    per_filter = kh * kw * c_in + (1 if bias else 0)
    return per_filter * c_out


def fc_params(n_in, n_out, bias=True):
    return n_in * n_out + (n_out if bias else 0)


def receptive_field(layers):
    reach = {0}
    for kernel, stride in reversed(layers):
        reach = {stride * entry + offset for entry in reach for offset in range(kernel)}
    return max(reach) - min(reach) + 1


def pmf_convolve(p, q):
    padded = np.concatenate([np.zeros(len(q) - 1, p.dtype), p, np.zeros(len(q) - 1, p.dtype)])
    return np.lib.stride_tricks.sliding_window_view(padded, len(q)) @ q[::-1]


def log_conv2d(x, k):
    """Two passes over the kernel: the largest term, then the sum relative to it."""
    taps = Taps.over(x.shape, k.shape, (1, 1))
    top = np.maximum.reduce([x[down, across] + k[m, n] for (m, n), (down, across) in taps])
    possible = np.isfinite(top)
    base, total = np.where(possible, top, 0), np.zeros_like(top)
    for (m, n), (down, across) in taps:
        total += np.exp(x[down, across] + k[m, n] - base)
    return np.where(possible, base + np.log(np.where(possible, total, 1)), -np.inf).astype(x.dtype)


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    """A strided view of the image, one matrix product."""
    (sh, sw), (ph, pw), (o, c, kh, kw) = as_pair(stride), as_pair(padding), w.shape
    x = nn.functional.pad(x, (pw, pw, ph, ph)).contiguous()
    rows, columns = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    a, d, e, f = x.stride()
    windows = x.as_strided((len(x), rows, columns, c, kh, kw), (a, e * sh, f * sw, d, e, f))
    out = windows.reshape(len(x) * rows * columns, c * kh * kw) @ w.reshape(o, c * kh * kw).T
    if b is not None:
        out = out + b
    return out.view(len(x), rows, columns, o).movedim(3, 1)


class Flat(nn.Module):
    def forward(self, x):
        return torch.flatten(x, start_dim=1)


def units(*modules):
    for module in modules:
        yield module
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield nn.ReLU()


def build_cnn(name):
    makers = {"lenet": lenet, "alexnet": alexnet, "vgg16": lambda: vgg(3), "vgg19": lambda: vgg(4)}
    return nn.Sequential(*makers[name]())


def lenet():
    half = nn.MaxPool2d(2)
    yield from units(nn.Conv2d(1, 6, 5, padding=2), half, nn.Conv2d(6, 16, 5), half, Flat(), nn.Linear(400, 120))
    yield from (nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def alexnet():
    pool = nn.MaxPool2d(kernel_size=3, stride=2)
    yield from units(nn.Conv2d(3, 64, 11, stride=4, padding=2), pool, nn.Conv2d(64, 192, 5, padding=2), pool)
    yield from units(nn.Conv2d(192, 384, 3, padding=1), nn.Conv2d(384, 256, 3, padding=1))
    yield from units(nn.Conv2d(256, 256, 3, padding=1), pool, Flat(), nn.Linear(9216, 4096), nn.Linear(4096, 4096))
    yield nn.Linear(4096, 1000)


def vgg(deep):
    before = 3
    for width, convs in ((64, 2), (128, 2), (256, deep), (512, deep), (512, deep)):
        for _ in range(convs):
            yield from units(nn.Conv2d(before, width, 3, padding=1))
            before = width
        yield nn.MaxPool2d(2)
    yield from units(Flat(), nn.Linear(25088, 4096), nn.Linear(4096, 4096))
    yield nn.Linear(4096, 1000)
