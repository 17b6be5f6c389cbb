"""A worker sees nothing, changes nothing, reaches nobody, and ends with its check: as root and without root."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import ROOT, Lab
from tests.sandbox.probes import EFFECTS, READS, SYSCALL, SYSCALLS, TRY, source


@pytest.mark.parametrize("how", READS.values(), ids=READS.keys())
def test_a_planted_secret_cannot_be_read_by(how: str, lab: Lab, secret: Path) -> None:
    assert secret.read_text()
    assert lab.value(source(how), "attack", str(secret)) in (
        "PermissionError",
        "FileNotFoundError",
        "OSError",
        "ModuleNotFoundError",
        "RuntimeError",
    )


PROC = ("environ", "cmdline", "maps", "mem", "fd", "cwd", "root", "stat")


OWN_FOLDER = ("self", "cwd")  # a worker may list the folder that is its own


@pytest.mark.parametrize(
    ("whose", "entry"), [(w, e) for w in ("self", "parent", "init") for e in PROC if (w, e) != OWN_FOLDER]
)
def test_proc_tells_nothing(entry: str, whose: str, lab: Lab) -> None:
    who = {"self": '"self"', "parent": "os.getppid()", "init": "1"}[whose]
    read = f"(os.listdir if {entry!r} in ('fd', 'cwd', 'root') else lambda p: open(p, 'rb').read(64))"
    source = f"{TRY}\ndef attack():\n    return attempt(lambda: {read}(f'/proc/{{{who}}}/{entry}'))\n"
    assert lab.value(source, "attack") in ("PermissionError", "FileNotFoundError", "OSError")


def test_the_environment_holds_no_secret(labs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os\ndef attack():\n    return sorted(os.environ)\n"
    names = labs("root").value(source, "attack")
    assert "DEEPGRADE_SECRET" not in names
    assert {"HOME", "TMPDIR"} <= set(names)


WRITES = {
    "the root": "/pwned",
    "/tmp": "/tmp/pwned",
    "/dev/shm": "/dev/shm/pwned",
    "/var/tmp": "/var/tmp/pwned",
    "the project": str(ROOT / "pwned"),
}


@pytest.mark.parametrize("path", WRITES.values(), ids=WRITES.keys())
def test_nothing_can_be_written_to(path: str, lab: Lab) -> None:
    source = f"{TRY}\ndef attack():\n    return attempt(lambda: open({path!r}, 'w'))\n"
    assert lab.value(source, "attack") in ("PermissionError", "FileNotFoundError")
    assert not Path(path).exists()


def test_its_own_folder_can_be_written_and_is_gone_afterwards(lab: Lab) -> None:
    source = "import os, tempfile\ndef honest():\n    open('mine', 'w').write('x')\n    return tempfile.mkdtemp()\n"
    report = lab.run(source, "honest")
    assert report["replies"][0]["value"].startswith(report["cell"])
    assert not Path(report["cell"]).exists()


def test_another_workers_files_cannot_be_reached(lab: Lab) -> None:
    folder = lab.hello["folder"]
    source = f"{TRY}\ndef attack():\n    return attempt(lambda: os.listdir({folder!r}))\n"
    assert lab.value(source, "attack") == "PermissionError"


def test_two_workers_share_no_file(lab: Lab) -> None:
    leave = "import os\ndef leave():\n    open('note', 'w').write('x')\n    return os.path.abspath('note')\n"
    note = lab.value(leave, "leave")
    find = f"{TRY}\ndef find():\n    return attempt(lambda: open({note!r}).read())\n"
    assert lab.value(find, "find") in ("PermissionError", "FileNotFoundError")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86_64")
@pytest.mark.parametrize("number", SYSCALLS.values(), ids=SYSCALLS.keys())
def test_the_filter_refuses(number: int, lab: Lab) -> None:
    source = f"{SYSCALL}\ndef attack():\n    return raw({number}, 0, 0, 0, 0, 0)\n"
    assert lab.value(source, "attack") == -1  # EPERM


@pytest.mark.parametrize("how", EFFECTS.values(), ids=EFFECTS.keys())
def test_it_cannot_have(how: str, lab: Lab, secret: Path) -> None:
    assert lab.value(source(how), "attack", str(secret)) in ("PermissionError", "FileNotFoundError")


def test_no_other_process_can_be_signalled(lab: Lab) -> None:
    victim = subprocess.Popen(["sleep", "60"], user=65534 if os.geteuid() == 0 else None)
    kills = "[attempt(lambda: os.kill(p, signal.SIGKILL)) for p in (pid, os.getppid(), -1)]"
    source = f"{TRY}\ndef attack(pid):\n    return {kills}\n"
    assert lab.value(source, "attack", victim.pid) == ["PermissionError"] * 3
    assert victim.poll() is None
    victim.kill()
    victim.wait()


def test_only_the_two_pipes_and_the_output_are_open(lab: Lab) -> None:
    source = (
        "import os\ndef attack():\n    found = []\n    for fd in range(256):\n        try:\n            os.fstat(fd)\n"
        "            found.append(fd)\n        except OSError:\n            pass\n    return found\n"
    )
    assert lab.value(source, "attack") == [0, 1, 2, 3, 4]


ENDINGS = {
    "os._exit": ("import os\ndef attack():\n    os._exit(0)\n", "exit"),
    "a segmentation fault": ("import ctypes\ndef attack():\n    ctypes.string_at(0)\n", "signal"),
    "abort": ("import os\ndef attack():\n    os.abort()\n", "signal"),
    "an endless loop": ("def attack():\n    while True: pass\n", "timeout"),
    "a loop that ignores signals": (
        "import signal\ndef attack():\n    for s in range(1, 65):\n        try: signal.signal(s, signal.SIG_IGN)\n"
        "        except Exception: pass\n    while True: pass\n",
        "timeout",
    ),
    "stopping itself": ("import os, signal\ndef attack():\n    os.kill(os.getpid(), signal.SIGSTOP)\n", "timeout"),
    "a memory bomb": ("def attack():\n    a = []\n    while True: a.append(bytearray(1 << 24))\n", "memory"),
    "closing its pipes": ("import os\ndef attack():\n    os.closerange(3, 5)\n", "exit"),
    "a forged reply": ("import os\ndef attack():\n    os.write(4, b'x' * 64)\n", "garbled"),
    "a huge header": (
        "import os, struct\ndef attack():\n    os.write(4, struct.pack('<4sIQ', b'DGw1', 2**32 - 1, 2**63))\n",
        "garbled",
    ),
    "a disk bomb": (
        "import time\ndef attack():\n    for i in range(100):\n        open(str(i), 'wb').write(bytes(60 << 20))\n"
        "    time.sleep(9)\n",
        "disk",
    ),
}


@pytest.mark.parametrize(("source", "kind"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_worker_is_lost_to(source: str, kind: str, lab: Lab) -> None:
    reply = lab.run(source, "attack", seconds=2.0)["replies"][-1]
    outcomes = {reply.get("lost"), reply.get("error", {}).get("type")}
    assert kind in outcomes or (kind == "memory" and "MemoryError" in outcomes), reply


RAISED = {
    "SystemExit": "raise SystemExit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "deep recursion": "f = lambda: f()\n    f()",
    "an exception whose text raises": "class E(Exception):\n        def __str__(self): raise ValueError\n    raise E",
    "GeneratorExit": "raise GeneratorExit",
}


@pytest.mark.parametrize("body", RAISED.values(), ids=RAISED.keys())
def test_an_exception_is_an_answer_and_the_worker_lives_on(body: str, lab: Lab) -> None:
    source = f"def attack():\n    {body}\ndef after():\n    return 1\n"
    first, second = lab.run(source, "attack", "after")["replies"]
    assert "error" in first
    assert second["value"] == 1


def test_what_a_worker_starts_ends_with_it(lab: Lab) -> None:
    start = "threading.Thread(target=time.sleep, args=(60,), daemon=False).start()"
    source = f"import threading, time\ndef attack():\n    {start}\n    return 1\n"
    report = lab.run(source, "attack")
    deadline = time.monotonic() + 2
    while Path(f"/proc/{report['pid']}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{report['pid']}").exists()


def test_megabytes_of_output_are_capped_and_harm_nothing(lab: Lab) -> None:
    report = lab.run("def honest():\n    print('x' * (8 << 20))\n    return 1\n", "honest")
    assert report["replies"][-1]["value"] == 1
    assert len(report["output"]) == 64 << 10


def test_each_worker_has_a_user_of_its_own_as_root(labs: Any) -> None:
    lab = labs("root")
    source = "import os\ndef who():\n    return [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()]\n"
    first, second = lab.value(source, "who"), lab.value(source, "who")
    assert first[0] == first[1] == first[2] >= 61_000
    assert first[3] == []
    assert first[0] != second[0]


def test_nothing_hidden_is_in_a_workers_memory(labs: Any) -> None:
    """A token that the grader learns after the fork is nowhere in the memory that the worker can see of itself."""
    source = (
        "import ctypes, gc\ndef attack(half):\n    token = half + 'feed' + half[::-1]\n"
        "    return sum(token in str(o) for o in gc.get_objects() if isinstance(o, str))\n"
    )
    assert labs("root").value(source, "attack", "f00d") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may say so of a process that cannot be dumped")
def test_where_memory_runs_out_the_worker_is_the_first_to_go(labs: Callable[..., Lab]) -> None:
    assert labs("root").run("", oom=True)["oom"] == "1000"
