"""The submission behind the sandbox, answering requests like any other runner. Linux."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from autograder.checks.failure import Raised
from autograder.checks.runner import Answer
from autograder.errors import GraderError
from autograder.sandbox import wire
from autograder.sandbox.box import Sandbox, Worker
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.steps import Request
from autograder.sandbox.worker import MAX_FAILED, Sources

LEAST_SECONDS = 0.1  # for a call
CHECK_CALLS = 6  # a check may take as long as so many calls that take their limit
SHORTENED_SECONDS = 2.0  # for what did not return in time once already


@dataclass
class BoxedRunner:
    """The submission in a worker of its own, started at the first request and ended with the check.

    Attributes:
        sandbox: where workers come from.
        sources: what the worker imports.
        limits: for each call.
        late: steps that already ran out of time in this run, by name; shared by all checks.
        text: what the worker imports in the submission's stead: the reference, where it races.
        deadline: of the run, on the monotonic clock; no call goes on after it.
        seconds: that the last answer took, from the first byte sent to the last one received.
        spent: seconds that all answers took together; a check may take `CHECK_CALLS` times the limit of a call.
    """

    sandbox: Sandbox
    sources: Sources
    limits: Limits
    late: set[str] = field(default_factory=set)
    text: str | None = None
    deadline: float = math.inf
    output: str = ""
    seconds: float = 0.0
    spent: float = 0.0
    _worker: Worker | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def answer(self, request: Request) -> Answer:
        """See `Runner`. What ended its worker gets a fresh one with the next request."""
        failed = self._start()
        if failed is not None:
            return failed
        late = request.name in self.late
        answer = self._asked(request.to_wire(), SHORTENED_SECONDS if late else self.limits.call_seconds)
        if answer.lost is not None and answer.lost.kind == "timeout":
            self.late.add(request.name)
        return answer

    def _start(self) -> Answer | None:
        """Start the worker and import the submission; an answer only where that fails."""
        if self._worker is not None:
            return None
        answer = self._import()
        return None if answer.ok else answer

    def _import(self) -> Answer:
        self._worker = self._stack.enter_context(self.sandbox.worker(self.sources, self.limits))
        return self._asked({"import": self.text}, self.limits.call_seconds)

    def _asked(self, what: Any, most: float) -> Answer:
        """One exchange with the worker, within `most` seconds and what is left of the check and the run."""
        assert self._worker is not None
        started, allowed = time.monotonic(), CHECK_CALLS * self.limits.call_seconds
        over = WorkerLost("timeout", f"took more than {allowed:g} s in this check alone")
        if self.spent >= allowed:
            return Answer(lost=over)
        left = min(self.deadline - started, allowed - self.spent)
        try:
            reply = self._worker.request(what, max(LEAST_SECONDS, min(most, self.limits.call_seconds, left)))
            self.seconds = self._worker.seconds
            return Answer.from_reply(reply)
        except WorkerLost as lost:
            self.close()
            is_over = lost.kind == "timeout" and self.spent + time.monotonic() - started >= allowed
            return Answer(lost=over if is_over else lost)
        except wire.WireError as error:
            raise GraderError(f"the check's arguments cannot be sent: {error}") from error
        finally:
            self.spent += time.monotonic() - started

    def freeze(self) -> None:
        """Stop the worker, all its threads, until `thaw`."""
        if self._worker is not None:
            self._worker.freeze()

    def thaw(self) -> None:
        """Let it run on."""
        if self._worker is not None:
            self._worker.thaw()

    def pin(self, processor: int) -> None:
        """Give the worker, which must not have started yet, one processor only."""
        self.limits = replace(self.limits, processor=processor)

    def close(self) -> None:
        """End the worker, if there is one, and keep what was printed."""
        self._stack.close()
        if self._worker is not None:
            self.output = self._worker.output.decode("utf-8", "replace")
            self._worker = None

    def __enter__(self) -> "BoxedRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def imported(runner: BoxedRunner) -> tuple[Answer | None, list[Answer]]:
    """Import the submission once, for its own sake: an answer where that fails, and one for each statement that failed
    although the import went on."""
    with runner:
        answer = runner._import()
    if not answer.ok:
        return answer, []
    failed = answer.value if isinstance(answer.value, list) else []
    return None, [Answer(raised=Raised.from_wire(each)) for each in failed[:MAX_FAILED]]
