"""The networks of build_cnn, recorded: their parameters, the layers that images flow through, and that all of LeNet
learns."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.checks.architecture import difference, free_lenet

LARGE = ("alexnet", "vgg16", "vgg19")


@pytest.fixture
def built(networks, reference, draw):
    """A network of a name, the student's and the reference's, on as many images of its size."""
    count = int(draw.ints(2, 6))

    def build(name):
        images = (count, 1, 28, 28) if name == "lenet" else (count, 3, 224, 224)
        return [networks("build_cnn", name, images=images, of=door) for door in (None, reference)]

    return build


@pytest.mark.task("cnn", kind="property")
@weight(3)
@number("9.2")
@pytest.mark.parametrize("name", LARGE)
def test_parameter_count(built, expect, name):
    """build_cnn: the published number of parameters of AlexNet, VGG-16 and VGG-19"""
    got, right = built(name)
    expect(got.held, right.held, what=f"the number of {name}'s parameters")
    used = f"the number of {name}'s parameters that take part in its output"
    expect(got.structure.parameters, right.structure.parameters, what=used)


@pytest.mark.task("cnn", kind="property")
@weight(2)
@number("9.3")
@pytest.mark.parametrize("name", LARGE)
def test_output_shape(built, networks, expect, name):
    """build_cnn: AlexNet, VGG-16 and VGG-19, layer by layer: 224x224 images become 1000 numbers as published"""
    got, right = built(name)
    expect(list(got.structure.output), list(right.structure.output), what=f"the shape of {name}'s output")
    if told := difference(got.structure, right.structure):
        networks.fail(got, f"{name}: {told}.")


@pytest.mark.task("cnn", kind="property")
@weight(2)
@number("9.4")
def test_lenet_step(built, networks, draw, expect):
    """build_cnn: LeNet's layers are the published ones, it gives logits, and all of its parameters learn"""
    got, right = built("lenet")
    if told := free_lenet(got.structure, right.structure):
        networks.fail(got, f"LeNet: {told}.")
    outputs, norms = [], []
    for _ in range(4):  # of one alone, all ten logits can happen to be positive
        images = draw.tensor(got.structure.output[0], 1, 28, 28)
        out, gradients = got.gradients(images, torch.ones(len(images), 10) * draw.tensor(10), networks.seed())
        outputs.append(expect.array(out, (len(images), 10), what="LeNet's output").numpy())
        norms += gradients
    expect.true((np.concatenate(outputs) < 0).any(), "LeNet gives nothing negative: logits have no ReLU behind them")
    dead = sum(norm == 0 for norm in norms)
    expect.true(dead == 0, f"{dead} of four LeNets' parameters get no gradient: does every layer take part?")
    expect.true((outputs[0] != outputs[0][:1]).any(), "LeNet's output does not depend on the image")
