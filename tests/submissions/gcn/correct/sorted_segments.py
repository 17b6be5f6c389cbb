"""Edges sorted by target first: what belongs to a node then lies together, and segments are summed."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def message_passing(x, edge_index, edge_attr, h, f):
    order = torch.argsort(edge_index[1])
    source, target = edge_index[:, order]
    messages = f(x[target], edge_attr[order], x[source], h[source])
    lengths = torch.bincount(target, minlength=len(x))
    return torch.segment_reduce(messages, "sum", lengths=lengths, axis=0, unsafe=True, initial=0)


def normalize_adjacency(edge_index, n, weight=None):
    """Merged and sorted by target, then by source."""
    weight = np.ones(edge_index.shape[1]) if weight is None else weight
    loops = np.arange(n)
    source, target = np.hstack([np.stack([loops, loops]), edge_index])
    weight = np.hstack([np.ones_like(weight, shape=n), weight])
    pairs, place = np.unique(target * n + source, return_inverse=True)
    merged = np.bincount(place, weights=weight)
    target, source = np.divmod(pairs, n)
    root = np.sqrt(np.add.reduceat(merged, np.searchsorted(target, loops)))
    return np.stack([source, target]), (merged / root[target] / root[source]).astype(weight.dtype)


def spmm(edge_index, value, x, n):
    order = edge_index[1].argsort(stable=True)
    lengths = torch.bincount(edge_index[1], minlength=n)
    weighted = x[edge_index[0, order]] * value[order, None]
    return torch.segment_reduce(weighted, "sum", lengths=lengths, axis=0, unsafe=True, initial=0)


def segment_sums(rows, keys, n):
    """Sum of the rows of each key in 0..n-1."""
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    out = np.zeros((n, rows.shape[1]), rows.dtype)
    if len(present):
        out[present] = np.add.reduceat(rows[order], starts, axis=0)
    return out


def gcn_layer_forward(x, w, edge_index, value):
    projected = x @ w
    z = segment_sums(value[:, None] * projected[edge_index[0]], edge_index[1], len(x))
    return np.fmax(z, 0), (x, w, edge_index, value, np.sign(np.fmax(z, 0)))


def gcn_layer_backward(dout, cache):
    x, w, edge_index, value, step = cache
    dprojected = segment_sums(value[:, None] * (dout * step)[edge_index[1]], edge_index[0], len(x))
    return dprojected @ w.T, x.T @ dprojected


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0, self.w1 = (
            nn.Parameter(torch.nn.init.orthogonal_(torch.zeros(*shape)))
            for shape in ((d_in, d_hidden), (d_hidden, num_classes))
        )

    def forward(self, x, edge_index, value):
        hidden = spmm(edge_index, value, x, len(x)) @ self.w0
        return F.log_softmax(spmm(edge_index, value, F.relu(hidden), len(x)) @ self.w1, dim=-1)


def masked_nll(logp, labels, mask):
    if not mask.any():
        return logp.sum() * 0
    return -logp[mask].gather(1, labels[mask].unsqueeze(1)).mean()


def laplacian(edge_index, n):
    L = np.zeros((n, n))
    np.subtract.at(L, tuple(edge_index), 1)
    L[np.diag_indices(n)] -= L.sum(axis=0)
    return L


def spectral_filter(L, x, g):
    eigenvalues, u = np.linalg.eigh(-L)  # descending eigenvalues of L
    gains = np.asarray(g(-eigenvalues))
    return np.einsum("ik,k,jk,jd->id", u, gains, u, x)


def gcn_fast(x, w0, w1, edge_index, value):
    order = torch.argsort(edge_index[1])
    source, weights = edge_index[0][order], value[order]
    counts = torch.bincount(edge_index[1], minlength=len(x))
    starts = counts.cumsum(0) - counts

    def mix(rows):
        return F.embedding_bag(source, rows, starts, mode="sum", per_sample_weights=weights)

    return F.log_softmax(mix(F.relu(mix(x @ w0)) @ w1), dim=1)
