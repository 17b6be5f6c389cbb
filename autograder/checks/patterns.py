"""Regularities in a wrong answer that point at its cause: a factor, a sign, a swapped axis, only the last row."""

import numpy as np

CLOSE = 1e-6


def pattern(got: np.ndarray, expected: np.ndarray, differs: np.ndarray) -> str:
    """A sentence about how the differences are arranged, or nothing. Arrays of one shape, float64 or complex128."""
    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return ""
    return _zeros(got) or _factor(got, expected) or _swapped(got, expected) or _where(differs)


def _zeros(got: np.ndarray) -> str:
    return ". Every value you return is 0" if got.size > 1 and not got.any() else ""


def _factor(got: np.ndarray, expected: np.ndarray) -> str:
    if got.size < 3 or got.dtype.kind == "c" or not expected.any():
        return ""
    factor = float((got * expected).sum() / (expected * expected).sum())
    scale = np.abs(expected).max()
    if (
        factor == 0
        or abs(factor - 1) < 10 * CLOSE
        or np.abs(got - factor * expected).max() > CLOSE * max(1.0, abs(factor)) * scale
    ):
        return "" if _is_regular(expected) else _shift(got - expected, scale)
    if abs(factor + 1) < CLOSE:
        return ". Every value has the wrong sign"
    if abs(factor - 1) < 1e-3:
        return f". Every value is too {'large' if factor > 1 else 'small'} by {abs(factor - 1) * 100:.2g} %"
    return f". Every value is {factor:.4g} times what it should be"


def _is_regular(expected: np.ndarray) -> bool:
    """Whether values rise by the same step along each axis: then many a mistake shifts them all alike, as a flipped
    kernel does on 0, 1, 2, …"""
    return all(np.ptp(np.diff(expected, axis=axis)) == 0 for axis in range(expected.ndim) if expected.shape[axis] > 1)


def _shift(off: np.ndarray, scale: float) -> str:
    mean = off.mean()
    return (
        ". Every value is off by the same amount" if np.abs(off - mean).max() <= CLOSE * max(scale, abs(mean)) else ""
    )


def _swapped(got: np.ndarray, expected: np.ndarray) -> str:
    scale = np.abs(expected).max(initial=0.0)
    for first in range(got.ndim):
        for second in range(first + 1, got.ndim):
            if got.shape[first] == got.shape[second] > 1 and _same(got.swapaxes(first, second), expected, scale):
                return f". Your answer is right with axes {first} and {second} swapped"
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and _same(np.flip(got, axis), expected, scale):
            return f". Your answer is right in reverse order along axis {axis}"
    return ""


def _same(got: np.ndarray, expected: np.ndarray, scale: float) -> bool:
    return bool(np.abs(got - expected).max() <= CLOSE * scale)


def _where(differs: np.ndarray) -> str:
    """Whether only one index along some axis is affected."""
    if differs.all():
        return ""
    for axis in range(differs.ndim):
        size = differs.shape[axis]
        touched = np.flatnonzero(differs.any(axis=tuple(i for i in range(differs.ndim) if i != axis)))
        if size > 2 and len(touched) == 1:
            word = {0: "the first index", size - 1: "the last index"}.get(int(touched[0]), f"index {touched[0]}")
            return f". Only {word} along axis {axis} is affected"
    return ""
