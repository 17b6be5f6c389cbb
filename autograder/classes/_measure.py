"""Points that need a GPU, filled in: the recordings that were kept beside a class's results are replayed on one. No
submission runs, and none needs to be there."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.assignment import Assignment, find_root, load_assignment
from autograder.classes._cluster import Cluster
from autograder.classes._drive import PAGES, SOURCES, Ended, alone, page_name, pool_for, recordings, stem, waiting
from autograder.classes._pool import STAYS, Pool, Task, ended
from autograder.classes._store import Store
from autograder.errors import GraderError
from autograder.grading import Options, kept_checks
from autograder.plain import write_whole
from autograder.results import Run, merged
from autograder.results.page import page


@dataclass(frozen=True)
class Measured:
    """What one run over the recordings of a class did.

    Attributes:
        measured: how many submissions have all their points now.
        faults: ids of those that could not be measured, each with the reason.
        unrecorded: ids of those with points that need a GPU, and no recording.
        seconds: that this took.
    """

    measured: int
    faults: dict[str, str]
    unrecorded: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Waiting:
    """A submission with points that its recordings can give."""

    id: str
    key: str
    run: Run
    folder: Path
    checks: tuple[str, ...]


def measure_class(
    out: Path,
    *,
    root: Path | None = None,
    device: str = "cuda",
    jobs: int = 1,
    cluster: Cluster | None = None,
    progress: Callable[[Ended], None] | None = None,
) -> Measured:
    """Give a class the points that wait for a GPU.

    Args:
        out: folder of the class, graded with recordings.
        root: folder of the course.
        device: "cuda", or "rehearsal" to try it on the processor.
        jobs: replays at a time, on this machine; one, where they share its GPU.
        cluster: to replay on, instead of this machine.
        progress: called in this thread after each result is stored.

    Raises:
        UsageError: there is no class in `out`, or another driver is at work on it.
        GraderError: the assignment's own files are wrong, or the store cannot be used.
    """
    started = time.monotonic()
    with Store(out), alone(out), Store(out, write=True) as store:  # first to read: no class is made here
        assignment = load_assignment(store.fact("assignment") or "", root)
        todo, unrecorded = _found(store, out)
        measuring = _Measuring(store, out, assignment, (root or find_root()).resolve(), device)
        try:
            if todo:
                with pool_for(cluster, out, assignment, jobs, len(todo)) as pool:
                    measuring.run(todo, pool, progress or (lambda ended: None))
        except OSError as error:
            raise GraderError(f"{error.filename or out}: {error.strerror or error}", help=STAYS) from error
    return Measured(measuring.measured, measuring.faults, unrecorded, time.monotonic() - started)


def _found(store: Store, out: Path) -> tuple[list[_Waiting], tuple[str, ...]]:
    """What waits and was recorded, and the ids of what waits and was not."""
    todo, unrecorded = [], []
    for grade in store.grades():
        run, key = store.run(grade.id), store.key(grade.id)
        if run is None or key is None or not (checks := waiting(run)):
            continue
        folder = recordings(out, grade.id, key)
        recorded = tuple(check for check in checks if check in kept_checks(folder))
        if recorded:
            todo.append(_Waiting(grade.id, key, run, folder, recorded))
        if len(recorded) < len(checks):
            unrecorded.append(grade.id)
    return todo, tuple(unrecorded)


@dataclass
class _Measuring:
    """One run over the recordings of a class."""

    store: Store
    out: Path
    assignment: Assignment
    root: Path
    device: str
    measured: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    def run(self, todo: list[_Waiting], pool: Pool, progress: Callable[[Ended], None]) -> None:
        """Replay, and store each result as it comes; whatever stops this, what was stored stays."""
        for each, future in ended(pool, todo, self._task):
            run = self._filled(each, future)
            if run is not None:
                write_whole(self.out / PAGES / page_name(each.id), page(run))
                self.store.put(each.id, each.key, run)
                self.measured += 1
            progress(Ended(each.id, run or each.run, self.measured + len(self.faults), len(todo)))

    def _task(self, each: _Waiting) -> Task:
        """Its recordings, and the source that was kept, which is read for messages alone."""
        source = self.out.resolve() / SOURCES / stem(each.id) / f"{self.assignment.deliverable}.py"
        options = Options(seed=each.run.seed, private=(self.out.resolve(),), select=each.checks, device=self.device)
        options = replace(options, recordings=each.folder)
        return Task(self.assignment.name, self.root, self.assignment.preload, source, options)

    def _filled(self, each: _Waiting, future: Future[Run]) -> Run | None:
        """The stored run with the points that were measured now; None where something of ours failed, which is
        noted."""
        try:
            later = future.result()
        except Exception as error:
            self.faults[each.id] = f"{type(error).__name__}: {error}"
            return None
        if later.status != "graded":
            self.faults[each.id] = later.reason or later.status
            return None
        return merged(each.run, replace(later, digest=each.run.digest))  # what was measured is its recording
