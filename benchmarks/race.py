"""What the rule of races says at known ratios: the verdicts of many races, on a quiet machine and on one whose every
processor is hogged.

Two recordings that multiply matrices are replayed in turns, as in a grading, the student's so many times more that the
true ratio is known, from the best times of a long run before; beside it stands the ratio of the best times of all races
of the row.
"""

import importlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from rich.table import Table

from autograder.assignment import Targets
from autograder.checks.proven import REFERENCE, STUDENT
from autograder.checks.race import CHANCE, Times, run_stages
from autograder.proof.prover import REPLAYER, Prover
from autograder.sandbox.box import fork_zygote
from autograder.sandbox.confine import Confinement
from autograder.sandbox.folders import remove_tree, run_folder
from autograder.sandbox.limits import Limits
from autograder.sandbox.recorder import Recorder
from benchmarks import repetitions
from benchmarks.tables import show

TARGETS = Targets(target=2.0, limit=4.0)
RATIOS = {
    "0.8 target": 0.8 * TARGETS.target,
    "1.0 target": TARGETS.target,
    "1.25 target": 1.25 * TARGETS.target,
    "1.5 target": 1.5 * TARGETS.target,
    "2 target = limit": TARGETS.limit,
    "1.5 limit": 1.5 * TARGETS.limit,
}
REPETITIONS = repetitions(200)
CALIBRATION = min(150, 15 * REPETITIONS)  # pairs of turns, four times
UNITS = 12  # products in a turn of the reference: under a millisecond, an order below what assignments ask for
SIZE = 128  # of the matrices
PAUSE = 0.02  # between stages, as much shorter
OUTCOMES = ("all points", "some", "none", "no verdict")


def main(names: Sequence[str]) -> None:
    """Print a table for each condition; no assignment (`names`) takes part."""
    for hogs in (0, os.cpu_count() or 1):
        with hogged(hogs):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.race"], stdout=subprocess.PIPE, text=True, check=True
            )
        table = Table(title=f"{REPETITIONS} races a row, full points up to 2 times, none from 4 times on; {hogs} hogs")
        for name in ("true ratio", "is", "measured", *OUTCOMES, "mean turns"):
            table.add_column(name, justify="left" if name == "true ratio" else "right")
        for line in done.stdout.splitlines():
            table.add_row(*line.split("\t"))
        show(table)


@contextmanager
def hogged(count: int) -> Iterator[None]:
    """While so many processes do nothing but compute."""
    spin = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def measure() -> None:
    """In a process of its own, since the warm process is forked from it: one line a ratio, fields by tabs."""
    torch.set_num_threads(1)
    importlib.import_module(REPLAYER)  # what is forked from here may not read its file any more
    folder = run_folder()
    sandbox = fork_zygote(folder, Confinement.available())
    try:
        with Prover(sandbox, Limits(call_seconds=3600)) as prover:
            prover.load(REFERENCE, recording(UNITS))
            for name, ratio in RATIOS.items():
                print("\t".join([name, f"{ratio:g}", *row(prover, ratio)]), flush=True)
    finally:
        sandbox.close()
        remove_tree(folder)


def recording(units: int) -> dict[str, Any]:
    """Of so many products, as a worker sends it."""
    matrix = torch.eye(SIZE)
    with Recorder([matrix], __file__) as recorder:
        for _ in range(units):
            value = matrix @ matrix
    return recorder.written(value)


def row(prover: Prover, ratio: float) -> Iterator[str]:
    """Calibrate one ratio, then race."""
    prover.give([torch.eye(SIZE)], [])
    calibrate(prover, ratio)
    races = [raced(prover) for _ in range(REPETITIONS)]
    whole = Times(TARGETS, *([s for times in races for s in getattr(times, side)] for side in (STUDENT, REFERENCE)))
    yield f"{whole.ratio:.2f}"
    counts = Counter(map(verdict, races))
    yield from (f"{counts[outcome] / REPETITIONS:.3f}" for outcome in OUTCOMES)
    yield f"{sum(len(times.student) for times in races) / REPETITIONS:.0f}"


def calibrate(prover: Prover, ratio: float) -> None:
    """Load as the student's a recording that takes so many times as long as the reference's, at the best of many
    turns."""
    units = round(UNITS * ratio)
    for _ in range(4):
        prover.load(STUDENT, recording(units))
        turns = [pair(prover) for _ in range(CALIBRATION)]
        measured = min(mine for mine, _ in turns) / min(theirs for _, theirs in turns)
        units = max(1, round(units * ratio / measured))
    prover.load(STUDENT, recording(units))


def raced(prover: Prover) -> Times:
    """One race."""
    times = Times(TARGETS)
    run_stages(times, lambda: times.add(*pair(prover)), pause=PAUSE)
    return times


def pair(prover: Prover) -> tuple[float, float]:
    """Seconds of a turn of each, in random order."""
    seconds = dict(prover.turns(CHANCE.sample((STUDENT, REFERENCE), 2)))
    return seconds[STUDENT], seconds[REFERENCE]


def verdict(times: Times) -> str:
    """One of `OUTCOMES`."""
    if times.is_open:
        return "no verdict"
    return "all points" if times.share == 1 else "some" if times.share else "none"


if __name__ == "__main__":
    measure()
