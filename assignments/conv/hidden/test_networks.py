"""The networks of build_cnn: their parameters, their outputs, and that every parameter takes part."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

# The large networks are built without memory: their sizes are seen, not their numbers. LeNet shows that these are real.
IDLE = "LeNet's layers take no part in its output: it gives zeros, or its images back"
PARAMETERS = {"alexnet": 61_100_840, "vgg16": 138_357_544, "vgg19": 143_667_240}


@pytest.mark.task("cnn", kind="property")
@weight(3)
@number("9.2")
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count(student, draw, expect, name):
    """build_cnn: the published number of parameters of AlexNet, VGG-16 and VGG-19"""
    expect(student.run("count_parameters", name), PARAMETERS[name], what=f"the number of {name}'s parameters")
    expect.true(not student.run("lenet_is_idle", draw.tensor(3, 1, 28, 28)), IDLE)


@pytest.mark.task("cnn", kind="property")
@weight(2)
@number("9.3")
@pytest.mark.parametrize("name", PARAMETERS)
def test_output_shape(student, draw, expect, name):
    """build_cnn: AlexNet, VGG-16 and VGG-19 give 1000 numbers for each 224x224 image"""
    expect(student.run("output_shape", name, [2, 3, 224, 224]), [2, 1000], what=f"the shape of {name}'s output")
    expect.true(not student.run("lenet_is_idle", draw.tensor(3, 1, 28, 28)), IDLE)


@pytest.mark.task("cnn", kind="property")
@weight(2)
@number("9.4")
def test_lenet_step(student, draw, expect):
    """build_cnn: LeNet gives logits, and all of its parameters learn"""
    networks = 4  # of one alone, all ten logits can happen to be positive
    got = student.run("lenet_step", draw.tensor(8, 1, 28, 28), draw.tensor(networks, 8, 10))
    outputs = [expect.array(item, (8, 10), what="LeNet's output").detach().numpy() for item in got["outputs"]]
    norms = [expect.number(norm, what="the norm of a gradient") for norm in got["norms"]]
    logits = np.concatenate(outputs)
    expect.true((logits < 0).any(), "LeNet gives nothing negative: logits have no softmax or ReLU behind them")
    total = np.log(np.exp(logits - logits.max()).sum(axis=1)) + logits.max()
    expect.true((np.abs(total) > 1e-6).any(), "LeNet gives log-probabilities: logits have no softmax behind them")
    dead = sum(norm == 0 for norm in norms)
    expect.true(dead == 0, f"{dead} of four LeNets' parameters get no gradient: does every layer take part?")
    expect.true((outputs[0] != outputs[0][:1]).any(), "LeNet's output does not depend on the image")
