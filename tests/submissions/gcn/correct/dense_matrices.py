"""The matrix A written down wherever the graph may be small; compressed rows where it may not."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def message_passing(x, edge_index, edge_attr, h, f):
    """One-hot rows for the targets: their transpose sums what belongs together."""
    source, target = edge_index
    messages = f(x[target], edge_attr, x[source], h[source])
    return F.one_hot(target, len(x)).to(messages.dtype).T @ messages


def normalize_adjacency(edge_index, n, weight=None):
    """All n^2 entries, zeros included."""
    weight = np.ones(edge_index.shape[1]) if weight is None else weight
    a = np.eye(n, dtype=weight.dtype)
    np.add.at(a, (edge_index[1], edge_index[0]), weight)
    half = np.diag(a.sum(axis=1) ** -0.5)
    target, source = np.indices((n, n)).reshape(2, -1)
    return np.stack([source, target]), (half @ a @ half).ravel()


def spmm(edge_index, value, x, n):
    return torch.scatter_add(
        x.new_zeros(n, x.shape[1]),
        0,
        edge_index[1][:, None].expand(-1, x.shape[1]),
        value[:, None] * x.index_select(0, edge_index[0]),
    )


def dense(edge_index, value, n):
    a = np.zeros((n, n), dtype=value.dtype)
    np.add.at(a, (edge_index[1], edge_index[0]), value)
    return a


def gcn_layer_forward(x, w, edge_index, value):
    a = dense(edge_index, value, len(x))
    z = np.einsum("vu,ud,dk->vk", a, x, w)
    return np.where(z > 0, z, 0), (a, x, w, z)


def gcn_layer_backward(dout, cache):
    a, x, w, z = cache
    dz = np.where(z > 0, dout, 0)
    return np.einsum("vu,vk,dk->ud", a, dz, w), np.einsum("ud,vu,vk->dk", x, a, dz)


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(torch.randn(d_in, d_hidden) * 0.1)
        self.w1 = nn.Parameter(torch.randn(d_hidden, num_classes) * 0.1)

    def forward(self, x, edge_index, value):
        a = x.new_zeros(len(x), len(x)).index_put(tuple(edge_index.flip(0)), value, accumulate=True)
        return F.log_softmax(a @ F.relu(a @ x @ self.w0) @ self.w1, dim=1)


def masked_nll(logp, labels, mask):
    readable = torch.where(mask, labels, 0)
    picked = (logp * F.one_hot(readable, logp.shape[1])).sum(dim=1)
    return -torch.where(mask, picked, 0).sum() / mask.sum().clamp(min=1)


def laplacian(edge_index, n):
    a = np.bincount(edge_index[1] * n + edge_index[0], minlength=n * n).reshape(n, n).astype(float)
    return np.diag(a @ np.ones(n)) - a


def spectral_filter(L, x, g):
    """The function of the matrix itself, then one product."""
    eigenvalues, u = np.linalg.eigh(L)
    return (u * g(eigenvalues)) @ u.T @ x


def gcn_fast(x, w0, w1, edge_index, value):
    n = len(x)
    order = edge_index[1].argsort()
    starts = torch.searchsorted(edge_index[1][order], torch.arange(n + 1, device=x.device))
    a = torch.sparse_csr_tensor(starts, edge_index[0][order], value[order], (n, n), check_invariants=False)
    return F.log_softmax(a @ (F.relu(a @ (x @ w0)) @ w1), dim=1)
