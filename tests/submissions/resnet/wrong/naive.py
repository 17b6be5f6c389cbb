"""Everything right, but the folded block visits one pixel after another."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    n, channels, h, w = x.shape
    m = n * h * w
    mean, var = running_mean, running_var
    if training:
        total = np.zeros(channels)
        for i in range(n):
            for j in range(h):
                for k in range(w):
                    total += x[i, :, j, k]
        mean = total / m
        total = np.zeros(channels)
        for i in range(n):
            for j in range(h):
                for k in range(w):
                    total += (x[i, :, j, k] - mean) ** 2
        var = total / m
        running_mean = ((1 - momentum) * running_mean + momentum * mean).astype(running_mean.dtype)
        running_var = ((1 - momentum) * running_var + momentum * total / (m - 1)).astype(running_var.dtype)
    hat, y = np.zeros(x.shape), np.zeros_like(x)
    for i in range(n):
        for j in range(h):
            for k in range(w):
                hat[i, :, j, k] = (x[i, :, j, k] - mean) / np.sqrt(var + eps)
                y[i, :, j, k] = gamma * hat[i, :, j, k] + beta
    return y, (hat, gamma / np.sqrt(var + eps), training), running_mean, running_var


def batchnorm_backward(dout, cache):
    hat, scale, training = cache
    n, channels, h, w = dout.shape
    m = n * h * w
    dgamma, dbeta = np.zeros(channels), np.zeros(channels)
    places = [(i, j, k) for i in range(n) for j in range(h) for k in range(w)]
    for i, j, k in places:
        dgamma += dout[i, :, j, k] * hat[i, :, j, k]
        dbeta += dout[i, :, j, k]
    dx = np.zeros_like(dout)
    for i, j, k in places:
        flow = dout[i, :, j, k]
        if training:
            flow = flow - dbeta / m - hat[i, :, j, k] * dgamma / m
        dx[i, :, j, k] = scale * flow
    return dx, dgamma.astype(dout.dtype), dbeta.astype(dout.dtype)


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        c_out = 4 * c_mid
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


def layer_count(blocks, convs_per_block):
    count = 1
    for stage in blocks:
        for _ in range(stage):
            count += convs_per_block
    return count + 1


def build_resnet(depth, num_classes=1000):
    layers = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    channels = 64
    for stage, count in enumerate(STAGES[depth]):
        for position in range(count):
            stride = 2 if stage and position == 0 else 1
            layers.append((BasicBlock if depth < 50 else Bottleneck)(channels, 64 * 2**stage, stride))
            channels = 64 * 2**stage * (1 if depth < 50 else 4)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def flops(depth, size=224):
    side = (size + 1) // 2
    total = 3 * 49 * 64 * side * side
    side, channels = (side + 1) // 2, 64
    for stage, count in enumerate(STAGES[depth]):
        width = 64 * 2**stage
        out = width if depth < 50 else 4 * width
        for position in range(count):
            side = (side + 1) // 2 if stage and position == 0 else side
            weights = 9 * width * width + (9 * channels * width if depth < 50 else channels * width + width * out)
            total += (weights + (channels * out if channels != out else 0)) * side * side
            channels = out
    return total + channels * 1000


def build_plain(depth, num_classes=1000):
    channels = 3
    layers = []

    def add(out, kernel, stride=1):
        nonlocal channels
        layers.append(nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False))
        layers.extend([nn.BatchNorm2d(out), nn.ReLU()])
        channels = out

    add(64, 7, 2)
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    for stage, count in enumerate(STAGES[depth]):
        width = 64 * 2**stage
        for position in range(count):
            stride = 2 if stage and position == 0 else 1
            for out, kernel, step in (
                [(width, 3, stride), (width, 3, 1)]
                if depth < 50
                else [(width, 1, stride), (width, 3, 1), (4 * width, 1, 1)]
            ):
                add(out, kernel, step)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        t = torch.sigmoid(self.gate(x))
        return t * F.relu(self.transform(x)) + (1 - t) * x


def _convolve(x, weight, bias, stride, padding):
    """One pixel of one image at a time."""
    k = weight.shape[2]
    x = F.pad(x, (padding,) * 4)
    height, width = ((n - k) // stride + 1 for n in x.shape[2:])
    images = []
    for image in x:
        rows = []
        for i in range(0, height * stride, stride):
            row = [
                (weight * image[:, i : i + k, j : j + k]).sum(dim=(1, 2, 3)) + bias
                for j in range(0, width * stride, stride)
            ]
            rows.append(torch.stack(row, dim=1))
        images.append(torch.stack(rows, dim=1))
    return torch.stack(images)


def residual_fast(x, params, stride=1):
    def fold(conv, bn):
        scale = params[f"{bn}.weight"] / torch.sqrt(params[f"{bn}.running_var"] + 1e-5)
        bias = params[f"{bn}.bias"] - scale * params[f"{bn}.running_mean"]
        return params[f"{conv}.weight"] * scale[:, None, None, None], bias

    out = F.relu(_convolve(x, *fold("conv1", "bn1"), stride, 1))
    out = _convolve(out, *fold("conv2", "bn2"), 1, 1)
    if "shortcut.0.weight" in params:
        x = _convolve(x, *fold("shortcut.0", "shortcut.1"), stride, 0)
    return F.relu(out + x)
