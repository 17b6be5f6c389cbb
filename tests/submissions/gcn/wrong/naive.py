"""Every task right, but the sparse product goes node by node, and the fast network twice edge by edge."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import torch
from scipy.sparse import csgraph
from torch import nn

QUIZ = {"q1": "c", "q2": "b", "q3": "d", "q4": "b", "q5": "a"}


def message_passing(x, edge_index, edge_attr, h, f):
    messages = f(x[edge_index[1]], edge_attr, x[edge_index[0]], h[edge_index[0]])
    index = edge_index[1][:, None].expand_as(messages)
    return messages.new_zeros(len(x), messages.shape[1]).scatter_reduce(0, index, messages, reduce="sum")


def matrix(edge_index, value, n):
    return sp.coo_array((value, (edge_index[1], edge_index[0])), shape=(n, n)).tocsr()


def normalize_adjacency(edge_index, n, weight=None):
    weight = np.ones(edge_index.shape[1]) if weight is None else weight
    a = matrix(edge_index, weight, n) + sp.eye_array(n, dtype=weight.dtype)
    half = sp.diags_array((a @ np.ones(n, weight.dtype)) ** -0.5)
    normalized = (half @ a @ half).tocoo()
    return np.stack([normalized.col, normalized.row]), normalized.data.astype(weight.dtype)


class Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indices, value, n):
        ctx.save_for_backward(indices, value)
        ctx.n = n
        return torch.sparse_coo_tensor(indices, value, (n, n), check_invariants=False) @ x

    @staticmethod
    def backward(ctx, dout):
        indices, value = ctx.saved_tensors
        transposed = torch.sparse_coo_tensor(indices.flip(0), value, (ctx.n, ctx.n), check_invariants=False)
        return transposed @ dout, None, None, None


def spmm(edge_index, value, x, n):
    inbox = [[] for _ in range(n)]
    for e, v in enumerate(edge_index[1].tolist()):
        inbox[v].append(e)
    zero = x.new_zeros(x.shape[1])
    return torch.stack([value[edges] @ x[edge_index[0, edges]] if edges else zero for edges in inbox])


def gcn_layer_forward(x, w, edge_index, value):
    a = matrix(edge_index, value, len(x))
    z = a @ (x @ w)
    return z.clip(min=0), (a, x, w, z > 0)


def gcn_layer_backward(dout, cache):
    a, x, w, is_open = cache
    back = a.T @ (dout * is_open)
    return back @ w.T, x.T @ back


class GCN(nn.Module):
    def __init__(self, d_in, d_hidden, num_classes):
        super().__init__()
        self.w0 = nn.Parameter(nn.init.kaiming_uniform_(torch.zeros(d_in, d_hidden)))
        self.w1 = nn.Parameter(nn.init.kaiming_uniform_(torch.zeros(d_hidden, num_classes)))

    def forward(self, x, edge_index, value):
        hidden = Mix.apply(x @ self.w0, edge_index.flip(0), value, len(x)).relu()
        return Mix.apply(hidden @ self.w1, edge_index.flip(0), value, len(x)).log_softmax(dim=1)


def masked_nll(logp, labels, mask):
    known = labels.masked_fill(~mask, -100)
    total = torch.nn.functional.nll_loss(logp, known, reduction="sum", ignore_index=-100)
    return total / max(int(mask.sum()), 1)


def laplacian(edge_index, n):
    return csgraph.laplacian(matrix(edge_index, np.ones(edge_index.shape[1]), n).toarray())


def spectral_filter(L, x, g):
    eigenvalues, u = scipy.linalg.eigh(L, driver="evr")
    return u @ np.diag(g(eigenvalues)) @ u.T @ x


def gcn_fast(x, w0, w1, edge_index, value):
    def mix(rows):
        out = [torch.zeros_like(rows[0]) for _ in rows]
        for e in range(edge_index.shape[1]):
            u, v = edge_index[:, e].tolist()
            out[v] = out[v] + value[e] * rows[u]
        return torch.stack(out)

    return torch.log_softmax(mix(torch.relu(mix(x @ w0)) @ w1), dim=1)
