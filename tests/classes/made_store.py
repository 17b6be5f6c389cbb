"""A class that was never graded: a store with results that a test says, for what only reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.classes import Handed, Store, Student
from autograder.results import Line, Run

CHECKS = {"test_easy": 10, "test_hard": 20, "test_odd": 5}


def line(check: str, outcome: str, message: str = "", **more: object) -> Line:
    """A line of the made class's assignment."""
    most = CHECKS[check]
    score = most if outcome == "passed" else 0
    name = check.removeprefix("test_").capitalize()
    return Line(name, "1", name.lower(), "agreement", outcome, score, most, message, check=check, **more)  # type: ignore[arg-type]


def run(lines: Sequence[Line], status: str = "graded", reason: str | None = None) -> Run:
    """A run with these lines."""
    names = "made", "A made assignment", "mini.py"
    return Run(*names, "d", 1, {}, "cpu", {}, "2026-11-01T12:00:00+00:00", 1.5, tuple(lines), reason, status)


def graded(passed: str) -> Run:
    """A run that passes the checks whose first letter (e, h, o) is in `passed`."""
    return run([line(check, "passed" if check[5] in passed else "failed", "Not so.") for check in CHECKS])


def store(
    folder: Path,
    runs: Mapping[str, Run],
    students: Mapping[str, Sequence[Student]],
    created: Mapping[str, str] = {},
    facts: Mapping[str, str] = {},
) -> Path:
    """A class with these results, by id."""
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder, write=True) as made:
        handed = [(Handed(each, folder, tuple(students[each]), created.get(each)), "key", []) for each in runs]
        made.begin({"assignment": "made", "title": "A made assignment", **facts}, handed)
        for each, result in runs.items():
            made.put(each, "key", result)
    return folder
