"""What comes out of a large class: report, gradebook and replay bundle of a store with made results, none graded.

REPETITIONS or --size, by default 10,000, is the number of submissions, each with the checks of the first assignment.
"""

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from autograder.assignment import CheckFacts, load_assignment, points
from autograder.classes import Handed, Store, Student
from autograder.results import Line, Outcome, Run
from benchmarks import repetitions
from benchmarks.tables import show
from benchmarks.usage import measured

SIZE = repetitions(10_000)
TOLD = "{name}(x=float64[{n}, 3])\nThe result: {n} of 96 values differ, worst at [{n}, 0]: off by 0.{n}, not 1e-07"
COMMANDS = {
    "report": ("report", "{class}"),
    "gradebook": ("gradebook", "{class}", "--format", "gradescope", "--out", "{folder}/book.csv"),
    "replay": ("replay", "{class}", "--out", "{folder}/replay.zip"),
}


def main(names: Sequence[str]) -> None:
    """Print a table: one row a command."""
    table = Table(title=f"a store of {SIZE} submissions")
    for heading in ("command", "seconds", "CPU seconds", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "command" else "right")
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "class", names[0])
        for command, words in COMMANDS.items():
            places = {"class": str(Path(folder) / "class"), "folder": folder}
            used = measured([sys.executable, "-m", "autograder", *(word.format(**places) for word in words)])
            table.add_row(command, f"{used.seconds:.1f}", f"{used.cpu:.1f}", f"{used.memory:.0f}")
    show(table)


def fill(folder: Path, name: str) -> None:
    """A class of the assignment, each of whom passes some checks."""
    folder.mkdir()
    assignment, chance = load_assignment(name), random.Random(1)
    checks = points(assignment)
    people = [Student(f"Name {n}", f"{n:06}", f"student{n}@school.example") for n in range(SIZE)]
    ids = [f"submission_{n}" for n in range(SIZE)]
    with Store(folder, write=True) as store:
        facts = {"assignment": name, "title": assignment.title}
        handed = [Handed(each, folder / each, (who,)) for each, who in zip(ids, people, strict=True)]
        store.begin(facts, [(each, "key", []) for each in handed])
        for each in ids:
            names = name, assignment.title, f"{name}.py"
            lines = tuple(_lines(checks, chance))
            store.put(each, "key", Run(*names, each, 1, {}, "cpu", {}, "2026-11-01T12:00:00+00:00", 8.0, lines))


def _lines(checks: Sequence[CheckFacts], chance: random.Random) -> Iterator[Line]:
    skill = chance.random()
    for check in checks:
        passed = chance.random() < skill
        score, message = (check.weight, "") if passed else (0.0, TOLD.format(name=check.name, n=chance.randrange(9)))
        outcome = Outcome.PASSED if passed else Outcome.FAILED
        yield Line(
            check.title, check.number, check.task, check.kind, outcome, score, check.weight, message, check=check.name
        )
