"""The public checks, run on a student's work in this process: each check a line, told as soon as it ends."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from autograder import results
from autograder.assignment import Assignment, CheckFacts, points
from autograder.checks import Door
from autograder.errors import GraderError
from autograder.local.clock import Clock
from autograder.local.work import Work
from autograder.suite import merged, run_pytest
from autograder.suite.plugin import DOOR, ChecksPlugin, check_name
from autograder.suite.world import Case, World

SEED = 0  # the same draws in every run: what failed a minute ago fails for the same numbers now
OUTCOMES = {"passed": results.Outcome.PASSED, "failed": results.Outcome.FAILED}
FOREVER = 1e9  # there is no end to a run at home, only to its calls


@dataclass(frozen=True)
class Line:
    """One public check that has run.

    Attributes:
        facts: number, title, points, task.
        outcome: passed, failed or fault.
        message: for the student.
        rung: what went wrong, in one word.
        function: of the work, where that shows.
        place: where in it; see `results.Line`.
        beside: yours and expected, side by side.
        hint: what the known mistake means whose answer this is.
        picture: where values differ, and what it shows.
        duration: seconds.
        figures: cases, and how many of them failed.
    """

    facts: CheckFacts
    outcome: str
    message: str = ""
    rung: str = ""
    function: str = ""
    place: str = ""
    beside: str = ""
    hint: str = ""
    picture: list[list[float]] | None = None
    pictured: str = ""
    duration: float = 0.0
    cases: int = 1
    failed_cases: int = 0

    @property
    def passed(self) -> bool:
        """Whether its points are earned."""
        return self.outcome == "passed"

    @property
    def is_stub(self) -> bool:
        """Whether what it asks for is not written yet."""
        return self.rung == "stub"

    @property
    def shown(self) -> results.Line:
        """As on the page of the grade."""
        outcome = OUTCOMES.get(self.outcome, results.Outcome.FAULT)
        return results.Line(
            name=self.facts.title,
            number=self.facts.number,
            task=self.facts.task,
            kind=self.facts.kind,
            outcome=outcome,
            score=self.facts.weight if self.passed else 0.0,
            max_score=self.facts.weight,
            message=self.message,
            beside=self.beside,
            rung=self.rung,
            function=self.function,
            place=self.place,
            hint=self.hint or None,
            duration=self.duration,
            cases=self.cases,
            failed_cases=self.failed_cases,
            picture=self.picture,
            pictured=self.pictured,
            check=self.facts.name,
            extra=self.facts.extra,
        )


@dataclass
class Ran:
    """What came of a run.

    Attributes:
        lines: by the check's name, in the order of the run.
        problems: files of checks that could not be imported, and why.
        doors: by the check's name, what each of its cases asked.
        interrupted: the check and the line that Ctrl-C found it in, None where nobody pressed it.
    """

    lines: dict[str, Line] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    doors: dict[str, list[Door]] = field(default_factory=dict)
    interrupted: str | None = None


def public_checks(assignment: Assignment) -> tuple[CheckFacts, ...]:
    """The public checks by their decorators.

    Raises:
        GraderError: a file of them cannot be read.
    """
    return tuple(check for check in points(assignment) if check.is_public)


class Listener:
    """A plugin of pytest that hears when a check begins, and of Ctrl-C; it runs checks in the order of `facts`, and
    those alone of which `goes_on` says so."""

    def __init__(
        self,
        begins: Callable[[CheckFacts], None],
        facts: dict[str, CheckFacts],
        work: Work,
        goes_on: Callable[[str], bool],
    ) -> None:
        self.begins, self.facts, self.work, self.goes_on = begins, facts, work, goes_on
        self.current = ""
        self.doors: dict[str, list[Door]] = {}
        self.interrupted: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Those that go first, first."""
        order = list(self.facts)
        items.sort(key=lambda item: order.index(check_name(item)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True for what is not run."""
        return None if self.goes_on(check_name(item)) else True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The next case, maybe of the next check."""
        if check_name(item) != self.current:
            self.current = check_name(item)
            self.begins(self.facts[self.current])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """A case has run."""
        if door := item.stash.get(DOOR, None):
            self.doors.setdefault(check_name(item), []).append(door)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Somebody has had enough."""
        check = self.facts[self.current] if self.current else None
        told = f"{check.number} {check.title}. " if check else ""
        self.interrupted = f"{told}{self.work.place(excinfo.value)}".strip()


def run_checks(
    work: Work,
    clock: Clock,
    checks: Collection[CheckFacts],
    *,
    then: Collection[CheckFacts] = (),
    begins: Callable[[CheckFacts], None] = lambda facts: None,
    ended: Callable[[Line], None] = lambda line: None,
    diagnosis: Any = None,
) -> Ran:
    """Run these public checks on the work.

    Args:
        work: imported.
        clock: which limits each call as the grader does.
        checks: to run.
        then: to run as well, where all of these pass.
        begins: told of each check before it runs.
        ended: told of each line when it is known.
        diagnosis: knows known mistakes by their answers.

    Raises:
        GraderError: pytest cannot run.
    """
    ran, cases = Ran(), dict[str, list[Case]]()
    first, facts = {check.name for check in checks}, {check.name: check for check in (*checks, *then)}

    def goes_on(name: str) -> bool:
        return name in first or all(each in ran.lines and ran.lines[each].passed for each in first)

    def report(name: str, case: Case, count: int) -> None:
        cases.setdefault(name, []).append(case)
        if len(cases[name]) == count and name in facts:
            ran.lines[name] = _line(facts[name], merged(cases[name]))
            ended(ran.lines[name])

    plugin = ChecksPlugin(_world(work, clock, diagnosis), report, set(facts))
    listener = Listener(begins, facts, work, goes_on)
    files = [str(file) for file in sorted((work.assignment.folder / "public").glob("test_*.py"))]
    if facts:
        run_pytest(plugin, work.assignment.folder, files, more=[listener])
    ran.problems, ran.interrupted, ran.doors = dict(_told(plugin.problems)), listener.interrupted, listener.doors
    missing = [name for name in first if name not in ran.lines]
    if missing and not ran.problems and ran.interrupted is None:
        raise GraderError(f"the checks {', '.join(missing)} did not run")
    return ran


def _world(work: Work, clock: Clock, diagnosis: Any) -> World:
    """What public checks are run against: the work, without a reference."""
    return World(
        assignment=work.assignment,
        student=lambda: work.runner(clock),
        student_module=work.module,
        reference=None,
        seed=SEED,
        deadline=time.monotonic() + FOREVER,
        source=work.source,
        diagnosis=diagnosis,
    )


def _line(facts: CheckFacts, found: dict[str, Any]) -> Line:
    return Line(
        facts=facts,
        outcome=found["outcome"],
        message=found["message"],
        rung=found["rung"],
        function=found["function"],
        place=found["place"],
        beside=found["beside"],
        hint=found["hint"] or "",
        picture=found["picture"],
        pictured=found["pictured"],
        duration=found["duration"],
        cases=found["cases"],
        failed_cases=found["failed_cases"],
    )


def _told(problems: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The last line of each report, which names the exception."""
    for file, report in problems.items():
        lines = [line.removeprefix("E").strip() for line in report.splitlines() if line.strip()]
        yield file, next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
