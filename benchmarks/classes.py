"""What a class takes: a made class over all assignments, graded by `deepgrade class`; beside it `deepgrade grade` once
a submission, in processes of its own; and, of checks that need no sandbox, the class beside one unprotected process.

REPETITIONS or --size, by default 40, is the number of submissions, spread over the assignments. The class has all
kinds, of which `grade` takes every fourth; what is compared with the unprotected process takes those that end and harm
nobody.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from autograder.assignment import load_assignment
from autograder.classes import grade_class
from autograder.grading import Options
from benchmarks import repetitions
from benchmarks.sandboxed import comparable
from benchmarks.tables import show
from benchmarks.usage import Usage, measured
from tests.made_class import Made, made_submissions, write_plain

SIZE = repetitions(40)
JOBS, EVERY = 2, 4
TAME = ("reference", "correct", "mistake", "stub")  # a module each, which ends and harms nobody
CLASS, GRADE = f"class, {JOBS} at a time", "grade, one by one"
SANDBOXED, UNPROTECTED = "class, comparable checks", "unprotected, one process"


@dataclass
class Sum:
    """Of one way to do it, over assignments."""

    submissions: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0

    def add(self, count: int, usage: Usage) -> None:
        """So many more submissions."""
        self.submissions += count
        self.seconds += usage.seconds
        self.cpu += usage.cpu
        self.memory = max(self.memory, usage.memory)

    @property
    def rate(self) -> float:
        """Submissions a minute."""
        return 60 * self.submissions / self.seconds

    @property
    def each(self) -> float:
        """CPU seconds a submission."""
        return self.cpu / self.submissions


def main(names: Sequence[str]) -> None:
    """Print a table, one row an assignment and a way, then the two ratios that matter."""
    table = Table(title="grading a made class")
    for heading in ("assignment", "how", "submissions", "a minute", "CPU seconds each", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("assignment", "how") else "right")
    whole = {way: Sum() for way in (CLASS, GRADE, SANDBOXED, UNPROTECTED)}
    for name in names:
        for way, found in compared(name, max(1, -(-SIZE // len(names)))):
            table.add_row(name, way, *cells(found))
            whole[way].add(found.submissions, Usage(found.seconds, found.cpu, found.memory))
    for way, found in whole.items():
        table.add_row("all together", way, *cells(found))
    show(table)
    print(f"rate of the class, times that of one by one: {whole[CLASS].rate / whole[GRADE].rate:.1f}")
    print(f"CPU seconds in the class, times unprotected: {whole[SANDBOXED].each / whole[UNPROTECTED].each:.2f}")


def compared(name: str, size: int) -> list[tuple[str, Sum]]:
    """What each way takes for a class of one assignment."""
    made = submissions(name, size)
    with tempfile.TemporaryDirectory() as folder:
        everybody = write_plain(made, Path(folder) / "class")
        tame = write_plain([each for each in made if each.kind.startswith(TAME)], Path(folder) / "tame")
        files = sorted(str(path) for path in tame.glob("*/*.py"))
        ways = {way: Sum() for way in (CLASS, GRADE, SANDBOXED, UNPROTECTED)}
        out = ["--out", str(Path(folder) / "out"), "--jobs", str(JOBS)]
        ways[CLASS].add(size, _run("autograder", "class", str(everybody), "--assignment", name, *out))
        for one in sorted(everybody.iterdir())[::EVERY]:
            ways[GRADE].add(1, _run("autograder", "grade", name, str(one), "--out", str(Path(folder) / "one")))
        ways[SANDBOXED].add(len(files), _run("benchmarks.classes", name, str(tame), str(Path(folder) / "some")))
        ways[UNPROTECTED].add(len(files), _run("benchmarks.unprotected", name, *files))
    return list(ways.items())


def submissions(name: str, size: int) -> list[Made]:
    """Of all kinds, a tame one first."""
    made = list(made_submissions(load_assignment(name), 100 + size))
    first = next(each for each in made if each.kind.startswith(TAME))
    return [first, *(each for each in made if each is not first)][:size]


def _run(module: str, *words: str) -> Usage:
    return measured([sys.executable, "-m", module, *words], fine={0, 2, 3})  # 2: unreadable, 3: some need a human


def cells(found: Sum) -> list[str]:
    """Of a row: submissions, their rate, CPU seconds of each, the peak of memory."""
    return [f"{found.submissions}", f"{found.rate:.1f}", f"{found.each:.2f}", f"{found.memory:.0f}"]


if __name__ == "__main__":
    assignment, export, folder = sys.argv[1:]
    chosen = Options(select=comparable(load_assignment(assignment)))
    grade_class(assignment, Path(export), Path(folder), options=chosen, jobs=JOBS)
