"""Where an answer is wrong, as a small picture: the plane of the array in which the worst place lies.

Says where and on which side, never how far: distances would say what was expected.
"""

from dataclasses import dataclass

import numpy as np

SIDE = 32  # squares at most, along each axis
WORST, DIFFERS, UNSIGNED = (
    1.0,
    0.5,
    0.25,
)  # too large where positive, too small where negative; a side where there is one


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        rows: of squares: 0 where the answer is right, else see `WORST`, `DIFFERS`, `UNSIGNED`.
        caption: the array, its plane and its axes, and what the squares mean.
    """

    rows: list[list[float]]
    caption: str


def picture(name: str, got: np.ndarray, expected: np.ndarray, differs: np.ndarray) -> Picture | None:
    """The picture of a wrong answer; None where there is nothing to see: of a single number, or where all is wrong.

    Args:
        name: of the array, as in the message.
        got: of any shape.
        expected: of the same.
        differs: where they count as different, as booleans.
    """
    if differs.ndim == 0 or differs.size < 2:
        return None
    marks, worst = _marks(got, expected, differs)
    leading = worst[:-2]
    plane = np.atleast_2d(marks[leading])
    if plane.all():
        return None
    rows, steps = _thinned(plane)
    place = f", at [{', '.join([*map(str, leading), ':', ':'])}]" if leading else ""
    where = f"{name}{place}: {_axes(differs.ndim)}. {_legend(rows)}"
    each = f" Each square stands for up to {steps[0]} x {steps[1]} values." if steps != (1, 1) else ""
    return Picture(rows.tolist(), where + each)


def _marks(got: np.ndarray, expected: np.ndarray, differs: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """A mark for each entry, and the worst place: the first that is not finite, or the one that is furthest off."""
    if got.dtype.kind not in "iuf" or expected.dtype.kind not in "iuf":
        return np.where(differs, UNSIGNED, 0.0), _first(differs)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(differs, got.astype(np.float64) - expected.astype(np.float64), 0.0)
    if not np.isfinite(off).all():
        return np.where(differs, UNSIGNED, 0.0), _first(~np.isfinite(off))
    worst = np.unravel_index(int(np.abs(off).argmax()), off.shape)
    marks = np.sign(off) * DIFFERS
    marks[worst] = np.sign(off[worst]) * WORST
    return marks, tuple(map(int, worst))


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(int(where.argmax()), where.shape)))


def _thinned(plane: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """At most `SIDE` squares a side, each the strongest mark of a block; and the blocks' size."""
    down, across = (-(-size // SIDE) for size in plane.shape)
    padded = np.pad(plane, [(0, -plane.shape[0] % down), (0, -plane.shape[1] % across)])
    rows, columns = padded.shape[0] // down, padded.shape[1] // across
    blocks = padded.reshape(rows, down, columns, across).swapaxes(1, 2).reshape(rows, columns, -1)
    strongest = np.abs(blocks).argmax(axis=-1, keepdims=True)
    return np.take_along_axis(blocks, strongest, axis=-1)[..., 0], (down, across)


def _axes(ndim: int) -> str:
    return "index 0 to the left" if ndim == 1 else f"axis {ndim - 2} down, axis {ndim - 1} across"


def _legend(rows: np.ndarray) -> str:
    signs = [
        text
        for text, there in (("+ is too large", (rows >= DIFFERS).any()), ("− is too small", (rows <= -DIFFERS).any()))
        if there
    ]
    return f"{', '.join(signs)}; the frame is around the worst." if signs else "The squares in colour are wrong."
