"""Users that workers run as where the grader is root: ids that no other grading uses, and the end of all they run."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Collection
from pathlib import Path

from autograder.errors import GraderError
from autograder.sandbox.confine import SHARED_MEMORY
from autograder.sandbox.folders import remove_owned

FIRST_UID, BLOCKS, BLOCK = 61_000, 64, 32
SWEEPER = BLOCKS * BLOCK  # added to a user's id: the real id of who kills its processes, and cannot be killed by them
SWEEP_SECONDS = 2.0


class UserIds:
    """A block of user ids that no other grading on this host uses, held by an abstract socket that dies with the
    process. What an earlier grading that was killed left there ends here."""

    def __init__(self) -> None:
        for block in range(BLOCKS):
            lock = _locked(block)
            if lock is not None:
                self.block, self._lock, self._next = block, lock, 0
                _clear(block)
                return
        raise GraderError(f"{BLOCKS} gradings already run on this machine: no user id is left for another")

    def take(self) -> int:
        """The next id of the block; each is free again once its worker has been ended."""
        self._next = (self._next + 1) % BLOCK
        return _users(self.block)[self._next]


def reclaim(block: int) -> None:
    """After the grader that held a block was killed: end what is left there, unless another grading took the block
    over, and ended it."""
    lock = _locked(block)
    if lock is not None:
        _clear(block)
        lock.close()


def _users(block: int) -> range:
    return range(FIRST_UID + block * BLOCK, FIRST_UID + (block + 1) * BLOCK)


def _locked(block: int) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0deepgrade-uids-{block}")
    except OSError:
        lock.close()
        return None
    return lock


def _clear(block: int) -> None:
    """End whatever a block's users still run, and remove what they left in shared memory."""
    for uid in set(running_as(_users(block)).values()):
        sweep(uid)
    remove_owned(Path(SHARED_MEMORY), _users(block))


def running_as(uids: Collection[int]) -> dict[int, int]:
    """Living processes of these users (by their real ids), but those of containers, whose users are others by the same
    numbers: process id to user id. Ends meanwhile are no error."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, KeyError, ValueError):
                facts = dict(line.split(":", 1) for line in Path(f"/proc/{name}/status").read_text().splitlines())
                uid, containers = int(facts["Uid"].split()[0]), len(facts.get("NSpid", "1").split()) - 1
                if uid in uids and not containers and facts["State"].strip()[0] not in "ZX":
                    found[int(name)] = uid
    return found


def sweep(uid: int, *, orphans: bool = False) -> None:
    """Kill all processes of a user until there are none: as that user, so that nothing else can be hit, all at once,
    so that none can fork away, and with a real id of another, so that none can kill first.

    Args:
        uid: of the user.
        orphans: whether those that have ended are ours to collect.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        _strike(uid)
        if orphans:
            reap()
        if not running_as((uid,)):
            return
        time.sleep(0.001)


def _strike(uid: int) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid + SWEEPER, uid, uid + SWEEPER)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def reap() -> None:
    """Collect the children that have ended; orphans of a worker are the zygote's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
