"""Blocks and networks: answers and gradients against the reference's, structure against counts, facts of training."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks import compare
from autograder.checks.architecture import difference

# Blocks --------------------------------------------------------------------------------------------------------


@pytest.mark.task("basic_block")
@weight(3)
@number("2.2")
@pytest.mark.parametrize("channels, size", [(4, (7, 6)), (2, (3, 5))], ids=["4 channels", "2 channels"])
def test_basic_block_identity(agrees, draw, channels, size):
    """BasicBlock: output, gradients and running statistics where the shape stays"""
    agrees.module("BasicBlock", (channels, channels), draw.tensor(3, channels, *size))


@pytest.mark.task("basic_block")
@weight(3)
@number("2.3")
@pytest.mark.parametrize("c_in, c_out, stride", [(3, 6, 1), (3, 6, 2), (4, 4, 2)])
def test_basic_block_projection(agrees, draw, c_in, c_out, stride):
    """BasicBlock: output, gradients and running statistics where the shape changes"""
    agrees.module("BasicBlock", (c_in, c_out, stride), draw.tensor(2, c_in, 7, 6))


@pytest.mark.task("basic_block")
@weight(2)
@number("2.4")
@pytest.mark.parametrize("c_in, c_out, stride", [(4, 4, 1), (3, 5, 2)])
def test_basic_block_evaluation(agrees, draw, c_in, c_out, stride):
    """BasicBlock: in evaluation, on running statistics"""
    agrees.module("BasicBlock", (c_in, c_out, stride), draw.tensor(2, c_in, 7, 6, wide=True), training=False)


@pytest.mark.task("bottleneck")
@weight(2)
@number("3.2")
@pytest.mark.parametrize("width, size", [(2, (7, 6)), (3, (3, 5))], ids=["8 channels", "12 channels"])
def test_bottleneck_identity(agrees, draw, width, size):
    """Bottleneck: output, gradients and running statistics where the shape stays"""
    agrees.module("Bottleneck", (4 * width, width), draw.tensor(3, 4 * width, *size))


@pytest.mark.task("bottleneck")
@weight(3)
@number("3.3")
@pytest.mark.parametrize("c_in, c_mid, stride", [(3, 2, 1), (3, 2, 2), (8, 2, 2)])
def test_bottleneck_projection(agrees, draw, c_in, c_mid, stride):
    """Bottleneck: output, gradients and running statistics where the shape changes"""
    agrees.module("Bottleneck", (c_in, c_mid, stride), draw.tensor(2, c_in, 7, 6))


@pytest.mark.task("bottleneck")
@weight(2)
@number("3.4")
@pytest.mark.parametrize("c_in, c_mid, stride", [(8, 2, 1), (3, 2, 2)])
def test_bottleneck_evaluation(agrees, draw, c_in, c_mid, stride):
    """Bottleneck: in evaluation, on running statistics"""
    agrees.module("Bottleneck", (c_in, c_mid, stride), draw.tensor(2, c_in, 7, 6, wide=True), training=False)


# Networks ------------------------------------------------------------------------------------------------------

DEPTHS = (18, 34, 50, 101, 152)
COUNTED = [*((depth, 1000) for depth in DEPTHS), (18, None), (50, None)]  # depth, classes; None: drawn
FIRST = [64, 3, 7, 7]  # shape of the first convolution


def wrong_blocks(student, reference, draw):
    """Whether the student's blocks are wrong: that is not the network's fault, which is then judged with stand-ins."""
    x = draw.tensor(2, 3, 5, 4)
    return compare(student.run("block_outputs", x), reference.run("block_outputs", x), "") is not None


@pytest.fixture
def built(networks, reference, expect):
    """The student's network and the reference's, which turn images into logits: only then do counts mean anything."""

    def build(builder, depth, classes, size, stand_in):
        options = {"images": (2, 3, size, size), "within": "stand_ins" if stand_in else None}
        got, right = (networks(builder, depth, classes, of=door, **options) for door in (None, reference))
        expect(list(got.structure.output), [2, classes], what="the shape of two images' logits")
        return got, right

    return build


def counts(built, expect, draw, builder, depth, classes):
    classes = classes or int(draw.ints(3, 60))
    got, right = built(builder, depth, classes, int(draw.ints(33, 48)), builder == "build_resnet")
    for what, count in (("", got.held), (" that take part in its output", got.structure.parameters)):
        text = f"{builder}({depth}, {classes}) has {count:,} parameters{what}; it should have {right.held:,}"
        expect.true(count == right.held, text)


def logits(networks, draw, pair):
    """With the same weights, both give the same; a message says where the two begin to differ."""
    got, right = pair
    x, seed = draw.tensor(2, 3, SIZE, SIZE).float(), networks.seed()
    if found := compare(got.logits(x, seed), right.logits(x, seed), "the logits"):
        told = difference(got.structure, right.structure)
        networks.fail(got, f"{found.text}\nFollowed through its layers: {told}." if told else found.text)


SIZE = 40


@pytest.mark.task("resnet")
@weight(1)
@number("4.4")
def test_layer_count(student, expect, draw):
    """layer_count: any stages and blocks"""
    for length, convs in ((4, 2), (4, 3), (2, 5), (6, 1)):
        blocks = tuple(int(count) for count in draw.ints(1, 30, length))
        expect(student.layer_count(blocks, convs), convs * sum(blocks) + 2, what=f"layer_count({blocks}, {convs})")


@pytest.mark.task("resnet")
@weight(4)
@number("4.5")
@pytest.mark.parametrize("depth, classes", COUNTED)
def test_resnet_parameters(built, expect, draw, depth, classes):
    """build_resnet: the published numbers of parameters, for any number of classes"""
    counts(built, expect, draw, "build_resnet", depth, classes)


@pytest.mark.task("resnet")
@weight(3)
@number("4.6")
@pytest.mark.parametrize("depth, size", [(18, 224), (50, 97), (34, None)])
def test_resnet_map_sizes(built, expect, draw, depth, size):
    """build_resnet: the maps are halved five times"""
    size = size or int(draw.ints(100, 200))
    got, right = (list(item.structure.widths) for item in built("build_resnet", depth, 1000, size, True))
    text = f"the convolutions of build_resnet({depth}) give maps {got} wide for images of {size}x{size}"
    expect.true(got == right, f"{text}; they should be {right}")


@pytest.mark.task("resnet")
@weight(2)
@number("4.7")
@pytest.mark.parametrize("depth", DEPTHS)
def test_resnet_work(built, reference, expect, draw, depth):
    """build_resnet: an image takes as many multiply-adds as in the published network"""
    size = int(draw.ints(33, 100))
    got, right = built("build_resnet", depth, 1000, size, True)[0].structure.work, reference.flops(depth, size)
    text = f"an image of {size}x{size} takes {got:,} multiply-adds through build_resnet({depth})"
    expect.true(got == right, f"{text}; through the published network it takes {right:,}")


@pytest.mark.task("resnet")
@weight(4)
@number("4.8")
@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_logits(built, networks, student, reference, draw, depth):
    """build_resnet: with the same weights, the same logits as the reference's network"""
    stand_in = wrong_blocks(student, reference, draw)
    logits(networks, draw, built("build_resnet", depth, int(draw.ints(3, 12)), SIZE, stand_in))


@pytest.mark.task("resnet")
@weight(4)
@number("4.9")
@pytest.mark.parametrize("depth", DEPTHS)
def test_flops_exact(agrees, draw, depth):
    """flops: the exact number, at several sizes"""
    for size in (224, 32, 97, int(draw.ints(33, 300))):
        agrees("flops", depth, size)


@pytest.mark.task("plain")
@weight(2)
@number("5.2")
@pytest.mark.parametrize("depth, classes", COUNTED)
def test_plain_parameters(built, expect, draw, depth, classes):
    """build_plain: the ResNet's parameters without those of the projections"""
    counts(built, expect, draw, "build_plain", depth, classes)


@pytest.mark.task("plain")
@weight(5)
@number("5.3")
@pytest.mark.parametrize("depth", [18, 50])
def test_plain_logits(built, networks, draw, depth):
    """build_plain: with the same weights, the same logits as the reference's network"""
    logits(networks, draw, built("build_plain", depth, int(draw.ints(3, 12)), SIZE, False))


@pytest.mark.task("plain")
@weight(4)
@number("5.4")
def test_plain_gradients_grow_with_depth(networks, reference, expect, draw):
    """build_plain: from depth 18 to 34 the first layer's gradient grows more than twice as much as in a ResNet"""
    x, classes, seed = draw.tensor(4, 3, 64, 64).float(), int(draw.ints(8, 13)), networks.seed()
    labels = torch.from_numpy(draw.ints(0, classes, 4))
    cotangent = (1 / classes - torch.nn.functional.one_hot(labels, classes)) / len(
        x
    )  # cross-entropy's, of a new network
    norms = {}
    for builder, door in (("build_plain", None), ("build_resnet", reference)):
        for depth in (18, 34):
            network = networks(builder, depth, classes, images=tuple(x.shape), training=True, of=door)
            found = network.gradients(x, cotangent, seed, [FIRST])[1]
            text = f"{builder}({depth}) has {len(found)} convolutions of 7x7 from 3 to 64 channels, not 1"
            expect.true(len(found) == 1, text)
            norms[builder, depth] = found[0]
    growth, usual = (norms[name, 34] / max(norms[name, 18], 1e-30) for name in ("build_plain", "build_resnet"))
    text = f"the first layer's gradient is {growth:.3g} times as large at depth 34 as at depth 18"
    expect.true(growth > 2 * usual, f"{text}; in a ResNet {usual:.3g} times, and without shortcuts much more")


# Highway layer -------------------------------------------------------------------------------------------------


@pytest.mark.task("highway")
@weight(4)
@number("6.2")
@pytest.mark.parametrize("shape", [(7, 3), (2, 4, 5)], ids=["7x3", "2x4x5"])
def test_highway(agrees, draw, shape):
    """HighwayLayer: output and gradients equal the reference's"""
    for wide in (False, True):
        agrees.module("HighwayLayer", (shape[-1],), draw.tensor(*shape, wide=wide))


@pytest.mark.task("highway")
@weight(2)
@number("6.3")
def test_highway_half_open(student, expect, draw):
    """HighwayLayer: a gate at 1/2 gives the mean of relu(transform(x)) and x"""
    x, weights = draw.tensor(3, 2, 6), draw.tensor(6, 6)
    got = student.run("highway", x, torch.zeros(6, dtype=torch.float64), weights)
    expect(got, ((x @ weights.T).clamp(min=0) + x) / 2, what="HighwayLayer(6) of x")


# Folded block --------------------------------------------------------------------------------------------------

FOLDED = [(3, 6, 1), (3, 6, 2), (4, 4, 2)]


def state(draw, c_in, c_out, stride=2):
    """A basic block's state dict, every entry random."""
    shapes = {"conv1": (c_out, c_in, 3, 3), "conv2": (c_out, c_out, 3, 3)}
    norms = ["bn1", "bn2"]
    if c_in != c_out or stride != 1:
        shapes["shortcut.0"] = (c_out, c_in, 1, 1)
        norms.append("shortcut.1")
    made = {f"{name}.weight": draw.tensor(*shape) / 3 for name, shape in shapes.items()}
    for name in norms:
        made |= {f"{name}.{entry}": draw.tensor(c_out) for entry in ("weight", "bias", "running_mean")}
        made[f"{name}.running_var"] = draw.tensor(c_out).abs() + 0.1
        made[f"{name}.num_batches_tracked"] = torch.tensor(5)
    return made


@pytest.mark.task("residual_fast")
@weight(2)
@number("7.2")
@pytest.mark.parametrize("channels, size", [(4, (7, 6)), (2, (3, 5))], ids=["4 channels", "2 channels"])
def test_residual_fast_identity(agrees, draw, channels, size):
    """residual_fast: equals the block in evaluation where the shape stays"""
    agrees("residual_fast", draw.tensor(3, channels, *size), state(draw, channels, channels, 1))


@pytest.mark.task("residual_fast")
@weight(3)
@number("7.3")
@pytest.mark.parametrize("c_in, c_out, stride", FOLDED)
def test_residual_fast_projection(agrees, draw, c_in, c_out, stride):
    """residual_fast: equals the block in evaluation where the shape changes"""
    agrees("residual_fast", draw.tensor(2, c_in, 7, 6, wide=True), state(draw, c_in, c_out, stride), stride=stride)


@pytest.mark.task("residual_fast")
@weight(2)
@number("7.4")
@pytest.mark.parametrize("c_in, c_out, stride", [(4, 4, 1), *FOLDED])
def test_residual_fast_gradients(student, reference, expect, draw, c_in, c_out, stride):
    """residual_fast: gradients to x and to the block's weights and biases"""
    cotangent = draw.tensor(2, c_out, -(-7 // stride), -(-6 // stride))
    arguments = draw.tensor(2, c_in, 7, 6), state(draw, c_in, c_out, stride), stride, cotangent
    got, right = (door.run("fast_gradients", *arguments) for door in (student, reference))
    for name in right:
        expect(got[name], right[name], what=f"the gradient with respect to {name}")


# all -----------------------------------------------------------------------------------------------------------


@pytest.mark.task("batchnorm", kind="dtype")
@weight(1)
@number("1.10")
def test_dtype(keeps_dtype, draw):
    """all functions: float32 in, float32 out"""
    shapes = (4, 1000, 5, 5), *[(1000,)] * 3  # a derivative taken entry by entry takes minutes
    arrays = [*(draw(*shape) for shape in shapes), draw.rng.uniform(0.5, 2, 1000)]
    for training in (True, False):
        keeps_dtype.pair("batchnorm", *(array.astype(np.float32) for array in arrays), training=training)
    x, others = draw.tensor(2, 3, 32, 35).float(), keeps_dtype.if_right
    others.module("BasicBlock", (3, 4, 2), x)
    others.module("Bottleneck", (3, 2, 2), x)
    others.module("HighwayLayer", (35,), x)
    block = {key: value.float() if value.is_floating_point() else value for key, value in state(draw, 3, 4).items()}
    others.autograd("residual_fast", x, block, 2)
