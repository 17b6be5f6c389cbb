"""What it takes to grade: seconds, CPU seconds and memory of `deepgrade grade` for the reference and the stub of each
assignment, each from a cold start. `CHECKOUT=../before python -m benchmarks grading` measures another checkout, which
needs to have no more than that command."""

import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from benchmarks import repetitions
from benchmarks.tables import show
from benchmarks.usage import Usage, measured, median

REPETITIONS = repetitions(5)
CHECKOUT = Path(os.environ.get("CHECKOUT", Path(__file__).parents[1])).resolve()


def main(names: Sequence[str]) -> None:
    """Print one table: medians, and from least to most."""
    table = Table(title=f"grading, cold, {REPETITIONS} times each: medians (least to most)")
    for heading in ("assignment", "submission", "seconds", "CPU seconds", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("assignment", "submission") else "right")
    medians: dict[str, list[Usage]] = {}
    for name in names:
        for role, path in submissions(name):
            usages = [graded(name, path) for _ in range(REPETITIONS)]
            table.add_row(name, role, *cells(usages))
            medians.setdefault(role, []).append(median(usages))
    for role, each in medians.items():
        whole = f"{sum(usage.seconds for usage in each):.1f}", f"{sum(usage.cpu for usage in each):.1f}"
        table.add_row("all together", role, *whole, f"{max(usage.memory for usage in each):.0f}")
    show(table)


def submissions(name: str) -> Iterator[tuple[str, Path]]:
    """Reference and stub."""
    facts = tomllib.loads((CHECKOUT / "assignments" / name / "assignment.toml").read_text("utf-8"))
    yield "reference", CHECKOUT / "solutions" / f"{name}.py"
    yield "stub", CHECKOUT / "student_starter" / name / f"{facts['deliverable']}.py"


def graded(name: str, path: Path) -> Usage:
    """One grading in processes of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "autograder", "grade", name, str(path), "--seed", "1", "--out", out]
        return measured(command, CHECKOUT)


def cells(usages: Sequence[Usage]) -> Iterator[str]:
    """Of a row: median, least and most of each figure."""
    middle = median(usages)
    for figure, digits in (("seconds", 1), ("cpu", 1), ("memory", 0)):
        values = [getattr(usage, figure) for usage in usages]
        told = f"{getattr(middle, figure):.{digits}f}"
        yield told if len(values) == 1 else f"{told} ({min(values):.{digits}f} to {max(values):.{digits}f})"
