"""Messages, adjacency, products and layers: answers and gradients against the reference's."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight
from shared import (
    DIRECTED,
    DUPLICATED,
    LARGE,
    MANY,
    NODES,
    UNDIRECTED,
    anything,
    by_target,
    laplacian_of,
    positive,
    relabelled,
    symmetric,
    tensors,
)

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
