"""A new course, and a new assignment to change: one task, its checks, one known mistake. It passes its own audit as it
is."""

import json
import keyword
import secrets
from pathlib import Path

from autograder import __version__
from autograder.assignment import SCORING, find_root
from autograder.errors import UsageError

TEMPLATE = Path(__file__).parent / "template"
COURSE_TEMPLATE = Path(__file__).parent / "course"
FIRST = "warmup"  # the assignment that a new course has
SECRET_FILE = "secret"


def found(folder: Path, title: str | None = None) -> tuple[Path, ...]:
    """Write a course: facts, secret, one assignment with its starter's source, a Makefile, a workflow for continuous
    integration.

    Returns:
        The files written.

    Raises:
        UsageError: the folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(each.name != ".git" for each in folder.iterdir())):
        raise UsageError(f"{folder} is not empty", help="A course starts in a folder of its own: name another.")
    facts = {
        "title": json.dumps(title or folder.resolve().name, ensure_ascii=False),  # a text of TOML is one of JSON
        "scoring": str(SCORING),
        "version": __version__,
        "first": FIRST,
    }
    try:
        (folder / "assignments").mkdir(parents=True)
        written = [_filled(template, folder, facts) for template in sorted(COURSE_TEMPLATE.rglob("*.txt"))]
        secret = folder / SECRET_FILE
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(32) + "\n")
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written ({error.strerror})") from error
    return (*written, secret, *create(FIRST, folder))


def _filled(template: Path, folder: Path, facts: dict[str, str]) -> Path:
    """A file of the template with the course's facts in it; `dot-x` becomes `.x`."""
    parts = template.relative_to(COURSE_TEMPLATE).with_suffix("").parts
    path = folder.joinpath(*(part.replace("dot-", ".", 1) for part in parts))
    text = template.read_text(encoding="utf-8")
    for name, value in facts.items():
        text = text.replace(f"<{name}>", value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def create(name: str, root: Path | None = None) -> tuple[Path, ...]:
    """Write assignments/NAME and solutions/NAME.py.

    Returns:
        The files written.

    Raises:
        UsageError: the name is not an identifier, or an assignment of that name exists.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or not name.islower():
        raise UsageError(
            f"{name!r} cannot name an assignment", help="It becomes a module: small letters, digits and _."
        )
    base = find_root(root)
    folder, solution = base / "assignments" / name, base / "solutions" / f"{name}.py"
    for path in (folder, solution):
        if path.exists():
            raise UsageError(f"{path} exists already", help="Choose another name, or change what is there.")
    written = []
    for template in sorted(TEMPLATE.rglob("*.txt")):
        relative = template.relative_to(TEMPLATE).with_suffix("")
        path = solution if relative == Path("solution.py") else folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.read_text().format(name=name) if "test_" not in path.name else template.read_text())
        written.append(path)
    return tuple(written)
