"""What came with the starter beside the code to fill in: is it there, and as it was handed out?"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment import Assignment

FILE = "given.json"  # in `public`: SHA-256 by path


def given_modules(assignment: Assignment) -> list[str]:
    """Names of the modules that the submission may import, since they lie beside it where it is graded."""
    return [name.removesuffix(".py") for name in _digests(assignment.folder) if "/" not in name]


def go_there(folder: Path) -> None:
    """Where data is given, it is read by relative paths: from the starter's folder, wherever `check.py` is called."""
    if _digests(folder):
        os.chdir(folder)


def changed(assignment: Assignment) -> Iterator[str]:
    """A note for each given file that is missing, or not as it was handed out."""
    for name, digest in _digests(assignment.folder).items():
        try:
            data = (assignment.folder / name).read_bytes()
        except OSError:
            yield f"{name} is missing. Take it from the archive that you were given again."
            continue
        if hashlib.sha256(data).hexdigest() != digest:
            yield f"{name} is not as you were given it. Your work is graded with the original: take it again."


def _digests(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / "public" / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
