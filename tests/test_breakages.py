"""Whatever an instructor breaks is told by one message that names the place, before anything runs where that can be."""

import shutil
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, load_course, reviewed
from autograder.audit import audit
from autograder.errors import AuthoringError, GraderError
from autograder.release import bundles, prove
from autograder.starter import build
from docs.breakages_table import BEFORE, PAGE, refreshed
from tests.breakage_rows import AUDIT, FILES, ROWS, TRIAL, Breakage

pytestmark = pytest.mark.usefixtures("shared_engine")

SMALL = Path(__file__).parent / "course"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small course's assignment, to be damaged."""
    shutil.copytree(SMALL, tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "course" / "assignments" / "mini"


def read(folder: Path) -> str:
    """What is told when the files are read, as every command that an instructor has begins; empty if nothing is."""
    try:
        course = load_course(folder.parents[1])
        assignment = load_assignment("mini", course.root)
        reviewed(assignment, course)
        build(assignment)
    except AuthoringError as error:
        return error.message
    return ""


def tried(folder: Path) -> str:
    """What is told by a release."""
    assignment = load_assignment("mini", folder.parents[1])
    try:
        prove(assignment, bundles(assignment))
    except AuthoringError as error:
        return error.message
    return ""


def audited(folder: Path, row: Breakage) -> str:
    """What is told by an audit; only of what the row is about."""
    select = {"mistakes": "mistake dw", "variants": "variant"}.get(row.kind, "reference")
    verdicts = audit("mini", folder.parents[1]).run(select=select)
    return "\n".join(problem for verdict in verdicts for problem in verdict.problems)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}: {row.name}")
def test_a_breakage_is_told(folder: Path, row: Breakage) -> None:
    row.damage(folder)
    told = read(folder)
    if row.when == FILES:
        assert row.told in told
    else:
        assert told == "", "what can be told by the files alone is told then"
        assert row.told in (tried(folder) if row.when == TRIAL else audited(folder, row))


def test_what_is_whole_is_not_talked_about(folder: Path) -> None:
    assert read(folder) == ""
    assert tried(folder) == ""


def test_most_is_told_before_anything_runs() -> None:
    assert len(ROWS) >= 40
    assert sum(row.when == FILES for row in ROWS) > 0.75 * len(ROWS)
    assert {row.when for row in ROWS} == {FILES, TRIAL, AUDIT}
    assert issubclass(AuthoringError, GraderError)


def test_what_was_read_before_is_of_rows_that_there_are() -> None:
    names = {f"{row.kind}: {row.name}" for row in ROWS}
    assert BEFORE.keys() <= names
    assert len(BEFORE) >= 40


def test_the_page_of_breakages_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert refreshed(page) == page, "run `make docs`"
