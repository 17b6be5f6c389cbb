"""Graph networks: log-probabilities, loss and gradients against the reference's, and what they learn."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight
from shared import DIRECTED, DUPLICATED, NODES, positive, relabelled, tensors

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
