"""Object-oriented: layers as classes with their state, caches as instances, array subclasses, parametrised pools."""

import math
from collections import Counter
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


class Sizes(tuple):
    def __new__(cls, size):
        return super().__new__(cls, (size, size) if isinstance(size, int) else size)


class Named(np.ndarray):
    """An array that knows what it is; the same numbers as any other."""

    label = ""


def named(array, label):
    result = np.asarray(array).view(Named)
    result.label = label
    return result


class Windowed:
    """Reads windows of the last two axes, and adds windows up again at the places they came from."""

    def __init__(self, shape, kernel, stride):
        self.shape, self.kernel, self.stride = shape, Sizes(kernel), Sizes(stride)
        sizes = zip(shape[-2:], self.kernel, self.stride, strict=True)
        self.out = tuple((n - k) // s + 1 for n, k, s in sizes)
        rows, columns = (
            np.add.outer(np.arange(count) * step, np.arange(k))
            for count, step, k in zip(self.out, self.stride, self.kernel, strict=True)
        )
        self.at = rows[:, None, :, None], columns[None, :, None, :]  # (ho, wo, kh, kw)

    def read(self, x):
        return x[..., self.at[0], self.at[1]]

    def add(self, windows):
        """By counting: every entry's position is a bin, its value a weight."""
        leading = math.prod(self.shape[:-2])
        cells = self.shape[-2] * self.shape[-1]
        place = np.broadcast_to(self.at[0] * self.shape[-1] + self.at[1], windows.shape[-4:]).reshape(1, -1)
        bins = (place + cells * np.arange(leading)[:, None]).ravel()
        total = np.bincount(bins, np.ascontiguousarray(windows).ravel(), leading * cells)
        return total.reshape(self.shape).astype(windows.dtype)


class Convolution:
    def __init__(self, w, b, stride, padding):
        self.w, self.b, self.stride, self.padding = w, b, Sizes(stride), Sizes(padding)

    def __call__(self, x):
        (ph, pw), (n, c, h, w) = self.padding, x.shape
        self.crop = np.s_[:, :, ph : ph + h, pw : pw + w]
        padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), x.dtype)
        padded[self.crop] = x
        self.reader = Windowed(padded.shape, self.w.shape[2:], self.stride)
        self.windows = self.reader.read(padded)
        out = np.einsum("ncijmk,ocmk->noij", self.windows, self.w)
        return out if self.b is None else out + np.reshape(self.b, (-1, 1, 1))

    def backward(self, dout):
        dw = np.einsum("ncijmk,noij->ocmk", self.windows, dout)
        dpadded = self.reader.add(np.einsum("noij,ocmk->ncijmk", dout, self.w))
        return dpadded[self.crop], dw, None if self.b is None else np.einsum("noij->o", dout)


class Pool:
    def __init__(self, kernel, stride):
        self.kernel, self.stride = Sizes(kernel), Sizes(kernel if stride is None else stride)

    def __call__(self, x):
        self.reader = Windowed(x.shape, self.kernel, self.stride)
        return self.reduce(self.reader.read(x))

    def backward(self, dout):
        return self.reader.add(dout[..., None, None] * self.weights)


class MaxPool(Pool):
    def reduce(self, windows):
        """First by row, then by column: the first largest entry in that order wins."""
        flat = windows.reshape(*windows.shape[:-2], math.prod(self.kernel))
        order = np.argsort(-flat, axis=-1, kind="stable")[..., :1]
        weights = np.zeros_like(flat)
        np.put_along_axis(weights, order, 1, axis=-1)
        self.weights = weights.reshape(windows.shape)
        return np.take_along_axis(flat, order, axis=-1).squeeze(-1)


class AvgPool(Pool):
    def reduce(self, windows):
        self.weights = np.full_like(windows, 1 / math.prod(self.kernel))
        return (windows * self.weights).sum(axis=(-2, -1))


def corr2d(x, k):
    return named(Convolution(k[None, None], None, 1, 0)(x[None, None])[0, 0], "corr2d")


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    layer = Convolution(w, b, stride, padding)
    return layer(x), layer


def conv2d_backward(dout, cache):
    return cache.backward(dout)


def max_pool2d_forward(x, *, kernel, stride=None):
    layer = MaxPool(kernel, stride)
    return layer(x), layer


def max_pool2d_backward(dout, cache):
    return named(cache.backward(dout), "dx")


def avg_pool2d_forward(x, *, kernel, stride=None):
    layer = AvgPool(kernel, stride)
    return layer(x), layer


def avg_pool2d_backward(dout, cache):
    return cache.backward(dout)


def softmax_cross_entropy(logits, labels):
    """Softmax by halves: exp(z / 2 - top / 2) squared has twice the range before it underflows."""
    top = logits.max(axis=-1, keepdims=True)
    roots = np.exp((logits - top) / 2)
    total = np.square(roots).sum(axis=-1, keepdims=True)
    chosen = logits[np.arange(len(labels)), labels][:, None]
    gradient = np.square(roots) / total
    gradient[np.arange(len(labels)), labels] -= 1
    return named(np.mean(np.log(total) + top - chosen), "loss"), gradient / len(labels)


def conv_output_size(n, kernel, stride=1, padding=0):
    quotient, _ = divmod(n + 2 * padding - kernel, stride)
    return quotient + 1


class Layer(Counter):
    """Parameters by kind."""


def conv_params(c_in, c_out, kernel, bias=True):
    return Layer(weights=c_in * c_out * math.prod(Sizes(kernel)), biases=c_out if bias else 0).total()


def fc_params(n_in, n_out, bias=True):
    return Layer(weights=n_in * n_out, biases=n_out if bias else 0).total()


def receptive_field(layers):
    low, high = 0, 0
    for kernel, stride in layers[::-1]:
        low, high = low * stride, high * stride + (kernel - 1)
    return 1 + high - low


def pmf_convolve(p, q):
    return np.polynomial.polynomial.polymul(p, q) if p[-1] and q[-1] else np.convolve(p, q)


def log_conv2d(x, k):
    terms = Windowed(x.shape, k.shape, 1).read(x) + k
    top = np.max(terms, axis=(2, 3), keepdims=True)
    shifted = np.subtract(terms, top, out=np.full_like(terms, -np.inf), where=np.isfinite(terms))
    with np.errstate(divide="ignore"):
        return np.log(np.exp(shifted).sum(axis=(2, 3))) + top[:, :, 0, 0]


class FastConvolution(nn.Module):
    def __init__(self, stride, padding):
        super().__init__()
        self.stride, self.padding = Sizes(stride), Sizes(padding)

    def forward(self, x, w, b):
        (ph, pw), (sh, sw) = self.padding, self.stride
        kh, kw = w.shape[2:]
        x = F.pad(x, (pw, pw, ph, ph)).movedim(1, -1)  # channels last
        rows, columns = (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1
        bands = [x[:, m : m + sh * (rows - 1) + 1 : sh].unfold(2, kw, sw) for m in range(kh)]  # one for each kernel row
        stacked = torch.stack(bands, dim=-2)  # n, ho, wo, c, kh, kw
        out = stacked.reshape(len(x), rows * columns, w[0].numel()) @ w.flatten(1).T
        out = out if b is None else out + b
        return out.movedim(2, 1).reshape(len(x), len(w), rows, columns)


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    return FastConvolution(stride, padding)(x, w, b)


class LeNet(nn.Module):
    plan: ClassVar = {"c1": (1, 6, 5), "c3": (6, 16, 5), "c5": (16, 120, 5)}

    def __init__(self):
        super().__init__()
        for name, (c_in, c_out, kernel) in self.plan.items():
            setattr(self, name, nn.Conv2d(c_in, c_out, kernel, padding=2 if name == "c1" else 0))
        self.f6, self.out = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(F.elu(self.c1(x)), 2)
        x = F.avg_pool2d(F.elu(self.c3(x)), 2)
        return self.out(F.elu(self.f6(F.elu(self.c5(x)).flatten(1))))


class ImageNetwork(nn.Module):
    def __init__(self, features, size):
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(size)
        layers = [nn.Dropout(), nn.Linear(256 * 36 if size == 6 else 512 * 49, 4096), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000)]
        self.classifier = nn.Sequential(*layers)

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class AlexNet(ImageNetwork):
    def __init__(self):
        layers = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
        layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
        for c_in, c_out in ((192, 384), (384, 256), (256, 256)):
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(inplace=True)]
        super().__init__([*layers, nn.MaxPool2d(3, 2)], 6)


class VGG(ImageNetwork):
    repeats: ClassVar = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

    def __init__(self, depth):
        layers, channels = [], 3
        for stage, repeat in enumerate(self.repeats[depth]):
            for _ in range(repeat):
                layers += [nn.Conv2d(channels, min(64 << stage, 512), 3, padding=1), nn.ReLU(inplace=True)]
                channels = min(64 << stage, 512)
            layers.append(nn.MaxPool2d(2, 2))
        super().__init__(layers, 7)


def build_cnn(name):
    return {"lenet": LeNet, "alexnet": AlexNet, "vgg16": lambda: VGG(16), "vgg19": lambda: VGG(19)}[name]()
