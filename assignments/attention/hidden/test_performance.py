"""What the two tasks in torch cost, in counts that are the same on every machine."""

import pytest
import torch
from gradescope_utils.autograder_utils.decorators import number, weight

SIZES = {"N": 4, "T": 5, "heads": 4}
FEATURES = 24
TOKENS, HEAD = 2048, 8


@pytest.mark.task("multi_head", kind="cost")
@weight(2)
@number("6.7")
def test_multi_head_cost(cost, limits, draw):
    """MultiHeadAttention: few operations, and no more of them for more sequences, tokens or heads"""

    def measured(**sizes):
        n, length, heads = (SIZES | sizes).values()
        mask = torch.from_numpy(draw.bools(length, length)) | torch.eye(length, dtype=torch.bool)

        def inputs(draw):
            return tuple(draw.tensor(n, length, FEATURES) for _ in range(3))

        return cost.module("MultiHeadAttention", (FEATURES, heads), inputs, mask=mask)

    first = measured()
    doubled = {f"{name} doubles": measured(**{name: 2 * size}) for name, size in SIZES.items()}
    cost.within(first, limits, constant=doubled)


@pytest.mark.task("flash", kind="cost")
@weight(2)
@number("7.8")
def test_streaming_cost(cost, limits):
    """StreamingAttention: key blocks of at most 256, never as much memory as T x T scores, no loop over queries"""
    measured = cost.autograd("StreamingAttention", lambda draw: (*(draw.tensor(TOKENS, HEAD) for _ in range(3)), False))
    cost.within(measured, limits)
