"""The pool on one machine: threads over one warm engine, whose gradings are processes of their own."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from autograder.classes._pool import Task, Warm
from autograder.results import Run


class Threads:
    """So many gradings at a time, here; see `Pool`."""

    broken = ""

    def __init__(self, jobs: int, preload: tuple[str, ...]) -> None:
        self.ahead, self._warm, self._pool = jobs, Warm(preload), ThreadPoolExecutor(jobs)

    def __enter__(self) -> Self:
        self._warm.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._warm.__exit__(*error)  # first, so that no thread waits for a grading to end
        self._pool.shutdown()

    def submit(self, task: Task) -> Future[Run]:
        """Its run, in time."""
        return self._pool.submit(self._warm.grade, task)
