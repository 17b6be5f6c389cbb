"""The submission behind the sandbox, answering requests like any other runner. Linux."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from autograder.checks.failure import Raised
from autograder.checks.runner import CHECK_CALLS, SHORTENED_SECONDS, Answer
from autograder.errors import GraderError
from autograder.sandbox import wire
from autograder.sandbox.absence import TORCH
from autograder.sandbox.box import Sandbox, Worker
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.request import Request
from autograder.sandbox.worker import MAX_FAILED, Sources

LEAST_SECONDS = 0.1  # for a call
MOST_IDLE = 3  # workers that wait for another check: each may keep some memory


@dataclass
class BoxedRunner:
    """The submission in workers of its own, one for each set of things that must be absent, started at the first
    request that needs it. It serves one check after another, and imports the submission anew for each: in the worker
    that is there as long as all that it answered was right and it left nothing behind, else in a fresh one.

    Attributes:
        sandbox: where workers come from.
        sources: what the worker imports.
        limits: for each call.
        late: steps that already ran out of time in this run, by name; shared by all checks.
        deadline: of the run, on the monotonic clock; no call goes on after it.
        spent: seconds that all answers took together; a check may take `CHECK_CALLS` times the limit of a call.
        is_reused: whether a worker answered in this check that had answered in another.
        is_fresh: whether none may in this check.
    """

    sandbox: Sandbox
    sources: Sources
    limits: Limits
    late: set[str] = field(default_factory=set)
    deadline: float = math.inf
    output: str = ""
    spent: float = 0.0
    is_reused: bool = False
    is_fresh: bool = False
    _workers: dict[tuple[str, ...], Worker] = field(default_factory=dict)
    _idle: dict[tuple[str, ...], Worker] = field(default_factory=dict)
    _unfit: set[tuple[str, ...]] = field(default_factory=set)
    _late_here: set[str] = field(default_factory=set)
    _stack: ExitStack = field(default_factory=ExitStack)

    def answer(self, request: Request) -> Answer:
        """See `Runner`. What ended its worker gets a fresh one with the next request."""
        failed = self._start(request.absent)
        if failed is not None:
            return failed
        most = SHORTENED_SECONDS if request.name in self.late else self.limits.call_seconds
        answer = self._asked(self._workers[request.absent], request, most)
        if answer.lost is not None and answer.lost.kind == "timeout" and request.name not in self.late:
            self.late.add(request.name)
            self._late_here.add(request.name)
        return answer

    def _start(self, absent: tuple[str, ...]) -> Answer | None:
        """Start the worker and import the submission; an answer only where that fails.

        Without any of torch a module that keeps constant tensors could not be imported: there torch goes after it.
        """
        if absent in self._workers or self._imported_again(absent):
            return None
        answer = self.imported(absent, absent)
        if TORCH in absent and _wants_torch(answer):
            self._end(absent)
            answer = self.imported(absent, tuple(each for each in absent if each != TORCH))
        return None if answer.ok else answer

    def imported(self, absent: tuple[str, ...], before: tuple[str, ...], fresh: Worker | None = None) -> Answer:
        """The import in a fresh worker, in which `before` is absent from its birth, and the rest after the import."""
        worker = fresh or self._stack.enter_context(self.sandbox.worker(self.sources, self.limits, before))
        asked = {"import": None, "absent": [each for each in absent if each not in before]}
        answer = self._asked(worker, asked, self.limits.call_seconds)
        if answer.ok:
            self._workers[absent] = worker
        else:
            worker.close()
        if absent != before or not _is_whole(answer):
            self._unfit.add(absent)
        return answer

    def _imported_again(self, absent: tuple[str, ...]) -> bool:
        """Whether a worker of the check before goes on, with the submission as a fresh import leaves it."""
        if self.is_fresh or (worker := self._idle.pop(absent, None)) is None:
            return False
        try:
            answer = Answer.from_reply(worker.request({"import": None, "absent": []}, self.limits.call_seconds))
        except WorkerLost:
            return False
        if not _is_whole(answer):
            worker.close()
            return False
        self._workers[absent], self.is_reused = worker, True
        return True

    def go_on(self, passed: bool) -> None:
        """The check is over, and another comes next: only what passed leaves its workers to those that follow."""
        self._leave(passed)
        self.is_fresh = False

    def start_over(self) -> None:
        """A case of the check is run again, in fresh workers and with all of its time."""
        self.late -= self._late_here
        self._leave(passed=False)
        self.is_fresh = True

    def _leave(self, passed: bool) -> None:
        for absent, worker in self._workers.items():
            stays = passed and absent not in self._unfit and absent not in self._idle and worker.is_as_new()
            if stays:
                self._idle[absent] = worker
            else:
                worker.close()
            self._print(worker)
        for absent in [*self._idle][: max(0, len(self._idle) - MOST_IDLE)]:
            self._idle.pop(absent).close()
        self._workers, self.spent, self.is_reused = {}, 0.0, False
        self._late_here.clear()

    def _end(self, absent: tuple[str, ...]) -> None:
        if worker := self._workers.pop(absent, None):
            worker.close()

    def _asked(self, worker: Worker, what: Any, most: float) -> Answer:
        """One exchange with a worker, within `most` seconds and what is left of the check and the run."""
        started, allowed = time.monotonic(), CHECK_CALLS * self.limits.call_seconds
        over = WorkerLost("timeout", f"took more than {allowed:g} s in this check alone")
        if self.spent >= allowed:
            return Answer(lost=over)
        left = min(self.deadline - started, allowed - self.spent)
        try:
            reply = worker.request(what, max(LEAST_SECONDS, min(most, self.limits.call_seconds, left)))
            return Answer.from_reply(reply)
        except WorkerLost as lost:
            self.close()
            is_over = lost.kind == "timeout" and self.spent + time.monotonic() - started >= allowed
            return Answer(lost=over if is_over else lost)
        except wire.WireError as error:
            raise GraderError(f"the check's arguments cannot be sent: {error}") from error
        finally:
            self.spent += time.monotonic() - started

    def close(self) -> None:
        """End the workers, and keep what was printed."""
        self._stack.close()
        for worker in self._workers.values():
            self._print(worker)
        self._workers, self._idle = {}, {}

    def _print(self, worker: Worker) -> None:
        self.output += worker.output.decode("utf-8", "replace")
        worker.output.clear()

    def __enter__(self) -> "BoxedRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def imported(runner: BoxedRunner, fresh: Worker | None = None) -> tuple[Answer | None, list[Answer]]:
    """Import the submission once, for its own sake: an answer where that fails, and one for each statement that failed
    although the import went on.

    Args:
        runner: of the submission.
        fresh: a worker in which nothing of it has run; None makes one.
    """
    with runner:
        answer = runner.imported((), (), fresh)
    if not answer.ok:
        return answer, []
    failed = answer.value if isinstance(answer.value, list) else []
    return None, [Answer(raised=Raised.from_wire(each)) for each in failed[:MAX_FAILED]]


def _is_whole(answer: Answer) -> bool:
    """Whether an import ran to its end, by its own account."""
    return answer.ok and isinstance(answer.value, list) and not answer.value


def _wants_torch(answer: Answer) -> bool:
    """Whether an import used torch where it is absent: what a worker says of that costs nobody but itself."""
    failed = answer.value if isinstance(answer.value, list) else []
    said = [answer.raised, *(Raised.from_wire(each) for each in failed[:MAX_FAILED])]
    return any(raised is not None and raised.type == "AbsentError" for raised in said)
