"""Whole submissions that attack the grader: they gain nothing, break nothing, leave nothing, and are graded all the
same.

Each file of tests/submissions/conv/hostile is one attack, which its first line names. What it solves honestly besides,
it says in `EARNS`, and what is asked of it, where that is not the usual, in `ASKED`.
"""

import ast
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, points
from autograder.audit import attacked_checks, honest_work
from autograder.grading import Engine, Options, grade
from autograder.grading import run as grading
from autograder.results import Outcome, Run
from autograder.sandbox import linux
from autograder.sandbox.folders import run_folder
from autograder.sandbox.users import BLOCK, BLOCKS, FIRST_UID
from tests.test_results import everything_said, written

HOSTILE = sorted((Path(__file__).parent / "submissions" / "conv" / "hostile").glob("*.py"))
ROOT = Path(__file__).parents[1]
ASSIGNMENT = load_assignment("conv")
ENDLESS = ("deep_recursion", "endless_loop", "slow_reply", "stops_itself")  # what they do lasts as long as it may
PATIENCE = "\n[limits]\ncall_seconds = 3\n"  # a third of the usual: how each ends is looked at, and not when
CHECKS = ("test_corr2d", "test_quiz")
SHARED = [Path(folder) for folder in ("/tmp", "/var/tmp", "/dev/shm")]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are confined on Linux only")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One for all attacks. Its orphans become ours, so that a process that got away is seen. Afterwards it still
    grades."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    with Engine(preload=ASSIGNMENT.preload) as running:
        yield running
        run = grade("conv", ASSIGNMENT.solution, options=Options(seed=1, select=CHECKS), engine=running)
        ran = [line for line in run.lines if line.outcome is not Outcome.BLOCKED]
        assert {line.outcome for line in ran} == {Outcome.PASSED}
        assert len(ran) > len(ASSIGNMENT.quiz)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 0)


def children(pid: int) -> set[int]:
    """Living processes started by a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split() if alive(int(child))}


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def left_over(engine: Engine, before: set[int]) -> set[int]:
    """Processes of a run that are still there a while after it."""
    assert engine._process is not None
    deadline = time.monotonic() + 5
    while found := children(engine._process.pid) | (children(os.getpid()) - before - {engine._process.pid}):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return found


def owned_by_workers() -> list[Path]:
    """What workers put into the folders that everybody may write (as root; otherwise they are who we are)."""
    found = []
    for folder in SHARED:
        with os.scandir(folder) as entries:
            found += [Path(entry.path) for entry in entries if _owner(entry) in range(FIRST_UID, FIRST_UID + 2048)]
    return found


def _owner(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:  # gone meanwhile
        return 0


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that this test's runs make."""
    made: list[Path] = []

    def recorded() -> Path:
        made.append(run_folder())
        return made[-1]

    monkeypatch.setattr(grading, "run_folder", recorded)
    return made


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose convolutions are these, with less time for a call."""
    root = tmp_path_factory.mktemp("impatient")
    for file in ("assignments/conv", "solutions"):
        shutil.copytree(ROOT / file, root / file, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "course.toml", root)
    facts = root / "assignments" / "conv" / "assignment.toml"
    assert "[limits]" not in facts.read_text("utf-8")
    facts.write_text(facts.read_text("utf-8") + PATIENCE, "utf-8")
    return root


def attacked(path: Path, engine: Engine, root: Path) -> Run:
    """The attack, graded."""
    options = Options(seed=1, seconds=60, select=attacked_checks(path.read_text("utf-8"), ASSIGNMENT))
    return grade("conv", path, root=root, options=options, engine=engine)


def test_uids_of_workers_are_those_looked_for() -> None:
    assert BLOCKS * BLOCK == 2048


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_an_attack_gains_nothing_and_leaves_nothing(
    path: Path, engine: Engine, folders: list[Path], impatient: Path
) -> None:
    before = children(os.getpid())
    run = attacked(path, engine, impatient if path.stem in ENDLESS else ROOT)
    assert run.status == "graded", run.reason
    assert {line.check for line in run.lines} == {check.name for check in points(ASSIGNMENT)}
    earned = {line.task for line in run.lines if line.score}
    assert earned <= honest_work(path.read_text("utf-8")), [line for line in run.lines if line.score]
    assert not CONTROL.search(everything_said(written(run)))
    assert not left_over(engine, before)
    assert folders and not any(folder.exists() for folder in folders)
    assert not owned_by_workers()


def test_every_attack_says_what_it_is() -> None:
    texts = [ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in HOSTILE]
    assert len(HOSTILE) >= 25
    assert {*ENDLESS} <= {path.stem for path in HOSTILE}
    assert all(texts) and len(set(texts)) == len(texts)
