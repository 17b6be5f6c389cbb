"""What an instructor reads of an exception in a check's own lines: file and line, and of a plain assert what was
compared. Students never see it."""

import ast
import traceback
from pathlib import Path
from types import FrameType

import pytest

UNUSABLE = (
    "What your code returned could not be used by this check: look at the types and shapes that the docstring promises."
)
LONGEST = 200  # characters of a value
PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.Slice, ast.Load, ast.UnaryOp, ast.USub)


def told(error: BaseException, file: Path, folder: Path) -> str:
    """`NameError: name 'x' is not defined (hidden/test_a.py:12)`; the place is the innermost in the assignment.

    Args:
        error: what a check raised, or a fixture of it.
        file: the check's.
        folder: the assignment's.
    """
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _lies_in(frame, folder)]
    place, said = _short(file, folder), str(error)
    if frames:
        frame, line = frames[-1]
        place = f"{_short(Path(frame.f_code.co_filename), folder)}:{line}"
        said = _comparison(frame, line) if isinstance(error, AssertionError) and not error.args else said
    if isinstance(error, pytest.FixtureLookupError):
        said = f"there is no fixture {error.argname!r}"
    return f"{type(error).__name__}: {said} ({place})"


def _short(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _lies_in(frame: FrameType, folder: Path) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(folder)


def _comparison(frame: FrameType, line: int) -> str:
    """The assert in this line, and the values of what it names: `assert a == 3, where a is 4`. Nothing is called
    again."""
    try:
        module = ast.parse(Path(frame.f_code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(module):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line):
            values = ", ".join(f"{text} is {value}" for text, value in _values(node.test, frame))
            return f"assert {ast.unparse(node.test)}" + (f", where {values}" if values else "")
    return ""


def _values(test: ast.expr, frame: FrameType) -> list[tuple[str, str]]:
    sides = [test.left, *test.comparators] if isinstance(test, ast.Compare) else [test]
    found = dict[str, str]()
    for side in sides:
        text = ast.unparse(side)
        try:
            value = repr(_looked_up(side, frame))
        except Exception:  # a call, or an object whose repr stumbles
            continue
        if value != text:
            found[text] = value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    return list(found.items())


def _looked_up(node: ast.expr, frame: FrameType) -> object:
    """The value of names, attributes, entries and constants.

    Raises:
        LookupError: there is a call or an operation in it, which would be done again.
    """
    if any(not isinstance(each, PLAIN) for each in ast.walk(node)):
        raise LookupError
    return eval(compile(ast.Expression(node), "assert", "eval"), frame.f_globals, frame.f_locals)
