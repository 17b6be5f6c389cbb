"""Graph networks: worked examples, the library's own operations, and graphs on which the answer is known."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

PATH = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])  # 0 - 1 - 2, both directions


@pytest.mark.task("message_passing")
@weight(2)
@number("1.1")
def test_messages_worked_example(student, expect, draw):
    """message_passing: edges 2 -> 0, 0 -> 2 and 1 -> 2 with the message e * h_u"""
    e, h = draw.tensor(3, 2), draw.tensor(4, 2)
    got = student.run("product_messages", torch.tensor([[2, 0, 1], [0, 2, 2]]), e, h)
    zero = torch.zeros(2, dtype=torch.float64)
    expect(got, torch.stack([e[0] * h[2], zero, e[1] * h[0] + e[2] * h[1], zero]), what="the new embeddings")


@pytest.mark.task("normalize_adjacency")
@weight(2)
@number("2.1")
def test_normalize_path(student, expect):
    """normalize_adjacency: the path 0 - 1 - 2, whose rows sum to 0.908, 1.150 and 0.908"""
    matrix = student.run("dense_normalized", PATH, 3)
    a = 6**-0.5
    expect(matrix, np.array([[1 / 2, a, 0], [a, 1 / 3, a], [0, a, 1 / 2]]), what="the matrix [target, source]")


@pytest.mark.task("spmm")
@weight(2)
@number("3.1")
def test_spmm_ring(student, expect, draw):
    """spmm: on a ring, the values are a kernel and the product is a circular convolution"""
    n, kernel, x = 7, draw.tensor(3), draw.tensor(7, 2)
    nodes = torch.arange(n)
    edges = torch.cat([torch.stack([(nodes + shift) % n, nodes]) for shift in (-1, 0, 1)], dim=1)
    got = student.spmm(edges, kernel.repeat_interleave(n), x, n)
    expect(got, sum(kernel[1 + shift] * x.roll(-shift, dims=0) for shift in (-1, 0, 1)), what="the mixed features")


@pytest.mark.task("gcn_layer")
@weight(2)
@number("4.1")
def test_layer_worked_example(student, expect, draw):
    """gcn_layer: one edge 0 -> 1 of value 2, and a large ring, forward and backward by hand"""
    x, w = np.array([[1.0, 3], [5, 7]]), np.array([[1.0, 0], [0, -1]])
    got = student.pair("gcn_layer", x, w, np.array([[0], [1]]), np.array([2.0]), cotangents=[np.ones((2, 2))])
    expect(got["outputs"]["out"], np.array([[0.0, 0], [2, 0]]), what="the output")
    expect(got["gradients"]["dx"], np.array([[2.0, 0], [0, 0]]), what="dx")
    expect(got["gradients"]["dw"], np.array([[2.0, 0], [6, 0]]), what="dw")
    n, d = 750, 64  # a derivative taken entry by entry takes minutes
    nodes, x, w, dout = np.arange(n), draw(n, d), draw(d, d), draw(n, d)
    ring = np.stack([nodes, (nodes + 1) % n])
    got = student.pair("gcn_layer", x, w, ring, np.full(n, 2.0), cotangents=[dout])
    mixed = 2 * np.roll(x, 1, axis=0)
    gated = dout * (mixed @ w > 0)
    expect(got["outputs"]["out"], np.maximum(mixed @ w, 0), what="the output")
    expect(got["gradients"]["dx"], 2 * np.roll(gated @ w.T, -1, axis=0), what="dx")
    expect(got["gradients"]["dw"], mixed.T @ gated, what="dw")


@pytest.mark.task("gcn")
@weight(1)
@number("5.1")
def test_gcn_without_links(student, expect, draw):
    """GCN: where every node is linked to itself alone, it is an ordinary network of two layers"""
    x, w0, w1 = draw.tensor(6, 4), draw.tensor(4, 8), draw.tensor(8, 3)
    alone, ones = torch.arange(6).repeat(2, 1), torch.ones(6, dtype=torch.float64)
    got = student.run("classify", w0, w1, x, alone, ones)
    expect(got, torch.log_softmax(torch.relu(x @ w0) @ w1, dim=1), what="log-probabilities")


@pytest.mark.task("gcn")
@weight(1)
@number("5.2")
def test_nll_of_masked_rows(student, expect, draw):
    """masked_nll: the library's loss on the rows in the mask"""
    logp, labels = torch.log_softmax(draw.tensor(8, 3), dim=1), torch.from_numpy(draw.ints(0, 3, 8))
    mask = torch.arange(8) % 3 == 1
    loss = student.masked_nll(logp, labels, mask)
    expect(loss, torch.nn.functional.nll_loss(logp[mask], labels[mask]), what="the loss")


@pytest.mark.task("spectral")
@weight(1)
@number("6.1")
def test_laplacian_path(student, expect):
    """laplacian: the path 0 - 1 - 2"""
    expect(student.laplacian(PATH, 3), np.array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]]), what="L")


@pytest.mark.task("spectral")
@weight(2)
@number("6.2")
def test_filter_on_the_ring_is_fouriers(student, expect, draw):
    """spectral_filter: on a ring, the spectral domain is that of the Fourier transform"""
    n, x = 7, draw(7, 2)
    shift = np.roll(np.eye(n), 1, axis=0)
    eigenvalues = 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)
    expected = np.fft.ifft(np.exp(-eigenvalues / 2)[:, None] * np.fft.fft(x, axis=0), axis=0).real
    got = student.run("filtered", 2 * np.eye(n) - shift - shift.T, x, "heat")
    expect(got, expected, what="the signal filtered with g(lambda) = exp(-lambda / 2)")


@pytest.mark.task("gcn_fast")
@weight(2)
@number("7.1")
def test_fast_star(student, expect, draw):
    """gcn_fast: three nodes that send to a fourth, and themselves"""
    x, w0, w1 = draw.tensor(4, 3), draw.tensor(3, 5), draw.tensor(5, 2)
    value = torch.from_numpy(draw.rng.uniform(0.5, 1.5, 7))
    edges = torch.tensor([[0, 1, 2, 0, 1, 2, 3], [3, 3, 3, 0, 1, 2, 3]])
    matrix = torch.diag(value[3:])
    matrix[3, :3] = value[:3]
    expected = torch.log_softmax(matrix @ torch.relu(matrix @ x @ w0) @ w1, dim=1)
    expect(student.gcn_fast(x, w0, w1, edges, value), expected, what="log-probabilities")
