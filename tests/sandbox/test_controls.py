"""Positive controls: each protection is what stops an attack. With it the attack fails, without it the same attack
succeeds; a protection whose loss nobody notices is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import Lab, start_lab

Labs = Callable[..., Lab]


@dataclass(frozen=True)
class Control:
    """An attack that one protection holds.

    Attributes:
        body: of the function that is called with the path of a secret; "succeeded" is what it returns on success.
        user: whose laboratory.
        off: the protection that is switched off.
        besides: others that are off both times, since they would hold the attack too.
    """

    body: str
    user: str
    off: str
    besides: tuple[str, ...] = ()


READ = "open(path).read(); return 'succeeded'"
CONTROLS = {
    "Landlock: another file": Control(READ, "nobody", "landlock"),
    "Landlock: writing elsewhere": Control(
        "open('/tmp/deepgrade-control', 'w').close(); os.unlink('/tmp/deepgrade-control'); return 'succeeded'",
        "root",
        "landlock",
    ),
    "a user of its own: a file of root's alone": Control(READ, "root", "uid", ("landlock",)),
    "seccomp: a process": Control("os.fork() or os._exit(0); return 'succeeded'", "root", "seccomp"),
    "seccomp: the network": Control("socket.socket().close(); return 'succeeded'", "root", "seccomp"),
    "seccomp: a signal to the parent": Control(
        "os.kill(os.getppid(), 0); return 'succeeded'", "nobody", "seccomp", ("landlock",)
    ),
    "the limits: descriptors": Control(
        "kept = [os.dup(0) for _ in range(200)]; return 'succeeded'", "root", "limits"
    ),
    "the limits: the size of a file": Control(
        "open('f', 'wb').truncate(1 << 30); return 'succeeded'", "root", "limits"
    ),
    "the limits: memory": Control(
        "return 'succeeded' if len(bytearray(600 << 20)) else None", "root", "limits", ("watch",)
    ),
    "not dumpable: its own memory": Control(
        "open('/proc/self/mem', 'rb').close(); return 'succeeded'", "nobody", "dumpable", ("landlock",)
    ),
    "closed descriptors": Control("return 'succeeded' if len(os.listdir('/proc/self/fd')) > 7 else 'few'",
        "root", "descriptors", ("landlock", "dumpable")),
    "the watch: files": Control(
        "kept = [open(f'f{n}', 'wb').write(bytes(60 << 20)) for n in range(3)]; time.sleep(0.3); return 'succeeded'",
        "root", "watch"),
    "the watch: files without a name": Control(
        """
    kept = []
    for n in range(4):
        kept.append(open('f', 'wb'))
        kept[-1].write(bytes(60 << 20))
        os.unlink('f')
    time.sleep(0.3)
    return 'succeeded'""", "root", "watch"),
    "the watch: files without a name, mapped": Control(
        """
    import mmap
    kept = []
    for n in range(40):
        with open('f', 'w+b') as file:
            file.truncate(1 << 20)
            kept.append(mmap.mmap(file.fileno(), 4096))
        os.unlink('f')
    time.sleep(0.3)
    return 'succeeded'""", "root", "watch"),
    "caps: parts of an answer": Control("return ['succeeded'] * 150_000", "root", "number of parts"),
    "the mask of modes": Control(
        "open('f', 'w').close(); return 'succeeded' if os.stat('f').st_mode & 0o077 else 'closed'", "root", "umask"
    ),
}  # fmt: skip


def outcome(lab: Lab, control: Control, secret: Path) -> Any:
    """Of the attack: what it returned, or what came instead."""
    body = control.body if control.body.startswith("\n") else f"\n    {control.body}"
    source = f"import os, socket, time\ndef attack(path):{body}\n"
    reply = lab.run(source, ["attack", str(secret)], memory_mb=256)["replies"][-1]
    value = reply.get("value")
    return value[0] if isinstance(value, list) else value or reply


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_a_protection_is_what_stops_an_attack(control: Control, labs: Labs, secret: Path) -> None:
    if control.off == "uid":
        secret.chmod(0o600)
    assert outcome(labs(control.user, *control.besides), control, secret) != "succeeded"
    assert outcome(labs(control.user, *control.besides, control.off), control, secret) == "succeeded"


def test_output_is_kept_up_to_its_cap(labs: Labs) -> None:
    source = "def attack():\n    print('x' * (1 << 20))\n"
    assert len(labs("root").run(source, "attack")["output"]) == 64 << 10
    assert len(labs("root", "output cap").run(source, "attack")["output"]) > 64 << 10


def test_a_header_over_its_cap_is_refused_before_it_is_read(labs: Labs) -> None:
    forged = "os.write(4, struct.pack('<4sIQ', b'DGw1', 5 << 20, 0))"
    source = f"import os, struct, time\ndef attack():\n    {forged}\n    time.sleep(60)\n"
    assert labs("root").run(source, "attack", seconds=1.0)["replies"][-1]["lost"] == "garbled"
    assert labs("root", "header cap").run(source, "attack", seconds=1.0)["replies"][-1]["lost"] == "timeout"


def test_only_a_clean_environment_keeps_a_secret_from_workers() -> None:
    source = "import os\ndef attack():\n    return os.environ.get('DEEPGRADE_SECRET')\n"
    for environment, seen in (({}, None), ({"DEEPGRADE_SECRET": "s"}, "s")):
        lab = start_lab(None, environment=environment)
        assert lab.value(source, "attack") == seen
        lab.close()
