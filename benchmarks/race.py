"""What the rule of races says at known ratios: the verdicts of many races, on a quiet machine and on one whose every
processor is hogged.

Both sides are real workers that multiply matrices, the student so many times more that the true ratio is known, from
the best times of a long run before; beside it stands the ratio of the best times of all races of the row.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.table import Table

from autograder.assignment import Targets
from autograder.checks.boxed import BoxedRunner
from autograder.checks.race import CHANCE, Times, awake, pin, run_stages
from autograder.sandbox.box import fork_zygote
from autograder.sandbox.confine import Confinement
from autograder.sandbox.folders import remove_tree, run_folder
from autograder.sandbox.limits import Limits
from autograder.sandbox.steps import Request
from autograder.sandbox.worker import Sources
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
REPETITIONS = int(os.environ.get("REPETITIONS", "200"))
UNITS = 12  # of work in a turn of the reference: under a millisecond, an order below what assignments ask for
PAUSE = 0.02  # between stages, as much shorter
SOURCE = """
import torch

MATRIX = torch.eye(128)


def work(units):
    for _ in range(units):
        MATRIX @ MATRIX
    return torch.zeros(units)
"""
SIDES = ("student", "reference")
OUTCOMES = ("all points", "some", "none", "no verdict")


def main(names: Sequence[str]) -> None:
    """Print a table for each condition; no assignment (`names`) takes part."""
    for hogs in (0, os.cpu_count() or 1):
        with hogged(hogs):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.race", str(REPETITIONS)], stdout=subprocess.PIPE, text=True
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


def measure(repetitions: int) -> None:
    """In a process of its own, since the warm process is forked from it: one line a ratio, fields by tabs."""
    torch.set_num_threads(1)
    folder = run_folder()
    sandbox = fork_zygote(folder, Confinement.available())
    sources = Sources("work", Path(__file__))
    try:
        with (
            BoxedRunner(sandbox, sources, Limits(call_seconds=3600), text=SOURCE) as student,
            BoxedRunner(sandbox, sources, Limits(call_seconds=3600), text=SOURCE) as reference,
        ):
            pin(student, reference)
            report(student, reference, repetitions)
    finally:
        sandbox.close()
        remove_tree(folder)


def report(student: BoxedRunner, reference: BoxedRunner, repetitions: int) -> None:
    """Calibrate each ratio, then race."""
    for name, ratio in RATIOS.items():
        units = calibrated(student, reference, ratio)
        races = [raced(student, reference, units) for _ in range(repetitions)]
        counts = Counter(map(verdict, races))
        shares = [f"{counts[outcome] / repetitions:.3f}" for outcome in OUTCOMES]
        turns = sum(len(times.student) for times in races) / repetitions
        whole = Times(TARGETS, *([s for times in races for s in getattr(times, side)] for side in SIDES))
        print("\t".join([name, f"{ratio:g}", f"{whole.ratio:.2f}", *shares, f"{turns:.0f}"]), flush=True)


def calibrated(student: BoxedRunner, reference: BoxedRunner, ratio: float) -> int:
    """How much work takes so many times as long as `UNITS`, at the best of many turns."""
    units = round(UNITS * ratio)
    for _ in range(4):
        turns = [pair(student, reference, units) for _ in range(150)]
        units = round(units * ratio / (min(mine for mine, _ in turns) / min(theirs for _, theirs in turns)))
    return units


def raced(student: BoxedRunner, reference: BoxedRunner, units: int) -> Times:
    """One race: so much work against `UNITS`."""
    times = Times(TARGETS)
    run_stages(times, lambda: times.add(*pair(student, reference, units)), pause=PAUSE)
    return times


def pair(student: BoxedRunner, reference: BoxedRunner, units: int) -> tuple[float, float]:
    """Seconds of a turn of each, in random order."""
    for racer in CHANCE.sample((student, reference), 2):
        with awake(racer):
            answer = racer.answer(asked(units if racer is student else UNITS))
        assert answer.ok, answer
    return student.seconds, reference.seconds


def asked(units: int) -> Request:
    """So much work."""
    return Request("call", "work", (units,), {}, {"timed": True})


def verdict(times: Times) -> str:
    """One of `OUTCOMES`."""
    if times.is_open:
        return "no verdict"
    return "all points" if times.share == 1 else "some" if times.share else "none"


if __name__ == "__main__":
    measure(int(sys.argv[1]))
