"""The trusted process that grades one submission: loads reference and checks, runs them, reports each line as it ends.

Reads one job from its socket and writes events to it, JSON lines: `{"event": "taken" | "start" | "line" | "fault" |
"end", …}`.
Its parent may stop reading at any time, and turns whatever arrived into results.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from autograder.assignment import Assignment, installed, missing_note, read_assignment, refuse_forbidden
from autograder.checks import (
    Answer,
    Diagnosis,
    LocalRunner,
    Runner,
    explain,
    is_left_out,
    module_from_source,
    reference_module,
    skipped_note,
)
from autograder.checks.boxed import BoxedRunner, imported
from autograder.checks.given import at_hand
from autograder.checks.remembered import Memory, Remembered
from autograder.errors import DeepgradeError, GraderError
from autograder.grading.job import Job
from autograder.grading.kept import Kept
from autograder.plain import write_whole
from autograder.proof.prover import Prover
from autograder.sandbox.box import Sandbox, Worker
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.parts import code_of
from autograder.sandbox.request import Request
from autograder.sandbox.worker import Sources
from autograder.submission import take_needed
from autograder.suite import check_files, merged, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.stopwatch import watch
from autograder.suite.world import Case, World, drawn_secret

DEVICE_LIMITS = Limits(call_seconds=60.0, memory_mb=8192)  # recorded on the processor at a device's sizes


Emit = Callable[[dict[str, Any]], None]


def main(connection: socket.socket, sandbox: Sandbox) -> None:
    """Grade the job that comes down the connection."""

    def work(job: Job, emit: Emit) -> None:
        with loaded(job) as suite:
            Grading(job, sandbox, emit, suite).run(afresh)

    try:
        do_job(connection, work)
    finally:
        sandbox.close()


def do_job(connection: socket.socket, work: Callable[[Job, Emit], None]) -> None:
    """Do the job that comes down a connection. What keeps it from being done is an event too."""
    stream = connection.makefile("rwb")
    line = stream.readline()
    if not line:
        return

    def emit(event: dict[str, Any]) -> None:
        stream.write(json.dumps(event).encode() + b"\n")
        stream.flush()

    emit({"event": "taken", "pid": os.getpid()})
    try:
        work(Job(**json.loads(line)), emit)
    except DeepgradeError as error:
        emit({"event": "fault", "message": str(error)})
    except Exception as error:
        emit({"event": "fault", "message": f"{type(error).__name__}: {error}"})
        raise


@dataclass(frozen=True)
class Suite:
    """What is the same for all submissions.

    Attributes:
        assignment: its facts.
        reference: answers what is right.
        helpers: of the assignment, run beside the reference.
        diagnosis: knows the known mistakes; each submission takes one anew.
        secret: see `World`.
    """

    assignment: Assignment
    reference: LocalRunner
    helpers: ModuleType | None
    diagnosis: Diagnosis
    secret: int = field(default_factory=drawn_secret)

    @property
    def limits(self) -> Limits:
        """Of a call, as the assignment has them."""
        return Limits(self.assignment.limits.call_seconds, self.assignment.limits.memory_mb)


@contextmanager
def loaded(job: Job, memory: Memory | None = None) -> Iterator[Suite]:
    """The suite that a job names, with what the assignment gives at hand.

    Args:
        job: what is asked for.
        memory: where the reference's answers are kept, and elsewhere those of the known mistakes; None where each is
            given once.

    Raises:
        GraderError: it cannot be graded here.
    """
    torch.set_num_threads(1)
    if job.device == "cuda" and not torch.cuda.is_available():
        raise GraderError("there is no CUDA device here, or this torch cannot use it: grade with --device cpu")
    assignment = read_assignment(Path(job.folder), Path(job.solution))
    refuse_forbidden(assignment)
    if note := missing_note(assignment.folder, assignment.packages):
        raise GraderError(note)
    with at_hand(assignment):
        module = reference_module(f"reference_{assignment.name}", assignment)
        helpers = _helpers(assignment)
        reference = LocalRunner(module, helpers) if memory is None else Remembered(module, helpers, memory=memory)
        of_mistakes = None if memory is None else Memory()
        yield Suite(assignment, reference, helpers, Diagnosis(assignment, helpers, of_mistakes))


def _helpers(assignment: Assignment) -> ModuleType | None:
    path = assignment.folder / "helpers.py"
    return module_from_source("helpers", path.read_text(), str(path)) if path.exists() else None


def run_suite(plugin: ChecksPlugin, deadline: float, more: Sequence[Any] = ()) -> None:
    """Collect the checks of an assignment and run them, by their plugin, a stopwatch and others."""
    assignment = plugin.world.assignment
    watches = watch(deadline, assignment.limits.call_seconds)
    run_pytest(plugin, assignment.folder, check_files(assignment), more=[*watches, *more])


def afresh(grading: "Grading") -> ChecksPlugin:
    """Run all checks on a submission."""
    plugin = ChecksPlugin(grading.world(), grading.report, grading.job.select)
    run_suite(plugin, grading.deadline)
    return plugin


@dataclass
class Grading:
    """One submission, one run of the checks."""

    job: Job
    sandbox: Sandbox
    emit: Emit
    suite: Suite
    started: float = field(default_factory=time.monotonic)
    late: set[str] = field(default_factory=set)
    lines: dict[str, list[Case]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        helpers = Path(self.job.helpers) if self.job.helpers else None
        assignment = self.suite.assignment
        self.sources = Sources(assignment.deliverable, Path(self.job.submission), helpers, parts=assignment.parts)
        self.deadline = self.started + self.job.seconds
        self.diagnosis = self.suite.diagnosis.anew()

    def run(self, checks: Callable[["Grading"], ChecksPlugin]) -> None:
        """From preflight to the last check; `checks` runs these."""
        with self.sandbox.worker(self.sources, self.suite.limits) as worker:
            self._begin(worker)
            is_ready = self._replays or self._imports(worker)
        if is_ready:
            self._settle(checks(self))
        self.emit({"event": "end"})

    def _begin(self, worker: Worker) -> None:
        preflight(worker, self.sources, [Path(path) for path in self.job.secrets])
        self.emit(
            {
                "event": "start",
                "pid": os.getpid(),
                "confinement": self.sandbox.confinement.to_dict(),
                "block": self.sandbox.block,
                "versions": versions() | installed(self.suite.assignment.packages),
                "device": torch.cuda.get_device_name() if self.job.device == "cuda" else "cpu",
            }
        )

    def _imports(self, worker: Worker) -> bool:
        """Whether the submission can be imported at all; if not, that is everybody's message."""
        sources, packages = self.sources, self.suite.assignment.packages
        failure, skipped = imported(BoxedRunner(self.sandbox, sources, self.suite.limits), worker)
        if failure is not None and failure.lost is not None and take_needed(sources.modules):
            for path in sources.modules:
                code_of(path).unlink(missing_ok=True)
            again, skipped = imported(BoxedRunner(self.sandbox, sources, self.suite.limits))
            if again is None:
                told = explain(failure, sources.path, f"import {sources.name}", packages).message
                self.emit({"event": "note", "message": f"Only what the tasks need of your file was run. {told}"})
                failure = None
        for answer in (answer for answer in skipped if not is_left_out(answer)):
            self.emit({"event": "note", "message": skipped_note(answer, sources.path, packages)})
        if failure is None:
            return True
        explained = explain(failure, sources.path, f"import {sources.name}", packages)
        self.emit({"event": "unimportable", "message": str(explained)})
        return False

    def world(self) -> World:
        """What the checks are run against."""
        suite, job = self.suite, self.job
        at_size = DEVICE_LIMITS if job.device else suite.limits
        return World(
            assignment=suite.assignment,
            student=lambda: BoxedRunner(self.sandbox, self.sources, suite.limits, self.late, deadline=self.deadline),
            student_module=suite.reference.module,
            reference=suite.reference,
            seed=job.seed,
            deadline=self.deadline,
            source=self.sources.path,
            diagnosis=self.diagnosis,
            prover=lambda: Prover(self.sandbox, at_size),
            device=job.device,
            large=self._large if job.device or job.recordings else None,
            kept=Kept(Path(job.recordings), self._replays) if job.recordings else None,
            secret=suite.secret,
            students=tuple(job.students),
        )

    @property
    def _replays(self) -> bool:
        """Whether recordings are all that is looked at."""
        return bool(self.job.device and self.job.recordings)

    def _large(self) -> Runner:
        """What answers at an accelerator's sizes."""
        if self._replays:
            return Nobody()
        return BoxedRunner(self.sandbox, self.sources, DEVICE_LIMITS, self.late, deadline=self.deadline)

    def report(self, name: str, case: Case, cases: int) -> None:
        """Gather the cases of a check; its line is complete with the last of them."""
        ended = self.lines.setdefault(name, [])
        ended.append(case)
        if len(ended) == cases:
            self.emit({"event": "line", "name": name, **merged(ended)})

    def _settle(self, plugin: ChecksPlugin) -> None:
        """Where several known mistakes give the same answers to a check, the other checks decide which one is told; and
        what the checks found out beside their lines."""
        passed = {name for name, cases in self.lines.items() if all(case.outcome == "passed" for case in cases)}
        for name, mistake in self.diagnosis.settled(passed).items():
            told = (mistake.name, mistake.hint) if mistake else (None, None)
            self.emit({"event": "diagnosis", "name": name, "diagnosis": told[0], "hint": told[1]})
        for task, message in plugin.void.items():
            self.emit({"event": "void", "task": task, "message": message})
        for node, problem in plugin.problems.items():
            self.emit({"event": "problem", "message": f"{node}: {problem}"})


class Nobody:
    """Stands for a submission of which only recordings are here; see `Runner`."""

    def answer(self, request: Request) -> Answer:
        """There is none."""
        raise GraderError(f"only recordings are replayed here, and {request.name} is asked of the submission itself")

    def close(self) -> None:
        """Nothing to end."""


def preflight(worker: Worker, sources: Sources, secrets: list[Path]) -> None:
    """Before student code runs: is the sandbox strong enough here, can a worker reach what it needs and nothing else?

    Raises:
        GraderError: grading here would be unsafe, or could not work; the message says what to do.
    """
    weakness = worker.sandbox.confinement.weakness()
    if weakness is not None:
        raise GraderError(weakness)
    needed = [Path(sys.prefix), Path(os.__file__), Path(torch.__file__), sources.path]
    found = worker.request({"probe": [str(path) for path in (*needed, *secrets)]})["value"]
    _keep_code(worker, sources)
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


def _keep_code(worker: Worker, sources: Sources) -> None:
    """Have the submission compiled once for all workers; it is bytes here. Where that fails, each of them compiles it,
    and tells what is wrong."""
    with suppress(WorkerLost, OSError):
        for index, path in enumerate(sources.modules):
            code = worker.request({"compile": index}).get("value")
            if isinstance(code, np.ndarray):
                write_whole(code_of(path), code.tobytes())


def versions() -> dict[str, str]:
    """Of everything that a verdict may depend on."""
    import platform

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pytest": pytest.__version__,
    }
