"""`check.py --speed`: what the fast tasks cost, as the grader counts it, beside the limits; on the public examples."""

import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from autograder.assignment import COST_FIGURES, CheckFacts
from autograder.checks import Answer, Door
from autograder.checks.agreement import closeness_for
from autograder.checks.compare import compare
from autograder.errors import UsageError
from autograder.local import FAILED, FINE
from autograder.local.checks import run_checks
from autograder.local.clock import Clock
from autograder.local.run import Session
from autograder.local.terminal import RIGHT, UNTOUCHED, WRONG, Terminal
from autograder.local.work import read_work
from autograder.proof.recording import Recording, RecordingRefused
from autograder.proof.replay import Counter, Replay
from autograder.sandbox.recorder import MOST_OPERATIONS
from autograder.sandbox.request import Request
from autograder.sandbox.steps import cotangents_for, differentiable, recorded_inputs

GROWTH = 1.1
MAY_GROW = "The handout says what may grow."
TURNS = 7  # of which the best counts
RECORDED = ("call", "autograd", "module", "run")
OUTSIDE = (
    "What torch was seen to do gives another answer on other numbers: somewhere numbers leave torch (`.numpy()`, "
    "`.tolist()`, `float(x)`). Handed in like this, the points for cost and speed are lost."
)
EXPLAINED = (
    "Counted on the public example's inputs. The limits hold for the sizes that grading uses, which are larger: the "
    "number of operations should not depend on them. The race needs the reference, and is run when you hand in."
)


class Measuring(Session):
    """One call of check.py --speed."""

    def wanted(self) -> tuple[CheckFacts, ...]:
        """Public checks of tasks with limits."""
        limited = self.assignment.costs.keys() | self.assignment.races.keys()
        found = tuple(check for check in super().wanted() if check.task in limited)
        if not found:
            raise UsageError("none of these tasks has a limit on its cost or a race, and a public check")
        return found

    def run(self, clock: Clock, staging: Path) -> int:
        """Measure once."""
        terminal = Terminal(self.assignment, self.checks)
        wanted = self.wanted()
        work = read_work(self.path, self.assignment, staging, clock)
        terminal.head(work, self.note)
        ran = run_checks(work, clock, wanted, diagnosis=self.hints())
        fine = not ran.problems and ran.interrupted is None
        for check in wanted:
            terminal.say(f"\n{check.task}: {terminal.title(check.task)}", "bold")
            line = ran.lines.get(check.name)
            if line is None or not line.passed:
                terminal.say(f"  {WRONG} measured once its public check passes: check.py {check.number or check.name}")
                fine = False
                continue
            for door in ran.doors[check.name]:
                for request in [asked for asked, _ in door.log if asked.step in RECORDED]:
                    fine &= self._measured(terminal, check.task, door, request)
        terminal.say(f"\n{EXPLAINED}")
        return FINE if fine else FAILED

    def _measured(self, terminal: Terminal, task: str, door: Door, request: Request) -> bool:
        """Count one call, with its backward where it has one; whether it is within the limits."""
        asked = request.recorded(MOST_OPERATIONS)
        if request.step == "call" and any(tensor.is_floating_point() for tensor in recorded(request)):
            asked = replace(asked, step="autograd")
        answer = door.runner.answer(asked)
        terminal.say(f"  {door.describe(request)}" + (", forward and backward" if asked.step != request.step else ""))
        if not answer.ok:
            told = answer.raised.message if answer.raised else str(answer.lost)
            terminal.say(f"    {WRONG} {told}")
            return False
        try:
            figures, same = _replayed(door, asked, answer)
        except RecordingRefused as refused:
            terminal.say(f"    {WRONG} What your code was seen to do {refused}.")
            return False
        over = [*self._rows(terminal, task, figures)]
        for told in _growth(door, asked, answer):
            terminal.say(f"  {UNTOUCHED} {told}")
        terminal.say(f"    {'time, at best':<44} {_best(door, request) * 1e3:>12.3f} ms{self._race(task)}")
        if not same:
            terminal.say(f"    {WRONG} {OUTSIDE}")
        return same and not over

    def _rows(self, terminal: Terminal, task: str, figures: dict[str, int]) -> Iterator[str]:
        """Print the figures; yields those over their limits."""
        limits = self.assignment.costs[task].figures if task in self.assignment.costs else {}
        for name in [name for name in COST_FIGURES if name in limits or name == "operations"]:
            limit = limits.get(name, math.inf)
            sign = WRONG if figures[name] > limit else RIGHT
            beyond = f"at most {limit:,.0f}" if limit < math.inf else "no limit of its own"
            terminal.say(f"  {sign} {COST_FIGURES[name]:<44} {figures[name]:>12,}   {beyond}")
            if figures[name] > limit:
                yield name

    def _race(self, task: str) -> str:
        targets = self.assignment.races.get(task)
        if targets is None:
            return ""
        return f"   full points up to {targets.target:g} times the reference's, none from {targets.limit:g} times on"


def recorded(request: Request) -> list[torch.Tensor]:
    """The tensors that a request sends."""
    return recorded_inputs(list(request.args), request.kwargs, request.options)


def _replayed(door: Door, asked: Request, answer: Answer) -> tuple[dict[str, int], bool]:
    """The figures of a recording, and whether on other numbers it gives what the submission gives there.

    Raises:
        RecordingRefused: it cannot be replayed.
    """
    fresh = replace(asked, args=_afresh(asked.args), kwargs=_afresh(asked.kwargs))
    right = door.runner.answer(fresh.unrecorded())
    if not right.ok:
        raise RecordingRefused("cannot be done on other numbers: your code fails there")
    outputs = right.value["outputs"] if asked.step in ("autograd", "module") else None
    cotangents = cotangents_for(differentiable(outputs), asked.options["seed"])
    counter = Counter()
    value = Replay(Recording.read(answer.recording)).run(recorded(fresh), cotangents, counter)
    found = compare(value, right.value, "", replace(closeness_for(fresh), gradient=True))
    return counter.figures, found is None


def _growth(door: Door, asked: Request, answer: Answer) -> Iterator[str]:
    """Of each axis of the first tensor that can be doubled alone: how operations grow with it, where they do."""
    before = len(Recording.read(answer.recording).operations)
    tensors = [index for index, item in enumerate(asked.args) if isinstance(item, torch.Tensor)]
    for index in tensors[:1]:
        tensor = asked.args[index]
        for axis in range(tensor.ndim):
            args = (*asked.args[:index], torch.cat([tensor, tensor], axis), *asked.args[index + 1 :])
            more = door.runner.answer(replace(asked, args=args))
            after = len(Recording.read(more.recording).operations) if more.ok else before
            if after > before * GROWTH:
                what = f"operations when axis {axis} of its first argument doubles"
                yield f"{what}: {after:,} instead of {before:,}. Is there a loop over it? {MAY_GROW}"


def _afresh(value: Any) -> Any:
    """Floating tensors drawn anew."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        generator = torch.Generator().manual_seed(secrets.randbits(60))
        return torch.randn(value.shape, dtype=value.dtype, generator=generator)
    if isinstance(value, dict):
        return {key: _afresh(item) for key, item in value.items()}
    return type(value)(map(_afresh, value)) if isinstance(value, list | tuple) else value


def _best(door: Door, request: Request) -> float:
    """Seconds of the fastest of several calls."""
    taken = []
    for _ in range(TURNS):
        started = time.perf_counter()
        door.runner.answer(request)
        taken.append(time.perf_counter() - started)
    return min(taken)
