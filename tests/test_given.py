"""Given modules and data: shipped to students, there when graded, and the instructor's copies are what counts."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment, load_course, review
from autograder.classes import suite_key
from autograder.errors import AuthoringError
from autograder.grading import Engine, Options, grade
from autograder.release import bundles, prove, with_hints
from autograder.results import Outcome, Run
from tests.test_grading import COURSE, REFERENCE, line_of

RAYS = '"""Given: a factor."""\n\n\ndef factor():\n    """Two."""\n    return 2.0\n'
POINTS = b"1.0,2.0\r\n3.0,4.0\r\n"
DOUBLE = 'return np.loadtxt("data/points.csv", delimiter=",")[0, 1] * x'
USES = REFERENCE.replace("import torch\n", "import rays\nimport torch\n", 1).replace("return 2 * x", DOUBLE)
USES = USES.replace("return x @ w", "return x @ w * (rays.factor() / 2)")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course, whose reference reads a table and calls a given module."""
    root = tmp_path_factory.mktemp("given") / "course"
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "assignments" / "mini"
    (folder / "given").mkdir()
    (folder / "given" / "rays.py").write_text(RAYS)
    (folder / "data" / "more").mkdir(parents=True)
    (folder / "data" / "points.csv").write_bytes(POINTS)
    (folder / "data" / "more" / "image.bin").write_bytes(b"\r\n\x00")
    (root / "solutions" / "mini.py").write_text(USES)
    mistakes = (folder / "mistakes.toml").read_text()
    (folder / "mistakes.toml").write_text(mistakes.replace('"return 2 * x"', f"'{DOUBLE}'"))
    return root


@pytest.fixture(scope="module")
def assignment(course: Path) -> Assignment:
    return load_assignment("mini", course)


def graded(engine: Engine, root: Path, work: Path) -> Run:
    return grade("mini", work, root=root, options=Options(seed=1), engine=engine)


def test_the_bundles_hold_what_is_given(assignment: Assignment) -> None:
    starter, autograder, solution = (bundle.files for bundle in bundles(assignment))
    for name, data in (("rays.py", RAYS.encode()), ("data/points.csv", POINTS), ("data/more/image.bin", b"\r\n\x00")):
        assert starter[f"mini/{name}"] == solution[name] == data
    assert "`rays.py`, `data/`" in starter["mini/README.md"].decode()
    assert {"assignments/mini/given/rays.py", "assignments/mini/data/more/image.bin"} <= autograder.keys()
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[0].data())) as archive:
        assert archive.read("mini/data/points.csv") == POINTS, "data keeps its line ends"


def test_a_release_is_tried_out_with_them(assignment: Assignment) -> None:
    prove(assignment, with_hints(assignment, bundles(assignment)))


def test_the_platform_grades_with_them(engine: Engine, assignment: Assignment, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[1].data())) as archive:
        archive.extractall(tmp_path / "source")
    (tmp_path / "mini.py").write_text(USES)
    run = graded(engine, tmp_path / "source", tmp_path / "mini.py")
    assert (run.status, [line.message for line in run.lines if line.outcome is Outcome.FAILED]) == ("graded", [])


CHANGED = {
    "a module": ("rays.py", RAYS.replace("2.0", "3.0").encode()),
    "a module that does not run": ("rays.py", b"raise RuntimeError\n"),
    "data": ("data/points.csv", b"9,9\n9,9\n"),
}


@pytest.mark.parametrize(("name", "data"), CHANGED.values(), ids=CHANGED.keys())
def test_a_changed_copy_counts_for_nothing(
    engine: Engine, course: Path, tmp_path: Path, name: str, data: bytes
) -> None:
    (tmp_path / "work" / "data").mkdir(parents=True)
    (tmp_path / "work" / "mini.py").write_text(USES)
    (tmp_path / "work" / name).write_bytes(data)
    run = graded(engine, course, tmp_path / "work")
    assert [line.message for line in run.lines if line.outcome is Outcome.FAILED] == []
    assert [note for note in run.notes if "rays" in note] == []


def test_work_that_needs_its_changed_copy_loses_what_needs_it(engine: Engine, course: Path, tmp_path: Path) -> None:
    (tmp_path / "rays.py").write_text(RAYS + "\n\ndef product(x, w):\n    return x @ w\n")
    (tmp_path / "mini.py").write_text(USES.replace("return x @ w", "return rays.product(x, w)"))
    run = graded(engine, course, tmp_path)
    assert {line.task for line in run.lines if line.outcome is Outcome.FAILED} == {"affine"}
    assert "module 'rays' has no attribute 'product'" in line_of(run, "test_affine").message


HOSTILE = {
    "writes into the data": 'open("data/points.csv", "w").write("9,9")',
    "writes beside the data": 'open("data/mine.csv", "w").write("9,9")',
    "removes the data": 'import os; os.remove("data/points.csv")',
    "writes through the file's own place": 'import pathlib; pathlib.Path(__file__).with_name("rays.py").write_text("")',
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_worker_reads_what_is_given_and_writes_nothing_there(
    engine: Engine, course: Path, tmp_path: Path, line: str
) -> None:
    source = USES.replace('return np.loadtxt("data', f'\n    {line}\n    return np.loadtxt("data')
    (tmp_path / "mini.py").write_text(source)
    run = graded(engine, course, tmp_path / "mini.py")
    assert {line.task for line in run.lines if line.outcome is Outcome.FAILED} == {"double"}
    told = line_of(run, "test_double").message
    assert "PermissionError" in told or "OSError" in told
    assert (course / "assignments" / "mini" / "data" / "points.csv").read_bytes() == POINTS


def test_what_is_given_is_part_of_what_a_grade_depends_on(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "course")
    before = suite_key(load_assignment("mini", tmp_path / "course"))
    (tmp_path / "course" / "assignments" / "mini" / "data" / "points.csv").write_text("1")
    assert suite_key(load_assignment("mini", tmp_path / "course")) != before


@pytest.fixture
def home(assignment: Assignment, tmp_path: Path) -> Path:
    """The starter, unpacked, with the solution in it."""
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[0].data())) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "mini" / "mini.py").write_text(USES)
    return tmp_path / "mini"


def checked(home: Path, elsewhere: Path) -> str:
    """What `check.py` says, called from elsewhere."""
    files = [os.path.relpath(home / name, elsewhere) for name in ("check.py", "mini.py")]
    command = [sys.executable, "-B", *files]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_at_home_they_are_found_from_anywhere(home: Path, tmp_path: Path) -> None:
    told = checked(home, tmp_path)
    assert "✓ 1.1" in told, told
    assert "rays" not in told


def test_at_home_a_changed_copy_is_told(home: Path) -> None:
    (home / "rays.py").write_text(RAYS + "\n")
    (home / "data" / "more" / "image.bin").unlink()
    told = checked(home, home)
    assert "rays.py is not as you were given it. Your work is graded with the original" in " ".join(told.split())
    assert "data/more/image.bin is missing" in told


REFUSED = {
    "the name of a package": ("given/numpy.py", "", "there is another module 'numpy'"),
    "the name of a module of Python's": ("given/random.py", "", "there is another module 'random'"),
    "the deliverable's name": ("given/mini.py", "", "there is another module 'mini'"),
    "no name": ("given/my-rays.py", "", "'my-rays' is not a Python name"),
    "no Python": ("given/beams.py", "def", r"beams\.py: cannot be parsed"),
    "the students' own": ("given/beams.py", "from mini import double", "imports mini, which is what students write"),
}


@pytest.mark.parametrize(("name", "text", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_given_is_refused(course: Path, tmp_path: Path, name: str, text: str, told: str) -> None:
    shutil.copytree(course, tmp_path / "course")
    (tmp_path / "course" / "assignments" / "mini" / name).write_text(text)
    damaged = load_assignment("mini", tmp_path / "course")
    with pytest.raises(AuthoringError, match=told):
        review(damaged, load_course(tmp_path / "course"))


@pytest.mark.parametrize("name", ["given/beams.py", "data/notes.txt"])
def test_the_solution_is_in_none_of_them(course: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(course, tmp_path / "course")
    (tmp_path / "course" / "assignments" / "mini" / name).write_text(f"def f(x):\n    {DOUBLE}\n")
    file = name.removeprefix("given/")
    with pytest.raises(AuthoringError, match=f"{file}, which students get, would hold the solution of double"):
        bundles(load_assignment("mini", tmp_path / "course"))


def test_given_files_are_no_files_that_nobody_reads(assignment: Assignment, course: Path) -> None:
    assert [remark.text for remark in review(assignment, load_course(course))] == []
    assert json.loads(bundles(assignment)[0].files["mini/public/given.json"]).keys() == {
        "rays.py",
        "data/points.csv",
        "data/more/image.bin",
    }
