"""Reading what others made: regular files only, no links, within bounds, with messages that are safe to show."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from autograder.errors import SubmissionError

MAX_MODULE = 5 << 20  # bytes of a .py
MAX_NOTEBOOK = 40 << 20  # bytes of an .ipynb, its outputs included, which are cut out before it is parsed
MAX_ARCHIVE = 32 << 20  # bytes of an archive within another
MAX_ARRAYS = 64 << 20  # bytes of a file of arrays
MAX_ENTRIES = 50_000  # what is listed of a folder or an archive: data and pictures lie beside many a submission
MAX_DEPTH = 8  # folders within folders

MODULE, NOTEBOOK = "py", "ipynb"
CODE = re.compile(r".*\.(py|ipynb)(\.txt|\.json)?", re.IGNORECASE | re.DOTALL)  # as browsers and mail rename them
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")

FILE = "a file"
FOLDER = "a folder"
LINK = "a link"
OTHER = "neither a file nor a folder"

# O_NONBLOCK: opening a FIFO would wait for a writer. Windows has neither links of this kind nor the flags.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


@dataclass(frozen=True)
class Entry:
    """Something in a folder or a zip: what it is, in words, and how to get its bytes."""

    path: PurePosixPath
    kind: str
    read: Callable[[], bytes]

    @property
    def depth(self) -> int:
        return len(self.path.parts)


def shown(name: object) -> str:
    """A name of the student's, fit for a message: printable, on one line, not too long."""
    chars = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(name)[:1000])
    text = "".join(chars)
    return text if len(text) <= 100 else f"{text[:60]}…{text[-30:]}"


def is_clutter(name: str) -> bool:
    """Hidden and machine-made files and folders, which no one hands in on purpose."""
    return (name.startswith(".") and name != "..") or name in ("__MACOSX", "__pycache__")


def kind_of(mode: int) -> str:
    """What a file's mode says it is, in words."""
    if stat.S_ISREG(mode):
        return FILE
    return FOLDER if stat.S_ISDIR(mode) else LINK if stat.S_ISLNK(mode) else OTHER


def code_kind(name: str) -> str:
    """MODULE or NOTEBOOK, by a file's name; empty for all others."""
    found = CODE.fullmatch(name)
    return found[1].lower() if found else ""


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive that can be looked into."""
    return name.lower().endswith(ARCHIVES)


def is_arrays(name: str) -> bool:
    """Whether a file's name is that of a file of NumPy's arrays."""
    return name.endswith(".npz")


def limit_of(name: str) -> int:
    """How many bytes a file of that name may have."""
    if is_arrays(name):
        return MAX_ARRAYS
    return MAX_NOTEBOOK if code_kind(name) == NOTEBOOK else MAX_ARCHIVE if is_archive(name) else MAX_MODULE


def too_large(name: str) -> SubmissionError:
    """The error for a file beyond its limit."""
    notebook = code_kind(name) == NOTEBOOK
    help = "Clear the notebook's outputs and save it." if notebook else "Hand in the code only, without data."
    return SubmissionError(f"{shown(name)} is larger than {limit_of(name) >> 20} MiB", help=help)


def kind_at(path: Path) -> str:
    """What lies at a path, the path itself being no link.

    Raises:
        SubmissionError: there is nothing, or it cannot be looked at.
    """
    try:
        return kind_of(path.lstat().st_mode)
    except FileNotFoundError as error:
        raise SubmissionError(f"there is no file {shown(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SubmissionError(f"{shown(path)} cannot be read ({reason(error)})") from error


def open_file(path: Path) -> int:
    """A descriptor of a regular file that is no link.

    Raises:
        SubmissionError: there is no such file, it is something else, or it cannot be opened.
    """
    if (kind := kind_at(path)) != FILE:
        raise not_a_file(path.name, kind)
    try:
        descriptor = os.open(path, FLAGS)
    except OSError as error:
        raise SubmissionError(f"{shown(path.name)} cannot be read ({reason(error)})") from error
    if (kind := kind_of(os.fstat(descriptor).st_mode)) != FILE:  # it was exchanged in between
        os.close(descriptor)
        raise not_a_file(path.name, kind)
    return descriptor


def not_a_file(name: str, kind: str) -> SubmissionError:
    """The error for a link, a folder, a device where a file should be."""
    return SubmissionError(f"{shown(name)} is {kind}, not a file", help="Hand in the file itself.")


def reason(error: Exception) -> str:
    """Why the system refused, without the path, which may say more than a student should see."""
    return getattr(error, "strerror", None) or str(error)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file, no more than its limit.

    Raises:
        SubmissionError: as `open_file`, or the file is too large.
    """
    limit = limit_of(path.name)
    with open(open_file(path), "rb") as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise SubmissionError(f"{shown(path.name)} cannot be read ({reason(error)})") from error
    if len(data) > limit:
        raise too_large(path.name)
    return data


def folder_entries(folder: Path) -> Iterator[Entry]:
    """What lies in a folder, the shallowest first, in order of name; links are listed and never followed.

    Raises:
        SubmissionError: the folder cannot be listed, or holds more than MAX_ENTRIES.
    """
    level, seen = [PurePosixPath()], 0
    for _ in range(MAX_DEPTH):
        below = []
        for place in level:
            for name, kind in _listed(folder, place, MAX_ENTRIES - seen):
                seen += 1
                if not is_clutter(name):
                    yield Entry(place / name, kind, partial(read_file, folder / place / name))
                    below += [place / name] if kind == FOLDER else []
        level = below


def _listed(folder: Path, place: PurePosixPath, room: int) -> list[tuple[str, str]]:
    """Name and kind of what lies in one folder; one deep down that cannot be listed is as good as empty."""
    found: list[tuple[str, str]] = []
    try:
        with os.scandir(folder / place) as items:
            for item in items:
                if len(found) == room:
                    help = "Hand in the one file that is asked for."
                    raise SubmissionError(f"there are more than {MAX_ENTRIES} files in the folder", help=help)
                found.append((item.name, kind_of(item.stat(follow_symlinks=False).st_mode)))
    except OSError as error:
        if not place.parts:
            raise SubmissionError(f"{shown(folder)} cannot be read ({reason(error)})") from error
    return sorted(found)
