"""The race on an accelerator: as on a processor, but inputs are drawn on the device, and an answer is fetched after the
time has ended, with the digest that ended it.

The clock is still the grader's; the device's own events are held against it. A turn starts when the device is idle and
its cache is flushed. A time below the device's own roofline is refused.
"""

import math
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from typing import Any

from autograder.checks.failure import CheckFailed
from autograder.checks.race import WARM_UP, Inconclusive, Race, Racer, awake, run_stages
from autograder.checks.runner import Answer
from autograder.errors import GraderError
from autograder.sandbox.device import digest
from autograder.sandbox.steps import Request

BUSY = 2.0  # times the quickest flush of the cache: then somebody else's work is going on
IDLE_SECONDS = 2.0  # to wait for it to end
IMPOSSIBLE = 0.5  # of the roofline's least time
AGREE = 0.5  # of the grader's time, at the reference's best, must be time by the device's own events
THROTTLED = "clocks_throttle_reasons.hw_slowdown,clocks_throttle_reasons.sw_thermal_slowdown"


@dataclass(frozen=True)
class Work:
    """What a call does at least: floating-point operations and bytes moved, counted on paper."""

    flops: float
    bytes: float


@dataclass
class GpuRace(Race):
    """`gpu_race.measure("autograd", "conv2d_fast", "draw_conv2d_fast", Work(flops=…, bytes=…))`.

    Without points it reports the ratio to the library's operation and the share of the measured roofline.

    Attributes:
        device: "cuda", or "cpu" for a rehearsal.
    """

    device: str = "cuda"
    quickest: float = math.inf
    events: float = 0.0

    def measure(self, step: str, name: str, inputs: str, work: Work, wrt: Any = None, **more: Any) -> None:
        """Race `name`, a public name for the steps `call` and `autograd`, a helper for `run`.

        Args:
            step: call, autograd or run.
            name: what is called.
            inputs: a helper that draws the arguments of one call with the torch generator that it is given, on that
                generator's device.
            work: for the roofline.
            wrt: see `Agrees.autograd`.
            more: `library`, a helper that does the same with the library's operation; `tol`.
        """
        self.name, self.tol = name, more.get("tol")
        options = {"does": step, "inputs": inputs, "device": self.device, "wrt": wrt, "timed": True}

        def make() -> Request:
            return self.agrees.student.request("turn", name, (), {}, **options)

        floor = self._floor(work, make())
        for _ in range(WARM_UP):
            self._pair(make(), timed=False)
        run_stages(self.times, lambda: self._pair(make()), self._refuse_throttled)
        best = min(self.times.student)
        self.figures["share of the roofline"] = round(floor / best, 3)
        if library := more.get("library"):
            self.figures["times the library"] = round(best / self._library(make(), library), 3)
        if best < IMPOSSIBLE * floor:
            raise CheckFailed("Faster than this device can be: a time like that is refused.", rung="value")
        if self.events < AGREE:
            raise Inconclusive("The device's own times and the grader's clock do not agree here.")
        self._judge_times()

    def _turn(self, racer: Racer, request: Request) -> tuple[Answer, float]:
        """Flush, time the digest, then fetch the answer, which must have it."""
        self._wait_until_idle(request)
        with awake(racer):
            racer.answer(replace(request, step="prepare"))
            said, seconds = racer.answer(request), racer.seconds
            fetched = racer.answer(replace(request, step="fetch")) if said.ok else said
        if fetched.ok and not _vouches(said.value, fetched.value, request.options["seed"]):
            told = "The answer is not the one that ended the time: was it still being computed?"
            raise CheckFailed(told, rung="value", call=self.call)
        if racer is self.rival and said.ok:
            self.events = max(self.events, said.value["seconds"] / seconds)
        return fetched, seconds

    def _verify(self, request: Request, got: Answer, expected: Answer) -> None:
        """As what the turn did: compared, described and labelled like that step."""
        super()._verify(replace(request, step=request.options["does"]), got, expected)

    def _wait_until_idle(self, request: Request) -> None:
        """The reference's worker flushes the cache until that takes no longer than it ever did."""
        deadline = time.monotonic() + IDLE_SECONDS
        while True:
            seconds = self._asked_of_rival(replace(request, step="prepare"))
            self.quickest = min(self.quickest, seconds)
            if self.device == "cpu" or seconds <= BUSY * self.quickest:
                return
            if time.monotonic() > deadline:
                raise Inconclusive("Other work is going on on the device.")

    def _asked_of_rival(self, request: Request) -> Any:
        with awake(self.rival):
            answer = self.rival.answer(request)
        if not answer.ok:
            raise GraderError(f"the reference fails on {self.device}: {answer.raised or answer.lost}")
        return answer.value

    def _floor(self, work: Work, request: Request) -> float:
        """Seconds below which no call can be, as this device was measured."""
        device = self._asked_of_rival(replace(request, step="roofline"))
        return float(max(work.flops / device["flops"], work.bytes / device["bytes"]))

    def _library(self, request: Request, library: str) -> float:
        """Best seconds of the library's operation, in the reference's worker."""
        asked = replace(request, name=library, options=request.options | {"library": True})
        seconds = []
        for _ in range(10):
            self._asked_of_rival(replace(request, step="prepare"))
            self._asked_of_rival(asked)
            seconds.append(self.rival.seconds)
        return min(seconds)

    def _refuse_throttled(self) -> None:
        """A device that slows itself down times nothing."""
        if self.device == "cuda" and throttled():
            time.sleep(IDLE_SECONDS)
            if throttled():
                raise Inconclusive("The device is slowing itself down, for its temperature or its power.")


def _vouches(said: Any, answer: Any, seed: int) -> bool:
    return isinstance(said, dict) and said.get("digest") == digest(answer, seed)


def throttled() -> bool:
    """Whether the driver says so; False where it cannot be asked."""
    if shutil.which("nvidia-smi") is None:
        return False
    command = ["nvidia-smi", f"--query-gpu={THROTTLED}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " Active" in f" {done.stdout.replace(',', ' ')}".replace("Not Active", "")
