"""The trusted process that grades one submission: loads reference and checks, runs them, reports each line as it ends.

Reads one job from its socket and writes events to it, JSON lines: `{"event": "start" | "line" | "fault" | "end", …}`. Its parent may stop
reading at any time, and turns whatever arrived into results.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from autograder.assignment import Assignment, read_assignment
from autograder.checks import BoxedRunner, Diagnosis, LocalRunner, explain, import_failure, module_from_source
from autograder.errors import DeepgradeError, GraderError
from autograder.job import Job
from autograder.plugin import Case, ChecksPlugin, World
from autograder.sandbox.box import Limits, Sandbox
from autograder.sandbox.worker import Sources

SILENCED = "terminal cacheprovider faulthandler logging capture unraisableexception threadexception doctest junitxml"
PYTEST_OPTIONS = (
    "--assert=plain",  # rewritten asserts would quote the check's source to the student
    "--import-mode=importlib",
    "--noconftest",
    *(f"-pno:{name}" for name in SILENCED.split()),
)
PICTURE_SIDE = 32


def main(connection: socket.socket, sandbox: Sandbox) -> None:
    """Grade the job that comes down the connection."""
    stream = connection.makefile("rwb")
    line = stream.readline()
    if not line:
        return

    def emit(event: dict[str, Any]) -> None:
        stream.write(json.dumps(event).encode() + b"\n")
        stream.flush()

    try:
        Grading(Job(**json.loads(line)), sandbox, emit).run()
    except DeepgradeError as error:
        emit({"event": "fault", "message": str(error)})
    except Exception as error:
        emit({"event": "fault", "message": f"{type(error).__name__}: {error}"})
        raise
    finally:
        sandbox.close()


@dataclass
class Grading:
    """One submission, one run of the checks."""

    job: Job
    sandbox: Sandbox
    emit: Callable[[dict[str, Any]], None]
    late: set[str] = field(default_factory=set)
    lines: dict[str, list[Case]] = field(default_factory=dict)

    def run(self) -> None:
        """From preflight to the last check."""
        started = time.monotonic()
        torch.set_num_threads(1)
        assignment = read_assignment(Path(self.job.folder), Path(self.job.solution))
        sources = Sources(
            assignment.deliverable, Path(self.job.submission), Path(self.job.helpers) if self.job.helpers else None
        )
        limits = Limits(assignment.limits.call_seconds, assignment.limits.memory_mb)
        preflight(self.sandbox, sources, limits, [Path(path) for path in self.job.secrets])
        self.emit(
            {
                "event": "start",
                "pid": os.getpid(),
                "confinement": self.sandbox.confinement.to_dict(),
                "versions": versions(),
            }
        )
        if self._imports(sources, limits):
            self._checks(assignment, sources, limits, started + self.job.seconds)
        self.emit({"event": "end"})

    def _imports(self, sources: Sources, limits: Limits) -> bool:
        """Whether the submission can be imported at all; if not, that is everybody's message."""
        failure = import_failure(BoxedRunner(self.sandbox, sources, limits))
        if failure is None:
            return True
        explained = explain(failure, sources.path, f"import {sources.name}")
        self.emit({"event": "unimportable", "message": str(explained)})
        return False

    def _checks(self, assignment: Assignment, sources: Sources, limits: Limits, deadline: float) -> None:
        reference = module_from_source(
            f"reference_{assignment.name}", assignment.solution.read_text(), str(assignment.solution)
        )
        helpers = self._helpers(assignment)
        world = World(
            assignment=assignment,
            student=lambda: BoxedRunner(self.sandbox, sources, limits, self.late),
            student_module=reference,
            reference=LocalRunner(reference, helpers),
            seed=self.job.seed,
            deadline=deadline,
            source=sources.path,
            diagnosis=Diagnosis(assignment, helpers),
        )
        plugin = ChecksPlugin(world, self._report)
        run_pytest(plugin, assignment.folder, check_files(assignment), self.job.select)
        for node, problem in plugin.problems.items():
            self.emit({"event": "problem", "message": f"{node}: {problem}"})

    def _helpers(self, assignment: Assignment) -> ModuleType | None:
        path = assignment.folder / "helpers.py"
        if not path.exists():
            return None
        return module_from_source("helpers", path.read_text(), str(path))

    def _report(self, name: str, case: Case, cases: int) -> None:
        """Gather the cases of a check; its line is complete with the last of them."""
        ended = self.lines.setdefault(name, [])
        ended.append(case)
        if len(ended) == cases:
            self.emit({"event": "line", "name": name, **merged(ended)})


def check_files(assignment: Assignment) -> list[str]:
    """The quiz, then public, then hidden checks."""
    quiz = [str(Path(__file__).parent / "checks" / "test_quiz.py")] if assignment.quiz else []
    rooms = [assignment.folder / room for room in ("public", "hidden")]
    return quiz + [str(file) for room in rooms for file in sorted(room.glob("test_*.py"))]


def run_pytest(plugin: ChecksPlugin, root: Path, files: list[str], select: tuple[str, ...] = ()) -> None:
    """Run files of checks under a plugin, hermetically: no configuration, no conftest, no cache, no other plugin."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    chosen = ["-k", " or ".join(select)] if select else []
    where = ["-c", os.devnull, "--rootdir", str(root), *chosen]
    code = pytest.main([*PYTEST_OPTIONS, *where, *files], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise GraderError(f"pytest could not run the checks ({pytest.ExitCode(code).name.lower()}): {plugin.problems}")


def merged(cases: list[Case]) -> dict[str, Any]:
    """One line of results from the cases of a check: it passes if every case does."""
    worst = next(
        (kind for kind in ("fault", "failed", "blocked", "deferred") if any(c.outcome == kind for c in cases)), "passed"
    )
    shown = next((case for case in cases if case.outcome == worst), cases[0])
    scores = [case.score for case in cases if case.score is not None]
    bad = [case for case in cases if case.outcome != "passed"]
    return {
        "outcome": worst,
        "message": _message(shown, len(bad), len(cases)),
        "rung": shown.rung,
        "diagnosis": shown.diagnosis.name if shown.diagnosis else None,
        "hint": shown.diagnosis.hint if shown.diagnosis else None,
        "score": sum(scores) / len(cases) if scores else None,
        "duration": sum(case.duration for case in cases),
        "cases": len(cases),
        "failed_cases": len(bad),
        "picture": _picture(shown.differs),
        "leaderboard": shown.leaderboard,
        "figures": shown.figures,
    }


def _message(case: Case, bad: int, cases: int) -> str:
    if case.outcome == "passed" or cases == 1:
        return case.message
    return f"{case.message}\n(Case {case.id}; {bad} of {cases} cases do not pass.)"


def _picture(differs: Any) -> list[list[float]] | None:
    """Where values differ, as a small matrix of shares in 0..1: leading axes folded away, large ones thinned out."""
    if differs is None or differs.size < 2:
        return None
    array = differs.astype(float)
    array = array.mean(axis=tuple(range(array.ndim - 2))) if array.ndim > 2 else array.reshape(-1, array.shape[-1])
    steps = [max(1, -(-size // PICTURE_SIDE)) for size in array.shape]
    thinned: list[list[float]] = array[:: steps[0], :: steps[1]].round(3).tolist()
    return thinned


def preflight(sandbox: Sandbox, sources: Sources, limits: Limits, secrets: list[Path]) -> None:
    """Before student code runs: is the sandbox strong enough here, can a worker reach what it needs and nothing else?

    Raises:
        GraderError: grading here would be unsafe, or could not work; the message says what to do.
    """
    weakness = sandbox.confinement.weakness()
    if weakness is not None:
        raise GraderError(weakness)
    needed = [Path(sys.prefix), Path(os.__file__), Path(torch.__file__), sources.path]
    with sandbox.worker(sources, limits) as worker:
        found = worker.request({"probe": [str(path) for path in (*needed, *secrets)]})["value"]
    missing = [str(path) for path in needed if str(path) not in found]
    leaks = [str(path) for path in secrets if str(path) in found]
    if missing:
        raise GraderError(
            f"workers cannot reach {missing[0]}: make the Python and the submission readable for other users "
            "(a Python or a clone under a private home folder is not), or grade without root"
        )
    if leaks:
        raise GraderError(
            f"student code could read {leaks[0]}: make it readable for root only (chmod -R go-rwx), then grade"
        )


def versions() -> dict[str, str]:
    """Of everything that a verdict may depend on."""
    import platform

    import numpy as np

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pytest": pytest.__version__,
    }
