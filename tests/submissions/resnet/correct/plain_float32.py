"""Everything in the dtype it comes in, the textbook formulas as they stand; networks with loops and add_module."""

import numpy as np
import torch
import torch.nn as nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}

N_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    N, C, H, W = x.shape
    g, b = gamma.reshape(1, C, 1, 1), beta.reshape(1, C, 1, 1)
    if training:
        M = N * H * W
        mean = x.mean(axis=(0, 2, 3), keepdims=True)
        var = ((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
        xhat = (x - mean) / (var + eps) ** 0.5
        new_mean = (1 - momentum) * running_mean + momentum * mean.ravel()
        new_var = (1 - momentum) * running_var + momentum * var.ravel() * (M / (M - 1))
        return g * xhat + b, ("train", x, mean, var, gamma, eps), new_mean, new_var
    mean, var = running_mean.reshape(1, C, 1, 1), running_var.reshape(1, C, 1, 1)
    y = g * (x - mean) / (var + eps) ** 0.5 + b
    return y, ("eval", x, mean, var, gamma, eps), running_mean.copy(), running_var.copy()


def batchnorm_backward(dout, cache):
    mode, x, mean, var, gamma, eps = cache
    N, C, H, W = x.shape
    M = N * H * W
    over_channel = (0, 2, 3)
    g = gamma.reshape(1, C, 1, 1)
    std = (var + eps) ** 0.5
    xhat = (x - mean) / std
    dgamma = (dout * xhat).sum(axis=over_channel)
    dbeta = dout.sum(axis=over_channel)
    if mode == "eval":
        return dout * g / std, dgamma, dbeta
    inner = M * dout - dout.sum(axis=over_channel, keepdims=True)
    inner = inner - xhat * (dout * xhat).sum(axis=over_channel, keepdims=True)
    return g / (M * std) * inner, dgamma, dbeta


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
        z = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        z += self.shortcut(x)
        return z.relu_()


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        c_out = c_mid * 4
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
        z = torch.relu(self.bn1(self.conv1(x)))
        z = torch.relu(self.bn2(self.conv2(z)))
        return torch.relu(self.shortcut(x) + self.bn3(self.conv3(z)))


def layer_count(blocks, convs_per_block):
    return 2 + sum(blocks) * convs_per_block


def build_resnet(depth, num_classes=1000):
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
    net.add_module("bn1", nn.BatchNorm2d(64))
    net.add_module("relu", nn.ReLU())
    net.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    channels = 64
    for stage in range(4):
        for i in range(N_BLOCKS[depth][stage]):
            stride = 1
            if stage > 0 and i == 0:
                stride = 2
            if depth <= 34:
                net.add_module(f"block{stage}_{i}", BasicBlock(channels, 64 * 2**stage, stride))
                channels = 64 * 2**stage
            else:
                net.add_module(f"block{stage}_{i}", Bottleneck(channels, 64 * 2**stage, stride=stride))
                channels = 4 * 64 * 2**stage
    net.add_module("mean", nn.AdaptiveAvgPool2d((1, 1)))
    net.add_module("flatten", nn.Flatten())
    net.add_module("fc", nn.Linear(channels, num_classes))
    return net


def flops(depth, size=224):
    """Along the network, with the output-size formula at every halving."""
    side = (size + 2 * 3 - 7) // 2 + 1
    macs = side * side * 64 * 3 * 7 * 7
    side = (side + 2 * 1 - 3) // 2 + 1
    channels = 64
    for stage in range(4):
        width = 64 * 2**stage
        for i in range(N_BLOCKS[depth][stage]):
            if stage > 0 and i == 0:
                side = (side + 2 * 1 - 3) // 2 + 1
            area = side * side
            if depth <= 34:
                macs += area * width * channels * 9 + area * width * width * 9
                out = width
            else:
                macs += area * width * channels + area * width * width * 9 + area * 4 * width * width
                out = 4 * width
            if channels != out:
                macs += area * channels * out
            channels = out
    return macs + channels * 1000


def build_plain(depth, num_classes=1000):
    net = nn.Sequential(nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    net.append(nn.MaxPool2d(3, stride=2, padding=1))
    channels = 64

    def conv(c_out, kernel, stride=1):
        nonlocal channels
        net.append(nn.Conv2d(channels, c_out, kernel, stride=stride, padding=kernel // 2, bias=False))
        net.append(nn.BatchNorm2d(c_out))
        net.append(nn.ReLU())
        channels = c_out

    for stage in range(4):
        width = 64 * 2**stage
        for i in range(N_BLOCKS[depth][stage]):
            stride = 2 if stage > 0 and i == 0 else 1
            if depth <= 34:
                conv(width, 3, stride)
                conv(width, 3)
            else:
                conv(width, 1, stride)
                conv(width, 3)
                conv(4 * width, 1)
    net.append(nn.AdaptiveAvgPool2d(1))
    net.append(nn.Flatten())
    net.append(nn.Linear(channels, num_classes))
    return net


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        T = torch.sigmoid(self.gate(x))
        H = torch.relu(self.transform(x))
        return T * H + (1 - T) * x


def residual_fast(x, params, stride=1):
    s1 = params["bn1.weight"] / torch.sqrt(params["bn1.running_var"] + 1e-5)
    s2 = params["bn2.weight"] / torch.sqrt(params["bn2.running_var"] + 1e-5)
    w1 = params["conv1.weight"] * s1.reshape(-1, 1, 1, 1)
    w2 = params["conv2.weight"] * s2.reshape(-1, 1, 1, 1)
    b1 = params["bn1.bias"] - params["bn1.running_mean"] * s1
    b2 = params["bn2.bias"] - params["bn2.running_mean"] * s2
    z = torch.relu(nn.functional.conv2d(x, w1, b1, stride=stride, padding=1))
    if "shortcut.0.weight" in params:
        s3 = params["shortcut.1.weight"] / torch.sqrt(params["shortcut.1.running_var"] + 1e-5)
        w3 = params["shortcut.0.weight"] * s3.reshape(-1, 1, 1, 1)
        b3 = params["shortcut.1.bias"] - params["shortcut.1.running_mean"] * s3
        x = nn.functional.conv2d(x, w3, b3 + b2, stride=stride)
        return torch.relu(nn.functional.conv2d(z, w2, None, padding=1) + x)
    return torch.relu(nn.functional.conv2d(z, w2, b2, padding=1) + x)
