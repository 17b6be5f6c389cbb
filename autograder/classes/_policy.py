"""From results to marks: which attempt counts, what lateness costs, what is extra credit.

What `course.toml` says in `[dates.NAME]` and `[late]` holds; a TOML file of one class, all of it optional, goes first:

    attempt = "last"                      # or "best"
    due = 2026-11-01T23:59:00+01:00
    late_until = 2026-11-04T23:59:00+01:00
    grace_minutes = 15                    # late by less is not late
    percent_per_day = 10                  # of the points earned, for each day begun after the due time
    most_days = 3                         # later than that earns nothing
    extra_credit = ["affine"]             # tasks or checks that count on top

    [extensions]                          # by email, sid, number or login: a due time of one's own
    "ada@school.example" = 2026-11-04T23:59:00+01:00
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from autograder.assignment import Course, Dates, Table
from autograder.classes._hand import NOTHING, HandPoints
from autograder.classes._intake import Student
from autograder.classes._store import Grade, Store
from autograder.errors import UsageError, did_you_mean

ATTEMPTS = ("last", "best")


@dataclass(frozen=True)
class Policy:
    """See the module. Times have a zone; nothing is taken after `late_until`, but by who has an extension."""

    attempt: str = "last"
    due: datetime | None = None
    late_until: datetime | None = None
    grace: timedelta = timedelta()
    percent_per_day: float = 0.0
    most_days: int | None = None
    extra_credit: tuple[str, ...] = ()
    extensions: dict[str, datetime] = field(default_factory=dict)


NO_POLICY = Policy()


@dataclass(frozen=True)
class Mark:
    """What one student gets.

    Attributes:
        student: who.
        grade: of the attempt that counts.
        score: points after the policy.
        max_score: what counts as all of them; extra credit is on top.
        late: beyond the due time that holds for this student; zero where it is in time or within grace.
    """

    student: Student
    grade: Grade
    score: float
    max_score: float
    late: timedelta


def course_policy(course: Course, assignment: str) -> Policy:
    """What the course says of an assignment: the last attempt counts, and lateness costs what `[late]` says."""
    dates, late = course.dates.get(assignment, Dates()), course.late
    if dates.due is None:
        return Policy()
    return Policy(
        due=dates.due,
        late_until=dates.late_until,
        grace=late.grace,
        percent_per_day=late.percent_per_day,
        most_days=late.most_days,
    )


def read_policy(file: Path | None, given: Policy = NO_POLICY) -> Policy:
    """The policy in a file, and where it says nothing the given one.

    Raises:
        GraderError: the file is wrong; the message names the key.
    """
    if file is None:
        return given
    table = Table.read(file)
    attempt = table.text("attempt", given.attempt)
    if attempt not in ATTEMPTS:
        raise table.fault(
            f"attempt must be one of {', '.join(ATTEMPTS)}, not {attempt!r}{did_you_mean(attempt, ATTEMPTS)}"
        )
    policy = Policy(
        attempt=attempt,
        due=table.moment("due") if "due" in table else given.due,
        late_until=table.moment("late_until") if "late_until" in table else given.late_until,
        grace=timedelta(minutes=table.number("grace_minutes")) if "grace_minutes" in table else given.grace,
        percent_per_day=table.number("percent_per_day") if "percent_per_day" in table else given.percent_per_day,
        most_days=table.whole("most_days", 0) if "most_days" in table else given.most_days,
        extra_credit=table.texts("extra_credit", ()),
        extensions=table.table("extensions", required=False).moments(),
    )
    if policy.due is None and (policy.percent_per_day or policy.extensions or policy.most_days or policy.late_until):
        raise table.fault("due is missing: late is later than what?")
    table.close()
    return policy


def marks(store: Store, policy: Policy, hand: HandPoints = NOTHING) -> list[Mark]:
    """The mark of everybody whose submission was graded, by name; attempts of earlier exports count too. Points by
    hand are earned with whichever attempt counts.

    Raises:
        UsageError: lateness matters and a submission has no time; attempts cannot be told apart; an extension is of
            nobody, extra credit of nothing.
    """
    people, attempts = dict[str, Student](), dict[str, list[Grade]]()
    owners = store.students()
    for grade in store.grades(earlier=True):
        if not owners.get(grade.id):
            raise UsageError(f"nobody is named as the owner of {grade.id}", help="Repair the export, and grade again.")
        for student in owners[grade.id]:
            people[_identity(student)] = student
            attempts.setdefault(_identity(student), []).append(grade)
    _refuse_strangers(policy, people.values())
    extra = _extra_credit(store, policy)
    found = [_mark(people[who], grades, policy, extra, hand) for who, grades in attempts.items()]
    return sorted(found, key=lambda mark: (mark.student.shown.casefold(), mark.grade.id))


def _identity(student: Student) -> str:
    return (student.sid or student.email or student.number or student.login or student.name).casefold()


def _refuse_strangers(policy: Policy, people: Iterable[Student]) -> None:
    known = {each for student in people for each in student.handles}
    for who in policy.extensions:
        if who.casefold() not in known:
            near = did_you_mean(who.casefold(), known)
            raise UsageError(f"the extension of {who!r} is of nobody in this class{near}")


def _extra_credit(store: Store, policy: Policy) -> dict[str, float]:
    """Points of each submission that are on top of what counts as all, beside those that the assignment calls extra."""
    if not policy.extra_credit:
        return {}
    found, seen = dict[str, float](), set[str]()
    wanted = "submission.id, task, check_name, line.max_score, extra"
    for submission, task, check, most, is_extra in store.lines(wanted, earlier=True):
        seen |= {task, check}
        if not is_extra and (task in policy.extra_credit or check in policy.extra_credit):
            found[submission] = found.get(submission, 0.0) + most
    for name in policy.extra_credit:
        if name not in seen:
            raise UsageError(f"extra credit: there is no task or check {name!r}{did_you_mean(name, seen)}")
    return found


def _mark(student: Student, grades: list[Grade], policy: Policy, extra: dict[str, float], hand: HandPoints) -> Mark:
    judged = [_judged(student, grade, policy, extra.get(grade.id, 0.0), hand) for grade in grades]
    if len(judged) == 1 or policy.attempt == "best":
        return max(judged, key=lambda mark: (mark.score, mark.grade.created or "", mark.grade.id))
    if any(grade.created is None for grade in grades):
        listed = ", ".join(grade.id for grade in grades)
        raise UsageError(f"which of {listed} is {student.shown}'s last is not known", help='Use attempt = "best".')
    return max(judged, key=lambda mark: (mark.grade.created or "", mark.grade.id))


def _judged(student: Student, grade: Grade, policy: Policy, extra: float, hand: HandPoints) -> Mark:
    late = _lateness(student, grade, policy)
    days = math.ceil(late / timedelta(days=1))
    kept = max(0.0, 1 - days * policy.percent_per_day / 100)
    if (policy.most_days is not None and days > policy.most_days) or _too_late(student, grade, policy, late):
        kept = 0.0
    earned, most = grade.score + (hand.of(student) or 0.0), grade.max_score + hand.most - extra
    return Mark(student, grade, round(earned * kept, 6), round(most, 6), late)


def _too_late(student: Student, grade: Grade, policy: Policy, late: timedelta) -> bool:
    if policy.late_until is None or not late or _extended(student, policy):
        return False
    return datetime.fromisoformat(grade.created or "") > policy.late_until + policy.grace


def _extended(student: Student, policy: Policy) -> list[datetime]:
    return [due for who, due in policy.extensions.items() if who.casefold() in student.handles]


def _lateness(student: Student, grade: Grade, policy: Policy) -> timedelta:
    if policy.due is None:
        return timedelta()
    if grade.created is None:
        raise UsageError(f"{grade.id} has no time of submission", help="Take the due time out of the policy.")
    late = datetime.fromisoformat(grade.created) - max([policy.due, *_extended(student, policy)])
    return late if late > policy.grace else timedelta()
