"""Laboratories: a sandbox in a process of its own, as root and as an ordinary user, to attack from within."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
PRIVATE = "another user cannot read this Python or this clone (a private folder above it)"


@dataclass
class Lab:
    """Experiments on one line; see lab.py."""

    process: "subprocess.Popen[str]"
    hello: dict[str, Any]

    def run(self, source: str, *calls: Any, **options: Any) -> dict[str, Any]:
        """Import a source in a fresh worker and call functions: each call is a name, or a list of name and
        arguments."""
        listed = [[call] if isinstance(call, str) else call for call in calls]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"source": source, "calls": listed, **options}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def value(self, source: str, *call: Any, **options: Any) -> Any:
        """What one function returned."""
        reply = self.run(source, list(call), **options)["replies"][-1]
        assert "value" in reply, reply
        return reply["value"]

    def close(self) -> None:
        """Hang up, and wait for the end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def start_lab(user: int | None, without: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> Lab:
    """A laboratory as this user or another.

    Raises:
        pytest.skip.Exception: the other user cannot read this interpreter or this clone.
    """
    here = Path(__file__).parent / "lab.py"
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(here), str(ROOT), *without],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", **(environment or {})},
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
        )
    except PermissionError:
        pytest.skip(PRIVATE)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line and user is not None:
        pytest.skip(PRIVATE)
    return Lab(process, json.loads(line))


@pytest.fixture(scope="session")
def labs() -> Iterator[Callable[..., Lab]]:
    """`labs("root")`, `labs("nobody", "landlock")`: laboratories by user and protections switched off, made once."""
    made: dict[tuple[str, ...], Lab] = {}

    def lab(user: str, *without: str) -> Lab:
        if os.geteuid() != 0 and user == "root":
            pytest.skip("needs root")
        if (user, *without) not in made:
            uid = NOBODY if user == "nobody" and os.geteuid() == 0 else None
            made[(user, *without)] = start_lab(uid, without)
        return made[(user, *without)]

    yield lab
    for made_lab in made.values():
        made_lab.close()


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planted file that everybody could read if nothing but permissions guarded it."""
    folder = tmp_path_factory.mktemp("secret")
    for parent in (folder, *folder.parents):
        if parent != Path("/tmp") and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    path = folder / "reference.py"
    path.write_text("TOKEN = 'f00dfeed'")
    path.chmod(0o644)
    return path


@pytest.fixture(params=["root", "nobody"])
def lab(request: pytest.FixtureRequest, labs: Callable[..., Lab]) -> Lab:
    """A laboratory with every protection on, once as root and once not."""
    return labs(request.param)
