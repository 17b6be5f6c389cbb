"""One class of the small course, graded once for all tests that only look at it, or at a copy of it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.classes import ClassRun, grade_class
from tests.made_class import Made, made_submissions, write_gradescope

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
    folder = tmp_path_factory.mktemp("class")
    made = list(made_submissions(load_assignment("mini", COURSE), 12))
    export = write_gradescope(made, folder, group=1)
    return Graded(made, export, folder / "out", grade_class("mini", export, folder / "out", root=COURSE))


@pytest.fixture
def copied(graded: Graded, tmp_path: Path) -> Graded:
    """The same class in a place of its own, to be changed."""
    export = shutil.copytree(graded.export, tmp_path / graded.export.name)
    return Graded(graded.made, export, shutil.copytree(graded.out, tmp_path / "out"), graded.ran)
