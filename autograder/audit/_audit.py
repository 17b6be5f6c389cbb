"""Is the grading right? Every kind of submission whose score is known in advance, graded like any other.

Reference and correct variants: full marks. Stub: none. Each known mistake: loses exactly the checks that it names.
Worthless answers (zeros, the input handed back, an exception): no check of their task passes. Hostile submissions
(the files of tests/submissions/NAME/hostile): earn no point outside the tasks that they solve besides, their `EARNS`.
"""

import ast
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autograder.assignment import (
    QUIZ,
    Assignment,
    CheckFacts,
    find_root,
    load_assignment,
    load_mistakes,
    mistaken_source,
    points,
)
from autograder.audit.trivial import KINDS, worthless_source
from autograder.grading import Options, grade
from autograder.grading.engine import Engine
from autograder.results import Line, Outcome, Run
from autograder.starter import build
from autograder.syntax import parse

FULL = 100.0


@dataclass(frozen=True)
class Subject:
    """A submission whose result is known.

    Attributes:
        kind: reference, stub, variant, mistake, worthless or hostile.
        name: of the variant, the mistake, …
        source: the text of the submission.
        lost: names of the checks that must not pass; None where only the task's matter.
        may: names of checks that may pass or not.
        exact: whether every other check must pass.
        select: names of the checks to run, empty for all.
    """

    kind: str
    name: str
    source: str
    lost: frozenset[str]
    may: frozenset[str] = frozenset()
    exact: bool = True
    select: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of a subject: what was wrong with its result, if anything."""

    subject: Subject
    run: Run
    problems: tuple[str, ...]
    seconds: float

    @property
    def lost(self) -> tuple[Line, ...]:
        """Lines that did not pass."""
        return tuple(line for line in self.run.lines if _is_lost(line))


@dataclass
class Audit:
    """An assignment's subjects, graded.

    Attributes:
        assignment: facts.
        seeds: every subject is graded once a seed; worthless and hostile ones once.
        workers: gradings at a time.
    """

    assignment: Assignment
    seeds: tuple[int, ...] = (1,)
    workers: int = 2
    checks: tuple[CheckFacts, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.checks = points(self.assignment)

    def subjects(self) -> Iterator[Subject]:
        """Everything to grade."""
        reference = self.assignment.solution.read_text()
        yield Subject("reference", "solution", reference, frozenset())
        stub = build(self.assignment)[f"{self.assignment.deliverable}.py"].decode()
        yield Subject("stub", "starter", stub, frozenset(check.name for check in self.checks))
        for path in self._submissions("correct"):
            yield Subject("variant", path.stem, path.read_text(), frozenset())
        for mistake in load_mistakes(self.assignment):
            source, fails, may = mistaken_source(reference, mistake), frozenset(mistake.fails), mistake.may_fail
            yield Subject("mistake", mistake.name, source, fails, may=frozenset(may))
        yield from self._worthless(reference)
        for path in self._submissions("hostile"):
            yield self._hostile(path)

    def _submissions(self, room: str) -> list[Path]:
        folder = find_root(self.assignment.folder.parents[1]) / "tests" / "submissions" / self.assignment.name / room
        return sorted(folder.glob("*.py"))

    def _worthless(self, reference: str) -> Iterator[Subject]:
        for task in self.assignment.tasks.values():
            lost = frozenset(check.name for check in self.checks if check.task == task.name and check.kind != "dtype")
            for kind in KINDS:
                source = worthless_source(reference, task, kind)
                yield Subject(
                    "worthless", f"{task.name}: {kind}", source, lost, exact=False, select=tuple(sorted(lost))
                )

    def _hostile(self, path: Path) -> Subject:
        source = path.read_text()
        honest = honest_work(source)
        lost = frozenset(check.name for check in self.checks if check.task not in honest)
        return Subject("hostile", path.stem, source, lost, exact=False, select=attacked_checks(source, self.assignment))

    def run(self, report: Callable[[Verdict], None] = lambda verdict: None, select: str = "") -> list[Verdict]:
        """Grade everything; `report` hears each verdict as it is reached."""
        jobs = [
            (subject, seed)
            for subject in self.subjects()
            if select in f"{subject.kind} {subject.name}"
            for seed in (self.seeds if subject.exact else self.seeds[:1])
        ]
        with (
            Engine(preload=self.assignment.preload) as engine,
            TemporaryDirectory(prefix="deepgrade-audit-") as folder,
            ThreadPoolExecutor(self.workers) as pool,
        ):
            futures = [
                pool.submit(self._grade, engine, Path(folder) / str(index), *job) for index, job in enumerate(jobs)
            ]
            try:
                verdicts = []
                for future in futures:
                    verdicts.append(future.result())
                    report(verdicts[-1])
                return verdicts
            finally:
                for future in futures:
                    future.cancel()

    def _grade(self, engine: Engine, folder: Path, subject: Subject, seed: int) -> Verdict:
        folder.mkdir()
        path = folder / f"{self.assignment.deliverable}.py"
        path.write_text(subject.source)
        started = time.monotonic()
        root = self.assignment.folder.parents[1]
        options = Options(seed=seed, select=subject.select)
        run = grade(self.assignment.name, path, root=root, options=options, engine=engine)
        with suppress(OSError):
            path.unlink()
        return Verdict(subject, run, tuple(self._problems(subject, run)), time.monotonic() - started)

    def _problems(self, subject: Subject, run: Run) -> Iterator[str]:
        if run.status != "graded":
            yield f"{run.status}: {run.reason}"
            return
        lost = {line.check for line in run.lines if _is_lost(line)}
        pending = {line.check for line in run.lines if line.outcome.is_pending}
        if kept := sorted(subject.lost - lost - pending):
            yield f"passes {', '.join(kept)}"
        if subject.exact and (extra := sorted(lost - subject.lost - subject.may)):
            yield f"loses {', '.join(extra)}"
        if subject.kind == "reference" and run.max_score != FULL:
            yield f"the points add up to {run.max_score:g}, not {FULL:g}"


def honest_work(source: str) -> set[str]:
    """The tasks that a hostile file says it solves besides, in `EARNS`; read, not run."""
    return set(_declared(source, "EARNS") or ())


def attacked_checks(source: str, assignment: Assignment) -> tuple[str, ...]:
    """What a hostile file is asked: its `ASKED`, or else the checks of the first task, and the quiz."""
    asked: tuple[str, ...] | None = _declared(source, "ASKED")
    first = next(iter(assignment.tasks))
    return asked or tuple(check.name for check in points(assignment) if check.task in (first, QUIZ))


def _declared(source: str, name: str) -> Any:
    """The literal that a file assigns to a name at its top level, None where it does not."""
    for node in parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return None


def _is_lost(line: Line) -> bool:
    """Whether its points are gone: what needs a GPU, or found the machine too unsteady, is still to be measured."""
    return not line.outcome.is_pending and (line.outcome is not Outcome.PASSED or line.score < line.max_score)


def audit(name: str, root: Path | None = None, seeds: tuple[int, ...] = (1,), workers: int = 2) -> Audit:
    """The audit of an assignment, ready to run."""
    return Audit(load_assignment(name, root), seeds, workers)
