"""The trusted side of the sandbox: cells, workers, and one poll loop for request, reply and output under one
deadline."""

import contextlib
import json
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from autograder.errors import GraderError
from autograder.sandbox import watch, wire
from autograder.sandbox.confine import SHARED_MEMORY, Confinement
from autograder.sandbox.folders import remove_owned, remove_tree
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.sandbox.request import Request
from autograder.sandbox.users import UserIds, running_as
from autograder.sandbox.worker import Sources
from autograder.sandbox.zygote import main

OUTPUT_CAP = 64 << 10
WATCH_SECONDS = 0.05
KEPT_SHARE = 0.25  # of what a worker may allocate; one that holds on to more goes on to no other check
CHUNKS = 16  # of output taken at a time: a worker that floods must not keep us from looking at the clock


@dataclass
class Sandbox:
    """The grader's handle on the warm process.

    Attributes:
        control: socket to the zygote.
        root: folder that holds one folder a worker; only the grader may list it.
        confinement: the protections in force.
        born: bytes of memory that a worker has at its birth.
    """

    control: socket.socket
    root: Path
    confinement: Confinement
    born: int = 0
    _ids: UserIds | None = None
    _count: int = 0

    def __post_init__(self) -> None:
        said = self._ask({"do": "hello", "absent": []})
        self.confinement = Confinement(**(self.confinement.to_dict() | {"mounts": said["mounts"]}))
        self.born = int(said["memory"])
        if self.confinement.uid:
            self._ids = UserIds()

    def _ask(self, command: dict[str, Any], descriptors: tuple[int, ...] = ()) -> dict[str, Any]:
        """One exchange with the zygote.

        Raises:
            GraderError: the zygote is gone.
        """
        try:
            socket.send_fds(self.control, [json.dumps(command).encode()], descriptors)
            answer = self.control.recv(1 << 16)
        except OSError as error:
            raise GraderError(f"the sandbox's warm process does not answer: {error}") from error
        if not answer:
            raise GraderError("the sandbox's warm process ended")
        reply: dict[str, Any] = json.loads(answer)
        return reply

    @property
    def block(self) -> int | None:
        """The number of the block of users that its workers run as."""
        return self._ids.block if self._ids else None

    @contextlib.contextmanager
    def worker(
        self, sources: Sources | None, limits: Limits, absent: tuple[str, ...] = (), serves: str = ""
    ) -> Iterator["Worker"]:
        """A fresh confined worker, gone with all its traces when the block ends.

        Args:
            sources: what it may import; None for one that holds no submission.
            limits: on what it takes.
            absent: groups of what is absent in it from its birth; see `sandbox.absence`.
            serves: a module of the package that serves requests in a submission's stead.
        """
        uid = self._ids.take() if self._ids else None
        self._count += 1
        folder = self.root / f"cell-{self._count}"
        folder.mkdir(mode=0o700)
        if sources is not None and sources.data.is_dir():
            (folder / sources.data.name).symlink_to(sources.data)
        if uid is not None:
            os.chown(folder, uid, uid)
        worker = self._spawn(folder, uid, limits, {**_named(sources), "absent": list(absent), "serves": serves})
        try:
            yield worker
        finally:
            worker.close()

    def _spawn(self, folder: Path, uid: int | None, limits: Limits, what: dict[str, Any]) -> "Worker":
        request, reply, output = os.pipe(), os.pipe(), os.pipe()
        command = {
            "do": "spawn",
            "folder": str(folder),
            "uid": uid,
            "memory_mb": limits.memory_mb,
            "reply_bytes": limits.reply_bytes,
            "confinement": self._confinement_of(what["serves"]).to_dict(),
            **what,
        }
        try:
            pid = self._ask(command, (request[0], reply[1], output[1]))["pid"]
        finally:
            for descriptor in (request[0], reply[1], output[1]):
                os.close(descriptor)
        return Worker(self, pid, uid, folder, request[1], reply[0], output[0], limits, tuple(what["absent"]))

    def _confinement_of(self, serves: str) -> Confinement:
        """What runs a submission never comes near an accelerator: recordings are replayed there."""
        return self.confinement if serves else replace(self.confinement, cuda=False)

    def end(self, worker: "Worker") -> int | None:
        """Kill a worker and all it started; its wait status if it had ended by itself."""
        alone = self.confinement.seccomp and not self.confinement.processes
        sweep = None if alone else worker.uid
        status: int | None = self._ask({"do": "end", "pid": worker.pid, "sweep": sweep, "absent": list(worker.absent)})[
            "status"
        ]
        return status

    def close(self) -> None:
        """Hang up: the zygote ends, and with it every worker."""
        self.control.close()


@dataclass
class Worker:
    """One worker: requests out, replies in, output kept up to a cap. Trusts nothing that it reads."""

    sandbox: Sandbox
    pid: int
    uid: int | None
    folder: Path
    writing: int
    reading: int
    output_pipe: int
    limits: Limits
    absent: tuple[str, ...] = ()
    output: bytearray = field(default_factory=bytearray)
    seconds: float = 0.0
    _status: int | None = None
    _open: bool = True

    def __post_init__(self) -> None:
        for descriptor in (self.writing, self.reading, self.output_pipe):
            os.set_blocking(descriptor, False)

    def request(self, value: Any, seconds: float | None = None) -> Any:
        """Send one value, or a `Request`, and wait for a value.

        Raises:
            WorkerLost: it ended, ran out of time, memory or disk, or answered with something that is no frame.
        """
        frame = value.frame if isinstance(value, Request) else wire.encode(value, sparse=True)
        exchange = _Exchange(self, frame, seconds or self.limits.call_seconds)
        try:
            exchange.run()
            self.seconds = time.monotonic() - exchange.started
            return exchange.value()
        except wire.WireError as error:
            self.close()
            raise WorkerLost("garbled", f"sent back something that is no answer ({error})") from error
        except WorkerLost:
            self.close()
            raise

    def watch(self) -> None:
        """Raise where the worker takes more memory or disk than it may."""
        uid = self.uid if self.sandbox.confinement.processes else None
        pids = [self.pid] if uid is None else list(running_as((uid,)))
        if watch.memory(pids) > self.sandbox.born + (self.limits.memory_mb << 20):
            raise WorkerLost("memory", f"used more than {self.limits.memory_mb} MiB of memory")
        if watch.too_much_disk(self.folder, pids):
            raise WorkerLost("disk", f"wrote more than {watch.CELL_MB} MiB or {watch.CELL_FILES} files")

    def is_as_new(self) -> bool:
        """Whether nothing stays behind of what it did, as far as can be seen from outside: no file, no further thread,
        hardly any memory. What may start processes is never asked."""
        if not self._open or self.sandbox.confinement.processes:
            return False
        try:
            left = [entry for entry in os.listdir(self.folder) if not (self.folder / entry).is_symlink()]
            threads = len(os.listdir(f"/proc/{self.pid}/task"))
        except OSError:
            return False
        room = self.limits.memory_mb << 20
        return not left and threads == 1 and watch.memory([self.pid]) < self.sandbox.born + room * KEPT_SHARE

    def lost(self) -> WorkerLost:
        """How a worker that hung up came to its end."""
        self.close()
        status = self._status
        if status is not None and os.WIFEXITED(status):
            return WorkerLost(
                "exit", f"ended the whole process (exit code {os.WEXITSTATUS(status)}) instead of returning"
            )
        if status is not None and os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            why = ", as the system does where memory runs out" if name == "SIGKILL" else ""
            return WorkerLost("signal", f"crashed the process ({name}{why})")
        return WorkerLost("exit", "closed its connection to the grader instead of returning")

    def drain(self) -> None:
        """Take what it printed; beyond the cap it is dropped, never refused."""
        with contextlib.suppress(OSError):
            for _ in range(CHUNKS):
                if not (chunk := os.read(self.output_pipe, 1 << 16)):
                    return
                self.output += chunk[: max(0, OUTPUT_CAP - len(self.output))]

    def close(self) -> None:
        """End it, and remove its traces. Safe to call twice."""
        if not self._open:
            return
        self._open = False
        self._wait_for_natural_end()
        self._status = self.sandbox.end(self)
        self.drain()
        for descriptor in (self.writing, self.reading, self.output_pipe):
            os.close(descriptor)
        remove_tree(self.folder)
        if self.sandbox.confinement.processes and self.uid is not None:
            remove_owned(Path(SHARED_MEMORY), (self.uid,))

    def _wait_for_natural_end(self) -> None:
        """A worker that hung up is about to be a zombie: give it the moment it needs, so that its status tells the
        truth."""
        hung_up = select.poll()
        hung_up.register(self.reading, 0)
        if hung_up.poll(0):
            deadline = time.monotonic() + 0.2
            while time.monotonic() < deadline and _state(self.pid) not in "ZX":
                time.sleep(0.002)


class _Exchange:
    """One request and its reply."""

    def __init__(self, worker: Worker, parts: list[bytes | memoryview], seconds: float) -> None:
        self.worker = worker
        self.outgoing = [memoryview(part) for part in parts]
        self.seconds = seconds
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.prefix = bytearray(wire.PREFIX.size)
        self.header = self.payload = np.empty(0, np.uint8)
        self.missing = [memoryview(self.prefix)]
        self.poll = select.poll()
        self.poll.register(worker.writing, select.POLLOUT)
        self.poll.register(worker.reading, select.POLLIN)
        self.poll.register(worker.output_pipe, select.POLLIN)

    def run(self) -> None:
        """Until the reply has arrived, whole."""
        next_watch = time.monotonic() + WATCH_SECONDS
        while True:
            now = time.monotonic()
            if now > self.deadline:
                raise WorkerLost("timeout", f"did not return within {self.seconds:g} s")
            if now >= next_watch:
                self.worker.watch()
                next_watch = now + WATCH_SECONDS
            for descriptor, _ in self.poll.poll(max(1.0, 1000 * min(next_watch - now, self.deadline - now))):
                if self._step(descriptor):
                    return

    def _step(self, descriptor: int) -> bool:
        """Move bytes at one descriptor; True once the reply is whole."""
        if descriptor == self.worker.writing:
            self._write()
        elif descriptor == self.worker.output_pipe:
            self._print()
        else:
            return self._read()
        return False

    def _print(self) -> None:
        before = len(self.worker.output)
        self.worker.drain()
        if len(self.worker.output) in (before, OUTPUT_CAP):
            with contextlib.suppress(BlockingIOError):
                if not os.read(self.worker.output_pipe, 1):
                    self.poll.unregister(self.worker.output_pipe)  # closed by the worker: its business

    def _write(self) -> None:
        try:
            while self.outgoing:
                self.outgoing[0] = self.outgoing[0][os.write(self.worker.writing, self.outgoing[0]) :]
                if not self.outgoing[0]:
                    self.outgoing.pop(0)
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise self.worker.lost() from None
        self.poll.unregister(self.worker.writing)

    def _read(self) -> bool:
        try:
            count = os.readv(self.worker.reading, self.missing[:1])
        except BlockingIOError:
            return False
        if not count:
            raise self.worker.lost()
        self.missing[0] = self.missing[0][count:]
        if not self.missing[0] and self.missing.pop(0).obj is self.prefix:
            self._make_room()
        return not self.missing

    def _make_room(self) -> None:
        """The prefix is there: room for what it announces, which takes memory only as it arrives."""
        sizes = wire.read_prefix(bytes(self.prefix), self.worker.limits.reply_bytes)
        self.header, self.payload = (np.empty(size, np.uint8) for size in sizes)
        self.missing = [part.data for part in (self.header, self.payload) if part.size]

    def value(self) -> Any:
        """The reply, decoded."""
        return wire.decode(bytes(self.header), self.payload.data, own=False)


def _named(sources: Sources | None) -> dict[str, Any]:
    """What a worker imports, and what it may read for that."""
    if sources is None:
        return {"readable": [], "name": "", "path": "", "helpers": None, "parts": []}
    return {
        "readable": [str(path.parent) for path in (sources.path, sources.helpers) if path],
        "name": sources.name,
        "path": str(sources.path),
        "helpers": str(sources.helpers) if sources.helpers else None,
        "parts": list(sources.parts),
    }


def _state(pid: int) -> str:
    """Of a process, in proc's letter; "X" where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"


def fork_zygote(root: Path, confinement: Confinement, warm: Sequence[str] = ()) -> Sandbox:
    """Fork the warm process from this one, which must have imported torch and must not have seen anything hidden yet.

    Args:
        root: folder for what its workers write.
        confinement: the protections wanted.
        warm: names of public modules that it imports, for all its workers.

    Returns:
        The grader's handle on it.
    """
    return Sandbox(forked_zygote(root, warm), root, confinement)


def forked_zygote(root: Path, warm: Sequence[str] = ()) -> socket.socket:
    """As `fork_zygote`; returns the control socket, of which another process may make its handle. When the last copy of
    it is closed, the warm process ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            ours.close()
            os.closerange(3, theirs.fileno())
            os.closerange(theirs.fileno() + 1, 1 << 16)
            main(theirs, root, warm)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    theirs.close()
    return ours
