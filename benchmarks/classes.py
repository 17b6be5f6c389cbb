"""What a class takes: a made class graded by `deepgrade class`, beside `deepgrade grade` once a submission, each in
processes of its own. REPETITIONS, by default 20, is the number of submissions; of the other side, a quarter."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from autograder.assignment import load_assignment
from benchmarks import repetitions
from benchmarks.tables import show
from benchmarks.usage import Usage, measured
from tests.made_class import Made, made_submissions, write_plain

ROOT = Path(__file__).parents[1]
SUBMISSIONS = repetitions(20)
JOBS = 2
KINDS = ("reference", "correct", "mistake", "odd: in a folder", "stub")  # what both sides grade, with exit code 0


def main(names: Sequence[str]) -> None:
    """Print a table: one row a side."""
    table = Table(title="grading a made class")
    for heading in ("assignment", "how", "submissions", "a minute", "CPU seconds each", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("assignment", "how") else "right")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            export = write_plain(submissions(name), Path(folder) / "class")
            once = sorted(export.iterdir())[: max(1, SUBMISSIONS // 4)]
            table.add_row(name, f"class, {JOBS} at a time", *cells([_class(name, export)], SUBMISSIONS))
            table.add_row(name, "grade, one by one", *cells([_grade(name, path) for path in once], len(once)))
    show(table)


def submissions(name: str) -> list[Made]:
    """Of a made class those that can be read."""
    made = made_submissions(load_assignment(name), 40 * SUBMISSIONS, hostile=False)
    return [each for each in made if each.kind.startswith(KINDS)][:SUBMISSIONS]


def _class(name: str, export: Path) -> Usage:
    with tempfile.TemporaryDirectory() as out:
        how = "--jobs", str(JOBS), "--out", out
        command = [sys.executable, "-m", "autograder", "class", str(export), "--assignment", name, *how]
        return measured(command, ROOT)


def _grade(name: str, path: Path) -> Usage:
    with tempfile.TemporaryDirectory() as out:
        return measured([sys.executable, "-m", "autograder", "grade", name, str(path), "--out", out], ROOT)


def cells(usages: Sequence[Usage], count: int) -> list[str]:
    """Of a row: submissions, their rate, CPU seconds of each, the peak of memory."""
    seconds, cpu = sum(usage.seconds for usage in usages), sum(usage.cpu for usage in usages)
    memory = max(usage.memory for usage in usages)
    return [f"{count}", f"{60 * count / seconds:.1f}", f"{cpu / count:.2f}", f"{memory:.0f}"]
