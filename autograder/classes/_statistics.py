"""What a class did, in numbers: of each check, of the whole, and of the wrong answers.

The figures are those of classical test theory: difficulty is the mean share of a check's points; discrimination is the
difference of that between the best and the worst 27 % (Kelley 1939); the corrected item-rest correlation leaves the
check out of the total that it is compared with; Cronbach's alpha is k/(k-1) (1 - sum of variances / variance of sum).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.classes._store import Store

TAIL = 0.27
LOW = 0.1  # an item-rest correlation below that asks for a look
ENOUGH = 10  # submissions, below which a correlation says nothing
EXAMPLES = 5
MEASURED = ("passed", "failed", "blocked")
CALL = re.compile(r"^[^\n]*\w ?\(.*\)\n")  # how a check's message begins: what was called
QUOTED = re.compile(r"'[^']*'|`[^`]*`|“[^”]*”|\"[^\"]*\"")
BRACKETS = re.compile(r"[\[(][^\[\]()]*[\])]")
NUMBERS = re.compile(r"-?\d[\d.,]*(e[+-]?\d+)?")


@dataclass(frozen=True)
class CheckFigures:
    """One check over the class; what cannot be said of so few, or of so equal ones, is None."""

    check: str
    name: str
    number: str
    max_score: float
    measured: int
    passed: float
    difficulty: float
    discrimination: float | None
    rest: float | None
    median_seconds: float
    slow_seconds: float

    @property
    def look(self) -> str:
        """Why somebody should look at this check; empty where nobody need."""
        if self.measured < ENOUGH:
            return ""
        if self.rest is not None and self.rest < LOW:
            return "who passes it does not do better elsewhere"
        if self.rest is None and self.passed == 0:
            return "nobody passes it"
        return ""


@dataclass
class Cluster:
    """Wrong answers that are alike: how many, and whose first ones."""

    check: str
    name: str
    message: str
    submissions: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, submission: str) -> None:
        """One more."""
        self.count += 1
        if len(self.submissions) < EXAMPLES:
            self.submissions.append(submission)


@dataclass(frozen=True)
class Figures:
    """Everything that the report shows of points and answers."""

    scores: tuple[float, ...]
    max_score: float
    alpha: float | None
    checks: tuple[CheckFigures, ...]
    mistakes: tuple[Cluster, ...]
    unknown: tuple[Cluster, ...]


def figures(store: Store) -> Figures:
    """The figures of the submissions that were graded; what could not be read or was our fault tells nothing of a
    check, and is left out."""
    grades = [grade for grade in store.grades() if grade.status == "graded"]
    rows = {grade.id: row for row, grade in enumerate(grades)}
    facts, shares, seconds = _matrices(store, rows)
    weights = np.array([each["max"] for each in facts.values()])
    points = np.nan_to_num(shares) * weights
    checks = tuple(
        _check(name, each, shares[:, column], points, column, seconds[:, column])
        for column, (name, each) in enumerate(facts.items())
    )
    whole = tuple(grade.score for grade in grades)
    most = max((grade.max_score for grade in grades), default=0.0)
    return Figures(whole, most, cronbach_alpha(points), checks, _mistakes(store), _unknown(store))


def _matrices(store: Store, rows: dict[str, int]) -> tuple[dict[str, dict[str, Any]], np.ndarray, np.ndarray]:
    """Facts of each check, and by submission and check the share of its points (NaN: not measured) and seconds."""
    facts: dict[str, dict[str, Any]] = {}
    found: list[tuple[int, int, float, float]] = []
    columns: dict[str, int] = {}
    wanted = "submission.id, check_name, name, number, outcome, line.score, line.max_score, line.seconds"
    for submission, check, name, number, outcome, score, most, took in store.lines(wanted):
        if submission not in rows:
            continue
        column = columns.setdefault(check, len(columns))
        facts.setdefault(check, {"name": name, "number": number, "max": most})
        share = (score / most if most else float(outcome == "passed")) if outcome in MEASURED else np.nan
        found.append((rows[submission], column, share, took))
    shares, seconds = (np.full((len(rows), len(columns)), np.nan) for _ in range(2))
    if found:
        at_row, at_column, share_there, took_there = (np.array(each) for each in zip(*found, strict=True))
        shares[at_row, at_column], seconds[at_row, at_column] = share_there, took_there
    return facts, shares, seconds


def _check(
    name: str, facts: dict[str, Any], share: np.ndarray, points: np.ndarray, column: int, seconds: np.ndarray
) -> CheckFigures:
    known = ~np.isnan(share)
    share, took = share[known], seconds[known]
    total = points[known].sum(axis=1)
    rest = total - points[known, column]
    return CheckFigures(
        check=name,
        name=facts["name"],
        number=facts["number"],
        max_score=facts["max"],
        measured=int(known.sum()),
        passed=float((share > 0).mean()) if known.any() else 0.0,
        difficulty=float(share.mean()) if known.any() else 0.0,
        discrimination=upper_lower(share, total),
        rest=correlation(share, rest),
        median_seconds=float(np.median(took)) if known.any() else 0.0,
        slow_seconds=float(np.quantile(took, 0.95)) if known.any() else 0.0,
    )


def correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Pearson's r of two vectors (n,); None where one of them does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def upper_lower(share: np.ndarray, total: np.ndarray) -> float | None:
    """Mean share of the upper 27 % by total minus that of the lower, both (n,); None where all totals are equal."""
    if len(total) < 2 or np.ptp(total) == 0:
        return None
    tail = max(1, round(TAIL * len(total)))
    order = np.argsort(total, kind="stable")
    return float(share[order[-tail:]].mean() - share[order[:tail]].mean())


def cronbach_alpha(points: np.ndarray) -> float | None:
    """Of points (submissions, checks); None where it is not defined."""
    items = points.shape[1] if points.ndim == 2 else 0
    if items < 2 or len(points) < 2:
        return None
    whole = points.sum(axis=1).var(ddof=1)
    return float(items / (items - 1) * (1 - points.var(axis=0, ddof=1).sum() / whole)) if whole > 0 else None


def shape(message: str) -> str:
    """What two messages about the same wrong answer share: no call, no numbers, no names, no case."""
    text = CALL.sub("", message, count=1).strip().partition("\n")[0]
    text, before = QUOTED.sub("…", text), ""
    while text != before:
        before, text = text, BRACKETS.sub("#", text)
    return NUMBERS.sub("#", text)


def _mistakes(store: Store) -> tuple[Cluster, ...]:
    """Known mistakes, each counted once a submission."""
    found: dict[str, Cluster] = {}
    seen: set[tuple[str, str]] = set()
    wanted = "submission.id, check_name, diagnosis, hint"
    for submission, check, diagnosis, hint in store.lines(wanted, "diagnosis IS NOT NULL"):
        if (submission, diagnosis) not in seen:
            seen.add((submission, diagnosis))
            found.setdefault(diagnosis, Cluster(check, diagnosis, hint or "")).add(submission)
    return _by_count(found.values())


def _unknown(store: Store) -> tuple[Cluster, ...]:
    """Wrong answers that no known mistake explains, alike in check and in shape of message."""
    found: dict[tuple[str, str], Cluster] = {}
    wanted, where = "submission.id, check_name, name, message", "outcome = 'failed' AND diagnosis IS NULL"
    for submission, check, name, message in store.lines(wanted, f"{where} AND message NOT LIKE '%Not done yet%'"):
        found.setdefault((check, shape(message)), Cluster(check, name, message)).add(submission)
    return _by_count(found.values())


def _by_count(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    return tuple(sorted(clusters, key=lambda each: (-each.count, each.check, each.message)))


def histogram(scores: Sequence[float], most: float, bins: int = 20) -> list[int]:
    """How many scores fall into each of so many equal parts of 0..most; full marks, and what is beyond them, into
    the last."""
    counted, _ = np.histogram(np.minimum(scores, most), bins=bins, range=(0.0, most or 1.0))
    return [int(each) for each in counted]
