"""One run as one HTML file: no scripts, no outside references, readable on a phone, in the dark and on paper.

Text is escaped by the template engine, whoever it comes from; pictures are made of numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from autograder.plain import write_whole
from autograder.results import signs, svg
from autograder.results._causes import Stage, causes, counted
from autograder.results._model import Line, Outcome, Run, shown
from autograder.results._words import FOLLOWS, earnings, opening, states, summary

FILE_NAME = "report.html"


def write_report(run: Run, folder: Path, *, reveal: bool = False) -> Path:
    """Write report.html into a folder, whole or not at all; see `page`.

    Returns:
        The file's path.
    """
    return write_whole(Path(folder) / FILE_NAME, page(run, reveal=reveal))


def page(run: Run, *, reveal: bool = False) -> str:
    """The page that a student may read.

    Args:
        run: what was found.
        reveal: also show checks that are withheld for now (after the due date, after publishing, hidden).

    Returns:
        The HTML text.
    """
    run = shown(run)
    lines = tuple(line for line in run.lines if reveal or line.visibility == "visible")
    visible = replace(run, lines=lines)
    found = [cause for cause in causes(lines) if not (run.reason and cause.stage is Stage.NOT_RUN)]
    cause_of = {id(line): position for position, cause in enumerate(found, 1) for line in cause.lines}
    tasks = [
        Task(run.title_of(name), tuple((line, cause_of.get(id(line), 0)) for line in group))
        for name, group in visible.by_task().items()
    ]
    text: str = _template().render(
        run=visible,
        withheld=len(run.lines) - len(lines),
        summary=summary(run if len(lines) < len(run.lines) else replace(visible, lines=_as_visible(lines))),
        tasks=tasks,
        causes=found,
        follows=FOLLOWS,
        tally=_tally(lines),
        unmeasured=[line for line in lines if line.outcome.is_pending],
        ring=svg.ring_svg(visible.score, visible.pending, visible.max_score),
    )
    return text


def _as_visible(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(replace(line, visibility="visible") for line in lines)


@dataclass(frozen=True)
class Task:
    """A task on the page: its title and its checks, each with the number of the cause that it was lost for, or 0."""

    title: str
    rows: tuple[tuple[Line, int], ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Its checks."""
        return tuple(line for line, _ in self.rows)

    @property
    def points(self) -> str:
        """Earned and to be had, extra credit apart: `10 / 13 + 2 / 2 extra`."""
        told = {"point": "", "extra point": " extra"}
        parts = (
            f"{signs.points(earned)} / {signs.points(worth)}{told[kind]}"
            for earned, worth, kind in earnings(self.lines)
        )
        return " + ".join(parts)

    @property
    def sign(self) -> signs.Sign:
        """Passed if everything is, pending if the rest is still to be measured, else as the first lost check ended."""
        by_outcome = sorted(self.lines, key=lambda line: (line.outcome is Outcome.PASSED, line.outcome.is_pending))
        return signs.sign(next((line for line in by_outcome if signs.sign(line).key != "passed"), by_outcome[0]))

    @property
    def states(self) -> str:
        """How it stands, in few words."""
        return ", ".join(states(self.lines)) or f"{counted(len(self.rows), 'check')} passed"

    @property
    def share(self) -> float:
        """Of the points, or where it has no others of extra credit, in 0..1; a task without points is complete."""
        earned, worth, _ = earnings(self.lines)[0]
        return earned / worth if worth else 1.0


def _tally(lines: Sequence[Line]) -> list[tuple[signs.Sign, int]]:
    """How many checks ended in each way, in the order in which signs are listed."""
    found = [signs.sign(line) for line in lines]
    order = [signs.SIGNS[Outcome.PASSED], signs.PARTLY, *list(signs.SIGNS.values())[1:]]
    return [(kind, found.count(kind)) for kind in order if kind in found]


def pictures(line: Line) -> list[tuple[str, Markup]]:
    """Caption and picture of whatever a line has to show."""
    cost, race = line.figures.get("cost"), line.figures.get("race")
    found = []
    if line.picture and line.outcome is Outcome.FAILED:
        found.append((line.pictured or "Where your answer differs.", svg.squares_svg(line.picture)))
    if isinstance(cost, list) and cost:
        found.append(
            ("What your code did; ▲ marks the reference, ┃ the limit. Each scale is logarithmic.", svg.bars_svg(cost))
        )
    if isinstance(race, dict):
        caption = "Every timed turn is a dot, the best of each side a bar; the axis is logarithmic."
        found.append((caption, svg.race_svg(race)))
    return [(caption, picture) for caption, picture in found if picture]


def facts(line: Line) -> list[tuple[str, str]]:
    """Figures that are plain numbers or words, as label and text."""
    plain = {name: value for name, value in line.figures.items() if isinstance(value, str | int | float)}
    return [(name, value if isinstance(value, str) else svg.amount(float(value))) for name, value in plain.items()]


def on_off(value: Any) -> str:
    """A protection's state in a word."""
    return "on" if value is True else str(value) if value else "off"


def moment(started: str) -> str:
    """A time as people write it; whatever is no ISO 8601 stays as it is."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    except ValueError:
        return started


@cache
def _template() -> Any:
    environment = Environment(
        loader=FunctionLoader(lambda name: files("autograder.results").joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"points": signs.points, "sign": signs.sign, "duration": svg.duration, "on_off": on_off}
    environment.filters |= {"pictures": pictures, "facts": facts, "opening": opening, "moment": moment}
    return environment.get_template("page.html.j2")
