"""Hints at home: which known mistake gives the same answers to the public examples?

Known mistakes are changes to the reference, which students must not have. What ships instead is, for each mistake and
public check, the hint locked with the mistaken answers themselves: who has computed the same answers has the key, and
the file tells nobody else anything. Answers are rounded first, on two grids, one of which surely holds both of two
answers that differ in their last digits only.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autograder.assignment import Mistake
from autograder.checks import Answer, Door
from autograder.checks.compare import as_numpy

FILE = "hints.json"  # beside the public checks
GRIDS = (0.3819, 0.8819)  # no answer of a few digits lies on their edges
STEPS = 1000  # of a grid, in the largest power of ten that an array reaches
TAG = 12  # letters that say whether a key fits


@dataclass(frozen=True)
class Hints:
    """Locked hints.

    Attributes:
        locked: by check: tags, and the hints that they belong to.
    """

    locked: dict[str, dict[str, str]]

    def of(self, task: str | None, student: Door, reference: Door | None, by_dtype: bool = False) -> Mistake | None:
        """The known mistake whose answers these are; see `checks.Diagnosis`, whose place this takes at home."""
        locked = self.locked.get(task or "", {})
        for key in keys([answer for _, answer in student.log]):
            if text := locked.get(tag(key)):
                return Mistake("known", task or "", (), unlocked(text, key), ())
        return None


def read_hints(folder: Path) -> Hints | None:
    """The hints of a starter; None where it has none."""
    try:
        locked = json.loads((folder / "public" / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return Hints(locked) if isinstance(locked, dict) else None


def keys(answers: Sequence[Answer]) -> list[bytes]:
    """What a series of answers locks hints with, once for each grid."""
    made = []
    for grid in GRIDS:
        digest = hashlib.sha256()
        for answer in answers:
            raised = answer.raised
            value = ("raised", raised.type, raised.message) if raised is not None else answer.value
            for piece in _pieces(value, grid):
                digest.update(len(piece).to_bytes(8, "big") + piece)
        made.append(digest.digest())
    return made


def tag(key: bytes) -> str:
    """What tells whether a key fits, and nothing else."""
    return hashlib.sha256(b"tag" + key).hexdigest()[:TAG]


def locked(hint: str, key: bytes) -> str:
    """A hint that only who has the key can read."""
    return base64.b64encode(_masked(hint.encode(), key)).decode()


def unlocked(text: str, key: bytes) -> str:
    """The hint again."""
    return _masked(base64.b64decode(text), key).decode("utf-8", "replace")


def _masked(data: bytes, key: bytes) -> bytes:
    stream = hashlib.shake_256(b"hint" + key).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


def _pieces(value: Any, grid: float) -> Iterator[bytes]:
    """A plain value in bytes: numbers rounded, whatever their dtype; arrays and tensors alike, lists and tuples
    alike."""
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            yield b"key " + str(key).encode()
            yield from _pieces(value[key], grid)
    elif isinstance(value, list | tuple):
        yield b"list %d" % len(value)
        for item in value:
            yield from _pieces(item, grid)
    elif isinstance(value, np.ndarray | np.generic | torch.Tensor | int | float) and not isinstance(value, bool):
        yield from _rounded(as_numpy(value), grid)
    else:
        yield repr(value).encode()


def _rounded(array: np.ndarray, grid: float) -> Iterator[bytes]:
    yield b"array " + repr(array.shape).encode()
    if array.dtype.kind not in "iuf":
        yield array.astype("U20").tobytes()
        return
    numbers = array.astype(np.float64)
    finite = np.isfinite(numbers)
    largest = np.abs(numbers[finite]).max(initial=0.0) * 1.0371  # 1 and 0.9999999 shall have the same scale
    scale = 10.0 ** np.floor(np.log10(largest)) if largest > 0 else 1.0
    steps = np.floor(np.where(finite, numbers, 0.0) / scale * STEPS + grid).astype("<i8")
    yield steps.tobytes()
    yield np.where(finite, 0, np.where(np.isnan(numbers), 1, np.where(numbers > 0, 2, 3))).astype("u1").tobytes()
