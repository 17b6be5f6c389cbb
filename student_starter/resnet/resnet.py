"""Residual networks: batch normalisation by hand, residual blocks, the ResNet family, plain and highway networks.

Feature maps are (N, C, H, W). Batch normalisation is NumPy with a backward pass of your own; everything else is torch
and differentiated by autograd. Convolutions that a batch normalisation follows have no bias: its shift takes that part.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: A friend makes four claims about deep networks. Which one is wrong?
#     a: A deeper network can be better than a shallow one.
#     b: Shortcuts keep gradients from fading on their way back.
#     c: Beyond some twenty layers, gradients vanish, so nobody trains deeper convolutional networks.
#     d: A block of layers learns to give zero more easily than to copy its input.
#
# q2: The best thing a block could do is to hand its (non-negative) input on unchanged. What must the
#     convolutions of a residual block learn for that?
#     a: to give zero, for which small weights are enough
#     b: to give the identity, with one weight 1 in each kernel
#     c: to give the negative of the input, so that the addition cancels
#     d: nothing at all: any weights hand the input on
#
# q3: A plain network of 56 layers has a higher error than one of 20 layers, on the training set too. What is
#     going on?
#     a: The deep one overfits: with so many more parameters it learns the training set by heart.
#     b: The deep one cannot represent the function that the shallow one has learnt, so it must do worse.
#     c: The deep one has too few channels for its depth, and loses information on the way.
#     d: The deep one is harder to optimise: as much as the shallow one's function is within its reach,
#        training does not find it.
#
# q4: Seen from backpropagation, what does the addition of x at the end of a block y = F(x) + x do to the
#     gradient?
#     a: It multiplies the gradient by the number of blocks that are stacked, which makes up for what F takes
#        away.
#     b: It adds a path on which the gradient in y reaches x unchanged, whatever the weights of F are.
#     c: It keeps the gradient from entering F, so that the weights of F are trained by the next block only.
#     d: Nothing: the addition matters in the forward pass, and has no part in the chain rule.
#
# q5: What does a highway network have that a residual network does not?
#     a: Batch normalisation on the shortcut as well as after each of its convolutions.
#     b: Shortcuts that skip many more than two layers, up to half of the network.
#     c: Learnt weights for how much of a layer's input, and how much of its transformation, passes on.
#     d: A projection on every shortcut, so that each layer may change the number of channels.
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}

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
    # Your code here.
    raise NotImplementedError("resnet.batchnorm")


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
    # Your code here.
    raise NotImplementedError("resnet.batchnorm")


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
        # Your code here.
        raise NotImplementedError("resnet.basic_block")


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
        # Your code here.
        raise NotImplementedError("resnet.bottleneck")


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
    # Your code here.
    raise NotImplementedError("resnet.resnet")


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
    # Your code here.
    raise NotImplementedError("resnet.resnet")


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
    # Your code here.
    raise NotImplementedError("resnet.resnet")


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

    # Your code here.
    raise NotImplementedError("resnet.plain")


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
        # Your code here.
        raise NotImplementedError("resnet.highway")


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
    # Your code here.
    raise NotImplementedError("resnet.residual_fast")
