"""One class of the small course, graded once for all tests that only look at it, or at a copy of it."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.classes import ClassRun, grade_class
from tests.made_class import EXPORT, Made, made_submissions, write_gradescope

COURSE = Path(__file__).parents[1] / "course"


@dataclass(frozen=True)
class Graded:
    """A made class: what was handed in, where, and what grading it gave."""

    made: list[Made]
    export: Path
    out: Path
    ran: ClassRun


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """Of all processes that run tests one grades it; the others wait for that, and each has a copy of its own."""
    made = list(made_submissions(load_assignment("mini", COURSE), 12))
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "class"
    common.mkdir(exist_ok=True)
    with open(common / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (common / "out").exists():
            grade_class("mini", write_gradescope(made, common, group=1), common / "out", root=COURSE)
        mine = shutil.copytree(common, tmp_path_factory.mktemp("graded") / "class")
    out = mine / "out"
    return Graded(made, mine / EXPORT, out, grade_class("mini", mine / EXPORT, out, root=COURSE))


@pytest.fixture
def copied(graded: Graded, tmp_path: Path) -> Graded:
    """The same class in a place of its own, to be changed."""
    export = shutil.copytree(graded.export, tmp_path / graded.export.name)
    return Graded(graded.made, export, shutil.copytree(graded.out, tmp_path / "out"), graded.ran)
