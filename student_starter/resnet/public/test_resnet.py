"""Residual networks: worked examples and published counts."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.1")
def test_batchnorm_worked_example(student, expect):
    """batchnorm: a channel that holds 1 and 3 becomes -1 and 1, and the running statistics 0.2 and 1.1"""
    x, one, zero = np.array([1.0, 3.0]).reshape(2, 1, 1, 1), np.ones(1), np.zeros(1)
    got = student.run("normalised", x, one, zero, zero, one, training=True)
    expect(got["y"], x.clip(-1, 1) * [[[[-1]]], [[[1]]]] / np.sqrt(1 + 1e-5), what="y")
    expect(got["running_mean"], [0.2], what="running_mean")
    expect(got["running_var"], [1.1], what="running_var")


@pytest.mark.task("batchnorm")
@weight(2)
@number("1.2")
def test_batchnorm_evaluation_example(student, expect, draw):
    """batchnorm: in evaluation the running mean and variance normalise, and come back as they were"""
    x, gamma, beta, mean, var = draw(3, 4, 2, 5), draw(4), draw(4), draw(4), draw.rng.uniform(0.5, 2, 4)
    got = student.run("normalised", x, gamma, beta, mean, var, training=False)
    column = (slice(None), None, None)
    expect(got["y"], (x - mean[column]) / np.sqrt(var[column] + 1e-5) * gamma[column] + beta[column], what="y")
    expect(got["running_mean"], mean, what="running_mean")
    expect(got["running_var"], var, what="running_var")


@pytest.mark.task("basic_block")
@weight(2)
@number("2.1")
def test_basic_block_with_zero_branch(student, expect, draw):
    """BasicBlock: where bn2 gives 0, the block gives relu(x)"""
    x = draw.tensor(2, 3, 5, 4)
    got = student.run("with_zero_branch", "BasicBlock", (3, 3), "bn2", x)
    expect(got, x.clamp(min=0), what="BasicBlock(3, 3) of x")


@pytest.mark.task("bottleneck")
@weight(1)
@number("3.1")
def test_bottleneck_with_zero_branch(student, expect, draw):
    """Bottleneck: where bn3 gives 0, the block gives relu(x)"""
    x = draw.tensor(2, 8, 5, 4)
    got = student.run("with_zero_branch", "Bottleneck", (8, 2), "bn3", x)
    expect(got, x.clamp(min=0), what="Bottleneck(8, 2) of x")


@pytest.mark.task("resnet")
@weight(1)
@number("4.1")
def test_layer_count_worked_example(student, expect):
    """layer_count: 1 + 2*3 + 2*4 + 2*6 + 2*3 + 1 = 34"""
    expect(student.layer_count((3, 4, 6, 3), 2), 34, what="layer_count((3, 4, 6, 3), 2)")


def check_structure(networks, expect, builder, parameters):
    """Depth 18, 1000 classes: number of parameters, of a network that turns images into logits."""
    within = "stand_ins" if builder == "build_resnet" else None  # a network is not marked down for its blocks
    network = networks(builder, 18, images=(2, 3, 64, 64), within=within)
    expect(list(network.structure.output), [2, 1000], what="the shape of two images' logits")
    for what, count in (("", network.held), (" that take part in its output", network.structure.parameters)):
        text = f"{builder}(18) has {count:,} parameters{what}; it should have {parameters:,}"
        expect.true(count == parameters, text)


@pytest.mark.task("resnet")
@weight(2)
@number("4.2")
def test_resnet18_parameters(networks, expect):
    """build_resnet: depth 18 has 11,689,512 parameters"""
    check_structure(networks, expect, "build_resnet", 11_689_512)


@pytest.mark.task("resnet")
@weight(1)
@number("4.3")
@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_flops_as_published(student, expect, depth):
    """flops: within 2 % of the published numbers"""
    published = {18: 1.8e9, 34: 3.6e9, 50: 3.8e9, 101: 7.6e9, 152: 11.3e9}[depth]
    count = expect.number(student.flops(depth), what=f"flops({depth})")
    text = f"flops({depth}) is {count:.4g}; the published number is {published:.3g}"
    expect.true(abs(count / published - 1) < 0.02, text)


@pytest.mark.task("plain")
@weight(1)
@number("5.1")
def test_plain18_parameters(networks, expect):
    """build_plain: depth 18 has 173,824 parameters less than the ResNet"""
    check_structure(networks, expect, "build_plain", 11_515_688)


@pytest.mark.task("highway")
@weight(1)
@number("6.1")
def test_highway_gate_open_and_closed(student, expect, draw):
    """HighwayLayer: units with a gate bias of -50 pass x on, units with 50 give relu(transform(x))"""
    x, weights = draw.tensor(3, 2, 4), draw.tensor(4, 4)
    closed = torch.tensor([True, False, False, True])
    expected = torch.where(closed, x, (x @ weights.T).clamp(min=0))
    got = student.run("highway", x, torch.where(closed, -50.0, 50.0).double(), weights)
    expect(got, expected, what="HighwayLayer(4) of x")


@pytest.mark.task("residual_fast")
@weight(2)
@number("7.1")
def test_residual_fast_on_single_pixels(student, expect, draw):
    """residual_fast: kernels that pick their own pixel leave only scales, shifts and relus"""
    x, pick = draw.tensor(3, 2, 4, 5), torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    pick[[0, 1], [0, 1], 1, 1] = 1
    params = {}
    for index in (1, 2):
        params |= {f"conv{index}.weight": pick, f"bn{index}.running_var": draw.tensor(2).abs() + 0.3}
        params |= {f"bn{index}.{name}": draw.tensor(2) for name in ("weight", "bias", "running_mean")}
        params[f"bn{index}.num_batches_tracked"] = torch.tensor(7)
    branch = x
    for index in (1, 2):
        weights, bias, mean, var = (
            params[f"bn{index}.{name}"].view(2, 1, 1) for name in ("weight", "bias", "running_mean", "running_var")
        )
        branch = (branch.clamp(min=0) if index > 1 else branch) - mean
        branch = weights * branch / (var + 1e-5).sqrt() + bias
    expect(student.residual_fast(x, params), (branch + x).clamp(min=0), what="residual_fast(x, params)")
