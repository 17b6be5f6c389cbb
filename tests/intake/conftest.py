"""For the tests of the intake."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.submission import Submission, collect
from tests.intake.handed import CONV


@pytest.fixture
def take(tmp_path: Path) -> Callable[[Path], Submission]:
    """Collect a path into a staging folder of the test's own."""
    return lambda path: collect(path, CONV, tmp_path / "staging")
