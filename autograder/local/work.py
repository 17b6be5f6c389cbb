"""What a student has written so far: found, read as the grader reads it, imported within its time."""

import ast
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.assignment import ANSWERS, STUDENT, Assignment, constants, read_answer, read_student
from autograder.checks import Answer, LocalRunner, Raised, is_left_out, skipped_note
from autograder.checks.runner import AT_IMPORT, advice, importable, no_package
from autograder.errors import SubmissionError
from autograder.local.clock import Clock, TimedRunner, TimeUp, position
from autograder.local.given import changed, given_modules
from autograder.sandbox.courtesy import stand_in_for_ipython
from autograder.sandbox.names import is_builtin
from autograder.sandbox.poison import poison
from autograder.sandbox.request import Request
from autograder.sandbox.steps import Submission as Loaded
from autograder.sandbox.worker import Sources, describe, load_submission
from autograder.submission import collect, take_needed, written_in
from autograder.syntax import parse


@dataclass(frozen=True)
class Work:
    """A submission, imported.

    Attributes:
        assignment: facts.
        name: of the file.
        source: the staged module.
        digest: of it.
        module: of the student, after its import.
        helpers: of the assignment.
        written: names that are asked for and hold more than the stub.
        notes: for the student.
    """

    assignment: Assignment
    name: str
    source: Path
    digest: str
    module: ModuleType
    helpers: ModuleType | None
    written: frozenset[str]
    notes: tuple[str, ...]
    late: set[str] = field(default_factory=set)

    def runner(self, clock: Clock) -> TimedRunner:
        """What answers the requests of one check."""
        inner = LocalRunner(self.module, self.helpers, self.assignment.parts)
        return TimedRunner(inner, clock, self.source, self.assignment.limits.call_seconds, self.late)

    def place(self, error: BaseException) -> str:
        """Where in it an interruption found it; nothing where it was not in there."""
        return position(error, self.source, self.assignment.parts)

    def untouched(self, task: str) -> bool:
        """Whether nothing of a task is written."""
        return not self.written.intersection(self.assignment.tasks[task].functions)

    def missing(self, task: str) -> list[str]:
        """What of a task is not written."""
        return [name for name in self.assignment.tasks[task].functions if name not in self.written]

    def quiz(self, clock: Clock) -> dict[str, str]:
        """What is wrong with the answers to the quiz, by question: nothing, where each is one that can be read."""
        if not self.assignment.quiz:
            return {}
        answers, found = self._constant(ANSWERS, clock), dict[str, str]()
        for question in self.assignment.quiz:
            try:
                said = answers.get(question.id) if isinstance(answers, dict) else None
                if read_answer(question, said) is None:
                    found[question.id] = "not answered"
            except ValueError as error:
                found[question.id] = str(error)
        return found | self._unnamed(clock)

    def _unnamed(self, clock: Clock) -> dict[str, str]:
        """What is wrong with who it is by, where something is drawn from that."""
        if STUDENT not in constants(self.assignment.quiz):
            return {}
        try:
            return {} if self.student(clock) else {STUDENT: "not set, and some numbers are drawn from it"}
        except ValueError as error:
            return {STUDENT: str(error)}

    def student(self, clock: Clock) -> str:
        """Who it is by; empty where it does not say.

        Raises:
            ValueError: that is nobody; the message says why.
        """
        return read_student(self._constant(STUDENT, clock))

    def _constant(self, name: str, clock: Clock) -> Any:
        answer = self.runner(clock).answer(Request("value", name))
        return answer.value if answer.ok else None


def read_work(path: Path, assignment: Assignment, staging: Path, clock: Clock) -> Work:
    """Collect and import.

    Raises:
        SubmissionError: it cannot be read or imported; the message says where.
    """
    submission = collect(path, assignment, staging)
    linecache.checkcache()
    helpers = assignment.folder / "helpers.py"
    guarded = any(is_builtin(entry) for task in assignment.tasks.values() for entry in task.forbidden)
    sources = Sources(
        assignment.deliverable, submission.path, helpers if helpers.exists() else None, guarded, assignment.parts
    )
    texts = {assignment.deliverable: submission.source, **submission.parts}
    loaded, told = _imported(sources, path.name, assignment, clock)
    failed = (describe(error, str(submission.path), assignment.parts) for error in loaded.failed)
    answers = (Answer(raised=Raised.from_wire(each)) for each in failed)
    skipped = (skipped_note(each, submission.path, assignment.packages) for each in answers if not is_left_out(each))
    imports = dict.fromkeys(note for text in texts.values() for note in _unusual_imports(text, assignment))
    return Work(
        assignment=assignment,
        name=submission.origin,
        source=submission.path,
        digest=submission.digest,
        module=loaded.module,
        helpers=loaded.helpers,
        written=written_in(assignment.deliverable, texts, assignment),
        notes=(*submission.notes, *told, *skipped, *imports, *changed(assignment)),
    )


def _imported(sources: Sources, name: str, assignment: Assignment, clock: Clock) -> tuple[Loaded, list[str]]:
    """The student's module, and what is to be said of its import: where that does not end, the grader does without
    what no task needs."""
    poison()
    stand_in_for_ipython()
    seconds = assignment.limits.call_seconds
    try:
        with clock.limit(seconds):
            return load_submission(sources), []
    except TimeUp as over:
        where = position(over, sources.path, sources.parts)
        told = f"Importing {name} did not end within {seconds:g} s. {where}\n{AT_IMPORT}"
        if not take_needed(sources.modules):
            raise SubmissionError(told) from over
    except (Exception, SystemExit) as error:
        said = describe(error, str(sources.path), sources.parts)
        file = f" of {said['part']}.py" if said["part"] else ""
        line = f" at line {said['line']}{file}" if said["line"] else ""
        message = f"{name} cannot be imported: {said['type']}{line}: {said['message']}"
        told = advice(said["type"], said["message"], assignment.packages)
        raise SubmissionError(message, help=told.strip()) from error
    loaded, _ = _imported(sources, name, assignment, clock)
    return loaded, [f"Only what the tasks need of your file was run. {told}"]


def _unusual_imports(source: str, assignment: Assignment) -> Iterator[str]:
    """A note for each package that is not there where code is graded, unless it is imported on a condition only."""
    try:
        todo: list[ast.AST] = [parse(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # its import will say so
    seen = {*sys.stdlib_module_names, *importable(assignment.packages), "helpers", *assignment.solutions}
    seen |= {*given_modules(assignment)}
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or "helpers"]
            for name in dict.fromkeys(name.partition(".")[0] for name in names):
                if name not in seen:
                    yield no_package(f"`{name}` (line {node.lineno})", assignment.packages)
                    seen.add(name)
        elif not isinstance(node, ast.If | ast.Try):
            todo += ast.iter_child_nodes(node)
