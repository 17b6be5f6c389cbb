"""The trusted process that grades one submission: loads reference and checks, runs them, reports each line as it ends.

Reads one job from its socket and writes events to it, JSON lines: `{"event": "start" | "line" | "fault" | "end", …}`.
Its parent may stop reading at any time, and turns whatever arrived into results.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from autograder.assignment import Assignment, installed, missing_note, read_assignment, refuse_forbidden
from autograder.checks import Answer, Diagnosis, LocalRunner, Runner, explain, module_from_source, skipped_note
from autograder.checks.boxed import BoxedRunner, imported
from autograder.checks.given import at_hand
from autograder.errors import DeepgradeError, GraderError
from autograder.grading.job import Job
from autograder.grading.kept import Kept
from autograder.plain import write_whole
from autograder.proof.prover import Prover
from autograder.sandbox.box import Sandbox, Worker
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.steps import Request
from autograder.sandbox.worker import Sources
from autograder.submission import needed_of
from autograder.suite import check_files, merged, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.stopwatch import watch
from autograder.suite.world import Case, World

DEVICE_LIMITS = Limits(call_seconds=60.0, memory_mb=8192)  # recorded on the processor at a device's sizes


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
        if self.job.device == "cuda" and not torch.cuda.is_available():
            raise GraderError("there is no CUDA device here, or this torch cannot use it: grade with --device cpu")
        assignment = read_assignment(Path(self.job.folder), Path(self.job.solution))
        refuse_forbidden(assignment)
        if note := missing_note(assignment.folder, assignment.packages):
            raise GraderError(note)
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
                "block": self.sandbox.block,
                "versions": versions() | installed(assignment.packages),
                "device": torch.cuda.get_device_name() if self.job.device == "cuda" else "cpu",
            }
        )
        if self._replays or self._imports(sources, limits, assignment.packages):
            with at_hand(assignment):
                self._checks(assignment, sources, limits, started + self.job.seconds)
        self.emit({"event": "end"})

    def _imports(self, sources: Sources, limits: Limits, packages: tuple[str, ...]) -> bool:
        """Whether the submission can be imported at all; if not, that is everybody's message."""
        failure, skipped = imported(BoxedRunner(self.sandbox, sources, limits))
        if failure is not None and failure.lost is not None and needed_of(sources.path).exists():
            os.replace(needed_of(sources.path), sources.path)
            sources.code.unlink(missing_ok=True)
            again, skipped = imported(BoxedRunner(self.sandbox, sources, limits))
            if again is None:
                told = explain(failure, sources.path, f"import {sources.name}", packages).message
                self.emit({"event": "note", "message": f"Only what the tasks need of your file was run. {told}"})
                failure = None
        for answer in skipped:
            self.emit({"event": "note", "message": skipped_note(answer, sources.path, packages)})
        if failure is None:
            return True
        explained = explain(failure, sources.path, f"import {sources.name}", packages)
        self.emit({"event": "unimportable", "message": str(explained)})
        return False

    def _checks(self, assignment: Assignment, sources: Sources, limits: Limits, deadline: float) -> None:
        reference = module_from_source(
            f"reference_{assignment.name}", assignment.solution.read_text(), str(assignment.solution)
        )
        helpers = self._helpers(assignment)
        at_size = DEVICE_LIMITS if self.job.device else limits
        world = World(
            assignment=assignment,
            student=lambda: BoxedRunner(self.sandbox, sources, limits, self.late, deadline=deadline),
            student_module=reference,
            reference=LocalRunner(reference, helpers),
            seed=self.job.seed,
            deadline=deadline,
            source=sources.path,
            diagnosis=(diagnosis := Diagnosis(assignment, helpers)),
            prover=lambda: Prover(self.sandbox, at_size),
            device=self.job.device,
            large=self._large(sources, deadline) if self.job.device or self.job.recordings else None,
            kept=Kept(Path(self.job.recordings), self._replays) if self.job.recordings else None,
            students=tuple(self.job.students),
        )
        plugin = ChecksPlugin(world, self._report, self.job.select)
        watches = watch(deadline, limits.call_seconds)
        run_pytest(plugin, assignment.folder, check_files(assignment), more=watches)
        self._settle(diagnosis)
        for task, message in plugin.void.items():
            self.emit({"event": "void", "task": task, "message": message})
        for node, problem in plugin.problems.items():
            self.emit({"event": "problem", "message": f"{node}: {problem}"})

    @property
    def _replays(self) -> bool:
        """Whether recordings are all that is looked at."""
        return bool(self.job.device and self.job.recordings)

    def _large(self, sources: Sources, deadline: float) -> Callable[[], Runner]:
        """Makes what answers at an accelerator's sizes."""
        if self._replays:
            return Nobody
        return lambda: BoxedRunner(self.sandbox, sources, DEVICE_LIMITS, self.late, deadline=deadline)

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

    def _settle(self, diagnosis: Diagnosis) -> None:
        """Where several known mistakes give the same answers to a check, the other checks decide which one is told."""
        passed = {name for name, cases in self.lines.items() if all(case.outcome == "passed" for case in cases)}
        for name, mistake in diagnosis.settled(passed).items():
            told = (mistake.name, mistake.hint) if mistake else (None, None)
            self.emit({"event": "diagnosis", "name": name, "diagnosis": told[0], "hint": told[1]})


class Nobody:
    """Stands for a submission of which only recordings are here; see `Runner`."""

    def answer(self, request: Request) -> Answer:
        """There is none."""
        raise GraderError(f"only recordings are replayed here, and {request.name} is asked of the submission itself")

    def close(self) -> None:
        """Nothing to end."""


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
        code = worker.request({"compile": True}).get("value")
        if isinstance(code, np.ndarray):
            write_whole(sources.code, code.tobytes())


def versions() -> dict[str, str]:
    """Of everything that a verdict may depend on."""
    import platform

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pytest": pytest.__version__,
    }
