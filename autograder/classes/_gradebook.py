"""Marks into a gradebook: a file for Gradescope, Canvas' exported gradebook, Moodle's grading worksheet.

Whatever is not certain (whose row it is, which column) is one error, and nothing is written: a mark in the wrong row is
worse than none.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from autograder.assignment import Course
from autograder.classes._csv import COMMA, Row, comma, number, read_rows, written
from autograder.classes._hand import read_hand
from autograder.classes._intake import Student
from autograder.classes._policy import NO_POLICY, Mark, Policy, course_policy, marks, read_policy
from autograder.classes._store import Store
from autograder.errors import UsageError, did_you_mean
from autograder.plain import write_whole

FORMATS = ("gradescope", "canvas", "moodle")
SHOWN = 5  # names in a message
TITLE = re.compile(r"(?P<title>.*) \((?P<id>\d+)\)")
GRADESCOPE = (
    *("First Name", "Last Name", "SID", "Email", "Sections", "Total Score", "Max Points", "Status", "Submission ID"),
    *("Submission Time", "Lateness (H:M:S)"),
)
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
Tokens = Callable[[Student], set[str]]


@dataclass(frozen=True)
class Filled:
    """A gradebook that was made: its text, how many marks are in it, remarks for the instructor."""

    text: str
    marks: int
    remarks: tuple[str, ...] = ()

    def write(self, out: Path) -> Path:
        """Write it, whole or not at all."""
        return write_whole(out, self.text)


def gradebook(
    folder: Path,
    form: str,
    into: Path | None = None,
    *,
    column: str | None = None,
    policy: Path | None = None,
    course: Course | None = None,
    hand: Path | None = None,
    partial: bool = False,
) -> Filled:
    """The gradebook of a graded class.

    Args:
        folder: of the class.
        form: one of FORMATS.
        into: the file that Canvas or Moodle exported.
        column: with canvas, the assignment's title there; by default its title here.
        policy: see `read_policy`.
        course: whose dates and price of lateness hold where the policy says nothing.
        hand: the form of `deepgrade hand`, filled in, where the assignment has parts that are read by hand.
        partial: leave out who has no row there, or no final grade.

    Raises:
        UsageError: something is not certain, or somebody's grade is not final; the message says whose.
        GraderError: the policy's file is wrong.
    """
    if (into is None) != (form == "gradescope"):
        told = f"--format {form} {'needs' if into is None else 'takes no'} --into"
        raise UsageError(told, help="Canvas and Moodle export the file to fill in; for Gradescope one is made.")
    with Store(folder) as store:
        given, timeless = _given(store, course)
        entered = read_hand(hand, store)
        known, title = marks(store, read_policy(policy, given), entered), store.fact("title") or ""
        unread = [mark for mark in known if hand and entered.of(mark.student) is None]
        final = [mark for mark in known if mark.grade.status != "fault" and mark not in unread]
        remarks = _unfinished(known, unread, store.ungraded())
    if remarks and not partial:
        raise UsageError("; ".join(remarks), help="Grade them first, or leave them out with --partial.")
    open_points = sum(mark.grade.pending > 0 for mark in final)
    remarks += timeless
    if open_points:
        remarks.append(f"{open_points} marks are of submissions with points that are not measured yet")
    if into is None:
        filled = gradescope(final)
    elif form == "canvas":
        filled = canvas(final, into, column or title, partial=partial)
    else:
        filled = moodle(final, into, partial=partial)
    return replace(filled, remarks=(*remarks, *filled.remarks))


def _given(store: Store, course: Course | None) -> tuple[Policy, list[str]]:
    """The course's policy for the class, and why it does not hold where it cannot."""
    policy = course_policy(course, store.fact("assignment") or "") if course else NO_POLICY
    if policy.due is None or any(grade.created for grade in store.grades(earlier=True)):
        return policy, []
    return NO_POLICY, ["no submission has a time, so the due time of course.toml was not applied"]


def _unfinished(known: Sequence[Mark], unread: Sequence[Mark], ungraded: Sequence[str]) -> list[str]:
    faulty = [mark.student.shown for mark in known if mark.grade.status == "fault"]
    told = [(faulty, "have a fault of the grader's in place of a grade"), (ungraded, "are not graded yet")]
    told.append(([mark.student.shown for mark in unread], "have no points by hand yet"))
    return [f"{len(who)} {what}: {', '.join(who[:SHOWN])}" for who, what in told if who]


def gradescope(known: Sequence[Mark]) -> Filled:
    """A file like the one that Gradescope exports."""
    rows = []
    for mark in known:
        first, _, last = mark.student.name.rpartition(" ")
        late, submission = _clock(mark.late), mark.grade.id.removeprefix("submission_")
        who = (first or last, last if first else "", mark.student.sid or mark.student.login, mark.student.email, "")
        points = f"{mark.score:.2f}", f"{mark.max_score:.2f}"
        rows.append(dict(zip(GRADESCOPE, (*who, *points, "Graded", submission, _time(mark), late), strict=True)))
    return Filled(written(GRADESCOPE, rows), len(rows))


def _clock(late: timedelta) -> str:
    seconds = int(late.total_seconds())
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _time(mark: Mark) -> str:
    created = mark.grade.created
    return datetime.fromisoformat(created).strftime("%Y-%m-%d %H:%M:%S %z") if created else ""


def canvas(known: Sequence[Mark], into: Path, column: str, *, partial: bool = False) -> Filled:
    """Canvas' gradebook with one column filled in, and no other column but who is who.

    Args:
        known: the marks of the class.
        into: the gradebook, as Canvas exported it.
        column: title of the assignment there, with or without its number.
        partial: leave out marks whose student has no row.

    Raises:
        UsageError: the file, the column or a student is not certain.
    """
    header, rows = read_rows(into, ("Student", "ID"), "the gradebook that Canvas exports")
    name = _column(header, column, into)
    head = next((place for place, row in enumerate(rows) if row["Student"].strip() == "Points Possible"), None)
    if head is None:
        raise UsageError(f"{into.name} has no row Points Possible", help="Export the gradebook from Canvas again.")
    most = number(rows[head][name], f"{into.name}: Points Possible of {name}")
    people = rows[head + 1 :]
    for row in people:
        if COMMA.fullmatch(row[name].strip()):
            raise comma(row[name], f"{into.name}: {name} of {row['Student']}")
    placed, lost = _matched(known, people, into, CANVAS_KEYS, partial=partial)
    filled = 0
    for place, mark in placed.items():
        if people[place][name].strip().upper() != "EX":  # excused
            people[place][name] = f"{mark.score * most / mark.max_score:.2f}"
            filled += 1
    kept = [*(each for each in CANVAS if each in header), name]
    return Filled(written(kept, rows), filled, (*lost, *_scaled(known, most)))


def moodle(known: Sequence[Mark], into: Path, *, partial: bool = False) -> Filled:
    """Moodle's grading worksheet with its Grade column filled in; all else stays as it is.

    Args:
        known: the marks of the class.
        into: the worksheet, as Moodle made it.
        partial: leave out marks whose student has no row.

    Raises:
        UsageError: the file or a student is not certain.
    """
    header, rows = read_rows(into, ("Identifier", "Grade"), "the grading worksheet that Moodle makes")
    for row in rows:
        for name in ("Grade", "Maximum Grade"):
            if COMMA.fullmatch(row.get(name, "").strip()):
                raise comma(row[name], f"{into.name}: {name} of {row['Identifier']}")
    placed, lost = _matched(known, rows, into, MOODLE_KEYS, partial=partial)
    remarks: set[str] = set()
    for place, mark in placed.items():
        most = mark.max_score
        if "Maximum Grade" in header:
            most = number(rows[place]["Maximum Grade"], f"{into.name}: Maximum Grade of {rows[place]['Identifier']}")
        rows[place]["Grade"] = f"{mark.score * most / mark.max_score:.2f}"
        remarks |= set(_scaled([mark], most))
    return Filled(written(header, rows), len(placed), (*lost, *sorted(remarks)))


def _known(*texts: str) -> set[str]:
    return {text.strip().casefold() for text in texts if text.strip()}


def _sid(student: Student) -> set[str]:
    return _known(student.sid)


def _number_of(student: Student) -> set[str]:
    return _known(student.number)


def _email(student: Student) -> set[str]:
    return _known(student.email)


def _login(student: Student) -> set[str]:
    return _known(student.email, student.email.partition("@")[0], student.login, student.sid)


def _name(student: Student) -> set[str]:
    """A name identifies only who has nothing better."""
    if student.sid or student.email or student.number:
        return set()
    return {_words(text) for text in (student.name, student.login) if text}


def _words(name: str) -> str:
    """A name whatever its order: `Lovelace, Ada` is `Ada Lovelace`."""
    return " ".join(sorted(re.findall(r"\w+", name.casefold())))


CANVAS_KEYS: tuple[tuple[str, Tokens], ...] = (
    ("ID", _number_of),
    ("SIS User ID", _sid),
    ("SIS Login ID", _login),
    ("Student", _name),
)
MOODLE_KEYS: tuple[tuple[str, Tokens], ...] = (
    ("Identifier", _number_of),
    ("ID number", _sid),
    ("Email address", _email),
    ("Full name", _name),
)


def _matched(
    known: Sequence[Mark], rows: Sequence[Row], into: Path, keys: Sequence[tuple[str, Tokens]], *, partial: bool
) -> tuple[dict[int, Mark], tuple[str, ...]]:
    """Which row each mark goes to, and a remark about those left out."""
    index = {name: _index(rows, name) for name, _ in keys}
    placed, lost = dict[int, Mark](), list[str]()
    for mark in known:
        place = _place(mark.student, index, keys, into)
        if place is None:
            lost.append(mark.student.shown)
        elif place in placed:
            two = f"{placed[place].student.shown} and {mark.student.shown}"
            raise UsageError(f"{two} both match one row of {into.name}", help="Their identifiers there must differ.")
        else:
            placed[place] = mark
    if not lost:
        return placed, ()
    who = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
    told = f"{len(lost)} of {len(known)} marks have no row in {into.name}: {who}"
    if not partial:
        raise UsageError(told, help="Export it again, or leave them out with --partial.")
    return placed, (told,)


def _index(rows: Sequence[Row], name: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        text = row.get(name, "").strip().casefold()
        if name in ("Student", "Full name"):
            text = _words(text)
        if text:
            found.setdefault(text.removeprefix("participant ") if name == "Identifier" else text, []).append(place)
    return found


def _place(
    student: Student, index: dict[str, dict[str, list[int]]], keys: Sequence[tuple[str, Tokens]], into: Path
) -> int | None:
    for name, tokens in keys:
        places = sorted({place for token in tokens(student) for place in index[name].get(token, ())})
        if len(places) > 1:
            told = f"{len(places)} rows of {into.name} could be {student.shown}'s: they share their {name}"
            raise UsageError(told, help="Enter these by hand, or grade an export that has identifiers.")
        if places:
            return places[0]
    return None


def _column(header: Sequence[str], wanted: str, file: Path) -> str:
    """The gradebook's column of the assignment."""
    if wanted in header and TITLE.fullmatch(wanted):
        return wanted
    titled = [name for name in header if (found := TITLE.fullmatch(name)) and _same(found["title"], wanted)]
    if len(titled) > 1:
        listed = ", ".join(titled)
        raise UsageError(f"{file.name} has two columns called {wanted!r}", help=f"Name one with --column: {listed}.")
    if titled:
        return titled[0]
    known = {found["title"] for name in header if (found := TITLE.fullmatch(name))}
    told = f"{file.name} has no column {wanted!r}{did_you_mean(wanted, known)}"
    raise UsageError(told, help=f"Name one with --column: {', '.join(sorted(known)) or 'it has none'}.")


def _same(title: str, wanted: str) -> bool:
    return title.strip().casefold() == wanted.strip().casefold()


def _scaled(known: Sequence[Mark], most: float) -> tuple[str, ...]:
    others = {mark.max_score for mark in known} - {most}
    return (f"points are scaled from {max(others):g} to the gradebook's {most:g}",) if others else ()
