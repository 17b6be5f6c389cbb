"""The Jacobian of every channel written out; blocks on bare functions; a network as one function over lists."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
TABLE = """
18   basic       2 2  2 2
34   basic       3 4  6 3
50   bottleneck  3 4  6 3
101  bottleneck  3 4 23 3
152  bottleneck  3 8 36 3
"""
STAGES = {int(row[0]): (row[1], tuple(map(int, row[2:]))) for row in map(str.split, TABLE.strip().splitlines())}


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    n, c, h, w = x.shape
    rows = x.transpose(1, 0, 2, 3).reshape(c, n * h * w).astype(np.longdouble)
    if training:
        m = n * h * w
        mean, var = rows.mean(axis=1), rows.var(axis=1)
        running_mean = np.asarray((1 - momentum) * running_mean + momentum * mean, dtype=running_mean.dtype)
        unbiased = rows.var(axis=1, ddof=1) if m > 1 else var
        running_var = np.asarray((1 - momentum) * running_var + momentum * unbiased, dtype=running_var.dtype)
    else:
        mean, var = running_mean, running_var
    sd = np.sqrt(var + np.longdouble(eps))
    hat = ((rows.T - mean) / sd).T
    y = (hat.T * gamma + beta).T.reshape(c, n, h, w).transpose(1, 0, 2, 3)
    return y.astype(x.dtype), (hat.astype(np.float64), np.float64(gamma), np.float64(sd), training), running_mean, running_var


def batchnorm_backward(dout, cache):
    hat, gamma, sd, training = cache
    n, c, h, w = dout.shape
    m = n * h * w
    flow = dout.transpose(1, 0, 2, 3).reshape(c, m).astype(np.float64)
    jacobian = np.eye(m)[None]  # of hat by x, times sd; symmetric
    if training:
        jacobian = jacobian - 1 / m - hat[:, :, None] * hat[:, None, :] / m
    dx = (jacobian @ flow[:, :, None])[:, :, 0] * (gamma / sd)[:, None]
    dx = dx.reshape(c, n, h, w).transpose(1, 0, 2, 3)
    dgamma = (flow[:, None, :] @ hat[:, :, None]).ravel()
    return dx.astype(dout.dtype), dgamma.astype(dout.dtype), flow.sum(1).astype(dout.dtype)


def _conv_norm(x, conv, norm, relu):
    x = F.conv2d(x, conv.weight, None, conv.stride, conv.padding)
    if norm.training:
        norm.num_batches_tracked.add_(1)
    x = F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps
    )
    return F.relu(x) if relu else x


def _residual(block, x, depth):
    out = x
    for index in range(1, depth + 1):
        out = _conv_norm(out, getattr(block, f"conv{index}"), getattr(block, f"bn{index}"), index < depth)
    if isinstance(block.shortcut, nn.Sequential):
        x = _conv_norm(x, block.shortcut[0], block.shortcut[1], False)
    return F.relu(x + out)


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        _add_layers(self, [(c_in, c_out, 3), (c_out, c_out, 3)], stride)

    def forward(self, x):
        return _residual(self, x, 2)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, c_mid, stride=1):
        super().__init__()
        _add_layers(self, [(c_in, c_mid, 1), (c_mid, c_mid, 3), (c_mid, 4 * c_mid, 1)], stride)

    def forward(self, x):
        return _residual(self, x, 3)


def _add_layers(block, layers, stride):
    for index, (a, b, k) in enumerate(layers, start=1):
        step = stride if index == 1 else 1
        block.add_module(f"conv{index}", nn.Conv2d(a, b, k, step, k // 2, bias=False))
        block.add_module(f"bn{index}", nn.BatchNorm2d(b))
    c_in, c_out = layers[0][0], layers[-1][1]
    same = stride == 1 and c_in == c_out
    projection = [] if same else [nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)]
    block.add_module("shortcut", nn.Sequential(*projection) if projection else nn.Identity())


def layer_count(blocks, convs_per_block):
    return 1 + sum([convs_per_block * b for b in blocks], start=1)


class _Function(nn.Module):
    """Convolutions, normalisations and a classifier in flat lists, and a function that says how they hang together."""

    def __init__(self, depth, num_classes, residual):
        super().__init__()
        self.residual = residual
        kind, counts = STAGES[depth]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        self.shape = []  # of each block: how many convolutions, and whether it projects
        self._add(3, 64, 7, 2)
        c = 64
        for stage, count in enumerate(counts):
            w = 64 * 2**stage
            for i in range(count):
                s = 2 if stage and not i else 1
                out = w if kind == "basic" else 4 * w
                plan = [(c, w, 3), (w, w, 3)] if kind == "basic" else [(c, w, 1), (w, w, 3), (w, out, 1)]
                for j, (a, b, k) in enumerate(plan):
                    self._add(a, b, k, s if j == 0 else 1)
                projects = residual and (s == 2 or c != out)
                if projects:
                    self._add(c, out, 1, s)
                self.shape.append((len(plan), projects))
                c = out
        self.classify = nn.Linear(c, num_classes)

    def _add(self, a, b, k, s):
        self.convs.append(nn.Conv2d(a, b, k, s, k // 2, bias=False))
        self.norms.append(nn.BatchNorm2d(b))

    def forward(self, x):
        layers = iter(zip(self.convs, self.norms, strict=True))

        def step(x):
            conv, norm = next(layers)
            return norm(conv(x))

        x = F.max_pool2d(F.relu(step(x)), 3, 2, 1)
        for count, projects in self.shape:
            out = step(x)
            for _ in range(count - 1):
                out = step(F.relu(out))
            if self.residual:
                out = out + (step(x) if projects else x)
            x = F.relu(out)
        return self.classify(x.mean((-1, -2)))


def build_resnet(depth, num_classes=1000):
    return _Function(depth, num_classes, residual=True)


def build_plain(depth, num_classes=1000):
    return _Function(depth, num_classes, residual=False)


def flops(depth, size=224):
    kind, counts = STAGES[depth]
    total, side = 0, size

    def conv(a, b, k, s):
        nonlocal total
        out = (side + 2 * (k // 2) - k) // s + 1
        total += a * b * k * k * out * out
        return out

    side = conv(3, 64, 7, 2)
    side = (side + 2 - 3) // 2 + 1
    c = 64
    for stage, count in enumerate(counts):
        w = 64 * 2**stage
        out = w if kind == "basic" else 4 * w
        for i in range(count):
            s = 2 if stage and not i else 1
            if s == 2 or c != out:
                conv(c, out, 1, s)
            if kind == "basic":
                side = conv(c, w, 3, s)
                conv(w, w, 3, 1)
            else:
                side = conv(c, w, 1, s)
                conv(w, w, 3, 1)
                conv(w, out, 1, 1)
            c = out
    return total + 1000 * c


class HighwayLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        h = F.relu(torch.addmm(self.transform.bias, rows, self.transform.weight.T))
        t = 1 / (1 + torch.exp(-torch.addmm(self.gate.bias, rows, self.gate.weight.T)))
        return (t * h + rows - t * rows).reshape(x.shape)


def residual_fast(x, params, stride=1):
    """All scales and shifts at once, cut apart afterwards."""
    names = ["bn1", "bn2"] + ["shortcut.1"] * ("shortcut.1.weight" in params)
    gathered = {key: torch.stack([params[f"{n}.{key}"] for n in names]) for key in ("weight", "bias", "running_mean")}
    variance = torch.stack([params[f"{n}.running_var"] for n in names])
    scales = gathered["weight"] / (variance + 1e-5).sqrt()
    shifts = gathered["bias"] - scales * gathered["running_mean"]
    kernels = [params[f"{n}.weight"] * a[:, None, None, None] for n, a in zip(["conv1", "conv2", "shortcut.0"], scales, strict=False)]
    out = torch.convolution(x, kernels[0], shifts[0], (stride, stride), (1, 1), (1, 1), False, (0, 0), 1).relu()
    out = torch.convolution(out, kernels[1], shifts[1], (1, 1), (1, 1), (1, 1), False, (0, 0), 1)
    if len(names) == 3:
        x = torch.convolution(x, kernels[2], shifts[2], (stride, stride), (0, 0), (1, 1), False, (0, 0), 1)
    return torch.relu(out + x)
