"""From the built zips, as a student unpacks them: do the public checks pass on the solution and fail on the stub, does
the notebook run up to its experiment, is the autograder's archive whole?

Each is tried in a process of its own that finds nothing of the course: only what is in the zip, and the installed
libraries.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from autograder.assignment import Assignment, load_assignment, missing_note, points
from autograder.errors import AuthoringError, GraderError
from autograder.release._bundles import PACKAGE, Bundle

SECONDS = 600
WATCH = Path(__file__).with_name("watch.py")
CELLS = """\
import json, sys
names = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code" and not cell["id"].startswith(("check-", "experiment-")):
        exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), names)
"""


def prove(assignment: Assignment, made: Iterable[Bundle]) -> None:
    """Try the bundles of an assignment out.

    Raises:
        AuthoringError: a public check does not pass on the solution, or passes on the stub, or stumbles; the notebook
            does not run; the autograder's archive cannot be read.
        GraderError: a package that the assignment asks for is not installed here.
    """
    if note := missing_note(assignment.folder, assignment.packages):
        raise GraderError(note)
    starter, autograder, _ = made
    with tempfile.TemporaryDirectory(prefix="deepgrade-release-") as folder:
        home, platform = Path(folder) / "student", Path(folder) / "platform"
        for bundle, where in ((starter, home), (autograder, platform)):
            with zipfile.ZipFile(io.BytesIO(bundle.data())) as archive:
                archive.extractall(where)
        _try_checks(assignment, home / assignment.name, Path(folder))
        _try_notebook(assignment, home / assignment.name)
        if points(load_assignment(assignment.name, platform)) != points(assignment):
            raise AuthoringError(f"{assignment.name}: the autograder's archive has other checks than the assignment")


def _try_checks(assignment: Assignment, home: Path, folder: Path) -> None:
    names = [check.name for check in points(assignment) if check.is_public]
    solution = folder / "solution" / f"{assignment.deliverable}.py"
    solution.parent.mkdir()
    solution.write_bytes(assignment.solution.read_bytes())
    for name, own in assignment.reference_arrays.items():
        solution.with_name(name).write_bytes(own.read_bytes())
    for work, wanted in ((solution, True), (home / f"{assignment.deliverable}.py", False)):
        what = "the solution" if wanted else "the stub"
        ended, said = _ended(home, work, folder / f"{work.parent.name}.json")
        for name in names:
            errors = ended.get(name)
            if errors is None:
                raise _fault(assignment, f"the public check {name} does not run on {what}", said)
            if stumbled := [told for kind, told in errors if kind == "stumbled"]:
                raise _fault(assignment, f"the public check {name} stumbles on {what}", stumbled[0])
            failed = [told for kind, told in errors if kind == "failed"]
            if wanted and failed:
                raise _fault(assignment, f"the public check {name} fails on the solution", failed[0])
            if not wanted and not failed:
                raise _fault(assignment, f"the public check {name} passes on the stub", "It can never be failed.")


def _ended(home: Path, work: Path, out: Path) -> tuple[dict[str, list[tuple[str, str]]], str]:
    """How the cases of each public check end on a file, and what check.py says."""
    done = _clean(
        [str(home / "check.py"), str(work)], home, {"PYTEST_PLUGINS": WATCH.stem, "DEEPGRADE_WATCH": str(out)}
    )
    return json.loads(out.read_text()) if out.exists() else {}, f"{done.stdout}\n{done.stderr}".strip()


def _try_notebook(assignment: Assignment, home: Path) -> None:
    """The stub's cells define everything and raise nothing; the experiment needs what students write."""
    done = _clean(["-c", CELLS, str(home / f"{assignment.deliverable}.ipynb")], home, {})
    if done.returncode:
        raise _fault(assignment, "the notebook that students get does not run", done.stderr.strip())


def _clean(arguments: list[str], home: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Python with what the zip holds and the installed libraries, without this course or a clone of the framework."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and not _is_ours(Path(path))]
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    environment = kept | {
        "PYTHONPATH": os.pathsep.join([str(home / "deepgrade.pyz"), *_watcher(home), *paths]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=home, env=environment | more, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def _watcher(home: Path) -> list[str]:
    """A folder beside the student's with nothing but the plugin that watches."""
    folder = home.parent.parent / "watch"
    folder.mkdir(exist_ok=True)
    (folder / WATCH.name).write_bytes(WATCH.read_bytes())
    return [str(folder)]


def _is_ours(path: Path) -> bool:
    return (path / "autograder").exists() or path.resolve() == PACKAGE


def _fault(assignment: Assignment, what: str, said: str) -> AuthoringError:
    shown = "\n".join(said.splitlines()[-6:])
    return AuthoringError(f"{assignment.name}: {what}", help=shown)
