"""Graphs, and what else the checks of graph networks are made of.

Graphs are fixed skeletons with shuffled names and edges: none is regular, and the directed one is nowhere near
symmetric, whatever the seed.
"""

import numpy as np
import torch

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


def laplacian_of(edges: np.ndarray, n: int = NODES) -> np.ndarray:
    """D - A of a simple undirected graph."""
    adjacency = np.zeros((n, n))
    adjacency[edges[0], edges[1]] = 1
    return np.diag(adjacency.sum(axis=0)) - adjacency
