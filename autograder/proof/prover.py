"""The grader's handle on the replayer: recordings go in, values and figures that can be believed come out."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from autograder.errors import GraderError
from autograder.proof.recording import RecordingRefused
from autograder.sandbox.limits import Limits, WorkerLost

if TYPE_CHECKING:  # what forks and confines is not there on a student's machine, which may be any
    from autograder.sandbox.box import Sandbox, Worker

REPLAYER = "autograder.proof.replayer"
LOST = {"timeout": "does not end in time", "memory": "needs more memory than it may have"}


@dataclass(frozen=True)
class Proof:
    """What came of a replay: the value, and what it cost, see `proof.replay.Counter`."""

    value: Any
    figures: dict[str, int]


@dataclass
class Prover:
    """Replays recordings in a process of its own, started at the first of them. A context manager.

    Attributes:
        sandbox: where that process comes from.
        limits: on what it takes.
        is_doubtful: whether it was lost in a check although it had served another, which may have left it less room.
    """

    sandbox: "Sandbox"
    limits: Limits
    is_doubtful: bool = False
    _is_reused: bool = False
    _worker: "Worker | None" = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Prover":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its process."""
        self._stack.close()
        self._worker, self._is_reused = None, False

    def go_on(self) -> None:
        """A check is over, and another comes next: its process serves that too, where hardly anything is left in it."""
        if self._worker is not None and not self._worker.is_as_new():
            self.close()
        self._is_reused, self.is_doubtful = self._worker is not None, False

    def load(self, name: str, recording: Any, device: str = "cpu") -> dict[str, Any]:
        """Keep a recording under a name.

        Returns:
            Names of its `operations`, and line and size of each of its `constants`.

        Raises:
            RecordingRefused: it is none that can be replayed.
        """
        said: dict[str, Any] = self._ask({"do": "load", "name": name, "recording": recording, "device": device})
        return said

    def give(self, inputs: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor], device: str = "cpu") -> None:
        """What the runs to come are given, and where it is to lie."""
        self._ask({"do": "give", "inputs": list(inputs), "cotangents": list(cotangents), "device": device})

    def run(self, name: str) -> Proof:
        """Replay a recording.

        Raises:
            RecordingRefused: an operation of it fails, or it takes too much.
        """
        said = self._ask({"do": "run", "name": name})
        return Proof(said["value"], said["figures"])

    def turns(self, order: Sequence[str]) -> list[tuple[str, float]]:
        """Seconds that each of these runs took, one after the other."""
        return [(name, float(seconds)) for name, seconds in self._ask({"do": "turns", "order": list(order)})]

    def ask(self, door: str, **what: Any) -> Any:
        """Anything else that the replayer can do; see there."""
        return self._ask({"do": door, **what})

    def _ask(self, what: dict[str, Any]) -> Any:
        if self._worker is None:
            self._worker = self._stack.enter_context(self.sandbox.worker(None, self.limits, serves=REPLAYER))
        try:
            reply = self._worker.request(what)
        except WorkerLost as lost:
            self.is_doubtful = self._is_reused
            self.close()
            told = LOST.get(lost.kind)
            raise RecordingRefused(told or f"ends the process that does it again: it {lost}") from lost
        if "error" in reply:
            error = reply["error"]
            refused = RecordingRefused if error["type"] == "RecordingRefused" else GraderError
            raise refused(error["message"] if refused is RecordingRefused else f"the replayer: {error}")
        return reply["value"]
