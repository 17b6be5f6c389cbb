"""Batch normalisation as one scale and shift, its gradient a closure in the cache; networks written as text; functional_call."""

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    kind = x.dtype
    wide = x.astype(np.float64)
    count = x.size // x.shape[1]
    if training:
        # Around the first value of each channel: no cancellation where a channel hardly varies.
        origin = wide[0, :, 0, 0]
        shifted = wide - origin[None, :, None, None]
        first = np.einsum("nchw->c", shifted) / count
        second = np.einsum("nchw,nchw->c", shifted, shifted) / count
        mean, var = origin + first, second - first**2
        kept = 1 - momentum
        running_mean = (kept * running_mean + momentum * mean).astype(running_mean.dtype)
        running_var = (kept * running_var + momentum * var * count / (count - 1)).astype(running_var.dtype)
    else:
        mean, var = running_mean, running_var
    inv = 1 / np.sqrt(var + eps)
    a = gamma * inv
    b = beta - a * mean
    y = np.einsum("nchw,c->nchw", wide, a) + b[None, :, None, None]

    def backward(dout):
        dbeta = np.einsum("nchw->c", dout)
        dgamma = inv * (np.einsum("nchw,nchw->c", dout, wide) - mean * dbeta)
        dx = np.einsum("nchw,c->nchw", dout, a)
        if training:  # dx = a dout + p x + q, with p and q from the two sums
            p = -a * inv * dgamma / count
            q = -a * dbeta / count - p * mean
            dx = dx + np.einsum("nchw,c->nchw", wide, p) + q[None, :, None, None]
        return dx.astype(kind), dgamma.astype(kind), dbeta.astype(kind)

    return y.astype(kind), backward, running_mean, running_var


def batchnorm_backward(dout, cache):
    return cache(dout)


def _shortcut(c_in, c_out, stride):
    if (c_in, stride) == (c_out, 1):
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = _shortcut(c_in, c_out, stride)

    def forward(self, x):
        out = self.bn1(self.conv1(x))
        out = torch.where(out > 0, out, 0)
        out = self.bn2(self.conv2(out)) + self.shortcut(x)
        return torch.where(out > 0, out, 0)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, 4 * c_mid, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * c_mid)
        self.shortcut = _shortcut(c_in, 4 * c_mid, stride)

    def forward(self, x):
        out = x
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            out = norm(conv(out))
            out = torch.where(out > 0, out, 0)
        out = self.bn3(self.conv3(out)) + self.shortcut(x)
        return torch.where(out > 0, out, 0)


PLANS = {
    18: "2x64 2x128 2x256 2x512",
    34: "3x64 4x128 6x256 3x512",
    50: "3x64 4x128 6x256 3x512 wide",
    101: "3x64 4x128 23x256 3x512 wide",
    152: "3x64 8x128 36x256 3x512 wide",
}


def _parsed(depth):
    """(c_in, width, stride) of every block, and by how much blocks widen."""
    words = PLANS[depth].split()
    expansion = 4 if words[-1] == "wide" else 1
    steps, c_in = [], 64
    for word in words[:4]:
        count, width = map(int, word.split("x"))
        for position in range(count):
            steps.append((c_in, width, 2 if position == 0 and width > 64 else 1))
            c_in = width * expansion
    return steps, expansion


def layer_count(blocks, convs_per_block):
    return len([conv for count in blocks for _ in range(count) for conv in range(convs_per_block)] + ["first", "last"])


def _assembled(blocks, features, num_classes):
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, num_classes))


def build_resnet(depth, num_classes=1000):
    steps, expansion = _parsed(depth)
    kind = {1: BasicBlock, 4: Bottleneck}[expansion]
    return _assembled([kind(*step) for step in steps], 512 * expansion, num_classes)


def _convolutions(depth, size):
    """(c_in, c_out, kernel, side) of every convolution."""
    side = (size - 1) // 2 + 1
    yield 3, 64, 7, side
    side = (side - 1) // 2 + 1
    steps, expansion = _parsed(depth)
    for c_in, width, stride in steps:
        side = (side - 1) // stride + 1
        if expansion == 1:
            yield c_in, width, 3, side
            yield width, width, 3, side
        else:
            yield c_in, width, 1, side
            yield width, width, 3, side
            yield width, 4 * width, 1, side
        if stride == 2 or c_in != expansion * width:
            yield c_in, expansion * width, 1, side


def flops(depth, size=224):
    convolutions = sum(a * b * k * k * side * side for a, b, k, side in _convolutions(depth, size))
    return convolutions + 1000 * (512 if depth < 50 else 2048)


class _ConvNormRelu(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, (kernel - 1) // 2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


def build_plain(depth, num_classes=1000):
    steps, expansion = _parsed(depth)
    layers = []
    for c_in, w, stride in steps:
        if expansion == 1:
            layers += [_ConvNormRelu(c_in, w, 3, stride), _ConvNormRelu(w, w, 3)]
        else:
            layers += [_ConvNormRelu(c_in, w, 1, stride), _ConvNormRelu(w, w, 3), _ConvNormRelu(w, 4 * w, 1)]
    return _assembled(layers, 512 * expansion, num_classes)


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        """Both linear maps as one."""
        weight = torch.cat([self.transform.weight, self.gate.weight])
        h, t = nn.functional.linear(x, weight, torch.cat([self.transform.bias, self.gate.bias])).chunk(2, dim=-1)
        t = t.sigmoid()
        return torch.addcmul((1 - t) * x, t, h.relu())


class _Folded(nn.Module):
    """The block without normalisations; its weights come with each call."""

    def __init__(self, c_in, c_out, stride, projected):
        super().__init__()
        self.one = nn.Conv2d(c_in, c_out, 3, stride, 1)
        self.two = nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.side = nn.Conv2d(c_in, c_out, 1, stride) if projected else nn.Identity()

    def forward(self, x):
        return torch.relu(self.two(torch.relu(self.one(x))) + self.side(x))


def residual_fast(x, params, stride=1):
    projected = "shortcut.0.weight" in params
    c_out, c_in = params["conv1.weight"].shape[:2]
    with torch.device("meta"):
        block = _Folded(c_in, c_out, stride, projected)
    weights = {}
    for name, conv, bn in (("one", "conv1", "bn1"), ("two", "conv2", "bn2"), ("side", "shortcut.0", "shortcut.1")):
        if name != "side" or projected:
            scale = params[f"{bn}.weight"].div(params[f"{bn}.running_var"].add(1e-5).sqrt())
            weights[f"{name}.weight"] = params[f"{conv}.weight"].mul(scale.unflatten(0, (-1, 1, 1, 1)))
            weights[f"{name}.bias"] = params[f"{bn}.bias"].sub(params[f"{bn}.running_mean"].mul(scale))
    return functional_call(block, weights, (x,))
