"""Got and expected, side by side: for checks that students can read anyway, where the arrays are small."""

import numpy as np

MOST = 48  # entries
WIDEST = 100  # characters of a row
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
    columns = [_written(got), _written(expected), _differences(got, expected, differs)]
    blocks = [
        (f"[{', '.join(map(str, index))}]" if len(leading) and got[index].size < got.size else "")
        for leading in [got.shape[:-2]]
        for index in np.ndindex(*leading)
    ]
    rows = [_rows(column) for column in columns]
    widths = [max(len(head), *(len(row) for block in column for row in block)) for head, column in _zipped(rows)]
    if sum(widths) > WIDEST:
        return ""
    lines = [_line(HEADS, widths)]
    for position, title in enumerate(blocks):
        lines += [title] if title else []
        lines += [_line(cells, widths) for cells in zip(*(column[position] for column in rows), strict=True)]
    return "\n".join(lines)


def _zipped(rows: list[list[list[str]]]) -> list[tuple[str, list[list[str]]]]:
    return list(zip(HEADS, rows, strict=True))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "    ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _written(array: np.ndarray) -> np.ndarray:
    """Every entry as text: as few digits as tell them apart, six at most, the same number for all."""
    if array.dtype.kind != "f":
        return np.asarray(np.vectorize(str, otypes=[object])(array))
    for digits in range(7):
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
