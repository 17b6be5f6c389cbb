"""A class's points that need a GPU: recorded where there is none, replayed later without any submission."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.classes import Grade, Store, grade_class, measure_class
from autograder.cli import cli
from autograder.errors import UsageError
from autograder.grading import Options
from tests.gpu_course import gpu_course
from tests.test_grading import REFERENCE, changed

HANDED_IN = {
    "right": REFERENCE,
    "slow": changed("return x @ w", "\n    for _ in range(200): y = x @ w\n    return y"),
    "wrong": changed("return x @ w", "return x @ w + 1"),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a course, an export and the class, graded without a GPU and with recordings."""
    home = tmp_path_factory.mktemp("measure")
    gpu_course(home / "course")
    for name, source in HANDED_IN.items():
        (home / "export" / name).mkdir(parents=True)
        (home / "export" / name / "mini.py").write_text(source)
    grade_class("mini", home / "export", home / "out", root=home / "course", record=True)
    return home


@pytest.fixture
def home(recorded: Path, tmp_path: Path) -> Path:
    """The same in a place of its own; the export is gone, and what was kept of the sources can only fail."""
    shutil.copytree(recorded / "out", tmp_path / "out")
    shutil.copytree(recorded / "course", tmp_path / "course")
    for source in (tmp_path / "out" / "sources").glob("*/mini.py"):
        source.write_text("raise SystemExit\n")
    return tmp_path


def grades(home: Path) -> dict[str, Grade]:
    with Store(home / "out") as store:
        return {grade.id: grade for grade in store.grades()}


def test_what_needs_a_gpu_waits_where_it_is_right(recorded: Path) -> None:
    assert {name: grade.pending for name, grade in grades(recorded).items()} == {"right": 5, "slow": 5, "wrong": 0}


def test_recordings_give_the_points_that_wait_and_no_submission_is_needed(home: Path) -> None:
    before = grades(home)
    done = measure_class(home / "out", root=home / "course", device="rehearsal")
    assert (done.measured, done.faults, done.unrecorded) == (2, {}, ())
    after = grades(home)
    assert {name: grade.pending for name, grade in after.items()} == dict.fromkeys(HANDED_IN, 0)
    gained = {name: after[name].score - before[name].score for name in HANDED_IN}
    assert gained == {"right": 5, "slow": 0, "wrong": 0}
    assert "come from a run on cpu" in (home / "out" / "pages" / "right.html").read_text()
    again = measure_class(home / "out", root=home / "course", device="rehearsal")
    assert again.measured == 0, "what is measured is not measured again"


def test_a_recording_that_is_damaged_costs_nobody_a_point(home: Path) -> None:
    for file in (home / "out" / "recordings" / "right").rglob("*.recording"):
        file.write_bytes(b"not a frame at all")
    told = CliRunner().invoke(
        cli, ["measure", str(home / "out"), "--device", "rehearsal", "--course", str(home / "course")]
    )
    assert told.exit_code == 3, told.output
    assert "the recording that was kept cannot be read" in told.output
    assert grades(home)["right"].pending == 5
    assert grades(home)["slow"].pending == 0, "the others are measured all the same"


def test_what_was_not_recorded_is_named_and_recorded_later(home: Path, recorded: Path) -> None:
    shutil.rmtree(home / "out" / "recordings")
    shutil.copytree(recorded / "export", home / "export")
    done = measure_class(home / "out", root=home / "course", device="rehearsal")
    assert (done.measured, done.unrecorded) == (0, ("right", "slow"))
    ran = grade_class("mini", home / "export", home / "out", root=home / "course", record=True)
    assert ran.graded == 2
    assert measure_class(home / "out", root=home / "course", device="rehearsal").measured == 2


def test_recordings_are_not_made_where_there_is_a_gpu(home: Path, recorded: Path) -> None:
    with pytest.raises(UsageError, match="recordings are for machines without a GPU"):
        grade_class(
            "mini",
            recorded / "export",
            home / "other",
            root=home / "course",
            options=Options(device="cuda"),
            record=True,
        )


def test_a_folder_without_a_class_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no class in"):
        measure_class(tmp_path, device="rehearsal")
    assert list(tmp_path.iterdir()) == []
