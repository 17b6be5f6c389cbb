"""What a command and all its processes take: wall seconds, CPU seconds, and the peak of their memory. Linux.

CPU seconds come from three places, so that no process is counted twice and none left out: those that the command waited
for are in its own account; those it left behind are adopted and waited for here; and the children of a process that
ignores SIGCHLD, which stand in nobody's account, are read while they live, at most `SAMPLE_SECONDS` before their end.
Memory is read less often: the kernel walks all pages for it, which took a quarter of a processor from what is measured.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autograder.sandbox import linux

SAMPLE_SECONDS = 0.05
MEMORY_EVERY = 5  # samples
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SIGCHLD_BIT = 1 << 16
LEFT_SECONDS = 5.0  # for what a command left behind to end
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Usage:
    """Wall seconds, CPU seconds of all processes, and the peak of their memory together, in MiB: proportional, so that
    what processes share is counted once, or, where the kernel does not tell that, what each has to itself."""

    seconds: float
    cpu: float
    memory: float


def median(usages: Sequence[Usage]) -> Usage:
    """Of each figure by itself."""
    return Usage(
        *(statistics.median(getattr(usage, name) for usage in usages) for name in ("seconds", "cpu", "memory"))
    )


def measured(command: Sequence[str], folder: Path | None = None, fine: Container[int] = (0,)) -> Usage:
    """Run a command to its end.

    Args:
        command: what to run; its output is dropped.
        folder: where; None is the current one, whose course it is that counts.
        fine: exit codes of a run that did what it should.

    Raises:
        SystemExit: it failed.
    """
    with _adopting():
        family = _Family(frozenset(_children(os.getpid())))
        started = time.monotonic()
        process = subprocess.Popen(command, env=os.environ | THREADS, stdout=subprocess.DEVNULL, cwd=folder)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            family.look()
            time.sleep(SAMPLE_SECONDS)
        seconds, (_, status, usage) = time.monotonic() - started, ended
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime + family.buried() + family.unaccounted()
    if process.returncode not in fine:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Usage(seconds, cpu, family.peak)


@contextmanager
def _adopting() -> Iterator[None]:
    """While processes whose parents are gone become children of this one."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 0)


@dataclass
class _Family:
    """The processes of one command: this process's children, but for those it had `before`, and all below them."""

    before: frozenset[int]
    peak: float = 0.0
    looks: int = 0
    lost: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Take a sample."""
        parents = _parents()
        family = {pid for pid, parent in parents.items() if parent == os.getpid() and pid not in self.before}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        if self.looks % MEMORY_EVERY == 0:
            self.peak = max(self.peak, sum(map(_memory, family)))
        self.looks += 1
        for parent in filter(_forgets, family):
            self.lost |= {pid: _cpu(pid) or self.lost.get(pid, 0.0) for pid in family if parents[pid] == parent}

    def unaccounted(self) -> float:
        """CPU seconds of processes that nobody waited for."""
        return sum(self.lost.values())

    def buried(self) -> float:
        """Wait for what was left behind; its CPU seconds."""
        seconds, until = 0.0, time.monotonic() + LEFT_SECONDS
        while (left := _children(os.getpid()) - self.before) and time.monotonic() < until:
            for pid in left:
                ended, _, usage = os.wait4(pid, os.WNOHANG)
                seconds += usage.ru_utime + usage.ru_stime if ended else 0.0
                self.lost.pop(pid, None)
            time.sleep(0.01)
        return seconds


def _parents() -> dict[int, int]:
    stats = {int(entry): _stat(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()}
    return {pid: int(fields[1]) for pid, fields in stats.items() if fields}


def _children(parent: int) -> set[int]:
    return {pid for pid, its in _parents().items() if its == parent}


def _stat(pid: int) -> list[str]:
    """The fields from the state on; none where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of those that it waited for."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _forgets(pid: int) -> bool:
    """Whether it ignores SIGCHLD."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    ignored = next((line.split()[1] for line in lines if line.startswith("SigIgn:")), "0")
    return bool(int(ignored, 16) & SIGCHLD_BIT)


def _memory(pid: int) -> float:
    """In MiB; see `Usage`."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
    except OSError:
        pass
    try:
        resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    except (OSError, ValueError):
        return 0.0
    return (resident - shared) * PAGE / (1 << 20)
