"""The rate limit on Gradescope: whether one more submission is graded, by what the platform says of earlier ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autograder.assignment import RateLimit


@dataclass(frozen=True)
class Refusal:
    """Why a submission is not graded, and the score that stands."""

    score: float
    message: str

    def to_results(self) -> dict[str, Any]:
        """What the platform reads."""
        return {"score": self.score, "output": self.message, "extra_data": {"status": "limited"}}


def refusal(metadata: dict[str, Any], limit: RateLimit | None) -> Refusal | None:
    """Whether the limit is reached; None where the submission is to be graded.

    Earlier submissions are gone through in order: one that was refused itself, or that we could not grade, counts for
    nothing. A limit that cannot be told from the metadata refuses nobody.
    """
    if limit is None:
        return None
    try:
        now = datetime.fromisoformat(metadata["created_at"])
        earlier = sorted(_graded(metadata["previous_submissions"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    counted = list[tuple[datetime, float]]()
    for moment, score in earlier:
        if sum(moment - other < limit.within for other, _ in counted) < limit.submissions:
            counted.append((moment, score))
    recent = [moment for moment, _ in counted if now - moment < limit.within]
    if len(recent) < limit.submissions:
        return None
    hours = limit.within.total_seconds() / 3600
    again = (recent[-limit.submissions] + limit.within).isoformat(sep=" ", timespec="minutes")
    return Refusal(
        counted[-1][1],
        f"Not graded: {limit.submissions} submissions in {hours:g} hours are graded, and this is one more. What stands "
        f"here is the score of your last one that was. The next is graded from {again} on.",
    )


def _graded(previous: Iterable[dict[str, Any]]) -> Iterable[tuple[datetime, float]]:
    for each in previous:
        if not each.get("autograder_error"):
            yield datetime.fromisoformat(each["submission_time"]), float(each.get("score") or 0.0)
