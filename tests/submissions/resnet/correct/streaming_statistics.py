"""Statistics merged image by image; networks as lists of modules; a plain network made by silencing shortcuts."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _merged(x):
    """Mean, sum of squared deviations and count of each channel; the statistics of two parts merge without cancellation."""
    count, mean, square = 0, np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for image in x.astype(np.float64):
        pixels = image.reshape(len(image), -1)
        n = pixels.shape[1]
        m = pixels.mean(axis=1)
        s = ((pixels - m[:, None]) ** 2).sum(axis=1)
        delta = m - mean
        square += s + delta**2 * count * n / (count + n)
        mean += delta * n / (count + n)
        count += n
    return mean, square, count


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    mean, var = running_mean, running_var
    if training:
        mean, square, count = _merged(x)
        var = square / count
        running_mean = (running_mean * (1 - momentum) + mean * momentum).astype(running_mean.dtype)
        running_var = (running_var * (1 - momentum) + square / (count - 1) * momentum).astype(running_var.dtype)
    y = np.zeros_like(x)
    hats = []
    inv = 1.0 / np.sqrt(var + eps)
    for c in range(x.shape[1]):
        hat = (x[:, c].astype(np.float64) - mean[c]) * inv[c]
        y[:, c] = gamma[c] * hat + beta[c]
        hats.append(hat)
    return y, (hats, gamma, inv, training), running_mean, running_var


def batchnorm_backward(dout, cache):
    hats, gamma, inv, training = cache
    dx = np.zeros_like(dout)
    dgamma, dbeta = np.zeros(dout.shape[1], dout.dtype), np.zeros(dout.shape[1], dout.dtype)
    for c, hat in enumerate(hats):
        d = dout[:, c].astype(np.float64)
        dgamma[c], dbeta[c] = np.vdot(d, hat), d.sum()
        if training:
            d = d - d.mean() - hat * (d * hat).mean()
        dx[:, c] = gamma[c] * inv[c] * d
    return dx, dgamma, dbeta


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
        branch = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), self.conv2, self.bn2)
        return torch.clamp(torch.add(self.shortcut(x), branch(x)), min=0)


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
        out = x
        for i in "123":
            out = getattr(self, "bn" + i)(getattr(self, "conv" + i)(out))
            if i != "3":
                out = torch.clamp(out, min=0)
        return torch.clamp(self.shortcut(x) + out, min=0)


def layer_count(blocks, convs_per_block):
    return int(np.dot(blocks, np.full(len(blocks), convs_per_block))) + 2


class _Net(nn.Module):
    def __init__(self, blocks, features, num_classes):
        super().__init__()
        self.stem = nn.ModuleList([nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)])
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(features, num_classes)

    def forward(self, x):
        for layer in self.stem:
            x = layer(x)
        x = F.max_pool2d(F.relu(x), kernel_size=3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x)
        return self.head(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


def build_resnet(depth, num_classes=1000):
    blocks = []
    for stage, count in enumerate(STAGES[depth]):
        width = (64, 128, 256, 512)[stage]
        out = width if depth < 50 else 4 * width
        before = 64 if stage == 0 else out // 2
        block = BasicBlock if depth < 50 else Bottleneck
        blocks.append(block(before, width, 1 if stage == 0 else 2))
        blocks += [block(out, width) for _ in range(count - 1)]
    return _Net(blocks, 512 if depth < 50 else 2048, num_classes)


def flops(depth, size=224):
    """The paper's table as sums: every map of stage s has ceil(size / 4 / 2^s) pixels a side."""
    sides = [-(-size // 2 ** (2 + s)) for s in range(4)]
    total = 64 * 3 * 49 * (-(-size // 2)) ** 2
    basic = depth < 50
    for s, (count, side) in enumerate(zip(STAGES[depth], sides, strict=True)):
        w = 64 * 2**s
        if basic:
            maps = 2 * 9 * w * w * count
            if s:
                maps += -9 * w * w + 9 * w * (w // 2) + w * (w // 2)
        else:
            c_in = 64 if s == 0 else 2 * w
            maps = count * (4 * w * w + 9 * w * w + 4 * w * w) - 4 * w * w + c_in * w + c_in * 4 * w
        total += maps * side * side
    return total + (512 if basic else 2048) * 1000


class _Nothing(nn.Module):
    """A shortcut that adds nothing."""

    def forward(self, x):
        return torch.zeros((), dtype=x.dtype)


def build_plain(depth, num_classes=1000):
    network = build_resnet(depth, num_classes)
    for block in network.blocks:
        block.shortcut = _Nothing()
    return network


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        g = self.gate(x)
        return torch.sigmoid(g) * F.relu(self.transform(x)) + torch.sigmoid(-g) * x


def residual_fast(x, params, stride=1):
    """The second convolution and the projection add up to one convolution over the channels of both."""
    get = params.__getitem__

    def fold(conv, bn):
        a = get(bn + ".weight") / (get(bn + ".running_var") + 1e-5).sqrt()
        return torch.einsum("o,oikl->oikl", a, get(conv + ".weight")), get(bn + ".bias") - a * get(bn + ".running_mean")

    w1, b1 = fold("conv1", "bn1")
    w2, b2 = fold("conv2", "bn2")
    hidden = F.relu(F.conv2d(x, w1, b1, stride=stride, padding=1))
    if "shortcut.0.weight" in params:
        w3, b3 = fold("shortcut.0", "shortcut.1")
        kernels = torch.cat([w2, F.pad(w3, (1, 1, 1, 1))], dim=1)
        return F.relu(F.conv2d(torch.cat([hidden, x[:, :, ::stride, ::stride]], dim=1), kernels, b2 + b3, padding=1))
    return F.relu(F.conv2d(hidden, w2, b2, padding=1) + x)
