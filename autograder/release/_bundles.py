"""Bundles: what students get, what Gradescope runs, what instructors keep. Allow-listed, and the same bytes every
time."""

import io
import json
import os
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from autograder.assignment import (
    DATA,
    Assignment,
    Course,
    assignment_names,
    given_files,
    load_assignment,
    load_course,
    package_name,
    requirements,
    suite_digest,
)
from autograder.errors import AuthoringError, UsageError
from autograder.release._solution import executed, solution
from autograder.sandbox.confine import LEVELS
from autograder.starter import build

EPOCH = (1980, 1, 1, 0, 0, 0)
PACKAGE_SUFFIXES = {".py", ".html", ".css", ".json", ".j2"}
PACKAGE = Path(__file__).resolve().parents[1]
PLATFORM = PACKAGE / "release" / "bundle"  # scripts that go to the bundle's root
LOCAL_ROOMS = ("assignment", "submission", "checks", "sandbox", "proof", "suite", "results", "local")
LOCAL_KINDS = {".py", ".css", ".j2"}
LOCAL_FILES = ("__init__.py", "errors.py", "plain.py", "syntax.py")
EXECUTABLE = {"setup.sh", "run_autograder"}
TEXT_SUFFIXES = {".py", ".ipynb", ".md", ".svg", ".toml", ".txt", *PACKAGE_SUFFIXES}


@dataclass(frozen=True)
class Bundle:
    """A zip to be: its file name and its entries."""

    name: str
    files: dict[str, bytes]

    def data(self) -> bytes:
        """The zip, byte for byte the same for the same entries, whatever line ends a checkout gave its texts."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path, data in sorted(self.files.items()):
                info = zipfile.ZipInfo(path, EPOCH)
                info.create_system = 3  # unix, so that the mode below counts
                info.external_attr = (0o100755 if Path(path).name in EXECUTABLE else 0o100644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, _unix(path, data))
        return buffer.getvalue()


def _unix(path: str, data: bytes) -> bytes:
    """A text with the line ends that Linux needs: a script that a checkout on Windows changed does not start there."""
    is_text = Path(path).name in EXECUTABLE or Path(path).suffix in TEXT_SUFFIXES
    return data.replace(b"\r\n", b"\n") if is_text and DATA not in Path(path).parts[:-1] else data


def bundles(assignment: Assignment, secret: str = "") -> tuple[Bundle, ...]:
    """Starter, autograder and solution of an assignment.

    Args:
        assignment: facts.
        secret: of the course, from which the seeds of submissions are derived; by default a hash of what is hidden.

    Raises:
        AuthoringError: text of the solution would reach students.
    """
    starter = Bundle(f"{assignment.name}-starter.zip", _starter(assignment))
    _refuse_compiled(assignment, starter)
    return (
        starter,
        Bundle(f"{assignment.name}-autograder.zip", _autograder(assignment, secret)),
        Bundle(f"{assignment.name}-solution.zip", solution(assignment)),
    )


def with_hints(assignment: Assignment, made: tuple[Bundle, ...]) -> tuple[Bundle, ...]:
    """The bundles with what the local checker may know of known mistakes; for an assignment that was tried out.

    Raises:
        GraderError: a public check does not pass on the reference, or a known mistake does not run.
    """
    from autograder.local.hints import FILE as HINTS  # here: they import torch, and most that is made needs none
    from autograder.release._hints import locked_hints

    starter, *others = made
    hints = {f"{assignment.name}/public/{HINTS}": locked_hints(assignment)}
    return (Bundle(starter.name, starter.files | hints), *others)


def with_outputs(assignment: Assignment, made: tuple[Bundle, ...]) -> tuple[tuple[Bundle, ...], str]:
    """The bundles with the solution's notebook as it ran, and a remark where nothing here runs notebooks.

    Raises:
        AuthoringError: a cell of it raises.
    """
    *others, last = made
    files, remark = executed(assignment, last.files)
    return (*others, Bundle(last.name, files)), remark


def write_bundles(made: Iterable[Bundle], folder: Path) -> list[Path]:
    """Write bundles into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for bundle in made:
        path = folder / bundle.name
        path.write_bytes(bundle.data())
        written.append(path)
    return written


def _starter(assignment: Assignment) -> dict[str, bytes]:
    files = build(assignment) | {
        "deepgrade.pyz": _local_checker(),
        "requirements.txt": "\n".join([*_students_packages(), *_own_packages(assignment)]).encode() + b"\n",
        "student-guide.md": (PACKAGE / "release" / "student-guide.md").read_bytes(),
    }
    return {f"{assignment.name}/{path}": data for path, data in files.items()}


def _local_checker() -> bytes:
    """The part of the package that the public checks need, as one importable file."""
    package = PACKAGE
    rooms = [path for room in LOCAL_ROOMS for path in sorted((package / room).iterdir()) if path.suffix in LOCAL_KINDS]
    files = {f"autograder/{path.relative_to(package).as_posix()}": path.read_bytes() for path in rooms}
    files |= {f"autograder/{name}": (package / name).read_bytes() for name in LOCAL_FILES}
    return Bundle("deepgrade.pyz", files).data()


def _autograder(assignment: Assignment, secret: str) -> dict[str, bytes]:
    package, course = PACKAGE, load_course(assignment.folder.parents[1])
    files = {
        f"autograder/{path.relative_to(package).as_posix()}": path.read_bytes() for path in _package_files(package)
    }
    folder = f"assignments/{assignment.name}"
    kept = [*given_files(assignment).values()]
    for pattern in ("assignment.toml", "mistakes.toml", "helpers.py", "public/*.py", "hidden/*.py"):
        kept += sorted(assignment.folder.glob(pattern))
    files |= {f"{folder}/{path.relative_to(assignment.folder).as_posix()}": path.read_bytes() for path in kept}
    files[f"solutions/{assignment.name}.py"] = assignment.solution.read_bytes()
    files["course.toml"] = _course_facts(course, assignment).encode()
    files["constraints.txt"] = (package / "release" / "constraints.txt").read_bytes()
    needed = [*_requirements(), *_shared(course), *_own_packages(assignment)]
    files["requirements.txt"] = "\n".join(needed).encode() + b"\n"
    config = {
        "assignment": assignment.name,
        "secret": secret or suite_digest(assignment),
        "torch_index": os.environ.get("TORCH_INDEX", course.packages.torch_index),
        "index": course.packages.index,
        "require": _required(),
    }
    files["deepgrade.json"] = json.dumps(config, indent=1).encode() + b"\n"
    for name in sorted(EXECUTABLE):
        files[name] = (PLATFORM / name).read_bytes()
    return files


def _course_facts(course: Course, assignment: Assignment) -> str:
    """Of course.toml what the platform needs: nobody's dates, names or secret's place."""
    lines = [
        f"title = {json.dumps(course.title or 'course', ensure_ascii=False)}",  # a text of TOML is one of JSON
        f"visibility = {json.dumps(course.visibility)}",
        f"\n[gradescope]\nminutes = {course.platform / timedelta(minutes=1)}",
    ]
    if (limit := course.rate_limit) is not None:
        hours = limit.within / timedelta(hours=1)
        lines.append(f"\n[rate_limit]\nsubmissions = {limit.submissions}\nhours = {hours}")
    if assignment.packages:
        lines.append(f"\n[packages]\nallowed = {json.dumps(assignment.packages)}")
    return "\n".join(lines) + "\n"


def _required() -> str:
    """The confinement that the platform must offer, from the environment.

    Raises:
        UsageError: there is no such level.
    """
    level = os.environ.get("DEEPGRADE_REQUIRE", "any")
    if level not in LEVELS:
        raise UsageError(f"DEEPGRADE_REQUIRE is {level!r}; the levels are {', '.join(LEVELS)}")
    return level


def _package_files(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        compiled = "__pycache__" in path.relative_to(package).parts
        if path.is_file() and path.suffix in PACKAGE_SUFFIXES and not compiled and PLATFORM not in path.parents:
            yield path


def _requirements() -> list[str]:
    """What the package needs at run time, as pyproject.toml says, or the wheel that was made of it, and what
    experiments use: many a student's file imports it."""
    clone = PACKAGE.parent / "pyproject.toml"
    if clone.exists():
        project = tomllib.loads(clone.read_text(encoding="utf-8"))["project"]
        needed, notebook = project["dependencies"], project["optional-dependencies"]["notebook"]
    else:
        listed = [line.partition(";") for line in metadata.requires("deepgrade") or []]
        needed = [name.strip() for name, _, condition in listed if "extra" not in condition]
        notebook = [name.strip() for name, _, condition in listed if "notebook" in condition]
    return [*needed, *(name for name in notebook if name.startswith(("matplotlib", "tqdm")))]


def _students_packages() -> list[str]:
    """What students install: what their code may import, what runs the checks, and the notebook."""
    needed = ("numpy", "scipy", "torch", "pytest", "matplotlib", "tqdm")
    return [name for name in _requirements() if name.startswith(needed)] + ["jupyter"]


def _own_packages(assignment: Assignment) -> tuple[str, ...]:
    """What this assignment asks for, in versions that the course wants, too."""
    allowed = load_course(assignment.folder.parents[1]).packages.allowed
    return requirements(assignment.folder, assignment.packages, allowed)


def _shared(course: Course) -> list[str]:
    """What the course allows and no assignment asks for by itself: it is installed for all of them."""
    asked = set[str]()
    for name in assignment_names(course.root):
        with suppress(AuthoringError):  # another assignment that is not in order yet
            asked |= {package_name(each) for each in load_assignment(name, course.root).packages}
    return [each for each in course.packages.allowed if package_name(each) not in asked]


def _refuse_compiled(assignment: Assignment, starter: Bundle) -> None:
    for path in starter.files:
        if path.endswith((".pyc", ".pyo")) or "/hidden/" in path:
            raise AuthoringError(f"{assignment.name}: the starter bundle would hold {path}")
