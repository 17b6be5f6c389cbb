"""The wheel holds everything that the framework needs, so that it can be used from any folder, without a clone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "autograder"
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the wheel."""
    pytest.importorskip("setuptools")
    clone = tmp_path_factory.mktemp("clone")
    shutil.copytree(PACKAGE, clone / "autograder", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "docs/student-guide.md"):
        shutil.copy(ROOT / name, clone / name)
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(clone / "dist" / done.stdout.split()[-1]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_package(wheel: dict[str, bytes]) -> None:
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len([path for path in files if path.suffix != ".py"]) > 10
    assert {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files} == {
        name: data for name, data in wheel.items() if name.startswith("autograder/")
    }


def test_the_wheel_holds_nothing_of_this_course(wheel: dict[str, bytes]) -> None:
    assert {name.partition("/")[0].rpartition(".")[2] for name in wheel} == {"autograder", "dist-info"}
    assert wheel["autograder/release/constraints.txt"] == (ROOT / "constraints.txt").read_bytes()


SESSION = """\
import io, json, shutil, sys, zipfile
from pathlib import Path
from autograder.release import gradescope
home = Path("home")
for name in ("submission", "results"):
    (home / name).mkdir(parents=True)
with zipfile.ZipFile(sys.argv[1]) as archive:
    archive.extractall(home / "source")
shutil.copy(sys.argv[2], home / "submission")
gradescope.SHARED = ()
gradescope.main(str(home))
"""


@pytest.fixture
def installed(wheel: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with what the wheel holds and nothing else of this repository."""
    for name, data in wheel.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    tmp_path.chmod(0o755)
    return tmp_path / "site"


def test_from_an_empty_folder_to_a_graded_submission_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    """init, starter, grade, release, and Gradescope's door on what was released, outside this repository."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    environment = kept | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1", "COLUMNS": "120", "HOME": str(tmp_path)}

    def ran(where: Path, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=where, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert ran(tmp_path, "-c", "import autograder; print(autograder.__file__)").startswith(str(installed))
    course = tmp_path / "mycourse"
    assert "Next: cd mycourse; deepgrade audit" in ran(tmp_path, "-m", "autograder", "init", "mycourse")
    below = course / "assignments" / "warmup"
    assert "built student_starter/warmup" in ran(below, "-m", "autograder", "starter")
    assert "100 of 100 points" in ran(course, "-m", "autograder", "grade", "warmup", "solutions/warmup.py")
    released = ran(course, "-m", "autograder", "release")
    assert released.count(".zip") == 3
    bundle, stub = course / "dist" / "warmup-autograder.zip", course / "student_starter" / "warmup" / "warmup.py"
    for work, score in ((course / "solutions" / "warmup.py", 100), (stub, 0)):
        folder = tmp_path / f"graded-{score}"
        folder.mkdir()
        ran(folder, "-c", SESSION, str(bundle), str(work))
        results = json.loads((folder / "home" / "results" / "results.json").read_text())
        assert (results["score"], results["extra_data"]["status"]) == (score, "graded")
