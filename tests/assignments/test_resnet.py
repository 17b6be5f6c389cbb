"""The resnet reference against torch's batch normalisation and flop counter, functional forms, and published counts."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

DEPTHS = {  # depth: parameters of the published networks, published multiply-adds, convolutions on one branch
    18: (11_689_512, 1.8e9, 2),
    34: (21_797_672, 3.6e9, 2),
    50: (25_557_032, 3.8e9, 3),
    101: (44_549_160, 7.6e9, 3),
    152: (60_192_808, 11.3e9, 3),
}
SHAPES = [(4, 4, 1), (3, 6, 1), (3, 6, 2), (4, 4, 2)]  # c_in, c_out, stride of a basic block


@pytest.fixture(scope="module")
def resnet(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("resnet")


def randomise(module: nn.Module, seed: int) -> None:
    """Every entry of the state random, variances positive."""
    generator = torch.Generator().manual_seed(seed)
    for name, entry in module.state_dict().items():
        if entry.is_floating_point():
            drawn = torch.randn(entry.shape, generator=generator, dtype=entry.dtype)
            entry.copy_(drawn.abs() + 0.3 if name.endswith("var") else drawn)


def batchnorm_arguments(channels: int, seed: int, dtype: type = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=(3, channels, 4, 5)) * 2 + 1, *rng.normal(size=(3, channels)), rng.random(channels) + 0.5]
    return [array.astype(dtype) for array in drawn]


def oracle_batchnorm(
    arguments: list[np.ndarray], dout: np.ndarray, training: bool, **options: float
) -> list[np.ndarray]:
    """y, running statistics and gradients by torch."""
    x, gamma, beta, mean, var = (torch.from_numpy(array.copy()) for array in arguments)
    leaves = [tensor.requires_grad_() for tensor in (x, gamma, beta)]
    y = F.batch_norm(x, mean, var, gamma, beta, training, **options)
    gradients = torch.autograd.grad(y, leaves, torch.from_numpy(dout))
    return [tensor.detach().numpy() for tensor in (y, mean, var, *gradients)]


@pytest.mark.parametrize("options", [{}, {"momentum": 0.3, "eps": 1e-2}], ids=["defaults", "momentum and eps"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_batchnorm_equals_torchs(resnet: ModuleType, training: bool, options: dict[str, float]) -> None:
    arguments = batchnorm_arguments(6, seed=1)
    dout = np.random.default_rng(2).normal(size=arguments[0].shape)
    y, cache, mean, var = resnet.batchnorm_forward(*arguments, training=training, **options)
    got = [y, mean, var, *resnet.batchnorm_backward(dout, cache)]
    for mine, theirs in zip(got, oracle_batchnorm(arguments, dout, training, **options), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


def test_batchnorm_worked_example(resnet: ModuleType) -> None:
    x, one, zero = np.array([1.0, 3.0]).reshape(2, 1, 1, 1), np.ones(1), np.zeros(1)
    y, _, mean, var = resnet.batchnorm_forward(x, one, zero, zero, one, training=True, eps=0.0)
    np.testing.assert_allclose(y.ravel(), [-1, 1])
    np.testing.assert_allclose([*mean, *var], [0.2, 1.1])


def test_batchnorm_of_constant_channels_in_float32_is_beta(resnet: ModuleType) -> None:
    x, gamma, beta, mean, var = batchnorm_arguments(200, seed=3, dtype=np.float32)
    x[...] = np.linspace(-1e3, 1e3, 200, dtype=np.float32)[:, None, None]
    y, cache, _, _ = resnet.batchnorm_forward(x, gamma, beta, mean, var, training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(beta[:, None, None], y.shape))
    assert all(np.isfinite(gradient).all() for gradient in resnet.batchnorm_backward(np.ones_like(x), cache))


@pytest.mark.parametrize("training", [True, False])
def test_batchnorm_keeps_float32_and_its_arguments(resnet: ModuleType, training: bool) -> None:
    arguments = batchnorm_arguments(3, seed=4, dtype=np.float32)
    before = [array.copy() for array in arguments]
    y, cache, mean, var = resnet.batchnorm_forward(*arguments, training=training)
    assert {array.dtype for array in (y, mean, var, *resnet.batchnorm_backward(y, cache))} == {np.dtype(np.float32)}
    for now, then in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(now, then)


def functional_block(
    x: torch.Tensor, state: dict[str, torch.Tensor], layers: list[tuple[int, int]], training: bool
) -> torch.Tensor:
    """relu(branch + shortcut) from the state alone; `layers` are the (stride, padding) of the branch."""

    def unit(x: torch.Tensor, conv: str, bn: str, stride: int, padding: int) -> torch.Tensor:
        statistics = (state[f"{bn}.running_mean"].clone(), state[f"{bn}.running_var"].clone())
        x = F.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=padding)
        return F.batch_norm(x, *statistics, state[f"{bn}.weight"], state[f"{bn}.bias"], training)

    out = x
    for index, (stride, padding) in enumerate(layers, start=1):
        out = unit(F.relu(out) if index > 1 else out, f"conv{index}", f"bn{index}", stride, padding)
    if "shortcut.0.weight" in state:
        x = unit(x, "shortcut.0", "shortcut.1", layers[0][0], 0)
    return F.relu(out + x)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("c_in, c_out, stride", SHAPES)
def test_basic_block_equals_the_functional_form(
    resnet: ModuleType, c_in: int, c_out: int, stride: int, training: bool
) -> None:
    block = resnet.BasicBlock(c_in, c_out, stride).double().train(training)
    randomise(block, seed=5)
    x = torch.randn(2, c_in, 7, 6, dtype=torch.float64)
    expected = functional_block(x, block.state_dict(), [(stride, 1), (1, 1)], training)
    torch.testing.assert_close(block(x), expected)
    assert expected.shape == (2, c_out, -(-7 // stride), -(-6 // stride))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("c_in, c_mid, stride", [(8, 2, 1), (3, 2, 1), (3, 2, 2), (8, 2, 2)])
def test_bottleneck_equals_the_functional_form(
    resnet: ModuleType, c_in: int, c_mid: int, stride: int, training: bool
) -> None:
    block = resnet.Bottleneck(c_in, c_mid, stride).double().train(training)
    randomise(block, seed=6)
    x = torch.randn(2, c_in, 7, 6, dtype=torch.float64)
    expected = functional_block(x, block.state_dict(), [(stride, 0), (1, 1), (1, 0)], training)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name, last", [("BasicBlock", "bn2"), ("Bottleneck", "bn3")])
def test_block_with_zero_branch_is_relu(resnet: ModuleType, name: str, last: str) -> None:
    block = getattr(resnet, name)(8, 8 if name == "BasicBlock" else 2).double()
    nn.init.zeros_(getattr(block, last).weight)
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(block(x), F.relu(x))


@pytest.mark.parametrize("depth", DEPTHS)
def test_networks_have_the_published_layers_and_parameters(resnet: ModuleType, depth: int) -> None:
    parameters, _, convs = DEPTHS[depth]
    assert resnet.layer_count(resnet.STAGES[depth], convs) == depth
    projections = 173_824 if depth < 50 else 2_776_576
    for build, expected in ((resnet.build_resnet, parameters), (resnet.build_plain, parameters - projections)):
        with torch.device("meta"):
            network = build(depth)
        assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("size", [224, 97, 32])
@pytest.mark.parametrize("depth", DEPTHS)
def test_flops_equal_torchs_count_of_the_network(resnet: ModuleType, depth: int, size: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        logits = resnet.build_resnet(depth).eval()(torch.zeros(1, 3, size, size))
    assert logits.shape == (1, 1000)
    assert resnet.flops(depth, size) == counter.get_total_flops() // 2


@pytest.mark.parametrize("depth", DEPTHS)
def test_flops_are_the_published_ones(resnet: ModuleType, depth: int) -> None:
    assert resnet.flops(depth) == pytest.approx(DEPTHS[depth][1], rel=0.02)


@pytest.mark.parametrize("build", ["build_resnet", "build_plain"])
@pytest.mark.parametrize("depth", [18, 50])
def test_networks_halve_the_image_five_times(resnet: ModuleType, build: str, depth: int) -> None:
    sizes: list[int] = []
    with torch.device("meta"):
        network = getattr(resnet, build)(depth, 7)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    assert network(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, 7)
    assert sorted(set(sizes), reverse=True) == [112, 56, 28, 14, 7]


def test_unknown_depth_is_refused(resnet: ModuleType) -> None:
    for function in (resnet.build_resnet, resnet.build_plain, resnet.flops):
        with pytest.raises(KeyError, match="20"):
            function(20)


def test_plain_network_is_a_chain_of_all_its_layers(resnet: ModuleType) -> None:
    """Without shortcuts every path passes every layer: a closed last relu of the second stage leaves only biases."""
    network = resnet.build_plain(18, 5).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    nn.init.zeros_(norms[8].weight)
    nn.init.constant_(norms[8].bias, -1.0)
    first, second = (network(torch.randn(1, 3, 64, 64)) for _ in range(2))
    torch.testing.assert_close(first, second)


def first_layer_gradient(network: nn.Module, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 3, 64, 64, generator=generator)
    labels = torch.randint(10, (4,), generator=generator)
    weight = next(network.parameters())
    return float(torch.autograd.grad(F.cross_entropy(network(x), labels), weight)[0].norm())


def test_gradients_of_plain_networks_grow_faster_with_depth(resnet: ModuleType) -> None:
    growth = {}
    for name in ("build_resnet", "build_plain"):
        torch.manual_seed(7)
        shallow, deep = (first_layer_gradient(getattr(resnet, name)(depth, 10), seed=8) for depth in (18, 34))
        growth[name] = deep / shallow
    assert growth["build_plain"] > 2 * growth["build_resnet"]  # about 5 times, over seeds and initialisations


def test_highway_layer_mixes_by_its_gate(resnet: ModuleType) -> None:
    layer = resnet.HighwayLayer(5).double()
    randomise(layer, seed=9)
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    state = {name: entry.numpy() for name, entry in layer.state_dict().items()}
    hidden = np.maximum(x.numpy() @ state["transform.weight"].T + state["transform.bias"], 0)
    gate = 1 / (1 + np.exp(-(x.numpy() @ state["gate.weight"].T + state["gate.bias"])))
    np.testing.assert_allclose(layer(x).detach().numpy(), gate * hidden + (1 - gate) * x.numpy(), rtol=1e-10)
    nn.init.zeros_(layer.gate.weight)
    nn.init.constant_(layer.gate.bias, -50.0)
    torch.testing.assert_close(layer(x), x)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-3)], ids=["64", "32"])
@pytest.mark.parametrize("c_in, c_out, stride", SHAPES)
def test_residual_fast_equals_the_block_in_evaluation(
    resnet: ModuleType, c_in: int, c_out: int, stride: int, dtype: torch.dtype, tolerance: float
) -> None:
    block = resnet.BasicBlock(c_in, c_out, stride).to(dtype).eval()
    randomise(block, seed=10)
    x = torch.randn(2, c_in, 7, 6, dtype=dtype, requires_grad=True)
    before = x.detach().clone()
    out, expected = resnet.residual_fast(x, block.state_dict(keep_vars=True), stride), block(x)
    leaves, cotangent = [x, *block.parameters()], torch.randn(out.shape, dtype=dtype)
    mine, theirs = ([y, *torch.autograd.grad(y, leaves, cotangent)] for y in (out, expected))
    torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(x.detach(), before, rtol=0, atol=0)


class FeatureMapOperations(TorchDispatchMode):
    """Records the operations that read or write a map of the given batch size."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch, self.names = batch, list[str]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if any(isinstance(arg, torch.Tensor) and arg.ndim == 4 and len(arg) == self.batch for arg in args):
            self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("c_in, c_out, stride, most", [(4, 4, 1, 5), (3, 6, 2, 6)])
def test_residual_fast_touches_feature_maps_less_often(
    resnet: ModuleType, c_in: int, c_out: int, stride: int, most: int
) -> None:
    """Two or three convolutions, an addition, two relus; the block has batch normalisations too."""
    block, x = resnet.BasicBlock(c_in, c_out, stride).eval(), torch.randn(2, c_in, 8, 8)
    names = []
    for call in (lambda: resnet.residual_fast(x, block.state_dict(), stride), lambda: block(x)):
        with torch.no_grad(), FeatureMapOperations(batch=2) as seen:
            call()
        names.append(seen.names)
    assert len(names[0]) == most < len(names[1])
    assert not any("batch_norm" in name for name in names[0])
