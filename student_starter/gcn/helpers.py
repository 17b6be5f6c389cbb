"""What runs beside the submission: functions for it to call, and steps of training. Nothing here is a secret."""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

GAINS = {
    "heat": lambda eigenvalues: np.exp(-eigenvalues / 2),
    "relative": lambda eigenvalues: 1 - eigenvalues / eigenvalues.max(),
    "low": lambda eigenvalues: (eigenvalues < 1e-6).astype(eigenvalues.dtype),
    "high": lambda eigenvalues: (eigenvalues >= 1e-6).astype(eigenvalues.dtype),
}


def product_messages(submission: ModuleType, edge_index: Tensor, edge_attr: Tensor, h: Tensor) -> Any:
    """Message passing with the message e * h_u, for edge features and embeddings of one width."""
    return submission.message_passing(torch.zeros_like(h), edge_index, edge_attr, h, lambda x_v, e, x_u, h_u: e * h_u)


def tanh_messages(
    submission: ModuleType,
    x: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor,
    h: Tensor,
    weights: list[Tensor],
    cotangent: Tensor,
) -> dict[str, Any]:
    """Message passing with the message tanh(x_v w0 + e w1 + x_u w2 + h_u w3 + w4), and its gradients."""
    leaves = [leaf.requires_grad_() for leaf in (x, edge_attr, h)]

    def message(*parts: Tensor) -> Tensor:
        return torch.tanh(sum((part @ w for part, w in zip(parts, weights[:4], strict=True)), start=weights[4]))

    x_in, edges_in, h_in = (leaf.clone() for leaf in leaves)
    out = submission.message_passing(x_in, edge_index, edges_in, h_in, message)
    if not isinstance(out, Tensor) or out.shape != cotangent.shape:
        return {"new embeddings": out, "dx": None, "dedge_attr": None, "dh": None}
    if not out.requires_grad and edge_index.shape[1]:
        raise RuntimeError("message_passing's result is cut off from autograd (detach, .data or .numpy() on the way?)")
    found = torch.autograd.grad((out * cotangent).sum() + 0 * sum(map(torch.sum, leaves)), leaves)
    return {"new embeddings": out, **dict(zip(("dx", "dedge_attr", "dh"), found, strict=True))}


def dense_normalized(submission: ModuleType, edge_index: np.ndarray, n: int, weight: np.ndarray | None = None) -> Any:
    """The matrix that normalize_adjacency's edges and values stand for, [target, source]."""
    edges, value = submission.normalize_adjacency(edge_index, n, weight)
    edges, value = np.asarray(edges), np.asarray(value)
    if edges.ndim != 2 or len(edges) != 2 or value.shape != edges.shape[1:]:
        raise ValueError(f"normalize_adjacency returned shapes {edges.shape} and {value.shape}, not (2, E') and (E',)")
    if edges.size and not 0 <= edges.min() <= edges.max() < n:
        raise ValueError("normalize_adjacency returned an edge of a node that does not exist")
    matrix = np.zeros((n, n), value.dtype)
    np.add.at(matrix, (edges[1], edges[0]), value)
    return matrix


def filtered(submission: ModuleType, L: np.ndarray, x: np.ndarray, gain: str | list[float]) -> Any:
    """spectral_filter with a gain by its name in GAINS, or with the polynomial of these coefficients, lowest first."""
    if isinstance(gain, str):
        return submission.spectral_filter(L, x, GAINS[gain])
    return submission.spectral_filter(L, x, lambda eigenvalues: np.polynomial.polynomial.polyval(eigenvalues, gain))


def classify(submission: ModuleType, w0: Tensor, w1: Tensor, x: Tensor, edge_index: Tensor, value: Tensor) -> Any:
    """The log-probabilities of a GCN with the given weights."""
    return _model(submission, w0, w1)(x, edge_index, value)


def loss_and_gradients(
    submission: ModuleType,
    w0: Tensor,
    w1: Tensor,
    x: Tensor,
    edge_index: Tensor,
    value: Tensor,
    labels: Tensor,
    mask: Tensor,
) -> dict[str, Any]:
    """One forward and backward pass of GCN and masked_nll with the given weights."""
    model = _model(submission, w0, w1)
    logp = model(x.requires_grad_(), edge_index, value)
    loss = submission.masked_nll(logp, labels, mask)
    loss.backward()
    gradients = {"dx": x.grad, "dw0": model.w0.grad, "dw1": model.w1.grad}
    return {"logp": logp, "loss": loss, **gradients}


def trained(
    submission: ModuleType,
    w0: Tensor,
    w1: Tensor,
    x: Tensor,
    edge_index: Tensor,
    value: Tensor,
    labels: Tensor,
    mask: Tensor,
    steps: int,
) -> Any:
    """The log-probabilities of a GCN after some steps of gradient descent on masked_nll, from the given weights."""
    model = _model(submission, w0, w1)
    for _ in range(steps):
        loss = submission.masked_nll(model(x, edge_index, value), labels, mask)
        slopes = torch.autograd.grad(loss, [model.w0, model.w1])
        with torch.no_grad():
            model.w0 -= slopes[0]
            model.w1 -= slopes[1]
    return model(x, edge_index, value)


def _model(submission: ModuleType, w0: Tensor, w1: Tensor) -> torch.nn.Module:
    made: torch.nn.Module = submission.GCN(w0.shape[0], w0.shape[1], w1.shape[1]).to(w0.dtype)
    made.load_state_dict({"w0": w0, "w1": w1})
    return made


def library_gcn_fast(x: Tensor, w0: Tensor, w1: Tensor, edge_index: Tensor, value: Tensor) -> Tensor:
    """With the library's sparse matrix, for comparison."""
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), value, (len(x), len(x)), check_invariants=False)
    hidden = torch.relu(torch.sparse.mm(matrix, x @ w0))
    return torch.log_softmax(torch.sparse.mm(matrix, hidden @ w1), dim=1)
