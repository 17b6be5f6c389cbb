"""The race: the student's recording against the reference's, both replayed by one trusted process, in turns of random
order. No submission is near the clock.

The rule is min / min, over 15 + 15 + 30 + 60 pairs of turns with pauses, and stops at the first pass: of the rules
that were compared on quiet and loaded machines, the one without a false fail. What is evident ends after five pairs. A
machine on which the reference does not agree with itself gives no verdict. On a device the same recordings, made on
the processor, are replayed there.
"""

import math
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.assignment import Targets
from autograder.checks.failure import CheckFailed
from autograder.checks.proven import REFERENCE, STUDENT, Asking, Inputs, Proofs
from autograder.checks.tolerance import Tolerance
from autograder.proof.recording import RecordingRefused

STAGES = (15, 15, 30, 60)  # pairs of turns, each stage after a pause
PAUSE_SECONDS = 0.25
UNSTEADY = 1.1  # from this spread of the reference's own times on, no points are lost for a ratio
HOPELESS = 1.5  # times the limit after the first stage; twice that after a third of it, as is this far below the target
RACE_SECONDS = 30.0
WARM_UP = 1
IMPOSSIBLE = 0.5  # of the roofline's least time
IDLE_SECONDS = 2.0  # to wait for other work on a device to end
THROTTLED = "clocks_throttle_reasons.hw_slowdown,clocks_throttle_reasons.sw_thermal_slowdown"
CHANCE = random.SystemRandom()


class Inconclusive(Exception):
    """The machine was too unsteady for a verdict; the message says how."""


@dataclass(frozen=True)
class Work:
    """What a call does at least: floating-point operations and bytes moved, counted on paper."""

    flops: float
    bytes: float


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
    def is_evident(self) -> bool:
        """Whether more turns would change nothing: faster than noise makes anybody."""
        return len(self.student) >= STAGES[0] // 3 and HOPELESS * self.ratio <= self.targets.target

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
            if times.is_hopeless or times.is_evident or late:
                break
        if times.share == 1.0 or times.is_hopeless or late:
            return


@dataclass
class Race:
    """`race.autograd("conv2d_fast", lambda draw: (draw.tensor(8, 16, 32, 32), draw.tensor(32, 16, 3, 3)))`.

    The function draws the arguments of a call from the draw that it is given, as for a cost.

    Attributes:
        proofs: student, reference, and where recordings are replayed.
        times: every turn, for the report.
        figures: what else the report shows.
    """

    proofs: Proofs
    times: Times
    name: str = ""
    call: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, inputs: Inputs, **kwargs: Any) -> None:
        """A plain call."""
        self._race(name, lambda agrees, draw: agrees.student.request("call", name, inputs(draw), kwargs))

    def run(self, name: str, inputs: Inputs, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """A helper: for answers that are to be compared by something else than their values."""
        self._race(name, lambda agrees, draw: agrees.student.request("run", name, inputs(draw), kwargs), tol)

    def autograd(self, name: str, inputs: Inputs, wrt: Any = None, **kwargs: Any) -> None:
        """Forward and backward of a torch function."""
        self._race(name, lambda agrees, draw: agrees.student.request("autograd", name, inputs(draw), kwargs, wrt=wrt))

    def _race(self, name: str, asking: Asking, tol: Tolerance | None = None) -> None:
        """Prove, warm up, race, judge.

        Raises:
            CheckFailed: the answer is not proven, or the limit was missed.
            Inconclusive: the reference's own times do not agree with each other.
        """
        self.name, self.call = name, self.proofs.loaded(asking, tol)
        self.proofs.agrees.student.runner.close()  # no submission runs while the clock does
        for _ in range(WARM_UP):
            self._pair()
        run_stages(self.times, lambda: self.times.add(*self._pair()), self._prepare)
        self._judge_times()

    def _pair(self) -> tuple[float, float]:
        """Seconds of a turn of the student's recording and of one of the reference's, in random order."""
        try:
            seconds = dict(self.proofs.prover.turns(CHANCE.sample((STUDENT, REFERENCE), 2)))
        except RecordingRefused as refused:
            raise CheckFailed(f"What your code was seen to do {refused}.", rung="unproven", call=self.call) from refused
        return seconds[STUDENT], seconds[REFERENCE]

    def _prepare(self) -> None:
        """Before each stage."""

    def _judge_times(self) -> None:
        if self.times.is_open:
            raise Inconclusive("The reference's own times differ too much from each other on this machine just now.")
        if self.times.share == 0.0:
            raise CheckFailed(f"Too slow: {self.said}", rung="slow", call=self.call)

    @property
    def said(self) -> str:
        """The outcome in words."""
        targets = self.times.targets
        return (
            f"what {self.name} does takes {self.times.ratio:.3g} times as long as what the reference does, each at its "
            f"best of {len(self.times.student)} turns. All points are given up to {targets.target:g} times, none from "
            f"{targets.limit:g} times on."
        )


@dataclass
class GpuRace(Race):
    """`gpu_race.autograd("conv2d_fast", inputs, work=Work(flops=…, bytes=…))`: the same on an accelerator.

    The recording is made on the processor, at the accelerator's sizes, and replayed there: a submission never touches
    the device. Without points it reports the share of the measured roofline, and the ratio to the library's operation
    where the assignment's helpers have one (`library`). A time below the roofline is refused as impossible.
    """

    def measure(
        self, step: str, name: str, inputs: Inputs, work: Work, wrt: Any = None, library: str = "", **more: Any
    ) -> None:
        """Race `name`, a public name for the steps `call` and `autograd`, a helper for `run`."""
        options = {"wrt": wrt} if step == "autograd" else {}
        self._race(
            name, lambda agrees, draw: agrees.student.request(step, name, inputs(draw), {}, **options), more.get("tol")
        )
        best = min(self.times.student)
        floor = self._floor(work)
        self.figures["share of the roofline"] = round(floor / best, 3)
        if library:
            source = (self.proofs.agrees.student.assignment.folder / "helpers.py").read_text()
            args = list(self.proofs.fresh.args)
            asked = {"source": source, "function": library, "args": args, "device": self.proofs.device}
            seconds = self.proofs.prover.ask("library", **asked)
            self.figures["times the library"] = round(best / seconds, 3)
        if best < IMPOSSIBLE * floor:
            raise CheckFailed("Faster than this device can be: a time like that is refused.", rung="value")

    def _pair(self) -> tuple[float, float]:
        self.proofs.prover.ask("flush", device=self.proofs.device)
        return super()._pair()

    def _floor(self, work: Work) -> float:
        """Seconds below which no call can be, as this device was measured."""
        device = self.proofs.prover.ask("roofline", device=self.proofs.device)
        return float(max(work.flops / device["flops"], work.bytes / device["bytes"]))

    def _prepare(self) -> None:
        """A device that slows itself down times nothing."""
        if self.proofs.device == "cuda" and throttled():
            time.sleep(IDLE_SECONDS)
            if throttled():
                raise Inconclusive("The device is slowing itself down, for its temperature or its power.")


def throttled() -> bool:
    """Whether the driver says so; False where it cannot be asked."""
    if shutil.which("nvidia-smi") is None:
        return False
    command = ["nvidia-smi", f"--query-gpu={THROTTLED}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " Active" in f" {done.stdout.replace(',', ' ')}".replace("Not Active", "")
