"""A zip as a list of entries. Nothing is unpacked: one member is read, into bounded memory."""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from autograder.errors import SubmissionError
from autograder.submission._files import (
    FILE,
    FOLDER,
    MAX_DEPTH,
    MAX_ENTRIES,
    Entry,
    is_clutter,
    kind_of,
    limit_of,
    open_file,
    shown,
    too_large,
)

MAX_LIST = 4 << 20  # bytes of an archive's table of contents
OUTSIDE = "outside of the archive"
CHUNK = 1 << 16
ENCRYPTED = 0x1  # in a member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may ask for gigabytes before the first byte
# What zipfile raises on damaged bytes; which of them for which damage differs between releases of Python.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError)
HELP = "Make a new zip of the one file, or hand in the file itself."


def archive_entries(path: Path) -> list[Entry]:
    """What a zip says it holds, the shallowest first.

    Raises:
        SubmissionError: it is no zip, damaged, or lists more than MAX_ENTRIES.
    """
    with _opened(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_ENTRIES:
        raise SubmissionError(f"{shown(path.name)} holds more than {MAX_ENTRIES} files", help=HELP)
    entries = []
    for position, member in enumerate(members):
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if len(place.parts) <= MAX_DEPTH and not any(map(is_clutter, place.parts)):
            entries.append(Entry(place, _kind(member, place), partial(_read_member, path, position)))
    return sorted(entries, key=lambda entry: (entry.depth, entry.path))


def _kind(member: zipfile.ZipInfo, place: PurePosixPath) -> str:
    has_drive = any(part.endswith(":") for part in place.parts[:1])
    if place.is_absolute() or has_drive or ".." in place.parts:
        return OUTSIDE
    mode = member.external_attr >> 16
    if not place.parts or member.is_dir():  # in this order: zipfile stumbles over an empty name
        return FOLDER
    return kind_of(mode) if stat.S_IFMT(mode) else FILE


def _read_member(path: Path, position: int) -> bytes:
    with _opened(path) as archive:
        member = archive.infolist()[position]
        name = PurePosixPath(member.filename.replace("\\", "/")).name
        if member.flag_bits & ENCRYPTED:
            raise SubmissionError(f"{shown(name)} is protected by a password", help=HELP)
        if member.compress_type not in METHODS:
            raise SubmissionError(f"{shown(name)} is compressed in an unusual way", help=HELP)
        data = bytearray()
        with archive.open(member) as file:
            while piece := file.read(CHUNK):
                data += piece
                if len(data) > limit_of(name):
                    raise too_large(name)
        return bytes(data)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what goes wrong inside the block because of its bytes becomes a SubmissionError."""
    with _Bounded(open_file(path)) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except DAMAGE as error:
            name, why = shown(path.name), shown(error)
            raise SubmissionError(f"{name} is damaged, or not a zip ({why})", help=HELP) from error


class _Bounded(io.FileIO):
    """A file that refuses to be read in large pieces: a table of contents may claim any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size
        if wanted > MAX_LIST:
            raise zipfile.BadZipFile("its table of contents is too large")
        return super().read(wanted) or b""
