"""Which known mistake gives the same answer? The requests of a failed check, answered again by each of the task's
mistakes."""

import linecache
import sys
import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

from autograder.assignment import Assignment, Mistake, load_mistakes, mistaken_source
from autograder.checks.compare import Closeness, as_numpy, compare
from autograder.checks.door import Door
from autograder.checks.runner import Answer, LocalRunner
from autograder.errors import GraderError
from autograder.proof import structure
from autograder.proof.recording import Recording
from autograder.sandbox.steps import Request
from autograder.sandbox.wire import arrays_in

SECONDS = 5.0  # for one check: a hint must never eat the time of the checks


def module_from_source(name: str, source: str, filename: str) -> ModuleType:
    """Execute trusted source as a module, registered so that inspect and dataclasses find it."""
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module


class Diagnoses(Protocol):
    """Anything that knows known mistakes by their answers."""

    def of(self, task: str | None, student: Door, reference: Door | None, by_dtype: bool = False) -> Mistake | None:
        """The known mistake that answered as the student did; see `Diagnosis.of`."""
        ...


@dataclass
class Diagnosis:
    """The known mistakes of an assignment, made into modules when first needed."""

    assignment: Assignment
    helpers: ModuleType | None = None
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _mistakes: tuple[Mistake, ...] | None = None

    def of(self, task: str | None, student: Door, reference: Door | None, by_dtype: bool = False) -> Mistake | None:
        """The first known mistake of a task that answers every request of a failed check as the student did.

        At least one of these answers must differ from the reference's: agreement on what is right shows nothing.

        Args:
            task: whose mistakes to try, None for all.
            student: the log of a failed check.
            reference: answers what is right; without it nothing is found.
            by_dtype: whether the dtype is what differs, not the values.
        """
        if reference is None:
            return None
        started = time.monotonic()
        expected = [read_answer(request, reference.runner.answer(request)) for request, _ in student.log]
        for mistake in self._of_task(task):
            if time.monotonic() - started > SECONDS:
                return None
            runner = LocalRunner(self.module(mistake), self.helpers)
            if _explains(runner, student.log, expected, _dtypes if by_dtype else _closely):
                return mistake
        return None

    def _of_task(self, task: str | None) -> Iterable[Mistake]:
        if self._mistakes is None:
            self._mistakes = load_mistakes(self.assignment)
        return [mistake for mistake in self._mistakes if task is None or mistake.task == task]

    def module(self, mistake: Mistake) -> ModuleType:
        """The reference with the mistake in it.

        Raises:
            GraderError: it does not run.
        """
        if mistake.name not in self._modules:
            source = mistaken_source(self.assignment.solution.read_text(), mistake)
            filename = f"<{self.assignment.name}: {mistake.name}>"
            try:
                module = module_from_source(f"mistake_{mistake.name}".replace("-", "_"), source, filename)
            except Exception as error:
                raise GraderError(
                    f"{self.assignment.name}: the known mistake {mistake.name} does not run: {error}"
                ) from error
            self._modules[mistake.name] = module
        return self._modules[mistake.name]


def _explains(
    runner: LocalRunner, log: list[tuple[Request, Answer]], expected: list[Answer], same: Callable[[Any, Any], bool]
) -> bool:
    telling = False
    for (request, got), right in zip(log, expected, strict=True):
        wrong = read_answer(request, runner.answer(request))
        if not _same(got, wrong, same):
            return False
        telling = telling or not _same(wrong, right, same)
    return telling


def read_answer(request: Request, answer: Answer) -> Answer:
    """Of a network its structure (see `Networks`), of all else what was answered."""
    if request.step != "network" or not answer.ok:
        return answer
    recording = Recording.read(answer.value["recording"])
    found = structure.read(recording, answer.value["held"], request.options["images"])
    return replace(answer, value=found.summary())


def _same(first: Answer, second: Answer, same: Callable[[Any, Any], bool]) -> bool:
    if first.raised is not None and second.raised is not None:
        return (first.raised.type, first.raised.message) == (second.raised.type, second.raised.message)
    return first.ok and second.ok and same(first.value, second.value)


def answers_alike(first: Answer, second: Answer) -> bool:
    """Whether two answers are the same within tolerance."""
    return _same(first, second, _closely)


def _closely(first: Any, second: Any) -> bool:
    """Equal within tolerance where both are finite, NaN and infinities in the same places."""
    close = Closeness(gradient=True)
    mine, theirs = _finite(first), _finite(second)
    if compare(mine, theirs, "", close) is not None or compare(theirs, mine, "", close) is not None:
        return False
    return all(map(np.array_equal, _breaks(first), _breaks(second)))


def _breaks(value: Any) -> list[np.ndarray]:
    """Where an answer breaks, and how: 1 for NaN, 2 and 3 for the infinities, array by array."""
    floats = [as_numpy(item) for item in arrays_in(value) if as_numpy(item).dtype.kind == "f"]
    return [np.isnan(item) + 2 * np.isposinf(item) + 3 * np.isneginf(item) for item in floats]


def _finite(value: Any) -> Any:
    """The same with 0 where it breaks."""
    if isinstance(value, np.ndarray | torch.Tensor | np.generic | float):
        plain = as_numpy(value)
        return np.nan_to_num(plain, nan=0.0, posinf=0.0, neginf=0.0) if plain.dtype.kind == "f" else plain
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return type(value)(map(_finite, value)) if isinstance(value, list | tuple) else value


def _dtypes(first: Any, second: Any) -> bool:
    """Equal dtypes, array by array."""
    return [as_numpy(item).dtype for item in arrays_in(first)] == [as_numpy(item).dtype for item in arrays_in(second)]
