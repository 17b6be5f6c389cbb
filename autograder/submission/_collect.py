"""From what was handed in to the one file that is graded, staged for the sandbox."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from autograder.assignment import Assignment, constants
from autograder.errors import GraderError, SubmissionError
from autograder.submission._archive import archive_entries
from autograder.submission._arrays import found_arrays
from autograder.submission._choice import advice, choose, is_notebook, outline, part_named, renamed, wanted_files
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
from autograder.submission._parts import Part, found_parts, needed_of_part

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
MAX_INNER = 5  # archives within an archive or a folder that are looked into


@dataclass(frozen=True)
class Submission:
    """The module that is graded.

    `source` is its text, `path` the staged file (readable by all, writable by the grader), `digest` the SHA-256 of the
    staged bytes, parts and files of arrays included, `origin` what was handed in and taken, `notes` what the student
    should know about the choice, `parts` the texts of those that were handed in, by name.
    """

    source: str
    path: Path
    digest: str
    origin: str
    notes: tuple[str, ...]
    parts: dict[str, str] = field(default_factory=dict)


def collect(path: Path | str, assignment: Assignment, staging: Path) -> Submission:
    """Take the deliverable out of what was handed in, and stage it as `staging/DELIVERABLE.py`, beside it its parts and
    files of arrays.

    Args:
        path: a `.py`, an `.ipynb`, a `.zip` or a tar of any name, or a folder.
        assignment: whose deliverable is looked for.
        staging: a folder that only the grader writes; made if it is missing.

    Raises:
        SubmissionError: there is no such file, or it is not what was asked for, damaged, unreadable or too large.
        GraderError: the module cannot be staged.
    """
    entry, notes, listed = _find(Path(path), assignment)
    data, source, needed, read = _read(entry, assignment)
    staged = _stage_module(data, needed, staging / f"{assignment.deliverable}.py")
    parts, (arrays, missing) = found_parts(listed, entry, assignment), found_arrays(listed, entry, assignment)
    digest = hashlib.sha256(data)
    for each in chain(_staged_parts(parts, source, staging), _staged_arrays(arrays, assignment, staging)):
        digest.update(hashlib.sha256(each).digest())
    told = (*notes, *read, *chain.from_iterable(part.notes for part in parts), *missing)
    texts = {part.name: part.text for part in parts if part.text}
    return Submission(source, staged, digest.hexdigest(), shown(entry.path), told, texts)


def _read(entry: Entry, assignment: Assignment) -> tuple[bytes, str, str, tuple[str, ...]]:
    """The bytes of a module or a notebook to stage, their text, what of it the tasks need, and notes."""
    name, data = entry.path.name, entry.read()
    kind, needed = NOTEBOOK if is_notebook(data, name) else MODULE, ""
    if kind == NOTEBOOK:
        source, notes = module_of(data, name, assignment)
        data = source.encode()
    else:
        data, source, notes = mended_module(data, name, assignment)
        needed = needed_text(source, (*assignment.public_names, *constants(assignment.quiz)))
    called = "a notebook" if kind == NOTEBOOK else "a module"
    disguised = (f"{shown(name)} is {called}, and was read as that",) if kind != code_kind(name) else ()
    return data, source, needed, (*disguised, *notes)


def _staged_parts(parts: Sequence[Part], source: str, staging: Path) -> Iterator[bytes]:
    for part in parts:
        others = [source, *(each.text for each in parts if each is not part)]
        _stage_module(part.data, needed_of_part(part, others), staging / f"{part.name}.py")
        yield part.data


def _staged_arrays(arrays: Mapping[str, bytes], assignment: Assignment, staging: Path) -> Iterator[bytes]:
    for name in assignment.arrays:
        (staging / name).unlink(missing_ok=True)
        if name in arrays:
            _stage(arrays[name], staging / name)
            yield arrays[name]


def needed_of(staged: Path) -> Path:
    """Where, beside a staged module, lies what the tasks need of it: for when its import does not come to an end."""
    return staged.with_name(f"{staged.name}.needed")


def take_needed(staged: Iterable[Path]) -> bool:
    """Put what the tasks need in the place of each staged module, where it is less; whether it is of any."""
    found = [path for path in staged if needed_of(path).exists()]
    for path in found:
        os.replace(needed_of(path), path)
    return bool(found)


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
    if part := part_named(path.name, assignment):
        raise SubmissionError(f"{shown(path.name)} is the part {part} alone", help=advice(assignment))
    notes = () if path.name in wanted_files(assignment) else (renamed(path.name, assignment.deliverable),)
    return Entry(PurePosixPath(path.name), FILE, partial(read_file, path)), notes, [*_beside(path, assignment)]


def _beside(path: Path, assignment: Assignment) -> Iterator[Entry]:
    """Parts and files of arrays that lie beside a file that was handed in alone, under the name that is asked for; of
    the reference its own."""
    own = {f"{name}.py": assignment.solutions[name] for name in assignment.parts} | assignment.reference_arrays
    is_reference = path.resolve() == assignment.solution.resolve() and assignment.folder != assignment.solution.parent
    for name in own if is_reference or path.stem == assignment.deliverable else ():
        file = own[name] if is_reference else path.with_name(name)
        with suppress(SubmissionError):
            yield Entry(PurePosixPath(name), kind_at(file), partial(read_file, file))


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


def _stage_module(data: bytes, needed: str, target: Path) -> Path:
    """A module, and beside it what the tasks need of it, where that is less."""
    staged = _stage(data, target)
    needed_of(staged).unlink(missing_ok=True)
    if needed:
        _stage(needed.encode(), needed_of(staged))
    return staged


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
