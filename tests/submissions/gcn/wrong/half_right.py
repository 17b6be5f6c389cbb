"""A homework in progress: much of it right, messages sent backwards, one task not begun, one that crashes."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "c", "q3": "d", "q4": "b", "q5": None}


def message_passing(x, edge_index, edge_attr, h, f):
    target, source = edge_index
    messages = f(x[target], edge_attr, x[source], h[source])
    return torch.zeros(len(x), messages.shape[1], dtype=messages.dtype).index_add(0, target, messages)


def normalize_adjacency(edge_index, n, weight=None):
    a = np.eye(n)
    np.add.at(a, (edge_index[1], edge_index[0]), 1.0 if weight is None else weight)
    half = 1 / np.sqrt(a.sum(axis=1))
    target, source = np.nonzero(a)
    value = half[target] * a[target, source] * half[source]
    return np.stack([source, target]), value if weight is None else value.astype(weight.dtype)


def spmm(edge_index, value, x, n):
    raise NotImplementedError("gcn.spmm")


def gcn_layer_forward(x, w, edge_index, value):
    a = np.zeros((len(x), len(x)))
    np.add.at(a, (edge_index[1], edge_index[0]), value)
    out = np.maximum(a @ x @ w, 0)
    return out, (a, x, w, out)


def gcn_layer_backward(dout, cache):
    a, x, w, out = cache
    dz = dout * (out > 0)
    return a @ dz @ w.T, x.T @ a.T @ dz


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(torch.randn(d_in, d_hidden))
        self.w1 = nn.Parameter(torch.randn(d_hidden, num_classes))

    def forward(self, x, edge_index, value):
        a = torch.zeros(len(x), len(x), dtype=x.dtype).index_put((edge_index[1], edge_index[0]), value, accumulate=True)
        return torch.log(torch.softmax(a @ torch.relu(a @ x @ self.w0) @ self.w1, dim=1))


def masked_nll(logp, labels, mask):
    return -logp[mask].gather(1, labels[mask][:, None]).mean()


def laplacian(edge_index, n):
    a = np.zeros((n, n))
    a[edge_index[1], edge_index[0]] = 1
    return np.diag(a.sum(axis=1)) - a


def spectral_filter(L, x, g):
    eigenvalues, u = np.linalg.eigh(L)
    return u @ np.diag(g(eigenvalues)) @ u.T @ x


def gcn_fast(x, w0, w1, edge_index, value):
    hidden = torch.relu(edge_index @ (x @ w0))
    return torch.log_softmax(hidden @ w1, dim=1)
