"""The process that imports torch once and forks a grader for each submission, or, for a class, one that forks them.

Started as `python -I -B` with a clean environment, so that nothing secret is in its memory: what it forks first in
each grader, the sandbox's warm process, inherits just that. It reads folder names and protections from its control
socket, never a job.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autograder.grading.fork import fork


def main(descriptor: int, preload: Sequence[str] = ()) -> None:
    """Import, say so, then fork a grader for each request until the parent hangs up.

    Args:
        descriptor: of the control socket, left open by the parent.
        preload: names of further public modules to import.
    """
    control = socket.socket(fileno=descriptor)
    _preload(preload)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # graders are nobody's zombies
    control.sendall(b"ready")
    _Launcher(control).wait()


class _Launcher:
    """Forks, and hands submissions on to those that have rehearsed, by the key that the parent gave each, with a
    sandbox's warm process each, which comes back when all its workers have ended, for another one."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.rehearsed: dict[str, socket.socket] = {}
        self.idle: dict[tuple[str, ...], list[socket.socket]] = {}

    def wait(self) -> None:
        """Serve until the parent hangs up."""
        while True:
            hears = select.poll()
            for each in (self.control, *self.rehearsed.values()):
                hears.register(each, select.POLLIN)
            ready = {descriptor for descriptor, _ in hears.poll()}
            for key in [key for key, orders in self.rehearsed.items() if orders.fileno() in ready]:
                self._take_back(key)
            if self.control.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
                if not message:
                    return
                self.serve(json.loads(message), descriptors)

    def _take_back(self, key: str) -> None:
        """A warm process that a grader has done with; or the end of one that had rehearsed."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.rehearsed[key], 1 << 16, 1)
        except OSError:  # it was killed before it had read its orders
            message = b""
        if message:
            self.idle.setdefault(tuple(json.loads(message)["warm"]), []).append(socket.socket(fileno=descriptors[0]))
        else:
            self._forget(key)

    def _forget(self, key: str) -> None:
        """Hang up on one that had rehearsed; on idle warm processes too, where nobody is left to make use of them."""
        if orders := self.rehearsed.pop(key, None):
            orders.close()
        if not self.rehearsed:
            for control in (each for idle in self.idle.values() for each in idle):
                control.close()
            self.idle.clear()

    def serve(self, message: dict[str, Any], descriptors: list[int]) -> None:
        """One request; its job, and all that is hidden, goes past this process."""
        if message["do"] == "forget":
            self._forget(message["key"])
            return
        with socket.socket(fileno=descriptors[0]) as job:
            if message["do"] == "rehearse":
                self._rehearse(message["key"], job)
            elif not self._handed_on(message, job):
                fork(partial(self._grade, message, job))

    def _rehearse(self, key: str, job: socket.socket) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fork(partial(self._rehearsing, job, theirs))
        theirs.close()
        self.rehearsed[key] = ours

    def _rehearsing(self, job: socket.socket, orders: socket.socket) -> None:
        from autograder.grading.rehearsal import main as rehearse

        _close_all_but(job, orders)
        rehearse(job, orders)

    def _handed_on(self, message: dict[str, Any], job: socket.socket) -> bool:
        """Whether one that has rehearsed takes a submission, with a sandbox that is forked here, where nothing hidden
        is."""
        from autograder.sandbox.box import forked_zygote

        orders = self.rehearsed.get(message["key"])
        if orders is None:
            return False
        order = {name: message[name] for name in ("folder", "confinement", "warm")}
        with self._woken(tuple(message["warm"])) or forked_zygote(Path(message["folder"]), message["warm"]) as sandbox:
            try:
                socket.send_fds(orders, [json.dumps(order).encode()], [job.fileno(), sandbox.fileno()])
                return True
            except OSError as error:
                print(f"deepgrade: the grader that had rehearsed is gone ({error}); graded without", file=sys.stderr)
                self._forget(message["key"])
                return False

    def _woken(self, warm: tuple[str, ...]) -> socket.socket | None:
        """The control of a warm process that is idle, and lives."""
        idle = self.idle.get(warm, [])
        while idle:
            control, gone = idle.pop(), select.poll()
            gone.register(control, select.POLLIN)
            if not gone.poll(0):
                return control
            control.close()
        return None

    def _grade(self, message: dict[str, Any], job: socket.socket) -> None:
        from autograder.grading.grader import main as grade
        from autograder.sandbox.box import fork_zygote
        from autograder.sandbox.confine import Confinement

        _close_all_but(job)
        # First the fork, then the job: nothing hidden is in memory yet.
        sandbox = fork_zygote(Path(message["folder"]), Confinement(**message["confinement"]), message["warm"])
        grade(job, sandbox)


def _close_all_but(*kept: socket.socket) -> None:
    """In a child: what others end by hanging up must not stay open here."""
    first = 3
    for descriptor in sorted(each.fileno() for each in kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, 1 << 16)


def _preload(names: Sequence[str]) -> None:
    """Everything public that grader or worker will need; importing only, no operation."""
    _complete_sys()
    import torch
    import torch.fx.experimental.symbolic_shapes  # else every worker's first backward pass imports it, and sympy

    import autograder.grading.rehearsal  # noqa: F401
    from autograder.sandbox.zygote import prepare

    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a saving lost, no more: who needs the module will say so
            print(f"deepgrade: {name} cannot be imported in advance: {error}", file=sys.stderr)
    torch.set_num_threads(1)
    prepare()
    if sys.platform.startswith("linux"):
        from autograder.sandbox import linux

        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    gc.collect()
    gc.freeze()
    if sys.platform.startswith("linux"):
        linux.collapse_pages()


def _complete_sys() -> None:
    """The 3.11.0rc1 of Ubuntu 22.04 lacks two functions that torch._dynamo looks up, signatures and all."""
    if hasattr(sys, "get_int_max_str_digits"):
        return

    def get_int_max_str_digits() -> int:
        return 0

    def set_int_max_str_digits(maxdigits: int) -> None:
        pass

    vars(sys).update(get_int_max_str_digits=get_int_max_str_digits, set_int_max_str_digits=set_int_max_str_digits)
