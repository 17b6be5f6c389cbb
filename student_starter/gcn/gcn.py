"""Graph networks: messages along edges, the mixing matrix, the two-layer GCN, and filters in a graph's spectrum.

A graph of n nodes is an `edge_index` of shape (2, E), integers in 0..n-1: row 0 holds each edge's source, row 1 its
target. Messages flow from source to target, so an edge u -> v is the entry A[v, u] of the adjacency matrix; an
undirected graph lists every edge in both directions. Edges come in any order, and duplicates add up.

Where a function takes `value`, of shape (E,), it is the weight of each edge, and (`edge_index`, `value`) together are
the matrix A as it is to be used: nothing is normalised, and no self-loop added, a second time.

NumPy where the backward pass or the formula is the lesson, torch where composition or speed is. Functions keep the
dtype and the device they are given, and never write into their arguments.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# The quiz: replace each None by the letter of your answer, for example "a".
#
# q1: You classify papers by field from their titles and abstracts, and also know who cites whom. In what way
#     do the citations enter a graph network?
#     a: as one more feature of each paper, the number of its citations
#     b: as extra training samples, one for each citation
#     c: as links along which the representations of papers are combined
#     d: as labels for the papers that have none
#
# q2: Only 5 % of a graph's nodes have labels. In the training of a GCN on the whole graph, a node without a
#     label (i) adds a term to the loss, (ii) can influence the prediction for a node that has a label.
#     a: (i) but not (ii)
#     b: (ii) but not (i)
#     c: both
#     d: neither
#
# q3: Every edge is taken out of the graph, and the mixing matrix is then computed from it as in this
#     assignment. What is left of a GCN layer relu(A x w)?
#     a: zero for every node: nothing is mixed any more
#     b: an undefined result: every degree is zero
#     c: the average of all nodes, through w and relu
#     d: an ordinary fully connected layer, applied to each node by itself
#
# q4: An image is seen as a graph whose nodes are the pixels. Which statement does not hold?
#     a: All inner pixels have the same number of neighbours; a general graph promises nothing of the kind.
#     b: A graph convolution has one weight for each position among the neighbours, such as upper left, as an
#        image convolution has.
#     c: In both, a node's new value depends on a small neighbourhood only.
#     d: In both, the same weights are used at every node.
#
# q5: A filter g in the spectral domain of a graph is 1 at the small eigenvalues of the Laplacian and 0 at the
#     large ones. What does it keep of a signal on the nodes?
#     a: the part that changes little from a node to its neighbours
#     b: the part that changes sign along most edges
#     c: the values at the nodes with few neighbours
#     d: the values within a few hops of the node with the largest value
QUIZ = {
    "q1": None,
    "q2": None,
    "q3": None,
    "q4": None,
    "q5": None,
}

EdgeFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


# message_passing -----------------------------------------------------------------------------------------------


def message_passing(x: Tensor, edge_index: Tensor, edge_attr: Tensor, h: Tensor, f: EdgeFunction) -> Tensor:
    """One round of message passing: h'_v = sum over edges u -> v of f(x_v, e_uv, x_u, h_u).

    Args:
        x: node features, shape (n, d).
        edge_index: sources and targets, shape (2, E).
        edge_attr: edge features in the order of the edges, shape (E, k).
        h: node embeddings of the round before, shape (n, c).
        f: the message. It takes four tensors with one row per edge, (rows, d) of targets, (rows, k) of edges, (rows, d)
            and (rows, c) of sources, and returns (rows, width). It treats every row alike; any number of rows will do,
            0 too. The width is f's own affair.

    Returns:
        New embeddings, shape (n, width); 0 for a node that no edge enters. Differentiable by autograd.

    Example:
        Edges 0 -> 2 and 1 -> 2, edge features 10 and 20, h = 1, 2, 3, and f = e * h_u: the new embeddings are
        0, 0 and 10 * 1 + 20 * 2 = 50.
    """
    # Your code here.
    raise NotImplementedError("gcn.message_passing")


# normalize_adjacency -------------------------------------------------------------------------------------------


def normalize_adjacency(
    edge_index: np.ndarray, n: int, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The GCN's mixing matrix D^-1/2 (A + I) D^-1/2, as edges and their values.

    A[target, source] is the weight of the edge source -> target, and D the diagonal matrix of the row sums of A + I:
    1 plus the total weight of the edges that enter the node. Every node gets a self-loop of weight 1, one that has a
    self-loop already too.

    Args:
        edge_index: sources and targets, shape (2, E); E may be 0, and nodes may be isolated.
        n: number of nodes.
        weight: weight of each edge, shape (E,), none negative; None means 1 each.

    Returns:
        (edge_index, value): shape (2, E') and (E',), the self-loops included. The order is free, and duplicates may be
        merged or left apart. `value` has the dtype of `weight`; float64 without one.

    Example:
        The path 0 - 1 - 2, each edge in both directions, has D = 2, 3, 2: the matrix's rows sum to
        1/2 + 1/sqrt(6) = 0.908, 2/sqrt(6) + 1/3 = 1.150, and 0.908.
    """
    # Your code here.
    raise NotImplementedError("gcn.normalize_adjacency")


# spmm ----------------------------------------------------------------------------------------------------------


def spmm(edge_index: Tensor, value: Tensor, x: Tensor, n: int) -> Tensor:
    """Graph mixing, A x, without ever writing A down: out_v = sum over edges u -> v of value_uv * x_u.

    Neither memory nor time may grow with n^2: a graph of 50,000 nodes is small.

    Args:
        edge_index: sources and targets, shape (2, E).
        value: weight of each edge, shape (E,), in the dtype of x; needs no gradient.
        x: node features, shape (n, d).
        n: number of nodes.

    Returns:
        Mixed features, shape (n, d). Differentiable by x through autograd.

    Example:
        Edges 0 -> 2 and 1 -> 2 of weights 10 and 20 mix x = [[1], [2], [3]] into [[0], [0], [50]].
    """
    # Your code here.
    raise NotImplementedError("gcn.spmm")


# gcn_layer -----------------------------------------------------------------------------------------------------


def gcn_layer_forward(
    x: np.ndarray, w: np.ndarray, edge_index: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, Any]:
    """One graph convolution: out = relu(A x w), where A[target, source] is the value of the edge.

    Args:
        x: node features, shape (n, d).
        w: weights, shape (d, k).
        edge_index: sources and targets, shape (2, E), self-loops included where there are to be any.
        value: weight of each edge, shape (E,), in the dtype of x.

    Returns:
        (out, cache): new features, shape (n, k), and whatever `gcn_layer_backward` needs.

    Example:
        One edge 0 -> 1 of value 2, x = [[1, 3], [5, 7]] and w = [[1, 0], [0, -1]]: A x = [[0, 0], [2, 6]], so
        out = [[0, 0], [2, 0]].
    """
    # Your code here.
    raise NotImplementedError("gcn.gcn_layer")


def gcn_layer_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of one graph convolution.

    Args:
        dout: gradient of the loss to the layer's output, shape (n, k).
        cache: as returned by `gcn_layer_forward`.

    Returns:
        (dx, dw), shape (n, d) and (d, k). The graph is given, not learned: its values get no gradient.

    Example:
        In the forward's example, with dout = [[1, 1], [1, 1]], only the entry [1, 0] passes relu:
        dx = [[2, 0], [0, 0]] and dw = [[2, 0], [6, 0]].
    """
    # Your code here.
    raise NotImplementedError("gcn.gcn_layer")


# gcn -----------------------------------------------------------------------------------------------------------


class GCN(nn.Module):
    """The two-layer graph convolutional network of Kipf and Welling: softmax(A relu(A x w0) w1), as log-probabilities.

    Without bias and without dropout.

    Args:
        d_in: number of features of a node.
        d_hidden: width of the hidden layer.
        num_classes: number of classes.

    Attributes:
        w0: parameter of shape (d_in, d_hidden).
        w1: parameter of shape (d_hidden, num_classes).
    """

    def __init__(self, d_in: int, d_hidden: int, num_classes: int) -> None:
        super().__init__()
        self.w0 = nn.Parameter(torch.empty(d_in, d_hidden))
        self.w1 = nn.Parameter(torch.empty(d_hidden, num_classes))
        nn.init.xavier_uniform_(self.w0)
        nn.init.xavier_uniform_(self.w1)

    def forward(self, x: Tensor, edge_index: Tensor, value: Tensor) -> Tensor:
        """Classify every node.

        Args:
            x: node features, shape (n, d_in).
            edge_index: sources and targets, shape (2, E), self-loops included.
            value: weight of each edge, shape (E,), in the dtype of x; needs no gradient.

        Returns:
            Log-probabilities, shape (n, num_classes): natural logarithms, the softmax of each row taken over the
            classes. Finite however large the scores are.
        """
        # Your code here.
        raise NotImplementedError("gcn.gcn")


def masked_nll(logp: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of the labelled nodes: the mean of -logp[v, labels[v]] over the nodes v in the mask.

    Args:
        logp: log-probabilities, shape (n, num_classes).
        labels: class of each node, shape (n,), integers. Those outside the mask mean nothing and may be anything,
            -1 or a million too: they are not read.
        mask: boolean, shape (n,); True = this node's label is known and counts.

    Returns:
        The mean, a tensor without dimensions; 0 where the mask is empty. Differentiable by logp.

    Example:
        logp = log [[1/2, 1/2], [1/4, 3/4]], labels 0 and 0: ln 2 if only the first node is in the mask, and
        (ln 2 + ln 4) / 2 if both are.
    """
    # Your code here.
    raise NotImplementedError("gcn.gcn")


# spectral ------------------------------------------------------------------------------------------------------


def laplacian(edge_index: np.ndarray, n: int) -> np.ndarray:
    """The graph Laplacian L = D - A of an undirected graph, unnormalised, D the diagonal of the degrees.

    Args:
        edge_index: sources and targets, shape (2, E), every edge in both directions; duplicates add up. A self-loop
            counts alike in D and in A, and so leaves L as it is.
        n: number of nodes.

    Returns:
        Dense float64 matrix, shape (n, n), symmetric; its rows sum to 0.

    Example:
        The path 0 - 1 - 2 gives [[1, -1, 0], [-1, 2, -1], [0, -1, 1]].
    """
    # Your code here.
    raise NotImplementedError("gcn.spectral")


def spectral_filter(L: np.ndarray, x: np.ndarray, g: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Filter a signal in the graph's spectral domain: U g(Lambda) U' x, where L = U Lambda U'.

    The columns of U are an orthonormal basis of eigenvectors: U' x takes the signal into the spectral domain, g scales
    each eigenvalue's part, U takes it back.

    Args:
        L: symmetric Laplacian, shape (n, n).
        x: signals, one a column, shape (n, d), in the dtype of L.
        g: takes the array of eigenvalues, shape (n,), and returns the factor for each, shape (n,).

    Returns:
        Filtered signals, shape (n, d). g(lambda) = lambda gives L x, g = 1 gives x.

    Example:
        On the path 0 - 1 (eigenvalues 0 and 2), keeping only the eigenvalue 0 turns x = [[1], [3]] into its mean
        [[2], [2]]; keeping only 2 leaves the differences from it, [[-1], [1]].
    """
    # Your code here.
    raise NotImplementedError("gcn.spectral")


# gcn_fast ------------------------------------------------------------------------------------------------------


def gcn_fast(x: Tensor, w0: Tensor, w1: Tensor, edge_index: Tensor, value: Tensor) -> Tensor:
    """The two-layer network as a function, made for speed: log softmax(A relu(A x w0) w1).

    The number of operations that reach torch may not depend on n or E, and no tensor may have n x n entries.

    Args:
        x: node features, shape (n, d_in).
        w0: first weights, shape (d_in, d_hidden).
        w1: second weights, shape (d_hidden, num_classes).
        edge_index: sources and targets, shape (2, E), self-loops included.
        value: weight of each edge, shape (E,), in the dtype of x; needs no gradient.

    Returns:
        Log-probabilities as `GCN.forward` returns them, shape (n, num_classes). Differentiable by x, w0 and w1.
    """
    # Your code here.
    raise NotImplementedError("gcn.gcn_fast")
