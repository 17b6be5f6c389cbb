"""The folder student_starter/NAME: every file of it as bytes, written, or compared with what is there."""

import ast
import hashlib
import json
from pathlib import Path

from autograder.assignment import GIVEN as MODULES
from autograder.assignment import Assignment, given_files, points
from autograder.errors import AuthoringError, UsageError
from autograder.starter._handout import handout
from autograder.starter._leaks import refuse_leaks
from autograder.starter._notebook import notebook
from autograder.starter._pictures import pictures
from autograder.starter._stub import stub_source
from autograder.starter._texts import CHECK, GIVEN_LINE, PACKAGES_LINE, README, SUBMIT
from autograder.syntax import parse

POINTS = "points.json"  # beside the public checks; the local checker reads it
GIVEN = "given.json"  # the same


def build(assignment: Assignment) -> dict[str, bytes]:
    """Every file of the starter by its relative path, sorted; the same bytes whenever the assignment is the same.

    Raises:
        AuthoringError: the reference, the handout, the experiment or a public check is not in order, or what students
            would get holds text of the solution.
    """
    names = {"name": assignment.deliverable, "title": assignment.title, "task": next(iter(assignment.tasks))}
    page = handout(assignment)
    shown = pictures(assignment, page)
    texts = {"given": _given_line(assignment), "figures": "; its pictures are in `figures/`" if shown else ""}
    texts["packages"] = _packages_line(assignment)
    files = {
        f"{assignment.deliverable}.py": stub_source(assignment).encode(),
        f"{assignment.deliverable}.ipynb": notebook(assignment),
        "handout.md": page.encode(),
        "assignment.toml": (assignment.folder / "assignment.toml").read_bytes(),
        "check.py": CHECK.format(**names).encode(),
        "submit.py": SUBMIT.format(**names).encode(),
        "README.md": README.format(**texts, **names).encode(),
        f"public/{POINTS}": _hidden_points(assignment),
    }
    public = {f"public/{path}": data for path, data in _files(assignment.folder / "public").items()}
    if any(_runs_helpers(data) for path, data in public.items() if path.endswith(".py")):
        files["helpers.py"] = _helpers(assignment.folder / "helpers.py")
    if given := {name: _as_shipped(path) for name, path in given_files(assignment).items()}:
        files |= given | {f"public/{GIVEN}": _digests(given)}
    refuse_leaks(assignment, files | public)
    return dict(sorted((files | public | shown).items()))


def write(assignment: Assignment, destination: Path) -> tuple[Path, ...]:
    """Build the starter into `destination`; returns the files that changed. Other files there are left alone.

    Raises:
        AuthoringError: as `build`.
        UsageError: the destination cannot be written.
    """
    changed = []
    for name, data in build(assignment).items():
        file = destination / name
        try:
            if not (file.is_file() and file.read_bytes() == data):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                changed.append(file)
        except OSError as error:
            raise UsageError(f"{file} cannot be written ({error.strerror})") from error
    return tuple(changed)


def drift(assignment: Assignment, destination: Path) -> list[str]:
    """How `destination` differs from what would be built, one line a file; nothing when it is up to date."""
    built, there = build(assignment), _files(destination)
    lines = [f"{destination / name} is missing" for name in built if name not in there]
    for name in built.keys() & there.keys():
        if built[name] != there[name]:
            lines.append(f"{destination / name} is not what would be built")
    return lines + [f"{destination / name} is not part of the starter" for name in there if name not in built]


def _files(folder: Path) -> dict[str, bytes]:
    """The regular files below a folder by relative path, without hidden and compiled ones."""
    files = {}
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            files["/".join(parts)] = file.read_bytes()
    return files


def _hidden_points(assignment: Assignment) -> bytes:
    """What the hidden checks of each task are worth, as the handout's table says it, extra credit apart: for the
    checker at home."""
    worth: dict[str, float] = {}
    for check in points(assignment):
        if not check.is_public and not check.extra:
            worth[check.task] = worth.get(check.task, 0) + check.weight
    return (json.dumps(worth, indent=1) + "\n").encode()


def _given_line(assignment: Assignment) -> str:
    names = dict.fromkeys(f"{name.partition('/')[0]}/" if "/" in name else name for name in given_files(assignment))
    return GIVEN_LINE.format(files=", ".join(f"`{name}`" for name in names)) if names else ""


def _packages_line(assignment: Assignment) -> str:
    listed = ", ".join(f"`{each}`" for each in assignment.packages)
    return PACKAGES_LINE.format(packages=listed) if listed else ""


def _as_shipped(path: Path) -> bytes:
    """Modules with the line ends that the archive gives them; data as it is."""
    return path.read_bytes().replace(b"\r\n", b"\n") if path.parent.name == MODULES else path.read_bytes()


def _digests(given: dict[str, bytes]) -> bytes:
    """SHA-256 of what is given, by path: for the checker at home, which says what was changed."""
    found = {name: hashlib.sha256(data).hexdigest() for name, data in given.items()}
    return (json.dumps(found, indent=1) + "\n").encode()


def _runs_helpers(check: bytes) -> bool:
    """Whether a check sends a helper by name, `student.run(...)`."""
    return any(isinstance(node, ast.Attribute) and node.attr == "run" for node in ast.walk(parse(check)))


def _helpers(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise AuthoringError(f"{file}: a public check runs a helper, but the file cannot be read") from error
