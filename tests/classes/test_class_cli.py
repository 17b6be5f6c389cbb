"""The commands for a class, as an instructor runs them; what is printed when something is not settled."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from autograder.assignment import load_assignment
from autograder.classes import ClassRun, Grade, show_class
from tests.classes.conftest import COURSE
from tests.made_class import made_submissions, write_gradescope

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`deepgrade …` in a clone with the small course."""
    clone = tmp_path_factory.mktemp("clone")
    clone.chmod(0o755)
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "autograder", clone / "autograder", ignore=leave)
    for room in ("assignments", "solutions"):
        shutil.copytree(COURSE / room, clone / room, ignore=leave)
    shutil.copy(COURSE / "course.toml", clone)
    environment = os.environ | {"PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "autograder", *arguments]
        return subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four submissions, as Gradescope exports them."""
    return write_gradescope(
        list(made_submissions(load_assignment("mini", COURSE), 4)), tmp_path_factory.mktemp("export")
    )


def test_from_an_export_to_a_report_and_a_gradebook(run: Run, export: Path, tmp_path: Path) -> None:
    out = tmp_path / "class"
    for graded, kept in ((4, 0), (0, 4)):
        done = run("class", str(export), "--assignment", "mini", "--out", str(out))
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(rf"^{graded} graded in \d+ s.*; {kept} had a result that holds$", done.stdout, re.MULTILINE)
    done = run("report", str(out))
    assert (done.returncode, done.stdout) == (0, f"Written: {out}/report.html\n")
    done = run("gradebook", str(out), "--format", "gradescope", "--out", str(tmp_path / "book.csv"))
    assert (done.returncode, done.stdout) == (0, f"4 marks in {tmp_path}/book.csv\n")
    assert (tmp_path / "book.csv").read_text().count("@school.example") == 4


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("class", "nowhere", "--assignment", "mini", "--out", "{out}"), "there is no nowhere"),
        (("class", "{export}", "--assignment", "minni", "--out", "{out}"), "did you mean 'mini'"),
        (("class", "{export}", "--assignment", "mini", "--out", "{out}", "--cluster"), "has no table [cluster]"),
        (("report", "{out}"), "there is no class in"),
        (("replay", "{out}", "--out", "{out}/b"), "there is no class in"),
        (("similarity", "{out}"), "there is no class in"),
        (("gradebook", "{out}", "--format", "canvas", "--out", "{out}/b"), "--format canvas needs --into"),
        (("gradebook", "{out}", "--format", "excel", "--out", "{out}/b"), "'excel' is not one of"),
    ],
)
def test_what_cannot_be_is_one_message_and_64(
    run: Run, export: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    places = {"out": tmp_path / "out", "export": export}
    done = run(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 64
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "b").exists()


def test_what_is_not_settled_is_listed_with_the_command_that_repeats_just_that() -> None:
    def grade(name: str, status: str = "graded", unsteady: float = 0) -> Grade:
        return Grade(
            name, status, 1, 9, unsteady + 1, unsteady, 1, "disk full\nmore" if status == "fault" else None, None, True
        )

    ran = ClassRun((grade("a"), grade("b c", "fault"), grade("d", unsteady=5)), 3, 60.0, ("x was passed over",))
    console = Console(record=True, width=100, file=open(os.devnull, "w"))  # noqa: SIM115
    show_class(ran, console, ["deepgrade", "class", "my export", "--assignment", "mini"])
    text = console.export_text()
    console.file.close()
    assert "our fault: disk full" in text
    assert "5 points are not measured: too unsteady" in text
    assert "deepgrade class 'my export' --assignment mini --only 'b c' --only d\n" in text
    assert "3 have points that need a GPU and are neither given nor lost yet" in text
    assert "3 graded in 60 s, 3.0 a minute; 0 had a result that holds" in text
