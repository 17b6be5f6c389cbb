"""Where the CPU time of a grading in a class goes: each assignment's reference, graded from a process that has
rehearsed, phase by phase."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from autograder.assignment import load_assignment
from autograder.errors import GraderError
from autograder.grading import Engine, Options, engine, grade, rehearse
from benchmarks import repetitions
from benchmarks.phased import PHASES, seconds
from benchmarks.tables import show

REPETITIONS = repetitions(5)
WHOLE = {"grader": "pytest and the checks' lines", "zygotes": "waiting for orders", "workers": "copied pages, exit"}
INSTALL = "from benchmarks.phased import install; install({!r}); "
AFTER_SECONDS = 1.0  # in which what was hung up on ends


def main(names: Sequence[str]) -> None:
    """Print a table: CPU milliseconds of each phase, and what is left of each kind of process."""
    columns = {name: phases(name) for name in names}
    table = Table(title=f"CPU milliseconds of a grading in a class, by phase; medians of {REPETITIONS}")
    for heading in ("process", "phase", *columns):
        table.add_column(heading, justify="left" if heading in ("process", "phase") else "right")
    for process, rest in WHOLE.items():
        for phase in (*(name for name, where in PHASES.items() if where == process), rest):
            table.add_row(process, phase, *(f"{1000 * column[phase]:.0f}" for column in columns.values()))
    table.add_row("driver", "staging, results", *(f"{1000 * column['driver']:.0f}" for column in columns.values()))
    table.add_row("all", "", *(f"{1000 * column['all']:.0f}" for column in columns.values()))
    show(table)


def phases(name: str) -> dict[str, float]:
    """CPU seconds of each phase of grading an assignment's reference, as the submissions of a class are."""
    assignment, found, options = load_assignment(name), list[dict[str, float]](), Options(seed=1)
    with _phased_engine(assignment.preload) as (running, file):
        if (ready := rehearse(name, options=options, engine=running)) is None:
            raise GraderError(f"{name} cannot be rehearsed")
        for _ in range(REPETITIONS):
            before, driver = seconds(file), time.process_time()
            run = grade(name, assignment.solution, options=options, engine=running, rehearsed=ready)
            driver = time.process_time() - driver
            if run.has_fault:
                raise GraderError(f"{name}: {run.reason}")
            time.sleep(AFTER_SECONDS)
            found.append({key: value - before[key] for key, value in seconds(file).items()})
            found[-1]["driver"] = driver
    return _whole({key: statistics.median(each[key] for each in found) for key in found[0]})


@contextmanager
def _phased_engine(preload: tuple[str, ...]) -> Iterator[tuple[Engine, Path]]:
    """An engine whose processes tell what their phases take, and the file they tell it in."""
    plain = engine.BOOT
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "phases"
        engine.BOOT = f"import sys; sys.path.insert(0, {{root!r}}); {INSTALL.format(str(file))}{plain}"
        try:
            with Engine(preload=preload) as running:
                yield running, file
        finally:
            engine.BOOT = plain


def _whole(found: dict[str, float]) -> dict[str, float]:
    """With what is left of each kind of process, and the sum."""
    rest = {
        name: found[process] - sum(found[phase] for phase, where in PHASES.items() if where == process)
        for process, name in WHOLE.items()
    }
    return found | rest | {"all": found["driver"] + sum(found[process] for process in WHOLE)}
