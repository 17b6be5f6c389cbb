"""A homework in progress: much of it right, one slip, one wrong shape, one task not begun, one that crashes."""

import numpy as np
import torch.nn as nn
import torch.nn.functional as F

QUIZ = {"q1": "c", "q2": "c", "q3": "d", "q4": "a", "q5": "b"}


def as_pair(size):
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def corr2d(x, k):
    kh, kw = k.shape
    out = np.zeros((x.shape[0] - kh + 1, x.shape[1] - kw + 1), dtype=x.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (x[i : i + kh, j : j + kw] * k).sum()
    return out


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)
    xp = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    n, _, h, width = xp.shape
    c_out, _, kh, kw = w.shape
    ho, wo = (h - kh) // sh + 1, (width - kw) // sw + 1
    out = np.zeros((n, c_out, ho, wo), dtype=x.dtype)
    for i in range(ho):
        for j in range(wo):
            patch = xp[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            out[:, :, i, j] = np.einsum("nchw,ochw->no", patch, w)
    if b is not None:
        out += b.reshape(1, -1, 1, 1)
    return out, (xp, w, b, (sh, sw), (ph, pw))


def conv2d_backward(dout, cache):
    xp, w, b, (sh, sw), (ph, pw) = cache
    kh, kw = w.shape[2:]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            here = np.s_[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            dxp[here] += np.einsum("no,ochw->nchw", dout[:, :, i, j], w)
            dw += np.einsum("no,nchw->ochw", dout[:, :, i, j], xp[here])
    dx = dxp[:, :, ph : dxp.shape[2] - ph, pw : dxp.shape[3] - pw]
    return dx, dw, None if b is None else dout.sum(axis=(0, 2, 3))


def max_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    n, c, h, w = x.shape
    out = np.zeros((n, c, (h - kh) // sh + 1, (w - kw) // sw + 1), dtype=x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw].max(axis=(2, 3))
    return out, (x, out, (kh, kw), (sh, sw))


def max_pool2d_backward(dout, cache):
    x, out, (kh, kw), (sh, sw) = cache
    dx = np.zeros_like(x)
    rows, columns = out.shape[2:]
    taken = np.zeros(out.shape, dtype=bool)
    for m in range(kh):
        for n in range(kw):
            here = np.s_[:, :, m : m + sh * rows : sh, n : n + sw * columns : sw]
            mine = (x[here] == out) & ~taken
            taken |= mine
            dx[here] = np.where(mine, dout, 0)
    return dx


def avg_pool2d_forward(x, *, kernel, stride=None):
    (kh, kw), (sh, sw) = as_pair(kernel), as_pair(kernel if stride is None else stride)
    n, c, h, w = x.shape
    out = np.zeros((n, c, (h - kh) // sh + 1, (w - kw) // sw + 1), dtype=x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw].mean(axis=(2, 3))
    return out, (x.shape, (kh, kw), (sh, sw))


def avg_pool2d_backward(dout, cache):
    shape, (kh, kw), (sh, sw) = cache
    dx = np.zeros(shape, dtype=dout.dtype)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw] += dout[:, :, i, j, None, None] / (kh * kw)
    return dx


def softmax_cross_entropy(logits, labels):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = exp / exp.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    at_label = logits[rows, labels] - logits.max(axis=1)
    loss = (np.log(exp.sum(axis=1)) - at_label).mean()
    dlogits = p.copy()
    dlogits[rows, labels] -= 1
    return loss, dlogits / len(labels)


def conv_output_size(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel) // stride + 1


def conv_params(c_in, c_out, kernel, bias=True):
    kh, kw = as_pair(kernel)
    return c_out * (c_in * kh * kw + (1 if bias else 0))


def fc_params(n_in, n_out, bias=True):
    return n_out * (n_in + (1 if bias else 0))


def receptive_field(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def pmf_convolve(p, q):
    raise NotImplementedError("conv.probability")


def log_conv2d(x, k):
    raise NotImplementedError("conv.probability")


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    columns = F.unfold(x, w.shape[2:], padding=padding, stride=stride)
    out = w.flatten(1) @ columns
    return out if b is None else out + b[:, None]


def build_cnn(name):
    if name == "lenet":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Sigmoid(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, 10),
        )
    if name == "alexnet":
        return nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Flatten(),
            nn.Linear(9216, 4096),
            nn.ReLU(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, 1000),
        )
    layers, channels = [], 3
    for width in {"vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]}[name]:
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(4096, 1000))
