"""What this machine can confine, and whether grading is safe: found out by asking a worker, not by configuration."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import assignment_names, load_assignment, missing_note
from autograder.errors import DeepgradeError
from autograder.grading import Options, grade
from autograder.grading.engine import Engine
from autograder.sandbox.confine import Confinement


@dataclass(frozen=True)
class Finding:
    """One thing found: fine or to be minded, and whether grading must not happen because of it."""

    good: bool
    text: str
    fatal: bool = False


def examine(root: Path | None = None) -> list[Finding]:
    """Protections one by one, the packages of each assignment, then a trial: a reference of the course graded for
    real."""
    confinement = Confinement.available()
    findings = [
        Finding(True, f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {_memory_mb()} MiB of memory"),
        _user(confinement),
        _landlock(confinement),
        _seccomp(confinement),
    ]
    weakness = confinement.weakness()
    if weakness is not None:
        return [*findings, Finding(False, weakness, fatal=True)]
    try:
        names = assignment_names(root)
        lacking = {name: note for name in names if (note := _lacking(name, root))}
    except DeepgradeError as error:
        return [*findings, Finding(False, f"no worker was tried: {error.message}")]
    findings += [Finding(False, note, fatal=True) for note in lacking.values()]
    return [*findings, _trial([name for name in names if name not in lacking], root)]


def _lacking(name: str, root: Path | None) -> str:
    """The packages that an assignment asks for and that are not here."""
    assignment = load_assignment(name, root)
    return missing_note(assignment.folder, assignment.packages)


def _user(confinement: Confinement) -> Finding:
    if confinement.uid:
        return Finding(True, "root: every worker runs as a user of its own")
    return Finding(True, "not root: workers run as you, so Landlock and seccomp are both required")


def _landlock(confinement: Confinement) -> Finding:
    if confinement.landlock:
        return Finding(True, f"Landlock, version {confinement.landlock}: workers see only the paths that they need")
    text = "no Landlock: hidden files must be readable for root only; a worker could leave files in shared folders"
    return Finding(False, text)


def _seccomp(confinement: Confinement) -> Finding:
    if confinement.seccomp:
        return Finding(True, "libseccomp: workers have an allow-list of system calls; no network, no new processes")
    return Finding(False, "no libseccomp: workers could open sockets and start processes (install libseccomp2)")


def _trial(names: Sequence[str], root: Path | None) -> Finding:
    """A worker on this machine, with everything that it takes."""
    if not names:
        return Finding(False, "there is no assignment to try a worker with")
    assignment = load_assignment(names[0], root)
    options = Options(seed=1, select=("test_quiz",))
    try:
        with Engine() as engine:
            run = grade(names[0], assignment.solution, root=root, options=options, engine=engine)
    except DeepgradeError as error:
        return Finding(False, error.message, fatal=True)
    if run.confinement:
        return Finding(True, f"a worker ran here and could not read the solutions: {run.confinement}")
    return Finding(False, run.reason or "no worker could be started", fatal=True)


def _memory_mb() -> int:
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(path).read_text().strip() if Path(path).exists() else "max"
        if text.isdigit():
            limits.append(int(text))
    return min(limits) >> 20
