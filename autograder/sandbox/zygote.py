"""The warm process: torch imported, nothing else known; forks one worker a request and ends it on request.

Commands come as JSON over a socket pair, a worker's descriptors beside them. Runs one thread, never a numeric
operation (a parallel one before the fork hangs the children's first), and is killed with the grader. Where something is
to be absent in workers, a fork of it in which that is absent already forks them: replacing 4,000 kernels takes longer
than a check.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.sandbox import linux
from autograder.sandbox.absence import make_absent, operations
from autograder.sandbox.confine import Cell, Confinement, confine, interpreter_paths, system_calls
from autograder.sandbox.courtesy import without_compiler
from autograder.sandbox.poison import poison
from autograder.sandbox.users import reap, sweep
from autograder.sandbox.watch import memory
from autograder.sandbox.worker import Sources, serve


def main(control: socket.socket, root: Path, warm: Sequence[str] = ()) -> None:
    """Serve until the grader hangs up. `root` is the folder of cells, which workers must be able to reach; `warm` names
    public modules that the submission imports, which is done here once, with all that they set up (a list of fonts)."""
    _settle()
    _warm_up(warm, root)
    prepare()
    poison()
    _Zygote(control, (), _make_reachable(root)).serve()


def prepare() -> None:
    """Look up, once for all forks, what each would look up."""
    interpreter_paths(), operations()
    if Confinement.available().seccomp:
        system_calls(False, False)


def _settle() -> None:
    """Die with the parent, adopt and wait for what workers leave, let nobody look in."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the launcher ignores it
    if sys.platform.startswith("linux"):
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):  # gVisor lets no other than init be one: orphans are found by their user there
            linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)


class _Zygote:
    """Serves commands; passes those on whose workers lack something else than this process does.

    Args:
        control: where commands come from.
        absent: groups of what is absent here.
        mounts: whether its file system is its own.
    """

    def __init__(self, control: socket.socket, absent: tuple[str, ...], mounts: bool) -> None:
        self.control = control
        self.absent = absent
        self.mounts = mounts
        self.others: dict[tuple[str, ...], socket.socket] = {}

    def serve(self) -> None:
        """Until the other side hangs up."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 3)
            if not message:
                return
            command = json.loads(message)
            absent = tuple(command["absent"])
            if absent != self.absent:
                self.control.sendall(self._passed_on(absent, message, descriptors))
            elif command["do"] == "hello":
                _answer(self.control, {"mounts": self.mounts, "memory": memory([os.getpid()])})
            elif command["do"] == "spawn":
                _answer(self.control, {"pid": _spawn(command, descriptors)})
            else:
                _answer(self.control, {"status": _end(command)})

    def _passed_on(self, absent: tuple[str, ...], message: bytes, descriptors: list[int]) -> bytes:
        if absent not in self.others:
            self.others[absent] = self._forked(absent, descriptors)
        socket.send_fds(self.others[absent], [message], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if not (answer := self.others[absent].recv(1 << 16)):
            raise ConnectionError("a warm process ended")
        return answer

    def _forked(self, absent: tuple[str, ...], descriptors: list[int]) -> socket.socket:
        """A fork of this process, without the ends of its first worker's pipes: else that one's end is never seen."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            try:
                for each in (ours, self.control, *self.others.values()):
                    each.close()
                for descriptor in descriptors:
                    os.close(descriptor)
                _settle()
                make_absent(absent)
                _Zygote(theirs, absent, self.mounts).serve()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        theirs.close()
        return ours


def _warm_up(names: Sequence[str], root: Path) -> None:
    """Import them; what cannot be imported is left to the workers, as all others are."""
    if names and not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["MPLCONFIGDIR"] = str(root / "matplotlib")  # else it makes a folder that nobody removes
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    if names:
        gc.collect()
        gc.freeze()  # or every worker's first collection copies the pages of all of it


def _answer(control: socket.socket, reply: dict[str, Any]) -> None:
    control.sendall(json.dumps(reply).encode())


def _make_reachable(root: Path) -> bool:
    """Where another user could not reach the interpreter (a clone or a Python under a private folder), expose just
    that.

    Only root with CAP_SYS_ADMIN can; elsewhere the preflight finds out and refuses.
    """
    if os.geteuid() != 0:
        return False
    covers: dict[Path, list[Path]] = {}
    for target in (*interpreter_paths(), root):
        cover = next((folder for folder in reversed(target.parents) if not folder.stat().st_mode & 0o001), None)
        if cover is not None:
            covers.setdefault(cover, []).append(target)
    if not covers:
        return False
    try:
        linux.private_mounts()
        for cover, targets in covers.items():
            linux.expose_only(cover, targets)
    except OSError:
        return False
    return True


def _spawn(command: dict[str, Any], descriptors: list[int]) -> int:
    parent, confinement = os.getpid(), Confinement(**command["confinement"])
    if confinement.seccomp:
        system_calls(confinement.processes, confinement.cuda)  # before the fork, for the next one too
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    code = 1
    try:
        _become_worker(command, confinement, descriptors, parent)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _become_worker(command: dict[str, Any], confinement: Confinement, descriptors: list[int], parent: int) -> None:
    """Request pipe on 3, reply pipe on 4, output on 1 and 2, nothing else open; then confine, then serve."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_DFL)
    lifted = [os.dup2(descriptor, 100 + place) for place, descriptor in enumerate(descriptors)]
    null = os.open(os.devnull, os.O_RDONLY)
    request, reply, output = lifted
    for source, target in ((null, 0), (output, 1), (output, 2), (request, 3), (reply, 4)):
        os.dup2(source, target)
    os.closerange(5, 1 << 16)
    cell = Cell(Path(command["folder"]), tuple(map(Path, command["readable"])), command["uid"], command["memory_mb"])
    confine(cell, confinement, parent)
    if command["serves"]:  # something else than a submission, in a module that was imported before
        importlib.import_module(command["serves"]).serve(3, 4, command["reply_bytes"])
        return
    if not confinement.processes:
        without_compiler()
    helpers = Path(command["helpers"]) if command["helpers"] else None
    sources = Sources(command["name"], Path(command["path"]), helpers, parts=tuple(command["parts"]))
    serve(3, 4, sources, command["reply_bytes"])


def _end(command: dict[str, Any]) -> int | None:
    """Kill a worker and everything it left; its wait status if it had ended by itself, else None."""
    pid = command["pid"]
    ended, status = os.waitpid(pid, os.WNOHANG)
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            continue
    if not ended:
        os.waitpid(pid, 0)
    if command["sweep"] is not None:
        sweep(command["sweep"], orphans=True)
    reap()
    return status if ended else None
