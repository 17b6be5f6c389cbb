"""The ladder: was something returned, type, structure, shape, kind of number, finite, value. Each rung has words of
its own.

Never broadcasts, never asks the student's objects anything: what comes here is plain. Messages say where and how far,
never what was expected.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from autograder.checks.patterns import pattern
from autograder.checks.picture import Picture, picture
from autograder.checks.tolerance import SINGLE_FACTOR, Tolerance, real, tolerance_for
from autograder.errors import GraderError
from autograder.sandbox.poison import is_unwritten
from autograder.sandbox.wire import Foreign

Array = np.ndarray | torch.Tensor
HALF, SINGLE, DOUBLE = (np.dtype(code) for code in ("f2", "f4", "f8"))
SINGLE_NOTE = (
    "is as exact as float32 makes it, although the arguments are float64: something was computed in float32 on the "
    "way (a constant, a buffer or a sum that was made without a dtype). Here it costs nothing."
)
NEARLY = 1000.0  # times what is allowed
KIND_WORDS = {"b": "booleans", "i": "integers", "u": "integers", "f": "floating numbers", "c": "complex numbers"}


@dataclass(frozen=True)
class Mismatch:
    """How an answer differs.

    Attributes:
        rung: returned, type, structure, shape, dtype, finite or value.
        text: for the student.
        differs: where, as booleans of the answer's shape; only on the value and finite rungs.
        values: got and expected, on the same rungs: for checks alone whose expected values students have.
        name: of the array that differs.
    """

    rung: str
    text: str
    differs: np.ndarray | None = None
    values: tuple[np.ndarray, np.ndarray] | None = None
    name: str = ""

    @property
    def picture(self) -> Picture | None:
        """Of where it differs; None where there is nothing to see."""
        return None if self.differs is None or self.values is None else picture(self.name, *self.values, self.differs)


@dataclass(frozen=True)
class Closeness:
    """How to compare values: a tolerance of the check's own, or the table's for these circumstances.

    Attributes:
        tol: in the table's stead.
        gradient: whether a gradient is compared.
        length: about how many terms are summed for one entry.
        sent: the coarsest floating dtype among the arguments, where there is one: no answer need be finer.
        strict: whether an answer may be as far off as float32 on the way makes it where float64 is expected.
    """

    tol: Tolerance | None = None
    gradient: bool = False
    length: int = 1
    sent: np.dtype | None = None
    strict: bool = False

    def allowed(self, got: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """The allowed difference at each entry, whatever floating dtype came back."""
        exact = expected.dtype.kind not in "fc"
        finest = DOUBLE if exact and got.dtype.kind == "f" else expected.dtype  # whole numbers, computed as fractions
        kinds = [finest] if exact or self.sent is None else [finest, self.sent]
        allowed = (self.tol or self._of_table(*kinds)).allowed(expected)
        if self.strict or exact or any(real(kind).itemsize < DOUBLE.itemsize for kind in kinds):
            return allowed
        single = replace(self._of_table(DOUBLE).scaled(SINGLE_FACTOR), atol=0.0)
        return np.asarray(np.maximum(allowed, single.allowed(expected)))

    def _of_table(self, *kinds: np.dtype) -> Tolerance:
        return tolerance_for(*kinds, gradient=self.gradient, length=self.length)


def compare(got: Any, expected: Any, what: str, closeness: Closeness | None = None) -> Mismatch | None:
    """Climb the ladder; None where got equals expected.

    Args:
        got: a plain value from the submission.
        expected: a plain value to trust.
        what: names the value in messages, as in “dw”.
        closeness: how near is equal.

    Raises:
        GraderError: what is expected is nothing that can be compared.
    """
    closeness = closeness or Closeness()
    if expected is None:
        return None if got is None else Mismatch("type", f"{what} should be None, and is {kind_of(got)}")
    if got is None:
        return Mismatch("returned", f"{what} is None: is a return missing, or a value of the returned tuple?")
    if isinstance(expected, dict):
        return _compare_dicts(got, expected, what, closeness)
    if isinstance(expected, list | tuple):
        return _compare_sequences(got, expected, what, closeness)
    if isinstance(expected, str | bool | np.bool_):
        return _compare_plain(got, bool(expected) if isinstance(expected, np.bool_) else expected, what)
    if isinstance(expected, np.ndarray | torch.Tensor) and (expected.ndim or isinstance(expected, torch.Tensor)):
        return _compare_arrays(got, expected, what, closeness)
    if isinstance(expected, int | float | complex | np.number | np.ndarray):
        return _compare_numbers(got, expected, what, closeness)
    raise GraderError(f"{what} is expected to be {kind_of(expected)}, which cannot be compared with anything")


def slips(got: Any, expected: Any, closeness: Closeness) -> bool:
    """Whether an answer that `compare` lets pass is as exact as float32 only, where float64 was to be had."""
    return compare(got, expected, "", replace(closeness, strict=True)) is not None


def kind_of(value: Any) -> str:
    """A value's type and size in a few words."""
    if isinstance(value, Foreign):
        return f"an object of type {value.name}"
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of length {len(value)}"
    article = "an" if type(value).__name__[0] in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def _compare_dicts(got: Any, expected: dict[Any, Any], what: str, closeness: Closeness) -> Mismatch | None:
    if not isinstance(got, dict):
        return Mismatch("type", f"{what} should be a dict, and is {kind_of(got)}")
    if got.keys() != expected.keys():
        missing, extra = len(expected.keys() - got.keys()), len(got.keys() - expected.keys())
        return Mismatch("structure", f"{what} lacks {missing} of its {len(expected)} keys and has {extra} too many")
    for key, value in expected.items():
        if found := compare(got[key], value, f"{what}[{key!r}]", closeness):
            return found
    return None


def _compare_sequences(got: Any, expected: Any, what: str, closeness: Closeness) -> Mismatch | None:
    if not isinstance(got, list | tuple):
        return Mismatch("type", f"{what} should be {len(expected)} values, and is {kind_of(got)}")
    if len(got) != len(expected):
        return Mismatch("structure", f"{what} should be {len(expected)} values, and has {len(got)}")
    for index, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        if found := compare(mine, theirs, f"{what}[{index}]", closeness):
            return found
    return None


def _compare_plain(got: Any, expected: str | bool, what: str) -> Mismatch | None:
    kind = bool if isinstance(expected, bool) else str
    plain = got.item() if isinstance(got, np.generic | np.ndarray | torch.Tensor) and _is_scalar(got) else got
    if not isinstance(plain, kind):
        return Mismatch("type", f"{what} should be a {kind.__name__}, and is {kind_of(got)}")
    if plain == expected:
        return None
    return Mismatch("value", f"{what} is {plain!r:.60}, which is wrong", values=_pair(plain, expected))


def _is_scalar(value: Any) -> bool:
    return value.numel() == 1 if isinstance(value, torch.Tensor) else value.size == 1


def _compare_numbers(got: Any, expected: Any, what: str, closeness: Closeness) -> Mismatch | None:
    number = got
    if isinstance(got, np.ndarray | np.generic | torch.Tensor) and tuple(got.shape) == ():
        number = got.item()
    if not isinstance(number, int | float | complex) or isinstance(got, bool):
        return Mismatch("type", f"{what} should be one number, and is {kind_of(got)}")
    if isinstance(number, int) and isinstance(expected, int):
        off = f"off by {short(abs(number - expected))}"
        told = f"{what} is wrong: {off}"
        return None if number == expected else Mismatch("value", told, values=_pair(as_numpy(number), expected))
    dtype = got.dtype if isinstance(got, np.ndarray | np.generic) else None
    mine = as_numpy(number) if dtype is None else np.asarray(number, dtype)
    return _compare_values(mine, np.asarray(expected), what, closeness)


def _compare_arrays(got: Any, expected: Array, what: str, closeness: Closeness) -> Mismatch | None:
    wanted = torch.Tensor if isinstance(expected, torch.Tensor) else np.ndarray
    if not isinstance(got, wanted) and not (tuple(expected.shape) == () and isinstance(got, int | float | np.generic)):
        name = "torch tensor" if wanted is torch.Tensor else "numpy array"
        return Mismatch("type", f"{what} should be a {name}, and is {kind_of(got)}")
    if _is_bfloat16(expected):
        closeness = replace(closeness, sent=HALF)
    elif _is_bfloat16(got) and expected.dtype is not torch.float16:
        return _coarse("bfloat16", as_numpy(expected), what)
    return _compare_values(as_numpy(got), as_numpy(expected), what, closeness)


def _is_bfloat16(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16


def _coarse(dtype: Any, expected: np.ndarray, what: str) -> Mismatch:
    words = f"{dtype} numbers, which keep two or three digits; it should be {expected.dtype}"
    return Mismatch("dtype", f"{what} holds {words}, as the arguments are")


def as_numpy(value: Any) -> np.ndarray:
    """The numbers of a plain array, tensor or scalar. An integer beyond 64 bits becomes a float, maybe inf."""
    if isinstance(value, int) and abs(value) >= 1 << 63:
        size = float(abs(value)) if value.bit_length() < 1024 else math.inf
        return np.asarray(size if value > 0 else -size)
    if isinstance(value, torch.Tensor):
        return (value.float() if _is_bfloat16(value) else value).detach().numpy()
    return np.asarray(value)


def _compare_values(got: np.ndarray, expected: np.ndarray, what: str, closeness: Closeness) -> Mismatch | None:
    if got.shape != expected.shape:
        return Mismatch(
            "shape", f"{what} has shape {got.shape}; it should be {expected.shape}{_shape_hint(got, expected)}"
        )
    if real(got.dtype) == HALF and expected.dtype.kind in "fc" and real(expected.dtype) != HALF:
        return _coarse(got.dtype, expected, what)
    if (got.dtype.kind == "b") != (expected.dtype.kind == "b") or (
        got.dtype.kind == "c" and expected.dtype.kind != "c"
    ):
        words = f"{KIND_WORDS[got.dtype.kind]}; it should be {KIND_WORDS[expected.dtype.kind]}"
        return Mismatch("dtype", f"{what} holds {words}")
    return _finite_rung(got, expected, what) or _value_rung(got, expected, what, closeness)


def _shape_hint(got: np.ndarray, expected: np.ndarray) -> str:
    if sorted(got.shape) == sorted(expected.shape):
        return " (the axes are in another order)"
    if got.size == expected.size:
        return " (the same number of entries, arranged otherwise)"
    return ""


def _finite_rung(got: np.ndarray, expected: np.ndarray, what: str) -> Mismatch | None:
    if got.dtype.kind not in "fc":
        return None
    bad = ~np.isfinite(got) & np.isfinite(expected)
    if not bad.any():
        return None
    word = "NaN" if np.isnan(got[bad]).any() else "infinite"
    unwritten = "; memory from np.empty or torch.empty holds NaN until it is written" if is_unwritten(got[bad]) else ""
    text = f"{what}: {_count(bad)} {word} where a finite number belongs{_place(bad, ', first at')}{unwritten}"
    return Mismatch("finite", text, bad, (got, expected), what)


def _value_rung(got: np.ndarray, expected: np.ndarray, what: str, closeness: Closeness) -> Mismatch | None:
    if np.array_equal(got, expected):  # as most are
        return None
    kind = np.complex128 if got.dtype.kind == "c" else np.float64
    mine, theirs = got.astype(kind), expected.astype(kind)
    allowed = closeness.allowed(got, expected)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(mine == theirs, 0.0, np.abs(mine - theirs))
    differs = ~(off <= allowed)  # NaN differs
    if not differs.any():
        return None
    badness = np.where(np.isnan(off), np.inf, np.where(differs, off, -1.0))
    worst = np.unravel_index(int(badness.argmax()), off.shape)
    distance = f"off by {short(off[worst])}{_rounding(off[worst], allowed[worst])}"
    place = f", worst at {_index(worst)}:" if off.ndim else ":"
    text = f"{what}: {_count(differs)} {'differ' if off.size > 1 else 'differs'}{place} {distance}"
    return Mismatch("value", text + pattern(mine, theirs, differs), differs, (got, expected), what)


def _rounding(off: float, allowed: float) -> str:
    """Of a difference that is nearly small enough: what it is measured against. Of others that says nothing."""
    return f", more than the {short(allowed)} that rounding explains" if 0 < off < NEARLY * allowed else ""


def _pair(got: Any, expected: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(got), np.asarray(expected)


def _count(where: np.ndarray) -> str:
    if where.size == 1:
        return "the value"
    return f"{int(where.sum())} of {where.size} values"


def _place(where: np.ndarray, word: str) -> str:
    return f"{word} {_index(np.unravel_index(int(where.argmax()), where.shape))}" if where.ndim else ""


def _index(place: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in place) + "]"


def short(number: float) -> str:
    """Three digits."""
    return f"{float(number):.3g}" if abs(number) < 1e300 else "a huge amount"
