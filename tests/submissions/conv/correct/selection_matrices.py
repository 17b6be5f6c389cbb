"""Reading a window is a product with 0-1 matrices, so a backward is the same product with operands moved."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def hw(size):
    return tuple(np.broadcast_to(size, 2).tolist())


def reader(n, kernel, stride=1, padding=0, dtype=np.float64):
    """R[i, m, r] = 1 where window i reads entry r with its m-th kernel entry; padding needs no padding."""
    windows = (n + 2 * padding - kernel) // stride + 1
    i, m, r = np.ogrid[:windows, :kernel, :n]
    return (i * stride + m - padding == r).astype(dtype)


def corr2d(x, k):
    down, across = (reader(n, size, dtype=x.dtype) for n, size in zip(x.shape, k.shape, strict=True))
    return np.einsum("imr,jkc,rc,mk->ij", down, across, x, k, optimize=True)


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = hw(stride), hw(padding)
    down, across = reader(x.shape[2], w.shape[2], sh, ph, x.dtype), reader(x.shape[3], w.shape[3], sw, pw, x.dtype)
    out = np.einsum("ncrs,imr,jks,ocmk->noij", x, down, across, w, optimize=True)
    if b is not None:
        out = out + b.reshape(1, -1, 1, 1)
    return out, (x, w, b, down, across)


def conv2d_backward(dout, cache):
    x, w, b, down, across = cache
    dx = np.einsum("noij,imr,jks,ocmk->ncrs", dout, down, across, w, optimize=True)
    dw = np.einsum("noij,imr,jks,ncrs->ocmk", dout, down, across, x, optimize=True)
    db = np.einsum("noij->o", dout) if b is not None else None
    return dx, dw, db


def max_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = hw(kernel), hw(kernel if stride is None else stride)
    rows, columns = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    taps = [(m, n) for m in range(kh) for n in range(kw)]
    shifted = np.stack([x[:, :, m : m + sh * rows : sh, n : n + sw * columns : sw] for m, n in taps])
    out = np.maximum.reduce(shifted, axis=0)
    ties = shifted == out
    share = (ties / ties.sum(axis=0)).astype(x.dtype)  # the largest entries of a window share its gradient
    down, across = reader(x.shape[2], kh, sh, dtype=x.dtype), reader(x.shape[3], kw, sw, dtype=x.dtype)
    return out, (share.reshape(kh, kw, *out.shape), down, across)


def max_pool2d_backward(dout, cache):
    share, down, across = cache
    return np.einsum("mkncij,ncij,imr,jks->ncrs", share, dout, down, across, optimize=True)


def avg_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = hw(kernel), hw(kernel if stride is None else stride)
    down = reader(x.shape[2], kh, sh, dtype=x.dtype).mean(axis=1)
    across = reader(x.shape[3], kw, sw, dtype=x.dtype).mean(axis=1)
    return down @ x @ across.T, (down, across)


def avg_pool2d_backward(dout, cache):
    down, across = cache
    return down.T @ dout @ across


def softmax_cross_entropy(logits, labels):
    n, classes = logits.shape
    target = (np.arange(classes) == labels[:, None]).astype(logits.dtype)
    normaliser = np.logaddexp.reduce(logits, axis=1, keepdims=True)
    logp = logits - normaliser
    return -np.vdot(target, logp) / logits.dtype.type(n), (np.exp(logp) - target) / n


def conv_output_size(n, kernel, stride=1, padding=0):
    return reader(n, kernel, stride, padding).shape[0]


def conv_params(c_in, c_out, kernel, bias=True):
    kh, kw = hw(kernel)
    return fc_params(c_in * kh * kw, c_out, bias)


def fc_params(n_in, n_out, bias=True):
    return (n_in + (1 if bias else 0)) * n_out


def receptive_field(layers):
    """Follow the first and the last input entry that one output entry reads."""
    first = last = 0
    for kernel, stride in layers[::-1]:
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1


def pmf_convolve(p, q):
    shift = np.arange(len(p) + len(q) - 1)[:, None] - np.arange(len(q))  # a Toeplitz matrix of p
    toeplitz = np.where((shift >= 0) & (shift < len(p)), p[shift.clip(0, len(p) - 1)], 0).astype(p.dtype)
    return toeplitz @ q


def log_conv2d(x, k):
    rows, columns = x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1
    out = np.full((rows, columns), -np.inf, x.dtype)
    for (m, n), weight in np.ndenumerate(k):
        out = np.logaddexp(out, x[m : m + rows, n : n + columns] + weight)
    return out


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = hw(stride), hw(padding)
    x = nn.functional.pad(x, (pw, pw, ph, ph))
    windows = x.unfold(2, w.shape[2], sh).unfold(3, w.shape[3], sw)  # n, c, ho, wo, kh, kw
    out = torch.tensordot(windows, w, dims=([1, 4, 5], [1, 2, 3]))
    if b is not None:
        out = out + b
    return out.permute(0, 3, 1, 2)


def build_cnn(name):
    if name == "lenet":  # the first fully connected layer as a 5x5 convolution of a 5x5 map
        return nn.Sequential(
            nn.ZeroPad2d(2),
            nn.Conv2d(1, 6, 5),
            nn.Tanh(),
            nn.AvgPool2d(2, 2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2, 2),
            nn.Conv2d(16, 120, 5),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        )
    plans = {
        "alexnet": [(64, 11, 4, 2), 3, (192, 5, 1, 2), 3, (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1), 3],
        "vgg16": vgg(2, 2, 3, 3, 3),
        "vgg19": vgg(2, 2, 4, 4, 4),
    }
    layers, channels = [], 3
    for step in plans[name]:
        if isinstance(step, int):
            layers.append(nn.MaxPool2d(step, 2))
        else:
            width, kernel, stride, padding = step
            layers += [nn.Conv2d(channels, width, kernel, stride, padding), nn.ReLU()]
            channels = width
    side = 6 if name == "alexnet" else 7
    layers += [nn.Conv2d(channels, 4096, side), nn.ReLU(), nn.Dropout2d(), nn.Conv2d(4096, 4096, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(4096, 1000, 1), nn.Flatten())


def vgg(*counts):
    plan = []
    for width, count in zip((64, 128, 256, 512, 512), counts, strict=True):
        plan += [(width, 3, 1, 1)] * count + [2]
    return plan
