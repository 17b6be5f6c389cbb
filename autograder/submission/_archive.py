"""A zip or a tar as a list of entries. Nothing is unpacked: members are read one by one, into bounded memory."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from autograder.errors import SubmissionError
from autograder.submission._files import (
    FILE,
    FOLDER,
    LINK,
    MAX_DEPTH,
    MAX_ENTRIES,
    OTHER,
    Entry,
    code_kind,
    is_archive,
    is_arrays,
    is_clutter,
    kind_of,
    limit_of,
    open_file,
    shown,
    too_large,
)

MAX_LIST = 4 << 20  # bytes of an archive's table of contents
OUTSIDE = "outside of the archive"
MAX_STREAM = 256 << 20  # bytes that a tar may unpack to, of which
MAX_UNPACKED = 64 << 20  # may be code
CHUNK = 1 << 16
ENCRYPTED = 0x1  # in a member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may ask for gigabytes before the first byte
# What zipfile raises on damaged bytes; which of them for which damage differs between releases of Python.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError)
HELP = "Make a new zip of the one file, or hand in the file itself."


def archive_entries(source: Path | bytes, name: str) -> list[Entry]:
    """What an archive says it holds, the shallowest first; of two with one name, the later, which unpacking would
    leave.

    Args:
        source: its file, or its bytes.
        name: of the file.

    Raises:
        SubmissionError: it is no archive, damaged, or lists more than MAX_ENTRIES.
    """
    listed = _zip_entries if name.lower().endswith(".zip") else _tar_entries
    entries = {entry.path: entry for entry in listed(source, name)}
    return sorted(entries.values(), key=lambda entry: (entry.depth, entry.path))


def _zip_entries(source: Path | bytes, name: str) -> Iterator[Entry]:
    with _opened(source, name) as archive:
        members = archive.infolist()
    if len(members) > MAX_ENTRIES:
        raise SubmissionError(f"{shown(name)} holds more than {MAX_ENTRIES} files", help=HELP)
    for position, member in enumerate(members):
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if len(place.parts) <= MAX_DEPTH and not any(map(is_clutter, place.parts)):
            yield Entry(place, _kind(member, place), partial(_read_member, source, name, position))


def _tar_entries(source: Path | bytes, name: str) -> Iterator[Entry]:
    """What a tar holds. It has no table of contents: it is read once, and code and archives in it are kept, up to a
    limit."""
    room = MAX_UNPACKED
    try:
        with _raw(source) as file, tarfile.open(fileobj=cast(IO[bytes], _Counted(file, name)), mode="r|") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_ENTRIES:
                    raise SubmissionError(f"{shown(name)} holds more than {MAX_ENTRIES} files", help=HELP)
                place = PurePosixPath(member.name.replace("\\", "/"))
                if len(place.parts) > MAX_DEPTH or any(map(is_clutter, place.parts)):
                    continue
                kind = OUTSIDE if _is_outside(place) else _tar_kind(member)
                data, inner = b"", member.name
                if (
                    kind == FILE
                    and (code_kind(inner) or is_archive(inner) or is_arrays(inner))
                    and member.size <= min(limit_of(inner), room)
                ):
                    read = archive.extractfile(member)
                    data = read.read() if read else b""
                    room -= len(data)
                    yield Entry(place, kind, partial(bytes, data))
                else:
                    yield Entry(place, kind, partial(_refuse, place.name))
    except (tarfile.TarError, *DAMAGE) as error:
        raise SubmissionError(f"{shown(name)} is damaged, or not a tar ({shown(error)})", help=HELP) from error


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return FILE
    return FOLDER if member.isdir() else LINK if member.issym() or member.islnk() else OTHER


def _refuse(name: str) -> bytes:
    raise too_large(name)


class _Counted:
    """The bytes of a tar, unpacked where they are gzip's, up to a limit."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        packed = not name.lower().endswith(".tar")
        self.file: Any = gzip.GzipFile(fileobj=file) if packed else file
        self.left = MAX_STREAM

    def read(self, size: int) -> bytes:
        data: bytes = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {MAX_STREAM >> 20} MiB")
        return data


def _is_outside(place: PurePosixPath) -> bool:
    has_drive = any(part.endswith(":") for part in place.parts[:1])
    return place.is_absolute() or has_drive or ".." in place.parts


def _kind(member: zipfile.ZipInfo, place: PurePosixPath) -> str:
    if _is_outside(place):
        return OUTSIDE
    mode = member.external_attr >> 16
    if not place.parts or member.is_dir():  # in this order: zipfile stumbles over an empty name
        return FOLDER
    return kind_of(mode) if stat.S_IFMT(mode) else FILE


def _read_member(source: Path | bytes, archive_name: str, position: int) -> bytes:
    with _opened(source, archive_name) as archive:
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
def _opened(source: Path | bytes, name: str) -> Iterator[zipfile.ZipFile]:
    """The archive; what goes wrong inside the block because of its bytes becomes a SubmissionError."""
    with _raw(source) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except DAMAGE as error:
            raise SubmissionError(f"{shown(name)} is damaged, or not a zip ({shown(error)})", help=HELP) from error


def _raw(source: Path | bytes) -> BinaryIO:
    """The archive's bytes."""
    return io.BytesIO(source) if isinstance(source, bytes) else _Bounded(open_file(source))


class _Bounded(io.FileIO):
    """A file that refuses to be read in large pieces: a table of contents may claim any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size
        if wanted > MAX_LIST:
            raise zipfile.BadZipFile("its table of contents is too large")
        return super().read(wanted) or b""
