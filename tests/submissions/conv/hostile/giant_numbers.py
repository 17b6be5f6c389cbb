"""Integers of hundreds of digits, NaN keys, infinite losses, answers of half a gigabyte."""
import numpy as np

ASKED = ("test_corr2d", "test_parameter_counts", "test_softmax_cross_entropy", "test_conv_output_size")
QUIZ = {float("nan"): "a", (1, 2): "b", None: "c", 10**399: "d"}
CALLS = []


def corr2d(x, k):
    CALLS.append(1)
    return (10**399, np.zeros(1 << 26, "i1"), np.full((2, 2), np.inf), {10**399: x}, -(10**399))[len(CALLS) % 5]


def softmax_cross_entropy(logits, labels):
    return 10**399, logits


def fc_params(n_in, n_out, bias=True):
    return 10**399


def conv_output_size(n, kernel, stride=1, padding=0):
    return 2**70 + 0.0
