"""Where submissions are graded: one interface, so that the driver need not know whether in threads or on a cluster.

A task is one submission; it crosses to other machines as it is, so it holds plain values and paths that all of them
see. A pool grades tasks, in whatever order, and never touches the store.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from autograder.errors import GraderError
from autograder.grading import Engine, Options, Rehearsed, grade, rehearse
from autograder.results import Run


@dataclass(frozen=True)
class Task:
    """One submission to grade.

    Attributes:
        assignment: its name.
        root: folder of the course, absolute.
        preload: public modules that a warm process imports once.
        path: of the submission, absolute.
        options: how to grade.
    """

    assignment: str
    root: Path
    preload: tuple[str, ...]
    path: Path
    options: Options


class Pool(Protocol):
    """Grades tasks. A context manager: leaving it stops what still runs."""

    @property
    def ahead(self) -> int:
        """How many tasks may be handed over before the first has come back."""

    @property
    def broken(self) -> str:
        """Why no task will ever come back; empty where they do."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def submit(self, task: Task) -> Future[Run]:
        """Its run, in time; an exception where no try gave one."""


STAYS = "What was stored stays. Make room or repair, then run the same again."
T = TypeVar("T")


def ended(pool: Pool, todo: Sequence[T], task: Callable[[T], Task]) -> Iterator[tuple[T, Future[Run]]]:
    """Have a pool grade, and yield each with its future as it ends.

    Args:
        pool: that grades; it is handed as many at a time as it takes.
        todo: whatever is to be graded, in this order.
        task: makes the task of one, as late as can be.

    Raises:
        GraderError: no more will come back.
    """
    waiting, running = list(reversed(todo)), dict[Future[Run], T]()
    while waiting or running:
        while waiting and len(running) < pool.ahead:
            each = waiting.pop()
            running[pool.submit(task(each))] = each
        done = wait(running, return_when=FIRST_COMPLETED).done
        if pool.broken:
            raise GraderError(f"the cluster takes no jobs: {pool.broken}", help=STAYS)
        for future in done:
            yield running.pop(future), future


class Warm:
    """One warm engine for all threads of a process, and another in its place when it was killed. From the second
    submission on that is graded like another, it prepares for more of them. A context manager."""

    def __init__(self, preload: tuple[str, ...]) -> None:
        self._preload, self._lock, self._engine = preload, threading.Lock(), Engine(preload=preload)
        self._closed = False
        self._rehearsing, self._seen = threading.Lock(), set[tuple[object, ...]]()
        self._prepared: dict[tuple[object, ...], Rehearsed | None] = {}

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._closed = True
            self._engine.__exit__(*error)

    def grade(self, task: Task) -> Run:
        """Its run; once more, without what was prepared, where a process was lost, which the submission could not help.

        Raises:
            GraderError: the assignment's own files are wrong, or this was closed meanwhile.
        """
        for again in (False, True):
            engine = self._current()
            found = None if again else self._rehearsed(engine, task)
            run = grade(
                task.assignment, task.path, root=task.root, options=task.options, engine=engine, rehearsed=found
            )
            if not run.has_fault or (engine.is_alive and found is None):
                break
        return run

    def _rehearsed(self, engine: Engine, task: Task) -> Rehearsed | None:
        """What is prepared for such a task: for the first nothing, since for one alone it would not pay."""
        options = task.options
        like = engine, task.assignment, task.root, options.seed, options.select, options.device
        with self._rehearsing:
            if like not in self._seen:
                self._seen.add(like)
                return None
            if like not in self._prepared:
                self._prepared[like] = rehearse(task.assignment, root=task.root, options=options, engine=engine)
            return self._prepared[like]

    def _current(self) -> Engine:
        """The engine to ask; started anew if the last one died."""
        with self._lock:
            if self._closed:
                raise GraderError("the run was stopped")
            if not self._engine.is_alive:
                self._engine.__exit__(None, None, None)
                self._engine = Engine(preload=self._preload)
                self._engine.__enter__()
            return self._engine
