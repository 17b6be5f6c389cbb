"""A `.py` as text, read the way Python reads it, and mended where a part of it is no Python."""

import codecs
import io
import re
import tokenize

from autograder.assignment import Assignment, constants
from autograder.errors import SubmissionError
from autograder.submission._causes import cause
from autograder.submission._files import shown
from autograder.submission._parse import Loss, Parsed, bound, defined_in, parsed, put_at, stand_in
from autograder.submission._slice import needed
from autograder.submission._statements import statement

WIDE = {  # the longer marks first: one begins as another does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
OLD = "cp1252"  # of Windows, where an editor does not save UTF-8
COOKIE = re.compile(rb"\A(.*\r?\n)?[ \t\f]*#.*?coding[:=]", re.MULTILINE)
SLOW = ("idna", "punycode")  # decoding takes quadratic time
MAX_NOTES = 4
MAX_MENDED = 1 << 20  # characters of a text that is mended where it does not parse; a longer one is left as it is
HELP = "Save it as plain text in UTF-8."


def mended_module(data: bytes, name: str, assignment: Assignment) -> tuple[bytes, str, tuple[str, ...]]:
    """The bytes to stage, their text, and notes about what was left out. What parses stays as it is.

    Raises:
        SubmissionError: it is empty, not text, or not in the encoding that it names.
    """
    text, encoding, notes = module_text(data, name)
    result = parsed(text) if len(text) <= MAX_MENDED else Parsed([], [], [], [])
    if not result.nodes or not (result.losses or result.magics):
        return text.encode() if notes else data, text, notes  # what is no Python at all is left to its import
    text = "\n".join(_mended(result, assignment))
    return text.encode(encoding), text, (*notes, *_notes(result, name))


def needed_text(text: str, assignment: Assignment) -> str:
    """What the tasks need of a module that parses, every line where it was; empty where that is all of it."""
    if len(text) > MAX_MENDED:
        return ""
    result = parsed(text)
    try:
        found = [statement(node, result.lines, 0) for node in result.nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kept, lines = needed(found, (*assignment.public_names, *constants(assignment.quiz))), list[str]()
    for each, keep in zip(found, kept, strict=True):
        if keep:
            put_at(lines, each.line, each.text)
    return "" if all(kept) or not lines else "\n".join(lines) + "\n"


def module_text(data: bytes, name: str) -> tuple[str, str, tuple[str, ...]]:
    r"""The text of a module, its lines ended by \n, its encoding by PEP 263 or byte order mark, as Python has it, and a
    note where Python would not have read it.

    Raises:
        SubmissionError: it is empty, not text, or not in the encoding that it names.
    """
    name = shown(name)
    for mark, wide in WIDE.items():
        if data.startswith(mark):
            try:
                text = data.decode(wide)
            except UnicodeDecodeError as error:
                raise SubmissionError(f"{name}: not {wide}: {error.reason}", help=HELP) from error
            return _text(text, name), "utf-8", (f"{name} is saved in {wide.upper()}; {HELP}",)
    if found := cause(data, is_module=True):
        raise SubmissionError(f"{name}: {found[0]}" if data.strip() else f"{name} is empty", help=found[1])
    if b"\0" in data:
        raise SubmissionError(f"{name} is not a text file: it has NUL bytes", help=HELP)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if codecs.lookup(encoding).name in SLOW:
            raise SyntaxError(f"encoding {encoding!r} is for domain names")
        return _text(data.decode(encoding), name), encoding, ()
    except (UnicodeDecodeError, SyntaxError, LookupError, ValueError) as error:
        if not COOKIE.match(data) and not data.startswith(codecs.BOM_UTF8):
            return _old(data, name, error)
        if isinstance(error, UnicodeDecodeError):
            line = data.count(b"\n", 0, error.start) + 1
            raise SubmissionError(f"{name}, line {line}: not {error.encoding}: {error.reason}", help=HELP) from error
        raise SubmissionError(f"{name}: {shown(error)}", help=HELP) from error


def _old(data: bytes, name: str, why: Exception) -> tuple[str, str, tuple[str, ...]]:
    try:
        text = data.decode(OLD)
    except UnicodeDecodeError:
        raise SubmissionError(f"{name} is not a text file in UTF-8 ({shown(why)})", help=HELP) from why
    return _text(text, name), "utf-8", (f"{name} is not in UTF-8, and was read as Windows-1252. {HELP}",)


def _text(text: str, name: str) -> str:
    if "\0" in text:
        raise SubmissionError(f"{name} is not a text file: it has NUL characters", help=HELP)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _mended(result: Parsed, assignment: Assignment) -> list[str]:
    """The lines, with a function that says why in place of every definition that was lost."""
    there = {name for node in result.nodes for name in bound(node)}
    lines = result.lines.copy()
    for loss in result.losses:
        lines[loss.first - 1 : loss.last] = _in_place_of(loss, lines, there, assignment)
    return lines


def _in_place_of(loss: Loss, lines: list[str], there: set[str], assignment: Assignment) -> list[str]:
    room = loss.last - loss.first + 1
    defined = defined_in("\n".join(lines[loss.first - 1 : loss.last])) | {*assignment.public_names}
    lost = [stand_in(name, loss.why) for name in loss.names if name in defined and name not in there][:room]
    return [*lost, *[""] * (room - len(lost))]


def _notes(result: Parsed, name: str) -> tuple[str, ...]:
    notes = []
    for loss in result.losses:
        place = f"line {loss.first}" if loss.first == loss.last else f"lines {loss.first} to {loss.last}"
        notes.append(f"left out of {shown(name)}: {place}, as {loss.why}")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES - 1 :] = [f"left out: {len(notes) - MAX_NOTES + 1} more pieces that do not parse"]
    if result.magics:
        listed = ", ".join(map(str, result.magics[:MAX_NOTES])) + (", …" if len(result.magics) > MAX_NOTES else "")
        notes.append(f"left out of {shown(name)}, as only IPython understands it: line {listed}")
    return tuple(notes)
