"""What checks are run against, and how each case of one ends: between the plugin and those who run it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.assignment import Assignment, Mistake
from autograder.checks import LocalRunner, Runner
from autograder.checks.diagnosis import Diagnoses
from autograder.checks.picture import Picture
from autograder.checks.proven import Kept
from autograder.checks.race import Inconclusive
from autograder.proof.prover import Prover

UNDIAGNOSED = frozenset(  # rungs that no known mistake ends on
    ("stub", "missing", "timeout", "memory", "disk", "exit", "signal", "garbled", "forbidden", "slow", "cost")
) | {"unproven", "identity"}


@dataclass(frozen=True)
class Case:
    """How one case of a check ended.

    Attributes:
        outcome: passed, failed, blocked, deferred or fault.
        id: the parameters' id, empty where there are none.
        message: for the student; for a fault, for us.
        rung: what went wrong, in one word (see `checks.failure.Evidence`).
        diagnosis: the known mistake that gives the same answer.
        score: points set by the check itself, None for all or nothing.
        picture: of where values differ.
        beside: yours and expected side by side, of a public check.
        function, place: see `checks.blame.Blame`.
    """

    outcome: str
    id: str = ""
    message: str = ""
    rung: str = ""
    diagnosis: Mistake | None = None
    score: float | None = None
    duration: float = 0.0
    picture: Picture | None = None
    beside: str = ""
    function: str = ""
    place: str = ""
    leaderboard: tuple[str, Any, str] | None = None
    figures: dict[str, Any] = field(default_factory=dict)


class Blocked(Exception):
    """The check was not run, and why."""


def drawn_secret() -> int:
    """From the system's randomness."""
    return secrets.randbits(128)


def _nobody() -> Prover:
    raise Inconclusive("What a call costs is proven in a sandbox, and there is none here.")


@dataclass
class World:
    """What checks are run against.

    Attributes:
        assignment: facts.
        student: makes the runner for one check; called once a case.
        student_module: where parameter names for messages come from (the reference where there is one).
        reference: the reference's runner, None on a student's machine.
        seed: of the run.
        deadline: on the monotonic clock; checks that would start later are blocked.
        source: the submission, for messages.
        diagnosis: knows known mistakes by their answers.
        prover: makes what replays recordings, in a process of its own.
        device: where checks that need an accelerator run; empty where there is none.
        large: as `student`, for calls at an accelerator's sizes; None where checks that need one are deferred.
        kept: recordings of these checks, to be made here or to be replayed.
        secret: what submissions are proven on is drawn from; it never leaves this process.
        students: what those who handed it in are known by; empty where nobody knows.
    """

    assignment: Assignment
    student: Callable[[], Runner]
    student_module: Any
    reference: LocalRunner | None
    seed: int
    deadline: float
    source: Any
    diagnosis: Diagnoses | None = None
    prover: Callable[[], Prover] = _nobody
    device: str = ""
    large: Callable[[], Runner] | None = None
    kept: Kept | None = None
    secret: int = field(default_factory=drawn_secret)
    students: tuple[str, ...] = ()

    def become(self, other: "World") -> None:
        """From now on be as another: whoever holds this one goes on with that."""
        vars(self).update(vars(other))
