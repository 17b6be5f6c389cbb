"""Text and numbers made safe to write, print and show, and files written whole. Knows nothing of grading."""

import codecs
import io
import math
import os
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TextIO, Union, get_args, get_origin, get_type_hints

# Controls but tab and newline, and what turns the direction of text around: none may reach a terminal or a page.
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LARGEST_INT = 1 << 128  # seeds are as long; JSON knows no limit, but its readers do
# Signs of ours in letters that every console has; any other sign becomes a question mark there.
LETTERS = str.maketrans(
    {"✓": "+", "✗": "x", "⊘": "-", "◐": "~", "◷": "?", "≈": "~", "⚠": "!", "…": "...", "–": "-", "−": "-", "·": ".",
     "×": "x", "“": '"', "”": '"', "’": "'", "→": "->", "≤": "<=", "≥": ">=", "█": "#", "░": ".", "─": "-", "━": "-",
     "│": "|", "╸": "-", "╺": "-"}
)  # fmt: skip


def degrade_signs(*streams: TextIO) -> None:
    """Let streams show what their encoding lacks (a console of Windows, an ASCII log) in plain letters."""

    def letters(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        plain = error.object[error.start : error.end].translate(LETTERS)
        return plain.encode("ascii", "replace").decode(), error.end

    codecs.register_error("letters", letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="letters")


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file, text as UTF-8; nobody ever finds half of it: to a neighbour, flushed to the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def types_of(thing: Any) -> dict[str, Any]:
    """Of each field of a dataclass, what it says of its type; worked out once a class."""
    kind: type = type(thing)
    return _types(kind)


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of the type that a dataclass field says: classes, unions, tuples, lists, dicts, Any."""
    if hint is Any:
        return True
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        return any(fits(value, each) for each in inner)
    if origin in (tuple, list):
        return isinstance(value, origin) and all(fits(item, inner[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def cut(text: str, chars: int) -> str:
    """The text, or as much of its start and its end as fits, with a word about what is missing."""
    if len(text) <= chars:
        return text
    word = f"\n[… {len(text) - chars} characters left out …]\n"
    room = max(0, chars - len(word))
    head, tail = room - room // 4, room // 4
    return (text[:head] + word + text[len(text) - tail :])[:chars]


def clean(value: Any) -> Any:
    """A plain value that any reader of JSON, terminal and page can take.

    Text loses control characters and lone surrogates; a number that is not finite becomes None; tuples become lists; an
    object of any other kind becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < LARGEST_INT else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(clean(str(key))): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return UNWANTED.sub("", whole)
