"""What an assignment gives beside the code to fill in: modules (`given/*.py`) and data (`data/`).

Both lie beside the student's file, at home and where it is graded: `given/rays.py` is `import rays`, and `data/x.csv`
is read as "data/x.csv". What is graded is done with the instructor's copy.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment._facts import Assignment
from autograder.assignment._packages import package_modules
from autograder.assignment._source import parsed
from autograder.errors import AuthoringError

GIVEN, DATA = "given", "data"
MOST = 64 << 20  # bytes of all of it: it is copied for each submission
TAKEN = (
    "autograder",
    "check",
    "submit",
    "helpers",
    "conftest",
    "numpy",
    "scipy",
    "torch",
    "matplotlib",
    "tqdm",
    "pytest",
)


def given_files(assignment: Assignment) -> dict[str, Path]:
    """The files by where they lie beside the student's: `rays.py`, `data/x.csv`. In a student's folder: data only."""
    modules = {path.name: path for path in sorted((assignment.folder / GIVEN).glob("*.py"))}
    return modules | {path.relative_to(assignment.folder).as_posix(): path for path in _data(assignment.folder / DATA)}


def refuse_given(assignment: Assignment) -> None:
    """Refuse modules that could not be imported under their names, or that cannot be parsed, and more data than fits.

    Raises:
        AuthoringError: the message names the file.
    """
    files = given_files(assignment)
    for path in (path for name, path in files.items() if "/" not in name):
        _refuse_name(path, assignment)
        if own := {*imported(parsed(path))} & assignment.solutions.keys():
            raise AuthoringError(f"{path} imports {min(own)}, which is what students write")
    if (size := sum(path.stat().st_size for path in files.values())) > MOST:
        raise AuthoringError(
            f"{assignment.folder}: what is given takes {size >> 20} MiB, more than {MOST >> 20}: it is copied for each "
            "submission"
        )


def _refuse_name(path: Path, assignment: Assignment) -> None:
    if not path.stem.isidentifier():
        raise AuthoringError(f"{path}: {path.stem!r} is not a Python name, so nobody can import it")
    taken = {*TAKEN, *sys.stdlib_module_names, *package_modules(assignment.packages)}
    if path.stem == assignment.deliverable or path.stem in taken:
        raise AuthoringError(f"{path}: there is another module {path.stem!r}, which would be imported in its place")


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of the modules that a module imports anywhere, without what is in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def _data(folder: Path) -> list[Path]:
    """Regular files below a folder, without hidden ones."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
