"""One symbol and one word for each way that a check can end, on terminal and page alike: never colour alone."""

from dataclasses import dataclass

from autograder.results._model import Line, Outcome


@dataclass(frozen=True)
class Sign:
    """How an outcome is shown. `colour` is one of rich's, `key` a class of the page's style sheet."""

    symbol: str
    word: str
    colour: str
    key: str


PARTLY = Sign("◐", "partly", "yellow", "partly")
SIGNS = {
    Outcome.PASSED: Sign("✓", "passed", "green", "passed"),
    Outcome.FAILED: Sign("✗", "failed", "red", "failed"),
    Outcome.BLOCKED: Sign("⊘", "not run", "bright_black", "blocked"),
    Outcome.DEFERRED: Sign("◷", "not measured yet", "cyan", "pending"),
    Outcome.INCONCLUSIVE: Sign("≈", "not measured", "cyan", "pending"),
    Outcome.FAULT: Sign("⚠", "our fault", "magenta", "fault"),
}


def sign(line: Line) -> Sign:
    """The line's sign; a passed check that set a part of its points has one of its own."""
    return PARTLY if line.outcome is Outcome.PASSED and line.score < line.max_score else SIGNS[line.outcome]


def points(number: float) -> str:
    """A number of points without needless zeros: 8, 2.5, 0.33."""
    return f"{round(number, 2):g}"
