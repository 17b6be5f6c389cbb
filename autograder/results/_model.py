"""What a run of the grader found: the one schema behind results.json, the terminal, the page and the class store.

Only a check that passed scores; that is enforced here, where a line is made. Text and numbers are cleaned here too, so
that whatever a submission says, every line can be written as JSON, printed, and read back. What a student may see of a
run is `shown(run)`: faults of ours and hidden errors lose their details there, and results.json holds no more.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from autograder.errors import GraderError, UsageError
from autograder.plain import clean, cut, fits, types_of

SCHEMA_VERSION = 1
MESSAGE_CHARS = 4_000  # of one check; a traceback of the student's own is shorter than that
OUTPUT_CHARS = 92_000  # of all checks together: beyond 100,000 characters the platform cuts
STATUSES = ("graded", "unreadable", "fault")
OUR_FAULT = "A fault in the grader kept this check from running. It is not your fault; the course staff can regrade it."


class Outcome(StrEnum):
    """How a check ended. Only PASSED scores."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"  # not run: nothing could be imported, or time ran out
    DEFERRED = "deferred"  # needs hardware that is not here; added later from a run where it is
    INCONCLUSIVE = "inconclusive"  # measured, but the machine was too unsteady for a verdict
    FAULT = "fault"  # the grader's own

    @property
    def is_pending(self) -> bool:
        """Whether its points are still to be measured."""
        return self in (Outcome.DEFERRED, Outcome.INCONCLUSIVE)


@dataclass(frozen=True)
class Line:
    """One check of one run.

    Attributes:
        name: what it checks, in the student's words.
        number: shown before it, such as "2.1"; may be empty.
        task: name of the task it belongs to.
        kind: agreement, property, dtype, cost, race or quiz.
        outcome: how it ended.
        score: points earned; 0 unless passed.
        max_score: points to be had.
        message: for the student; for a fault, for us.
        beside: the answer and what was expected, side by side; of checks alone that students can read.
        rung: what went wrong, in one word, such as stub, raised, shape, value, cost; empty where nothing did.
        function: of the submission, where that shows.
        place: `gradient` where that is wrong; of an exception its kind and line; of a stub its name.
        hint: what the known mistake that was recognised means.
        diagnosis: that mistake's name.
        duration: seconds.
        visibility: visible, hidden, after_due_date or after_published.
        tags: of the check.
        hide_errors: what the student reads in place of the message, None to show it.
        cases: how many cases it has.
        failed_cases: how many of them did not pass.
        figures: what was measured (see docs/results.md), plain values.
        picture: where values differ, rows of squares: 0 where they do not, 1 or -1 the worst, 0.5 or -0.5 others, too
            large or too small; 0.25 where neither can be said.
        pictured: what the picture shows: the array, its plane, its axes.
        check: name of the check's function.
        extra: whether its points are extra credit, on top of what can be had.

    Raises:
        GraderError: the score is not a number in 0..max_score, or the check did not pass and yet scores.
    """

    name: str
    number: str
    task: str
    kind: str
    outcome: Outcome
    score: float
    max_score: float
    message: str
    beside: str = ""
    rung: str = ""
    function: str = ""
    place: str = ""
    hint: str | None = None
    diagnosis: str | None = None
    duration: float = 0.0
    visibility: str = "visible"
    tags: tuple[str, ...] = ()
    hide_errors: str | None = None
    cases: int = 1
    failed_cases: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    picture: list[list[float]] | None = None
    pictured: str = ""
    check: str = ""
    extra: bool = False

    def __post_init__(self) -> None:
        _clean_fields(self)
        object.__setattr__(self, "outcome", Outcome(self.outcome))
        numbers = self.score, self.max_score, self.duration
        if not all(isinstance(number, int | float) for number in numbers) or not 0 <= self.score <= self.max_score:
            raise GraderError(f"{self.name}: a score of {self.score} out of {self.max_score} cannot be")
        if self.score and self.outcome is not Outcome.PASSED:
            raise GraderError(f"{self.name}: the check ended as {self.outcome} and cannot score {self.score:g}")


@dataclass(frozen=True)
class Standing:
    """One entry of the leaderboard; `order` is "desc" where more is better, else "asc"."""

    name: str
    value: float | str
    order: str = "desc"

    def __post_init__(self) -> None:
        _clean_fields(self)


@dataclass(frozen=True)
class Run:
    """One submission, graded once.

    Attributes:
        assignment, title: its name and its title.
        submission_name: of the file or folder that was handed in.
        digest: of what was graded; the same digest and seed give the same verdict.
        seed: of the random values.
        versions: of what a verdict may depend on.
        device: "cpu", or the accelerator's name.
        confinement: the protections in force.
        started: ISO 8601, UTC.
        duration: seconds.
        lines: every check of the assignment, whatever happened, in the order of their numbers.
        reason: why the run ended early, or None.
        status: graded; unreadable (nothing that could be graded); fault (ours: to be regraded).
        notes: remarks for the student about what was handed in.
        leaderboard: entries, if the assignment has a leaderboard.
        task_titles: of the tasks, by name.

    Raises:
        GraderError: the status is none of these.
    """

    assignment: str
    title: str
    submission_name: str
    digest: str
    seed: int
    versions: dict[str, str]
    device: str
    confinement: dict[str, Any]
    started: str
    duration: float
    lines: tuple[Line, ...]
    reason: str | None = None
    status: str = "graded"
    notes: tuple[str, ...] = ()
    leaderboard: tuple[Standing, ...] = ()
    task_titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _clean_fields(self, keep=("lines", "leaderboard"))
        object.__setattr__(self, "lines", tuple(sorted(self.lines, key=_by_number)))
        if self.status not in STATUSES:
            raise GraderError(f"a run cannot have the status {self.status!r}, only {', '.join(STATUSES)}")

    @property
    def score(self) -> float:
        """Points earned."""
        return _total(line.score for line in self.lines)

    @property
    def max_score(self) -> float:
        """Points to be had, those not measured yet among them, extra credit apart."""
        return _total(line.max_score for line in self.lines if not line.extra)

    @property
    def extra(self) -> float:
        """Of the points earned, those that are extra credit."""
        return _total(line.score for line in self.lines if line.extra)

    @property
    def pending(self) -> float:
        """Points that are still to be measured."""
        return _total(line.max_score for line in self.lines if line.outcome.is_pending)

    @property
    def has_fault(self) -> bool:
        """Whether something of ours went wrong, so that the run is to be repeated."""
        return self.status == "fault" or any(line.outcome is Outcome.FAULT for line in self.lines)

    @property
    def exit_code(self) -> int:
        """0 graded, 2 unreadable, 3 our fault."""
        return 3 if self.has_fault else 2 if self.status == "unreadable" else 0

    def by_task(self) -> dict[str, tuple[Line, ...]]:
        """The lines of each task, in the order in which the tasks first appear."""
        grouped: dict[str, tuple[Line, ...]] = {}
        for line in self.lines:
            grouped[line.task] = (*grouped.get(line.task, ()), line)
        return grouped

    def title_of(self, task: str) -> str:
        """A task's title, or its name where none is known."""
        return self.task_titles.get(task) or task.replace("_", " ").capitalize()

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values, the messages of our own faults too: for stores that students do not read."""
        return {**clean(asdict(self)), "schema_version": SCHEMA_VERSION}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Run":
        """Back from `to_dict`.

        Raises:
            GraderError: written by another version of the schema, or not a run at all.
        """
        if data.get("schema_version") != SCHEMA_VERSION:
            raise GraderError(f"these results have schema version {data.get('schema_version')!r}, not {SCHEMA_VERSION}")
        try:
            values = {item.name: data[item.name] for item in fields(cls)}
            values["lines"] = tuple(Line(**line) for line in values["lines"])
            values["leaderboard"] = tuple(Standing(**entry) for entry in values["leaderboard"])
            run = cls(**values)
            for part in (run, *run.lines, *run.leaderboard):
                _refuse_odd_types(part)
            return run
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GraderError(f"these are no results of Deepgrade's: {type(error).__name__}: {error}") from error


def _by_number(line: Line) -> tuple[bool, list[tuple[int, str]]]:
    """2.9 before 2.10; what has no number comes last, in its own order."""
    parts = line.number.split(".")
    return not line.number, [(int(part) if part.isdecimal() else 0, part) for part in parts]


def shown(run: Run) -> Run:
    """The run as a student may see it: hidden errors and faults of ours without details, messages cut to length."""
    per_line = min(MESSAGE_CHARS, OUTPUT_CHARS // max(1, len(run.lines)))
    reason = None if run.status == "fault" or run.reason is None else cut(run.reason, MESSAGE_CHARS)
    notes = tuple(cut(note, MESSAGE_CHARS // 10) for note in run.notes[:8])
    return replace(run, lines=tuple(_shown_line(line, per_line) for line in run.lines), reason=reason, notes=notes)


def _shown_line(line: Line, chars: int) -> Line:
    secret: dict[str, Any] = {"hint": None, "diagnosis": None, "figures": {}, "picture": None}
    secret |= {"rung": "", "function": "", "place": "", "pictured": "", "beside": ""}
    if line.outcome is Outcome.FAULT:
        return replace(line, message=OUR_FAULT, **secret)
    if line.hide_errors is not None and line.outcome is not Outcome.PASSED:
        return replace(line, message=cut(line.hide_errors, chars), **secret)
    return replace(
        line, message=cut(line.message, chars), beside=cut(line.beside, chars), hint=line.hint and cut(line.hint, chars)
    )


def merged(run: Run, later: Run) -> Run:
    """A run completed with what a later one, on other hardware, could measure.

    Args:
        run: the one that counts.
        later: of the same submission.

    Returns:
        `run` with each line that is still to be measured replaced by the later one, if that was measured.

    Raises:
        UsageError: they are not of the same submission and assignment.
    """
    if (run.assignment, run.digest) != (later.assignment, later.digest):
        raise UsageError("only two runs of the same submission can be merged", help="Compare their digests.")
    measured = {line.check: line for line in later.lines if line.outcome in (Outcome.PASSED, Outcome.FAILED)}
    lines = tuple(measured.get(line.check, line) if line.outcome.is_pending else line for line in run.lines)
    note = f"Points that were still to be measured come from a run on {later.device}."
    return replace(run, lines=lines, notes=run.notes if lines == run.lines else (*run.notes, note))


def _clean_fields(thing: Any, keep: tuple[str, ...] = ()) -> None:
    for item in fields(thing):
        value = getattr(thing, item.name)
        if item.name not in keep:
            object.__setattr__(thing, item.name, tuple(clean(value)) if isinstance(value, tuple) else clean(value))
    for name in ("tags", "notes", *keep):
        if hasattr(thing, name):
            object.__setattr__(thing, name, tuple(getattr(thing, name)))


def _refuse_odd_types(thing: Any) -> None:
    for name, hint in types_of(thing).items():
        if not fits(getattr(thing, name), hint):
            raise TypeError(f"{name} cannot be {getattr(thing, name)!r:.40}")


def _total(numbers: Any) -> float:
    return round(math.fsum(numbers), 6)
