"""The handout, cut at its headings, with the table of points in its place."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from autograder.assignment import QUIZ, Assignment, CheckFacts, points
from autograder.errors import AuthoringError, did_you_mean
from autograder.starter._formulas import plain

POINTS = "{{points}}"
LIMIT = re.compile(r"\{\{\s*limit:([\w.]+)\s*\}\}")
TASK = re.compile(r"## (\w+): \S.*")


@dataclass(frozen=True)
class Section:
    """A piece of the handout; `task` is empty for what stands before, between and after the tasks."""

    task: str
    text: str


def handout(assignment: Assignment, show: Callable[[str], str] = plain) -> str:
    """The handout that students read, with the table of points.

    Args:
        assignment: whose.
        show: how its formulas are shown, `plain` or `typeset`.

    Raises:
        AuthoringError: there is no handout, or it has not exactly one place for the table, or names an unknown limit,
            or a formula is not in order.
    """
    file = assignment.folder / "handout.md"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthoringError(f"{file}: cannot be read ({error})") from error
    if text.count(POINTS) != 1:
        raise AuthoringError(f"{file}: {POINTS} must stand in it once, not {text.count(POINTS)} times")
    text = LIMIT.sub(lambda match: _limit(match[1], assignment), text)
    try:
        text = show(text)
    except ValueError as error:
        raise AuthoringError(f"{file}: {error}") from error
    return text.replace(POINTS, points_table(assignment)).rstrip("\n") + "\n"


def _limit(name: str, assignment: Assignment) -> str:
    """The number that `{{limit:TASK.KEY}}` stands for: of the task's costs, or of its race.

    Raises:
        AuthoringError: there is no such limit; the message lists those there are.
    """
    known = {f"{task}.{key}": value for task, costs in assignment.costs.items() for key, value in costs.figures.items()}
    for task, race in assignment.races.items():
        known |= {f"{task}.target": race.target, f"{task}.limit": race.limit}
    if name not in known:
        near = did_you_mean(name, known) or f"; there are {', '.join(known) or 'none'}"
        raise AuthoringError(f"{assignment.folder / 'handout.md'}: there is no limit {name!r}{near}")
    return f"{known[name]:,.12g}"


def points_table(assignment: Assignment) -> str:
    """Markdown: for every task what it is worth, and how much of that the public checks show at home; what somebody
    reads; extra credit, which the total does not count."""
    checks = points(assignment)
    lines = ["| task | | points | in the public checks |", "|---|---|---:|---:|"]
    rows = [(task.name, task.title) for task in assignment.tasks.values()]
    if assignment.quiz:
        rows.append((QUIZ, f"{len(assignment.quiz)} questions"))
    for name, title in rows:
        mine = [check for check in checks if check.task == name]
        lines.append(f"| {name} | {title} | {_worth(mine)} | {_worth([check for check in mine if check.is_public])} |")
    for part in assignment.by_hand.values():
        lines.append(f"| {part.name} | {part.title} (somebody reads it) | {_points(part.points, part.extra)} | 0 |")
    counted = [check for check in checks if not check.extra]
    total = sum(check.weight for check in counted) + sum(p.points for p in assignment.by_hand.values() if not p.extra)
    shown = _sum(check for check in counted if check.is_public)
    return "\n".join([*lines, f"| **total** | | **{total:g}** | **{shown}** |"])


def _worth(checks: Sequence[CheckFacts]) -> str:
    """Points, and extra credit beside them: `10 + 2 extra`."""
    sums = {extra: sum(check.weight for check in checks if check.extra == extra) for extra in (False, True)}
    parts = [_points(worth, extra) for extra, worth in sums.items() if worth]
    return " + ".join(parts) or "0"


def _points(worth: float, extra: bool) -> str:
    return f"{worth:g} extra" if extra else f"{worth:g}"


def sections(text: str, assignment: Assignment) -> tuple[Section, ...]:
    """The handout cut at its `## ` headings; `## conv2d: ...` begins the section of the task conv2d.

    Raises:
        AuthoringError: a task has no section, or more than one, or a section is named almost like a task.
    """
    pieces: list[list[str]] = [[]]
    fenced = False
    for line in text.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced:
            pieces.append([])
        pieces[-1].append(line)
    found = [Section(_task(piece[0], assignment), "\n".join(piece).strip()) for piece in pieces]
    for task in assignment.tasks:
        if (count := [section.task for section in found].count(task)) != 1:
            where = assignment.folder / "handout.md"
            raise AuthoringError(f"{where}: there must be one section '## {task}: title', not {count}")
    return tuple(section for section in found if section.text)


def _task(heading: str, assignment: Assignment) -> str:
    named = TASK.fullmatch(heading.rstrip())
    if not named:
        return ""
    if named[1] not in assignment.tasks and (hint := did_you_mean(named[1], assignment.tasks)):
        raise AuthoringError(f"{assignment.folder / 'handout.md'}: there is no task {named[1]!r}{hint}")
    return named[1] if named[1] in assignment.tasks else ""


def _sum(checks: Iterable[CheckFacts]) -> str:
    return f"{sum(check.weight for check in checks):g}"
