"""The handout's formulas, which stand in it twice: as plain text, indented, and below that in a fence of ```math, as
LaTeX. The handout keeps the text, which reads in any editor; the notebook shows the typeset one in its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

FENCE = "```math"
CODE = " " * 4  # deeper than its fence a plain formula is indented, as Markdown wants it of code


@dataclass(frozen=True)
class Formula:
    """A formula, and where it stands: `text` from line `begin` on, the whole of it before line `end`."""

    begin: int
    end: int
    text: tuple[str, ...]
    latex: tuple[str, ...]
    indent: str


def formulas(page: str) -> tuple[Formula, ...]:
    """The formulas of a handout.

    Raises:
        ValueError: a fence is not closed, or no plain formula stands above it.
    """
    return tuple(_found(page.split("\n")))


def plain(page: str) -> str:
    """A handout with its formulas as text."""
    return _replaced(page, lambda formula: [*formula.text])


def typeset(page: str) -> str:
    """A handout with its formulas as Jupyter, VS Code and Colab show them."""
    return _replaced(page, lambda formula: [formula.indent + line for line in ("$$", *formula.latex, "$$")])


def _found(lines: list[str]) -> Iterator[Formula]:
    position = 0
    while position < len(lines):
        fence = lines[position]
        if fence.strip() != FENCE:
            position += 1
            continue
        indent = fence[: -len(FENCE)] if fence.endswith(FENCE) else ""
        close = next((at for at in range(position, len(lines)) if lines[at] == f"{indent}```"), 0)
        begin = _above(lines, position, indent + CODE)
        if not close or begin == position - 1:
            fault = (
                "is not closed" if not close else "has no plain formula above it, indented, with a blank line between"
            )
            raise ValueError(f"the fence of a formula {fault}: {' '.join(lines[position : position + 2])}")
        latex = tuple(line.removeprefix(indent) for line in lines[position + 1 : close])
        yield Formula(begin, close + 1, tuple(lines[begin : position - 1]), latex, indent)
        position = close + 1


def _above(lines: list[str], fence: int, deep: str) -> int:
    """Where the plain formula begins that ends at the blank line above a fence; else that line."""
    begin = fence - 1
    while begin > 0 and not lines[fence - 1].strip() and lines[begin - 1].startswith(deep):
        begin -= 1
    return begin


def _replaced(page: str, make: Callable[[Formula], list[str]]) -> str:
    lines, kept, position = page.split("\n"), list[str](), 0
    for formula in formulas(page):
        kept += [*lines[position : formula.begin], *make(formula)]
        position = formula.end
    return "\n".join([*kept, *lines[position:]])
