"""Which of the submission's functions a failure is about, and where in it: what the failures of one mistake share."""

from dataclasses import dataclass

from autograder.checks.door import Door
from autograder.checks.failure import Evidence
from autograder.checks.runner import line_of


@dataclass(frozen=True)
class Blame:
    """Where a failure shows.

    Attributes:
        function: of the submission, as it is written; empty where it is none in particular.
        place: `gradient` where that is wrong; of an exception its kind and line; of a stub its name.
    """

    function: str = ""
    place: str = ""


def blame(door: Door | None, evidence: Evidence) -> Blame:
    """What the last request of a check that failed was about.

    Args:
        door: the check's, None where it has none.
        evidence: of the failure.
    """
    if door is None or not door.log:
        return Blame()
    request, answer = door.log[-1]
    raised = answer.raised
    function = door.function(request, raised, evidence.part)
    if raised is None:
        return Blame(function, "gradient" if door.is_gradient(request, evidence.part) else "")
    if evidence.rung == "stub":
        return Blame(function, raised.message)
    if evidence.rung != "raised":
        return Blame(function)
    line = line_of(raised, door.source)
    return Blame(function, f"{raised.type}, {line}" if line else raised.type)
