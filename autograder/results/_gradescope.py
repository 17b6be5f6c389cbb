"""The run as the platform reads it: results.json, as plain values."""

from dataclasses import asdict, fields
from typing import Any

from autograder import __version__
from autograder.plain import clean, cut
from autograder.results._model import OUTPUT_CHARS, SCHEMA_VERSION, Line, Outcome, Run, shown
from autograder.results._words import overview, summary, told


def to_gradescope(run: Run) -> dict[str, Any]:
    """The run as Gradescope's results.json, and nothing in it that a student may not read.

    Returns:
        Plain values, valid against autograder/results/results.schema.json.
    """
    run = shown(run)
    per_line = OUTPUT_CHARS // max(1, len(run.lines))
    result = {
        "score": run.score,
        "execution_time": round(run.duration, 2),
        "output": f"{summary(run)}\n{overview(run)}".rstrip(),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": _extra(run, ("lines", "leaderboard"))
        | {"schema_version": SCHEMA_VERSION, "deepgrade": __version__},
        "tests": [_test(line, per_line) for line in run.lines],
    }
    if run.leaderboard:
        result["leaderboard"] = [asdict(entry) for entry in run.leaderboard]
    return result


GRADESCOPE_KEYS = ("name", "number", "score", "max_score", "visibility", "tags")


def _test(line: Line, chars: int) -> dict[str, Any]:
    """A line as the platform's test. It knows passed and failed alone, and takes failed where none is told and points
    are missing; so what is still to be measured is told as passed, without its points, and named for what it is."""
    pending = line.outcome.is_pending
    return {
        "name": f"{line.name} (not measured yet)" if pending else line.name,
        "number": line.number,
        "score": line.score,
        "max_score": line.max_score,
        "status": "passed" if pending or line.outcome is Outcome.PASSED else "failed",
        "output": cut(told(line), chars),
        "visibility": line.visibility,
        "tags": list(line.tags),
        "extra_data": _extra(line, GRADESCOPE_KEYS) | ({"name": line.name} if pending else {}),
    }


def _extra(thing: Line | Run, without: tuple[str, ...]) -> dict[str, Any]:
    """What the platform has no place for."""
    return {item.name: clean(getattr(thing, item.name)) for item in fields(thing) if item.name not in without}
