"""A class on the terminal: a live count with rate and time left, then what needs somebody, and the command for it."""

import shlex
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autograder.classes._drive import ClassRun, Ended
from autograder.classes._measure import Measured
from autograder.classes._similarity import Similarity
from autograder.results import are_points

SHOWN = 30  # of those that need somebody


class ClassProgress:
    """The live line; where nobody watches a terminal, a line each time a tenth is done. A context manager."""

    def __init__(self, console: Console, label: str) -> None:
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        left = TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("left")
        self._progress = Progress(*columns, *left, console=console, transient=True)
        self._console, self._label, self._started = console, label, time.monotonic()
        self._task = self._progress.add_task(label, total=None, rate="")
        self._counts: Counter[str] = Counter()
        self._told = 0

    def __call__(self, ended: Ended) -> None:
        """One more has a result."""
        kind = "our fault" if ended.run.has_fault else ended.run.status
        self._counts[kind] += 1
        rate = f"{60 * ended.done / max(1e-9, time.monotonic() - self._started):.1f} a minute"
        counted = ", ".join(f"{count} {kind}" for kind, count in self._counts.items())
        described = f"{self._label}: {counted}"
        self._progress.update(
            self._task, description=described, completed=ended.done, total=ended.todo, rate=rate, refresh=False
        )
        tenth = 10 * ended.done // ended.todo
        if not self._console.is_terminal and tenth > self._told:
            self._console.print(f"{ended.done} of {ended.todo}, {rate}: {counted}", markup=False, highlight=False)
            self._told = tenth

    def __enter__(self) -> "ClassProgress":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()


def show_class(ran: ClassRun, console: Console, again: Sequence[str]) -> None:
    """Print what a run over a class did.

    Args:
        ran: what it did.
        console: to print on.
        again: the command line that was run, without `--only`.
    """
    for remark in ran.remarks:
        console.print(Text(f"Note: {remark}", style="yellow"))
    if ran.unsettled:
        console.print(_unsettled(ran))
        left = len(ran.unsettled) - SHOWN
        if left > 0:
            console.print(f"… and {left} more")
        only = [word for each in ran.unsettled for word in ("--only", each.id)]
        console.print("To repeat just those:", style="bold")
        console.print(Text(shlex.join([*again, *only])), soft_wrap=True)
    waiting = sum(each.pending > each.unsteady for each in ran.grades)
    if waiting:
        told = f"{waiting} have points that need a GPU and are neither given nor lost yet: deepgrade measure"
        console.print(Text(told, style="cyan"), soft_wrap=True)
    rate = f", {60 * ran.graded / ran.seconds:.1f} a minute" if ran.graded else ""
    kept = len(ran.grades) - ran.graded
    console.print(
        Text(f"{ran.graded} graded in {ran.seconds:.0f} s{rate}; {kept} had a result that holds", style="bold"),
        soft_wrap=True,
    )


def show_measured(measured: Measured, console: Console) -> None:
    """Print what replaying the recordings of a class gave."""
    for submission, reason in list(measured.faults.items())[:SHOWN]:
        console.print(Text(f"{submission}: our fault: {reason.partition(chr(10))[0]}", style="red"), soft_wrap=True)
    if measured.unrecorded:
        shown = ", ".join(measured.unrecorded[:SHOWN])
        told = f"Not recorded, so still waiting: {shown}. Grade the class with --record, or on a machine with a GPU."
        console.print(Text(told, style="yellow"), soft_wrap=True)
    console.print(Text(f"{measured.measured} measured in {measured.seconds:.0f} s", style="bold"))


def _unsettled(ran: ClassRun) -> Table:
    table = Table(title="not settled", title_justify="left")
    table.add_column("submission")
    table.add_column("what")
    for each in ran.unsettled[:SHOWN]:
        fault = (each.reason or "").partition("\n")[0] or "the grader failed"
        what = (
            f"our fault: {fault}"
            if each.status == "fault"
            else f"{are_points(each.unsteady)} not measured: too unsteady"
        )
        table.add_row(Text(each.id), Text(what))
    return table


def show_similarity(found: Similarity, console: Console) -> None:
    """Print the pairs that share most."""
    table = Table(title=f"{len(found.sources)} submissions compared", title_justify="left")
    for heading in ("share", "of", "share", "of", "tokens in common"):
        table.add_column(heading, justify="left" if heading == "of" else "right")
    for pair in found.pairs[:SHOWN]:
        who = [Text(found.names[each]) for each in (pair.first, pair.second)]
        shares = [f"{100 * share:.0f} %" for share in pair.shares]
        table.add_row(shares[0], who[0], shares[1], who[1], str(pair.tokens))
    if found.pairs:
        console.print(table)
        left = len(found.pairs) - SHOWN
        console.print(f"{f'… and {left} more. ' if left > 0 else ''}A reason to read, never a verdict.")
    else:
        console.print(f"{len(found.sources)} submissions compared: no two share more than their tasks explain.")
