"""From what was handed in to the one file that is graded, staged for the sandbox."""

import hashlib
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from autograder.assignment import Assignment
from autograder.errors import GraderError, SubmissionError, did_you_mean
from autograder.submission._archive import archive_entries
from autograder.submission._files import FILE, FOLDER, Entry, folder_entries, kind_at, not_a_file, read_file, shown
from autograder.submission._module import module_text
from autograder.submission._notebook import module_of

SUFFIXES = (".py", ".ipynb", ".zip")
# What may follow the name: `conv (1)`, `conv copy 2`, `conv_v2`. No two of these begin alike, so matching is linear.
COPY = r"(?:[ _-]|copy|copie|kopie|final|v?\d|\(\d+\))*"
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
UNFINISHED = re.compile(
    rb"""(?<!#)(?<!# )raise NotImplementedError\(\\?["']\w+\.\w+"""
)  # as in the stub, in JSON or not


@dataclass(frozen=True)
class Submission:
    """The module that is graded.

    `source` is its text, `path` the staged file (readable by all, writable by the grader), `digest` the SHA-256 of the
    staged bytes, `origin` what was handed in and taken, `notes` what the student should know about the choice.
    """

    source: str
    path: Path
    digest: str
    origin: str
    notes: tuple[str, ...]


def collect(path: Path | str, assignment: Assignment, staging: Path) -> Submission:
    """Take the deliverable out of what was handed in, and stage it as `staging/DELIVERABLE.py`.

    Args:
        path: a `.py`, an `.ipynb` or a `.zip` of any name, or a folder.
        assignment: whose deliverable is looked for.
        staging: a folder that only the grader writes; made if it is missing.

    Raises:
        SubmissionError: there is no such file, or it is not what was asked for, damaged, unreadable or too large.
        GraderError: the module cannot be staged.
    """
    entry, notes = _find(Path(path), assignment)
    name, data = entry.path.name, entry.read()
    if name.lower().endswith(".ipynb"):
        source, more = module_of(data, name, assignment)
        data = source.encode()
    else:
        source, more = module_text(data, name), ()
    staged = _stage(data, staging / f"{assignment.deliverable}.py")
    digest = hashlib.sha256(data).hexdigest()
    return Submission(source, staged, digest, shown(entry.path), (*notes, *more))


def _find(path: Path, assignment: Assignment) -> tuple[Entry, tuple[str, ...]]:
    """The entry to grade, and notes about how it was chosen."""
    kind, suffix = kind_at(path), path.suffix.lower()
    if kind == FOLDER:
        return _choose(folder_entries(path), f"the folder {shown(path.name)}", assignment)
    if kind != FILE:
        raise not_a_file(path.name, kind)
    if suffix == ".zip":
        return _choose(archive_entries(path), shown(path.name), assignment)
    if suffix not in SUFFIXES:
        raise SubmissionError(f"{shown(path.name)} is not a .py, .ipynb or .zip file", help=_advice(assignment))
    renamed = path.name not in _wanted(assignment)
    notes = (_renamed(path.name, assignment),) if renamed else ()
    return Entry(PurePosixPath(path.name), FILE, partial(read_file, path)), notes


def _choose(entries: Iterable[Entry], where: str, assignment: Assignment) -> tuple[Entry, tuple[str, ...]]:
    """The deliverable among the entries, which come with the shallowest first."""
    found, wanted = list[Entry](), _wanted(assignment)
    odd, others = list[Entry](), list[Entry]()
    for entry in entries:
        if found and entry.depth > found[0].depth:
            break
        if entry.path.name in wanted:
            (found if entry.kind == FILE else odd).append(entry)
        elif entry.kind == FILE and entry.path.suffix.lower() in SUFFIXES:
            others.append(entry)
    if not found and not odd and (meant := _meant(others, assignment)):
        return meant, (_renamed(meant.path.name, assignment),)
    if not found:
        raise _not_found(where, odd, [other.path.name for other in others], assignment)
    if len({entry.path.parent for entry in found}) > 1 or len(found) > len({entry.path for entry in found}):
        listed = ", ".join(shown(entry.path) for entry in found[:5])
        raise SubmissionError(f"{where} holds several to choose from: {listed}", help="Hand in the one to be graded.")
    return _less_unfinished(found) if len(found) > 1 else (found[0], ())


def _meant(others: list[Entry], assignment: Assignment) -> Entry | None:
    """Of files under other names the one that must be meant: the only code, or the only copy of the deliverable."""
    code = [entry for entry in others if entry.path.suffix.lower() in (".py", ".ipynb")]
    copy = re.compile(re.escape(assignment.deliverable) + COPY, re.IGNORECASE)
    copies = [entry for entry in code if copy.fullmatch(entry.path.stem)]
    return code[0] if len(code) == 1 else copies[0] if len(copies) == 1 else None


def _renamed(name: str, assignment: Assignment) -> str:
    return f"{shown(name)} is graded as {assignment.deliverable}.py"


def _not_found(where: str, odd: list[Entry], others: list[str], assignment: Assignment) -> SubmissionError:
    """Says what is there instead of the deliverable."""
    if odd:
        return not_a_file(str(odd[0].path), odd[0].kind)
    wanted = _wanted(assignment)
    message = f"there is no {wanted[0]} or {wanted[1]} in {where}"
    for other in others:
        if hint := did_you_mean(other.lower(), wanted):
            return SubmissionError(f"{message}, but there is {shown(other)}{hint}", help=_advice(assignment))
    listed = ", ".join(shown(other) for other in others[:5])
    return SubmissionError(f"{message}, only {listed}" if listed else message, help=_advice(assignment))


def _less_unfinished(found: list[Entry]) -> tuple[Entry, tuple[str, ...]]:
    """Of module and notebook the one where fewer tasks still raise what the stub raises; the module, if equal."""

    def unfinished(entry: Entry) -> float:
        try:
            return len(UNFINISHED.findall(entry.read()))
        except SubmissionError:
            return math.inf

    ranked = sorted(found, key=lambda entry: (unfinished(entry), entry.path.suffix != ".py"))
    kept, left = (entry.path.name for entry in ranked)
    return ranked[0], (f"both {kept} and {left} were handed in; {kept} is graded, as it is at least as complete",)


def _wanted(assignment: Assignment) -> tuple[str, str]:
    return f"{assignment.deliverable}.py", f"{assignment.deliverable}.ipynb"


def _advice(assignment: Assignment) -> str:
    module, notebook = _wanted(assignment)
    return f"Hand in {module} or {notebook}, alone or in a folder or zip."


def _stage(data: bytes, target: Path) -> Path:
    """A new file with these bytes, whatever was there before."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with open(os.open(target, FLAGS, 0o644), "wb") as file:
            file.write(data)
        target.chmod(0o644)  # whatever the umask
    except OSError as error:
        raise GraderError(f"{target}: the submission cannot be staged ({error.strerror})") from error
    return target
