"""A homework in progress: the networks and counts are right, the blocks and the gradients are not, the rest is not begun."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": None, "q5": "c"}

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    if training:
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    else:
        mean, var = running_mean, running_var
    std = np.sqrt(var + eps)
    x_hat = (x - mean[:, None, None]) / std[:, None, None]
    return gamma[:, None, None] * x_hat + beta[:, None, None], (x_hat, gamma, std), running_mean, running_var


def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))
    return (gamma / std)[:, None, None] * dout, dgamma, dbeta


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
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))) + self.shortcut(x)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        c_out = c_mid * self.expansion
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
        raise NotImplementedError("resnet.bottleneck")


def layer_count(blocks, convs_per_block):
    return convs_per_block * sum(blocks) + 2


def build_resnet(depth, num_classes=1000):
    block = BasicBlock if depth < 50 else Bottleneck
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, count in enumerate(STAGES[depth]):
        for position in range(count):
            layers.append(block(channels, 64 << stage, 2 if stage and not position else 1))
            channels = (64 << stage) * (1 if depth < 50 else 4)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def flops(depth, size=224):
    total, channels, side = 0, 64, (size + 1) // 2
    total += 3 * 49 * 64 * side**2
    side = (side + 1) // 2
    for stage, count in enumerate(STAGES[depth]):
        width = 64 << stage
        out = width if depth < 50 else 4 * width
        for position in range(count):
            if stage and not position:
                side = (side + 1) // 2
            weights = 9 * width * (channels + width) if depth < 50 else width * (channels + 9 * width + out)
            weights += channels * out if channels != out else 0
            total += weights * side**2
            channels = out
    return total + 1000 * channels


def build_plain(depth, num_classes=1000):
    raise NotImplementedError("resnet.plain")


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        t = torch.sigmoid(self.gate(x))
        return (1 - t) * F.relu(self.transform(x)) + t * x


def residual_fast(x, params, stride=1):
    raise NotImplementedError("resnet.residual_fast")
