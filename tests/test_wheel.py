"""The wheel holds everything that the framework needs, so that it can be used from any folder, without a clone."""

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
