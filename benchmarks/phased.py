"""Times the phases of a grading from within: installed in a warm process before it forks, so that all that it forks
adds to the same numbers. A worker is killed, never asked, so each phase is added as it ends."""

import functools
import mmap
import os
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Phases, each with the process in which it is spent; the first three are whole processes, the rest parts of them.
PHASES = {
    "grader": "", "zygotes": "", "workers": "",
    "the reference": "grader", "comparison": "grader", "diagnosis": "grader", "wire, grader's side": "grader",
    "absence": "zygotes", "fork": "zygotes", "end": "zygotes",
    "lock-down": "workers", "import": "workers", "the submission": "workers", "replays": "workers",
    "wire, worker's side": "workers",
}  # fmt: skip
PLACES = {name: 8 * place for place, name in enumerate(PHASES)}
ONE = struct.Struct("d")


def seconds(file: Path) -> dict[str, float]:
    """CPU seconds of each phase so far."""
    data = file.read_bytes()
    return {name: ONE.unpack_from(data, place)[0] for name, place in PLACES.items()}


class Clock:
    """CPU seconds of this process, given to the innermost phase."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8 * len(PHASES)))
        with file.open("r+b") as opened:
            self.memory = mmap.mmap(opened.fileno(), 0)
        self.inner = [0.0]
        self.is_worker = False

    def add(self, name: str, amount: float) -> None:
        """To a phase."""
        ONE.pack_into(self.memory, PLACES[name], ONE.unpack_from(self.memory, PLACES[name])[0] + amount)

    def timed(self, owner: Any, function: str, phase: str, phase_of_worker: str = "") -> None:
        """From now on a function's own time is a phase's, without that of phases within it."""
        plain: Callable[..., Any] = getattr(owner, function)

        @functools.wraps(plain)
        def measured(*args: Any, **kwargs: Any) -> Any:
            pid, started = os.getpid(), time.process_time()
            self.inner.append(0.0)
            try:
                return plain(*args, **kwargs)
            finally:
                within, whole = self.inner.pop(), time.process_time() - started
                if os.getpid() == pid:  # not where it forked
                    self.inner[-1] += whole
                    self.add(phase_of_worker if self.is_worker and phase_of_worker else phase, whole - within)

        setattr(owner, function, measured)

    def after(self, owner: Any, function: str, then: Callable[[], None]) -> None:
        """From now on something is done after a function."""
        plain: Callable[..., Any] = getattr(owner, function)

        @functools.wraps(plain)
        def followed(*args: Any, **kwargs: Any) -> Any:
            try:
                return plain(*args, **kwargs)
            finally:
                then()

        setattr(owner, function, followed)


def install(file: str) -> None:
    """Replace what the phases are by what tells how long it took."""
    from autograder.checks import agreement, diagnosis, expect, runner
    from autograder.grading import grader
    from autograder.proof import replayer
    from autograder.sandbox import wire, worker, zygote

    clock = Clock(Path(file))
    for owner, function, phase in (
        (runner.LocalRunner, "answer", "the reference"),
        (grader, "reference_module", "the reference"),
        (agreement.Agrees, "judge", "comparison"),
        (expect.Expect, "__call__", "comparison"),
        (diagnosis.Diagnosis, "of", "diagnosis"),
        (zygote, "make_absent", "absence"),
        (zygote, "_spawn", "fork"),
        (zygote, "_end", "end"),
        (zygote, "confine", "lock-down"),
        (worker, "welcome", "lock-down"),
        (worker, "load_submission", "import"),
        (worker, "perform", "the submission"),
        *((replayer.Replayer, name, "replays") for name in ("load", "give", "run", "turns", "network", "weighed")),
    ):
        clock.timed(owner, function, phase)
    for name in ("encode", "decode"):
        clock.timed(wire, name, "wire, grader's side", "wire, worker's side")

    def grader_ends() -> None:
        clock.add("grader", usage(resource.RUSAGE_SELF))

    counted: dict[int, tuple[float, float]] = {}

    def worker_ends() -> None:
        own, workers = usage(resource.RUSAGE_SELF), usage(resource.RUSAGE_CHILDREN)
        before = counted.get(os.getpid(), (0.0, 0.0))  # a zygote is killed, never asked
        clock.add("zygotes", own - before[0])
        clock.add("workers", workers - before[1])
        counted[os.getpid()] = own, workers

    def worker_begins() -> None:
        clock.is_worker, clock.inner = True, [0.0]

    clock.after(zygote, "confine", worker_begins)
    clock.after(grader.Grading, "run", grader_ends)
    clock.after(zygote, "_end", worker_ends)


def usage(whose: int) -> float:
    """CPU seconds, of the kernel too."""
    return sum(resource.getrusage(whose)[:2])
