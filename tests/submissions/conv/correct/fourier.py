"""Correlation as a product in the frequency domain, forward and backward, in NumPy and in torch."""

import numpy as np
import torch
from scipy import fft, special
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def as_pair(size):
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def corr2d(x, k):
    spectrum = fft.rfft2(x) * np.conj(fft.rfft2(k, x.shape))
    full = fft.irfft2(spectrum, x.shape)
    return full[: x.shape[0] - k.shape[0] + 1, : x.shape[1] - k.shape[1] + 1].astype(x.dtype)


def spread(dout, size, stride):
    """dout at the positions where its windows begin, zeros elsewhere."""
    out = np.zeros((*dout.shape[:2], *size), dout.dtype)
    rows, columns = dout.shape[2] * stride[0], dout.shape[3] * stride[1]
    out[:, :, : rows : stride[0], : columns : stride[1]] = dout
    return out


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    size = padded.shape[2:]
    if len(x) == 0:
        shape = [(n - k) // s + 1 for n, k, s in zip(size, w.shape[2:], (sh, sw), strict=True)]
        return np.zeros((0, len(w), *shape), x.dtype), (padded, w, b, (sh, sw), (ph, pw))
    spectrum = np.einsum("ncuv,ocuv->nouv", fft.rfft2(padded), np.conj(fft.rfft2(w, size)))
    every = fft.irfft2(spectrum, size)[:, :, : size[0] - w.shape[2] + 1, : size[1] - w.shape[3] + 1]
    out = np.ascontiguousarray(every[:, :, ::sh, ::sw]).astype(x.dtype)
    if b is not None:
        out += b[:, None, None]
    return out, (padded, w, b, (sh, sw), (ph, pw))


def conv2d_backward(dout, cache):
    padded, w, b, stride, (ph, pw) = cache
    size, (kh, kw) = padded.shape[2:], w.shape[2:]
    db = None if b is None else dout.sum((0, 2, 3))
    if len(dout) == 0:
        return np.zeros((0, w.shape[1], size[0] - 2 * ph, size[1] - 2 * pw), w.dtype), np.zeros_like(w), db
    sent = fft.rfft2(spread(dout, size, stride))
    dpadded = fft.irfft2(np.einsum("nouv,ocuv->ncuv", sent, fft.rfft2(w, size)), size).astype(padded.dtype)
    dw = fft.irfft2(np.einsum("ncuv,nouv->ocuv", fft.rfft2(padded), np.conj(sent)), size)[:, :, :kh, :kw]
    begins = spread(np.ones((1, 1, *dout.shape[2:])), size, stride)[0, 0]
    read = np.zeros(size, bool)  # round-off must not reach entries that no window reads
    for m in range(kh):
        for n in range(kw):
            read |= np.roll(begins, (m, n), axis=(0, 1)) > 0
    dx = (dpadded * read)[:, :, ph : size[0] - ph, pw : size[1] - pw]
    return dx, dw.astype(w.dtype), db


def max_pool2d_forward(x, *, kernel, stride=None):
    """First down the columns of a window, then along its rows."""
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    down = np.lib.stride_tricks.sliding_window_view(x, kh, axis=2)[:, :, ::sh]
    row = down.argmax(axis=-1)
    tallest = np.lib.stride_tricks.sliding_window_view(down.max(axis=-1), kw, axis=3)[:, :, :, ::sw]
    column = tallest.argmax(axis=-1) + np.arange(tallest.shape[3]) * sw
    row = np.take_along_axis(row, column, axis=3) + np.arange(row.shape[2])[:, None] * sh
    return tallest.max(axis=-1), (x.shape, row, column)


def max_pool2d_backward(dout, cache):
    shape, row, column = cache
    image = np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1, 1)
    where = (image * shape[2] + row) * shape[3] + column
    weights = np.bincount(where.ravel(), dout.ravel(), int(np.prod(shape)))
    return weights.reshape(shape).astype(dout.dtype)


def window_sums(x, kernel, stride):
    """Sums over windows by cumulative sums, exact enough for what pooling needs."""
    (kh, kw), (sh, sw) = kernel, stride
    total = np.pad(x.cumsum(axis=2, dtype=np.float64).cumsum(axis=3), ((0, 0), (0, 0), (1, 0), (1, 0)))
    sums = total[:, :, kh:, kw:] - total[:, :, :-kh, kw:] - total[:, :, kh:, :-kw] + total[:, :, :-kh, :-kw]
    return sums[:, :, ::sh, ::sw].astype(x.dtype)


def avg_pool2d_forward(x, *, kernel, stride=None):
    kernel, stride = as_pair(kernel), as_pair(kernel if stride is None else stride)
    return window_sums(x, kernel, stride) / (kernel[0] * kernel[1]), (x.shape, kernel, stride)


def avg_pool2d_backward(dout, cache):
    """A difference array: add where windows begin, subtract where they end, then sum up."""
    shape, (kh, kw), (sh, sw) = cache
    begins = spread(dout / (kh * kw), (shape[2], shape[3]), (sh, sw))
    changes = np.zeros((*shape[:2], shape[2] + kh, shape[3] + kw), dout.dtype)
    changes[:, :, : shape[2], : shape[3]] += begins
    changes[:, :, kh:, : shape[3]] -= begins
    changes[:, :, : shape[2], kw:] -= begins
    changes[:, :, kh:, kw:] += begins
    return changes.cumsum(axis=2).cumsum(axis=3)[:, :, : shape[2], : shape[3]]


def softmax_cross_entropy(logits, labels):
    logp = special.log_softmax(logits, axis=1)
    picked = np.take_along_axis(logp, labels[:, None], axis=1)
    gradient = special.softmax(logits, axis=1)
    np.put_along_axis(gradient, labels[:, None], np.expm1(picked), axis=1)  # p - 1 without cancellation
    return -picked.mean(), gradient / len(labels)


def conv_output_size(n, kernel, stride=1, padding=0):
    return int(np.floor((n + 2 * padding - kernel) / stride)) + 1


def conv_params(c_in, c_out, kernel, bias=True):
    return int(np.zeros((c_out, c_in, *as_pair(kernel)), bool).size) + (c_out if bias else 0)


def fc_params(n_in, n_out, bias=True):
    return n_in * n_out + (n_out if bias else 0)


def receptive_field(layers):
    steps = np.cumprod([1, *(stride for _, stride in layers)])
    return 1 + sum(int(step) * (kernel - 1) for step, (kernel, _) in zip(steps, layers, strict=False))


def pmf_convolve(p, q):
    length = len(p) + len(q) - 1
    return fft.irfft(fft.rfft(p, length) * fft.rfft(q, length), length).astype(p.dtype)


def log_conv2d(x, k):
    """Entries scaled by the largest of x and k would underflow, so this one stays with logarithms."""
    windows = np.lib.stride_tricks.sliding_window_view(x, k.shape)
    with np.errstate(divide="ignore"):
        return special.logsumexp(windows + k, axis=(2, 3))


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    height, width = x.shape[2] + 2 * ph, x.shape[3] + 2 * pw
    (kh, kw), (n, c), o = w.shape[2:], x.shape[:2], w.shape[0]
    if n == 0:  # the transforms refuse empty batches; the sum keeps autograd's thread
        out = x.new_zeros(0, o, (height - kh) // sh + 1, (width - kw) // sw + 1) + (x.sum() + w.sum()) * 0
        return out if b is None else out + b[:, None, None]
    seen = torch.fft.rfft2(nn.functional.pad(x, (pw, pw, ph, ph))).reshape(n, c, -1).permute(2, 0, 1)
    filters = torch.fft.rfft2(w, s=(height, width)).conj().reshape(o, c, -1).permute(2, 1, 0)
    spectrum = (seen @ filters).permute(1, 2, 0).reshape(n, o, height, -1)
    out = torch.fft.irfft2(spectrum, s=(height, width))[:, :, : height - kh + 1 : sh, : width - kw + 1 : sw]
    return out if b is None else out + b[:, None, None]


def vgg(repeats):
    layers, before, side = [], 3, 224
    for width, repeat in zip((64, 128, 256, 512, 512), repeats, strict=True):
        side //= 2
        for _ in range(repeat):
            layers += [nn.Conv2d(before, width, (3, 3), padding=(1, 1)), nn.ReLU()]
            before = width
        layers.append(nn.AdaptiveMaxPool2d(side))
    return layers


def build_cnn(name):
    net = nn.Sequential()
    if name == "lenet":
        net.extend([nn.Conv2d(1, 6, 5, padding=2), nn.Softplus(), nn.LPPool2d(2, 2)])
        net.extend([nn.Conv2d(6, 16, 5), nn.Softplus(), nn.LPPool2d(2, 2), nn.Flatten()])
        return net.extend([nn.Linear(400, 120), nn.Softplus(), nn.Linear(120, 84), nn.Softplus(), nn.Linear(84, 10)])
    if name == "alexnet":
        for before, width, kernel, stride, padding, pool in (
            (3, 64, 11, 4, 2, True),
            (64, 192, 5, 1, 2, True),
            (192, 384, 3, 1, 1, False),
            (384, 256, 3, 1, 1, False),
            (256, 256, 3, 1, 1, True),
        ):
            net.extend([nn.Conv2d(before, width, kernel, stride, padding), nn.ReLU()])
            if pool:
                net.append(nn.MaxPool2d(3, 2))
    else:
        net.extend(vgg({"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[name]))
    net.append(nn.Flatten())
    for before, width in ((256 * 36 if name == "alexnet" else 512 * 49, 4096), (4096, 4096)):
        net.extend([nn.Dropout(), nn.Linear(before, width), nn.ReLU()])
    return net.append(nn.Linear(4096, 1000))
