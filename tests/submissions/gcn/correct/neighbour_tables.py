"""A table of neighbours, padded to the largest in-degree: gather, then sum along the table."""

import numpy as np
import torch
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def table(target, n):
    """Edges of each node, shape (n, largest in-degree), and which places are filled; torch."""
    ordered, edges = torch.sort(target)
    count = torch.bincount(target, minlength=n)
    place = torch.arange(len(target), device=target.device) - (count.cumsum(0) - count)[ordered]
    width = int(count.max()) if len(target) else 0
    slots = torch.zeros(n, width, dtype=torch.int64, device=target.device).index_put((ordered, place), edges)
    return slots, torch.arange(width, device=target.device) < count[:, None]


def message_passing(x, edge_index, edge_attr, h, f):
    slots, filled = table(edge_index[1], len(x))
    flat = slots[filled]  # every edge once, sorted by target
    source, target = edge_index[:, flat]
    messages = f(x[target], edge_attr[flat], x[source], h[source])
    padded = messages.new_zeros(*slots.shape, messages.shape[1])
    padded[filled] = messages
    return padded.sum(dim=1)


def normalize_adjacency(edge_index, n, weight=None):
    unweighted = weight is None
    weight = np.ones(edge_index.shape[1]) if unweighted else weight
    edges = np.insert(edge_index, 0, np.arange(n)[:, None], axis=1)
    weight = np.insert(weight, 0, np.ones(n))
    degree = np.zeros(n)
    np.add.at(degree, edges[1], weight)
    value = weight / np.prod(np.sqrt(degree)[edges], axis=0)
    return edges, value if unweighted else value.astype(weight.dtype)


def mix(slots, weights, source, x):
    """Weights are 0 in empty places."""
    return torch.einsum("vs,vsd->vd", weights, x[source[slots]])


def weighted_table(edge_index, value, n):
    slots, filled = table(edge_index[1], n)
    return slots, value[slots] * filled


def spmm(edge_index, value, x, n):
    return mix(*weighted_table(edge_index, value, n), edge_index[0], x)


def gcn_layer_forward(x, w, edge_index, value):
    neighbours = [np.flatnonzero(edge_index[1] == v) for v in range(len(x))]
    ax = np.stack([value[edges] @ x[edge_index[0, edges]] for edges in neighbours])
    out = np.clip(ax @ w, 0, None)
    return out, (x, w, edge_index, value, ax, out)


def gcn_layer_backward(dout, cache):
    x, w, edge_index, value, ax, out = cache
    dax = np.where(out == 0, 0, dout) @ w.T
    outgoing = [np.flatnonzero(edge_index[0] == u) for u in range(len(x))]
    dx = np.stack([value[edges] @ dax[edge_index[1, edges]] for edges in outgoing])
    return dx, np.tensordot(ax, np.where(out == 0, 0, dout), axes=(0, 0))


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(torch.randn(d_in, d_hidden).div(d_in**0.5))
        self.w1 = nn.Parameter(torch.randn(d_hidden, num_classes).div(d_hidden**0.5))

    def forward(self, x, edge_index, value):
        neighbours = (*weighted_table(edge_index, value, len(x)), edge_index[0])
        hidden = mix(*neighbours, x.matmul(self.w0)).relu()
        return mix(*neighbours, hidden.matmul(self.w1)).log_softmax(1)


def masked_nll(logp, labels, mask):
    known = [(v, int(labels[v])) for v in mask.nonzero().flatten().tolist()]
    if not known:
        return torch.zeros((), dtype=logp.dtype)
    return -torch.stack([logp[place] for place in known]).mean()


def laplacian(edge_index, n):
    return sum(
        (np.outer(row, row) / 2 for row in np.eye(n)[edge_index[0]] - np.eye(n)[edge_index[1]]), np.zeros((n, n))
    )


def spectral_filter(L, x, g):
    """Jacobi's method: rotate off-diagonal entries away until the matrix is diagonal."""
    a, u = np.array(L), np.eye(len(L), dtype=L.dtype)
    for _ in range(12):
        for p in range(len(a)):
            for q in range(p + 1, len(a)):
                if a[p, q] != 0:
                    angle = np.arctan2(2 * a[p, q], a[q, q] - a[p, p]) / 2
                    c, s = np.cos(angle), np.sin(angle)
                    turn = np.array([[c, s], [-s, c]], dtype=a.dtype)
                    a[:, [p, q]] = a[:, [p, q]] @ turn
                    a[[p, q]] = turn.T @ a[[p, q]]
                    u[:, [p, q]] = u[:, [p, q]] @ turn
    return u @ (g(a.diagonal().copy())[:, None] * (u.T @ x))


def gcn_fast(x, w0, w1, edge_index, value):
    slots, weights = weighted_table(edge_index, value, len(x))
    neighbours = edge_index[0][slots]

    def aggregate(rows):
        return (weights[..., None] * rows[neighbours]).sum(dim=1)

    return torch.log_softmax(aggregate(torch.relu(aggregate(x @ w0)) @ w1), dim=1)
