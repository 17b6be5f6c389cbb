"""Objects, and autograd functions whose backward is written by hand; the fast network is one of them as a whole."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal, hessenberg
from torch import nn

QUIZ = dict(zip(("q1", "q2", "q3", "q4", "q5"), "cbdba", strict=True))


class Gather(torch.autograd.Function):
    """Sum of the rows of each target."""

    @staticmethod
    def forward(ctx, messages, target, n):
        ctx.save_for_backward(target)
        out = messages.new_zeros(n, messages.shape[1])
        return out.index_put_((target,), messages, accumulate=True)

    @staticmethod
    def backward(ctx, dout):
        (target,) = ctx.saved_tensors
        return dout[target], None, None


def message_passing(x, edge_index, edge_attr, h, f):
    source, target = edge_index.unbind()
    return Gather.apply(f(x[target], edge_attr, x[source], h[source]), target, x.shape[0])


@dataclass
class Graph:
    source: np.ndarray
    target: np.ndarray
    value: np.ndarray
    n: int

    def with_loops(self):
        everyone = np.arange(self.n)
        return Graph(
            np.append(self.source, everyone),
            np.append(self.target, everyone),
            np.append(self.value, np.ones(self.n, self.value.dtype)),
            self.n,
        )

    @property
    def degree(self):
        return np.array([self.value[self.target == v].sum() for v in range(self.n)], dtype=self.value.dtype)

    def mix(self, rows):
        out = np.zeros((self.n, rows.shape[1]), rows.dtype)
        for column in range(rows.shape[1]):
            flow = self.value * rows[self.source, column]
            out[:, column] = np.bincount(self.target, weights=flow, minlength=self.n)
        return out

    def reversed(self):
        return Graph(self.target, self.source, self.value, self.n)


def normalize_adjacency(edge_index, n, weight=None):
    graph = Graph(*edge_index, np.ones(edge_index.shape[1]) if weight is None else weight, n).with_loops()
    root = np.sqrt(graph.degree)
    return np.stack([graph.source, graph.target]), graph.value / root[graph.target] / root[graph.source]


def spmm(edge_index, value, x, n):
    source, target = edge_index.unbind()
    return Gather.apply(torch.einsum("e,ed->ed", value, x[source]), target, n)


def gcn_layer_forward(x, w, edge_index, value):
    graph = Graph(*edge_index, value, len(x))
    projected = x @ w
    z = graph.mix(projected)
    return z * (z > 0), (graph, x, w, z > 0)


def gcn_layer_backward(dout, cache):
    graph, x, w, is_open = cache
    dprojected = graph.reversed().mix(dout * is_open)
    return dprojected @ w.T, x.T @ dprojected


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(nn.init.normal_(torch.zeros(d_in, d_hidden), std=0.3))
        self.w1 = nn.Parameter(nn.init.normal_(torch.zeros(d_hidden, num_classes), std=0.3))

    def layer(self, x, w, edge_index, value):
        return spmm(edge_index, value, x, x.shape[0]) @ w

    def forward(self, x, edge_index, value):
        hidden = nn.functional.relu(self.layer(x, self.w0, edge_index, value))
        return nn.LogSoftmax(dim=-1)(self.layer(hidden, self.w1, edge_index, value))


class MaskedNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logp, labels, mask):
        known = torch.where(mask)[0]
        slope = torch.zeros_like(logp)
        if len(known):
            slope[known, labels[known]] = -1 / len(known)
        ctx.save_for_backward(slope)
        return (slope * logp).sum()

    @staticmethod
    def backward(ctx, dout):
        return dout * ctx.saved_tensors[0], None, None


def masked_nll(logp, labels, mask):
    return MaskedNLL.apply(logp, labels, mask)


def laplacian(edge_index, n):
    graph = Graph(*edge_index, np.ones(edge_index.shape[1]), n)
    return np.diag(graph.degree) - graph.mix(np.eye(n))


def spectral_filter(L, x, g):
    """To tridiagonal form first, then its eigenvectors."""
    tridiagonal, q = hessenberg(L, calc_q=True)
    eigenvalues, u = eigh_tridiagonal(np.diag(tridiagonal), np.diag(tridiagonal, -1))
    basis = q @ u
    return basis @ (g(eigenvalues)[:, None] * (basis.T @ x))


class FastGCN(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w0, w1, edge_index, value):
        source, target = edge_index[0], edge_index[1]
        ax = mixed(x, source, target, value)
        hidden = (ax @ w0).clamp_(min=0)
        ah = mixed(hidden, source, target, value)
        logp = torch.log_softmax(ah @ w1, dim=1)
        ctx.save_for_backward(ax, w0, w1, edge_index, value, hidden, ah, logp)
        return logp

    @staticmethod
    def backward(ctx, dlogp):
        ax, w0, w1, edge_index, value, hidden, ah, logp = ctx.saved_tensors
        source, target = edge_index[0], edge_index[1]
        dscores = dlogp - logp.exp() * dlogp.sum(dim=1, keepdim=True)
        dhidden = mixed(dscores @ w1.T, target, source, value) * (hidden > 0)
        dx = mixed(dhidden @ w0.T, target, source, value)
        return dx, ax.T @ dhidden, ah.T @ dscores, None, None


def mixed(rows, source, target, value):
    return torch.zeros_like(rows).index_add_(0, target, rows[source].mul_(value[:, None]))


def gcn_fast(x, w0, w1, edge_index, value):
    return FastGCN.apply(x, w0, w1, edge_index, value)
