"""Backward pass in stages, a ResNet class with stages made by a method, He initialisation and closed last normalisations."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def _c(v):
    return np.asarray(v).reshape(1, -1, 1, 1)


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    if training:
        mu = np.mean(x, axis=(0, 2, 3), dtype=np.float64)
        var = np.var(x.astype(np.float64), axis=(0, 2, 3))
        m = x.shape[0] * x.shape[2] * x.shape[3]
        new_mean = running_mean + momentum * (mu - running_mean)
        new_var = running_var + momentum * (var * (m / (m - 1.0)) - running_var)
    else:
        mu, var = running_mean.astype(np.float64), running_var.astype(np.float64)
        new_mean, new_var = running_mean.copy(), running_var.copy()
    xmu = x - _c(mu)
    std = np.sqrt(var + eps)
    xhat = xmu / _c(std)
    y = _c(gamma) * xhat + _c(beta)
    cache = {"xmu": xmu, "std": std, "xhat": xhat, "gamma": gamma, "training": training}
    return y.astype(x.dtype), cache, new_mean.astype(running_mean.dtype), new_var.astype(running_var.dtype)


def batchnorm_backward(dout, cache):
    xmu, std, xhat, gamma = cache["xmu"], cache["std"], cache["xhat"], cache["gamma"]
    axes, kind = (0, 2, 3), dout.dtype
    m = dout.shape[0] * dout.shape[2] * dout.shape[3]
    dbeta = np.sum(dout, axis=axes, dtype=np.float64)
    dgamma = np.sum(dout * xhat, axis=axes)
    dxhat = dout * _c(gamma)
    if not cache["training"]:
        return (dxhat / _c(std)).astype(kind), dgamma.astype(kind), dbeta.astype(kind)
    dvar = np.sum(dxhat * xmu, axis=axes) * -0.5 / std**3
    dmean = np.sum(-dxhat / _c(std), axis=axes) + dvar * np.sum(-2.0 * xmu, axis=axes) / m
    dx = dxhat / _c(std) + _c(dvar) * 2.0 * xmu / m + _c(dmean) / m
    return dx.astype(kind), dgamma.astype(kind), dbeta.astype(kind)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        if stride == 1 and c_in == c_out:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x):
        identity = self.shortcut(x)
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = out + identity
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_mid, kernel_size=1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, c_mid * 4, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_mid * 4)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != 4 * c_mid:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_mid * 4, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(c_mid * 4)
            )

    def forward(self, x):
        identity = self.shortcut(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


def layer_count(blocks, convs_per_block):
    count = 2
    for b in blocks:
        count += b * convs_per_block
    return count


class ResNet(nn.Module):
    def __init__(self, block, counts, num_classes):
        super().__init__()
        self.channels = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, counts[0], 1)
        self.layer2 = self._make_layer(block, 128, counts[1], 2)
        self.layer3 = self._make_layer(block, 256, counts[2], 2)
        self.layer4 = self._make_layer(block, 512, counts[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
            if isinstance(m, BasicBlock):
                nn.init.zeros_(m.bn2.weight)
            if isinstance(m, Bottleneck):
                nn.init.zeros_(m.bn3.weight)

    def _make_layer(self, block, width, count, stride):
        layers = [block(self.channels, width, stride)]
        self.channels = width * block.expansion
        layers.extend(block(self.channels, width) for _ in range(1, count))
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


CONFIGURATIONS = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


def build_resnet(depth, num_classes=1000):
    return ResNet(*CONFIGURATIONS[depth], num_classes)


def flops(depth, size=224):
    """Walks over a network without weights, and keeps account of the size itself."""
    with torch.device("meta"):
        net = build_resnet(depth)

    def out(conv, n):
        return (n + 2 * conv.padding[0] - conv.kernel_size[0]) // conv.stride[0] + 1

    size = out(net.conv1, size)
    total = net.conv1.weight.numel() * size * size
    size = (size + 2 - 3) // 2 + 1
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            here = size
            for name in ("conv1", "conv2", "conv3"):
                if hasattr(block, name):
                    size = out(getattr(block, name), size)
                    total += getattr(block, name).weight.numel() * size * size
            if isinstance(block.shortcut, nn.Sequential):
                assert out(block.shortcut[0], here) == size
                total += block.shortcut[0].weight.numel() * size * size
    return total + net.fc.weight.numel()


class _PlainNet(nn.Module):
    def __init__(self, depth, num_classes):
        super().__init__()
        block, counts = CONFIGURATIONS[depth]
        convs, norms = [nn.Conv2d(3, 64, 7, 2, 3, bias=False)], [nn.BatchNorm2d(64)]
        c = 64
        for i, n in enumerate(counts):
            w = 64 << i
            for j in range(n):
                s = 2 if i and not j else 1
                plan = [(c, w, 3, s), (w, w, 3, 1)]
                if block is Bottleneck:
                    plan = [(c, w, 1, s), (w, w, 3, 1), (w, 4 * w, 1, 1)]
                for a, b, k, t in plan:
                    convs.append(nn.Conv2d(a, b, k, t, k // 2, bias=False))
                    norms.append(nn.BatchNorm2d(b))
                c = plan[-1][1]
        self.convs, self.norms, self.fc = nn.ModuleList(convs), nn.ModuleList(norms), nn.Linear(c, num_classes)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = torch.relu(norm(conv(x)))
            if i == 0:
                x = F.max_pool2d(x, 3, 2, 1)
        return self.fc(x.mean(dim=(2, 3)))


def build_plain(depth, num_classes=1000):
    return _PlainNet(depth, num_classes)


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        h = torch.relu(self.transform(x))
        return x + torch.sigmoid(self.gate(x)) * (h - x)


def residual_fast(x, params, stride=1):
    def folded(conv, bn):
        a = params[bn + ".weight"] / torch.sqrt(params[bn + ".running_var"] + 1e-5)
        return params[conv + ".weight"] * a[:, None, None, None], params[bn + ".bias"] - a * params[bn + ".running_mean"]

    w1, b1 = folded("conv1", "bn1")
    w2, b2 = folded("conv2", "bn2")
    out = F.conv2d(F.relu(F.conv2d(x, w1, b1, stride, 1)), w2, b2, 1, 1)
    if "shortcut.0.weight" in params:
        ws, bs = folded("shortcut.0", "shortcut.1")
        x = F.conv2d(x, ws, bs, stride)
    return F.relu(out + x)
