"""Functional style: the cache is a function that turns dout into gradients; the fast layer is an autograd.Function of its own."""

from functools import partial, reduce
from operator import mul

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def as_pair(size):
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def strided(x, kernel, stride, writeable=False):
    """View of shape (N, C, ho, wo, kh, kw); writing into it writes into x."""
    n, c, h, w = x.shape
    (kh, kw), (sh, sw), (a, b, d, e) = kernel, stride, x.strides
    shape = (n, c, (h - kh) // sh + 1, (w - kw) // sw + 1, kh, kw)
    return np.lib.stride_tricks.as_strided(x, shape, (a, b, d * sh, e * sw, d, e), writeable=writeable)


def accumulate(shape, kernel, stride, windows):
    """The transpose of `strided`: what arrives at one place adds up; one kernel entry at a time never overlaps itself."""
    x = np.zeros(shape, windows.dtype)
    view = strided(x, kernel, stride, writeable=True)
    for m, n in np.ndindex(*kernel):
        view[..., m, n] += windows[..., m, n]
    return x


def corr2d(x, k):
    return np.tensordot(strided(x[None, None], k.shape, (1, 1))[0, 0], k)


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    stride, (ph, pw), kernel = as_pair(stride), as_pair(padding), w.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = strided(padded, kernel, stride)

    def backward(dout):
        dpadded = accumulate(padded.shape, kernel, stride, np.einsum("noij,ocmk->ncijmk", dout, w, optimize=True))
        dw = np.einsum("noij,ncijmk->ocmk", dout, windows, optimize=True)
        db = None if b is None else np.add.reduce(dout, axis=(0, 2, 3))
        return dpadded[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]], dw, db

    out = np.einsum("ncijmk,ocmk->noij", windows, w, optimize=True)
    return (out if b is None else out + b[None, :, None, None]), backward


def conv2d_backward(dout, cache):
    return cache(dout)


def pool(reduction, share, x, *, kernel, stride=None):
    """`reduction` of every window; `share` says which part of a window's gradient each entry gets."""
    kernel, stride = as_pair(kernel), as_pair(kernel if stride is None else stride)
    windows = strided(x, kernel, stride)
    out = reduction(windows, axis=(4, 5))
    parts = share(windows, out[..., None, None])
    return out, lambda dout: accumulate(x.shape, kernel, stride, dout[..., None, None] * parts)


def to_the_largest(windows, out):
    """Equal parts among the largest of a window."""
    ties = (windows == out).astype(windows.dtype)
    return ties / ties.sum(axis=(4, 5), keepdims=True)


def to_everyone(windows, out):
    return np.full(windows.shape, 1 / (windows.shape[4] * windows.shape[5]), windows.dtype)


max_pool2d_forward = partial(pool, np.amax, to_the_largest)
avg_pool2d_forward = partial(pool, np.mean, to_everyone)


def max_pool2d_backward(dout, cache):
    return cache(dout)


def avg_pool2d_backward(dout, cache):
    return cache(dout)


def softmax_cross_entropy(logits, labels):
    order = logits.max(axis=1)
    weights = np.exp(logits.T - order)  # (C, N)
    total = weights.sum(axis=0)
    loss = np.average(np.log(total) + order - logits[range(len(labels)), labels])
    gradient = (weights / total).T
    for row, label in zip(gradient, labels, strict=True):
        row[label] -= 1
    return loss, gradient * logits.dtype.type(1 / len(labels))


def conv_output_size(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel + stride) // stride


def product(*numbers):
    return reduce(mul, numbers, 1)


def conv_params(c_in, c_out, kernel, bias=True):
    return product(c_in, c_out, *as_pair(kernel)) + product(c_out, int(bias))


def fc_params(n_in, n_out, bias=True):
    return conv_params(n_in, n_out, 1, bias)


def receptive_field(layers):
    return reduce(lambda field, layer: (field - 1) * layer[1] + layer[0], reversed(list(layers)), 1)


def pmf_convolve(p, q):
    """Polynomials: probabilities are coefficients, and adding variables multiplies generating functions."""
    table = np.outer(p, q)
    return np.array([np.fliplr(table).trace(len(q) - 1 - z) for z in range(len(p) + len(q) - 1)], table.dtype)


def log_conv2d(x, k):
    terms = (strided(x[None, None], k.shape, (1, 1))[0, 0] + k).reshape(*np.subtract(x.shape, k.shape) + 1, -1)
    ordered = np.sort(terms, axis=-1)  # small ones first, as is best for the sum
    top = np.maximum(ordered[..., -1:], np.finfo(x.dtype).min)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(ordered - top).sum(axis=-1)) + top[..., 0]


class WindowProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, stride, padding):
        columns = F.unfold(x, w.shape[2:], padding=padding, stride=stride)
        ctx.save_for_backward(columns, w)
        ctx.size, ctx.options = x.shape[2:], {"stride": stride, "padding": padding}
        return w.flatten(1) @ columns

    @staticmethod
    def backward(ctx, dout):
        columns, w = ctx.saved_tensors
        dx = F.fold(w.flatten(1).T @ dout, ctx.size, w.shape[2:], **ctx.options)
        dw = torch.einsum("nop,nkp->ok", dout, columns).view(w.shape)
        return dx, dw, None, None


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    stride, padding = as_pair(stride), as_pair(padding)
    out = WindowProduct.apply(x, w, stride, padding)
    sizes = zip(x.shape[2:], w.shape[2:], stride, padding, strict=True)
    out = out.unflatten(2, [conv_output_size(*size) for size in sizes])
    return out if b is None else out + b[:, None, None]


class Network(nn.Module):
    """Layers without modules of their own: parameters in lists, operations from the functional library."""

    def __init__(self, convs, linears, pool_after, activation, pool):
        super().__init__()
        shapes = [(c_out, c_in, k, k) for c_in, c_out, k, _, _ in convs] + [(n_out, n_in) for n_in, n_out in linears]
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(shape) / np.prod(shape[1:]) ** 0.5) for shape in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(shape[0])) for shape in shapes)
        self.steps = [(stride, padding) for *_, stride, padding in convs]
        self.pool_after, self.activation, self.pool = pool_after, activation, pool

    def forward(self, x):
        parameters = list(zip(self.weights, self.biases, strict=True))
        for position, ((w, b), (stride, padding)) in enumerate(zip(parameters, self.steps, strict=False)):
            x = self.activation(F.conv2d(x, w, b, stride, padding))
            x = self.pool(x) if position in self.pool_after else x
        x = x.flatten(1)
        *hidden, (w_last, b_last) = parameters[len(self.steps) :]
        for w, b in hidden:
            x = self.activation(F.linear(x, w, b))
        return F.linear(x, w_last, b_last)


def build_cnn(name):
    halve = partial(F.max_pool2d, kernel_size=2)
    if name == "lenet":
        convs, linears = [(1, 6, 5, 1, 2), (6, 16, 5, 1, 0)], [(400, 120), (120, 84), (84, 10)]
        return Network(convs, linears, {0, 1}, torch.sigmoid, partial(F.avg_pool2d, kernel_size=2))
    linears = [(9216 if name == "alexnet" else 25088, 4096), (4096, 4096), (4096, 1000)]
    if name == "alexnet":
        convs = [(3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
        return Network(convs, linears, {0, 1, 4}, torch.relu, partial(F.max_pool2d, kernel_size=3, stride=2))
    if name not in ("vgg16", "vgg19"):
        raise ValueError(name)
    depth = 3 if name == "vgg16" else 4
    widths = [64] * 2 + [128] * 2 + [256] * depth + [512] * depth * 2
    convs = [(c_in, c_out, 3, 1, 1) for c_in, c_out in zip([3, *widths], widths, strict=False)]
    return Network(convs, linears, {1, 3, 3 + depth, 3 + 2 * depth, 3 + 3 * depth}, torch.relu, halve)
