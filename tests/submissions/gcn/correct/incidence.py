"""Incidence matrices: one row per node, one column per edge, for what leaves, what enters, and their difference."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def incidence(nodes, n, value):
    """Sparse, shape (n, E): `value[e]` in row `nodes[e]` of column e."""
    columns = torch.arange(len(nodes), device=nodes.device)
    return torch.sparse_coo_tensor(torch.stack([nodes, columns]), value, (n, len(nodes)), check_invariants=False)


def message_passing(x, edge_index, edge_attr, h, f):
    source, target = edge_index
    messages = f(x[target], edge_attr, x[source], h[source])
    return torch.sparse.mm(incidence(target, len(x), messages.new_ones(len(target))), messages)


def enters(nodes, n, value):
    """Dense and numpy, shape (n, E)."""
    matrix = np.zeros((n, len(nodes)), value.dtype)
    matrix[nodes, np.arange(len(nodes))] = value
    return matrix


def normalize_adjacency(edge_index, n, weight=None):
    weight = np.ones(edge_index.shape[1]) if weight is None else weight
    one = np.ones(1, weight.dtype)
    for v in range(n):
        edge_index, weight = np.append(edge_index, [[v], [v]], axis=1), np.append(weight, one)
    degree = enters(edge_index[1], n, weight).sum(axis=1)
    return edge_index, weight / np.sqrt(degree[edge_index[0]] * degree[edge_index[1]])


def spmm(edge_index, value, x, n):
    leaving = incidence(edge_index[0], n, torch.ones_like(value))
    return torch.sparse.mm(incidence(edge_index[1], n, value), torch.sparse.mm(leaving.t(), x))


def gcn_layer_forward(x, w, edge_index, value):
    out_of = enters(edge_index[0], len(x), np.ones_like(value))
    into = enters(edge_index[1], len(x), value)
    along = out_of.T @ x  # the sender's features, one row per edge
    z = into @ along @ w
    return (z + np.abs(z)) / 2, (out_of, into, along, w, np.heaviside(z, 0))


def gcn_layer_backward(dout, cache):
    out_of, into, along, w, is_open = cache
    per_edge = into.T @ (is_open * dout)
    return out_of @ (per_edge @ w.T), along.T @ per_edge


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.register_parameter("w0", nn.Parameter(torch.rand(d_in, d_hidden) - 0.5))
        self.register_parameter("w1", nn.Parameter(torch.rand(d_hidden, num_classes) - 0.5))

    def forward(self, x, edge_index, value):
        into, source = incidence(edge_index[1], len(x), value), edge_index[0]
        hidden = (into @ (x @ self.w0)[source]).clamp(min=0)
        scores = into @ (hidden @ self.w1)[source]
        return scores - torch.logsumexp(scores, dim=1, keepdim=True)


def masked_nll(logp, labels, mask):
    nodes = torch.arange(len(logp), device=logp.device)[mask]
    picker = torch.zeros_like(logp)
    picker[nodes, labels[nodes]] = 1 / max(len(nodes), 1)
    return -torch.einsum("vc,vc->", picker, logp)


def laplacian(edge_index, n):
    """B B' of the oriented incidence matrix; every edge is there twice."""
    b = np.zeros((n, edge_index.shape[1]))
    columns = np.arange(edge_index.shape[1])
    b[edge_index[1], columns] += 1
    b[edge_index[0], columns] -= 1
    return b @ b.T / 2


def spectral_filter(L, x, g):
    """L is positive semidefinite: its singular values are its eigenvalues."""
    u, values, _ = np.linalg.svd(L, hermitian=True)
    return u @ (g(values).reshape(-1, 1) * (u.T @ x))


def gcn_fast(x, w0, w1, edge_index, value):
    into, source = incidence(edge_index[1], len(x), value), edge_index[0]
    hidden = torch.relu(into @ (x @ w0).index_select(0, source))
    return torch.log_softmax(into @ (hidden @ w1).index_select(0, source), dim=1)
