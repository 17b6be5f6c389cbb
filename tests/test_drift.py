"""What is generated and committed is what would be generated now."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from autograder.assignment import COST_FIGURES, FORBIDDEN, assignment_names, load_assignment, points
from autograder.sandbox import absence
from autograder.starter import drift
from docs import student_session
from docs.figures import FIGURES

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_the_committed_starter_is_up_to_date(name: str) -> None:
    assert drift(load_assignment(name, ROOT), ROOT / "student_starter" / name) == [], "run `make starter`"


def test_the_committed_pictures_are_what_would_be_drawn() -> None:
    drawn = {f"{path}.svg": draw().svg() for path, draw in FIGURES.items()}
    there = {file: file.read_text("utf-8") for file in (ROOT / "assignments").glob("*/figures/*.svg")}
    kept = {f"{file.parts[-3]}/{file.name}": text for file, text in there.items()}
    assert kept == drawn, "run `make docs`"


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_the_page_of_cost_limits_has_the_limits_that_hold(name: str) -> None:
    assignment = load_assignment(name, ROOT)
    page = (ROOT / "benchmarks" / "cost.md").read_text("utf-8")
    section = next(part for part in page.split("\n## ") if part.startswith(f"{name}:"))
    shown, check = set(), ""
    for line in section.strip().splitlines()[4:]:
        figure, *_, limit, _, _ = (cell.strip() for cell in line.strip("|").split("|"))
        check = figure if figure.startswith("test_") else check
        shown |= {(check, figure, limit)} if limit and " when " not in figure else set()
    tasks = {facts.name: facts.task for facts in points(assignment)}
    limits = {(tasks[name], figure): float(limit.replace(",", "")) for name, figure, limit in shown}
    costs = {
        (task, COST_FIGURES[figure]): value
        for task, limited in assignment.costs.items()
        for figure, value in limited.figures.items()
    }
    races = {(task, "times the reference"): targets.target for task, targets in assignment.races.items()}
    assert limits == costs | races, "run `python -m benchmarks cost > benchmarks/cost.md`"


def test_the_recorded_session_is_of_checks_that_there_are() -> None:
    """Seconds differ from one recording to the next; what was recorded are this course's checks, and what the student
    wrote is still a slip in the reference."""
    page = student_session.PAGE.read_text("utf-8")
    assert page.startswith(student_session.HEAD)
    assert set(re.findall(r"^  [·✓✗] [\d.]+ +\d+/(\d+)  (.*?)(?: \(\d+\.\d s\))?$", page, re.MULTILINE)) == {
        (f"{check.weight:g}", check.title) for check in points(student_session.CONV) if check.is_public
    }, "run `python docs/student_session.py`"
    whole = student_session.written(student_session.PARTS, quiz=True)
    assert [whole.count(right) for right, _ in (student_session.TURNED, student_session.MEAN)] == [1, 1]
    assert "NotImplementedError" not in whole and whole.count('"q1": "') == 1


class Silent(student_session.Session):
    """Notes what is said and which lines are run, and runs none."""

    def write(self, source: str, *slips: tuple[str, str]) -> None:
        assert all(source.count(right) == 1 for right, _ in slips)

    def run(self, line: str, first: str = "", code: int | None = None, shown: str = "") -> str:
        self._block([f"$ {shown or line}"])
        return ""

    def interrupted(self, line: str, after: str) -> None:
        self.run(line)

    def watched(self, line: str, saves: Iterable[str]) -> list[float]:
        self.run(line)
        return [0.0 for _ in saves]


def without_outputs(page: str) -> str:
    """A recorded page's words and commands."""
    bare = re.sub(r"^(```\n\$ .*\n)(?:(?!```).*\n)*```$", r"\1```", page, flags=re.MULTILINE)
    return re.sub(r"\d+\.\d\d s\b", "0.00 s", bare)


def test_the_recorded_session_is_what_its_script_says_and_runs(tmp_path: Path) -> None:
    silent = Silent(tmp_path)
    student_session.whole(silent)
    page = student_session.PAGE.read_text("utf-8")
    assert without_outputs(page) == "\n".join(silent.page), "run `python docs/student_session.py`"


def test_the_groups_that_facts_may_forbid_are_those_that_can_be_absent() -> None:
    assert (*absence.GROUPS, absence.TORCH) == FORBIDDEN
