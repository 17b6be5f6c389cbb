"""Ends what takes too long in the grader's own process: a check that loops, a reference that does not return.

A submission's time is watched call by call, and check by check, where it is called. Here a timer looks, several times a
second, at where the grader itself is: while it waits for a worker, that is the submission's time; all other time is
ours, and there is a limit to it, so that one bad check costs its own line and no other. What no Python code can
interrupt is ended by the process that started the grader (`engine`), at the end of the run's time.
"""

import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pluggy
import pytest

from autograder.checks import CheckFailed
from autograder.checks.interrupting import is_between
from autograder.checks.runner import CHECK_CALLS
from autograder.errors import GraderError
from autograder.sandbox import box
from autograder.suite.world import Blocked

TICK = 0.25
PATIENCE = 1.0  # between two interruptions of the same check, should the first be caught in there
OVER = "The time for this submission ran out in the middle of this check."
MUST_NOT_BREAK = ("emit", "report")  # functions of the grader that write to its connection


class Stopwatch:
    """A pytest plugin that lets no check take more than its time, or more than is left of the run's.

    Args:
        deadline: of the run, on the monotonic clock.
        seconds: of ours, for one check with all its cases.
    """

    def __init__(self, deadline: float, seconds: float) -> None:
        self.deadline = deadline
        self.seconds = seconds
        self.check = ""
        self.ours = 0.0
        self.last = 0.0
        self.reports = False
        self.patient_until = 0.0

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """A file of checks that does not end when it is imported."""
        self._begin(collector.nodeid)
        with self._running():
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """The cases of a check share its time."""
        self._begin(item.nodeid.partition("[")[0])
        with self._running():
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, pluggy.Result[None], None]:
        """The check itself. A call that was cut short because the run's time was over is nobody's failure."""
        with self._running():
            outcome = yield
        failure = outcome.exception
        if isinstance(failure, CheckFailed) and failure.evidence.rung == "timeout" and self.last > self.deadline:
            outcome.force_exception(Blocked(OVER))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """Looking for the known mistake that gives the same answer, where only a fault of ours can be reported."""
        with self._running(reports=True):
            yield

    def _begin(self, check: str) -> None:
        if check != self.check:
            self.check, self.ours = check, 0.0

    @contextmanager
    def _running(self, reports: bool = False) -> Iterator[None]:
        self.reports, self.last = reports, time.monotonic()
        before = signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            self.last = time.monotonic()

    def _tick(self, _: int, frame: FrameType | None) -> None:
        """Count the time since the last look; raise where it is too much, and where raising does no harm.

        Raises:
            GraderError: ours is used up. Blocked: the run's is.
        """
        now, between = time.monotonic(), is_between(frame)
        passed, self.last = now - self.last, now
        while frame is not None:
            if (
                frame.f_code.co_name in MUST_NOT_BREAK
                and frame.f_globals.get("__name__") == "autograder.grading.grader"
            ):
                return
            if frame.f_globals is vars(box):
                return
            frame = frame.f_back
        self.ours += passed
        if now < self.patient_until or between:
            return
        self.patient_until = now + PATIENCE
        if self.ours > self.seconds:
            raise GraderError(f"the check itself did not end within {self.seconds:g} s")
        if now > self.deadline and not self.reports:
            raise Blocked(OVER)
        self.patient_until = 0.0


def watch(deadline: float, call_seconds: float) -> list[Any]:
    """The plugin, where the platform has timers of that kind."""
    return [Stopwatch(deadline, CHECK_CALLS * call_seconds)] if hasattr(signal, "setitimer") else []
