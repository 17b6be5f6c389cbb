"""Extra credit comes on top, and is called so wherever it is seen; what somebody reads is told before it counts."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, load_course, points, review
from autograder.audit import audit
from autograder.errors import AuthoringError
from autograder.grading import Engine, Options, grade
from autograder.results import load_results, to_gradescope, write_results
from autograder.results.page import page
from autograder.starter import build
from tests.breakage_rows import FACTS, HIDDEN, edit
from tests.samples import line, sample_run

pytestmark = pytest.mark.usefixtures("shared_engine")

SMALL = Path(__file__).parent / "course"
ESSAY = '[by_hand.essay]\ntitle = "Why it works"\npoints = 15\n\n[pairs.scale]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small course's assignment, where `twice` is extra and one check more, and an essay is read."""
    shutil.copytree(SMALL, tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "course" / "assignments" / "mini"
    edit(FACTS, 'title = "A callable"', 'title = "A callable"\nextra = true')(folder)
    edit(FACTS, "[pairs.scale]", ESSAY)(folder)
    edit(HIDDEN, '@pytest.mark.task("affine", kind="cost")', '@pytest.mark.task("affine", kind="cost", extra=True)')(
        folder
    )
    edit(HIDDEN, "@weight(20)", "@weight(25)")(folder)
    return folder


# Facts ------------------------------------------------------------------------------------------------------------


def test_a_task_or_a_check_is_extra_and_says_so(folder: Path) -> None:
    assignment = load_assignment("mini", folder.parents[1])
    extra = {check.name: check.title for check in points(assignment) if check.extra}
    assert extra == {
        "test_twice": "twice: calls what it was given (extra credit)",
        "test_affine_cost": "affine: as few operations as a product needs, however many rows (extra credit)",
    }


def test_what_is_not_extra_adds_up_to_100_with_what_is_read_by_hand(folder: Path) -> None:
    assignment = load_assignment("mini", folder.parents[1])
    course = load_course(folder.parents[1])
    assert [remark for remark in review(assignment, course) if remark.is_fault] == []
    edit(FACTS, "points = 15", "points = 16")(folder)
    said = [remark.text for remark in review(load_assignment("mini", folder.parents[1]), course)]
    assert said == [
        f"{folder}: the points of all checks and questions and what is read by hand without extra credit add up to "
        "101, not 100"
    ]


WRONG = {
    "a task's flag": (FACTS, "extra = true", 'extra = "yes"', "extra must be true or false, not 'yes'"),
    "a flag misspelt": (FACTS, "extra = true", "extre = true", "unknown key 'extre'; did you mean 'extra'?"),
    "a check's flag": (HIDDEN, "extra=True", "extra=2", "extra must be True or False, not 2"),
    "a check's flag misspelt": (
        HIDDEN,
        "extra=True",
        "extre=True",
        "@pytest.mark.task takes no 'extre'; did you mean 'extra'?",
    ),
    "a key by hand": (FACTS, "points = 15", "point = 15", r"\[by_hand.essay\] points is missing; did you mean 'point'"),
    "points by hand": (FACTS, "points = 15", "points = -1", "points must be positive and finite"),
    "a task by hand": (FACTS, "by_hand.essay", "by_hand.double", "there is a task 'double', too"),
}


@pytest.mark.parametrize("file, old, new, told", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_it_is_one_message(folder: Path, file: str, old: str, new: str, told: str) -> None:
    edit(file, old, new)(folder)
    with pytest.raises(AuthoringError, match=told):
        points(load_assignment("mini", folder.parents[1]))


# What students see ------------------------------------------------------------------------------------------------


def test_the_handout_shows_extra_credit_apart_and_who_reads(folder: Path) -> None:
    made = build(load_assignment("mini", folder.parents[1]))
    rows = [row for row in made["handout.md"].decode().splitlines() if row.startswith("| ")]
    assert "| affine | Affine map | 10 + 5 extra | 0 |" in rows
    assert "| twice | A callable | 15 extra | 0 |" in rows
    assert "| essay | Why it works (somebody reads it) | 15 | 0 |" in rows
    assert "| **total** | | **100** | **8** |" in rows
    assert json.loads(made["public/points.json"])["affine"] == 10


def test_a_grade_counts_it_on_top_and_tells_what_is_still_to_be_read(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    root = folder.parents[1]
    run = grade("mini", root / "solutions" / "mini.py", root=root, options=Options(seed=1), engine=engine)
    assert (run.score, run.max_score, run.extra) == (105, 85, 20)
    data = to_gradescope(run)
    assert data["score"] == 105
    assert "105 of 85 points, 20 of them extra credit." in data["output"]
    assert "A callable: 15 of 15 extra points" in data["output"]
    assert (
        "Not counted here, since somebody reads it, and enters its points later: Why it works (15)." in data["output"]
    )
    assert {test["name"].endswith("(extra credit)"): test["extra_data"]["extra"] for test in data["tests"]} == {
        True: True,
        False: False,
    }
    write_results(run, tmp_path)
    assert load_results(tmp_path).max_score == 85
    text = re.sub(r"\s+", " ", page(run))
    assert "10 / 10 + 5 / 5 extra" in text
    assert "15 / 15 extra" in text


def test_the_audit_knows_what_can_be_had(folder: Path) -> None:
    (verdict,) = audit("mini", folder.parents[1], workers=1).run(select="reference")
    assert verdict.problems == ()


@pytest.mark.parametrize("passed, score", [((), 0), (("a",), 5), (("b",), 3), (("a", "b"), 8)])
def test_extra_credit_never_raises_what_can_be_had(passed: tuple[str, ...], score: float) -> None:
    lines = [line("a", "t", "passed" if "a" in passed else "failed", 5)]
    lines.append(replace(line("b", "t", "passed" if "b" in passed else "failed", 3), extra=True))
    run = sample_run(lines=tuple(lines))
    assert (run.score, run.max_score) == (score, 5)
