"""What isolation costs: the same checks on the same submission, in one unprotected process and in the sandbox, both
from a cold start."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from autograder.assignment import load_assignment
from benchmarks.tables import show

REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Of one command: wall seconds, and the peak of the proportional memory of all its processes, in MiB."""

    seconds: float
    memory: float


def main(names: Sequence[str]) -> None:
    """Print a table: medians of each side, and their ratios."""
    table = Table(title=f"cost of isolation, cold start, medians of {REPEATS}, in turns")
    for name in ("assignment", "in one process", "sandboxed", "time ratio", "memory", "sandboxed", "memory ratio"):
        table.add_column(name, justify="left" if name == "assignment" else "right")
    for name in names:
        table.add_row(name, *compared(name))
    show(table)


def compared(name: str) -> Iterator[str]:
    """Cells of one assignment's row: the two sides take turns, so that both meet the same machine."""
    solution = str(load_assignment(name).solution)
    with tempfile.TemporaryDirectory() as out:
        bare = [sys.executable, "-m", "benchmarks.unprotected", name]
        boxed = [sys.executable, "-m", "autograder", "grade", name, solution, "--seed", "1", "--out", out]
        turns = [(measured(bare), measured(boxed)) for _ in range(REPEATS)]
    free = Cost(*(statistics.median(getattr(turn[0], key) for turn in turns) for key in ("seconds", "memory")))
    safe = Cost(*(statistics.median(getattr(turn[1], key) for turn in turns) for key in ("seconds", "memory")))
    yield from (f"{free.seconds:.2f} s", f"{safe.seconds:.2f} s", f"{safe.seconds / free.seconds:.2f}")
    yield from (f"{free.memory:.0f} MiB", f"{safe.memory:.0f} MiB", f"{safe.memory / free.memory:.2f}")


def measured(command: list[str]) -> Cost:
    """Run a command to its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    while process.poll() is None:
        peak = max(peak, sum(map(_memory, _family(process.pid))))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.monotonic() - started, peak)


def _family(root: int) -> set[int]:
    """A process and all its descendants."""
    parents = {int(entry): _parent(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()}
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _memory(pid: int) -> float:
    """Proportional set size in MiB: what processes share is counted once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
