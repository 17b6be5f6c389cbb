"""The submission behind the sandbox, answering requests like any other runner. Linux."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from autograder.checks.runner import Answer
from autograder.errors import GraderError
from autograder.sandbox import wire
from autograder.sandbox.box import Sandbox, Worker
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.steps import Request
from autograder.sandbox.worker import Sources

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
        seconds: that the last answer took, from the first byte sent to the last one received.
    """

    sandbox: Sandbox
    sources: Sources
    limits: Limits
    late: set[str] = field(default_factory=set)
    text: str | None = None
    output: str = ""
    seconds: float = 0.0
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
            reply = self._worker.request(request.to_wire(), seconds)
            self.seconds = self._worker.seconds
            return Answer.from_reply(reply)
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
            answer = Answer.from_reply(self._worker.request({"import": self.text}))
        except WorkerLost as lost:
            answer = Answer(lost=lost)
        return None if answer.ok else answer

    def freeze(self) -> None:
        """Stop the worker, all its threads, until `thaw`."""
        if self._worker is not None:
            self._worker.freeze()

    def thaw(self) -> None:
        """Let it run on."""
        if self._worker is not None:
            self._worker.thaw()

    def pin(self, processor: int) -> None:
        """Keep the worker on one processor: many threads are worth no more than one there."""
        if self._worker is not None:
            self._worker.pin(processor)

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
