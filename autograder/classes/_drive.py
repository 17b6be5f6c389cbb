"""Grade every submission of a class, in a pool on this machine or on a cluster; only this driver writes the store.

What has a verdict under its key (submission, suite, environment, options) is not graded again, so an interrupted run
goes on where it was, and a change touches only what it changes. A result counts once its transaction is on the disk.
"""

import fcntl
import hashlib
import json
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

from autograder import __version__
from autograder.assignment import (
    STUDENT,
    Assignment,
    constants,
    find_root,
    given_files,
    installed,
    load_assignment,
    points,
)
from autograder.classes._cluster import Cluster
from autograder.classes._flags import integrity_flags
from autograder.classes._intake import Handed, read_export
from autograder.classes._pool import STAYS, Pool, Task, ended
from autograder.classes._store import Grade, Store
from autograder.classes._threads import Threads
from autograder.errors import GraderError, SubmissionError, UsageError, did_you_mean
from autograder.grading import Options, class_seed, kept_checks
from autograder.plain import write_whole
from autograder.results import Line, Outcome, Run, merged
from autograder.results.page import page
from autograder.submission import collect

PACKAGES = ("torch", "numpy", "scipy", "pytest")  # what a verdict may depend on
PAGES, SOURCES, RECORDINGS, UNPACKED, LOCK, PARSL = "pages", "sources", "recordings", ".unpacked", ".lock", ".parsl"


@dataclass(frozen=True)
class Ended:
    """One more submission has a result: which, what, how many are done of how many are to do."""

    id: str
    run: Run
    done: int
    todo: int


@dataclass(frozen=True)
class ClassRun:
    """What one run over a class did.

    Attributes:
        grades: of every submission of the export, by id.
        graded: how many were graded now; the others had a result that holds.
        seconds: that this took.
        remarks: about what was passed over in the export.
    """

    grades: tuple[Grade, ...]
    graded: int
    seconds: float
    remarks: tuple[str, ...]

    @property
    def unsettled(self) -> tuple[Grade, ...]:
        """Those with a fault of ours, or with points for which the machine was too unsteady."""
        return tuple(each for each in self.grades if each.needs_a_human)


def waiting(run: Run | None) -> tuple[str, ...]:
    """Names of the checks whose points need a GPU and were not measured yet."""
    return tuple(line.check for line in run.lines if line.outcome is Outcome.DEFERRED) if run else ()


def suite_key(assignment: Assignment) -> str:
    """A hash of everything that can change a verdict or a message of the assignment: reference, facts, helpers,
    mistakes, public and hidden checks, given modules and data."""
    found = hashlib.sha256()
    files = [assignment.folder / name for name in ("assignment.toml", "helpers.py", "mistakes.toml")]
    for room in ("public", "hidden"):
        files += sorted((assignment.folder / room).rglob("*.py"))
    for file in (*assignment.solutions.values(), *files, *given_files(assignment).values()):
        data = file.read_bytes() if file.exists() else b""
        found.update(f"{file.name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def environment(assignment: Assignment) -> dict[str, str]:
    """Versions of everything that a verdict may depend on."""
    found = {"deepgrade": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | installed(assignment.packages)


def stem(submission: str) -> str:
    """A name for files and folders of a submission, whatever its id is."""
    plain = re.sub(r"[^\w.-]+", "_", submission, flags=re.ASCII).strip(".")[:80]
    unlike = "" if plain == submission else "-" + hashlib.sha256(submission.encode()).hexdigest()[:8]
    return f"{plain}{unlike}"


def recordings(out: Path, submission: str, key: str) -> Path:
    """Where the recordings of a submission are kept: of this submission, suite and environment, and no other."""
    return out.resolve() / RECORDINGS / stem(submission) / key[:16]


def page_name(submission: str) -> str:
    """The file's name of a submission's page."""
    return f"{stem(submission)}.html"


def grade_class(
    name: str,
    export: Path,
    out: Path,
    *,
    root: Path | None = None,
    options: Options | None = None,
    jobs: int = 2,
    cluster: Cluster | None = None,
    only: Sequence[str] = (),
    record: bool = False,
    progress: Callable[[Ended], None] | None = None,
) -> ClassRun:
    """Grade a class, or what is left of it.

    Args:
        name: of the assignment.
        export: see `read_export`.
        out: folder of the class: its store, a page a submission, the graded source of each.
        root: folder of the course.
        options: how to grade; the private paths are added here.
        jobs: gradings at a time, on this machine.
        cluster: to grade on, instead of this machine.
        only: ids of submissions to repeat, and no others; points of them that are only still to be measured are
            measured, and what was measured stays.
        record: what checks that need a GPU would time is recorded beside the results, for `measure_class`.
        progress: called in this thread after each result is stored.

    Raises:
        UsageError: there is no such assignment, export or submission; another driver is at work on `out`; Parsl is
            needed and not installed; recordings are wanted where there is a GPU.
        GraderError: the assignment's own files are wrong, or the store cannot be used.
    """
    started, assignment = time.monotonic(), load_assignment(name, root)
    points(assignment)
    if record and options is not None and options.device != "cpu":
        raise UsageError("recordings are for machines without a GPU", help="Leave out --record, or --device.")
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)  # other people's submissions, and what failed in checks that students do not see
    with alone(out), Store(out, write=True) as store:
        handed, remarks = read_export(export, _emptied(out / UNPACKED))
        driver = _Driver(assignment, root, out, store, _private(options or Options(), export, out), record)
        try:
            driver.begin(handed, export)
            todo = driver.todo(handed, only)
            if todo:
                with pool_for(cluster, out, assignment, jobs, len(todo)) as pool:
                    driver.run(todo, pool, progress or (lambda ended: None))
        except OSError as error:
            raise GraderError(f"{error.filename or out}: {error.strerror or error}", help=STAYS) from error
        finally:
            shutil.rmtree(out / UNPACKED, ignore_errors=True)
        here = {each.id for each in handed}
        grades = tuple(each for each in store.grades() if each.id in here)
        return ClassRun(grades, driver.done, time.monotonic() - started, remarks)


def pool_for(cluster: Cluster | None, out: Path, assignment: Assignment, jobs: int, tasks: int) -> Pool:
    """Where to grade so many submissions."""
    if cluster is None:
        return Threads(jobs, assignment.preload)
    from autograder.classes._parsl import ParslPool  # an optional extra

    folder = out.resolve() / PARSL
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    return ParslPool(cluster, folder, tasks, assignment.limits.run_seconds)


def _private(options: Options, export: Path, out: Path) -> Options:
    """No worker may open the class, nor a classmate's submission."""
    return replace(options, private=(*options.private, out.resolve(), export.resolve()))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    return folder


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """The one driver of this folder; the lock goes with the process, however it ends."""
    with open(out / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another `deepgrade class` is at work on {out}", help="Wait for it, or stop it."
            ) from error
        yield


@dataclass
class _Driver:
    """One run over a class; all submissions of an export share its seed."""

    assignment: Assignment
    root: Path | None
    out: Path
    store: Store
    options: Options
    record: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    done: int = 0

    def begin(self, handed: Sequence[Handed], export: Path) -> None:
        """Name the class, and what was handed in."""
        known = self.store.fact("assignment")
        if known not in (None, self.assignment.name):
            raise UsageError(f"{self.out} holds a class of {known}", help="Give each assignment a folder of its own.")
        suite = [suite_key(self.assignment), environment(self.assignment), *self._how()]
        listed, digests = [], {each.id: each.digest() for each in handed}
        self.seed = class_seed(digests.values(), self.options, self.assignment)
        for each in handed:
            asked = [digests[each.id], suite, *self._students(each)]
            key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
            self.keys[each.id] = key
            flags = self.store.known_flags(each.id, key)
            listed.append((each, key, self._flags(each) if flags is None else flags))
        facts = {"assignment": self.assignment.name, "title": self.assignment.title, "export": str(export)}
        facts["by_hand"] = json.dumps([asdict(part) for part in self.assignment.by_hand.values()])
        self.store.begin(facts | {"environment": json.dumps(environment(self.assignment))}, listed)

    def _how(self) -> list[str | int | None]:
        """What of the options a verdict depends on; of the secret a hash."""
        secret = hashlib.sha256(self.options.secret.encode()).hexdigest() if self.options.secret else ""
        return [self.options.seed, secret, self.options.device, self.options.require, *sorted(self.options.select)]

    def _students(self, handed: Handed) -> tuple[str, ...]:
        """Who handed it in, where questions are drawn for them; nobody, where they would not know themselves by what
        they are known by here."""
        if STUDENT not in constants(self.assignment.quiz) or not any(each.is_known for each in handed.students):
            return ()
        return tuple(handle for each in handed.students for handle in each.handles)

    def _flags(self, handed: Handed) -> list[str]:
        """Integrity flags of what will be graded, whose source is kept for humans and for `deepgrade similarity`."""
        folder = self.out / SOURCES / stem(handed.id)
        try:
            submission = collect(handed.path, self.assignment, folder)
            of_parts = (integrity_flags(text, f"{name}.py, ") for name, text in submission.parts.items())
            return [*integrity_flags(submission.source), *chain.from_iterable(of_parts)]
        except SubmissionError:
            return []  # the grading says what is wrong with it

    def todo(self, handed: Sequence[Handed], only: Sequence[str]) -> list[Handed]:
        """What has no verdict yet, or what is asked for."""
        for wanted in only:
            if wanted not in self.keys:
                near = did_you_mean(wanted, self.keys)
                raise UsageError(f"there is no submission {wanted!r} in the export{near}")
        if only:
            return [each for each in handed if each.id in only]
        left = [each for each in handed if self._lacks(each)]
        for each in handed:
            if each not in left and not self._page(each.id).exists():
                run = self.store.run(each.id, self.keys[each.id])
                assert run is not None
                write_whole(self._page(each.id), page(run))
        return left

    def _lacks(self, handed: Handed) -> bool:
        """Whether it has no verdict, or recordings are wanted and it has none. A fault is no verdict."""
        if self.store.status(handed.id, self.keys[handed.id]) in (None, "fault"):
            return True
        if not self.record or kept_checks(recordings(self.out, handed.id, self.keys[handed.id])):
            return False
        return bool(waiting(self.store.run(handed.id, self.keys[handed.id])))

    def _page(self, submission: str) -> Path:
        return self.out / PAGES / page_name(submission)

    def run(self, todo: Sequence[Handed], pool: Pool, progress: Callable[[Ended], None]) -> None:
        """Grade, and store each result as it comes; whatever stops this, what was stored stays."""
        for each, future in ended(pool, todo, self._task):
            run = self._result(each, future)
            self._keep(each, run)
            progress(Ended(each.id, run, self.done, len(todo)))

    def _measured(self, handed: Handed) -> Run | None:
        """The stored run of which only points that were not measured are repeated."""
        run = self.store.run(handed.id, self.keys[handed.id])
        return run if run and run.pending and not run.has_fault else None

    def _task(self, handed: Handed) -> Task:
        earlier = self._measured(handed)
        pending = tuple(line.check for line in earlier.lines if line.outcome.is_pending) if earlier else ()
        folder = recordings(self.out, handed.id, self.keys[handed.id]) if self.record else None
        options = replace(
            self.options,
            seed=earlier.seed if earlier else self.seed,  # a part is measured as the whole was
            select=pending or self.options.select,
            recordings=folder,
            students=self._students(handed),
        )
        root = (self.root or find_root()).resolve()
        return Task(self.assignment.name, root, self.assignment.preload, handed.path.resolve(), options)

    def _result(self, handed: Handed, future: Future[Run]) -> Run:
        """The run of one submission; whatever goes wrong with it stays with it."""
        try:
            run, earlier = future.result(), self._measured(handed)
            return merged(earlier, run) if earlier and not run.has_fault else run
        except Exception as error:
            return self._faulty(handed, f"{type(error).__name__}: {error}")

    def _faulty(self, handed: Handed, reason: str) -> Run:
        lines = tuple(
            Line(
                check.title,
                check.number,
                check.task,
                check.kind,
                Outcome.FAULT,
                0,
                check.weight,
                reason,
                check=check.name,
                extra=check.extra,
            )
            for check in points(self.assignment)
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        names = self.assignment.name, self.assignment.title, handed.path.name
        return Run(*names, "", 0, {}, "cpu", {}, now, 0.0, lines, reason=reason, status="fault")

    def _keep(self, handed: Handed, run: Run) -> None:
        """First the page, then the row: what has a row has a page."""
        try:
            write_whole(self._page(handed.id), page(run))
            self.store.put(handed.id, self.keys[handed.id], run)
        except (GraderError, OSError):
            self._page(handed.id).unlink(missing_ok=True)
            raise
        self.done += 1
