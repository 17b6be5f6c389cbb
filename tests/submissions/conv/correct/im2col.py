"""Windows gathered by index arrays (im2col) and scattered back with np.add.at (col2im)."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "a", "q5": "b"}


def pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def window_indices(height, width, kernel, stride):
    """Row and column indices of every window, both of shape (kh * kw, ho * wo), and (ho, wo)."""
    (kh, kw), (sh, sw) = kernel, stride
    ho, wo = (height - kh) // sh + 1, (width - kw) // sw + 1
    rows = np.repeat(np.arange(kh), kw)[:, None] + sh * np.repeat(np.arange(ho), wo)
    columns = np.tile(np.arange(kw), kh)[:, None] + sw * np.tile(np.arange(wo), ho)
    return rows, columns, (ho, wo)


def corr2d(x, k):
    rows, columns, size = window_indices(*x.shape, k.shape, (1, 1))
    return (k.reshape(-1) @ x[rows, columns]).reshape(size)


def conv2d_forward(x, w, b=None, *, stride=1, padding=0):
    ph, pw = pair(padding)
    n, c, height, width = x.shape
    padded = np.zeros((n, c, height + 2 * ph, width + 2 * pw), x.dtype)
    padded[:, :, ph : ph + height, pw : pw + width] = x
    rows, columns, (ho, wo) = window_indices(*padded.shape[2:], w.shape[2:], pair(stride))
    cols = padded[:, :, rows, columns].reshape(n, c * rows.shape[0], ho * wo)
    out = np.matmul(w.reshape(len(w), -1), cols)
    if b is not None:
        out += b[:, None]
    return out.reshape(n, len(w), ho, wo), {"cols": cols, "at": (rows, columns), "w": w, "b": b, "x": x, "p": (ph, pw)}


def conv2d_backward(dout, cache):
    w, x, (ph, pw), (rows, columns) = cache["w"], cache["x"], cache["p"], cache["at"]
    n, c, height, width = x.shape
    flat = dout.reshape(n, len(w), dout.shape[2] * dout.shape[3])
    dw = np.matmul(flat, cache["cols"].transpose(0, 2, 1)).sum(axis=0).reshape(w.shape)
    dcols = np.matmul(w.reshape(len(w), -1).T, flat).reshape(n, c, *rows.shape)
    padded = np.zeros((n, c, height + 2 * ph, width + 2 * pw), x.dtype)
    np.add.at(padded, (slice(None), slice(None), rows, columns), dcols)
    db = None if cache["b"] is None else flat.sum(axis=2).sum(axis=0)
    return padded[:, :, ph : ph + height, pw : pw + width], dw, db


def max_pool2d_forward(x, *, kernel, stride=None):
    rows, columns, size = window_indices(*x.shape[2:], pair(kernel), pair(stride or kernel))
    cols = x[:, :, rows, columns]
    winner = cols.argmax(axis=2)
    return cols.max(axis=2).reshape(*x.shape[:2], *size), (x.shape, rows, columns, winner)


def max_pool2d_backward(dout, cache):
    shape, rows, columns, winner = cache
    window = np.arange(rows.shape[1])
    dx = np.zeros(shape, dout.dtype)
    image, channel = np.ogrid[: shape[0], : shape[1]]
    at = (image[..., None], channel[..., None], rows[winner, window], columns[winner, window])
    np.add.at(dx, at, dout.reshape(winner.shape))
    return dx


def avg_pool2d_forward(x, *, kernel, stride=None):
    rows, columns, size = window_indices(*x.shape[2:], pair(kernel), pair(stride or kernel))
    return x[:, :, rows, columns].mean(axis=2).reshape(*x.shape[:2], *size), (x.shape, rows, columns)


def avg_pool2d_backward(dout, cache):
    shape, rows, columns = cache
    dx = np.zeros(shape, dout.dtype)
    shares = dout.reshape(*dout.shape[:2], 1, rows.shape[1]) / rows.shape[0]
    np.add.at(dx, (slice(None), slice(None), rows, columns), np.broadcast_to(shares, (*shape[:2], *rows.shape)))
    return dx


def softmax_cross_entropy(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(z).sum(axis=1)
    loss = np.mean(np.log(total) - z[np.arange(len(z)), labels])
    onehot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return loss, (np.exp(z) / total[:, None] - onehot) / len(z)


def conv_output_size(n, kernel, stride=1, padding=0):
    return 1 + (n + padding + padding - kernel) // stride


def conv_params(c_in, c_out, kernel, bias=True):
    return c_out * (c_in * int(np.prod(pair(kernel))) + int(bias))


def fc_params(n_in, n_out, bias=True):
    return n_out * (n_in + int(bias))


def receptive_field(layers):
    """From the last layer back to the input."""
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def pmf_convolve(p, q):
    return np.convolve(p, q)


def log_conv2d(x, k):
    rows, columns, size = window_indices(*x.shape, k.shape, (1, 1))
    return np.logaddexp.reduce(x[rows, columns] + k.reshape(-1, 1), axis=0).reshape(size)


def conv2d_fast(x, w, b=None, *, stride=1, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = w.shape[2:], pair(stride), pair(padding)
    x = F.pad(x, (pw, pw, ph, ph))
    ho, wo = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    rows = torch.arange(ho, device=x.device)[:, None] * sh + torch.arange(kh, device=x.device)
    columns = torch.arange(wo, device=x.device)[:, None] * sw + torch.arange(kw, device=x.device)
    windows = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]  # n, c, ho, wo, kh, kw
    out = torch.einsum("ncijuv,ocuv->noij", windows, w)
    return out if b is None else out + b.view(1, -1, 1, 1)


CONFIG = {
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding="same")
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(x)))


def head(features):
    return [nn.Flatten(), nn.Linear(features, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]


def build_cnn(name):
    if name == "lenet":
        return LeNet()
    if name == "alexnet":
        layers = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()]
        layers += [nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6)]
        return nn.Sequential(*layers, *head(9216))
    layers, channels = [], 3
    for word in CONFIG[name].split():
        if word == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, int(word), 3, padding=1), nn.ReLU(inplace=True)]
            channels = int(word)
    return nn.Sequential(*layers, *head(25088))
