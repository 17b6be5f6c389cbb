"""What the local checker may know of the known mistakes: their answers to the public examples, as locks on the hints.

See `local.hints` for how. The public checks are run once, on the reference, to learn what they ask; each known mistake
of the task then answers the same.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from autograder.assignment import Assignment, load_mistakes, points
from autograder.checks import Answer, Door, LocalRunner, module_from_source, reference_module
from autograder.checks.diagnosis import Diagnosis, joined, read_answer
from autograder.checks.given import at_hand
from autograder.checks.leaves import alike
from autograder.errors import GraderError
from autograder.local.checks import FOREVER, SEED
from autograder.local.hints import keys, locked, tag
from autograder.suite import run_pytest
from autograder.suite.plugin import DOOR, ChecksPlugin, check_name
from autograder.suite.world import Case, World


def locked_hints(assignment: Assignment) -> bytes:
    """The file, as JSON: by task, tags and locked hints.

    Raises:
        GraderError: a public check does not pass on the reference, or a known mistake does not run.
    """
    mistakes = load_mistakes(assignment)
    found: dict[str, dict[bytes, list[str]]] = {}
    with _as_it_was(), at_hand(assignment):
        helpers = _helpers(assignment)
        logs = _asked(assignment, helpers) if mistakes else []
        diagnosis = Diagnosis(assignment, helpers)
        for mistake in mistakes:
            runner = diagnosis.runner(mistake)
            for door in (door for task, door in logs if task == mistake.task):
                for key in _telling(door, runner):
                    hints = found.setdefault(mistake.task, {}).setdefault(key, [])
                    hints += [mistake.hint] if mistake.hint not in hints else []
    written = {
        task: {tag(key): locked(joined(hints), key) for key, hints in by_key.items()} for task, by_key in found.items()
    }
    return (json.dumps(written, indent=1, sort_keys=True) + "\n").encode()


def _telling(door: Door, runner: LocalRunner) -> Iterator[bytes]:
    """Keys of the mistaken answers, from the first that differs from the reference's: there, or later, a check ends."""
    answers, differ = list[Answer](), False
    for request, right in door.log:
        answers.append(read_answer(request, runner.answer(request)))
        differ = differ or not alike(answers[-1], right)
        if differ:
            close = keys([right for _, right in door.log[: len(answers)]])  # too near to the right ones to be told
            yield from (key for key in keys(answers) if key not in close)
        if not answers[-1].ok:
            return


def _helpers(assignment: Assignment) -> ModuleType | None:
    path = assignment.folder / "helpers.py"
    return module_from_source("helpers", path.read_text("utf-8"), str(path)) if path.exists() else None


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Leave no module and no variable behind: the next assignment's files have the same names."""
    modules, environment = dict(sys.modules), dict(os.environ)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mistakes may divide by nothing
            yield
    finally:
        for name in [name for name in sys.modules if name not in modules and _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(modules)
        os.environ.clear()
        os.environ.update(environment)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("public", "helpers") or name.startswith(("test_", "reference_", "mistake_"))


class _Doors:
    """A plugin of pytest that keeps what each check asked."""

    def __init__(self, tasks: dict[str, str]) -> None:
        self.tasks = tasks
        self.logs: list[tuple[str, Door]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """A case has run."""
        if door := item.stash.get(DOOR, None):
            self.logs.append((self.tasks[check_name(item)], door))


def _asked(assignment: Assignment, helpers: ModuleType | None) -> list[tuple[str, Door]]:
    """What the public checks ask, with the reference's answers, and of which task."""
    reference = reference_module(f"reference_{assignment.name}", assignment)
    ended: list[tuple[str, Case]] = []
    world = World(
        assignment=assignment,
        student=lambda: LocalRunner(reference, helpers),
        student_module=reference,
        reference=None,
        seed=SEED,
        deadline=time.monotonic() + FOREVER,
        source=assignment.solution,
    )
    doors = _Doors({check.name: check.task for check in points(assignment)})
    plugin = ChecksPlugin(world, lambda name, case, count: ended.append((name, case)))
    files = [str(file) for file in sorted((assignment.folder / "public").glob("test_*.py"))]
    run_pytest(plugin, assignment.folder, files, more=[doors])
    if wrong := [f"{name}: {case.message}" for name, case in ended if case.outcome != "passed"]:
        raise GraderError(f"{assignment.name}: the reference does not pass the public checks: {wrong[0]}")
    return doors.logs
