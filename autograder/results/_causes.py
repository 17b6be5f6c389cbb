"""What to mend: the checks that were lost, gathered by what makes them fail, in the order in which to mend it.

One slip fails many checks. They share a known mistake, a stub, an exception and its line, a function whose answer is
wrong; a gradient is wrong, too, where the output is.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from autograder.results._model import Line, Outcome


class Stage(IntEnum):
    """What is to be mended before what: nothing shows before it runs, and a gradient follows from its output."""

    RUNS = 0
    OUTPUT = 1
    GRADIENT = 2
    COST = 3
    SIDE = 4  # dtypes, and other conditions beside the values
    QUIZ = 5
    NOT_RUN = 6
    FAULT = 7


PENDING = "pending"
OTHERWISE = {  # than failed
    Outcome.PASSED: Stage.COST,  # with a part of its points
    Outcome.BLOCKED: Stage.NOT_RUN,
    Outcome.FAULT: Stage.FAULT,
}
STAGES = {  # by rung; a wrong answer is of the output or the gradient
    **dict.fromkeys(("stub", "raised", "forbidden", "timeout", "memory", "disk", "exit", "signal"), Stage.RUNS),
    **dict.fromkeys(("garbled", "returned"), Stage.RUNS),
    **dict.fromkeys(("cost", "slow", "unproven"), Stage.COST),
    **dict.fromkeys(("dtype", "property"), Stage.SIDE),
}
WORDS = {  # by rung, what is said of a function
    "raised": "raises",
    "forbidden": "uses what its task is to be written without",
    "timeout": "does not return in time",
    "memory": "asks for more memory than there is",
    "disk": "writes more than it may",
    "exit": "ends Python",
    "signal": "ends Python",
    "garbled": "gives back what cannot be read",
    "returned": "gives back None",
    "type": "has the wrong type",
    "structure": "is not what was asked for",  # the wrong number of things, or nothing of that name
    "shape": "has the wrong shape",
    "dtype": "has the wrong dtype",
    "finite": "is not finite everywhere",
    "value": "has wrong values",
    "cost": "is right, and costs too much",
    "slow": "is right, and too slow",
    "unproven": "is right, and torch was not seen to compute it",
}


@dataclass(frozen=True)
class Cause:
    """Checks that were lost for one reason.

    Attributes:
        title: what to mend.
        lines: these checks, in the order of their numbers.
        stage: when to mend it.
        follows: how many of them fail in a gradient, which may only follow from an output that is wrong.
    """

    title: str
    lines: tuple[Line, ...]
    stage: Stage
    follows: int = 0

    @property
    def known(self) -> bool:
        """Whether it is a known mistake."""
        return bool(self.lines[0].hint)

    @property
    def points(self) -> float:
        """That are lost by it."""
        return round(sum(line.max_score - line.score for line in self.lines), 6)

    @property
    def checks(self) -> str:
        """Their numbers; of one check its name, too, where that is not the title."""
        first, *others = self.lines
        if others:
            return ", ".join(line.number or line.name for line in self.lines)
        return first.number if first.name == self.title else f"{first.number} {first.name}".strip()

    @property
    def size(self) -> str:
        """`5 checks, 14 points`, and the functions that they are about where the title does not say it."""
        about = dict.fromkeys(line.function for line in self.lines if line.function not in self.title)
        where = f" in {', '.join(about)}" if about else ""
        return f"{counted(len(self.lines), 'check')}, {counted(self.points, 'point')}{where}"


def counted(number: float, word: str) -> str:
    """`1 check`, `2.5 points`."""
    return f"{round(number, 2):g} {word}{'' if number == 1 else 's'}"


def causes(lines: Iterable[Line]) -> list[Cause]:
    """Lost checks by cause, what to mend first first: by stage, known mistakes before others, which may follow from
    them, then by points. What is still to be measured is not lost."""
    groups: dict[Hashable, list[Line]] = {}
    for line in lines:
        if line.outcome is not Outcome.PASSED or line.score < line.max_score:
            groups.setdefault(cause_of(line), []).append(line)
    groups.pop(PENDING, None)
    outputs = {_base(line): key for key, group in groups.items() for line in group if _stage(line) is Stage.OUTPUT}
    followed = {key: outputs.get(_base(group[0])) for key, group in groups.items() if _is_gradient(group)}
    for key, output in followed.items():
        if output is not None:
            groups[output] += groups.pop(key)
    return sorted(map(_cause, groups.values()), key=lambda cause: (cause.stage, not cause.known, -cause.points))


def _stage(line: Line) -> Stage:
    """When what a lost check complains of is to be mended."""
    if line.kind == "quiz" or line.outcome is not Outcome.FAILED:
        return OTHERWISE.get(line.outcome, Stage.QUIZ)
    return STAGES.get(line.rung, Stage.GRADIENT if line.place == "gradient" else Stage.OUTPUT)


def cause_of(line: Line) -> Hashable:
    """What lost checks of one cause have in common, and those of two have not."""
    when = _stage(line)
    if line.outcome.is_pending:
        return PENDING
    if line.hint:
        return "hint", line.hint
    if when is Stage.QUIZ:
        return when
    if when in (Stage.NOT_RUN, Stage.FAULT):
        return when, line.message
    if line.rung == "stub":
        return "stub", line.place
    if line.rung == "forbidden":
        return "forbidden", line.task
    if not line.function or line.rung == "property":
        return "check", line.number, line.name
    if when is Stage.RUNS:
        return line.rung, line.function, line.place
    return when, line.function


def _is_gradient(group: list[Line]) -> bool:
    """Whether these are wrong gradients of which no known mistake is the cause."""
    return _stage(group[0]) is Stage.GRADIENT and not group[0].hint and bool(group[0].function)


def _base(line: Line) -> str:
    return line.function.removesuffix("_forward").removesuffix("_backward")


def _cause(group: list[Line]) -> Cause:
    when = min(map(_stage, group))
    follow = [line for line in group if when is Stage.OUTPUT and not line.hint and _stage(line) is Stage.GRADIENT]
    return Cause(_title(group, when), tuple(group), when, len(follow))


def _title(group: list[Line], when: Stage) -> str:
    """What to mend, in few words; a known mistake says it itself."""
    first = group[0]
    if first.hint:
        return first.hint
    if when is Stage.QUIZ:
        return f"The quiz: {counted(len(group), 'question')} to read again"
    if when in (Stage.NOT_RUN, Stage.FAULT) and first.message:
        return first.message
    names = ", ".join(dict.fromkeys(line.function for line in group if line.function and when is _stage(line)))
    if first.rung == "stub":
        return f"Not written yet: {names or first.name}"
    if first.rung not in WORDS or not names:
        return first.name
    if first.place == "gradient" and not first.function.endswith("_backward"):
        names = f"the gradient of {names}"
    return f"{names} {WORDS[first.rung]}" + (f" {first.place}" if first.rung == "raised" else "")
