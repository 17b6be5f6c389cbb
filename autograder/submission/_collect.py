"""From what was handed in to the one file that is graded, staged for the sandbox."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from autograder.assignment import Assignment
from autograder.errors import GraderError, SubmissionError
from autograder.submission._archive import archive_entries
from autograder.submission._arrays import beside, found_arrays
from autograder.submission._choice import advice, choose, is_notebook, outline, renamed, wanted_files
from autograder.submission._files import (
    FILE,
    FOLDER,
    MODULE,
    NOTEBOOK,
    Entry,
    code_kind,
    folder_entries,
    is_archive,
    kind_at,
    not_a_file,
    read_file,
    shown,
)
from autograder.submission._module import mended_module, needed_text
from autograder.submission._notebook import module_of

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
MAX_INNER = 5  # archives within an archive or a folder that are looked into


@dataclass(frozen=True)
class Submission:
    """The module that is graded.

    `source` is its text, `path` the staged file (readable by all, writable by the grader), `digest` the SHA-256 of the
    staged bytes, files of arrays included, `origin` what was handed in and taken, `notes` what the student should know
    about the choice.
    """

    source: str
    path: Path
    digest: str
    origin: str
    notes: tuple[str, ...]


def collect(path: Path | str, assignment: Assignment, staging: Path) -> Submission:
    """Take the deliverable out of what was handed in, and stage it as `staging/DELIVERABLE.py`, with its files of
    arrays beside it.

    Args:
        path: a `.py`, an `.ipynb`, a `.zip` or a tar of any name, or a folder.
        assignment: whose deliverable is looked for.
        staging: a folder that only the grader writes; made if it is missing.

    Raises:
        SubmissionError: there is no such file, or it is not what was asked for, damaged, unreadable or too large.
        GraderError: the module cannot be staged.
    """
    entry, notes, listed = _find(Path(path), assignment)
    name, data = entry.path.name, entry.read()
    if is_notebook(data, name):
        kind = NOTEBOOK
        source, more = module_of(data, name, assignment)
        data = source.encode()
    else:
        kind = MODULE
        data, source, more = mended_module(data, name, assignment)
    disguised = (f"{shown(name)} is {_called(kind)}, and was read as that",) if kind != code_kind(name) else ()
    staged = _stage(data, staging / f"{assignment.deliverable}.py")
    needed_of(staged).unlink(missing_ok=True)
    if kind == MODULE and (text := needed_text(source, assignment)):
        _stage(text.encode(), needed_of(staged))
    arrays, missing = found_arrays(listed, entry, assignment)
    digest = hashlib.sha256(data)
    for array in assignment.arrays:
        (staging / array).unlink(missing_ok=True)
        if array in arrays:
            digest.update(hashlib.sha256(_stage(arrays[array], staging / array).read_bytes()).digest())
    return Submission(source, staged, digest.hexdigest(), shown(entry.path), (*notes, *disguised, *more, *missing))


def needed_of(staged: Path) -> Path:
    """Where, beside a staged module, lies what the tasks need of it: for when its import does not come to an end."""
    return staged.with_name(f"{staged.name}.needed")


def _called(kind: str) -> str:
    return "a notebook" if kind == NOTEBOOK else "a module"


Found = tuple[Entry, tuple[str, ...], list[Entry]]


def _find(path: Path, assignment: Assignment) -> Found:
    """The entry to grade, notes about how it was chosen, and everything that was handed in."""
    kind = kind_at(path)
    if kind == FOLDER:
        return _chosen(list(folder_entries(path)), f"the folder {shown(path.name)}", assignment)
    if kind != FILE:
        raise not_a_file(path.name, kind)
    if is_archive(path.name):
        return _chosen(archive_entries(path, path.name), shown(path.name), assignment)
    if not code_kind(path.name):
        raise SubmissionError(f"{shown(path.name)} is not a .py, .ipynb or .zip file", help=advice(assignment))
    notes = () if path.name in wanted_files(assignment) else (renamed(path.name, assignment),)
    return Entry(PurePosixPath(path.name), FILE, partial(read_file, path)), notes, beside(path, assignment)


def _chosen(entries: list[Entry], where: str, assignment: Assignment) -> Found:
    """The choice among the entries; where nothing in them is asked for, among those of the archives in them too."""
    inner = [each for each in entries if each.kind == FILE and is_archive(each.path.name)][:MAX_INNER]
    try:
        entry, notes = choose(entries, where, assignment)
        if not inner or outline(entry.read(), entry.path.name, assignment).written:
            return entry, notes, entries
    except SubmissionError:
        if not inner:
            raise
    listed = [*entries, *_within(inner)]
    return *choose(listed, where, assignment), listed


def _within(archives: Iterable[Entry]) -> list[Entry]:
    """What archives hold; one that cannot be read holds nothing."""
    found = list[Entry]()
    for archive in archives:
        try:
            entries = archive_entries(archive.read(), archive.path.name)
        except SubmissionError:
            continue
        found += [Entry(archive.path / each.path, each.kind, each.read) for each in entries]
    return found


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
