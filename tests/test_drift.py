"""What is generated and committed is what would be generated now."""

from pathlib import Path

import pytest

from autograder.assignment import assignment_names, load_assignment
from autograder.starter import drift

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_the_committed_starter_is_up_to_date(name: str) -> None:
    assert drift(load_assignment(name, ROOT), ROOT / "student_starter" / name) == [], "run `make starter`"
