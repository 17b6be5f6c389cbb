"""What isolation costs: the same checks on the same submission, in one unprotected process and in the sandbox, from a
cold start and warm, that is, once more in what has started already."""

import sys
from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks import repetitions
from benchmarks.tables import show
from benchmarks.usage import Usage, measured, median

REPETITIONS = repetitions(5)
MORE = 3  # gradings after the first
SIDES = ("unprotected", "sandboxed")
FIGURES = {"seconds": ("seconds", 2), "CPU seconds": ("cpu", 2), "peak MiB": ("memory", 0)}


def main(names: Sequence[str]) -> None:
    """Print a table: medians of each side, and their ratios."""
    sides = "unprotected, sandboxed (ratio)"
    table = Table(title=f"isolation, costs and races left out: {sides}; medians of {REPETITIONS}, in turns")
    for heading in ("assignment", "start", *FIGURES):
        table.add_column(heading, justify="left" if heading in ("assignment", "start") else "right")
    for name in names:
        for start, sides in compared(name).items():
            table.add_row(name, start, *cells(*sides))
    show(table)


def compared(name: str) -> dict[str, tuple[Usage, Usage]]:
    """Cold and warm, of both sides, which take turns, so that both meet the same machine."""
    once: dict[str, list[Usage]] = {side: [] for side in SIDES}
    often: dict[str, list[Usage]] = {side: [] for side in SIDES}
    for _ in range(REPETITIONS):
        for side in SIDES:
            for usages, count in ((once, 1), (often, 1 + MORE)):
                command = [sys.executable, "-m", f"benchmarks.{side}", name, str(count)]
                usages[side].append(measured(command))
    cold = {side: median(once[side]) for side in SIDES}
    warm = {side: further(cold[side], median(often[side])) for side in SIDES}
    return {start: (usage["unprotected"], usage["sandboxed"]) for start, usage in (("cold", cold), ("warm", warm))}


def further(once: Usage, often: Usage) -> Usage:
    """What each grading after the first takes."""
    return Usage((often.seconds - once.seconds) / MORE, (often.cpu - once.cpu) / MORE, often.memory)


def cells(free: Usage, safe: Usage) -> Iterator[str]:
    """Of a row."""
    for figure, digits in FIGURES.values():
        one, other = getattr(free, figure), getattr(safe, figure)
        yield f"{one:.{digits}f}, {other:.{digits}f} ({other / one:.2f})"
