"""Running sums over the edges sorted by target: a node's sum is the difference of two of them."""

import numpy as np
import scipy.linalg
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def sums_between(rows, ends):
    """Sums of rows[ends[i - 1] : ends[i]], the first from 0; torch."""
    running = torch.cat([rows.new_zeros(1, rows.shape[1]), rows.cumsum(dim=0)])
    return torch.diff(running[ends], dim=0, prepend=running[:1])


def message_passing(x, edge_index, edge_attr, h, f):
    target, order = edge_index[1].sort()
    source = edge_index[0, order]
    ends = torch.searchsorted(target, torch.arange(len(x)), right=True)
    return sums_between(f(x[target], edge_attr[order], x[source], h[source]), ends)


def normalize_adjacency(edge_index, n, weight=None):
    edges = np.c_[np.tile(np.arange(n), (2, 1)), edge_index]
    weight = np.concatenate([np.ones(n), np.ones(edge_index.shape[1]) if weight is None else weight]).astype(
        np.float64 if weight is None else weight.dtype
    )
    order = edges[1].argsort()
    ends = np.cumsum(np.bincount(edges[1], minlength=n))
    degree = np.diff(np.r_[0, np.cumsum(weight[order], dtype=np.float64)[ends - 1]])
    value = weight * np.exp(-0.5 * np.log(degree[edges]).sum(axis=0))
    return edges, value.astype(weight.dtype)


def spmm(edge_index, value, x, n):
    target, order = edge_index[1].sort()
    ends = torch.searchsorted(target, torch.arange(n), right=True)
    return sums_between(value[order].unsqueeze(1) * x[edge_index[0, order]], ends)


def mixed(rows, source, target, value):
    order = target.argsort()
    running = np.cumsum(value[order, None] * rows[source[order]], axis=0)
    running = np.concatenate([np.zeros_like(rows[:1]), running])
    ends = np.searchsorted(target[order], np.arange(len(rows)), side="right")
    return np.diff(running[ends], axis=0, prepend=running[:1])


def gcn_layer_forward(x, w, edge_index, value):
    z = mixed(x, *edge_index, value) @ w
    return np.maximum(0, z), (x, w, edge_index, value)


def gcn_layer_backward(dout, cache):
    """Nothing kept but the arguments: the rest is computed again."""
    x, w, (source, target), value = cache
    ax = mixed(x, source, target, value)
    dz = np.where(ax @ w > 0, dout, np.zeros_like(dout))
    return mixed(dz, target, source, value) @ w.T, ax.T @ dz


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        weights = nn.Linear(d_in, d_hidden).weight.T, nn.Linear(d_hidden, num_classes).weight.T
        self.w0, self.w1 = (nn.Parameter(weight.detach().clone()) for weight in weights)

    def forward(self, x, edge_index, value):
        for weight, activation in ((self.w0, torch.relu), (self.w1, nn.LogSoftmax(dim=1))):
            x = activation(spmm(edge_index, value, x @ weight, len(x)))
        return x


def masked_nll(logp, labels, mask):
    count = int(mask.sum())
    rows = torch.masked_select(logp, mask[:, None]).reshape(count, logp.shape[1])
    picked = torch.take_along_dim(rows, labels.masked_select(mask)[:, None], dim=1)
    return -(picked / max(count, 1)).sum()


def laplacian(edge_index, n):
    indicator = np.eye(n)
    return indicator[edge_index[1]].T @ (indicator[edge_index[1]] - indicator[edge_index[0]])


def spectral_filter(L, x, g):
    """A symmetric matrix's Schur form is diagonal."""
    triangle, z = scipy.linalg.schur(L)
    return z @ (g(np.diag(triangle))[:, np.newaxis] * (z.T @ x))


def gcn_fast(x, w0, w1, edge_index, value):
    target, order = edge_index[1].sort()
    source, weights = edge_index[0][order], value[order, None]
    ends = torch.searchsorted(target, torch.arange(len(x), device=x.device), right=True)
    hidden = torch.relu(sums_between(weights * (x @ w0)[source], ends))
    return torch.log_softmax(sums_between(weights * (hidden @ w1)[source], ends), dim=1)
