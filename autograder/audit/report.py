"""The audit on a terminal: a table of what was graded, every exception, and on request messages and the matrix."""

import time
from collections import defaultdict
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder.assignment import Assignment, reference_texts
from autograder.audit._audit import Audit, Verdict
from autograder.audit._strength import FATES, Fate, strength
from autograder.results import Outcome

EXPECTED = {
    "reference": "full marks",
    "stub": "no marks",
    "variant": "full marks",
    "mistake": "loses exactly its checks",
    "worthless": "no check of its task passes",
    "hostile": "gains nothing",
}


def show_audit(audit: Audit, console: Console, only: str = "", *, messages: bool = False, matrix: bool = False) -> int:
    """Run an audit and show it.

    Returns:
        How many subjects did not behave as they should.
    """
    started = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"audit {audit.assignment.name}", total=None)
        verdicts = audit.run(lambda verdict: progress.advance(task), only)
    console.print(_table(audit, verdicts, time.monotonic() - started))
    wrong = [verdict for verdict in verdicts if verdict.problems]
    for verdict in wrong:
        where = f"{verdict.subject.kind} {verdict.subject.name} (seed {verdict.run.seed})"
        console.print(
            f"[red]{escape(where)}[/]: {escape('; '.join(verdict.problems))}", highlight=False, soft_wrap=True
        )
    for verdict in verdicts:
        for note in verdict.notes:
            console.print(escape(f"{verdict.subject.kind} {verdict.subject.name}: {note}"), highlight=False)
    if any(verdict.subject.kind == "reference" and (verdict.lost or verdict.run.has_fault) for verdict in verdicts):
        console.print("Nothing else was graded: the reference comes first.", highlight=False)
    if messages:
        _messages(verdicts, console)
    if matrix:
        _matrix(audit, verdicts, console)
    return len(wrong)


def show_strength(
    assignment: Assignment, console: Console, per_task: int, *, seed: int = 1, workers: int = 2, select: str = ""
) -> int:
    """Grade mutants and show what became of them: counts by task, then each survivor, ready to become a known mistake.

    Returns:
        How many survive.
    """
    with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f"mutants of {assignment.name}", total=None)
        advance = partial(progress.advance, task)
        fates = strength(assignment, per_task, seed=seed, workers=workers, select=select, report=advance)
    return show_fates(assignment, fates, console)


def show_fates(assignment: Assignment, fates: list[Fate], console: Console) -> int:
    """The same for what was graded before."""
    table = Table(title=f"mutants of {assignment.name}: {len(fates)}")
    for name in ("task", *FATES):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task in dict.fromkeys(fate.mutant.task for fate in fates):
        table.add_row(task, *_counts([fate for fate in fates if fate.mutant.task == task]))
    table.add_row("all", *_counts(fates), style="bold")
    console.print(table)
    reference = reference_texts(assignment)
    for fate in fates:
        if fate.kind != "killed":
            text = f"{fate.kind}: {fate.mutant.name}" + (f"\n  {fate.told}" if fate.told else "")
            console.print(escape(text), highlight=False, soft_wrap=True)
        if fate.kind == "survivor":
            text = fate.mutant.as_mistake(reference[fate.mutant.part or assignment.deliverable])
            console.print(escape(text), highlight=False, soft_wrap=True)
    killed, alive = (sum(fate.kind == kind for fate in fates) for kind in ("killed", "survivor"))
    if killed + alive:
        console.print(f"{100 * killed / (killed + alive):.1f} % of those that compute something else are killed")
    return alive


def _counts(fates: list[Fate]) -> list[str]:
    return [str(sum(fate.kind == kind for fate in fates)) for kind in FATES]


def _table(audit: Audit, verdicts: list[Verdict], seconds: float) -> Table:
    grouped: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        grouped[verdict.subject.kind].append(verdict)
    seeds = ", ".join(map(str, audit.seeds))
    title = f"audit {audit.assignment.name}: {len(audit.checks)} checks, seeds {seeds}, {seconds:.0f} s"
    table = Table(title=title)
    for name in ("submissions", "how many", "expected", "exceptions", "seconds each"):
        table.add_column(name, justify="right" if name in ("how many", "exceptions", "seconds each") else "left")
    for kind, group in grouped.items():
        names = {verdict.subject.name for verdict in group}
        bad = sum(bool(verdict.problems) for verdict in group)
        mean = sum(verdict.seconds for verdict in group) / len(group)
        table.add_row(kind, str(len(names)), EXPECTED[kind], f"[red]{bad}[/]" if bad else "0", f"{mean:.1f}")
    return table


def _messages(verdicts: list[Verdict], console: Console) -> None:
    """What a student would read, first losing line of each mistake."""
    seen: set[str] = set()
    for verdict in verdicts:
        if verdict.subject.kind != "mistake" or verdict.subject.name in seen or not verdict.lost:
            continue
        seen.add(verdict.subject.name)
        line = verdict.lost[0]
        console.print(f"\n[bold]{escape(verdict.subject.name)}[/]  {escape(line.name)}", highlight=False)
        console.print(escape(line.message), highlight=False)
        named = f"[{line.diagnosis}] {line.hint}" if line.diagnosis else "(no known mistake recognised)"
        console.print(f"  [cyan]{escape(named)}[/]", highlight=False)


def _matrix(audit: Audit, verdicts: list[Verdict], console: Console) -> None:
    """Mistakes by checks: × where a check does not pass, blank where it was not run."""
    names = [check.name for check in audit.checks]
    for index, check in enumerate(audit.checks, start=1):
        console.print(f"{index:3d}  {check.name}  ({check.task})", highlight=False)
    header = "".join(str(index % 10) for index in range(1, len(names) + 1))
    console.print(f"{'':34s}{header}", highlight=False)
    for verdict in verdicts:
        if verdict.subject.kind in ("mistake", "worthless") and verdict.run.seed == audit.seeds[0]:
            lost = {line.check: " " if line.outcome is Outcome.BLOCKED else "×" for line in verdict.lost}
            row = "".join(lost.get(name, "·") for name in names)
            console.print(f"{verdict.subject.name[:33]:34s}{row}", highlight=False, soft_wrap=True)
