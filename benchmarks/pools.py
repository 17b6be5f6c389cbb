"""What handing out work costs: naps of a tenth of a second, in threads here and through Parsl, on Slurm where one
answers, else in jobs on this machine; against what they would take if nothing but the naps took time.

REPETITIONS, by default 3000, is the number of naps. A nap needs no processor, so that slots may be more than cores.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from rich.table import Table

from autograder.classes import Cluster
from autograder.classes._parsl import ParslPool
from benchmarks import repetitions
from benchmarks.tables import show
from tests.classes.far_work import nap, napping

NAPS, SECONDS = repetitions(3000), 0.1
NODES, SLOTS = 3, 2


def main(names: Sequence[str]) -> None:
    """Print a table: one row a pool; assignments play no part."""
    ideal = NAPS * SECONDS / (NODES * SLOTS)
    table = Table(title=f"{NAPS} naps of {SECONDS} s, {NODES * SLOTS} at a time, start and stop included")
    for heading in ("pool", "seconds", "ideal", "ratio"):
        table.add_column(heading, justify="left" if heading == "pool" else "right")
    provider = "slurm" if has_slurm() else "local"
    for how, seconds in (("threads", _threads()), (f"Parsl, {provider}", _parsl(provider))):
        table.add_row(how, f"{seconds:.1f}", f"{ideal:.1f}", f"{seconds / ideal:.2f}")
    show(table)


def has_slurm() -> bool:
    """Whether one with enough nodes answers."""
    if shutil.which("sinfo") is None:
        return False
    command = ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"]
    return len(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()) >= NODES


def _threads() -> float:
    started = time.monotonic()
    with ThreadPoolExecutor(NODES * SLOTS) as pool:
        wait([pool.submit(nap, napping(SECONDS)) for _ in range(NAPS)])
    return time.monotonic() - started


def _parsl(provider: str) -> float:
    cluster, started = Cluster(provider, nodes=NODES, slots=SLOTS), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ParslPool(cluster, Path(folder) / "parsl", NAPS, 1, nap) as pool:
        wait([pool.submit(napping(SECONDS)) for _ in range(NAPS)])
    return time.monotonic() - started
