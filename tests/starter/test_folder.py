"""The starter's folder: what students need and nothing else, a local checker that runs, and drift that is named."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.errors import GraderError, UsageError
from autograder.starter import build, drift, write
from tests.starter.material import edit


def test_the_folder_holds_what_students_need_and_nothing_else(net: Assignment) -> None:
    assert list(build(net)) == [
        "README.md",
        "assignment.toml",
        "check.py",
        "handout.md",
        "net.ipynb",
        "net.py",
        "public/points.json",
        "public/test_net.py",
        "submit.py",
    ]


def test_nothing_hidden_is_in_the_folder(net: Assignment) -> None:
    for name, data in build(net).items():
        for secret in (b"test_dense_fully", b"SOLUTION", b"secret", b"4711"):
            assert secret not in data, (name, secret)


def test_helpers_ship_when_a_public_check_runs_one(course: Path) -> None:
    edit(course / "assignments/net/public/test_net.py", "student.dense(1, 2)", 'student.run("peek")')
    assert build(load_assignment("net", course))["helpers.py"].startswith(b"def peek")
    (course / "assignments/net/helpers.py").unlink()
    with pytest.raises(GraderError, match=r"helpers\.py: a public check runs a helper"):
        build(load_assignment("net", course))


def test_compiled_and_hidden_files_do_not_ship(course: Path) -> None:
    for name in ("public/__pycache__/test_net.cpython-311.pyc", "public/.DS_Store"):
        file = course / "assignments/net" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert [name for name in build(load_assignment("net", course)) if name.startswith("public")] == [
        "public/points.json",
        "public/test_net.py",
    ]


def test_the_handout_says_what_every_task_is_worth(net: Assignment) -> None:
    assert (
        "\n".join(
            [
                "| task | | points | in the public checks |",
                "|---|---|---:|---:|",
                "| dense | Dense layer | 93.5 | 10 |",
                "| extras | The rest | 0 | 0 |",
                "| quiz | 2 questions | 2 | 0 |",
                "| **total** | | **95.5** | **10** |",
            ]
        )
        in build(net)["handout.md"].decode()
    )


def test_what_is_written_does_not_drift(net: Assignment, tmp_path: Path) -> None:
    there = tmp_path / "student_starter" / "net"
    assert sorted(write(net, there)) == sorted(there / name for name in build(net))
    assert drift(net, there) == [] and write(net, there) == ()


def test_drift_names_every_file_that_differs(net: Assignment, tmp_path: Path) -> None:
    write(net, tmp_path / "out")
    (tmp_path / "out/net.py").unlink()
    edit(tmp_path / "out/check.py", "HERE", "THERE")
    (tmp_path / "out/notes.txt").write_text("mine")
    (tmp_path / "out/__pycache__").mkdir()
    (tmp_path / "out/__pycache__/net.pyc").write_text("compiled")
    assert drift(net, tmp_path / "out") == [
        f"{tmp_path / 'out/net.py'} is missing",
        f"{tmp_path / 'out/check.py'} is not what would be built",
        f"{tmp_path / 'out/notes.txt'} is not part of the starter",
    ]
    assert sorted(file.name for file in write(net, tmp_path / "out")) == ["check.py", "net.py"]


def test_drift_of_a_folder_that_is_not_there_is_everything(net: Assignment, tmp_path: Path) -> None:
    assert len(drift(net, tmp_path / "nowhere")) == len(build(net))


def test_a_folder_that_cannot_be_written_is_refused(net: Assignment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(net, tmp_path / "file")


CHECKER = """
def main(folder, argv, command):
    print(folder.split("/")[-1], argv, command, __file__)
    return 7
"""


def run_check(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a starter's check.py where no Deepgrade is installed."""
    return subprocess.run(
        [sys.executable, "-S", "-E", str(folder / "check.py"), *args],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )


@pytest.fixture
def starter(net: Assignment, tmp_path: Path) -> Path:
    write(net, tmp_path / "homework")
    return tmp_path / "homework"


def test_the_checker_runs_from_the_bundle_beside_it(starter: Path) -> None:
    with zipfile.ZipFile(starter / "deepgrade.pyz", "w") as bundle:
        bundle.writestr("autograder/__init__.py", "")
        bundle.writestr("autograder/local.py", CHECKER)
    run = run_check(starter, "net.ipynb", "-k", "dense")
    assert run.returncode == 7, run.stderr
    assert run.stdout.startswith("homework ['net.ipynb', '-k', 'dense']") and "deepgrade.pyz" in run.stdout


def test_the_checker_says_what_it_misses(starter: Path) -> None:
    run = run_check(starter)
    assert run.returncode == 3
    assert run.stderr == "deepgrade.pyz must lie beside check.py; it is in the archive that you were given\n"


def test_the_checker_does_not_hide_that_another_package_is_missing(starter: Path) -> None:
    (starter / "autograder").mkdir()
    (starter / "autograder/local.py").write_text("import some_package_that_is_missing\n")
    run = run_check(starter)
    assert run.returncode == 1 and "No module named 'some_package_that_is_missing'" in run.stderr
