"""Where a request runs: the student's module in a worker, or a module of our own in this process. Both give the same answers."""

import linecache
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

from autograder.checks.failure import CheckFailed, Raised
from autograder.errors import GraderError
from autograder.sandbox import wire
from autograder.sandbox.box import Limits, Sandbox, Worker, WorkerLost
from autograder.sandbox.steps import Request, Submission, perform
from autograder.sandbox.worker import Sources, describe

SHORTENED_SECONDS = 2.0  # for what did not return in time once already


@dataclass(frozen=True)
class Answer:
    """What came of a request: a plain value, or how it failed.

    Attributes:
        value: the step's value.
        mutated: positions and keywords of arguments that the submission wrote into.
        raised: the exception, if one was raised.
        lost: how the worker ended, if it did.
    """

    value: Any = None
    mutated: tuple[str, ...] = ()
    raised: Raised | None = None
    lost: WorkerLost | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.raised is None and self.lost is None

    @classmethod
    def from_reply(cls, reply: Any) -> "Answer":
        """From a worker's reply, which may be anything."""
        if not isinstance(reply, dict) or not ({"value"} <= reply.keys() or {"error"} <= reply.keys()):
            return cls(lost=WorkerLost("garbled", "sent back something that is no answer"))
        if "error" in reply:
            return cls(raised=Raised.from_wire(reply["error"]))
        mutated = reply.get("mutated")
        names = mutated if isinstance(mutated, list) else []
        return cls(reply["value"], tuple(name for name in names if isinstance(name, str))[:20])


class Runner(Protocol):
    """Anything that answers requests."""

    def answer(self, request: Request) -> Answer:
        """Run one step; never raises for what the module does."""
        ...


@dataclass
class LocalRunner:
    """A module in this process: the reference, a known mistake, or, on a student's own machine, the submission."""

    module: ModuleType
    helpers: ModuleType | None = None

    def answer(self, request: Request) -> Answer:
        """See `Runner`. Arguments and results are copied, as if they had crossed the boundary."""
        try:
            sent = Request.from_wire(wire.copied(request.to_wire()))
            return Answer.from_reply(wire.copied(perform(Submission(self.module, self.helpers), sent)))
        except Exception as error:
            return Answer(raised=Raised.from_wire(describe(error, str(self.module.__file__))))


@dataclass
class BoxedRunner:
    """The submission in a worker of its own, started at the first request and ended with the check.

    Attributes:
        sandbox: where workers come from.
        sources: what the worker imports.
        limits: for each call.
        late: steps that already ran out of time in this run, by name; shared by all checks.
    """

    sandbox: Sandbox
    sources: Sources
    limits: Limits
    late: set[str] = field(default_factory=set)
    output: str = ""
    _worker: Worker | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def answer(self, request: Request) -> Answer:
        """See `Runner`."""
        failed = self._start()
        if failed is not None:
            return failed
        seconds = min(SHORTENED_SECONDS, self.limits.call_seconds) if request.name in self.late else None
        try:
            assert self._worker is not None
            return Answer.from_reply(self._worker.request(request.to_wire(), seconds))
        except WorkerLost as lost:
            if lost.kind == "timeout":
                self.late.add(request.name)
            return Answer(lost=lost)
        except wire.WireError as error:
            raise GraderError(f"the check's arguments cannot be sent: {error}") from error

    def _start(self) -> Answer | None:
        """Start the worker and import the submission; an answer only where that fails."""
        if self._worker is not None:
            return None
        self._worker = self._stack.enter_context(self.sandbox.worker(self.sources, self.limits))
        try:
            answer = Answer.from_reply(self._worker.request("import"))
        except WorkerLost as lost:
            answer = Answer(lost=lost)
        return None if answer.ok else answer

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


def import_failure(runner: BoxedRunner) -> Answer | None:
    """Import the submission once, for its own sake; an answer only where that fails."""
    with runner:
        return runner._start()


def explain(answer: Answer, source: Path, call: str) -> CheckFailed:
    """A failed answer in the student's words.

    Args:
        answer: one that is not `ok`.
        source: the submission, for the line that an exception passed.
        call: what was called.
    """
    if answer.lost is not None:
        return CheckFailed(f"Your code {answer.lost}.", rung=answer.lost.kind, call=call)
    raised = answer.raised
    assert raised is not None
    if raised.type == "NotImplementedError" and raised.message.count(".") == 1:
        return CheckFailed(f"Not done yet: the stub of {raised.message} is still in place.", rung="stub", call=call)
    if raised.type == "ContractError":
        return CheckFailed(f"{raised.message[:1].upper()}{raised.message[1:]}.", rung="structure", call=call)
    text = f"{raised.type}: {raised.message}" if raised.message else raised.type
    return CheckFailed(f"It raised {text}{_where(raised, source)}", rung="raised", call=call)


def _where(raised: Raised, source: Path) -> str:
    if raised.line is None:
        return ""
    place = f"\n  line {raised.line} of {source.name}" + (f", in {raised.function}" if raised.function else "")
    text = linecache.getline(str(source), raised.line).strip()
    return f"{place}: {text[:120]}" if text else place


Describe = Callable[[Request], str]
