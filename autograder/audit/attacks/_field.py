"""Inside one configuration: the attacks, one after another, and what each has gained, read back, left or broken.

Runs in a process of its own from a bundle as it is released, with a token planted in the reference and the hidden
checks. Tells what it finds as JSON lines, each attack's name before it begins: whatever ends this process has won.
"""

import json
import os
import runpy
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.assignment import Assignment, load_assignment, points
from autograder.audit._audit import attacked_checks, honest_work
from autograder.grading import Options, grade
from autograder.grading.engine import Engine
from autograder.plain import clean
from autograder.release.gradescope import make_private
from autograder.results import Run, to_gradescope
from autograder.sandbox import linux
from autograder.sandbox.confine import SHARED_MEMORY, Confinement
from autograder.sandbox.folders import remove_tree, run_folder
from autograder.sandbox.users import BLOCK, BLOCKS, FIRST_UID

SHARED = [Path(place) for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")]
SYSTEM_V = [Path(f"/proc/sysvipc/{kind}") for kind in ("shm", "sem", "msg")]
WORKERS = range(FIRST_UID, FIRST_UID + BLOCKS * BLOCK)
SETTLE_SECONDS = 2.0


def main(order: str) -> None:
    """Carry out an order: `home`, `without`, `token`, `skip`, `container`; see `_sites`."""
    wanted = json.loads(order)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # a process that gets away from a worker comes to us
    field = Field(Path(wanted["home"]), wanted["token"], Confinement.available().without(*wanted["without"]))
    if wanted["container"]:
        make_private(field.home)
    field.run(set(wanted["skip"]), wanted["only"])


def tell(**facts: Any) -> None:
    """One line to whoever ordered the attacks."""
    print(json.dumps(facts), flush=True)


class Field:
    """A home with a bundle in `source` and attacks in `attacks`, under one confinement."""

    def __init__(self, home: Path, token: str, confinement: Confinement) -> None:
        self.home, self.token = home, token
        self.assignment: Assignment = load_assignment("conv", home / "source")
        self.confinement = replace(confinement, processes=self.assignment.limits.processes)
        self.owners = WORKERS if confinement.uid else range(os.geteuid(), os.geteuid() + 1)
        self.known: set[str] = set()
        self.servants: set[int] = set()

    def run(self, skip: set[str], only: str) -> None:
        """Probes in a sandbox of this process, then whole submissions through the public door."""
        self.known = set(self._traces())
        with Engine(preload=self.assignment.preload) as engine:
            assert engine._process is not None
            self.servants = {engine._process.pid}
            if not self._trial(engine):
                return
            for path in sorted((self.home / "attacks").glob("*.py")):
                if path.stem != "probes" and path.stem not in skip and only in path.stem:
                    tell(begins=path.stem, group="submissions")
                    run = self._graded(path, engine)
                    self._tell(path.stem, "submissions", self._gains(path, run))
        self._probes(skip, only)

    def _graded(self, path: Path, engine: Engine, select: tuple[str, ...] = ()) -> Run:
        asked = select or attacked_checks(path.read_text("utf-8"), self.assignment)
        options = Options(seed=1, confinement=self.confinement, select=asked)
        return grade("conv", path, root=self.home / "source", options=options, engine=engine)

    def _trial(self, engine: Engine) -> bool:
        """The reference, graded: whether grading goes on here at all, and what results would say."""
        run = self._graded(self.assignment.solution, engine, ("test_quiz",))
        tell(trial=run.status, reason=run.reason or "", confinement=run.confinement)
        return run.status == "graded"

    def _gains(self, path: Path, run: Run) -> Iterator[str]:
        """What an attack won over the grader."""
        earned = {line.task for line in run.lines if line.score} - honest_work(path.read_text("utf-8"))
        if earned:
            yield f"points for {', '.join(sorted(earned))}"
        if run.status != "graded":
            yield f"no grading: {run.reason}"
        if {line.check for line in run.lines} != {check.name for check in points(self.assignment)}:
            yield "checks are missing from the results"
        written = json.dumps(to_gradescope(run), allow_nan=False)
        if self.token in written:
            yield "read the token, into the results"
        if clean(json.loads(written)) != json.loads(written):
            yield "results that are not plain"

    def _probes(self, skip: set[str], only: str) -> None:
        """Last, since the sandbox's warm process is forked from this one, which knows nothing hidden but the token."""
        from autograder.sandbox.box import fork_zygote

        probes = runpy.run_path(str(self.home / "attacks" / "probes.py"))
        folder = run_folder()
        self.known.add(str(folder))
        sandbox = fork_zygote(folder, self.confinement)
        self.servants = _children(os.getpid())
        try:
            for group, entries in probes["GROUPS"].items():
                for name, expression in entries.items():
                    told = f"{group}: {name}"
                    if told not in skip and only in told and not self._allowed(group, name):
                        tell(begins=told, group=group)
                        gains = self._probed(sandbox, folder / "probe", probes["source"](expression))
                        self._tell(told, group, gains)
        finally:
            sandbox.close()
            remove_tree(folder)

    def _allowed(self, group: str, name: str) -> bool:
        """What is no breach where the assignment asks for processes: those, and the memory that they share."""
        return self.confinement.processes and (group == "effects" or name.startswith(SHARED_MEMORY))

    def _probed(self, sandbox: Any, folder: Path, source: str) -> Iterator[str]:
        from autograder.sandbox.limits import Limits, WorkerLost
        from autograder.sandbox.request import Request
        from autograder.sandbox.worker import Sources

        folder.mkdir(mode=0o755)
        path = folder / "probe.py"
        path.write_text(source)
        path.chmod(0o644)
        reply: Any = None
        with sandbox.worker(Sources("probe", path), Limits(3.0, 256)) as worker, suppress(WorkerLost):
            worker.request({"import": None})
            reply = worker.request(Request("call", "attack", (str(self.assignment.solution),)))
        remove_tree(folder)
        if isinstance(reply, dict) and reply.get("value") == "succeeded":
            yield "succeeded"
        if self.token in worker.output.decode("utf-8", "replace"):
            yield "read the token, into its output"

    def _tell(self, name: str, group: str, gains: Iterator[str]) -> None:
        breaches = list(gains)
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := [*self._processes(), *(set(self._traces()) - self.known)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        tell(ends=name, group=group, breaches=breaches + [f"left {trace}" for trace in left])
        self._clean(left)

    def _processes(self) -> list[str]:
        """Descendants that are none of the grader's own."""
        found = set().union(*map(_children, self.servants)) | _children(os.getpid())
        return [f"process {pid}" for pid in found - self.servants]

    def _traces(self) -> Iterator[str]:
        """What lies where everybody may write and is the workers'; of System V's objects too; changes of the bundle."""
        for folder in SHARED:
            for entry in os.scandir(folder) if os.access(folder, os.R_OK) else ():
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid in self.owners:
                        yield entry.path
        for table in SYSTEM_V:
            for line in table.read_text().splitlines()[1:] if table.exists() else ():
                if {int(word) for word in line.split() if word.isdigit()} & set(self.owners):
                    yield f"{table.name} {line.split()[1]} of System V"
        for line in Path("/proc/key-users").read_text().splitlines() if self.confinement.uid else ():
            if int(line.partition(":")[0]) in self.owners:
                yield f"keys of user {line.partition(':')[0].strip()}"
        for path in (self.home / "source").rglob("*"):
            with suppress(OSError):
                yield f"{path} of {path.stat().st_size} bytes, mode {path.stat().st_mode:o}"

    def _clean(self, left: list[str]) -> None:
        """So that the next attack starts as this one did."""
        for trace in left:
            with suppress(OSError):
                if trace.startswith("process "):
                    os.kill(int(trace.split()[1]), signal.SIGKILL)
                elif trace.startswith("/"):
                    path = Path(trace.partition(" of ")[0])
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                elif trace.endswith("of System V"):
                    kind, number, *_ = trace.split()
                    getattr(linux.libc, f"{kind}ctl")(int(number), 0, 0, 0)  # IPC_RMID, wherever a call expects it
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        self.known |= set(self._traces())


def _children(pid: int) -> set[int]:
    """Living children of a process."""
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            with suppress(OSError):
                if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    found.add(child)
    return found
