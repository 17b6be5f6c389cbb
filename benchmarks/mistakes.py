"""Is a mistake called by its name? Known mistakes, made in the reference alone and in drawn pairs, graded as
`deepgrade grade` does, and what the feedback says of them.

Without REPETITIONS or --size every known mistake is graded, and 40 pairs of each kind an assignment; with a number, so
many of each. SEED or --seed draws others.
"""

import os
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path

from rich.table import Table

from autograder.assignment import Assignment, Mistake, load_assignment, load_mistakes, mistaken_source, points
from autograder.audit.reach import Reach
from autograder.checks.diagnosis import AND, EITHER
from autograder.errors import AuthoringError
from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run, causes
from autograder.suite.plugin import UNDIAGNOSED
from autograder.syntax import parse
from benchmarks import repetitions
from benchmarks.tables import show

PAIRS = 40
SEED = int(os.environ.get("SEED", "1"))
MEASURED = ("cost", "race", "quiz")  # kinds of checks that no known mistake is recognised in
KINDS = ("one mistake", "two, of two tasks", "two, in one task")


Claim = tuple[Mistake, ...]  # one of these is in there, says a hint; mostly it is one alone


@dataclass(frozen=True)
class Case:
    """A submission with known mistakes, and what its feedback names. Mistakes of one hint are one to a student.

    Attributes:
        made: the mistakes in it.
        told: what its hints claim.
        first: what the cause claims that the feedback tells first.
        shows: whether a check was lost that could have named one.
        fault: why it was not graded; empty where it was.
    """

    made: tuple[Mistake, ...]
    told: tuple[Claim, ...]
    first: tuple[Claim, ...]
    shows: bool
    fault: str = ""

    @property
    def is_named(self) -> bool:
        """Whether as many are named as should be: of two in two tasks both, else one."""
        apart, made = len({mistake.task for mistake in self.made}), _hints(self.made)
        return len(made & _hints(chain(*self.told))) >= min(apart, len(made))

    @property
    def is_first(self) -> bool:
        """Whether what the feedback tells first is one of its mistakes."""
        return bool(_hints(self.made) & _hints(chain(*self.first)))

    @property
    def misleads(self) -> bool:
        """Whether a hint names what is not in it."""
        return any(not _hints(claim) & _hints(self.made) for claim in self.told)

    def __str__(self) -> str:
        told = ", ".join(EITHER.join(mistake.name for mistake in claim) for claim in self.told)
        return f"{' and '.join(mistake.name for mistake in self.made)}: {told or 'nothing'}"


def _hints(mistakes: Iterable[Mistake]) -> set[str]:
    return {mistake.hint for mistake in mistakes}


def main(names: Sequence[str]) -> None:
    """Print a table, then every case that is told too little or something wrong."""
    table = Table(title=f"known mistakes that are named, seed {SEED}")
    for heading in ("assignment", "what is wrong", "named", "named first", "misleading"):
        table.add_column(heading, justify="left" if heading in ("assignment", "what is wrong") else "right")
    told = []
    for name in names:
        for kind, cases in graded(load_assignment(name)):
            told += [f"- {name}, not graded ({case.fault}): {case}" for case in cases if case.fault]
            cases = [case for case in cases if case.shows and not case.fault]
            named, first, wrong = (
                sum(getattr(case, what) for case in cases) for what in ("is_named", "is_first", "misleads")
            )
            table.add_row(name, kind, share(named, len(cases)), share(first, len(cases)), str(wrong))
            told += [f"- {name}, missed: {case}" for case in cases if not case.is_named]
            told += [f"- {name}, misleading: {case}" for case in cases if case.misleads]
    show(table)
    print(*told, sep="\n")


def share(seen: int, of: int) -> str:
    """`58 of 60 (97%)`."""
    return f"{seen} of {of}" + (f" ({seen / of:.0%})" if of else "")


def graded(assignment: Assignment) -> Iterator[tuple[str, list[Case]]]:
    """The three kinds, and the cases of each."""
    with Engine(preload=assignment.preload) as engine:
        grader = Grader(assignment, engine, Reach(assignment))
        for kind, made in zip(KINDS, drawn(assignment), strict=True):
            yield kind, [grader.case(mistakes) for mistakes in made]


def drawn(assignment: Assignment) -> list[list[tuple[Mistake, ...]]]:
    """Mistakes alone, in pairs of two tasks, and in pairs of one task, both of which can be made at once."""
    chance, kinds_of = random.Random(SEED), {check.name: check.kind for check in points(assignment)}
    mistakes = [
        mistake
        for mistake in load_mistakes(assignment)
        if any(kinds_of[check] not in MEASURED for check in mistake.fails)  # the others change no answer
    ]
    kinds: list[list[tuple[Mistake, ...]]] = [[(mistake,) for mistake in mistakes], [], []]
    for first, second in combinations(mistakes, 2):
        kinds[2 if first.task == second.task else 1].append((first, second))
    limits = [repetitions(len(mistakes)), *[repetitions(PAIRS)] * 2]
    return [
        _possible(assignment, chance.sample(kind, len(kind)), limit) for kind, limit in zip(kinds, limits, strict=True)
    ]


def _possible(assignment: Assignment, cases: list[tuple[Mistake, ...]], limit: int) -> list[tuple[Mistake, ...]]:
    found: list[tuple[Mistake, ...]] = []
    while cases and len(found) < limit:
        case = cases.pop()
        try:
            parse(source_of(assignment, case))
        except (AuthoringError, SyntaxError):  # they change the same words
            continue
        found.append(case)
    return found


def source_of(assignment: Assignment, mistakes: Sequence[Mistake]) -> str:
    """The reference with all of these in it."""
    edits = tuple(edit for mistake in mistakes for edit in mistake.edits)
    return mistaken_source(assignment.solution.read_text("utf-8"), replace(mistakes[0], edits=edits))


@dataclass(frozen=True)
class Grader:
    """Grades submissions of one assignment, of their checks those only that their mistakes can reach."""

    assignment: Assignment
    engine: Engine
    reach: Reach

    def case(self, mistakes: tuple[Mistake, ...]) -> Case:
        """Grade one, and read its feedback."""
        kinds = {check.name: check.kind for check in points(self.assignment)}
        asked = {name for mistake in mistakes for name in self.reach.of(mistake) if kinds[name] not in MEASURED}
        run = self.run(source_of(self.assignment, mistakes), tuple(sorted(asked)))
        lost = [line for line in run.lines if line.outcome is Outcome.FAILED and line.rung not in UNDIAGNOSED]
        told = [self._claims(cause.lines) for cause in causes(run.lines)]
        fault = "" if run.status == "graded" else run.reason or run.status
        return Case(mistakes, tuple(dict.fromkeys(chain(*told))), told[0] if told else (), bool(lost), fault)

    def _claims(self, lines: Iterable[Line]) -> tuple[Claim, ...]:
        known = {mistake.name: mistake for mistake in load_mistakes(self.assignment)}
        claims = [claim for line in lines if line.diagnosis for claim in line.diagnosis.split(AND)]
        return tuple(tuple(map(known.__getitem__, claim.split(EITHER))) for claim in claims)

    def run(self, source: str, checks: tuple[str, ...]) -> Run:
        """Grade a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self.assignment.deliverable}.py"
            path.write_text(source, "utf-8")
            return grade(self.assignment.name, path, options=Options(seed=SEED, select=checks), engine=self.engine)
