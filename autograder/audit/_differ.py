"""Does a mutant compute anything else than the reference? Both answer what the task's checks ask, and the same with
other numbers in it: larger ones, tiny ones, ties, zeros, widely spread ones.

Runs in a process of its own, which may be killed: a mutant may loop. Trusted code only; no sandbox.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autograder.assignment import Assignment, points, read_assignment
from autograder.checks import (
    Answer,
    Closeness,
    Door,
    Draw,
    LocalRunner,
    compare,
    module_from_source,
    reference_module,
)
from autograder.checks.given import at_hand
from autograder.sandbox.request import Request
from autograder.sandbox.wire import arrays_in
from autograder.suite import check_files, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import World

REQUESTS = 40  # of the checks' calls, as many as are tried with other numbers
STEPS = ("call", "pair", "interleaved", "autograd", "module", "run", "written")
Redraw = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def _spread(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    return np.asarray(rng.standard_normal(array.shape) * 10.0 ** rng.uniform(-2, 3, array.shape))


def _shifted(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    offsets = rng.integers(-800, 800, (*array.shape[:1], *(1 for _ in array.shape[1:])))
    return np.asarray(rng.standard_normal(array.shape) + offsets)


KINDS: dict[str, Redraw] = {
    "as the checks have it": lambda rng, array: array,
    "drawn anew": lambda rng, array: rng.standard_normal(array.shape),
    "positive": lambda rng, array: rng.uniform(0.1, 2.0, array.shape),
    "a thousand times larger": lambda rng, array: 1e3 * rng.standard_normal(array.shape),
    "a thousand times smaller": lambda rng, array: 1e-3 * rng.standard_normal(array.shape),
    "spread over five orders of magnitude": _spread,
    "shifted by hundreds, row by row": _shifted,
    "with ties": lambda rng, array: rng.integers(-1, 2, array.shape).astype(float),
    "all zero": lambda rng, array: np.zeros(array.shape),
}


@dataclass
class Listener(LocalRunner):
    """The reference, and what it was asked."""

    asked: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """See `Runner`."""
        self.asked.append(request)
        return super().answer(request)


def main() -> None:
    """Read a job from standard input; write a line for each mutant: what tells it apart, empty where nothing does."""
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # checks and mutants may print
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    assignment = read_assignment(Path(job["folder"]), Path(job["solution"]))
    with at_hand(assignment):
        differ = Differ(assignment, job["task"], job["seed"])
        for position, texts in enumerate(job["sources"]):
            print(json.dumps({"position": position, "told": differ.told(texts), "asked": len(differ.asked)}), file=out)
            out.flush()


class Differ:
    """What the checks of a task ask, to be answered by mutants.

    Args:
        assignment: facts.
        task: whose checks.
        seed: of the draws.
    """

    def __init__(self, assignment: Assignment, task: str, seed: int) -> None:
        self.assignment, self.seed = assignment, seed
        self.module = reference_module(f"reference_{assignment.name}", assignment)
        file = assignment.folder / "helpers.py"
        self.helpers = (
            module_from_source("helpers", file.read_text(encoding="utf-8"), str(file)) if file.exists() else None
        )
        self.asked = [request for request in self._asked(task) if request.step in STEPS][:REQUESTS]

    def told(self, texts: dict[str, str]) -> str:
        """The first call on which a mutant answers otherwise, and with what numbers; empty where there is none."""
        try:
            mutant = LocalRunner(reference_module("mutant", self.assignment, texts), self.helpers)
        except Exception as error:
            return f"it cannot be imported: {type(error).__name__}: {error}"
        reference = LocalRunner(self.module, self.helpers)
        for kind, request in self._variations():
            right = reference.answer(request)
            if not right.ok or not _is_finite(right.value):
                continue
            if difference := _difference(mutant.answer(request), right, request):
                return f"{self._door().describe(request)}, numbers {kind}: {difference}"
        return ""

    def _asked(self, task: str) -> list[Request]:
        listener = Listener(self.module, self.helpers)
        world = World(
            assignment=self.assignment,
            student=lambda: listener,
            student_module=self.module,
            reference=LocalRunner(self.module, self.helpers),
            seed=self.seed,
            deadline=time.monotonic() + 60,
            source=self.assignment.solution,
        )
        names = {check.name for check in points(self.assignment) if check.task == task}
        plugin = ChecksPlugin(world, lambda name, case, count: None, names)
        run_pytest(plugin, self.assignment.folder, check_files(self.assignment))
        return listener.asked

    def _variations(self) -> Iterator[tuple[str, Request]]:
        """Every request with every kind of numbers; the fewer requests there are, the more often."""
        rng = np.random.default_rng(self.seed)
        for kind, redraw in KINDS.items():
            for _ in range(-(-REQUESTS // max(1, len(self.asked)))):
                for request in self.asked:
                    args, kwargs = (_redrawn(tree, redraw, rng) for tree in (list(request.args), request.kwargs))
                    yield kind, replace(request, args=tuple(args), kwargs=kwargs)

    def _door(self) -> Door:
        runner = LocalRunner(self.module, self.helpers)
        return Door(self.assignment, runner, self.module, Draw(self.seed, "mutants"), self.assignment.solution)


def _redrawn(value: Any, redraw: Redraw, rng: np.random.Generator) -> Any:
    """The same with other floating numbers in arrays and tensors."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.asarray(redraw(rng, value)).astype(value.dtype)
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.layout == torch.strided:
        return torch.as_tensor(np.asarray(redraw(rng, value.detach().double().numpy()))).to(value.dtype)
    if isinstance(value, dict):
        return {key: _redrawn(item, redraw, rng) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_redrawn(item, redraw, rng) for item in value])
    return value


def _is_finite(value: Any) -> bool:
    return all(bool(torch.isfinite(torch.as_tensor(item).to_dense()).all()) for item in arrays_in(value))


def _difference(got: Answer, right: Answer, request: Request) -> str:
    """How an answer differs; dtypes count where the arguments were float32."""
    if got.raised is not None:
        return f"it raises {got.raised.type}"
    if not got.ok:
        return "it gives no answer"
    if mismatch := compare(got.value, right.value, "its answer", Closeness(gradient=True)):
        return mismatch.text
    sent = {str(item.dtype) for item in arrays_in([request.args, request.kwargs]) if "float" in str(item.dtype)}
    single = all(name.endswith("float32") for name in sent) and sent
    kinds = [[str(item.dtype) for item in arrays_in(answer.value)] for answer in (got, right)]
    return f"its dtypes are {', '.join(kinds[0])}" if single and kinds[0] != kinds[1] else ""
