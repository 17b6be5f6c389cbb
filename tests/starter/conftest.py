"""A course with one assignment."""

from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment
from tests.starter.material import EXPERIMENT, FACTS, HANDOUT, HIDDEN, PUBLIC, REFERENCE


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one assignment, `net`."""
    for name, text in {
        "solutions/net.py": REFERENCE,
        "assignments/net/assignment.toml": FACTS,
        "assignments/net/handout.md": HANDOUT,
        "assignments/net/experiment.py": EXPERIMENT,
        "assignments/net/helpers.py": "def peek(submission):\n    return 1\n",
        "assignments/net/public/test_net.py": PUBLIC,
        "assignments/net/hidden/test_net.py": HIDDEN,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def net(course: Path) -> Assignment:
    return load_assignment("net", course)
