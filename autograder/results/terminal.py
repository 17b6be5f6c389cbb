"""The results on a terminal, for who grades: a live count, then a table by task, and what to mend, cause by cause."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from autograder.results._causes import Cause, Stage, causes
from autograder.results._model import Line, Outcome, Run
from autograder.results._words import FOLLOWS, are_points, earnings, on_top, opening
from autograder.results.signs import SIGNS, points, sign


class GradingProgress:
    """A line that counts outcomes while checks end. A context manager; call it with each line of results."""

    def __init__(self, console: Console, label: str) -> None:
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        self._progress = Progress(*columns, console=console, transient=True)
        self._seen = console.is_terminal  # else there is nobody to tell
        self._label = label
        self._counts: Counter[Outcome] = Counter()
        self._task = self._progress.add_task(label, total=None)

    def __call__(self, line: Line) -> None:
        """One more check has ended."""
        self._counts[line.outcome] += 1
        counted = "  ".join(f"{SIGNS[kind].symbol} {self._counts[kind]}" for kind in SIGNS if self._counts[kind])
        self._progress.update(self._task, description=f"{self._label}  {counted}  {line.name[:60]}")

    def __enter__(self) -> "GradingProgress":
        if self._seen:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seen:
            self._progress.stop()


def progress(console: Console, label: str) -> GradingProgress:
    """A `GradingProgress` to use in a `with` statement."""
    return GradingProgress(console, label)


def show(run: Run, console: Console, files: Sequence[Path] = ()) -> None:
    """Print a run.

    Args:
        run: what was found.
        console: to print on.
        files: that were written, named at the end.
    """
    if not _came_to_nothing(run):
        console.print(_table(run))
    for cause in causes(run.lines):
        if not (run.reason and cause.stage is Stage.NOT_RUN):
            _explain(cause, console)
    for line in run.lines:
        if line.outcome.is_pending:
            _say(line, console, f"{line.number} {line.name}", [opening(line), line.message])
    for note in run.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    if run.has_fault or run.reason:
        console.print(_ending(run))
    console.print(_total(run), soft_wrap=True)
    if files:
        console.print(Text("Written: " + ", ".join(str(file) for file in files), style="dim"), soft_wrap=True)


def _came_to_nothing(run: Run) -> bool:
    """Whether no check ran, for one reason: a table would only repeat it."""
    return run.reason is not None and all(line.outcome is Outcome.BLOCKED for line in run.lines)


def _table(run: Run) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.title = Text(f"{run.title}: {run.submission_name}", style="bold not italic")
    table.add_column("")
    table.add_column("check", ratio=1)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for task, lines in run.by_task().items():
        took = " + ".join(f"{points(earned)}/{points(worth)}" for earned, worth, _ in earnings(lines))
        table.add_row("", Text(run.title_of(task), style="bold"), Text(took, style="bold"), "")
        for line in lines:
            table.add_row(line.number, Text(line.name), *_ended(line))
        table.add_section()
    return table


def _ended(line: Line) -> tuple[Text, Text]:
    shown = sign(line)
    took = f"{line.score:g}/{line.max_score:g}" if line.max_score else "–"
    return Text(took), Text(f"{shown.symbol} {shown.word}", style=shown.colour)


def _explain(cause: Cause, console: Console) -> None:
    """What to mend, which checks it fails, and what the first of them says."""
    first, *others = cause.lines
    name = f"{first.number} {first.name}".strip()
    size = f"{cause.size}: {cause.checks}".removesuffix(": ")
    follows = FOLLOWS.format(cause.follows) if cause.follows else ""
    said = first.message if first.message != cause.title else ""
    _say(first, console, cause.title, [size, follows, name if others else "", opening(first), said, first.beside])


def _say(line: Line, console: Console, head: str, parts: Sequence[str]) -> None:
    shown = sign(line)
    console.print(Text(f"{shown.symbol} {head.strip()}", style=f"bold {shown.colour}"), soft_wrap=True)
    for part in parts:
        if part:
            console.print(Padding(Text(part), (0, 0, 0, 4), expand=False))
    console.print()


def _ending(run: Run) -> Panel:
    if run.has_fault:
        title, style = "the grader failed: repair it and grade again", "magenta"
    elif run.status == "unreadable":
        title, style = "nothing could be graded", "red"
    else:
        title, style = "no check could be run", "red"
    return Panel(Text(run.reason or "See the checks above."), title=title, title_align="left", border_style=style)


def _total(run: Run) -> Text:
    counted = Counter(sign(line) for line in run.lines)
    parts = ", ".join(f"{count} {shown.word}" for shown, count in counted.items())
    text = Text(f"{points(run.score)} of {points(run.max_score)} points{on_top(run)}", style="bold")
    text.append(f"  {parts or 'no checks'}; seed {run.seed}, {run.duration:.1f} s", style="not bold")
    if run.pending:
        text.append(f"\n{are_points(run.pending)} not measured yet", style="cyan")
    return text
