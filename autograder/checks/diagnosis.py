"""Which known mistake gives the same answer? The requests of a failed check, answered again by each of the task's mistakes."""

import linecache
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType

from autograder.assignment import Assignment, Mistake, load_mistakes, mistaken_source
from autograder.checks.compare import Closeness, compare
from autograder.checks.door import Door
from autograder.checks.runner import Answer, LocalRunner
from autograder.errors import GraderError
from autograder.sandbox.steps import Request


def module_from_source(name: str, source: str, filename: str) -> ModuleType:
    """Execute trusted source as a module, registered so that inspect and dataclasses find it."""
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module


@dataclass
class Diagnosis:
    """The known mistakes of an assignment, made into modules when first needed."""

    assignment: Assignment
    helpers: ModuleType | None = None
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _mistakes: tuple[Mistake, ...] | None = None

    def of(self, task: str, student: Door, reference: Door) -> Mistake | None:
        """The first known mistake of a task that answers every request of a failed check as the student did.

        At least one of these answers must differ from the reference's: agreement on what is right shows nothing.
        """
        expected = [reference.runner.answer(request) for request, _ in student.log]
        for mistake in self._of_task(task):
            runner = LocalRunner(self._module(mistake), self.helpers)
            if _explains(runner, student.log, expected):
                return mistake
        return None

    def _of_task(self, task: str) -> Iterable[Mistake]:
        if self._mistakes is None:
            self._mistakes = load_mistakes(self.assignment)
        return [mistake for mistake in self._mistakes if mistake.task == task]

    def _module(self, mistake: Mistake) -> ModuleType:
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


def _explains(runner: LocalRunner, log: list[tuple[Request, Answer]], expected: list[Answer]) -> bool:
    telling = False
    for (request, got), right in zip(log, expected, strict=True):
        wrong = runner.answer(request)
        if not _same(got, wrong):
            return False
        telling = telling or not _same(wrong, right)
    return telling


def _same(first: Answer, second: Answer) -> bool:
    if first.raised is not None and second.raised is not None:
        return (first.raised.type, first.raised.message) == (second.raised.type, second.raised.message)
    if not (first.ok and second.ok):
        return False
    return _equal(first.value, second.value) and _equal(second.value, first.value)


def _equal(first: object, second: object) -> bool:
    return compare(first, second, "", Closeness(gradient=True)) is None
