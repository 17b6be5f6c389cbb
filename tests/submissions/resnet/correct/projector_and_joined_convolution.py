"""Batch normalisation as a projection of rows; networks by recursion; the first convolution and the projection as one."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _rows(x):
    """(N, C, H, W) as C rows of all that a channel holds."""
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)


def _maps(rows, shape):
    n, c, h, w = shape
    return np.moveaxis(rows.reshape(c, n, h, w), 0, 1)


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    rows = _rows(x).astype(np.float64)
    if not training:
        inv = (running_var.astype(np.float64) + eps) ** -0.5
        hat = (rows - running_mean[:, None]) * inv[:, None]
        y = gamma[:, None] * hat + beta[:, None]
        cache = (hat, gamma * inv, False, x.shape)
        return _maps(y, x.shape).astype(x.dtype), cache, running_mean, running_var
    m = rows.shape[1]
    mean = rows @ np.full(m, 1 / m)
    centred = rows - mean[:, None]
    square = np.sum(centred * centred, axis=1)
    inv = (square / m + eps) ** -0.5
    hat = centred * inv[:, None]
    y = gamma[:, None] * hat + beta[:, None]
    new_mean = (1 - momentum) * running_mean + momentum * mean
    new_var = (1 - momentum) * running_var + momentum * square / (m - 1)
    cache = (hat, gamma * inv, True, x.shape)
    return (
        _maps(y, x.shape).astype(x.dtype),
        cache,
        new_mean.astype(running_mean.dtype),
        new_var.astype(running_var.dtype),
    )


def batchnorm_backward(dout, cache):
    hat, scale, training, shape = cache
    rows = _rows(dout).astype(np.float64)
    m = rows.shape[1]
    dgamma = np.einsum("cm,cm->c", rows, hat)
    dbeta = rows @ np.ones(m)
    if training:
        # Off what changes the mean, and off what changes the variance: two directions, 1 and hat.
        basis = np.stack([np.ones_like(hat), hat], axis=2) / np.sqrt(m)
        rows = rows - np.einsum("cmk,cjk,cj->cm", basis, basis, rows)
    dx = _maps(scale[:, None] * rows, shape)
    return dx.astype(dout.dtype), dgamma.astype(dout.dtype), dbeta.astype(dout.dtype)


def _norm(c_in, c_out, k, stride=1):
    return nn.Conv2d(c_in, c_out, k, stride, k // 2, bias=False), nn.BatchNorm2d(c_out)


class _Residual(nn.Module):
    """relu(branch + shortcut), whatever the branch is."""

    def branch(self, x):
        raise NotImplementedError

    def forward(self, x):
        return (self.branch(x) + self.shortcut(x)).relu()

    def make_shortcut(self, c_in, c_out, stride):
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_norm(c_in, c_out, 1, stride))


class BasicBlock(_Residual):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1, self.bn1 = _norm(c_in, c_out, 3, stride)
        self.conv2, self.bn2 = _norm(c_out, c_out, 3)
        self.make_shortcut(c_in, c_out, stride)

    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))


class Bottleneck(_Residual):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        self.conv1, self.bn1 = _norm(c_in, c_mid, 1, stride)
        self.conv2, self.bn2 = _norm(c_mid, c_mid, 3)
        self.conv3, self.bn3 = _norm(c_mid, 4 * c_mid, 1)
        self.make_shortcut(c_in, 4 * c_mid, stride)

    def branch(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return self.bn3(self.conv3(x))


def layer_count(blocks, convs_per_block):
    if not blocks:
        return 2
    return blocks[0] * convs_per_block + layer_count(blocks[1:], convs_per_block)


def _chain(make, counts, c_in, width, stride, expansion):
    """Blocks of all stages, recursively: the rest of this stage, then the next ones."""
    if not counts:
        return []
    if counts[0] == 0:
        return _chain(make, counts[1:], c_in, 2 * width, 2, expansion)
    rest = (counts[0] - 1, *counts[1:])
    return [make(c_in, width, stride), *_chain(make, rest, expansion * width, width, 1, expansion)]


def _network(make, depth, num_classes):
    expansion = 1 if depth < 50 else 4
    conv, norm = _norm(3, 64, 7, 2)
    parts = OrderedDict(conv=conv, norm=norm, relu=nn.ReLU(), pool=nn.MaxPool2d(3, 2, 1))
    parts["blocks"] = nn.Sequential(*_chain(make, STAGES[depth], 64, 64, 1, expansion))
    parts["mean"] = nn.AdaptiveAvgPool2d(1)
    parts["flat"] = nn.Flatten()
    parts["classifier"] = nn.Linear(512 * expansion, num_classes)
    return nn.Sequential(parts)


def build_resnet(depth, num_classes=1000):
    return _network(BasicBlock if depth < 50 else Bottleneck, depth, num_classes)


def flops(depth, size=224):
    counts = STAGES[depth]
    up = 1 if depth < 50 else 4

    def halve(n):
        return -(-n // 2)

    def stages(counts, c_in, width, n):
        if not counts:
            return c_in * 1000
        inner = 18 * width * width if up == 1 else 9 * width * width + 8 * width * width
        first = 9 * width * (c_in + width) if up == 1 else c_in * width + 13 * width * width
        projection = c_in * up * width if c_in != up * width else 0
        here = (first + projection + (counts[0] - 1) * inner) * n * n
        return here + stages(counts[1:], up * width, 2 * width, halve(n))

    n = halve(size)
    return 147 * 64 * n * n + stages(counts, 64, 64, halve(n))


class _PlainBasic(BasicBlock):
    def __init__(self, *args):
        super().__init__(*args)
        del self.shortcut

    def forward(self, x):
        return self.branch(x).relu()


class _PlainBottleneck(Bottleneck):
    def __init__(self, *args):
        super().__init__(*args)
        del self.shortcut

    def forward(self, x):
        return self.branch(x).relu()


def build_plain(depth, num_classes=1000):
    return _network(_PlainBasic if depth < 50 else _PlainBottleneck, depth, num_classes)


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        return torch.lerp(x, self.transform(x).relu(), self.gate(x).sigmoid())


def residual_fast(x, params, stride=1):
    """conv1 and the projection see the same pixels: one convolution with the 1x1 kernel in the middle of a 3x3."""

    def scale_and_shift(bn):
        a = params[f"{bn}.weight"] * (params[f"{bn}.running_var"] + 1e-5) ** -0.5
        return a.reshape(-1, 1, 1, 1), params[f"{bn}.bias"] - params[f"{bn}.running_mean"] * a

    a1, b1 = scale_and_shift("bn1")
    a2, b2 = scale_and_shift("bn2")
    w1, w2 = params["conv1.weight"] * a1, params["conv2.weight"] * a2
    if "shortcut.0.weight" not in params:
        branch = torch.conv2d(x, w1, b1, stride=stride, padding=1).relu()
        return (torch.conv2d(branch, w2, b2, padding=1) + x).relu()
    a3, b3 = scale_and_shift("shortcut.1")
    w3 = nn.functional.pad(params["shortcut.0.weight"] * a3, (1, 1, 1, 1))
    both = torch.conv2d(x, torch.cat([w1, w3]), torch.cat([b1, b3]), stride=stride, padding=1)
    branch, shortcut = both.chunk(2, dim=1)
    return (torch.conv2d(branch.relu(), w2, b2, padding=1) + shortcut).relu()
