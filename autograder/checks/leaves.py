"""Answers taken apart: which arrays, numbers and texts of one are wrong, and which are as in another.

One part of an answer can so be recognised where another part is wrong for another reason.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from autograder.checks.compare import Closeness, as_numpy, compare
from autograder.checks.failure import Raised
from autograder.checks.runner import Answer
from autograder.checks.tolerance import Tolerance
from autograder.sandbox.limits import WorkerLost
from autograder.sandbox.wire import Foreign, arrays_in

Place = tuple[str, ...]
Leaves = dict[Place, Any]
Same = Callable[[Any, Any], bool]
SINGLE = Tolerance(1e-4, 1e-6)  # as exact as float32 is, where dtypes are what is looked at


def leaves(answer: Answer) -> Leaves:
    """What an answer holds by its place in it; of an answer that failed, how it did."""
    if not answer.ok:
        return {(): answer.raised or answer.lost}
    return dict(_leaves(answer.value, ()))


def _leaves(value: Any, path: Place) -> Iterator[tuple[Place, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else None
    if not items or not len(value):
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, str(key)))


def differing(first: Leaves, second: Leaves, same: Same) -> dict[Place, None]:
    """The places where two answers are not the same, in the second's order."""
    places = second | first
    return {path: None for path in places if not (path in first and path in second and same(first[path], second[path]))}


def alike(first: Answer, second: Answer, same: Same | None = None) -> bool:
    """Whether two answers are the same; within tolerance where nothing else is said."""
    return not differing(leaves(first), leaves(second), same or closely)


def closely(first: Any, second: Any) -> bool:
    """Equal within tolerance where both are finite, NaN and infinities in the same places; the same exception."""
    return _close(first, second, Closeness(gradient=True))


def with_dtypes(first: Any, second: Any) -> bool:
    """As exact as float32, and of the same dtypes."""
    dtypes = [[as_numpy(item).dtype for item in arrays_in(leaf)] for leaf in (first, second)]
    return dtypes[0] == dtypes[1] and _close(first, second, Closeness(SINGLE))


def _close(first: Any, second: Any, close: Closeness) -> bool:
    if isinstance(first, Raised) and isinstance(second, Raised):
        return (first.type, first.message) == (second.type, second.message)
    if any(isinstance(leaf, Raised | WorkerLost) for leaf in (first, second)):
        return False
    if isinstance(first, Foreign) or isinstance(second, Foreign):
        return bool(first == second)
    mine, theirs = _finite(first), _finite(second)
    if compare(mine, theirs, "", close) is not None or compare(theirs, mine, "", close) is not None:
        return False
    return all(map(np.array_equal, _breaks(first), _breaks(second)))


def _breaks(leaf: Any) -> list[np.ndarray]:
    """Where an array breaks, and how: 1 for NaN, 2 and 3 for the infinities."""
    floats = [as_numpy(item) for item in arrays_in(leaf) if as_numpy(item).dtype.kind == "f"]
    return [np.isnan(item) + 2 * np.isposinf(item) + 3 * np.isneginf(item) for item in floats]


def _finite(leaf: Any) -> Any:
    """The same with 0 where it breaks."""
    if isinstance(leaf, np.ndarray | torch.Tensor | np.generic | float):
        plain = as_numpy(leaf)
        return np.nan_to_num(plain, nan=0.0, posinf=0.0, neginf=0.0) if plain.dtype.kind == "f" else plain
    return leaf
