"""Graph networks: the student's answers and gradients against the reference's, one line of results per idea.

Graphs are fixed skeletons with shuffled names and edges: none is regular, and the directed one is nowhere near
symmetric, whatever the seed.
"""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

DIRECTED = np.array([[0, 0, 1, 3, 2, 4, 4, 5, 1], [1, 2, 2, 2, 3, 0, 3, 4, 5]])  # every node is entered
ONE_WAY = np.array([[0, 1, 1, 2, 3, 4], [1, 2, 3, 3, 4, 5]])  # degrees 1, 3, 2, 3, 2, 1
UNDIRECTED = np.concatenate([ONE_WAY, ONE_WAY[::-1]], axis=1)
DUPLICATED = np.concatenate([DIRECTED, DIRECTED[:, 2:5], DIRECTED[:, 2:3]], axis=1)
NODES = 6
MANY = 750  # with 64 features: a derivative taken entry by entry takes minutes
_RING = np.tile(np.arange(MANY), 2), np.concatenate([np.arange(MANY) + 1, np.arange(MANY) + 7]) % MANY
LARGE = np.concatenate([np.array(_RING), np.array(_RING)[::-1]], axis=1)  # undirected, without duplicates


def relabelled(draw, skeleton: np.ndarray, loops: bool = False, n: int = NODES) -> np.ndarray:
    """The graph with its nodes renamed and its edges in random order, with a self-loop for every node if asked for."""
    edges = np.concatenate([skeleton, np.tile(np.arange(n), (2, 1))], axis=1) if loops else skeleton
    return draw.rng.permutation(n)[edges][:, draw.rng.permutation(edges.shape[1])]


def anything(draw, n: int = 30) -> np.ndarray:
    """A directed graph of any shape: duplicates, self-loops, and nodes that no edge touches, whatever the seed."""
    edges = draw.ints(0, n - 3, 2, 2 * n)
    return relabelled(draw, np.concatenate([edges, edges[:, :2], [[0, 1], [0, 1]]], axis=1), n=n)


def positive(draw, *shape: int) -> np.ndarray:
    """Between 0.2 and 2."""
    return np.asarray(draw.rng.uniform(0.2, 2, shape))


def symmetric(draw, edges: np.ndarray, n: int = NODES) -> np.ndarray:
    """A positive weight for each edge, the same in both directions."""
    matrix = positive(draw, n, n)
    return np.asarray((matrix + matrix.T)[edges[0], edges[1]])


def by_target(edges: np.ndarray) -> np.ndarray:
    """Sorted by target."""
    return edges[:, np.argsort(edges[1], kind="stable")]


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    """Of torch, as they are."""
    return [torch.from_numpy(array) for array in arrays]


# message_passing -----------------------------------------------------------------------------------------------


def check_messages(agrees, draw, edges: np.ndarray, n: int, width: int = 2) -> None:
    """Embeddings of width 2 go in; `width` is that of the messages."""
    x, edge_attr, h = draw.tensor(n, 3), draw.tensor(edges.shape[1], 4), draw.tensor(n, 2)
    weights = [draw.tensor(rows, width) / 2 for rows in (3, 4, 3, 2, 1)]
    agrees.run("tanh_messages", x, torch.from_numpy(edges), edge_attr, h, weights, draw.tensor(n, width))


@pytest.mark.task("message_passing")
@weight(4)
@number("1.2")
def test_messages(agrees, draw):
    """message_passing: f's four arguments, the sum at the target, and gradients to all that goes in"""
    check_messages(agrees, draw, by_target(relabelled(draw, DIRECTED)), NODES)


@pytest.mark.task("message_passing")
@weight(2)
@number("1.3")
def test_messages_edge_order(agrees, draw):
    """message_passing: edges may come in any order"""
    check_messages(agrees, draw, relabelled(draw, DIRECTED), NODES)


@pytest.mark.task("message_passing")
@weight(2)
@number("1.4")
def test_messages_duplicates(agrees, draw):
    """message_passing: two edges between the same nodes are two messages"""
    check_messages(agrees, draw, by_target(relabelled(draw, DUPLICATED)), NODES)


@pytest.mark.task("message_passing")
@weight(2)
@number("1.5")
@pytest.mark.parametrize("count", [9, 0], ids=["some isolated nodes", "no edges at all"])
def test_messages_without_neighbours(agrees, draw, count):
    """message_passing: a node that no edge enters gets 0, also without any edge"""
    check_messages(agrees, draw, by_target(relabelled(draw, DIRECTED)[:, :count]), NODES + 3)


@pytest.mark.task("message_passing")
@weight(1)
@number("1.6")
@pytest.mark.parametrize("width", [1, 5])
def test_messages_width(agrees, draw, width):
    """message_passing: f decides how wide the new embeddings are"""
    check_messages(agrees, draw, by_target(relabelled(draw, DIRECTED)), NODES, width)


# normalize_adjacency -------------------------------------------------------------------------------------------


@pytest.mark.task("normalize_adjacency")
@weight(2)
@number("2.2")
def test_normalize_undirected(agrees, draw):
    """normalize_adjacency: an undirected graph whose degrees differ"""
    agrees.run("dense_normalized", relabelled(draw, UNDIRECTED), NODES)


@pytest.mark.task("normalize_adjacency")
@weight(3)
@number("2.3")
def test_normalize_directed(agrees, draw):
    """normalize_adjacency: in a directed graph the degree counts the edges that enter"""
    agrees.run("dense_normalized", relabelled(draw, DIRECTED), NODES)


@pytest.mark.task("normalize_adjacency")
@weight(2)
@number("2.4")
def test_normalize_weighted(agrees, draw):
    """normalize_adjacency: edge weights count in the matrix and in the degrees; a weight may be 0"""
    edges = relabelled(draw, UNDIRECTED)
    weights = symmetric(draw, edges)
    weights[weights == weights.max()] = 0
    agrees.run("dense_normalized", edges, NODES, weights)
    edges = anything(draw)
    agrees.run("dense_normalized", edges, 30, np.abs(draw.wide(edges.shape[1])))


@pytest.mark.task("normalize_adjacency")
@weight(2)
@number("2.5")
def test_normalize_loops(agrees, draw):
    """normalize_adjacency: a node that has a self-loop already gets the added one too"""
    skeleton = np.concatenate([UNDIRECTED, [[0, 1], [0, 1]]], axis=1)
    agrees.run("dense_normalized", relabelled(draw, skeleton), NODES)


@pytest.mark.task("normalize_adjacency")
@weight(1)
@number("2.6")
def test_normalize_duplicates(agrees, draw):
    """normalize_adjacency: edges that are listed twice add up, in the degrees too"""
    skeleton = np.concatenate([UNDIRECTED, UNDIRECTED[:, [0, 3, 6, 9]]], axis=1)
    agrees.run("dense_normalized", relabelled(draw, skeleton), NODES)


@pytest.mark.task("normalize_adjacency")
@weight(1)
@number("2.7")
@pytest.mark.parametrize("count", [12, 0], ids=["some isolated nodes", "no edges at all"])
def test_normalize_isolated(agrees, draw, count):
    """normalize_adjacency: isolated nodes keep themselves, with weight 1"""
    agrees.run("dense_normalized", relabelled(draw, UNDIRECTED)[:, :count], NODES + 2)


# spmm ----------------------------------------------------------------------------------------------------------


@pytest.mark.task("spmm")
@weight(2)
@number("3.2")
def test_spmm(agrees, draw):
    """spmm: the product and its gradient on a directed, weighted graph"""
    edges, value, x = tensors(relabelled(draw, DIRECTED), draw(DIRECTED.shape[1]), draw(NODES, 4))
    agrees.autograd("spmm", edges, value, x, NODES, wrt=[2])


@pytest.mark.task("spmm")
@weight(2)
@number("3.3")
def test_spmm_duplicates(agrees, draw):
    """spmm: the values of edges that are listed twice add up"""
    edges, value, x = tensors(relabelled(draw, DUPLICATED), draw(DUPLICATED.shape[1]), draw(NODES, 4))
    agrees.autograd("spmm", edges, value, x, NODES, wrt=[2])


@pytest.mark.task("spmm")
@weight(2)
@number("3.4")
@pytest.mark.parametrize("count", [9, 0], ids=["some isolated nodes", "no edges at all"])
def test_spmm_isolated(agrees, draw, count):
    """spmm: n rows come out, 0 for nodes that no edge enters"""
    edges, value, x = tensors(relabelled(draw, DIRECTED)[:, :count], draw(count), draw(NODES + 2, 3))
    agrees("spmm", edges, value, x, NODES + 2)


@pytest.mark.task("spmm")
@weight(2)
@number("3.5")
def test_spmm_large(agrees, draw):
    """spmm: 50,000 nodes and 100,000 edges fit into memory"""
    n = 50_000
    targets = draw.rng.permutation(n)
    edges = np.stack([np.tile(np.arange(n), 2), np.concatenate([targets, np.roll(targets, 1)])])
    agrees("spmm", *tensors(edges, draw(2 * n), draw(n, 3)), n)


# gcn_layer -----------------------------------------------------------------------------------------------------


def check_layer(agrees, draw, edges: np.ndarray, value: np.ndarray, signs: list[int], n: int = NODES) -> None:
    """Positive features and weights, but for the signs of the units: each is open at every node, or closed at every
    node, whatever the seed."""
    d = 3 if n < MANY else 64
    agrees.pair("gcn_layer", positive(draw, n, d), positive(draw, d, len(signs)) * signs, edges, value)


@pytest.mark.task("gcn_layer")
@weight(3)
@number("4.2")
def test_layer_undirected(agrees, draw):
    """gcn_layer: output and gradients on an undirected graph, all units open"""
    for skeleton, n in ((UNDIRECTED, NODES), (LARGE, MANY)):
        edges = relabelled(draw, skeleton, loops=True, n=n)
        check_layer(agrees, draw, edges, symmetric(draw, edges, n), [1, 1], n)
    calls = [(positive(draw, NODES, 3), positive(draw, 3, 4), edges, symmetric(draw, edges)) for edges in graphs(draw)]
    agrees.interleaved("gcn_layer", *calls)


def graphs(draw) -> list[np.ndarray]:
    """Two undirected ones."""
    return [relabelled(draw, UNDIRECTED, loops=True) for _ in range(2)]


@pytest.mark.task("gcn_layer")
@weight(4)
@number("4.3")
def test_layer_directed(agrees, draw):
    """gcn_layer: output and gradients on a directed, weighted graph, all units open"""
    for skeleton, n in ((DIRECTED, NODES), (LARGE, MANY)):
        edges, value = relabelled(draw, skeleton, n=n), positive(draw, skeleton.shape[1])
        check_layer(agrees, draw, edges, value, [1, 1], n)


@pytest.mark.task("gcn_layer")
@weight(3)
@number("4.4")
@pytest.mark.parametrize("extra", [0, 2], ids=["duplicates", "duplicates and isolated nodes"])
def test_layer_duplicates(agrees, draw, extra):
    """gcn_layer: duplicate edges add up, forward and backward; isolated nodes get 0"""
    for skeleton, n in ((UNDIRECTED, NODES), (LARGE, MANY)):
        half = skeleton.shape[1] // 2
        edges = relabelled(draw, np.concatenate([skeleton, skeleton[:, [0, 3, half, half + 3]]], axis=1), n=n)
        check_layer(agrees, draw, edges, symmetric(draw, edges, n), [1, 1], n + extra)


@pytest.mark.task("gcn_layer")
@weight(3)
@number("4.5")
@pytest.mark.parametrize("signs", ["of units", "of everything"])
def test_layer_relu(agrees, draw, signs):
    """gcn_layer: units that relu closes give 0 and pass no gradient, whatever the signs of all that goes in"""
    if signs == "of units":
        for skeleton, n in ((UNDIRECTED, NODES), (LARGE, MANY)):
            edges = relabelled(draw, skeleton, loops=True, n=n)
            check_layer(agrees, draw, edges, symmetric(draw, edges, n), [1, -1], n)
    else:
        edges = anything(draw)
        agrees.pair("gcn_layer", draw.wide(30, 3), draw(3, 4), edges, draw(edges.shape[1]))


# gcn -----------------------------------------------------------------------------------------------------------


@pytest.mark.task("gcn")
@weight(4)
@number("5.3")
@pytest.mark.parametrize("count", [9, 13, 0], ids=["plain", "duplicates", "no edges"])
def test_gcn(agrees, draw, count):
    """GCN: log-probabilities and gradients to features and weights on a directed, weighted graph"""
    edges, value = tensors(relabelled(draw, DUPLICATED[:, :count]), draw(count))
    x, w0, w1 = draw.tensor(NODES, 5), draw.tensor(5, 8), draw.tensor(8, 3)
    if count:
        agrees.module("GCN", (5, 8, 3), x, edges, value, wrt=[0])
    else:  # nothing depends on x or the weights: whether autograd knows of them is free
        agrees.run("classify", w0, w1, x, edges, value)


@pytest.mark.task("gcn")
@weight(2)
@number("5.4")
def test_gcn_large_scores(agrees, draw):
    """GCN: log-probabilities are finite and right however large the scores"""
    edges, value = tensors(relabelled(draw, DIRECTED, loops=True), positive(draw, DIRECTED.shape[1] + NODES))
    agrees.module("GCN", (4, 8, 3), 1e5 * draw.tensor(NODES, 4), edges, value, wrt=[0])


@pytest.mark.task("gcn")
@weight(2)
@number("5.5")
@pytest.mark.parametrize("outside", [-1, 10**6])
def test_nll_reads_only_the_mask(agrees, draw, outside):
    """masked_nll: labels outside the mask are not read, whatever stands there"""
    logp = torch.log_softmax(draw.tensor(9, 4), dim=1)
    mask = np.array([True] * 5 + [False] * 4)[draw.rng.permutation(9)]
    labels = np.where(mask, draw.ints(0, 4, 9), outside)
    agrees.autograd("masked_nll", logp, *tensors(labels, mask))


@pytest.mark.task("gcn")
@weight(1)
@number("5.6")
@pytest.mark.parametrize("known", [1, 0])
def test_nll_few_labels(student, expect, draw, known):
    """masked_nll: one label is enough, and none gives 0"""
    logp, labels = torch.log_softmax(draw.tensor(6, 3), dim=1), draw.ints(0, 3, 6)
    node = int(draw.ints(0, 6))
    mask = (np.arange(6) == node) & (known > 0)
    loss = expect.number(student.masked_nll(logp, *tensors(labels, mask)), what="the loss")
    expect(loss, -float(logp[node, labels[node]]) if known else 0.0, what="the loss")


@pytest.mark.task("gcn", kind="property")
@weight(2)
@number("5.7")
def test_gradients_only_through_edges(student, expect, draw):
    """GCN with masked_nll: unlabelled nodes get gradients through edges, within two hops, and no others"""
    chain = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])  # node 5 is isolated; node 3 has the only label
    name = draw.rng.permutation(NODES)
    edges = name[np.concatenate([chain, np.tile(np.arange(NODES), (2, 1))], axis=1)]
    arrays = positive(draw, NODES, 5), edges, positive(draw, edges.shape[1]), draw.ints(0, 3, NODES)
    w0, w1 = tensors(positive(draw, 5, 8) / 20, draw(8, 3) / 4)  # all units open, no probability near 0 or 1
    got = student.run("loss_and_gradients", w0, w1, *tensors(*arrays, np.arange(NODES) == name[3]))
    dx = expect.array(got["dx"], (NODES, 5), what="the gradient with respect to x").abs().sum(dim=1)[name]
    expect.true((dx[1:4] > 1e-12).all(), "x of a node that reaches the labelled one within two hops has gradient 0")
    expect.true((dx[[0, 4, 5]] < 1e-12).all(), "x of a node that does not reach it within two hops has a gradient")


@pytest.mark.task("gcn", kind="property")
@weight(3)
@number("5.8")
def test_gcn_beats_mlp(student, reference, expect, draw):
    """GCN: trained on few labels of a graph with two communities, it beats the network that ignores the links"""
    n, known, steps = 60, 12, 40
    labels = np.arange(n) % 2
    joined = np.triu(draw.rng.random((n, n)) < np.where(labels[:, None] == labels, 0.5, 0.02), 1)
    edges, alone = np.array(np.nonzero(joined | joined.T)), np.tile(np.arange(n), (2, 1))
    features = draw(n, 8) + 0.25 * (2 * labels[:, None] - 1)
    weights = [draw.tensor(8, 16) / 8**0.5, draw.tensor(16, 2) / 4]
    rest = *tensors(labels, np.arange(n) < known), steps
    got = student.run("trained", *weights, *tensors(features, *mixing(edges, n)), *rest)
    linked = accuracy(expect.array(got, (n, 2), what="log-probabilities"), labels, known)
    unlinked = accuracy(reference.run("trained", *weights, *tensors(features, alone, np.ones(n)), *rest), labels, known)
    # Over 100 seeds: at least 100 % against at most 81 %, and never less than 18 points apart.
    reached = f"after training on {known} labels it is right on {linked:.0%} of the other nodes"
    expect.true(linked > max(0.75, unlinked + 0.05), f"{reached}; a network without links on {unlinked:.0%}")


def accuracy(logp: torch.Tensor, labels: np.ndarray, known: int) -> float:
    """Of the nodes after the first `known`, the share that is classified right."""
    return float((logp.argmax(dim=1).numpy() == labels)[known:].mean())


def mixing(edges: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """D^-1/2 (A + I) D^-1/2 of a simple undirected graph."""
    source, target = edges = np.concatenate([edges, np.tile(np.arange(n), (2, 1))], axis=1)
    degree = np.bincount(target)
    return edges, (degree[source] * degree[target]) ** -0.5


# spectral ------------------------------------------------------------------------------------------------------


def laplacian_of(edges: np.ndarray, n: int = NODES) -> np.ndarray:
    """D - A of a simple undirected graph."""
    adjacency = np.zeros((n, n))
    adjacency[edges[0], edges[1]] = 1
    return np.diag(adjacency.sum(axis=0)) - adjacency


@pytest.mark.task("spectral")
@weight(2)
@number("6.3")
@pytest.mark.parametrize("n", [NODES, NODES + 2], ids=["connected", "with isolated nodes"])
def test_laplacian(agrees, draw, n):
    """laplacian: D - A of a graph whose degrees differ"""
    agrees("laplacian", relabelled(draw, UNDIRECTED), n)


@pytest.mark.task("spectral")
@weight(1)
@number("6.4")
@pytest.mark.parametrize("extra", [[0, 3, 6, 9], []], ids=["duplicates", "self-loops"])
def test_laplacian_multigraph(agrees, draw, extra):
    """laplacian: duplicate edges add up, and self-loops leave no trace"""
    more = UNDIRECTED[:, extra] if extra else np.array([[1, 4], [1, 4]])
    for skeleton, n in ((UNDIRECTED, NODES), (LARGE, MANY)):
        agrees("laplacian", relabelled(draw, np.concatenate([skeleton, more], axis=1), n=n), n)


@pytest.mark.task("spectral")
@weight(3)
@number("6.5")
@pytest.mark.parametrize("gain", [[0.0, 1.0], [0.7, -0.4, 0.1], "heat", "relative"], ids=str)
def test_filter(agrees, draw, gain):
    """spectral_filter: g scales the eigenvalues' parts; g(lambda) = lambda gives L x"""
    agrees.run("filtered", laplacian_of(relabelled(draw, UNDIRECTED)), draw(NODES, 3), gain)


@pytest.mark.task("spectral", kind="property")
@weight(2)
@number("6.6")
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_filter_is_local(student, expect, draw, hops):
    """spectral_filter: a polynomial of degree K carries an impulse K hops far, and no further"""
    n, name = 9, draw.rng.permutation(9)
    path = name[np.array([np.arange(n - 1), np.arange(1, n)])]
    L = laplacian_of(np.concatenate([path, path[::-1]], axis=1), n)
    impulse = np.zeros((n, 1))
    impulse[name[4]] = 1
    coefficients = positive(draw, hops + 1).tolist()
    got = expect.array(student.run("filtered", L, impulse, coefficients), (n, 1))[name, 0]
    far = np.abs(np.arange(n) - 4) > hops
    beyond = f"a polynomial of degree {hops}, but the impulse reaches nodes more than {hops} hops away"
    expect.true(np.abs(got[far]).max() < 1e-9, beyond)
    ends = got[[4 - hops, 4 + hops]] * (-1) ** hops
    expect(ends, np.full(2, coefficients[-1]), what=f"the size of the impulse {hops} hops away")


@pytest.mark.task("spectral", kind="property")
@weight(1)
@number("6.7")
@pytest.mark.parametrize("gain", ["low", "high"])
def test_filter_repeated_eigenvalues(student, expect, draw, gain):
    """spectral_filter: the eigenvalue 0 alone carries the mean of each component, the others the rest"""
    part = draw.rng.permutation(np.repeat([0, 1, 2], [4, 3, 2]))
    L = laplacian_of(np.array(np.nonzero((part[:, None] == part) & ~np.eye(9, dtype=bool))), 9)
    x = draw(9, 2)
    mean = np.stack([x[part == part[v]].mean(axis=0) for v in range(9)])
    expect(student.run("filtered", L, x, gain), mean if gain == "low" else x - mean)


# gcn_fast ------------------------------------------------------------------------------------------------------


@pytest.mark.task("gcn_fast")
@weight(3)
@number("7.2")
@pytest.mark.parametrize("sizes", [(5, 4, 3), (2, 6, 4), (4, 3, 7)], ids=["narrowing", "wide inside", "wide outside"])
def test_fast(agrees, draw, sizes):
    """gcn_fast: log-probabilities and gradients on a directed, weighted graph"""
    x, w0, w1 = draw.tensor(NODES, sizes[0], wide=True), draw.tensor(*sizes[:2]), draw.tensor(*sizes[1:])
    edges, value = tensors(relabelled(draw, DIRECTED, loops=True), draw(DIRECTED.shape[1] + NODES))
    agrees.autograd("gcn_fast", x, w0, w1, edges, value, wrt=[0, 1, 2])


@pytest.mark.task("gcn_fast")
@weight(1)
@number("7.3")
@pytest.mark.parametrize("count", [13, 0], ids=["duplicates and isolated nodes", "no edges at all"])
def test_fast_odd_graphs(agrees, draw, count):
    """gcn_fast: duplicate edges add up; isolated nodes get equal probabilities"""
    edges, value = tensors(relabelled(draw, DUPLICATED)[:, :count], positive(draw, count))
    x, w0, w1 = draw.tensor(NODES + 2, 4), draw.tensor(4, 5), draw.tensor(5, 3)
    if count:
        agrees.autograd("gcn_fast", x, w0, w1, edges, value, wrt=[0, 1, 2])
    else:  # as for GCN
        agrees("gcn_fast", x, w0, w1, edges, value)


@pytest.mark.task("gcn_fast")
@weight(1)
@number("7.4")
def test_fast_large_scores(agrees, draw):
    """gcn_fast: log-probabilities are finite and right however large the scores"""
    edges, value = tensors(relabelled(draw, DIRECTED, loops=True), positive(draw, DIRECTED.shape[1] + NODES))
    x, w0, w1 = 1e5 * draw.tensor(NODES, 4), draw.tensor(4, 8), draw.tensor(8, 3)
    agrees.autograd("gcn_fast", x, w0, w1, edges, value, wrt=[0, 1, 2])


# all -----------------------------------------------------------------------------------------------------------


EVERYTHING = ["message_passing", "normalize_adjacency", "spmm", "gcn_layer", "GCN", "spectral_filter", "gcn_fast"]


@pytest.mark.task("gcn_layer", kind="dtype")
@weight(2)
@number("4.6")
@pytest.mark.parametrize("name", EVERYTHING)
def test_keeps_dtype(keeps_dtype, draw, name):
    """all functions: float32 arguments give float32 results and gradients"""
    edges = relabelled(draw, DIRECTED, loops=True)
    value, x, w = (draw(*shape).astype(np.float32) for shape in ((edges.shape[1],), (NODES, 4), (4, 4)))
    edges_t, value_t, x_t, w_t = tensors(edges, value, x, w)
    others = keeps_dtype.if_right
    if name == "message_passing":
        others.run("tanh_messages", x_t, edges_t, value_t[:, None], x_t, [w_t, w_t[:1], w_t, w_t, w_t[:1]], x_t)
    elif name == "normalize_adjacency":
        others.run("dense_normalized", edges, NODES, np.abs(value))
        others.run("dense_normalized", edges, NODES)  # without weights value is float64
    elif name == "spmm":
        others.autograd("spmm", edges_t, value_t, x_t, NODES, wrt=[2])
    elif name == "gcn_layer":
        x, w, value = (draw(*shape).astype(np.float32) for shape in ((MANY, 64), (64, 64), (LARGE.shape[1],)))
        keeps_dtype.pair("gcn_layer", x, w, LARGE, value)
    elif name == "GCN":
        labels, mask = torch.zeros(NODES, dtype=torch.int64), torch.ones(NODES, dtype=torch.bool)
        others.run("loss_and_gradients", w_t, w_t, x_t, edges_t, value_t, labels, mask)
    elif name == "spectral_filter":
        others.run("filtered", laplacian_of(relabelled(draw, UNDIRECTED)).astype(np.float32), x, "heat")
    else:
        others.autograd("gcn_fast", x_t, w_t, w_t, edges_t, value_t, wrt=[0, 1, 2])
