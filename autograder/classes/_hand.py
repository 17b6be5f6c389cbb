"""Points that somebody gives by hand: a form with everybody on it, and what was entered there.

What is read by hand is declared in the assignment's `[by_hand.PART]`. The form is a CSV file: a row a student, a column
a part. What is entered counts as points earned; what is wrong with it is one message, and nothing is written.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.assignment import ByHand
from autograder.classes._csv import Row, number, read_rows, written
from autograder.classes._intake import Student
from autograder.classes._store import Store
from autograder.errors import UsageError, did_you_mean

WHO, NAME = "student", "name"
FORM = "the form that `deepgrade hand` writes, filled in"


@dataclass(frozen=True)
class HandPoints:
    """What was entered.

    Attributes:
        points: by what a student is known by, in small letters.
        most: what counts as all of them; extra credit is on top.
    """

    points: dict[str, float] = field(default_factory=dict)
    most: float = 0.0

    def of(self, student: Student) -> float | None:
        """A student's points, None where none are entered."""
        return next((self.points[each] for each in student.handles if each in self.points), None)


NOTHING = HandPoints()


def parts_of(store: Store) -> tuple[ByHand, ...]:
    """What the class's assignment has that is read by hand."""
    return tuple(ByHand(**part) for part in json.loads(store.fact("by_hand") or "[]"))


def form(folder: Path) -> str:
    """A form for the points that are given by hand, with everybody of a graded class on it.

    Raises:
        UsageError: nothing of the assignment is read by hand; somebody cannot be told from others.
    """
    with Store(folder) as store:
        parts, name = _declared(store), store.fact("assignment")
        people = sorted(people_of(store), key=lambda student: student.shown.casefold())
    rows: dict[str, Row] = {}
    for student in people:
        if not (who := next(iter(student.handles), "")):
            raise UsageError(f"{student.shown} has no address, number or login in {name}", help="Enter it by hand.")
        rows[who] = {NAME: student.name, WHO: who}
    return written([NAME, WHO, *(part.name for part in parts)], list(rows.values()))


def read_hand(file: Path | None, store: Store) -> HandPoints:
    """What was entered in a form; nothing where nothing is read by hand.

    Raises:
        UsageError: a form is missing, or given for nothing; a column, a student or a number of it is wrong.
    """
    if file is None and not parts_of(store):
        return NOTHING
    parts = _declared(store)
    if file is None:
        listed = ", ".join(f"{part.name} ({part.points:g} points)" for part in parts)
        help = f"deepgrade hand {store.folder} --out FILE writes a form; when it is filled in, give it with --hand."
        raise UsageError(f"somebody gives points for {listed} by hand, and there is no --hand", help=help)
    entered = _entered(_rows(file, parts), [student.handles for student in people_of(store)], file)
    points = {who: _points(row, parts, file) for who, row in entered.items()}
    known = {who: found for who, found in points.items() if found is not None}
    return HandPoints(known, sum(part.points for part in parts if not part.extra))


def _rows(file: Path, parts: Sequence[ByHand]) -> list[Row]:
    """The rows of a form that has the columns of one, and no others."""
    names = [part.name for part in parts]
    header, rows = read_rows(file, (WHO, *names), FORM)
    if odd := next((name for name in header if name not in (NAME, WHO, *names)), None):
        near = did_you_mean(odd, names)
        raise UsageError(f"{file.name} has a column {odd!r}, which is nothing to be read by hand{near}")
    return rows


def _entered(rows: Sequence[Row], people: Iterable[tuple[str, ...]], file: Path) -> dict[str, Row]:
    """The row of each student, by what it calls them; everybody of the class once at most, and nobody else."""
    known = {handle: handles for handles in people for handle in handles}
    found: dict[str, Row] = {}
    for row in rows:
        who = row[WHO].strip().casefold()
        if who not in known:
            raise UsageError(f"{file.name}: {row[WHO]!r} is nobody in this class{did_you_mean(who, known)}")
        if not found.keys().isdisjoint(known[who]):
            raise UsageError(f"{file.name}: {row[WHO]!r} stands in it twice", help="Keep one row of each student.")
        found[who] = row
    return found


def people_of(store: Store) -> Iterable[Student]:
    """Everybody whose submission was graded, one of each."""
    return {student: None for students in store.students().values() for student in students}


def _declared(store: Store) -> tuple[ByHand, ...]:
    if not (parts := parts_of(store)):
        name = store.fact("assignment")
        help = "Declare it in its assignment.toml, [by_hand.NAME] with title and points, and grade the class again."
        raise UsageError(f"nothing of {name} is read by hand", help=help)
    return parts


def _points(row: Row, parts: Sequence[ByHand], file: Path) -> float | None:
    """The sum of a row; None while a cell is empty."""
    found = 0.0
    for part in parts:
        where = f"{file.name}: {part.name} of {row[WHO]}"
        if not row[part.name].strip():
            return None
        if not 0 <= (points := number(row[part.name], where)) <= part.points:
            raise UsageError(f"{where} is {points:g}, and must be 0 to {part.points:g}")
        found += points
    return found
