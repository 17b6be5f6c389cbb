"""A public assignment of the field, rebuilt with the fixtures as the pages teach: its audit passes, and the page that
speaks of it counts what is there."""

import ast
import re
from pathlib import Path

import pytest

from autograder.assignment import QUIZ, load_assignment, load_course, load_mistakes, points, review
from autograder.audit import audit
from autograder.release import bundles, prove

pytestmark = pytest.mark.usefixtures("shared_engine")

ROOT = Path(__file__).parent / "rebuilt"
NETS = load_assignment("nets", ROOT)
PAGE = (ROOT.parents[1] / "docs" / "rebuilt.md").read_text("utf-8")


def test_its_files_are_in_order_and_it_can_be_tried_out_as_a_student_would() -> None:
    assert review(NETS, load_course(ROOT)) == ()
    prove(NETS, bundles(NETS))


@pytest.mark.parametrize("select", ["reference", "stub", "mistake", "worthless"])
def test_its_audit_passes(select: str) -> None:
    verdicts = audit("nets", ROOT, workers=2).run(select=select)
    assert {verdict.subject.name: verdict.problems for verdict in verdicts if verdict.problems} == {}
    assert verdicts


def lines_of_checks() -> dict[str, int]:
    """Of each task, the lines of its checks, decorators and docstrings included."""
    worth = {check.name: check for check in points(NETS)}
    found = dict.fromkeys(NETS.tasks, 0)
    for file in NETS.folder.glob("*/test_*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name in worth:
                first = min(decorator.lineno for decorator in node.decorator_list)
                found[worth[node.name].task] += (node.end_lineno or first) - first + 1
    return found


def test_the_page_counts_what_is_there() -> None:
    checks, mistakes, lines = points(NETS), load_mistakes(NETS), lines_of_checks()
    found = re.findall(r"^\| `(\w+)` \|.*?\| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    rows = {task: [int(count) for count in counts] for task, *counts in found}
    assert rows == {
        task: [
            sum(check.task == task for check in checks),
            lines[task],
            sum(mistake.task == task for mistake in mistakes),
        ]
        for task in NETS.tasks
    }
    assert QUIZ not in rows
