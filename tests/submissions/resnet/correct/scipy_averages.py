"""Statistics with scipy.ndimage and a sparse averaging matrix; stages as modules of their own; the identity as a kernel."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage, sparse
from torch import nn

QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}


def _channels(shape):
    """The channel of every value, as labels."""
    return np.broadcast_to(np.arange(shape[1])[None, :, None, None], shape)


def batchnorm_forward(x, gamma, beta, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    if training:
        labels, wide = _channels(x.shape), x.astype(np.float64)
        channels = np.arange(x.shape[1])
        mean = np.asarray(ndimage.mean(wide, labels, channels))
        var = np.asarray(ndimage.variance(wide, labels, channels))
        count = x.size / x.shape[1]
        target = np.stack([mean, var * count / (count - 1)])
        old = np.stack([running_mean, running_var]).astype(np.float64)
        fresh = old + momentum * (target - old)
        running_mean, running_var = fresh[0].astype(running_mean.dtype), fresh[1].astype(running_var.dtype)
    else:
        mean, var = running_mean, running_var
    over = gamma / np.sqrt(var + eps)
    hat = (x - mean.reshape(-1, 1, 1)) / np.sqrt(var + eps).reshape(-1, 1, 1)
    y = hat * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)
    return y.astype(x.dtype), [hat, over, training], running_mean, running_var


def batchnorm_backward(dout, cache):
    hat, over, training = cache
    labels = _channels(dout.shape).ravel()
    rows = sparse.csr_array((np.ones(labels.size), (labels, np.arange(labels.size))))  # sums a channel
    flat, flat_hat = dout.ravel().astype(np.float64), hat.ravel()
    dbeta, dgamma = rows @ flat, rows @ (flat * flat_hat)
    dx = flat
    if training:
        count = rows.sum(axis=1)
        dx = flat - rows.T @ (dbeta / count) - flat_hat * (rows.T @ (dgamma / count))
    dx = (dx * over[labels]).reshape(dout.shape)
    return dx.astype(dout.dtype), dgamma.astype(dout.dtype), dbeta.astype(dout.dtype)


class BasicBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        """Channels last inside, which changes nothing but the memory."""
        x = x.contiguous(memory_format=torch.channels_last)
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out = out.add(self.shortcut(x))
        return F.relu(out, inplace=True)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in: int, c_mid: int, stride: int = 1) -> None:
        super().__init__()
        c_out = c_mid * self.expansion
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        """A strided 1x1 convolution only looks at every other pixel."""
        out = F.conv2d(x[:, :, :: self.conv1.stride[0], :: self.conv1.stride[1]], self.conv1.weight)
        out = F.threshold(self.bn1(out), 0.0, 0.0)
        out = F.threshold(self.bn2(self.conv2(out)), 0.0, 0.0)
        out = torch.stack([self.bn3(self.conv3(out)), self.shortcut(x)]).sum(dim=0)
        return F.threshold(out, 0.0, 0.0)


def layer_count(blocks, convs_per_block):
    return math.fsum([1.0, 1.0, *(convs_per_block * count for count in blocks)]).__int__()


class Stage(nn.Sequential):
    def __init__(self, block, c_in, width, count, stride):
        expansion = getattr(block, "expansion", 1)
        rest = [block(width * expansion, width, 1) for _ in range(count - 1)]
        super().__init__(block(c_in, width, stride), *rest)
        self.channels = width * expansion


class Classifier(nn.Module):
    def __init__(self, block, counts, num_classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64))
        stages = [Stage(block, 64, 64, counts[0], 1)]
        for width, count in zip((128, 256, 512), counts[1:], strict=True):
            stages.append(Stage(block, stages[-1].channels, width, count, 2))
        self.stages = nn.Sequential(*stages)
        self.linear = nn.Linear(stages[-1].channels, num_classes)

    def forward(self, x):
        # relu and maximum commute, and padding with zeros after a relu is padding with nothing
        x = F.pad(self.stem(x).relu(), (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(4, 5))
        return self.linear(self.stages(x).flatten(2).mean(2))


def build_resnet(depth, num_classes=1000):
    counts = BLOCKS[depth]
    return Classifier(BasicBlock if depth in (18, 34) else Bottleneck, counts, num_classes)


def flops(depth, size=224):
    sides = [size]
    for _ in range(5):
        sides.append((sides[-1] + 1) // 2)
    pixels = np.array(sides, dtype=object) ** 2  # Python's integers do not overflow
    widths = np.array([64, 128, 256, 512], dtype=object)
    counts = np.array(BLOCKS[depth], dtype=object)
    before = np.array([64, 64, 128, 256], dtype=object)
    if depth in (18, 34):
        weights = 18 * widths**2 * counts + 9 * widths * (before - widths)
        weights += np.where(before != widths, before * widths, 0)
        features = 512
    else:
        before[1:] *= 4
        weights = 17 * widths**2 * counts + (before - 4 * widths) * widths + before * 4 * widths
        features = 2048
    return int(64 * 147 * pixels[1] + (weights * pixels[2:]).sum() + features * 1000)


class Plain(nn.Module):
    def __init__(self, c_in, c_out, kernels, widths, stride):
        super().__init__()
        c = [c_in, *widths]
        layers = []
        for i, kernel in enumerate(kernels):
            pad, step = kernel // 2, stride if i == 0 else 1
            layers.append(nn.Conv2d(c[i], c[i + 1], kernel, stride=step, padding=pad, bias=False))
            layers.append(nn.BatchNorm2d(c[i + 1]))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class PlainBasic(Plain):
    expansion = 1

    def __init__(self, c_in, width, stride):
        super().__init__(c_in, width, (3, 3), (width, width), stride)


class PlainBottleneck(Plain):
    expansion = 4

    def __init__(self, c_in, width, stride):
        super().__init__(c_in, 4 * width, (1, 3, 1), (width, width, 4 * width), stride)


def build_plain(depth, num_classes=1000):
    return Classifier(PlainBasic if depth in (18, 34) else PlainBottleneck, BLOCKS[depth], num_classes)


class HighwayLayer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        """A softmax over two scores, the gate's and 0, is the sigmoid and what it leaves."""
        score = self.gate(x)
        share = torch.stack([score, torch.zeros_like(score)]).softmax(dim=0)
        return (share * torch.stack([F.relu(self.transform(x)), x])).sum(dim=0)


def residual_fast(x, params, stride=1):
    """Normalisation folded as matrices: a diagonal times the kernels as rows."""

    def fold(conv, bn):
        kernel = params[conv + ".weight"]
        scale = params[bn + ".weight"] * torch.rsqrt(params[bn + ".running_var"] + 1e-5)
        folded = (torch.diag(scale) @ kernel.flatten(1)).view(kernel.shape)
        return folded, torch.sub(params[bn + ".bias"], scale * params[bn + ".running_mean"])

    first = F.conv2d(x, *fold("conv1", "bn1"), stride=(stride, stride), padding="same" if stride == 1 else (1, 1))
    second = F.conv2d(first.clamp_min(0), *fold("conv2", "bn2"), padding="same")
    if any(name.startswith("shortcut") for name in params):
        x = F.conv2d(x[..., ::stride, ::stride], *fold("shortcut.0", "shortcut.1"))
    return (second + x).clamp_min(0)
