"""Python files of an assignment, read as trees and never run."""

import ast
from pathlib import Path

from autograder.errors import AuthoringError
from autograder.syntax import parse


def parsed(path: Path) -> ast.Module:
    """A file's tree.

    Raises:
        AuthoringError: it cannot be parsed; the message names the file.
    """
    try:
        return parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise AuthoringError(f"{path}: cannot be parsed ({error})") from error
