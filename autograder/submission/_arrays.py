"""Files of plain arrays that are handed in beside the code, such as trained weights: looked for by their exact names,
and read without unpickling anything."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.assignment import Assignment
from autograder.errors import SubmissionError
from autograder.submission._files import FILE, Entry, not_a_file, shown

MOST = 64 << 20  # bytes of the arrays of one file, unpacked
MOST_ARRAYS = 1000
PLAIN = "biufc"  # kinds of dtypes: truths, integers, floating and complex numbers
SAVE = "Save it with np.savez(file, name=array, …)."
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, SyntaxError)


def found_arrays(entries: Sequence[Entry], code: Entry, assignment: Assignment) -> tuple[dict[str, bytes], list[str]]:
    """The assignment's files of arrays, each as a file that holds nothing else, and notes about those that are missing
    or cannot be used. Of several the one beside the code counts, or else the first."""
    usable, notes = dict[str, bytes](), list[str]()
    for name in assignment.arrays:
        named = [each for each in entries if each.path.name == name]
        named.sort(key=lambda each: each.path.parent != code.path.parent)
        try:
            if not named:
                raise SubmissionError(f"{name} was not handed in", help="It is asked for beside the code.")
            if named[0].kind != FILE:
                raise not_a_file(name, named[0].kind)
            usable[name] = packed(plain_arrays(named[0].read(), name))
        except SubmissionError as error:
            notes.append(f"{error.message}. {error.help}".rstrip())
    return usable, notes


def plain_arrays(data: bytes, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an .npz file by name; nothing in it is unpickled, and no more is read than fits.

    Raises:
        SubmissionError: it is no such file, damaged, too large, or holds objects; the message says which.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MOST_ARRAYS or sum(member.file_size for member in members) > MOST:
                told = f"{shown(name)} holds more than {MOST_ARRAYS} arrays or {MOST >> 20} MiB"
                raise SubmissionError(told, help="Hand in what is needed to predict, no more.")
            return {member.filename.removesuffix(".npy"): _array(archive, member, name) for member in members}
    except DAMAGE as error:
        told = f"{shown(name)} is damaged, or no file of plain arrays ({shown(error)})"
        raise SubmissionError(told, help=SAVE) from error


def packed(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """The same arrays as a file; the same bytes for the same arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its other keywords are no names of arrays
    return buffer.getvalue()


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray[Any, Any]:
    with archive.open(member) as file:
        data = file.read(member.file_size)
    header = io.BytesIO(data)
    version = np.lib.format.read_magic(header)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read(header)
    if dtype.kind not in PLAIN or dtype.hasobject:
        told = f"{shown(name)}: {shown(member.filename)} holds {dtype}, which is no plain array of numbers"
        raise SubmissionError(told, help=SAVE)
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
