"""The grader's process, seen from outside: started once, asked for one submission after another, watched, and outlived.

Imports neither torch nor anything hidden, so that whatever happens in there, a result can still be written here.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.errors import GraderError
from autograder.sandbox.confine import package_folders

START_SECONDS = 120.0
GRACE_SECONDS = 20.0  # beyond the run's own deadline, before the grader is taken for dead
DRIVERS = ("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")  # where containers say which GPU there is, and where its driver
BOOT = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from autograder.grading.launcher import main; main({control}, {preload!r})"
)


def clean_environment() -> dict[str, str]:
    """What the launcher is born with: one thread, memory in huge pages, and nothing of ours but where packages and a
    GPU's driver lie.

    A fork copies the page tables, and a warm process has 40,000 small pages: huge ones make a fork seven times as fast.
    Small objects stay in Python's own arenas (no PYTHONMALLOC=malloc): among large tensors they would keep the memory
    of these from being used again, and a worker would grow without end.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    memory = {"MALLOC_ARENA_MAX": "2", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    path = "/usr/local/bin:/usr/bin:/bin:/usr/local/nvidia/bin"
    places = {name: os.environ[name] for name in DRIVERS if name in os.environ}
    packages = os.pathsep.join(package_folders(os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    nvml = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # the other way to ask for a GPU spoils later forks
    return {"PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": packages, **places, **nvml, **memory, **threads}


@dataclass(eq=False)
class Engine:
    """The launcher process. A context manager; `run` may be called any number of times, also from several threads.

    Attributes:
        log: descriptor for what the processes print, for instructors.
        preload: names of public modules to import once for all; see `Assignment`.
    """

    log: int = subprocess.DEVNULL
    preload: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None
    _control: socket.socket | None = None
    _ready: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Engine":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        boot = BOOT.format(root=str(Path(__file__).resolve().parents[2]), control=theirs.fileno(), preload=self.preload)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", "-c", boot],
            env=clean_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        self._control = ours
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._control is not None
        self._control.close()
        if not self._ready:  # nothing was asked of it: it need not come to the end of its imports
            self._process.kill()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked: whoever grades many starts another in place of one that was killed."""
        return self._process is not None and self._process.poll() is None

    def run(
        self,
        folder: Path,
        confinement: dict[str, Any],
        job: bytes,
        seconds: float,
        warm: tuple[str, ...] = (),
        key: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Grade one submission in a fresh grader process.

        Args:
            folder: where its sandbox keeps cells.
            confinement: the protections wanted.
            job: one line of JSON.
            seconds: after which, and a grace, the grader is killed.
            warm: names of public modules to import once for all workers of this submission.
            key: what `rehearse` gave for such a job; where it is empty, or that grader is gone, the grader prepares
                itself.

        Yields:
            The grader's events. A last one of kind "lost" says that it ended without saying so itself.

        Raises:
            GraderError: the launcher cannot be started or has died.
        """
        asked = {"do": "grade", "folder": str(folder), "confinement": confinement, "warm": warm, "key": key}
        with self._sent(asked, job) as connection:
            yield from _events(connection, time.monotonic() + seconds + GRACE_SECONDS)

    def rehearse(self, job: bytes, seconds: float) -> str:
        """Have a grader prepare all that is the same for many submissions, and wait until it has.

        Args:
            job: one line of JSON, without a submission.
            seconds: after which, and a grace, it is given up.

        Returns:
            What `run` is told to make use of it; empty where there is nothing to be used.
        """
        key = secrets.token_hex(8)
        try:
            with self._sent({"do": "rehearse", "key": key}, job) as connection:
                for event in _events(connection, time.monotonic() + seconds + GRACE_SECONDS):
                    if event["event"] == "ready":
                        return key
            self._say(f"graded without rehearsal: {event['message']}")
        except GraderError as error:  # so will be whatever is graded next, which tells
            self._say(str(error))
        return ""

    def forget(self, key: str) -> None:
        """End what was prepared; nothing that makes use of it runs any more."""
        assert self._control is not None
        with suppress(OSError):  # then it has ended with everything else
            self._control.sendall(json.dumps({"do": "forget", "key": key}).encode())

    def _sent(self, asked: dict[str, Any], job: bytes) -> socket.socket:
        """Ask the launcher; the connection to whoever does the job."""
        with self._lock:
            self._wait_ready()
        ours, theirs = socket.socketpair()
        assert self._control is not None
        try:
            socket.send_fds(self._control, [json.dumps(asked).encode()], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise GraderError(f"the grading process is gone: {error}") from error
        finally:
            theirs.close()
        with suppress(BrokenPipeError):
            ours.sendall(job)
        return ours

    def _say(self, text: str) -> None:
        """Into the log, for instructors."""
        if self.log >= 0:
            os.write(self.log, f"deepgrade: {text}\n".encode())

    def _wait_ready(self) -> None:
        assert self._control is not None
        assert self._process is not None
        if self._ready:
            return
        self._control.settimeout(START_SECONDS)
        try:
            message = self._control.recv(16)
        except OSError as error:
            raise GraderError(f"the grading process did not start within {START_SECONDS:g} s") from error
        if message != b"ready":
            raise GraderError(
                f"the grading process could not start (exit code {self._process.poll()}): "
                "is torch installed in this environment? `deepgrade doctor` tells"
            )
        self._control.settimeout(None)
        self._ready = True


def _events(connection: socket.socket, deadline: float) -> Iterator[dict[str, Any]]:
    buffer, ended, pid = b"", False, 0
    while not ended:
        remaining = deadline - time.monotonic()
        connection.settimeout(max(0.01, remaining))
        try:
            chunk = connection.recv(1 << 20)
        except TimeoutError:
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            yield {"event": "lost", "message": "The grader did not finish in time and was stopped."}
            return
        except OSError:
            chunk = b""
        if not chunk:
            yield {"event": "lost", "message": "The grader's own process ended early (out of memory?)."}
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line)
            pid = event.get("pid", pid)
            ended = ended or event["event"] in ("end", "fault")
            yield event
