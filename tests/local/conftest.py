"""The starter's archive, unpacked, and the local checker in it."""

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.release import bundles, with_hints
from tests.local.home import COMMAND, ENVIRONMENT, MINI, Check, Done


@pytest.fixture(scope="session")
def warm() -> Iterator[subprocess.Popen[str]]:
    """A student's Python with torch imported."""
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        yield process


@pytest.fixture(scope="session")
def starter() -> bytes:
    """What students get."""
    return with_hints(MINI, bundles(MINI))[0].data()


@pytest.fixture
def folder(tmp_path: Path, starter: bytes) -> Path:
    """The starter, unpacked."""
    with zipfile.ZipFile(io.BytesIO(starter)) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "mini"


@pytest.fixture
def check(folder: Path, warm: subprocess.Popen[str]) -> Check:
    """`python check.py …`, by the warm Python."""

    def run(*arguments: str, without: str = "", script: str = "check.py") -> Done:
        assert warm.stdin is not None
        assert warm.stdout is not None
        warm.stdin.write(json.dumps([str(folder / script), arguments, without.split()]) + "\n")
        warm.stdin.flush()
        code = int(warm.stdout.readline())
        return Done(code, (folder.parent / "out").read_text(), (folder.parent / "err").read_text())

    return run


@pytest.fixture
def cold_check(folder: Path) -> Check:
    """The same by a Python of its own, which may lack anything."""

    def run(*arguments: str, without: str = "", encoding: str = "utf-8") -> Done:
        asked = json.dumps([str(folder / "check.py"), arguments, without.split()])
        command = [COMMAND[0], "-P", "-s", *COMMAND[2:]]  # as -I, but it reads the encoding
        environment = ENVIRONMENT | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(
            [*command, asked], env=environment, capture_output=True, encoding=encoding, timeout=300, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
