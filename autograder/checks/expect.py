"""Known answers and stated properties."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autograder.checks.beside import beside
from autograder.checks.compare import SINGLE_NOTE, Closeness, as_numpy, compare, kind_of, slips
from autograder.checks.door import Door
from autograder.checks.failure import CheckFailed
from autograder.checks.picture import Picture, picture
from autograder.checks.tolerance import Tolerance

UNLIKELY = 1e-12  # to either side: a right answer fails one check in a thousand million, with hundreds of shares in it


@dataclass
class Expect:
    """`expect(got, expected)`: the ladder against a known answer. The last call on the student's module goes into the
    message."""

    student: Door

    def __call__(self, got: Any, expected: Any, what: str = "the result", tol: Tolerance | None = None) -> None:
        """Got equals expected, which may be given as a nested list."""
        if isinstance(expected, list) and not isinstance(got, list | tuple | dict):
            expected = torch.as_tensor(expected) if isinstance(got, torch.Tensor) else np.asarray(expected)
        if isinstance(got, torch.Tensor) and isinstance(expected, np.ndarray):
            expected = torch.from_numpy(np.array(expected))
        closeness = Closeness(tol)
        if found := compare(got, expected, what, closeness):
            table = beside(*found.values, found.differs) if found.values else ""
            raise CheckFailed(
                found.text, rung=found.rung, call=self._call(what), picture=found.picture, beside=table, part=what
            )
        if slips(got, expected, closeness):
            self.student.note(f"{self._call(what)}\n{what} {SINGLE_NOTE}")

    def array(self, got: Any, shape: tuple[int, ...], what: str = "the result") -> Any:
        """A finite, real array or tensor of this shape; returned as it is."""
        if not isinstance(got, np.ndarray | torch.Tensor):
            raise self._failed(f"{what} should be an array, and is {kind_of(got)}", "type", what)
        if tuple(got.shape) != tuple(shape):
            raise self._failed(f"{what} has shape {tuple(got.shape)}; it should be {tuple(shape)}", "shape", what)
        numbers = as_numpy(got)
        if numbers.dtype.kind == "c":
            raise self._failed(f"{what} holds complex numbers; it should hold real ones", "dtype", what)
        bad = ~np.isfinite(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
        if bad.any():
            text = f"{what}: {int(bad.sum())} of {numbers.size} values are NaN or infinite"
            raise self._failed(text, "finite", what, picture(what, numbers, numbers, bad))
        return got

    def number(self, got: Any, what: str = "the result") -> float:
        """A finite real number, however wrapped."""
        plain = (
            got.item() if isinstance(got, np.ndarray | np.generic | torch.Tensor) and tuple(got.shape) == () else got
        )
        if isinstance(plain, bool) or not isinstance(plain, int | float):
            raise self._failed(f"{what} should be one number, and is {kind_of(got)}", "type", what)
        if not math.isfinite(plain):
            raise self._failed(f"{what} is {plain}, and should be finite", "finite", what)
        return float(plain)

    def true(self, condition: Any, message: str) -> None:
        """A property holds; the message says what should have, beginning with the value that it is about."""
        if not bool(condition):
            raise self._failed(message, "property", message)

    def share(self, seen: int, of: int, p: float, message: str) -> None:
        """Something of probability p was seen as often as chance allows: of independent draws, so few or so many have
        a probability above 1e-12, by the binomial distribution."""
        from scipy.special import bdtr, bdtrc  # not there on every student's machine

        self.true(min(bdtr(seen, of, p), bdtrc(seen - 1, of, p)) > UNLIKELY, message)

    def _failed(self, text: str, rung: str, part: str, shown: Picture | None = None) -> CheckFailed:
        return CheckFailed(text, rung=rung, call=self._call(part), picture=shown, part=part)

    def _call(self, part: str = "") -> str:
        return self.student.describe(self.student.log[-1][0], part=part) if self.student.log else ""
