"""Is the grading right? Every kind of submission whose score is known in advance, graded like any other.

Reference and correct variants: full marks. Stub: none. Each known mistake: loses exactly the checks that it names.
Worthless answers (zeros, the input handed back, an exception): no check of their task passes. Hostile submissions
(the files of tests/submissions/NAME/hostile): earn no point outside the tasks that they solve besides, their `EARNS`.
"""

import ast
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from autograder.assignment import (
    FULL,
    QUIZ,
    Assignment,
    CheckFacts,
    find_root,
    is_chosen,
    load_assignment,
    load_mistakes,
    mistaken,
    points,
    reference_texts,
)
from autograder.audit._draws import copied_answers, drawn_questions, right_answers
from autograder.audit.reach import Reach
from autograder.audit.trivial import KINDS, worthless_source
from autograder.grading import NOT_RUN, Options, Rehearsed, grade, rehearse
from autograder.grading.engine import Engine
from autograder.results import Line, Outcome, Run
from autograder.starter import build
from autograder.syntax import parse

REPEATS = 2  # of a race that was lost unexpectedly
WORTHWHILE = 5  # submissions of a seed, from which on a rehearsal pays
LONGEST = 400  # characters of a message


@dataclass(frozen=True)
class Subject:
    """A submission whose result is known.

    Attributes:
        kind: reference, stub, variant, mistake, worthless or hostile.
        name: of the variant, the mistake, …
        texts: of the submission, by module, the deliverable's first; parts that are not among them are missing.
        lost: names of the checks that must not pass; None where only the task's matter.
        may: names of checks that may pass or not.
        exact: whether every other check must pass.
        select: names of the checks to run, empty for all.
    """

    kind: str
    name: str
    texts: dict[str, str] = field(hash=False)
    lost: frozenset[str]
    may: frozenset[str] = frozenset()
    exact: bool = True
    select: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The text of the deliverable."""
        return next(iter(self.texts.values()))


@dataclass(frozen=True)
class Verdict:
    """What came of a subject: what was wrong with its result, if anything, and what was repeated."""

    subject: Subject
    run: Run
    problems: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def lost(self) -> tuple[Line, ...]:
        """Lines that did not pass, of those that were asked for."""
        return tuple(line for line in self.run.lines if _is_lost(line) and is_chosen(line.check, self.subject.select))


@dataclass
class Audit:
    """An assignment's subjects, graded.

    Attributes:
        assignment: facts.
        seeds: every subject is graded once a seed; worthless and hostile ones once.
        workers: gradings at a time.
        whole: whether known mistakes go through all checks, not only through those that can reach what they change.
    """

    assignment: Assignment
    seeds: tuple[int, ...] = (1,)
    workers: int = 2
    whole: bool = False
    checks: tuple[CheckFacts, ...] = field(init=False)
    _prepared: dict[int, Rehearsed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checks = points(self.assignment)

    def subjects(self) -> Iterator[Subject]:
        """Everything to grade."""
        reference, reach = reference_texts(self.assignment), Reach(self.assignment)
        yield Subject("reference", "solution", reference, frozenset())
        files = build(self.assignment)
        stub = {name: files[f"{name}.py"].decode() for name in reference}
        yield Subject("stub", "starter", stub, frozenset(check.name for check in self.checks))
        for name, texts in self._submissions("correct"):
            yield Subject("variant", name, texts, frozenset())
        if drawn_questions(self.assignment):
            yield from self._drawn(reference)
        for mistake in load_mistakes(self.assignment):
            texts, fails, may = mistaken(reference, mistake), frozenset(mistake.fails), mistake.may_fail
            select = () if self.whole else reach.of(mistake)
            yield Subject("mistake", mistake.name, texts, fails, may=frozenset(may), select=select)
        yield from self._worthless(reference)
        for name, texts in self._submissions("hostile"):
            yield self._hostile(name, texts)

    def _drawn(self, reference: dict[str, str]) -> Iterator[Subject]:
        """Students whose own numbers are in the quiz: it passes on their answers, and not on those of each other."""
        quiz, name = tuple(check.name for check in self.checks if check.task == QUIZ), self.assignment.deliverable
        for who, source in right_answers(self.assignment):
            yield Subject("variant", f"answers of {who}", reference | {name: source}, frozenset(), select=quiz)
        source, wrong = copied_answers(self.assignment)
        lost = frozenset(f"test_{QUIZ}[{question}]" for question in wrong)
        yield Subject("mistake", "answers of another student", reference | {name: source}, lost, select=quiz)

    def _submissions(self, room: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Names and texts of whole submissions: files, and folders of the deliverable and parts. Parts that are
        not there are the reference's."""
        folder = find_root(self.assignment.folder.parents[1]) / "tests" / "submissions" / self.assignment.name / room
        reference, name = reference_texts(self.assignment), self.assignment.deliverable
        for path in sorted([*folder.glob("*.py"), *folder.glob(f"*/{name}.py")]):
            if path.parent == folder:
                yield path.stem, reference | {name: path.read_text()}
            else:
                own = {each: path.with_name(f"{each}.py") for each in reference}
                there = {each: file.read_text() for each, file in own.items() if file.exists()}
                yield path.parent.name, reference | there

    def _worthless(self, reference: dict[str, str]) -> Iterator[Subject]:
        for task in self.assignment.tasks.values():
            lost = frozenset(check.name for check in self.checks if check.task == task.name and check.kind != "dtype")
            for kind in KINDS:
                name, select = self.assignment.deliverable, tuple(sorted(lost))
                texts = reference | {name: worthless_source(reference[name], task, kind)}
                yield Subject("worthless", f"{task.name}: {kind}", texts, lost, exact=False, select=select)

    def _hostile(self, name: str, texts: dict[str, str]) -> Subject:
        source = texts[self.assignment.deliverable]
        honest, select = honest_work(source), attacked_checks(source, self.assignment)
        lost = frozenset(check.name for check in self.checks if check.task not in honest)
        return Subject("hostile", name, texts, lost, exact=False, select=select)

    def run(self, report: Callable[[Verdict], None] = lambda verdict: None, select: str = "") -> list[Verdict]:
        """Grade everything; `report` hears each verdict as it is reached.

        Nothing but the reference is graded where that loses anything: the rest would say the same again and again. A
        race that right code lost while others were graded is repeated alone before it is believed.
        """
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
            ExitStack() as stack,
        ):
            grade_one = partial(self.grade, engine, Path(folder))
            ahead = [job for job in jobs if job[0].kind == "reference"]
            verdicts = [self._settled(verdict, grade_one) for verdict in self.graded(pool, grade_one, ahead, report)]
            if any(verdict.run.status != "graded" or verdict.lost for verdict in verdicts):
                return verdicts
            stack.enter_context(self.rehearsed(engine, [seed for _, seed in jobs[len(ahead) :]]))
            verdicts += self.graded(pool, grade_one, jobs[len(ahead) :], report)
            return [self._settled(verdict, grade_one) for verdict in verdicts]

    @contextmanager
    def rehearsed(self, engine: Engine, seeds: Sequence[int]) -> Iterator[None]:
        """While this lasts, what is the same for all submissions of a seed is done once, where that pays."""
        root, name = self.assignment.folder.parents[1], self.assignment.name
        often = [seed for seed in self.seeds if seeds.count(seed) >= WORTHWHILE]
        found = {seed: rehearse(name, root=root, options=Options(seed=seed), engine=engine) for seed in often}
        self._prepared = {seed: each for seed, each in found.items() if each is not None}
        try:
            yield
        finally:
            for each in self._prepared.values():
                engine.forget(each.key)
            self._prepared = {}

    @staticmethod
    def graded(
        pool: ThreadPoolExecutor,
        grade_one: Callable[[Subject, int], Verdict],
        jobs: list[tuple[Subject, int]],
        report: Callable[[Verdict], None],
    ) -> Iterator[Verdict]:
        """The verdicts on some jobs, in order."""
        futures = [pool.submit(grade_one, *job) for job in jobs]
        try:
            for future in futures:
                verdict = future.result()
                report(verdict)
                yield verdict
        finally:
            for future in futures:
                future.cancel()

    def grade(self, engine: Engine, room: Path, subject: Subject, seed: int, select: tuple[str, ...] = ()) -> Verdict:
        """The verdict on one subject; of its checks only those selected, where some are."""
        folder = Path(mkdtemp(dir=room))
        path = folder / f"{self.assignment.deliverable}.py"
        for name, text in subject.texts.items():
            (folder / f"{name}.py").write_text(text)
        if subject.kind != "stub":
            for name, own in self.assignment.reference_arrays.items():
                shutil.copyfile(own, folder / name)
        started = time.monotonic()
        root = self.assignment.folder.parents[1]
        options = Options(seed=seed, select=select or subject.select)
        ready = self._prepared.get(seed)
        run = grade(self.assignment.name, path, root=root, options=options, engine=engine, rehearsed=ready)
        shutil.rmtree(folder, ignore_errors=True)
        return Verdict(subject, run, tuple(self._problems(subject, run)), time.monotonic() - started)

    def _settled(self, verdict: Verdict, grade_one: Callable[..., Verdict]) -> Verdict:
        """The verdict, with races that were lost unexpectedly repeated where nothing else runs."""
        expected = verdict.subject.lost | verdict.subject.may
        extra = [line for line in verdict.lost if line.check not in expected] if verdict.subject.exact else []
        races = tuple(line.check for line in extra if line.kind == "race")
        for attempt in range(1, REPEATS + 1):
            if not races or verdict.run.status != "graded":
                break
            again = grade_one(verdict.subject, verdict.run.seed, races).run
            won = {line.check: line for line in again.lines if line.check in races and not _is_lost(line)}
            if won:
                lines = tuple(won.get(line.check, line) for line in verdict.run.lines)
                run = replace(verdict.run, lines=lines)
                said = f"{', '.join(won)}: lost while others were graded, passed alone (attempt {attempt})"
                problems, notes = tuple(self._problems(verdict.subject, run)), (*verdict.notes, said)
                verdict = replace(verdict, run=run, problems=problems, notes=notes)
            races = tuple(race for race in races if race not in won)
        return verdict

    def _problems(self, subject: Subject, run: Run) -> Iterator[str]:
        if run.status != "graded":
            faults = [line.message for line in run.lines if line.outcome is Outcome.FAULT and line.message != NOT_RUN]
            yield f"{run.status}: {'; '.join(dict.fromkeys([run.reason or '', *faults]))}"
            return
        if subject.kind in ("reference", "variant", "mistake"):
            yield from filter(None, map(syntax_error, subject.texts.values()))
        asked = [line for line in run.lines if is_chosen(line.check, subject.select)]
        lost = {line.check for line in asked if _is_lost(line)}
        settled = {line.check for line in asked if not line.outcome.is_pending}
        if kept := sorted((subject.lost & settled) - lost):
            yield f"passes {', '.join(kept)}"
        if subject.exact and (extra := sorted(lost - subject.lost - subject.may)):
            yield f"loses {', '.join(extra)}{_why(run, extra[0])}"
        full = FULL - sum(part.points for part in self.assignment.by_hand.values() if not part.extra)
        if subject.kind == "reference" and run.max_score != full:
            yield f"the points add up to {run.max_score:g}, not {full:g}"


def _why(run: Run, check: str) -> str:
    """What the student would read of a lost check, in one line; before it, what would stand at the top."""
    message = next(line.message for line in run.lines if line.check == check)
    shown = run.reason or message
    said = " ".join(shown.split("\n(Case ")[0].split())
    return f" ({check}: {said[:LONGEST]}{'…' if len(said) > LONGEST else ''})" if said else ""


def syntax_error(source: str) -> str:
    """What cannot be parsed, empty where everything can."""
    try:
        parse(source)
    except SyntaxError as error:
        return f"cannot be parsed: {error.msg}, line {error.lineno}"
    return ""


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


def audit(
    name: str, root: Path | None = None, seeds: tuple[int, ...] = (1,), workers: int = 2, whole: bool = False
) -> Audit:
    """The audit of an assignment, ready to run."""
    return Audit(load_assignment(name, root), seeds, workers, whole)
