"""Everything right, nothing vectorised: conv2d_fast is a loop over pixels and will not keep up."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def two(size):
    return (size, size) if np.isscalar(size) else (int(size[0]), int(size[1]))


def corr2d(x, k):
    kh, kw = k.shape
    rows = range(x.shape[0] - kh + 1)
    columns = range(x.shape[1] - kw + 1)
    return np.array([[np.vdot(x[i : i + kh, j : j + kw], k) for j in columns] for i in rows])


def places(height, width, kernel, stride):
    """Every output position with the slices of its window."""
    for i in range((height - kernel[0]) // stride[0] + 1):
        for j in range((width - kernel[1]) // stride[1] + 1):
            top, left = i * stride[0], j * stride[1]
            yield (i, j), (slice(top, top + kernel[0]), slice(left, left + kernel[1]))


def size_of(height, width, kernel, stride):
    return (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    stride, (ph, pw), kernel = two(stride), two(padding), w.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    out = np.empty((len(x), len(w), *size_of(*padded.shape[2:], kernel, stride)), x.dtype)
    for (i, j), (rows, columns) in places(*padded.shape[2:], kernel, stride):
        window = padded[:, :, rows, columns]
        for o in range(len(w)):
            out[:, o, i, j] = (window * w[o]).sum(axis=(1, 2, 3)) + (0 if b is None else b[o])
    return out, (padded, w, b is not None, stride, (ph, pw), x.shape)


def conv2d_backward(dout, cache):
    padded, w, has_bias, stride, (ph, pw), shape = cache
    dpadded, dw = np.zeros(padded.shape, dout.dtype), np.zeros(w.shape, w.dtype)
    for (i, j), (rows, columns) in places(*padded.shape[2:], w.shape[2:], stride):
        for o in range(len(w)):
            upstream = dout[:, o, i, j][:, None, None, None]
            dw[o] += (upstream * padded[:, :, rows, columns]).sum(axis=0)
            dpadded[:, :, rows, columns] += upstream * w[o]
    db = np.array([dout[:, o].sum() for o in range(len(w))], dout.dtype) if has_bias else None
    return dpadded[:, :, ph : ph + shape[2], pw : pw + shape[3]].copy(), dw, db


def max_pool2d_forward(x, *, kernel, stride=None):
    kernel, stride = two(kernel), two(kernel if stride is None else stride)
    out = np.empty((*x.shape[:2], *size_of(*x.shape[2:], kernel, stride)), x.dtype)
    for (i, j), (rows, columns) in places(*x.shape[2:], kernel, stride):
        out[:, :, i, j] = np.amax(x[:, :, rows, columns], axis=(2, 3))
    return out, (x.copy(), kernel, stride)


def max_pool2d_backward(dout, cache):
    """A tie goes to the last of the largest."""
    x, kernel, stride = cache
    dx = np.zeros(x.shape, dout.dtype)
    for (i, j), (rows, columns) in places(*x.shape[2:], kernel, stride):
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                window = x[n, c, rows, columns]
                last = window.size - 1 - window[::-1, ::-1].argmax()
                m, k = divmod(int(last), kernel[1])
                dx[n, c, rows.start + m, columns.start + k] += dout[n, c, i, j]
    return dx


def avg_pool2d_forward(x, *, kernel, stride=None):
    kernel, stride = two(kernel), two(kernel if stride is None else stride)
    out = np.empty((*x.shape[:2], *size_of(*x.shape[2:], kernel, stride)), x.dtype)
    for (i, j), (rows, columns) in places(*x.shape[2:], kernel, stride):
        out[:, :, i, j] = x[:, :, rows, columns].sum(axis=(2, 3)) / (kernel[0] * kernel[1])
    return out, (x.shape, kernel, stride)


def avg_pool2d_backward(dout, cache):
    shape, kernel, stride = cache
    dx = np.zeros(shape, dout.dtype)
    for (i, j), (rows, columns) in places(*shape[2:], kernel, stride):
        dx[:, :, rows, columns] += dout[:, :, i : i + 1, j : j + 1] / (kernel[0] * kernel[1])
    return dx


def softmax_cross_entropy(logits, labels):
    loss, gradient = 0.0, np.zeros_like(logits)
    for n, (row, label) in enumerate(zip(logits, labels, strict=True)):
        top = row.max()
        normaliser = top + np.log(np.exp(row - top).sum())
        loss += (normaliser - row[label]) / len(logits)
        gradient[n] = np.exp(row - normaliser) / len(logits)
        gradient[n, label] -= 1 / len(logits)
    return loss, gradient


def conv_output_size(n, kernel, stride=1, padding=0):
    return len(range(0, n + 2 * padding - kernel + 1, stride))


def conv_params(c_in, c_out, kernel, bias=True):
    return math.prod((c_in, c_out, *two(kernel))) + c_out * bool(bias)


def fc_params(n_in, n_out, bias=True):
    return n_in * n_out + n_out * bool(bias)


def receptive_field(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return (receptive_field(rest) - 1) * stride + kernel


def pmf_convolve(p, q):
    out = np.zeros(len(p) + len(q) - 1, p.dtype)
    for i in range(len(p)):
        for j in range(len(q)):
            out[i + j] += p[i] * q[j]
    return out


def log_conv2d(x, k):
    kh, kw = k.shape
    out = np.full((x.shape[0] - kh + 1, x.shape[1] - kw + 1), -np.inf, x.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            terms = [x[i + m, j + n] + k[m, n] for m in range(kh) for n in range(kw)]
            top = max(terms)
            if top > -np.inf:
                out[i, j] = top + math.log(sum(math.exp(term - top) for term in terms))
    return out


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    """Right, and slow: a handful of tiny operations for every pixel of every channel of every image."""
    (sh, sw), (ph, pw), (kh, kw) = two(stride), two(padding), w.shape[2:]
    x = nn.functional.pad(x, (pw, pw, ph, ph))
    ho, wo = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    pixels = []
    for image in x:
        for o in range(len(w)):
            for i in range(ho):
                for j in range(wo):
                    window = image[:, i * sh : i * sh + kh, j * sw : j * sw + kw]
                    pixels.append((window * w[o]).sum() + (0 if b is None else b[o]))
    if not pixels:
        return x.new_zeros(0, len(w), ho, wo) + (x.sum() + w.sum()) * 0
    return torch.stack(pixels).view(len(x), len(w), ho, wo)


class Stage(nn.Module):
    def __init__(self, c_in, c_out, kernel, pool=None, **options):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, **options)
        self.pool = pool or nn.Identity()

    def forward(self, x):
        return self.pool(torch.relu(self.conv(x)))


class Net(nn.Module):
    def __init__(self, stages, widths):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


def build_cnn(name):
    if name == "lenet":
        stages = [Stage(1, 6, 5, nn.AvgPool2d(2), padding=2), Stage(6, 16, 5, nn.AvgPool2d(2))]
        return Net(stages, [400, 120, 84, 10])
    if name == "alexnet":
        pool = nn.MaxPool2d(3, stride=2)
        stages = [Stage(3, 64, 11, pool, stride=4, padding=2), Stage(64, 192, 5, pool, padding=2)]
        stages += [Stage(192, 384, 3, padding=1), Stage(384, 256, 3, padding=1), Stage(256, 256, 3, pool, padding=1)]
        return Net(stages, [256 * 36, 4096, 4096, 1000])
    deep = {"vgg16": 3, "vgg19": 4}[name]
    stages, before = [], 3
    for width, count in ((64, 2), (128, 2), (256, deep), (512, deep), (512, deep)):
        for position in range(count):
            last = position == count - 1
            stages.append(Stage(before, width, 3, nn.MaxPool2d(2) if last else None, padding=1))
            before = width
    return Net(stages, [512 * 49, 4096, 4096, 1000])
