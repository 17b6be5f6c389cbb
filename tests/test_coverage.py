"""The coverage page says what the assignments check, and nothing they don't."""

import importlib.util
from pathlib import Path

from autograder.assignment import assignment_names, load_assignment, points

ROOT = Path(__file__).parents[1]


def generated() -> str:
    spec = importlib.util.spec_from_file_location("coverage_table", ROOT / "docs" / "coverage_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page())


def test_the_page_is_what_would_be_generated() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text("utf-8") == generated(), "run `make docs`"


def test_every_task_has_ideas_an_oracle_and_a_check_that_scores() -> None:
    for name in assignment_names(ROOT):
        assignment = load_assignment(name, ROOT)
        scoring = {check.task for check in points(assignment) if check.weight > 0}
        for task in assignment.tasks.values():
            assert task.ideas, (name, task.name)
            assert task.oracle, (name, task.name)
            assert task.name in scoring, (name, task.name)
