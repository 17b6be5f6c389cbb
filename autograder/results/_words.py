"""What a student reads of a run in words: how a check ended, what to mend first, how each task stands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autograder.plain import cut
from autograder.results._causes import Cause, causes, counted
from autograder.results._model import Line, Outcome, Run

NOT_FINAL = "The grader failed, not you. This score is not final: please tell the course staff, who can regrade it."
OVERVIEW_CHARS = 3_600
MOST_CAUSES = 10
FOLLOWS = "In {} of them the gradient is wrong, which may follow from the output: mend that first."
STATES = {Outcome.BLOCKED: "not run", Outcome.FAULT: "our fault"}


def opening(line: Line) -> str:
    """How a check ended, where more is to be said than passed or failed; else nothing."""
    still = f"{line.max_score:g} {'point' if line.max_score == 1 else 'points'} can still be added."
    return {
        Outcome.BLOCKED: "" if line.message else "Not run.",
        Outcome.DEFERRED: f"Not measured yet: {still}",
        Outcome.INCONCLUSIVE: f"Not measured, this machine was too unsteady for a verdict: {still}",
    }.get(line.outcome, "")


def told(line: Line) -> str:
    """What a student reads below a check: how it ended where that is not plain, message, values side by side, hint."""
    hint = f"Hint: {line.hint}" if line.hint else ""
    return "\n".join(part for part in (opening(line), line.message, line.beside, hint) if part)


def summary(run: Run) -> str:
    """What happened, and who is to act where the run ended early. No total while a check is withheld."""
    notes = [f"Note: {note}" for note in run.notes]
    if run.status == "unreadable":
        return "\n".join(["Nothing could be graded, because of what was handed in:", run.reason or "", *notes])
    if run.has_fault:
        return "\n".join([NOT_FINAL, *notes])
    if run.reason:
        return "\n".join(["Your code could not be used, so no check could be run:", run.reason, *notes])
    return "\n".join([_verdict(run), *notes])


def are_points(number: float) -> str:
    """`1 point is`, `2.5 points are`."""
    return f"{number:g} point{' is' if number == 1 else 's are'}"


def on_top(run: Run) -> str:
    """`, 3 of them extra credit`; nothing where there are none."""
    return f", {run.extra:g} of them extra credit" if run.extra else ""


def _verdict(run: Run) -> str:
    if any(line.visibility != "visible" for line in run.lines):
        return f"{run.submission_name} was graded. Some checks are shown later, so this is not the whole result."
    open_lines = sum(line.outcome is not Outcome.PASSED and not line.outcome.is_pending for line in run.lines)
    parts = [
        f"{run.submission_name} was graded: {run.score:g} of {run.max_score:g} points{on_top(run)}.",
        f"{open_lines} of {len(run.lines)} checks did not pass; each says why." if open_lines else "",
        f"{are_points(run.pending)} not measured yet." if run.pending else "",
    ]
    return " ".join(part for part in parts if part)


def overview(run: Run) -> str:
    """What to mend, first things first, and how each task stands, as far as checks are shown; nothing where none was
    run."""
    lines = tuple(line for line in run.lines if line.visibility == "visible")
    if run.status != "graded" or run.has_fault or run.reason or not lines:
        return ""
    found = causes(lines)
    parts = [f"{position}. {_mend(cause)}" for position, cause in enumerate(found[:MOST_CAUSES], 1)]
    if len(found) > MOST_CAUSES:
        parts.append(f"and {len(found) - MOST_CAUSES} more.")
    if parts:
        parts = ["", "What to mend, first things first:", *parts]
    tasks = [f"{run.title_of(task)}: {standing(group)}" for task, group in replace(run, lines=lines).by_task().items()]
    return cut("\n".join([*parts, "", "The tasks:", *tasks]), OVERVIEW_CHARS)


def _mend(cause: Cause) -> str:
    numbers = ", ".join(line.number or line.name for line in cause.lines)
    return f"{cause.title} ({cause.size}: {numbers})"


def standing(lines: Sequence[Line]) -> str:
    """Points of a task, and in words what is not right: `10 of 13 points, 1 of 6 checks failed`."""
    parts = [f"{earned:g} of {counted(worth, kind)}" for earned, worth, kind in earnings(lines)]
    return ", ".join([*parts, *states(lines)])


def earnings(lines: Sequence[Line]) -> list[tuple[float, float, str]]:
    """Earned and to be had, `point`; then the same of extra credit, `extra point`. What is not there is left out."""
    found = []
    for extra, kind in ((False, "point"), (True, "extra point")):
        mine = [line for line in lines if line.extra == extra]
        if mine:
            found.append((sum(line.score for line in mine), sum(line.max_score for line in mine), kind))
    return found


def states(lines: Sequence[Line]) -> list[str]:
    """What is not right in a task, or not known yet."""
    counts = Counter(line.outcome for line in lines)
    failed, measured = counts[Outcome.FAILED], [line for line in lines if not line.outcome.is_pending]
    found = [f"{failed} of {counted(len(lines), 'check')} failed"] if failed else []
    if failed and all(line.rung == "stub" for line in measured):
        found = ["not written yet"]
    found += [f"{counts[outcome]} {word}" for outcome, word in STATES.items() if counts[outcome]]
    pending = len(lines) - len(measured)
    return found + ([f"{pending} not measured yet"] if pending else [])
