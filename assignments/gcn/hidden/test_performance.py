"""What the sparse tasks in torch cost, in counts that are the same on every machine."""

import numpy as np
import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

NODES, DEGREE = 200, 2
WIDTHS = 6, 5, 4


def graph(draw, n, degree):
    """Edges: every node has `degree` of them in, and as many out."""
    targets = [draw.rng.permutation(n) for _ in range(degree)]
    return torch.from_numpy(np.stack([np.tile(np.arange(n), degree), np.concatenate(targets)]))


def growing(measured):
    """The measurements of larger graphs."""
    return {
        "nodes and edges double": measured(2 * NODES, DEGREE),
        "edges double": measured(NODES, 2 * DEGREE),
    }


@pytest.mark.task("spmm", kind="cost")
@weight(2)
@number("3.6")
def test_spmm_cost(cost, limits, draw):
    """spmm: few operations however large the graph, and no n x n tensor"""

    def measured(n, degree):
        edges = graph(draw, n, degree)

        def inputs(draw):
            return edges, draw.tensor(n * degree), draw.tensor(n, WIDTHS[0]), n

        return cost.autograd("spmm", inputs, wrt=[2])

    cost.within(measured(NODES, DEGREE), limits, constant=growing(measured))


@pytest.mark.task("gcn_fast", kind="cost")
@weight(2)
@number("7.5")
def test_fast_cost(cost, limits, draw):
    """gcn_fast: few operations however large the graph, and no n x n tensor"""

    def measured(n, degree):
        edges = graph(draw, n, degree)

        def inputs(draw):
            weights = draw.tensor(*WIDTHS[:2]), draw.tensor(*WIDTHS[1:])
            return draw.tensor(n, WIDTHS[0]), *weights, edges, draw.tensor(n * degree)

        return cost.autograd("gcn_fast", inputs, wrt=[0, 1, 2])

    cost.within(measured(NODES, DEGREE), limits, constant=growing(measured))
