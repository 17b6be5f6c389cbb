"""The conv reference against second oracles: torch's operations and gradients, SciPy, enumeration, published counts."""

import itertools
import math

import numpy as np
import pytest
import scipy.signal
import scipy.special
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(639)
CONVOLUTIONS = list(
    itertools.product(
        [((2, 3, 7, 9), (4, 3, 3, 2)), ((3, 2, 5, 6), (5, 2, 1, 1)), ((2, 4, 4, 5), (3, 4, 4, 5))],
        [1, (2, 1), (3, 4)],
        [0, (0, 2), (5, 6)],
    )
)
SIZES = list(itertools.product([7, 12], [1, 2, 5], [1, 2, 3], [0, 1, 4]))
POOLINGS = [(2, None), ((2, 3), None), (3, 2), ((3, 2), 1), (2, (3, 4)), ((1, 5), (2, 1))]


@pytest.fixture(scope="module")
def conv(load):
    return load("conv")


def normal(*shape):
    return rng.standard_normal(shape)


def gradients(function, arrays, cotangent):
    """Output and input gradients of a torch function, as arrays."""
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    out = function(*leaves)
    got = torch.autograd.grad(out, leaves, torch.tensor(cotangent))
    return [out.detach().numpy(), *(gradient.numpy() for gradient in got)]


def assert_all_close(got, expected):
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-10)


def test_corr2d_gives_the_lectures_numbers(conv):
    np.testing.assert_array_equal(
        conv.corr2d(np.arange(9.0).reshape(3, 3), np.arange(4.0).reshape(2, 2)), [[19, 25], [37, 43]]
    )


@pytest.mark.parametrize("image, kernel", [((7, 5), (3, 2)), ((4, 9), (1, 5)), ((3, 3), (3, 3))])
def test_corr2d_is_scipys_correlation(conv, image, kernel):
    x, k = normal(*image), normal(*kernel)
    assert_all_close([conv.corr2d(x, k)], [scipy.signal.correlate2d(x, k, mode="valid")])


@pytest.mark.parametrize("shapes, stride, padding", CONVOLUTIONS)
def test_conv2d_and_its_gradients_are_torchs(conv, shapes, stride, padding):
    x, w, b = normal(*shapes[0]), normal(*shapes[1]), normal(shapes[1][0])
    out, cache = conv.conv2d_forward(x, w, b, stride=stride, padding=padding)
    dout = normal(*out.shape)
    expected = gradients(lambda x, w, b: F.conv2d(x, w, b, stride, padding), (x, w, b), dout)
    assert_all_close([out, *conv.conv2d_backward(dout, cache)], expected)


@pytest.mark.parametrize("shapes, stride, padding", CONVOLUTIONS)
def test_conv2d_fast_and_its_gradients_are_torchs(conv, shapes, stride, padding):
    x, w, b = normal(*shapes[0]), normal(*shapes[1]), normal(shapes[1][0])
    options = {"stride": stride, "padding": padding}
    out = F.conv2d(*map(torch.from_numpy, (x, w, b)), **options)
    dout = normal(*out.shape)
    got = gradients(lambda x, w, b: conv.conv2d_fast(x, w, b, **options), (x, w, b), dout)
    assert_all_close(got, gradients(lambda x, w, b: F.conv2d(x, w, b, **options), (x, w, b), dout))


def test_conv2d_fast_passes_gradcheck(conv):
    inputs = [torch.tensor(normal(*shape), requires_grad=True) for shape in ((2, 2, 4, 5), (3, 2, 2, 3), (3,))]
    assert torch.autograd.gradcheck(lambda *a: conv.conv2d_fast(*a, stride=(1, 2), padding=(1, 0)), inputs)


def test_convolution_of_no_images_has_gradients_of_the_right_shape(conv):
    x, w, b = normal(0, 3, 5, 4), normal(2, 3, 3, 2), normal(2)
    out, cache = conv.conv2d_forward(x, w, b)
    assert [item.shape for item in conv.conv2d_backward(out, cache)] == [x.shape, w.shape, b.shape]
    assert gradients(conv.conv2d_fast, (x, w, b), out)[0].shape == out.shape == (0, 2, 3, 3)


def test_convolution_without_bias_has_no_bias_gradient(conv):
    x, w = normal(2, 3, 5, 4), normal(2, 3, 3, 2)
    out, cache = conv.conv2d_forward(x, w)
    dx, dw, db = conv.conv2d_backward(out, cache)
    assert db is None
    assert_all_close([out, dx, dw], gradients(F.conv2d, (x, w), out))
    assert_all_close([out], [conv.conv2d_fast(torch.from_numpy(x), torch.from_numpy(w)).numpy()])


def test_rows_that_no_window_reads_get_exactly_zero(conv):
    out, cache = conv.conv2d_forward(normal(2, 3, 9, 8), normal(4, 3, 2, 2), stride=(3, 4))
    dx, _, _ = conv.conv2d_backward(normal(*out.shape), cache)
    assert not dx[:, :, 2::3].any()
    assert not dx[:, :, :, [2, 3, 6, 7]].any()


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (3, 2, 6, 8)])
@pytest.mark.parametrize("kernel, stride", POOLINGS)
def test_pooling_and_its_gradient_are_torchs(conv, name, shape, kernel, stride):
    x = normal(*shape) - 3  # mostly negative
    out, cache = getattr(conv, f"{name}_forward")(x, kernel=kernel, stride=stride)
    dout = normal(*out.shape)
    expected = gradients(lambda x: getattr(F, name)(x, kernel, stride), (x,), dout)
    assert_all_close([out, getattr(conv, f"{name}_backward")(dout, cache)], expected)


def test_ties_conserve_each_windows_gradient(conv):
    out, cache = conv.max_pool2d_forward(np.ones((2, 3, 4, 6)), kernel=(2, 3))
    dout = normal(*out.shape)
    dx = conv.max_pool2d_backward(dout, cache)
    assert_all_close([dx.reshape(2, 3, 2, 2, 2, 3).sum(axis=(3, 5))], [dout])


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_cross_entropy_and_its_gradient_are_torchs(conv, scale):
    logits, labels = scale * normal(6, 5), rng.integers(0, 5, 6)
    loss, dlogits = conv.softmax_cross_entropy(logits, labels)
    expected = gradients(lambda x: F.cross_entropy(x, torch.from_numpy(labels)), (logits,), np.array(1.0))
    assert_all_close([np.asarray(loss), dlogits], expected)


def test_no_opinion_costs_the_logarithm_of_the_number_of_classes(conv):
    assert conv.softmax_cross_entropy(np.zeros((4, 9)), np.arange(4))[0] == pytest.approx(math.log(9))


@pytest.mark.parametrize("n, kernel, stride, padding", SIZES)
def test_output_size_is_that_of_torchs_layer(conv, n, kernel, stride, padding):
    layer = nn.Conv1d(1, 1, kernel, stride, padding, device="meta")
    assert conv.conv_output_size(n, kernel, stride, padding) == layer(torch.zeros(1, 1, n, device="meta")).shape[2]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [3, (5, 2)])
def test_parameter_counts_are_those_of_torchs_layers(conv, kernel, bias):
    def count(layer):
        return sum(parameter.numel() for parameter in layer.parameters())

    assert conv.conv_params(7, 11, kernel, bias=bias) == count(nn.Conv2d(7, 11, kernel, bias=bias))
    assert conv.fc_params(7, 11, bias=bias) == count(nn.Linear(7, 11, bias=bias))


def test_the_lectures_counts(conv):
    assert conv.fc_params(36_000_000, 100, bias=False) == 3_600_000_000
    assert conv.fc_params(200 * 200 * 3, 1, bias=False) == 120_000


@pytest.mark.parametrize("layers", [[], [(3, 1)] * 4, [(5, 2), (3, 3), (2, 1)], [(1, 3), (4, 2), (3, 2)]])
def test_receptive_field_is_what_a_gradient_reaches(conv, layers):
    x = torch.ones(1, 1, 200, dtype=torch.float64, requires_grad=True)
    out = x
    for kernel, stride in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    (reached,) = torch.autograd.grad(out[0, 0, 0], x)
    touched = reached[0, 0].nonzero().flatten()
    assert conv.receptive_field(layers) == touched.max() - touched.min() + 1


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_receptive_field_of_stacked_threes_is_twice_the_depth_and_one(conv, depth):
    assert conv.receptive_field([(3, 1)] * depth) == 2 * depth + 1


def test_pmf_convolve_enumerates_all_pairs(conv):
    p, q = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(6))
    expected = np.zeros(9)
    for i, j in itertools.product(range(4), range(6)):
        expected[i + j] += p[i] * q[j]
    assert_all_close([conv.pmf_convolve(p, q), conv.pmf_convolve(p, q)], [expected, np.convolve(p, q)])


def test_two_dice_show_seven_once_in_six(conv):
    die = np.array([0, 1, 1, 1, 1, 1, 1]) / 6
    assert conv.pmf_convolve(die, die)[7] == pytest.approx(1 / 6)


@pytest.mark.parametrize("shift", [0.0, -1000.0])
def test_log_conv2d_is_scipys_logsumexp_of_each_window(conv, shift):
    x, k = normal(5, 6) + shift, normal(2, 3)
    x[:3, :4] = -np.inf
    k[1, 2] = -np.inf
    expected = [[scipy.special.logsumexp(x[i : i + 2, j : j + 3] + k) for j in range(4)] for i in range(4)]
    got = conv.log_conv2d(x, k)
    assert np.isneginf(got).any()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


PUBLISHED = {"lenet": 61_706, "alexnet": 61_100_840, "vgg16": 138_357_544, "vgg19": 143_667_240}


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_have_the_published_number_of_parameters(conv, name):
    with torch.device("meta"):
        network = conv.build_cnn(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_give_a_logit_for_each_class(conv, name):
    image, classes = ((1, 28, 28), 10) if name == "lenet" else ((3, 224, 224), 1000)
    with torch.device("meta"):
        assert conv.build_cnn(name)(torch.zeros(2, *image)).shape == (2, classes)


def test_an_unknown_network_is_refused(conv):
    with pytest.raises(ValueError, match="no network called 'resnet'"):
        conv.build_cnn("resnet")


def test_lenet_learns_a_small_batch_by_heart(conv):
    torch.manual_seed(0)
    network, x, labels = conv.build_cnn("lenet"), torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(network(x), labels).backward()
        optimizer.step()
    assert (network(x).argmax(dim=1) == labels).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(conv, dtype):
    x, w, b = (normal(*shape).astype(dtype) for shape in ((2, 3, 6, 5), (4, 3, 3, 2), (4,)))
    results = [conv.corr2d(x[0, 0], w[0, 0]), conv.log_conv2d(x[0, 0], w[0, 0]), conv.pmf_convolve(b, b)]
    results += conv.softmax_cross_entropy(x[0, 0], np.arange(6) % 5)
    pools = [(name, (x,), {"kernel": 2}) for name in ("max_pool2d", "avg_pool2d")]
    for name, args, options in [("conv2d", (x, w, b), {"stride": 2, "padding": 1}), *pools]:
        out, cache = getattr(conv, f"{name}_forward")(*args, **options)
        back = getattr(conv, f"{name}_backward")(out, cache)
        results += [out, *(back if isinstance(back, tuple) else (back,))]
    results.append(conv.conv2d_fast(*map(torch.from_numpy, (x, w, b))).numpy())
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_arguments_are_left_as_they_were(conv):
    x, w, b = normal(2, 3, 6, 5), normal(4, 3, 3, 2), normal(4)
    logits, labels = normal(4, 5), np.arange(4)
    given = [x, w, b, logits, labels]
    before = [item.copy() for item in given]
    pools = [(name, (x,), {"kernel": 2}) for name in ("max_pool2d", "avg_pool2d")]
    for name, args, options in [("conv2d", (x, w, b), {}), *pools]:
        out, cache = getattr(conv, f"{name}_forward")(*args, **options)
        dout = out.copy()
        getattr(conv, f"{name}_backward")(dout, cache)
        np.testing.assert_array_equal(dout, out)
    conv.softmax_cross_entropy(logits, labels)
    conv.corr2d(x[0, 0], w[0, 0]), conv.log_conv2d(x[0, 0], w[0, 0]), conv.pmf_convolve(b, b)
    for item, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(item, old)
