"""A limit to what a student's code may take in this very process, on any system: a thread looks at the clock, and
interrupts the main thread as Ctrl-C does."""

import _thread
import faulthandler
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import torch

from autograder.checks import Answer, LocalRunner, Raised
from autograder.checks.interrupting import is_between
from autograder.checks.runner import CHECK_CALLS, SHORTENED_SECONDS, place
from autograder.local.forbidden import forbidding
from autograder.sandbox.limits import WorkerLost
from autograder.sandbox.request import Request
from autograder.sandbox.worker import describe

PATIENCE = 1.0  # between two interruptions, should the first be caught in there
TRIES = 4  # then it is in one long operation of NumPy or torch, or catches everything
LAST_RESORT = (TRIES + 3) * PATIENCE  # seconds beyond the limit: what holds Python's lock lets no thread of ours run
DEBUGGING = 3600.0


class TimeUp(KeyboardInterrupt):
    """The time of what runs is over. No `except Exception` catches it."""


class Clock:
    """Limits the time of what runs in the main thread, and answers Ctrl-C there. A context manager.

    Args:
        stuck: called in another thread when nothing interrupts the main one; it should end the process.
    """

    def __init__(self, stuck: Callable[[], None]) -> None:
        self._stuck = stuck
        self._deadline, self._tries, self._sent = math.inf, 0, 0
        self._changed = threading.Condition()
        self._closed = False

    def __enter__(self) -> "Clock":
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Let what is inside take so long.

        Raises:
            TimeUp: it takes longer; raised where it is.
        """
        self._set(time.monotonic() + seconds)
        with suppress(OSError, ValueError, AttributeError):  # where standard error is no file
            faulthandler.dump_traceback_later(seconds + LAST_RESORT, exit=True)
        try:
            yield
        finally:
            self._set(math.inf)
            faulthandler.cancel_dump_traceback_later()

    def _set(self, deadline: float) -> None:
        with self._changed:
            self._deadline, self._tries = deadline, 0
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                left = self._deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(None if left == math.inf else left)
                    continue
                self._tries += 1
                if self._tries > TRIES:
                    self._stuck()
                self._sent += 1
                _interrupt_main()
                self._changed.wait(PATIENCE)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """In the main thread: the clock's signal, or Ctrl-C."""
        if not self._sent:
            raise KeyboardInterrupt
        self._sent -= 1
        if time.monotonic() < self._deadline:
            return  # it ended in the meantime
        if self._tries == 1 and is_between(frame):
            return  # it is interrupted again
        if is_debugged():
            self._deadline, self._tries = time.monotonic() + DEBUGGING, 0
            faulthandler.cancel_dump_traceback_later()
            return
        raise TimeUp


def _interrupt_main() -> None:
    """As Ctrl-C: it ends a sleep, too."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def is_debugged() -> bool:
    """Whether a debugger has this thread: then somebody thinks, and time does not count."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return sys.gettrace() is not None or (monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID))


@dataclass
class TimedRunner:
    """A module in this process, its calls limited in time as the grader limits them.

    Attributes:
        inner: runs them.
        clock: limits them.
        source: the submission's file, to say where it was.
        seconds: for one call; a check may take `CHECK_CALLS` times as long.
        late: functions that ran out of time in this run already, shared by all checks: they get less.
        spent: seconds, of one check.
    """

    inner: LocalRunner
    clock: Clock
    source: Path
    seconds: float
    late: set[str] = field(default_factory=set)
    spent: float = 0.0

    def answer(self, request: Request) -> Answer:
        """See `Runner`."""
        started = time.monotonic()
        most = SHORTENED_SECONDS if request.name in self.late else self.seconds
        most = min(most, CHECK_CALLS * self.seconds - self.spent)
        try:
            with self.clock.limit(most), forbidding(request.absent, *self.modules):
                return self.inner.answer(request)
        except TimeUp as over:
            torch.set_grad_enabled(True)  # it may have been interrupted where it was off
            self.late.add(request.name)
            where = position(over, self.source, self.inner.parts)
            told = f"did not return within {most:g} s. {where}".removesuffix(". ")
            return Answer(lost=WorkerLost("timeout", told))
        finally:
            self.spent += time.monotonic() - started

    @property
    def modules(self) -> list[ModuleType]:
        """The submission's, with those of its parts that it has imported."""
        return [self.inner.module, *(sys.modules[name] for name in self.inner.parts if name in sys.modules)]

    def close(self) -> None:
        """The check has ended."""
        self.spent = 0.0


def position(error: BaseException, source: Path, parts: Collection[str] = ()) -> str:
    """The line of the submission that an interruption found it in; nothing where it was not in there."""
    said = Raised.from_wire(describe(error, str(source), parts))
    where, _, text = place(said, source).strip().partition(": ")
    return f"It was at {where}: `{text}`" if text else f"It was at {where}" if where else ""
