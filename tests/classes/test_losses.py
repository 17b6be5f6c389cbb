"""Whatever is killed, at whatever moment, and however full the disk: a rerun gives the store that nothing befell."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from autograder.classes import PAGES, Ended, Store, grade_class, page_name
from autograder.errors import GraderError, UsageError
from tests.classes.conftest import COURSE, Graded
from tests.classes.test_grading_a_class import ROOT, launchers, verdicts
from tests.made_class import write_gradescope

FEW = 3
IDS = {f"submission_{1000 + position}" for position in range(FEW)}


@pytest.fixture
def few(graded: Graded, tmp_path: Path) -> Path:
    """The export of the first ones of the graded class."""
    return write_gradescope(graded.made[:FEW], tmp_path / "few")


def expected(graded: Graded) -> list[tuple[object, ...]]:
    """Verdicts of those, from the class that was left in peace."""
    return [row for row in verdicts(graded.out) if row[0] in IDS]


def completed(few: Path, out: Path) -> list[str]:
    """Run again; the ids of what was graded now."""
    seen: list[str] = []
    ran = grade_class("mini", few, out, root=COURSE, progress=lambda ended: seen.append(ended.id))
    assert {file.name for file in (out / PAGES).iterdir()} == {page_name(grade.id) for grade in ran.grades}
    return sorted(seen)


def stored(out: Path) -> set[str]:
    try:
        with Store(out) as store:
            return {grade.id for grade in store.grades()}
    except UsageError:  # it came not even to a store
        return set()


# Kills ------------------------------------------------------------------------------------------------------------

DYING = """
import os, signal, sys
from pathlib import Path
import autograder.classes._drive as drive
from autograder.classes import Store, grade_class

class Dying(Store):
    seen = 0

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._open.set_trace_callback(self.trace)

    def trace(self, statement):
        self.seen += statement.startswith(sys.argv[4])
        if self.seen == int(sys.argv[5]):
            os.kill(os.getpid(), signal.SIGKILL)

drive.Store = Dying
grade_class("mini", Path(sys.argv[1]), Path(sys.argv[2]), root=Path(sys.argv[3]))
"""
MOMENTS = {  # the statement that is never done, and the how-manieth of its kind it is
    "before anything": ("BEGIN", 1),
    "while the class is named": ("INSERT OR REPLACE INTO submission", 2),
    "between page and row": ("BEGIN", 3),
    "in the middle of a result": ("INSERT INTO line", 5),
    "at the end of a result": ("COMMIT", 3),
}


@pytest.mark.parametrize("statement, count", MOMENTS.values(), ids=MOMENTS)
def test_a_driver_that_dies_while_it_writes_loses_no_more_than_that(
    graded: Graded, few: Path, tmp_path: Path, statement: str, count: int
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", DYING, str(few), str(out), str(COURSE), statement, str(count)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    before = stored(out)
    assert before < IDS
    assert completed(few, out) == sorted(IDS - before)
    assert verdicts(out) == expected(graded)


def test_a_log_that_was_torn_by_a_power_cut_costs_what_was_in_it(graded: Graded, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", DYING, str(few), str(out), str(COURSE), "COMMIT", "3"]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
    log = out / "class.sqlite-wal"
    os.truncate(log, int(log.stat().st_size * 0.7))
    before = stored(out)
    assert completed(few, out) == sorted(IDS - before)
    assert verdicts(out) == expected(graded)


def forks() -> Iterator[int]:
    """Graders and sandboxes of gradings that run: below the warm processes, and called as they are."""
    below = set(launchers())
    while more := {pid for pid, parent in parents().items() if parent in below} - below:
        below |= more
    yield from below - set(launchers())


def parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    return found


def test_gradings_that_are_killed_are_faults_and_no_verdicts(graded: Graded, few: Path, tmp_path: Path) -> None:
    out, killed = tmp_path / "out", list[int]()

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for pid in forks():
                with suppress(ProcessLookupError):  # it has ended since
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    grade_class("mini", few, out, root=COURSE)
    killer.join()
    assert killed
    with Store(out) as store:
        faults = sorted(grade.id for grade in store.grades() if grade.status == "fault")
    assert completed(few, out) == faults
    assert verdicts(out) == expected(graded)


# Full disks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 40, 200], ids=lambda kib: f"{kib} KiB left")
def test_a_full_disk_is_one_message_and_nothing_is_lost(graded: Graded, few: Path, small: Path, left: int) -> None:
    out, ballast = small / "class", small / "ballast"
    ballast.write_bytes(bytes((1024 - 8 - left) << 10))

    def fill(ended: Ended) -> None:
        with suppress(OSError), open(ballast, "ab") as stream:
            stream.write(bytes(200 << 10))

    with pytest.raises(GraderError, match=r"No space left|disk is full|disk I/O error") as told:
        grade_class("mini", few, out, root=COURSE, progress=fill)
    assert "What was stored stays" in told.value.help
    ballast.unlink()
    before = stored(out)
    assert completed(few, out) == sorted(IDS - before)
    assert verdicts(out) == expected(graded)


@pytest.mark.parametrize("most", [0, 60_000])
def test_a_file_that_may_not_grow_is_one_message(graded: Graded, few: Path, tmp_path: Path, most: int) -> None:
    out = tmp_path / "out"
    driver = (
        "import resource, sys\nfrom pathlib import Path\nfrom autograder.classes import grade_class\n"
        "from autograder.errors import GraderError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, resource.RLIM_INFINITY))\n"
        f"try:\n    grade_class('mini', Path({str(few)!r}), Path({str(out)!r}), root=Path({str(COURSE)!r}))\n"
        "except GraderError as error:\n    sys.exit(error.message + ' / ' + error.help)\n"
    )
    done = subprocess.run([sys.executable, "-c", driver], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "What was stored stays" in done.stderr
    completed(few, out)
    assert verdicts(out) == expected(graded)
