"""Everything as plain loops over nodes and edges, but for the sparse product, whose loop is over features, and the fast
network, which gathers and scatters whole arrays."""

from collections import defaultdict

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def message_passing(x, edge_index, edge_attr, h, f):
    inbox = [[] for _ in range(len(x))]
    for e, (u, v) in enumerate(edge_index.T.tolist()):
        inbox[v].append(f(x[v][None], edge_attr[e][None], x[u][None], h[u][None])[0])
    nothing = torch.zeros_like(f(x[:0], edge_attr[:0], x[:0], h[:0]).sum(dim=0))
    return torch.stack([sum(messages, start=nothing) for messages in inbox])


def normalize_adjacency(edge_index, n, weight=None):
    weight = np.ones(edge_index.shape[1]) if weight is None else weight
    entries = defaultdict(float, {(v, v): 1.0 for v in range(n)})
    for e in range(edge_index.shape[1]):
        entries[int(edge_index[0, e]), int(edge_index[1, e])] += float(weight[e])
    degree = [0.0] * n
    for (_, v), total in entries.items():
        degree[v] += total
    value = [total / (degree[u] * degree[v]) ** 0.5 for (u, v), total in entries.items()]
    return np.array(list(entries)).T, np.array(value, dtype=weight.dtype)


def spmm(edge_index, value, x, n):
    source, target = edge_index
    columns = [x.new_zeros(n).index_add(0, target, value * column[source]) for column in x.unbind(dim=1)]
    return torch.stack(columns, dim=1)


def gcn_layer_forward(x, w, edge_index, value):
    n, k = len(x), w.shape[1]
    out = np.zeros((n, k), dtype=x.dtype)
    for v in range(n):
        for e in range(edge_index.shape[1]):
            if edge_index[1, e] == v:
                out[v] += value[e] * (x[edge_index[0, e]] @ w)
        for j in range(k):
            if out[v, j] < 0:
                out[v, j] = 0
    return out, {"x": x, "w": w, "edges": edge_index, "value": value, "open": out > 0}


def gcn_layer_backward(dout, cache):
    x, w = cache["x"], cache["w"]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for e in range(cache["edges"].shape[1]):
        u, v = cache["edges"][:, e]
        passed = cache["value"][e] * dout[v] * cache["open"][v]
        dx[u] += w @ passed
        dw += np.outer(x[u], passed)
    return dx, dw


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(torch.randn(d_in, d_hidden) / d_in**0.5)
        self.w1 = nn.Parameter(torch.randn(d_hidden, num_classes) / d_hidden**0.5)

    def forward(self, x, edge_index, value):
        hidden = spmm(edge_index, value, x, len(x)) @ self.w0
        scores = spmm(edge_index, value, hidden * (hidden > 0), len(x)) @ self.w1
        rows = [row - row.max() for row in scores]
        return torch.stack([row - row.exp().sum().log() for row in rows])


def masked_nll(logp, labels, mask):
    total, count = 0 * logp.sum(), 0
    for v in range(len(logp)):
        if mask[v]:
            total = total - logp[v, labels[v]]
            count += 1
    return total / count if count else total


def laplacian(edge_index, n):
    L = np.zeros((n, n))
    for u, v in edge_index.T:
        L[v, v] += 1
        L[v, u] -= 1
    return L


def spectral_filter(L, x, g):
    eigenvalues, u = np.linalg.eigh(L)
    out = np.zeros_like(x)
    for factor, vector in zip(g(eigenvalues), u.T, strict=True):
        for j in range(x.shape[1]):
            out[:, j] += factor * (vector @ x[:, j]) * vector
    return out


def gcn_fast(x, w0, w1, edge_index, value):
    source, target = edge_index[0], edge_index[1]

    def mix(rows):
        return torch.zeros_like(rows).index_add(0, target, value[:, None] * rows[source])

    return torch.log_softmax(mix(torch.relu(mix(x @ w0)) @ w1), dim=-1)
