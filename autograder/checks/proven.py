"""What a call costs, proven: the operations that were seen in the worker, done again where the submission never was.

The recording is replayed on inputs that no submission has seen; what it gives is compared with the reference's answer
to these, and every figure is counted in the replay. Numbers that were computed outside torch, or out of sight, do not
change with the inputs, and show.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch

from autograder.checks.agreement import Agrees
from autograder.checks.draw import Draw
from autograder.checks.failure import CheckFailed, Deferred
from autograder.checks.runner import Answer
from autograder.checks.tolerance import Tolerance
from autograder.errors import GraderError
from autograder.proof.prover import Prover
from autograder.proof.recording import RecordingRefused
from autograder.sandbox.absence import TORCH, is_forbidden
from autograder.sandbox.request import Request
from autograder.sandbox.steps import cotangents_for, differentiable, recorded_inputs

STUDENT, REFERENCE = "student", "reference"
NO_DEVICE = "This check needs a GPU; its points are added from a run where there is one."
RECORDED = "What your code does was recorded; a GPU will do it again, and its points are added then."
UNRECORDED = ("timeout", "memory")  # what the sizes of a device may take where there is none
Inputs = Callable[[Draw], tuple[Any, ...]]
Asking = Callable[[Agrees, Draw], Request]


class Kept(Protocol):
    """Recordings that wait for a device, one a check: made where `replays` is False, replayed where it is True."""

    @property
    def replays(self) -> bool: ...

    def put(self, check: str, recording: Any) -> None: ...

    def get(self, check: str) -> Any: ...


@dataclass(frozen=True)
class Proven:
    """A call whose recording was seen to be right.

    Attributes:
        call: as a student would write it.
        student: the student's figures.
        reference: the reference's.
    """

    call: str
    student: dict[str, int]
    reference: dict[str, int]


@dataclass
class Proofs:
    """Makes proofs for one check.

    Attributes:
        agrees: student and reference.
        prover: where recordings are replayed.
        secret: other inputs are drawn from, which whoever makes a recording must not know.
        device: on what, in torch's words.
        kept: where the student's recording is kept for a device, or comes from.
        check: under this name.
        fresh: the request that the last recording was replayed for.
        right: the reference's answer to it.
    """

    agrees: Agrees
    prover: Prover
    secret: int
    device: str = "cpu"
    kept: Kept | None = None
    check: str = ""
    fresh: Request = field(default_factory=lambda: Request("call", ""))
    right: Answer = field(default_factory=Answer)

    def of(self, asking: Asking, tol: Tolerance | None = None, limit: float | None = None) -> Proven:
        """The proof of one call.

        Args:
            asking: makes the request from a draw; called once for the recording and once for the replay, which keeps
                whatever is no floating tensor as it was recorded.
            tol: of the comparison.
            limit: operations after which recording ends, since more would lose anyway.

        Raises:
            CheckFailed: the answer is wrong, or not what the recorded operations give on other numbers.
            Deferred: it is recorded, and to be replayed elsewhere.
        """
        first = asking(self.agrees, self.agrees.student.draw)
        first = first.recorded(None if limit is None else 2 * int(limit) + 1000)
        call, student, expected = self._proven(first, asking, tol)
        once = self.agrees.reference.once
        return Proven(call, student, once(first, "figures", lambda: self._figures_of_reference(expected)))

    def loaded(self, asking: Asking, tol: Tolerance | None = None) -> str:
        """As `of`, without figures: the proven recording and the reference's are loaded, so that they can take turns.

        Returns:
            The call, as a student would write it.
        """
        first = asking(self.agrees, self.agrees.student.draw).recorded(None)
        call, _, expected = self._proven(first, asking, tol)
        self._load_reference(expected)
        return call

    def _proven(self, first: Request, asking: Asking, tol: Tolerance | None) -> tuple[str, dict[str, int], Answer]:
        """The call, the student's figures, and the reference's answer."""
        self._refuse_numpy(first)
        got, expected = self._recorded(first, tol)
        call = self.agrees.student.describe(first)
        other = Draw(self.secret, f"replay of {first.options['seed']}")
        self.fresh = _afresh(first.unrecorded(), asking(self._with(other), other))
        self._give(self.fresh)
        student = self._replayed(call, got, self.fresh, tol)  # before the replayer's memory has held the answer
        return call, student, expected

    def _recorded(self, first: Request, tol: Tolerance | None) -> tuple[Answer, Answer]:
        """The student's answer, with its recording, and the reference's."""
        if self.kept is not None and self.kept.replays:
            return Answer(recording=self.kept.get(self.check)), self.agrees.expected(first)
        try:
            self.agrees.compare(first, tol)
        except CheckFailed as failed:
            if self.kept is not None and failed.evidence.rung in UNRECORDED:
                raise Deferred(NO_DEVICE) from failed
            raise
        got, expected = (door.log[-1][1] for door in (self.agrees.student, self.agrees.reference))
        if self.kept is not None:
            self.kept.put(self.check, got.recording)
            raise Deferred(RECORDED)
        return got, expected

    def _with(self, draw: Draw) -> Agrees:
        return replace(self.agrees, student=replace(self.agrees.student, draw=draw))

    def _give(self, fresh: Request) -> None:
        """Hand the replayer fresh inputs, and cotangents for what is right on them."""
        self.right = self.agrees.reference.runner.answer(fresh)
        if not self.right.ok:
            raise GraderError(f"the reference fails on fresh inputs: {self.right.raised or self.right.lost}")
        outputs = self.right.value["outputs"] if fresh.step in ("autograd", "module") else None
        cotangents = cotangents_for(differentiable(outputs), fresh.options["seed"])
        self.prover.give(recorded_inputs(list(fresh.args), fresh.kwargs, fresh.options), cotangents, self.device)

    def _load_reference(self, recorded: Answer) -> None:
        with _our_fault():
            self.prover.load(REFERENCE, recorded.recording, self.device)

    def _figures_of_reference(self, recorded: Answer) -> dict[str, int]:
        self._load_reference(recorded)
        with _our_fault():
            return self.prover.run(REFERENCE).figures

    def _replayed(self, call: str, got: Answer, fresh: Request, tol: Tolerance | None) -> dict[str, int]:
        """Load, run and judge the student's recording; its figures."""
        constants: list[Any] = []
        try:
            said = self.prover.load(STUDENT, got.recording, self.device)
            constants = said["constants"]
            self._refuse_forbidden(call, fresh, said["operations"])
            proof = self.prover.run(STUDENT)
            self.agrees.judge(fresh, Answer(value=proof.value), Answer(value=_tensors(self.right.value)), tol)
        except RecordingRefused as refused:
            told = f"What your code was seen to do {refused}.{_outside(constants)}"
            raise CheckFailed(told, rung="unproven", call=call) from refused
        except CheckFailed as failed:
            if failed.evidence.rung == "forbidden":
                raise
            told = f"The answer is right, but torch was not seen to compute it: {OTHERWISE}{_outside(constants)}"
            raise CheckFailed(told, rung="unproven", call=call) from failed
        return proof.figures

    def _refuse_forbidden(self, call: str, request: Request, operations: list[str]) -> None:
        for name in operations:
            if is_forbidden(name, request.absent):
                plain = name.removeprefix("aten::").partition(".")[0]
                told = f"This task is about writing what `{plain}` does: using it earns nothing."
                raise CheckFailed(told, rung="forbidden", call=call)

    def _refuse_numpy(self, request: Request) -> None:
        if TORCH in request.absent:
            raise GraderError(f"{request.name}: what NumPy does is not seen, so it has no cost and no race")


@contextmanager
def _our_fault() -> Iterator[None]:
    """What is refused of the reference's recording is not the student's."""
    try:
        yield
    except RecordingRefused as refused:
        raise GraderError(f"the reference's own recording {refused}") from refused


OTHERWISE = "the same operations on other numbers give another answer."


def _outside(constants: list[Any]) -> str:
    """Which numbers came from nowhere. A line 0 says that the step itself drew them."""
    lines = sorted({line for line, _ in constants if type(line) is int and line > 0})
    if all(line == 0 for line, _ in constants):
        return ""
    if not lines:  # they are what is returned, or went into the gradients
        return " Numbers that were computed outside torch, or in a thread, went into it."
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines[:4]))}"
    return f" Numbers that were computed outside torch, or in a thread, are used in {where}."


def _afresh(first: Request, other: Request) -> Request:
    """The second request's floating tensors, and all else of the first."""
    options = first.options | {"seed": other.options["seed"]}
    if "state" in options:
        options["state"] = _merged(first.options["state"], other.options["state"])
    return replace(
        first, args=_merged(first.args, other.args), kwargs=_merged(first.kwargs, other.kwargs), options=options
    )


def _merged(first: Any, other: Any) -> Any:
    if isinstance(first, torch.Tensor) and first.is_floating_point():
        if not isinstance(other, torch.Tensor) or other.shape != first.shape:
            raise GraderError("the inputs of a cost or a race must have the same shapes at each draw")
        return other
    if isinstance(first, Mapping):
        return {key: _merged(item, other[key]) for key, item in first.items()}
    if isinstance(first, list | tuple):
        return type(first)(_merged(mine, theirs) for mine, theirs in zip(first, other, strict=True))
    return first


def _tensors(value: Any) -> Any:
    """The value as a replay gives it: arrays are tensors."""
    if isinstance(value, np.ndarray | np.generic):
        return torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return {str(key): _tensors(item) for key, item in value.items()}
    return type(value)(map(_tensors, value)) if isinstance(value, list | tuple) else value
