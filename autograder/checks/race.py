"""The race: student against reference on the grader's clock. Both run in workers of their own and take turns in random
order, on fresh inputs each time; every answer is verified; whoever is not at turn stands still.

The rule is min / min, over 15 + 15 + 30 + 60 pairs of turns with pauses, and stops at the first pass: of the rules
that were compared on quiet and loaded machines, the one without a false fail. A machine on which the reference does
not agree with itself gives no verdict.
"""

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import torch

from autograder.assignment import Targets
from autograder.checks.agreement import Agrees
from autograder.checks.failure import CheckFailed
from autograder.checks.runner import Answer, explain
from autograder.checks.tolerance import Tolerance
from autograder.errors import GraderError
from autograder.sandbox.steps import Request
from autograder.sandbox.wire import arrays_in

STAGES = (15, 15, 30, 60)  # pairs of turns, each stage after a pause
PAUSE_SECONDS = 0.25
UNSTEADY = 1.1  # from this spread of the reference's own times on, no points are lost for a ratio
HOPELESS = 1.5  # times the limit after the first stage; twice that after a third of it
RACE_SECONDS = 30.0
WARM_UP = 2
CHANCE = random.SystemRandom()  # the worker was forked with the same global generator

Inputs = Callable[[], tuple[Any, ...]]


class Inconclusive(Exception):
    """The machine was too unsteady for a verdict; the message says how."""


class Racer(Protocol):
    """What a race needs of a runner: `checks.boxed.BoxedRunner` is one."""

    seconds: float  # that the last answer took, on the grader's clock

    def answer(self, request: Request) -> Answer:
        """Run one step."""
        ...

    def freeze(self) -> None:
        """Stop everything that runs there."""
        ...

    def thaw(self) -> None:
        """Let it run on."""
        ...

    def pin(self, processor: int) -> None:
        """Keep it on one processor, from its start."""
        ...


@dataclass
class Times:
    """Seconds of every timed turn so far, and what they say."""

    targets: Targets
    student: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Best of the student's turns over best of the reference's."""
        return min(self.student) / min(self.reference)

    @property
    def share(self) -> float:
        """Of the points: all up to the target, none from the limit on, log-linear between."""
        target, limit = math.log(self.targets.target), math.log(self.targets.limit)
        return min(1.0, max(0.0, (limit - math.log(self.ratio)) / (limit - target)))

    @property
    def spread(self) -> float:
        """How far the reference disagrees with itself: the best of its odd turns over that of its even ones."""
        halves = [min(half) for half in (self.reference[::2], self.reference[1::2]) if half]
        return max(halves) / min(halves) if len(halves) == 2 else math.inf

    @property
    def is_hopeless(self) -> bool:
        """Whether more turns would change nothing: slower than noise makes anybody."""
        first = STAGES[0]
        factor = HOPELESS if len(self.student) >= first else 2 * HOPELESS
        return len(self.student) >= first // 3 and self.ratio > factor * self.targets.limit

    @property
    def is_open(self) -> bool:
        """Whether there is no verdict: points would be lost that the machine's unsteadiness may have cost."""
        safe = self.share == 1.0 or self.is_hopeless or self.ratio > self.spread * self.targets.limit
        return not safe and self.spread > UNSTEADY

    def add(self, student: float, reference: float) -> None:
        """A turn of each."""
        self.student.append(student)
        self.reference.append(reference)

    def to_figure(self) -> dict[str, Any]:
        """For the results."""
        ratio = self.ratio if self.student and self.reference else None
        return {
            "student": [round(seconds, 6) for seconds in self.student],
            "reference": [round(seconds, 6) for seconds in self.reference],
            "ratio": None if ratio is None else round(ratio, 3),
            "target": self.targets.target,
            "limit": self.targets.limit,
        }


def run_stages(
    times: Times,
    pair: Callable[[], None],
    prepare: Callable[[], None] = lambda: None,
    pause: float = PAUSE_SECONDS,
) -> None:
    """Call `pair`, which adds a turn of each side to `times`, as often as the rule wants; `prepare` before each stage,
    and between stages a pause."""
    started = time.monotonic()
    for stage, pairs in enumerate(STAGES):
        if stage:
            time.sleep(pause)
        prepare()
        for _ in range(pairs):
            pair()
            late = len(times.student) >= STAGES[0] and time.monotonic() - started > RACE_SECONDS
            if times.is_hopeless or late:
                break
        if times.share == 1.0 or times.is_hopeless or late:
            return


def pin(*racers: Racer) -> None:
    """All on one processor, before they start: its other work slows all alike, and threads are worth no more than
    one."""
    processor = CHANCE.choice(sorted(os.sched_getaffinity(0)))
    for racer in racers:
        racer.pin(processor)


@contextmanager
def awake(racer: Racer) -> Iterator[Racer]:
    """For one turn; before and after it, the racer stands still."""
    racer.thaw()
    try:
        yield racer
    finally:
        racer.freeze()


@dataclass
class Race:
    """`race.autograd("conv2d_fast", lambda: (draw.tensor(8, 16, 32, 32), draw.tensor(32, 16, 3, 3)))`.

    The function draws the arguments of one call; it is called for each pair of turns.

    Attributes:
        agrees: the student, in its worker, and the reference in this process.
        rival: the reference in a worker of its own.
        times: every turn, for the report.
        figures: what else the report shows.
    """

    agrees: Agrees
    rival: Racer
    times: Times
    name: str = ""
    last: Request | None = None
    tol: Tolerance | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def student(self) -> Racer:
        """The submission's worker."""
        return cast(Racer, self.agrees.student.runner)

    def __call__(self, name: str, inputs: Inputs, **kwargs: Any) -> None:
        """A plain call."""
        self._race(name, lambda: self._request("call", name, inputs(), kwargs))

    def run(self, name: str, inputs: Inputs, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """A helper: for answers that are to be compared by something else than their values."""
        self.tol = tol
        self._race(name, lambda: self._request("run", name, inputs(), kwargs))

    def autograd(self, name: str, inputs: Inputs, wrt: Any = None, **kwargs: Any) -> None:
        """Forward and backward of a torch function."""
        first = self.agrees.student.request("autograd", name, inputs(), kwargs, wrt=wrt)
        value = self.agrees.compare(first)
        outputs = [item for item in arrays_in(value["outputs"]) if isinstance(item, torch.Tensor)]
        floating = [item for item in outputs if item.is_floating_point()]

        def request() -> Request:
            cotangents = [self._cotangent(item) for item in floating]
            return self._request("autograd", name, inputs(), kwargs, wrt=wrt, cotangents=cotangents)

        self._race(name, request)

    def _request(self, step: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], **options: Any) -> Request:
        return self.agrees.student.request(step, name, args, kwargs, timed=True, **options)

    def _cotangent(self, output: torch.Tensor) -> torch.Tensor:
        """Drawn here, outside the time that counts."""
        drawn = self.agrees.student.draw.rng.standard_normal(output.shape, dtype=np.float32)
        return torch.from_numpy(np.asarray(drawn)).to(output.dtype)

    def _race(self, name: str, request: Callable[[], Request]) -> None:
        """Warm up, race, judge.

        Raises:
            CheckFailed: an answer was wrong, or the limit was missed.
            Inconclusive: the reference's own times do not agree with each other.
        """
        self.name = name
        self.agrees.compare(request(), self.tol)
        for _ in range(WARM_UP):
            self._pair(request(), timed=False)
        run_stages(self.times, lambda: self._pair(request()))
        self._judge_times()

    def _judge_times(self) -> None:
        if self.times.is_open:
            raise Inconclusive("The reference's own times differ too much from each other on this machine just now.")
        if self.times.share == 0.0:
            raise CheckFailed(f"Too slow: {self.said}", rung="slow", call=self.call)

    @property
    def call(self) -> str:
        """The last call, as a student would write it."""
        return self.agrees.student.describe(self.last) if self.last else self.name

    @property
    def said(self) -> str:
        """The outcome in words."""
        targets = self.times.targets
        return (
            f"{self.name} takes {self.times.ratio:.3g} times as long as the reference, each at its best of "
            f"{len(self.times.student)} turns. All points are given up to {targets.target:g} times, none from "
            f"{targets.limit:g} times on."
        )

    def _pair(self, request: Request, timed: bool = True) -> None:
        """A turn of each, in random order; the student's answer must be the reference's."""
        self.last = request
        ended: dict[bool, tuple[Answer, float]] = {}
        for racer in CHANCE.sample((self.student, self.rival), 2):
            ended[racer is self.rival] = self._turn(racer, request)
        (got, mine), (expected, theirs) = ended[False], ended[True]
        if timed:
            self.times.add(mine, theirs)
        self._verify(request, got, expected)

    def _turn(self, racer: Racer, request: Request) -> tuple[Answer, float]:
        """One answer, and the seconds that it took."""
        with awake(racer):
            return racer.answer(request), racer.seconds

    def _verify(self, request: Request, got: Answer, expected: Answer) -> None:
        student = self.agrees.student
        if got.forbidden or not got.ok:
            student.log.append((request, got))
        if not got.ok:
            raise explain(got, student.source, student.describe(request))
        if not expected.ok:
            raise GraderError(f"the reference failed in a race: {expected.raised or expected.lost}")
        self.agrees.judge(request, got, expected, self.tol)
