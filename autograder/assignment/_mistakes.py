"""`mistakes.toml`: the known wrong answers, each an exact replacement in the reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from autograder.assignment._checks import points
from autograder.assignment._facts import QUIZ, Assignment
from autograder.assignment._table import Table
from autograder.errors import AuthoringError, did_you_mean


@dataclass(frozen=True)
class Edit:
    """One exact replacement in the reference; `file` is the part that it is in, empty for the deliverable."""

    find: str
    replace: str
    file: str = ""


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: how it differs from the reference, what to tell the student, which checks it must lose, and
    which it may lose (races: how slow is too slow depends on the machine)."""

    name: str
    task: str
    edits: tuple[Edit, ...]
    hint: str
    fails: tuple[str, ...]
    may_fail: tuple[str, ...] = ()


def load_mistakes(assignment: Assignment) -> tuple[Mistake, ...]:
    """The assignment's known wrong answers; none if it has no mistakes.toml.

    Raises:
        AuthoringError: an entry is wrong, or names a task or a check that does not exist.
    """
    file = assignment.folder / "mistakes.toml"
    if not file.exists():
        return ()
    table, checks = Table.read(file), [check.name for check in points(assignment)]
    mistakes: dict[str, Mistake] = {}
    for entry in table.entries("mistake"):
        mistake = _mistake(entry, [*assignment.tasks, QUIZ], checks, assignment)
        if mistake.name in mistakes:
            raise entry.fault(f"another mistake is called {mistake.name!r}")
        mistakes[mistake.name] = mistake
    table.close()
    return tuple(mistakes.values())


def _mistake(table: Table, tasks: list[str], checks: list[str], assignment: Assignment) -> Mistake:
    mistake = Mistake(
        table.text("name"),
        table.text("task"),
        _edits(table, assignment),
        table.text("hint"),
        table.texts("fails"),
        table.texts("may_fail", ()),
    )
    table.close()
    if mistake.task not in tasks:
        raise table.fault(f"task: there is no {mistake.task!r}{did_you_mean(mistake.task, tasks)}")
    for check in (*mistake.fails, *mistake.may_fail):
        if check not in checks:
            raise table.fault(f"fails: there is no check {check!r}{did_you_mean(check, checks)}")
    return mistake


def _edits(table: Table, assignment: Assignment) -> tuple[Edit, ...]:
    if ("edits" in table) == ("find" in table or "replace" in table):
        raise table.fault("give either find and replace, or edits")
    if "edits" not in table:
        return (_edit(table, assignment),)
    edits = []
    for entry in table.entries("edits"):
        edits.append(_edit(entry, assignment))
        entry.close()
    if not edits:
        raise table.fault("edits is empty")
    return tuple(edits)


def _edit(table: Table, assignment: Assignment) -> Edit:
    file = table.choice("file", [*assignment.solutions], assignment.deliverable)
    edit = Edit(table.text("find"), table.text("replace", empty=True), file if file in assignment.parts else "")
    if edit.find == edit.replace:
        raise table.fault("find and replace are the same")
    return edit


def mistaken(texts: Mapping[str, str], mistake: Mistake) -> dict[str, str]:
    """The reference with one mistake made in it, by module; the deliverable comes first.

    Raises:
        AuthoringError: as `mistaken_source`.
    """
    return {
        name: mistaken_source(text, mistake, name if position else "")
        for position, (name, text) in enumerate(texts.items())
    }


def mistaken_source(reference_source: str, mistake: Mistake, file: str = "") -> str:
    """One file of the reference with one mistake made in it: the deliverable, or a part.

    Raises:
        AuthoringError: a `find` does not occur exactly once in the file, or two of them overlap.
    """
    places = []
    for edit in (edit for edit in mistake.edits if edit.file == file):
        start = reference_source.find(edit.find)
        if start < 0 or reference_source.find(edit.find, start + 1) >= 0:
            times = "more than once" if start >= 0 else "nowhere"
            raise AuthoringError(f"mistake {mistake.name!r}: find occurs {times} in the reference: {edit.find!r}")
        places.append((start, start + len(edit.find), edit.replace))
    places.sort(reverse=True)  # from the end, so that earlier places stay valid
    if any(earlier[1] > later[0] for later, earlier in pairwise(places)):
        raise AuthoringError(f"mistake {mistake.name!r}: two of its edits overlap in the reference")
    for start, end, replace in places:
        reference_source = reference_source[:start] + replace + reference_source[end:]
    return reference_source
