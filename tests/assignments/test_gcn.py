"""The gcn reference against a second oracle: dense float64 matrices, gradcheck, networkx, Fourier, worked examples."""

from collections.abc import Callable
from types import ModuleType

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Tensor
from torch.nn import functional as F

Graph = tuple[np.ndarray, np.ndarray, int]  # edge_index, value, n


@pytest.fixture(scope="module")
def gcn(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("gcn")


def directed(seed: int, n: int = 7, edges: int = 15) -> Graph:
    """A random weighted directed graph with duplicates and self-loops; nothing enters its last node."""
    rng = np.random.default_rng(seed)
    edge_index = rng.integers([[0], [0]], [[n], [n - 1]], (2, edges))
    edge_index = np.concatenate([edge_index, edge_index[:, :3], [[1], [1]]], axis=1)
    return edge_index, rng.uniform(0.2, 2, edge_index.shape[1]), n


def no_edges() -> Graph:
    return np.zeros((2, 0), dtype=np.int64), np.zeros(0), 4


GRAPHS = [pytest.param(directed(0), id="directed"), pytest.param(no_edges(), id="no edges")]


def dense(edge_index: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    """A[target, source], one edge at a time."""
    matrix = np.zeros((n, n))
    for source, target, weight in zip(*edge_index, value, strict=True):
        matrix[target, source] += weight
    return matrix


def both_ways(graph: nx.Graph) -> np.ndarray:
    edges = np.array(graph.edges, dtype=np.int64).reshape(-1, 2).T
    return np.concatenate([edges, edges[::-1]], axis=1)


def tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


# message_passing -----------------------------------------------------------------------------------------------


def edge_by_edge(x: Tensor, edge_index: Tensor, edge_attr: Tensor, h: Tensor, f: Callable[..., Tensor]) -> Tensor:
    """The lecture's sum, literally: for every node, for every edge that enters it."""
    width = f(x[:0], edge_attr[:0], x[:0], h[:0]).shape[1]
    rows = []
    for v in range(len(x)):
        row = torch.zeros(1, width, dtype=x.dtype)
        for e in (edge_index[1] == v).nonzero().flatten().tolist():
            u = edge_index[0, e]
            row = row + f(x[v : v + 1], edge_attr[e : e + 1], x[u : u + 1], h[u : u + 1])
        rows.append(row)
    return torch.cat(rows) + 0 * (x.sum() + edge_attr.sum() + h.sum())  # connected without edges too


@pytest.mark.parametrize("graph", GRAPHS)
def test_message_passing_is_the_lectures_sum_with_its_gradients(gcn: ModuleType, graph: Graph) -> None:
    edge_index, value, n = graph
    rng = np.random.default_rng(1)
    x, h = tensors(rng.standard_normal((n, 3)), rng.standard_normal((n, 2)))
    edge_attr = torch.from_numpy(rng.standard_normal((len(value), 4)))
    weights = torch.from_numpy(rng.standard_normal((3 + 4 + 3 + 2, 5)))
    leaves = [leaf.requires_grad_() for leaf in (x, edge_attr, h)]
    cotangent = torch.from_numpy(rng.standard_normal((n, 5)))

    def f(*parts):
        return torch.sin(torch.cat(parts, dim=1) @ weights + 0.5)

    edges = torch.from_numpy(edge_index)
    got, expected = (way(x, edges, edge_attr, h, f) for way in (gcn.message_passing, edge_by_edge))
    torch.testing.assert_close(got, expected)
    gradients = torch.autograd.grad(got, leaves, cotangent)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, leaves, cotangent))
    assert (got[-1] == 0).all()


def test_message_passing_worked_example(gcn: ModuleType) -> None:
    x, h = torch.zeros(3, 1), torch.tensor([[1.0], [2.0], [3.0]])
    new = gcn.message_passing(
        x, torch.tensor([[0, 1], [2, 2]]), torch.tensor([[10.0], [20.0]]), h, lambda x_v, e, x_u, h_u: e * h_u
    )
    assert new.tolist() == [[0], [0], [50]]


# normalize_adjacency -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("graph", GRAPHS)
def test_normalize_adjacency_is_the_matrix_formula(gcn: ModuleType, graph: Graph, weighted: bool) -> None:
    edge_index, value, n = graph
    weight = value if weighted else None
    with_loops = dense(edge_index, value if weighted else np.ones_like(value), n) + np.eye(n)
    scale = np.diag(with_loops.sum(axis=1) ** -0.5)
    got = dense(*gcn.normalize_adjacency(edge_index, n, weight), n)
    np.testing.assert_allclose(got, scale @ with_loops @ scale, rtol=1e-13)


def test_normalize_adjacency_of_the_path_has_the_row_sums_known_for_it(gcn: ModuleType) -> None:
    edges, value = gcn.normalize_adjacency(both_ways(nx.path_graph(3)), 3)
    np.testing.assert_allclose(dense(edges, value, 3).sum(axis=1), [0.908, 1.150, 0.908], atol=5e-4)


def test_normalize_adjacency_of_an_undirected_graph_has_the_largest_eigenvalue_1(gcn: ModuleType) -> None:
    """D^1/2 1 is its eigenvector: (A + I) 1 = D 1."""
    edges, value = gcn.normalize_adjacency(both_ways(nx.gnp_random_graph(12, 0.3, seed=3)), 12)
    matrix = dense(edges, value, 12)
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix)[-1], 1)


# spmm, gcn_layer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", GRAPHS)
def test_spmm_is_the_dense_product_with_its_gradient(gcn: ModuleType, graph: Graph) -> None:
    edge_index, value, n = graph
    edges, weights, x = tensors(edge_index, value, np.random.default_rng(2).standard_normal((n, 3)))
    torch.testing.assert_close(gcn.spmm(edges, weights, x, n), torch.from_numpy(dense(*graph)) @ x)
    assert torch.autograd.gradcheck(lambda x: gcn.spmm(edges, weights, x, n), x.requires_grad_())


def test_spmm_handles_50_000_nodes(gcn: ModuleType) -> None:
    """On a one-way ring of weight 2 the product is a shift, doubled."""
    n = 50_000
    nodes = torch.arange(n)
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    got = gcn.spmm(torch.stack([nodes, (nodes + 1) % n]), torch.full((n,), 2.0), x, n)
    assert torch.equal(got, 2 * x.roll(1, dims=0))


@pytest.mark.parametrize("graph", GRAPHS)
def test_gcn_layer_and_its_gradients_are_those_of_autograd(gcn: ModuleType, graph: Graph) -> None:
    edge_index, value, n = graph
    rng = np.random.default_rng(4)
    x, w, dout = rng.standard_normal((n, 3)), rng.standard_normal((3, 5)), rng.standard_normal((n, 5))
    got, cache = gcn.gcn_layer_forward(x, w, edge_index, value)
    dx, dw = gcn.gcn_layer_backward(dout, cache)
    x_t, w_t = (tensor.requires_grad_() for tensor in tensors(x, w))
    expected = torch.relu(torch.from_numpy(dense(*graph)) @ x_t @ w_t)
    gradients = torch.autograd.grad(expected, [x_t, w_t], torch.from_numpy(dout))
    np.testing.assert_allclose(got, expected.detach(), atol=1e-12)
    for mine, theirs in zip((dx, dw), gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_gcn_layer_worked_example(gcn: ModuleType) -> None:
    x, w = np.array([[1.0, 3], [5, 7]]), np.array([[1.0, 0], [0, -1]])
    out, cache = gcn.gcn_layer_forward(x, w, np.array([[0], [1]]), np.array([2.0]))
    dx, dw = gcn.gcn_layer_backward(np.ones((2, 2)), cache)
    assert out.tolist() == [[0, 0], [2, 0]]
    assert dx.tolist() == [[2, 0], [0, 0]]
    assert dw.tolist() == [[2, 0], [6, 0]]


# gcn, gcn_fast -------------------------------------------------------------------------------------------------


def dense_gcn(x: Tensor, w0: Tensor, w1: Tensor, matrix: Tensor) -> Tensor:
    scores = matrix @ torch.relu(matrix @ x @ w0) @ w1
    return scores - scores.logsumexp(dim=1, keepdim=True)


@pytest.mark.parametrize("sizes", [(6, 4, 3), (2, 5, 3), (3, 2, 4)], ids=["narrowing", "wide inside", "wide outside"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_gcn_and_gcn_fast_are_the_dense_network_with_its_gradients(
    gcn: ModuleType, graph: Graph, sizes: tuple[int, int, int]
) -> None:
    edge_index, value, n = graph
    torch.manual_seed(5)
    model = gcn.GCN(*sizes).double()
    edges, weights = tensors(edge_index, value)
    x = torch.randn(n, sizes[0], dtype=torch.float64, requires_grad=True)
    leaves, cotangent = [x, model.w0, model.w1], torch.randn(n, sizes[2], dtype=torch.float64)
    expected = dense_gcn(*leaves, torch.from_numpy(dense(*graph)))
    for got in (model(x, edges, weights), gcn.gcn_fast(*leaves, edges, weights)):
        torch.testing.assert_close(got, expected)
        gradients = torch.autograd.grad(got, leaves, cotangent)
        torch.testing.assert_close(gradients, torch.autograd.grad(expected, leaves, cotangent, retain_graph=True))


def test_scores_of_any_size_give_finite_log_probabilities(gcn: ModuleType) -> None:
    edges, ones = torch.arange(3).repeat(2, 1), torch.ones(3)
    x, w0, w1 = torch.eye(3), 1e3 * torch.eye(3), 1e3 * torch.eye(3)
    model = gcn.GCN(3, 3, 3)
    model.load_state_dict({"w0": w0, "w1": w1})
    for logp in (model(x, edges, ones), gcn.gcn_fast(x, w0, w1, edges, ones)):
        assert torch.equal(logp.detach(), -1e6 * (1 - torch.eye(3)))


def test_masked_nll_is_the_librarys_loss_on_the_masked_rows(gcn: ModuleType) -> None:
    torch.manual_seed(6)
    logp = torch.log_softmax(torch.randn(9, 4, dtype=torch.float64), dim=1).requires_grad_()
    labels, mask = torch.randint(4, (9,)), torch.arange(9) % 3 == 1
    expected = F.nll_loss(logp[mask], labels[mask])
    loss = gcn.masked_nll(logp, labels.masked_fill(~mask, 10**6), mask)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logp), torch.autograd.grad(expected, logp))


def test_masked_nll_worked_example(gcn: ModuleType) -> None:
    logp, labels = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log(), torch.tensor([0, 0])
    assert gcn.masked_nll(logp, labels, torch.tensor([True, False])).item() == pytest.approx(np.log(2))
    assert gcn.masked_nll(logp, labels, torch.tensor([True, True])).item() == pytest.approx(np.log(8) / 2)


def test_masked_nll_of_no_labels_is_0_with_gradient_0(gcn: ModuleType) -> None:
    logp = torch.zeros(3, 2, requires_grad=True)
    loss = gcn.masked_nll(logp, torch.full((3,), -1), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert logp.grad.tolist() == [[0, 0]] * 3


def test_gcn_beats_the_network_that_ignores_the_links(gcn: ModuleType) -> None:
    """Two communities with features that hardly tell them apart; 5 labels each."""
    rng, n = np.random.default_rng(7), 120
    labels = np.arange(n) % 2
    linked = np.triu(rng.random((n, n)) < np.where(labels[:, None] == labels, 0.15, 0.01), 1)
    features = rng.standard_normal((n, 8)) + 0.3 * (2 * labels[:, None] - 1)
    edges = np.array(np.nonzero(linked | linked.T))
    graphs = [gcn.normalize_adjacency(edges, n), gcn.normalize_adjacency(edges[:, :0], n)]
    accuracies = [trained_accuracy(gcn, *tensors(features, labels, *graph)) for graph in graphs]
    assert accuracies[0] > 0.9
    assert accuracies[0] > accuracies[1] + 0.15


def trained_accuracy(gcn: ModuleType, x: Tensor, labels: Tensor, edges: Tensor, value: Tensor) -> float:
    torch.manual_seed(8)
    model, mask = gcn.GCN(x.shape[1], 16, 2).double(), torch.arange(len(x)) < 10
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        gcn.masked_nll(model(x, edges, value), labels, mask).backward()
        optimizer.step()
    return (model(x, edges, value).argmax(dim=1) == labels)[~mask].double().mean().item()


# spectral ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [nx.gnp_random_graph(11, 0.3, seed=1), nx.star_graph(5), nx.empty_graph(3)], ids=str)
def test_laplacian_is_that_of_networkx(gcn: ModuleType, graph: nx.Graph) -> None:
    n = len(graph)
    got = gcn.laplacian(both_ways(graph), n)
    np.testing.assert_array_equal(got, nx.laplacian_matrix(graph, nodelist=range(n)).toarray())
    assert got.dtype == np.float64


def test_laplacian_adds_duplicates_and_ignores_self_loops(gcn: ModuleType) -> None:
    edges = np.array([[0, 1, 0, 1, 2], [1, 0, 1, 0, 2]])
    assert gcn.laplacian(edges, 3).tolist() == [[2, -2, 0], [-2, 2, 0], [0, 0, 0]]


def test_a_filter_on_the_ring_is_one_of_fourier(gcn: ModuleType) -> None:
    """The ring's Laplacian has the eigenvalues 2 - 2 cos(2 pi k / n), all but two of them twice."""
    n = 9
    x = np.random.default_rng(9).standard_normal((n, 2))
    eigenvalues = 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)
    expected = np.fft.ifft(np.exp(-eigenvalues)[:, None] * np.fft.fft(x, axis=0), axis=0).real
    got = gcn.spectral_filter(gcn.laplacian(both_ways(nx.cycle_graph(n)), n), x, lambda values: np.exp(-values))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize(
    "g, matrix",
    [
        pytest.param(lambda values: values, lambda L: L, id="identity"),
        pytest.param(
            lambda values: 2 - values + values**3 / 5, lambda L: 2 * np.eye(8) - L + L @ L @ L / 5, id="cubic"
        ),
        pytest.param(lambda values: 1 / (1 + values), lambda L: np.linalg.inv(np.eye(8) + L), id="rational"),
        pytest.param(lambda values: np.exp(-values), lambda L: expm(-L), id="heat"),
    ],
)
def test_a_filter_is_the_function_of_the_matrix(
    gcn: ModuleType, g: Callable[..., np.ndarray], matrix: Callable[..., np.ndarray]
) -> None:
    L = nx.laplacian_matrix(nx.gnp_random_graph(8, 0.4, seed=2)).toarray().astype(float)
    x = np.random.default_rng(10).standard_normal((8, 3))
    np.testing.assert_allclose(gcn.spectral_filter(L, x, g), matrix(L) @ x, atol=1e-11)


def test_a_polynomial_of_degree_k_reaches_k_hops(gcn: ModuleType) -> None:
    n = 9
    L = gcn.laplacian(both_ways(nx.path_graph(n)), n)
    impulse = np.eye(n)[:, :1]
    got = gcn.spectral_filter(L, impulse, lambda values: (3 - values) ** 2)[:, 0]
    assert np.abs(got[:3]).min() > 0.5
    np.testing.assert_allclose(got[3:], 0, atol=1e-12)


# all -----------------------------------------------------------------------------------------------------------


def test_everything_keeps_float32_and_leaves_its_arguments_alone(gcn: ModuleType) -> None:
    edge_index, value, n = directed(11)
    rng = np.random.default_rng(12)
    arrays = edge_index, value.astype(np.float32), rng.standard_normal((n, 4)).astype(np.float32)
    square = rng.standard_normal((4, 4)).astype(np.float32)
    before = [array.copy() for array in (*arrays, square)]
    edges, weights, x, w = tensors(*arrays, square)
    model = gcn.GCN(4, 3, 2)
    out, cache = gcn.gcn_layer_forward(arrays[2], square, *arrays[:2])
    L = gcn.laplacian(edge_index, n).astype(np.float32)
    numpy_results = [
        gcn.normalize_adjacency(edge_index, n, arrays[1])[1],
        out,
        *gcn.gcn_layer_backward(out, cache),
        gcn.spectral_filter(L + L.T, arrays[2], lambda values: np.exp(-values)),
    ]
    torch_results = [
        gcn.message_passing(x, edges, weights[:, None], x, lambda x_v, e, x_u, h_u: e * h_u),
        gcn.spmm(edges, weights, x, n),
        model(x, edges, weights),
        gcn.masked_nll(model(x, edges, weights), torch.zeros(n, dtype=torch.int64), torch.ones(n, dtype=torch.bool)),
        gcn.gcn_fast(x, w, w, edges, weights),
    ]
    assert {result.dtype for result in numpy_results} == {np.dtype(np.float32)}
    assert {result.dtype for result in torch_results} == {torch.float32}
    for array, old in zip((*arrays, square), before, strict=True):
        np.testing.assert_array_equal(array, old)
