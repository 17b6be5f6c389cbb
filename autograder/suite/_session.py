"""Run files of checks under the plugin, hermetically, and fold the cases of a check into one line."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import SHARED, Assignment
from autograder.errors import GraderError
from autograder.suite._quiz import Quiz
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case

SILENCED = (
    "debugging terminal cacheprovider faulthandler logging capture unraisableexception threadexception doctest junitxml"
)
PYTEST_OPTIONS = (
    "--assert=plain",  # rewritten asserts would quote the check's source to the student
    "--import-mode=importlib",
    "--noconftest",
    "--continue-on-collection-errors",
    *(f"-pno:{name}" for name in SILENCED.split()),
)


def check_files(assignment: Assignment) -> list[str]:
    """The quiz, then public, then hidden checks."""
    quiz = [str(Path(__file__).parents[1] / "checks" / "test_quiz.py")] if assignment.quiz else []
    rooms = [assignment.folder / room for room in ("public", "hidden")]
    return quiz + [str(file) for room in rooms for file in sorted(room.glob("test_*.py"))]


def run_pytest(
    plugin: ChecksPlugin, root: Path, files: list[str], matching: tuple[str, ...] = (), more: Sequence[Any] = ()
) -> None:
    """Run files of checks under a plugin, hermetically: no configuration, no conftest, no cache, no other plugin but
    those in `more`; if `matching` is given, only checks that have one of these in their names.

    A file that cannot be imported costs its own checks only; the plugin's `problems` name it.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    chosen = ["-k", " or ".join(matching)] if matching else []
    here = str(root)
    where = ["-c", os.devnull, "--rootdir", here, "--confcutdir", here, *chosen]  # else all folders above are listed
    plugins = [plugin, plugin.answering, Quiz(plugin.world), *more]
    with _sharing({str(Path(file).parent) for file in files if Path(file).with_name(SHARED).exists()}):
        code = pytest.main([*PYTEST_OPTIONS, *where, *files], plugins=plugins)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise GraderError(f"pytest could not run the checks ({pytest.ExitCode(code).name.lower()}): {plugin.problems}")


@contextmanager
def _sharing(folders: set[str]) -> Iterator[None]:
    """Files of checks can import what they share, which is in a folder of theirs."""
    before, module = sys.path.copy(), Path(SHARED).stem
    sys.path[:0] = sorted(folders)
    sys.modules.pop(module, None)
    try:
        yield
    finally:
        sys.path[:] = before
        sys.modules.pop(module, None)


def merged(cases: list[Case]) -> dict[str, Any]:
    """One line of results from the cases of a check: it passes if every case does."""
    worst = next(
        (
            kind
            for kind in ("fault", "failed", "blocked", "deferred", "inconclusive")
            if any(c.outcome == kind for c in cases)
        ),
        "passed",
    )
    shown = next((case for case in cases if case.outcome == worst), cases[0])
    scores = [case.score for case in cases if case.score is not None]
    bad = [case for case in cases if case.outcome != "passed"]
    return {
        "outcome": worst,
        "message": _message(shown, len(bad), len(cases)) or next((case.message for case in cases if case.message), ""),
        "rung": shown.rung,
        "function": shown.function,
        "place": shown.place,
        "diagnosis": shown.diagnosis.name if shown.diagnosis else None,
        "hint": shown.diagnosis.hint if shown.diagnosis else None,
        "score": sum(scores) / len(cases) if scores else None,
        "duration": sum(case.duration for case in cases),
        "cases": len(cases),
        "failed_cases": len(bad),
        "picture": shown.picture.rows if shown.picture else None,
        "pictured": shown.picture.caption if shown.picture else "",
        "beside": shown.beside,
        "leaderboard": shown.leaderboard,
        "figures": shown.figures,
    }


def _message(case: Case, bad: int, cases: int) -> str:
    if case.outcome == "passed" or cases == 1:
        return case.message
    case_of = f"Case “{case.id}”: " if case.id else ""
    return f"{case.message}\n({case_of}{bad} of {cases} cases fail{'s' * (bad == 1)}.)"
