"""Parts: modules that are handed in beside the deliverable, each looked for by its name, and read and mended as that
is. In the place of one that is missing, or of no use, stands a module that says so to whoever takes something from it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.assignment import Assignment
from autograder.errors import SubmissionError
from autograder.submission._choice import is_code, is_notebook, part_named, renamed, stubs_and_work
from autograder.submission._files import FILE, MODULE, Entry, code_kind, not_a_file, shown
from autograder.submission._ipynb import cells_of
from autograder.submission._module import MAX_MENDED, mended_module, needed_text
from autograder.submission._parse import stand_in_module

MAX_READ = 10  # files for one part that are looked into
WORD = re.compile(r"\w+")
WRITES = re.compile(r"\s*%%(writefile|file)\s+(?P<more>-a\s+)?[\"']?(?P<file>[^\s\"']+)[^\n]*\n(?P<text>.*)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """One part: its name, the bytes to stage, its text (empty where it was not handed in), and notes about it."""

    name: str
    data: bytes
    text: str
    notes: tuple[str, ...]


def found_parts(entries: Sequence[Entry], code: Entry, assignment: Assignment) -> list[Part]:
    """The assignment's parts among what was handed in.

    Args:
        entries: all of it.
        code: the deliverable, beside which they should lie.
        assignment: whose.
    """
    return [_found(name, entries, code, assignment) for name in assignment.parts]


def needed_of_part(part: Part, others: Sequence[str]) -> str:
    """What other modules, by their texts, may take from a part; empty where that is all of it, or nothing is known."""
    return needed_text(part.text, {word for text in others for word in WORD.findall(text)}) if part.text else ""


def _found(name: str, entries: Sequence[Entry], code: Entry, assignment: Assignment) -> Part:
    named = [each for each in entries if is_code(each, assignment) and part_named(each.path.name, assignment) == name]
    ranked = sorted(
        (each for each in named if code_kind(each.path.name) == MODULE and each is not code),
        key=lambda each: (each.path.name != f"{name}.py", each.path.parent != code.path.parent, each.depth, each.path),
    )[:MAX_READ]
    try:
        if ranked:
            return _chosen(name, ranked, assignment)
        if (cells := _written_by_cells(name, code)) is not None:
            data, text, notes = mended_module(cells, f"{name}.py", assignment)
            return Part(name, data, text, (f"{name}.py is what the notebook's cells write to it", *notes))
        raise _missing(name, named, entries)
    except SubmissionError as error:
        return Part(name, stand_in_module(error.message).encode(), "", (f"{error.message}. {error.help}".rstrip(),))


def _chosen(name: str, ranked: Sequence[Entry], assignment: Assignment) -> Part:
    """Of several files the one with the fewest stubs, of equals the first."""
    chosen = min(ranked, key=_unwritten) if len(ranked) > 1 else ranked[0]
    data, text, notes = _read(chosen, name, assignment)
    others = ", ".join(shown(each.path) for each in ranked if each is not chosen)
    also = (f"{shown(chosen.path)} is graded as the part {name}; also there: {others}",) if others else ()
    other_name = () if chosen.path.name == f"{name}.py" or also else (renamed(chosen.path.name, name),)
    return Part(name, data, text, (*other_name, *also, *notes))


def _written_by_cells(name: str, code: Entry) -> bytes | None:
    """What the cells of a notebook, handed in alone as from Colab, write to the part's file; None where none does."""
    data, text = code.read(), ""
    for cell in cells_of(data, shown(code.path.name)) if is_notebook(data, code.path.name) else ():
        if not cell.kind and (found := WRITES.match(cell.source)) and PurePosixPath(found["file"]).name == f"{name}.py":
            text = (text if found["more"] else "") + found["text"] + "\n"
    return text.encode("utf-8", "replace") or None


def _missing(name: str, named: Sequence[Entry], entries: Sequence[Entry]) -> SubmissionError:
    """Says what is there instead."""
    if odd := next((each for each in entries if each.path.name == f"{name}.py" and each.kind != FILE), None):
        return not_a_file(f"{name}.py", odd.kind)
    if named:
        told = f"{name}.py was not handed in, only {shown(named[0].path.name)}"
        return SubmissionError(told, help=f"A part is a module: save its code as {name}.py.")
    return SubmissionError(f"{name}.py was not handed in", help="It is asked for beside the code.")


def _unwritten(entry: Entry) -> tuple[bool, int]:
    """Sorts first what has the fewest stubs in it, last what has nothing in it."""
    try:
        text = entry.read().decode("utf-8", "replace")
    except SubmissionError:
        return True, 0
    stubs, work = stubs_and_work(text) if len(text) <= MAX_MENDED else ((), ())
    return not (stubs or work), len(stubs)


def _read(entry: Entry, name: str, assignment: Assignment) -> tuple[bytes, str, tuple[str, ...]]:
    data = entry.read()
    if is_notebook(data, entry.path.name):
        told = f"{shown(entry.path.name)} is a notebook, and a part is a module"
        raise SubmissionError(told, help=f"Save its code as {name}.py.")
    return mended_module(data, entry.path.name, assignment)
