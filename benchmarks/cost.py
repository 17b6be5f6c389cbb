"""Limits of the cost checks and races against what submissions need: the reference, every correct variant, and the
naive one, which is right everywhere and must lose these checks. Figures are those of real gradings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder.assignment import Assignment, find_root, load_assignment, points
from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome

MARGIN = 1.5  # a limit should be as far from what is right as from what is naive
SEEDS = (1, 2)


@dataclass(frozen=True)
class Graded:
    """A check's line for one submission."""

    submission: str
    line: Line

    @property
    def figures(self) -> list[dict[str, Any]]:
        """Name, value and limit. In a race all points end at the target, and none are left from the limit on."""
        race = self.line.figures.get("race")
        if race is None or race["ratio"] is None:
            return list(self.line.figures.get("cost", []))
        limit = race["limit" if self.submission == "naive" else "target"]
        return [{"name": "times the reference", "value": race["ratio"], "limit": limit}]

    @property
    def shares(self) -> dict[str, float]:
        """Value over limit of each figure."""
        return {figure["name"]: figure["value"] / figure["limit"] for figure in self.figures}

    def value(self, figure: str) -> float:
        """What the submission needs of a figure."""
        return float(next(item["value"] for item in self.figures if item["name"] == figure))


def main(names: Sequence[str]) -> None:
    """Print a table for each assignment."""
    for name in names:
        assignment = load_assignment(name)
        checks = tuple(check.name for check in points(assignment) if check.kind in ("cost", "race"))
        if checks:
            Console().print(compared(assignment, checks))


def compared(assignment: Assignment, checks: tuple[str, ...]) -> Table:
    """Rows are figures of checks; growth has its own limit, which no margin is asked of."""
    table = Table(title=f"{assignment.name}: cost checks and races, seeds {', '.join(map(str, SEEDS))}")
    for heading in ("check, figure", "reference", "worst variant", "naive", "limit", "limit/worst", "naive/limit"):
        table.add_column(heading, justify="left" if heading == "check, figure" else "right")
    with Engine(preload=assignment.preload) as engine:
        graded = [item for path in submissions(assignment) for item in lines(engine, assignment, path, checks)]
    for check in checks:
        mine = [item for item in graded if item.line.check == check]
        if mine[0].line.outcome is Outcome.DEFERRED:
            continue
        table.add_row(f"[bold]{check}[/bold]", *verdicts(mine), end_section=False)
        for cells in rows(mine):
            table.add_row(*cells)
        table.add_section()
    return table


def submissions(assignment: Assignment) -> list[Path]:
    """Reference, correct variants, naive."""
    folder = find_root(assignment.folder.parents[1]) / "tests" / "submissions" / assignment.name
    return [assignment.solution, *sorted((folder / "correct").glob("*.py")), folder / "wrong" / "naive.py"]


def lines(engine: Engine, assignment: Assignment, path: Path, checks: tuple[str, ...]) -> Iterator[Graded]:
    """The lines of the checks, on every seed."""
    role = path.stem if path.parent.name in ("correct", "wrong") else "reference"
    for seed in SEEDS:
        run = grade(assignment.name, path, options=Options(seed=seed, select=checks), engine=engine)
        yield from (Graded(role, line) for line in run.lines if line.check in checks)


def verdicts(graded: list[Graded]) -> Iterator[str]:
    """How many of each kind pass."""
    for role in ("reference", "variants", "naive"):
        mine = [item for item in graded if role_of(item) == role]
        passed = sum(item.line.outcome is Outcome.PASSED for item in mine)
        right = passed == (0 if role == "naive" else len(mine))
        yield f"{'' if right else '[red]WRONG[/red] '}{passed} of {len(mine)} pass"


def role_of(graded: Graded) -> str:
    """reference, variants or naive."""
    return graded.submission if graded.submission in ("reference", "naive") else "variants"


def rows(graded: list[Graded]) -> Iterator[tuple[str, ...]]:
    """Of each figure the greatest share of its limit that anyone of a kind needs."""
    for figure in graded[0].shares:
        worst = {
            role: max((item for item in graded if role_of(item) == role), key=lambda item: item.shares.get(figure, 0))
            for role in ("reference", "variants", "naive")
        }
        inside = 1 / max(worst[role].shares[figure] for role in ("reference", "variants"))
        outside = worst["naive"].shares.get(figure, 0)
        variant = worst["variants"]
        yield (
            f"  {figure}",
            f"{worst['reference'].value(figure):,.10g}",
            f"{variant.value(figure):,.10g} ({variant.submission})",
            f"{worst['naive'].value(figure):,.10g}" if outside else "not reached",
            f"{variant.value(figure) / variant.shares[figure]:,.10g}",
            f"{inside:.2f}{'' if inside >= MARGIN or ' when ' in figure else ' <'}",
            f"{outside:.2f}" if outside else f"({stopped(worst['naive'].line)})",
        )


def stopped(line: Line) -> str:
    """What ended a check before there were figures."""
    return line.message.rpartition("\n")[2]
