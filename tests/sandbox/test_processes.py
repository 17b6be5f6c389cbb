"""An assignment may let its submissions start processes: they work, see no more than before, and all end with the
check."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from autograder.sandbox.confine import Confinement
from autograder.sandbox.users import UserIds, reclaim, running_as
from tests.sandbox.conftest import Lab
from tests.sandbox.probes import READS, TRY, source

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="submissions may start processes only where we are root")


@pytest.fixture
def lab(labs: Any) -> Lab:
    """A laboratory whose workers may start processes."""
    made: Lab = labs("root", "+processes")
    return made


HONEST = {
    "a fork": "pid = os.fork() or os._exit(3)\n    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
    "a subprocess": "return len(subprocess.check_output(['/bin/echo', 'xx']))",
    "a pool": "with multiprocessing.get_context('fork').Pool(2) as pool: return pool.map(len, ['abc', 'abc'])[0]",
    "workers of a DataLoader": (
        "loader = torch.utils.data.DataLoader(torch.arange(6.0), batch_size=2, num_workers=2)\n"
        "    return len([batch.sum().item() for batch in loader])"
    ),
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_what_needs_processes_works(body: str, lab: Lab) -> None:
    text = f"import multiprocessing, os, subprocess, torch, torch.utils.data\ndef honest():\n    {body}\n"
    assert lab.value(text, "honest", seconds=30.0, memory_mb=1024) == 3


@pytest.mark.parametrize("how", READS.values(), ids=READS.keys())
def test_a_planted_secret_cannot_be_read_even_so_by(how: str, lab: Lab, secret: Path) -> None:
    reply = lab.run(source(how), ["attack", str(secret)])
    assert reply["replies"][-1].get("value") != "succeeded"
    assert "f00dfeed" not in str(reply)


SURVIVORS = {
    "a daemon": "os.fork() or (os.setsid(), os.fork() or time.sleep(60))",
    "many": "[os.fork() or time.sleep(60) for _ in range(20)]",
    "an endless line of heirs": "os.fork() or [os.fork() and os._exit(0) for _ in iter(int, 1)]",
    "one that ignores signals": "os.fork() or ([signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)], time.sleep(60))",
    "one that kills whom it can": "os.fork() or [attempt(lambda: os.kill(-1, 9)) for _ in iter(int, 1)]",
    "one that stopped": "os.fork() or os.kill(os.getpid(), signal.SIGSTOP)",
    "a program": "os.spawnv(os.P_NOWAIT, '/bin/sleep', ['sleep', '60'])",
    "shared memory": "__import__('multiprocessing.shared_memory').shared_memory.SharedMemory('left', True, 64)",
}


@pytest.mark.parametrize("action", SURVIVORS.values(), ids=SURVIVORS)
def test_nothing_outlives_the_check(action: str, lab: Lab) -> None:
    text = f"{TRY}\ndef attack():\n    {action}\n    return 1\ndef later():\n    time.sleep(0.1)\n"
    report = lab.run(text, "attack", "later", seconds=2.0)
    assert not running_as((report["uid"],))
    assert not [path for path in Path("/dev/shm").iterdir() if path.lstat().st_uid == report["uid"]]
    assert lab.value("def honest():\n    return 2\n", "honest") == 2


def test_memory_of_all_processes_counts(lab: Lab) -> None:
    hold = "[os.fork() or (kept.append(bytearray(b'x') * (200 << 20)), time.sleep(60)) for _ in range(4)]"
    text = f"{TRY}\nkept = []\ndef attack():\n    {hold}\n    time.sleep(60)\n"
    assert lab.run(text, "attack", seconds=20.0, memory_mb=256)["replies"][-1]["lost"] == "memory"


def test_the_network_stays_closed(lab: Lab) -> None:
    text = f"{TRY}\ndef attack():\n    return [attempt(lambda: socket.socket(f)) for f in (2, 10, 16, 17, 38, 40)]\n"
    assert set(lab.value(text, "attack")) == {"PermissionError"}


def test_what_a_killed_grading_left_ends_with_the_next_that_takes_its_users() -> None:
    held = UserIds()
    uid = held.take()
    left = subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[])
    assert left.pid in running_as((uid,))
    reclaim(held.block)
    assert left.poll() is None, "another grading still holds these users"
    held._lock.close()
    reclaim(held.block)
    assert left.wait(5) == -signal.SIGKILL


def test_without_root_it_is_refused_with_the_reason() -> None:
    weakness = Confinement(uid=False, landlock=6, seccomp=True, processes=True).weakness()
    assert weakness is not None
    assert "[limits] processes" in weakness
    assert Confinement(uid=True, landlock=6, seccomp=True, processes=True).weakness() is None
