"""Got and expected, side by side: for checks that students can read anyway, where the arrays are small."""

import numpy as np

MOST = 48  # entries
WIDEST = 100  # characters of a row
DIGITS = (6, 4, 2)  # behind the point, as many as there is room for
HEADS = ("yours", "expected", "difference")


def beside(got: np.ndarray, expected: np.ndarray, differs: np.ndarray | None = None) -> str:
    """Three columns: the answer, what was expected, the difference where there is one; nothing where it is too much.

    Args:
        got: of any shape.
        expected: of the same.
        differs: where they count as different, as booleans; where they are not equal, if None.
    """
    if got.size > MOST or got.shape != expected.shape or 0 in got.shape:
        return ""
    differs = got != expected if differs is None or differs.shape != got.shape else differs
    off = _differences(got, expected, differs)
    tables = (_table(_written(got, digits), _written(expected, digits), off) for digits in DIGITS)
    return next((table for table in tables if len(table.split("\n")[0]) <= WIDEST), "")


def _table(*columns: np.ndarray) -> str:
    """The columns below their heads, block by block of the last two axes."""
    rows = [_rows(column) for column in columns]
    flat = [[row for block in blocks for row in block] for blocks in rows]
    widths = [max(map(len, [head, *column])) for head, column in zip(HEADS, flat, strict=True)]
    lines = ["    ".join(head.ljust(width) for head, width in zip(HEADS, widths, strict=True))]
    leading = columns[0].shape[:-2]
    for position, index in enumerate(np.ndindex(*leading)):
        lines += [f"[{', '.join(map(str, index))}]"] if len(rows[0]) > 1 else []
        lines += [_line(cells, widths) for cells in zip(*(blocks[position] for blocks in rows), strict=True)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "    ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _written(array: np.ndarray, most: int) -> np.ndarray:
    """Every entry as text: as few digits as tell them apart, so many at most, the same number for all."""
    if array.dtype.kind != "f":
        return np.asarray(np.vectorize(str, otypes=[object])(array))
    for digits in range(most + 1):
        if np.allclose(np.round(array, digits), array, rtol=0, atol=5e-7, equal_nan=True):
            break
    large = np.abs(array[np.isfinite(array)]).max(initial=0.0) >= 1e6
    form = (lambda value: f"{value:.4g}") if large else (lambda value: f"{value:.{digits}f}")
    return np.asarray(np.vectorize(form, otypes=[object])(array))


def _differences(got: np.ndarray, expected: np.ndarray, differs: np.ndarray) -> np.ndarray:
    """How far off, a dot where that is nothing; of booleans and what is not finite only where."""
    if got.dtype.kind not in "iuf" or expected.dtype.kind not in "iuf":
        return np.where(differs, "x", "·").astype(object)
    with np.errstate(invalid="ignore"):
        off = got.astype(float) - expected.astype(float)
    signed = np.vectorize(lambda value: f"{value:+.3g}" if np.isfinite(value) else "x", otypes=[object])(off)
    return np.where(differs, signed, "·").astype(object)


def _rows(texts: np.ndarray) -> list[list[str]]:
    """The rows of each block of the last two axes, their entries one below the other."""
    table = texts.reshape(-1, *texts.shape[-2:]) if texts.ndim > 1 else texts.reshape(1, 1, -1)
    width = max(len(text) for text in texts.ravel())
    return [["  ".join(text.rjust(width) for text in row) for row in block] for block in table]
