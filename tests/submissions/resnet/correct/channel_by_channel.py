"""One channel at a time with compensated sums; blocks from a base class with a list of layers; sequences grown by slices."""

from math import fsum, sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    y = np.zeros(x.shape, x.dtype)
    kept_mean, kept_var = running_mean.copy(), running_var.copy()
    saved = []
    for c in range(x.shape[1]):
        values = [float(v) for v in x[:, c].flat]
        if training:
            m = len(values)
            mean = fsum(values) / m
            square = fsum((v - mean) ** 2 for v in values)
            var = square / m
            kept_mean[c] = (1 - momentum) * float(running_mean[c]) + momentum * mean
            kept_var[c] = (1 - momentum) * float(running_var[c]) + momentum * square / (m - 1)
        else:
            mean, var = float(running_mean[c]), float(running_var[c])
        std = sqrt(var + eps)
        hat = [(v - mean) / std for v in values]
        y[:, c] = np.reshape([float(gamma[c]) * h + float(beta[c]) for h in hat], y[:, c].shape)
        saved.append((hat, float(gamma[c]) / std))
    return y, (saved, training), kept_mean, kept_var


def batchnorm_backward(dout, cache):
    saved, training = cache
    dx = np.zeros(dout.shape, dout.dtype)
    dgamma, dbeta = np.zeros(len(saved), dout.dtype), np.zeros(len(saved), dout.dtype)
    for c, (hat, scale) in enumerate(saved):
        flow = [float(v) for v in dout[:, c].flat]
        along, total = fsum(d * h for d, h in zip(flow, hat, strict=True)), fsum(flow)
        m = len(flow)
        if training:
            flow = [d - total / m - h * along / m for d, h in zip(flow, hat, strict=True)]
        dx[:, c] = np.reshape([scale * d for d in flow], dx[:, c].shape)
        dgamma[c], dbeta[c] = along, total
    return dx, dgamma, dbeta


class Residual(nn.Module):
    """Reads its own layers off their names."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))
        else:
            self.shortcut = nn.Identity()

    def forward(self, x):
        layers = [m for name, m in self.named_children() if name != "shortcut"]
        out = layers[0](x)
        for layer in layers[1:]:
            out = layer(out if isinstance(layer, nn.BatchNorm2d) else F.relu(out))
        return F.relu(self.shortcut(x) + out)


class BasicBlock(Residual):
    expansion = 1

    def __init__(self, c_in, c_out, stride=1):
        super().__init__(c_in, c_out, stride)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)


class Bottleneck(Residual):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__(c_in, 4 * c_mid, stride)
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, 4 * c_mid, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * c_mid)


def layer_count(blocks, convs_per_block):
    return sum(convs_per_block for stage in blocks for _ in range(stage)) + 2


def _counts(depth):
    return {18: (2,) * 4, 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]


def _around(middle, features, num_classes):
    layers = nn.ModuleDict(
        {
            "stem": nn.Sequential(nn.Conv2d(3, 64, (7, 7), (2, 2), (3, 3), bias=False), nn.BatchNorm2d(64), nn.ReLU()),
            "pool": nn.MaxPool2d(3, 2, 1),
            "middle": nn.Sequential(*middle),
            "linear": nn.Linear(features, num_classes),
        }
    )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x):
            maps = self.layers["middle"](self.layers["pool"](self.layers["stem"](x)))
            return self.layers["linear"](F.avg_pool2d(maps, maps.shape[2:]).flatten(1))

    return Net()


def build_resnet(depth, num_classes=1000):
    block = BasicBlock if depth in (18, 34) else Bottleneck
    widths = [64 << stage for stage, count in enumerate(_counts(depth)) for _ in range(count)]
    inputs = [64, *(block.expansion * width for width in widths)]
    strides = [1 if i == 0 or widths[i] == widths[i - 1] else 2 for i in range(len(widths))]
    middle = [block(*arguments) for arguments in zip(inputs[:-1], widths, strides, strict=True)]
    return _around(middle, inputs[-1], num_classes)


def flops(depth, size=224):
    """Every block of a stage costs the same but the first."""
    half = [size]
    while len(half) < 6:
        half.append(half[-1] - half[-1] // 2)
    wide = depth not in (18, 34)
    total, c = 9408 * half[1] ** 2, 64
    for stage, count in enumerate(_counts(depth)):
        w, area = 64 << stage, half[stage + 2] ** 2
        out = 4 * w if wide else w
        usual = 17 * w * w if wide else 18 * w * w
        first = c * w + 13 * w * w if wide else 9 * c * w + 9 * w * w
        first += c * out if c != out else 0
        total += (first + (count - 1) * usual) * area
        c = out
    return total + c * 1000


def build_plain(depth, num_classes=1000):
    widths = []
    for stage, count in enumerate(_counts(depth)):
        w = 64 << stage
        widths += [[w, w] if depth in (18, 34) else [w, w, 4 * w]] * count
    kernels = (3, 3) if depth in (18, 34) else (1, 3, 1)
    middle, c, before = [], 64, 64
    for block in widths:
        stride = 1 if block[0] == before else 2
        before = block[0]
        for kernel, out in zip(kernels, block, strict=True):
            middle.append(nn.Conv2d(c, out, kernel, stride, kernel // 2, bias=False))
            middle += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            c, stride = out, 1
    return _around(middle, c, num_classes)


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        t = (self.gate(x) / 2).tanh() / 2 + 0.5
        return torch.where(self.transform(x) > 0, t * self.transform(x), 0) + x - t * x


def residual_fast(x, params, stride=1):
    """Three images' worth of weights, one list; the shift of the last two summed before they are used."""
    eps, out = 1e-5, []
    for conv, bn in [("conv1", "bn1"), ("conv2", "bn2"), ("shortcut.0", "shortcut.1")]:
        if f"{conv}.weight" not in params:
            continue
        gain = torch.exp(-0.5 * torch.log(params[f"{bn}.running_var"] + eps)) * params[f"{bn}.weight"]
        kernel = torch.einsum("oihw,o->oihw", params[f"{conv}.weight"], gain)
        out.append((kernel, torch.addcmul(params[f"{bn}.bias"], gain, params[f"{bn}.running_mean"], value=-1)))
    hidden = F.relu(F.conv2d(x, *out[0], stride=stride, padding=1), inplace=True)
    if len(out) == 3:
        sides = F.conv2d(x, out[2][0], out[2][1] + out[1][1], stride=stride)
        return F.relu(F.conv2d(hidden, out[1][0], padding=1).add_(sides), inplace=True)
    return F.relu(F.conv2d(hidden, *out[1], padding=1).add_(x), inplace=True)
