"""Bundles: what students get, what Gradescope runs, what instructors keep. Allow-listed, and the same bytes every
time."""

import io
import json
import os
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import Assignment, find_root, suite_digest
from autograder.errors import GraderError, UsageError
from autograder.local.hints import FILE as HINTS
from autograder.release._hints import locked_hints
from autograder.sandbox.confine import LEVELS
from autograder.starter import build, solution_blocks

EPOCH = (1980, 1, 1, 0, 0, 0)
PACKAGE_SUFFIXES = {".py", ".html", ".css", ".json", ".j2"}
PACKAGE = Path(__file__).resolve().parents[1]
PLATFORM = PACKAGE / "release" / "bundle"  # scripts that go to the bundle's root
LOCAL_ROOMS = ("assignment", "submission", "checks", "sandbox", "proof", "suite", "results", "local")
LOCAL_KINDS = {".py", ".css", ".j2"}
LOCAL_FILES = ("__init__.py", "errors.py", "plain.py", "syntax.py")
EXECUTABLE = {"setup.sh", "run_autograder"}
TEXT_SUFFIXES = {".py", ".ipynb", ".md", ".toml", ".txt", *PACKAGE_SUFFIXES}


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
    return data.replace(b"\r\n", b"\n") if is_text else data


def bundles(assignment: Assignment, secret: str = "") -> tuple[Bundle, ...]:
    """Starter, autograder and solution of an assignment.

    Args:
        assignment: facts.
        secret: of the course, from which the seeds of submissions are derived; by default a hash of what is hidden.

    Raises:
        GraderError: text of the solution would reach students.
    """
    starter = Bundle(f"{assignment.name}-starter.zip", _starter(assignment))
    _refuse_leaks(assignment, starter)
    starter.files[f"{assignment.name}/public/{HINTS}"] = locked_hints(assignment)
    return (
        starter,
        Bundle(f"{assignment.name}-autograder.zip", _autograder(assignment, secret)),
        Bundle(f"{assignment.name}-solution.zip", {assignment.solution.name: assignment.solution.read_bytes()}),
    )


def write_bundles(assignment: Assignment, folder: Path, secret: str = "") -> list[Path]:
    """Write the bundles into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for bundle in bundles(assignment, secret):
        path = folder / bundle.name
        path.write_bytes(bundle.data())
        written.append(path)
    return written


def _starter(assignment: Assignment) -> dict[str, bytes]:
    root = find_root()
    files = build(assignment) | {
        "deepgrade.pyz": _local_checker(),
        "requirements.txt": "\n".join(_students_packages(root)).encode() + b"\n",
        "student-guide.md": (root / "docs" / "student-guide.md").read_bytes(),
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
    root, package = find_root(), PACKAGE
    files = {
        f"autograder/{path.relative_to(package).as_posix()}": path.read_bytes() for path in _package_files(package)
    }
    folder = f"assignments/{assignment.name}"
    for pattern in ("assignment.toml", "mistakes.toml", "helpers.py", "public/*.py", "hidden/*.py"):
        files |= {
            f"{folder}/{path.relative_to(assignment.folder).as_posix()}": path.read_bytes()
            for path in sorted(assignment.folder.glob(pattern))
        }
    files[f"solutions/{assignment.name}.py"] = assignment.solution.read_bytes()
    files["constraints.txt"] = (root / "constraints.txt").read_bytes()
    files["requirements.txt"] = "\n".join(_requirements(root)).encode() + b"\n"
    config = {
        "assignment": assignment.name,
        "secret": secret or suite_digest(assignment),
        "torch_index": os.environ.get("TORCH_INDEX", ""),
        "require": _required(),
    }
    files["deepgrade.json"] = json.dumps(config, indent=1).encode() + b"\n"
    for name in sorted(EXECUTABLE):
        files[name] = (PLATFORM / name).read_bytes()
    return files


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


def _students_packages(root: Path) -> list[str]:
    """What students install: what their code may import, what runs the checks, and the notebook."""
    needed = ("numpy", "scipy", "torch", "pytest", "matplotlib", "tqdm")
    return [name for name in _requirements(root) if name.startswith(needed)] + ["jupyter"]


def _requirements(root: Path) -> list[str]:
    """What the package needs at run time, as pyproject.toml says, and what experiments use: many a student's file
    imports it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    notebook = project["optional-dependencies"]["notebook"]
    return [*project["dependencies"], *(name for name in notebook if name.startswith(("matplotlib", "tqdm")))]


def _refuse_leaks(assignment: Assignment, starter: Bundle) -> None:
    """No line of a solution, unless the stub's own text has it too, may stand in what students get."""
    reference = assignment.solution.read_text()
    lines = reference.splitlines()
    stub = starter.files[f"{assignment.name}/{assignment.deliverable}.py"].decode()
    texts = [_text(path, data) for path, data in starter.files.items()]
    for block in solution_blocks(reference, assignment):
        body = _unindented("\n".join(lines[block.begin : block.end - 1])).strip("\n")
        if len(body) > 40 and any(body in text for text in texts):
            raise GraderError(f"{assignment.name}: the starter bundle would hold the solution of {block.task}")
    for path in starter.files:
        if path.endswith((".pyc", ".pyo")) or "/hidden/" in path:
            raise GraderError(f"{assignment.name}: the starter bundle would hold {path}")
    if "BEGIN SOLUTION" in stub:
        raise GraderError(f"{assignment.name}: the stub still has solution markers")


def _text(path: str, data: bytes) -> str:
    """What a file says, without indentation; of a notebook, its cells."""
    text = data.decode("utf-8", "ignore")
    if path.endswith(".ipynb"):
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return _unindented(text)


def _unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n"))
