"""A class is graded whole: what was graded stays, what changed is graded again, whatever stops it."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.classes import PAGES, Ended, Store, grade_class, page_name, suite_key
from autograder.errors import UsageError
from autograder.grading import Options
from autograder.results import Outcome
from tests.classes.conftest import COURSE, Graded
from tests.made_class import write_gradescope

ROOT = Path(__file__).parents[2]
FEW = 6
FULL = ("reference", "odd: a browser's copy", "odd: in a folder", "odd: looks inside")


def verdicts(folder: Path) -> list[tuple[object, ...]]:
    """Everything in a store that is a verdict: no times, no figures."""
    with Store(folder) as store:
        lines = store.lines("submission.id, check_name, outcome, line.score, diagnosis")
        return [*((grade.id, grade.status, grade.score) for grade in store.grades()), *lines]


def test_everybody_gets_what_their_submission_deserves(graded: Graded) -> None:
    kinds = dict(zip((f"submission_{1000 + i}" for i in range(12)), (made.kind for made in graded.made), strict=True))
    assert [grade.id for grade in graded.ran.grades] == sorted(kinds)
    assert graded.ran.unsettled == ()
    for grade in graded.ran.grades:
        kind = kinds[grade.id]
        deserved = (100,) if kind in FULL else (67, 72, 80) if kind.startswith("mistake") else (0,)
        assert grade.score in deserved, kind
        assert (grade.status == "unreadable") == (kind in ("odd: only a text", "broken binary")), kind


def test_each_has_a_page_and_who_reaches_inside_is_named_to_a_human(graded: Graded) -> None:
    assert {file.name for file in (graded.out / PAGES).iterdir()} == {
        page_name(grade.id) for grade in graded.ran.grades
    }
    inside = [i for i, made in enumerate(graded.made) if made.kind == "odd: looks inside"]
    with Store(graded.out) as store:
        assert list(store.flags()) == [f"submission_{1000 + i}" for i in inside]
        assert all("uses sys._getframe" in flags[0] for flags in store.flags().values())


def test_nothing_of_the_class_can_be_listed_by_others(graded: Graded) -> None:
    assert graded.out.stat().st_mode & 0o077 == 0


def test_what_has_a_result_is_not_graded_again(copied: Graded) -> None:
    before = verdicts(copied.out)
    ran = grade_class("mini", copied.export, copied.out, root=COURSE)
    assert (ran.graded, len(ran.grades)) == (0, 12)
    assert verdicts(copied.out) == before


def test_a_zip_of_the_export_is_the_same_class(copied: Graded) -> None:
    archive = shutil.make_archive(str(copied.export), "zip", copied.export.parent, copied.export.name)
    assert grade_class("mini", Path(archive), copied.out, root=COURSE).graded == 0
    assert not (copied.out / ".unpacked").exists()


def test_only_a_changed_submission_is_graded_again_and_a_new_one_for_the_first_time(copied: Graded) -> None:
    changed = next(f"submission_{1000 + i}" for i, made in enumerate(copied.made) if made.kind == "stub")
    source = (COURSE / "solutions" / "mini.py").read_text()
    (copied.export / changed / "mini.py").write_text(source + "\n# at last\n")
    seen: list[str] = []
    ran = grade_class("mini", copied.export, copied.out, root=COURSE, progress=lambda ended: seen.append(ended.id))
    assert seen == [changed]
    assert {grade.id: grade.score for grade in ran.grades}[changed] == 100


def test_a_missing_page_is_written_again_without_grading(copied: Graded) -> None:
    page = copied.out / PAGES / page_name("submission_1003")
    before = page.read_text()
    page.unlink()
    assert grade_class("mini", copied.export, copied.out, root=COURSE).graded == 0
    assert page.read_text() == before


@pytest.mark.parametrize("file", ["mistakes.toml", "assignment.toml", "helpers.py", "public/test_public.py"])
def test_any_change_of_the_suite_asks_for_new_verdicts(tmp_path: Path, file: str) -> None:
    shutil.copytree(COURSE, tmp_path / "course")
    before = suite_key(load_assignment("mini", tmp_path / "course"))
    path = tmp_path / "course" / "assignments" / "mini" / file
    path.write_text(path.read_text() + "\n# another word\n")
    assert suite_key(load_assignment("mini", tmp_path / "course")) != before


def test_another_seed_is_another_verdict_and_the_first_one_is_kept(copied: Graded) -> None:
    few = write_gradescope(copied.made[:2], copied.export.parent / "few")
    seeded = Options(seed=5)
    assert grade_class("mini", few, copied.out, root=COURSE, options=seeded).graded == 2
    assert grade_class("mini", few, copied.out, root=COURSE, options=seeded).graded == 0


def test_only_the_checks_that_are_asked_for_are_run_and_that_is_a_verdict_of_its_own(copied: Graded) -> None:
    few = write_gradescope(copied.made[:1], copied.export.parent / "few")
    chosen = Options(select=("test_double",))
    (grade,) = grade_class("mini", few, copied.out, root=COURSE, options=chosen).grades
    with Store(copied.out) as store:
        run = store.run(grade.id)
    assert run is not None
    assert {line.check for line in run.lines if line.outcome is not Outcome.BLOCKED} == {"test_double"}
    assert grade_class("mini", few, copied.out, root=COURSE, options=chosen).graded == 0


def seeds(folder: Path) -> set[int]:
    """Of all stored runs."""
    with Store(folder) as store:
        runs = [store.run(grade.id) for grade in store.grades() if grade.status == "graded"]
    return {run.seed for run in runs if run is not None}


def test_all_of_an_export_share_a_seed_that_repeats_with_it_and_changes_with_any_byte_of_it(
    copied: Graded, tmp_path: Path
) -> None:
    few = write_gradescope(copied.made[:3], copied.export.parent / "few")
    for folder in ("first", "again"):
        grade_class("mini", few, tmp_path / folder, root=COURSE)
    grade_class("mini", few, tmp_path / "again", root=COURSE, only=("submission_1001",))
    assert seeds(tmp_path / "first") == seeds(tmp_path / "again")
    assert len(seeds(tmp_path / "first")) == 1
    with open(next((few / "submission_1002").iterdir()), "a") as file:
        file.write(" ")
    grade_class("mini", few, tmp_path / "changed", root=COURSE)
    assert not seeds(tmp_path / "changed") & seeds(tmp_path / "first")
    grade_class("mini", few, tmp_path / "secret", root=COURSE, options=Options(secret="of the course"))
    assert not seeds(tmp_path / "secret") & seeds(tmp_path / "changed")


def test_only_what_is_named_is_repeated(copied: Graded) -> None:
    seen: list[str] = []
    only = ("submission_1001", "submission_1002")
    ended = lambda each: seen.append(each.id)  # noqa: E731
    assert grade_class("mini", copied.export, copied.out, root=COURSE, only=only, progress=ended).graded == 2
    assert sorted(seen) == list(only)


def test_a_name_that_is_not_there_is_told_with_its_neighbour(copied: Graded) -> None:
    with pytest.raises(UsageError, match=r"no submission 'submission_1' in the export; did you mean 'submission_1"):
        grade_class("mini", copied.export, copied.out, root=COURSE, only=("submission_1",))


def test_another_assignment_needs_another_folder(copied: Graded) -> None:
    with pytest.raises(UsageError, match="holds a class of mini"):
        grade_class("conv", copied.export, copied.out, root=ROOT)


DRIVER = """
import signal
import sys
from pathlib import Path
from autograder.classes import grade_class
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
grade_class("mini", Path(sys.argv[1]), Path(sys.argv[2]), root=Path(sys.argv[3]),
            progress=lambda ended: print(ended.done, flush=True))
"""


def driven(export: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, str(export), str(out), str(COURSE)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def few(graded: Graded, tmp_path: Path) -> Path:
    """The first of the class: enough for two to be done and one not to be."""
    return write_gradescope(graded.made[:FEW], tmp_path / "few")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_a_driver_that_is_stopped_loses_nothing_and_grades_nothing_twice(
    graded: Graded, few: Path, tmp_path: Path, how: signal.Signals
) -> None:
    with driven(few, tmp_path / "out") as driver:
        assert driver.stdout is not None
        for _ in range(2):
            assert driver.stdout.readline().strip().isdigit()
        driver.send_signal(how)
        driver.communicate(timeout=60)
    with Store(tmp_path / "out") as store:
        stored = {grade.id for grade in store.grades()}
    assert 2 <= len(stored) < FEW
    seen: list[str] = []
    grade_class("mini", few, tmp_path / "out", root=COURSE, progress=lambda ended: seen.append(ended.id))
    ids = {f"submission_{1000 + position}" for position in range(FEW)}
    assert sorted(seen) == sorted(ids - stored)
    assert verdicts(tmp_path / "out") == [row for row in verdicts(graded.out) if row[0] in ids]


def test_two_drivers_do_not_write_one_folder(copied: Graded) -> None:
    shutil.rmtree(copied.out)
    with driven(copied.export, copied.out) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        with pytest.raises(UsageError, match="another `deepgrade class` is at work on"):
            grade_class("mini", copied.export, copied.out, root=COURSE)
        driver.kill()
        driver.communicate(timeout=60)


def launchers() -> list[int]:
    """Warm processes that this process started."""
    children = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    return [pid for pid in pids if b"grading.launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_warm_process_that_is_killed_is_replaced_and_nobody_pays(few: Path, tmp_path: Path) -> None:
    def kill(ended: Ended) -> None:
        if ended.done == 2:
            [os.kill(pid, signal.SIGKILL) for pid in launchers()]

    ran = grade_class("mini", few, tmp_path / "out", root=COURSE, progress=kill)
    assert (len(ran.grades), ran.unsettled) == (FEW, ())
    assert [row for row in verdicts(tmp_path / "out") if row[1] == "fault"] == []


def test_graders_that_are_killed_halfway_cost_nobody_anything(graded: Graded, few: Path, tmp_path: Path) -> None:
    """With them the one that had rehearsed, and every sandbox."""
    killed: list[int] = []

    def kill(ended: Ended) -> None:
        if ended.done == 3:
            children = (path for pid in launchers() for path in Path(f"/proc/{pid}/task").glob("*/children"))
            killed.extend(int(pid) for file in children for pid in file.read_text().split())
            for pid in killed:
                with suppress(ProcessLookupError):  # it ended with one that was killed before it
                    os.kill(pid, signal.SIGKILL)

    ran = grade_class("mini", few, tmp_path / "out", root=COURSE, progress=kill)
    assert killed
    assert (len(ran.grades), ran.unsettled) == (FEW, ())
    ids = {f"submission_{1000 + position}" for position in range(FEW)}
    assert verdicts(tmp_path / "out") == [row for row in verdicts(graded.out) if row[0] in ids]
