"""Residual networks: batch normalisation by hand, residual blocks, the ResNet family, plain and highway networks.

Feature maps are (N, C, H, W). Batch normalisation is NumPy with a backward pass of your own; everything else is torch
and differentiated by autograd. Convolutions that a batch normalisation follows have no bias: its shift takes that part.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

### BEGIN SOLUTION resnet.quiz
QUIZ = {"q1": "c", "q2": "a", "q3": "d", "q4": "b", "q5": "c"}
### END SOLUTION

# Blocks in each of the four stages, by depth. 18 and 34 are made of BasicBlock, the others of Bottleneck.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def batchnorm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray]:
    """Normalise every channel over batch and space, then scale and shift it.

    y = gamma (x - mean) / sqrt(var + eps) + beta, channel by channel. In training, mean and var are those of the
    batch, over all M = N H W values of a channel; var is the biased one (divided by M). In evaluation they are the
    running ones.

    Args:
        x: input, shape (N, C, H, W); in training M is at least 2.
        gamma: scale, shape (C,).
        beta: shift, shape (C,).
        running_mean: mean so far, shape (C,).
        running_var: variance so far, shape (C,).
        training: whether to use, and learn from, the statistics of this batch.
        momentum: weight of this batch in the new running statistics.
        eps: added to the variance, inside the square root.

    Returns:
        y: shape (N, C, H, W).
        cache: whatever your backward pass needs.
        running_mean: in training (1 - momentum) old + momentum (batch mean); in evaluation the old one, unchanged.
        running_var: likewise with the *unbiased* batch variance (divided by M - 1), as torch does.
        The arguments themselves are never written into.

    Example:
        A channel that holds 1 and 3, with gamma 1 and beta 0: mean 2, var 1, y = -1 and 1 (up to eps).
        From a running mean 0 and a running variance 1, at momentum 0.1, it makes 0.2 and 0.9 + 0.1 * 2 = 1.1.
    """
    ### BEGIN SOLUTION resnet.batchnorm
    mean, var = running_mean, running_var
    if training:
        # In float64: an error in the mean, however small, is multiplied by up to 1 / sqrt(eps).
        count = x.size // x.shape[1]
        mean = x.mean(axis=(0, 2, 3), dtype=np.float64)
        var = np.square(x - mean[:, None, None]).mean(axis=(0, 2, 3))
        batch = mean, var * count / (count - 1)
        running_mean, running_var = (
            ((1 - momentum) * old + momentum * new).astype(old.dtype)
            for old, new in zip((running_mean, running_var), batch, strict=True)
        )
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - mean[:, None, None]) * inv_std[:, None, None]
    y = gamma[:, None, None] * x_hat + beta[:, None, None]
    return y.astype(x.dtype), (x_hat, gamma * inv_std, training), running_mean, running_var
    ### END SOLUTION


def batchnorm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of batch normalisation.

    In training the mean and the variance depend on x too, so every dx hears of every dout of its channel.
    In evaluation they are constants.

    Args:
        dout: gradient of the loss with respect to y, shape (N, C, H, W).
        cache: what `batchnorm_forward` returned, in either mode.

    Returns:
        dx: shape (N, C, H, W).
        dgamma: shape (C,), sums over batch and space.
        dbeta: shape (C,), likewise.

    Example:
        In training a constant dout gives dx = 0: a constant added to y cannot come from any change of x.
    """
    ### BEGIN SOLUTION resnet.batchnorm
    x_hat, scale, training = cache
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3))
    dbeta = dout.sum(axis=(0, 2, 3))
    dx = dout
    if training:
        count = dout.size // dout.shape[1]
        dx = dout - dbeta[:, None, None] / count - x_hat * dgamma[:, None, None] / count
    dx = scale[:, None, None] * dx
    return dx.astype(dout.dtype), dgamma.astype(dout.dtype), dbeta.astype(dout.dtype)
    ### END SOLUTION


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions: relu(branch(x) + shortcut(x)).

    The branch is conv1, bn1, relu, conv2, bn2. The shortcut is the identity where the shape stays, and a projection
    (1x1 convolution with the same stride, and a batch normalisation) where it changes.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        stride: of conv1 and of the projection.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            projection = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(c_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block.

        Args:
            x: shape (N, c_in, H, W).

        Returns:
            Shape (N, c_out, ceil(H / stride), ceil(W / stride)).

        Example:
            Where the branch gives 0 (bn2's weight and bias are 0) and the shape stays, the result is relu(x).
        """
        ### BEGIN SOLUTION resnet.basic_block
        branch = F.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        return F.relu(branch + self.shortcut(x))
        ### END SOLUTION


class Bottleneck(nn.Module):
    """Residual block that works in few channels: 1x1 down to c_mid, 3x3 there, 1x1 up to 4 c_mid.

    The branch is conv1, bn1, relu, conv2, bn2, relu, conv3, bn3; the shortcut is as in `BasicBlock`.
    The stride sits in conv1, the first 1x1 convolution.

    Args:
        c_in: channels of the input.
        c_mid: channels inside; the output has `expansion` times as many.
        stride: of conv1 and of the projection.
    """

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
            projection = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(c_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block.

        Args:
            x: shape (N, c_in, H, W).

        Returns:
            Shape (N, 4 c_mid, ceil(H / stride), ceil(W / stride)).

        Example:
            Where the branch gives 0 (bn3's weight and bias are 0) and c_in = 4 c_mid, stride 1, the result is relu(x).
        """
        ### BEGIN SOLUTION resnet.bottleneck
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        return F.relu(self.bn3(self.conv3(inner)) + self.shortcut(x))
        ### END SOLUTION


def layer_count(blocks: tuple[int, ...], convs_per_block: int) -> int:
    """Number of layers with weights, as in the names of the networks.

    The first convolution, the convolutions of all blocks, and the classifier count; projections on shortcuts do not.

    Args:
        blocks: blocks in each stage.
        convs_per_block: convolutions on the branch of one block.

    Returns:
        The count.

    Example:
        `layer_count((3, 4, 6, 3), 2)` is 1 + 2*3 + 2*4 + 2*6 + 2*3 + 1 = 34.
    """
    ### BEGIN SOLUTION resnet.resnet
    return 1 + convs_per_block * sum(blocks) + 1
    ### END SOLUTION


def build_resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    """A ResNet that takes images (N, 3, H, W) to logits (N, num_classes).

    7x7 convolution to 64 channels, stride 2, padding 3, with batch normalisation and relu; 3x3 max pooling, stride 2,
    padding 1; four stages of blocks with 64, 128, 256, 512 channels (in a `Bottleneck`: c_mid), the first block of
    the last three with stride 2; the mean over space; a linear classifier. No softmax.

    Args:
        depth: 18, 34 (of `BasicBlock`), 50, 101 or 152 (of `Bottleneck`); `STAGES` has the numbers of blocks.
        num_classes: width of the classifier.

    Returns:
        A torch module; how its parts are called is up to you.

    Raises:
        KeyError: there is no ResNet of this depth.

    Example:
        `build_resnet(18)` has 11,689,512 parameters; at 224x224 its maps are 112, 56, 28, 14 and 7 pixels wide.
    """
    ### BEGIN SOLUTION resnet.resnet
    block, expansion = (BasicBlock, 1) if depth < 50 else (Bottleneck, Bottleneck.expansion)
    layers = [
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    c_in = 64
    for stage, count in enumerate(STAGES[depth]):
        width = 64 * 2**stage
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            layers.append(block(c_in, width, stride))
            c_in = expansion * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, num_classes))
    ### END SOLUTION


def flops(depth: int, size: int = 224) -> int:
    """Multiply-adds of one forward pass of `build_resnet(depth)` on one size x size image.

    A convolution costs c_in * kh * kw for each of its c_out * h * w output values; the classifier, with 1000 classes,
    c_in * 1000. Projections count; pooling, batch normalisation, relu and additions do not.

    Args:
        depth: 18, 34, 50, 101 or 152.
        size: height and width of the image; need not be divisible by 32 (every halving rounds up).

    Returns:
        The exact number, an int.

    Raises:
        KeyError: there is no ResNet of this depth.

    Example:
        The first convolution at 224: 3 * 7 * 7 * 64 * 112 * 112 = 118,013,952. `flops(18)` is about 1.8e9.
    """
    ### BEGIN SOLUTION resnet.resnet
    size = (size + 1) // 2
    total = 3 * 7 * 7 * 64 * size**2
    size, c_in = (size + 1) // 2, 64
    for stage, count in enumerate(STAGES[depth]):
        width = 64 * 2**stage
        c_out = width if depth < 50 else 4 * width
        size = (size + 1) // 2 if stage > 0 else size
        for position in range(count):
            weights = 9 * width * (c_in + width) if depth < 50 else width * (c_in + 9 * width + c_out)
            if position == 0 and (stage > 0 or c_in != c_out):
                weights += c_in * c_out
            total += weights * size**2
            c_in = c_out
    return total + c_in * 1000
    ### END SOLUTION


def build_plain(depth: int, num_classes: int = 1000) -> nn.Module:
    """The network of `build_resnet` without shortcuts: the same convolutions, normalisations and relus in a chain.

    Every block is only its branch, followed by the relu that would follow the addition; there are no projections.

    Args:
        depth: 18, 34 (two 3x3 convolutions a block), 50, 101 or 152 (1x1, 3x3, 1x1; the stride in the first).
        num_classes: width of the classifier.

    Returns:
        A torch module from images (N, 3, H, W) to logits (N, num_classes).

    Raises:
        KeyError: there is no ResNet of this depth.

    Example:
        `build_plain(34)` has 173,824 parameters less than `build_resnet(34)`: the three projections.
    """

    ### BEGIN SOLUTION resnet.plain
    def unit(c_in: int, c_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        conv = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False)
        return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]

    layers = [*unit(3, 64, 7, 2), nn.MaxPool2d(3, stride=2, padding=1)]
    c_in = 64
    for stage, count in enumerate(STAGES[depth]):
        width = 64 * 2**stage
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            if depth < 50:
                layers += unit(c_in, width, 3, stride) + unit(width, width, 3)
                c_in = width
            else:
                layers += unit(c_in, width, 1, stride) + unit(width, width, 3) + unit(width, 4 * width, 1)
                c_in = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, num_classes))
    ### END SOLUTION


class HighwayLayer(nn.Module):
    """Highway layer: a gate, learnt per unit, mixes a transformed input with the input itself.

    y = T * H + (1 - T) * x with H = relu(transform(x)) and T = sigmoid(gate(x)), all element by element.

    Args:
        dim: width of input and output.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer.

        Args:
            x: shape (..., dim).

        Returns:
            Shape (..., dim).

        Example:
            A gate bias of -50 closes the gate, T = 0: y = x. At T = 1/2 the result is the mean of H and x.
        """
        ### BEGIN SOLUTION resnet.highway
        gate = torch.sigmoid(self.gate(x))
        return gate * F.relu(self.transform(x)) + (1 - gate) * x
        ### END SOLUTION


def residual_fast(x: torch.Tensor, params: dict[str, torch.Tensor], stride: int = 1) -> torch.Tensor:
    """A `BasicBlock` in evaluation mode, with its batch normalisations folded into its convolutions.

    In evaluation a batch normalisation is a fixed scale a = weight / sqrt(running_var + 1e-5) and shift
    bias - a * running_mean of every channel; both fit into the convolution before it. `F.conv2d` is allowed.

    Args:
        x: shape (N, c_in, H, W).
        params: the block's `state_dict()`: "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean",
            "bn1.running_var", the same for conv2 and bn2, and, where the block has a projection, "shortcut.0.weight"
            (the convolution) and "shortcut.1.…" (the batch normalisation). "….num_batches_tracked" is of no use here.
        stride: the block's.

    Returns:
        Shape (N, c_out, ceil(H / stride), ceil(W / stride)); what the block in evaluation mode gives.
        Differentiable with respect to x and to the weights and biases in `params`.

    Example:
        A channel with weight 2, bias 1, running mean 3 and running variance 4 has a = 1: its kernel stays, its bias
        becomes 1 - 3 = -2 (up to 1e-5).
    """
    ### BEGIN SOLUTION resnet.residual_fast

    def fold(conv: str, bn: str) -> tuple[torch.Tensor, torch.Tensor]:
        scale = params[f"{bn}.weight"] * torch.rsqrt(params[f"{bn}.running_var"] + 1e-5)
        bias = torch.addcmul(params[f"{bn}.bias"], params[f"{bn}.running_mean"], scale, value=-1)
        return params[f"{conv}.weight"] * scale.view(-1, 1, 1, 1), bias

    shortcut = x
    if "shortcut.0.weight" in params:
        shortcut = F.conv2d(x, *fold("shortcut.0", "shortcut.1"), stride=stride)
    branch = F.conv2d(x, *fold("conv1", "bn1"), stride=stride, padding=1).relu_()
    branch = F.conv2d(branch, *fold("conv2", "bn2"), padding=1)
    return branch.add_(shortcut).relu_()  # in place: maps that nobody else holds
    ### END SOLUTION
