"""The cookbook's recipes, all of the page in one assignment: they are audited, and every mistake is seen."""

import re
from pathlib import Path

import numpy as np
import pytest

from autograder.assignment import QUIZ, load_assignment, load_course, load_mistakes, review
from autograder.audit import Verdict, audit

pytestmark = pytest.mark.usefixtures("shared_engine")

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "cookbook.md").read_text("utf-8")
HEAD = 'title = "Cookbook"\ndeliverable = "cookbook"\nlectures = ["all of them"]\n'
HEAD += 'arrays = ["weights.npz"]\nparts = ["layers"]\n\n[limits]\nrun_seconds = 120.0\n\n'
FILES = {
    "reference": "solutions/cookbook.py",
    "layers.py": "solutions/cookbook/layers.py",
    "check": "assignments/cookbook/hidden/test_cookbook.py",
    "helpers": "assignments/cookbook/helpers.py",
    "assignment.toml": "assignments/cookbook/assignment.toml",
    "mistakes.toml": "assignments/cookbook/mistakes.toml",
    "given/rays.py": "assignments/cookbook/given/rays.py",
    "data/digits.csv": "assignments/cookbook/data/digits.csv",
}


def blocks(kind: str) -> list[str]:
    """The page's blocks that begin with `# kind`."""
    return re.findall(rf"^```\w+\n# {re.escape(kind)}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with the page's assignment."""
    root = tmp_path_factory.mktemp("cookbook")
    for kind, name in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text((HEAD if kind == "assignment.toml" else "") + "\n\n".join(blocks(kind)))
    tasks = re.findall(r"^\[tasks\.(\w+)\]", (root / FILES["assignment.toml"]).read_text(), re.MULTILINE)
    handout = "".join(f"\n## {task}: A recipe\n" for task in tasks)
    (root / "assignments" / "cookbook" / "handout.md").write_text("# Cookbook\n\n{{points}}\n" + handout)
    (root / "course.toml").write_text('title = "Cookbook"\n')
    (weights,) = blocks("the reference's weights")
    exec(weights.replace('"solutions/', f'"{root}/solutions/'), {"np": np})
    return root


def test_the_page_has_a_recipe_with_a_mistake_for_every_kind(course: Path) -> None:
    assignment = load_assignment("cookbook", course)
    assert len(assignment.tasks) == len(re.findall(r"^## (?!Questions)", PAGE, re.MULTILINE)) >= 12
    assert {mistake.task for mistake in load_mistakes(assignment)} == {*assignment.tasks, QUIZ}
    assert [remark.text for remark in review(assignment, load_course(course)) if remark.is_fault] == []


@pytest.fixture(scope="module")
def verdicts(course: Path) -> list[Verdict]:
    """Reference and mistakes, graded."""
    found = audit("cookbook", course, workers=1)
    return [*found.run(select="reference"), *found.run(select="mistake")]


def test_the_reference_passes_and_every_mistake_loses_its_checks(verdicts: list[Verdict]) -> None:
    assert {verdict.subject.name: verdict.problems for verdict in verdicts if verdict.problems} == {}
    assert len(verdicts) > 12
