"""What can be said of an assignment before anything of it is run: points, numbers, limits, files that nobody reads."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch

from autograder.assignment._checks import SHARED, CheckFacts, points
from autograder.assignment._course import Course
from autograder.assignment._facts import Assignment
from autograder.assignment._fixtures import refuse_fixtures
from autograder.assignment._forbidden import unknown
from autograder.assignment._given import refuse_given
from autograder.assignment._key import Key
from autograder.assignment._mistakes import load_mistakes, mistaken_source
from autograder.assignment._packages import missing_note, requirements
from autograder.errors import AuthoringError
from autograder.syntax import parse

FULL = 100.0  # points of an assignment
MARGIN = timedelta(seconds=150)  # for starting on half a core, for ending a grader that hangs, and for writing
READ = (
    *("assignment.toml", "handout.md", "experiment.py", "helpers.py", "mistakes.toml"),
    *("public/test_*.py", "hidden/test_*.py", f"hidden/{SHARED}", "given/*.py", "data/*", "figures/*"),
)


@dataclass(frozen=True)
class Remark:
    """Something about an assignment; `is_fault` where it must not be handed out like this."""

    text: str
    is_fault: bool = True


def review(assignment: Assignment, course: Course) -> tuple[Remark, ...]:
    """What is wrong with an assignment, or worth knowing, by its files alone.

    Raises:
        AuthoringError: they cannot be read: a fact, a check or a known mistake is wrong; the message names file and
            line.
    """
    checks = points(assignment)
    refuse_fixtures(assignment)
    refuse_forbidden(assignment)
    refuse_given(assignment)
    requirements(assignment.folder, assignment.packages, course.packages.allowed)
    remarks = (*_points(assignment, checks), *_platform(assignment, course), *_files(assignment))
    if note := missing_note(assignment.folder, assignment.packages):
        remarks = (*remarks, Remark(note, is_fault=False))
    if assignment.solution.exists():
        remarks = (*remarks, *_reference(assignment))
    return remarks


def reviewed(assignment: Assignment, course: Course) -> tuple[str, ...]:
    """What is worth knowing of an assignment.

    Raises:
        AuthoringError: as `review`, and where a remark is a fault: all of them, one a line.
    """
    remarks = review(assignment, course)
    if faults := [remark.text for remark in remarks if remark.is_fault]:
        raise AuthoringError("\n".join(faults))
    return tuple(remark.text for remark in remarks)


def platform_seconds(course: Course) -> float:
    """How long a run may last on Gradescope, which throws away the results of what lasts longer than its limit."""
    return (course.platform - MARGIN) / timedelta(seconds=1)


def refuse_forbidden(assignment: Assignment) -> None:
    """Refuse operations and Python names that there are not. Imports what is named, and nothing where nothing is.

    Raises:
        AuthoringError: the message names file, task and entry, and what is spelt alike.
    """
    for task in assignment.tasks.values():
        for entry in task.forbidden:
            if wrong := unknown(entry):
                raise AuthoringError(f"{assignment.folder / 'assignment.toml'}: [tasks.{task.name}] forbidden: {wrong}")


def _points(assignment: Assignment, checks: tuple[CheckFacts, ...]) -> Iterator[Remark]:
    by_hand = sum(part.points for part in assignment.by_hand.values() if not part.extra)
    if (total := sum(check.weight for check in checks if not check.extra) + by_hand) != FULL:
        what = "all checks and questions" + (" and what is read by hand" if by_hand else "")
        apart = " without extra credit" if any(check.extra for check in checks) else ""
        yield Remark(f"{assignment.folder}: the points of {what}{apart} add up to {total:g}, not {FULL:g}")
    counts = Counter(check.number for check in checks if check.number)
    for number in (number for number, count in counts.items() if count > 1):
        names = ", ".join(check.name for check in checks if check.number == number)
        yield Remark(f"{assignment.folder}: {names} all have the number {number}")
    if not any(check.is_public for check in checks):
        yield Remark(f"{assignment.folder / 'public'}: there is no public check for students", is_fault=False)


def _reference(assignment: Assignment) -> Iterator[Remark]:
    """Answers that are no options, and mistakes that cannot be parsed."""
    reference = assignment.solution.read_text(encoding="utf-8")
    try:
        module = parse(reference)
    except (SyntaxError, ValueError) as error:
        raise AuthoringError(f"{assignment.solution}: cannot be parsed ({error})") from error
    right = Key.read(module)
    for wrong in right.faults(assignment.quiz, assignment.deliverable):
        yield Remark(f"{assignment.solution}: {wrong}")
    for name, path in assignment.reference_arrays.items():
        if not path.exists():
            yield Remark(f"{path} is missing: the reference's own {name}, with which the audit grades it")
    for mistake in load_mistakes(assignment):
        where = f"{assignment.folder / 'mistakes.toml'}: {mistake.name!r}"
        try:
            key = Key.read(parse(mistaken_source(reference, mistake)))
        except SyntaxError as error:
            yield Remark(f"{where} cannot be parsed: {error.msg}")
            continue
        for question in assignment.quiz if key != right and key.answers is not None else ():
            if question.values and (wrong := key.fault_of_draw(question, assignment.deliverable)):
                yield Remark(f"{where}: {wrong}")


def _platform(assignment: Assignment, course: Course) -> Iterator[Remark]:
    needed, given = assignment.limits.run_seconds, platform_seconds(course)
    if needed > given:
        minutes = -(-(needed + MARGIN.total_seconds()) // 60)
        yield Remark(
            f"{assignment.folder / 'assignment.toml'}: run_seconds is {needed:g}, but Gradescope's "
            f"{course.platform / timedelta(minutes=1):g} minutes leave {given:g}: lower it, or set [gradescope] "
            f"minutes = {minutes:g} in course.toml and the same timeout there"
        )


def _files(assignment: Assignment) -> Iterator[Remark]:
    """Files that nobody reads; checks among them would not be missed before the term ends."""
    for path in sorted(assignment.folder.rglob("*")):
        parts = path.relative_to(assignment.folder).parts
        if not path.is_file() or any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if not any(fnmatch("/".join(parts), pattern) for pattern in READ):
            is_check = parts[0] in ("public", "hidden") and path.suffix == ".py"
            called = f"files of checks are called test_*.py, and what hidden ones share hidden/{SHARED}"
            why = called if is_check else "it is not among an assignment's files"
            yield Remark(f"{path} is ignored: {why}", is_fault=is_check)
