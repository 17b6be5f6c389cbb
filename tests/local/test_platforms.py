"""The local checker on Windows and macOS, as far as Linux can tell, and under Pythons that are too old."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.starter import build
from tests.local.home import (
    COMMAND,
    ENVIRONMENT,
    FAILED,
    MINI,
    OTHER,
    REFERENCE,
    Check,
    limited,
    with_checks,
)

ELSEWHERE = (
    "fcntl resource pwd grp termios os.fork os.readv os.writev os.fchmod signal.pthread_kill signal.setitimer "
    "signal.SIGALRM signal.SIGKILL os.setuid os.getuid"
)


def test_nothing_is_needed_that_only_linux_has(folder: Path, cold_check: Check) -> None:
    limited(folder, 0.5)
    with_checks(folder, OTHER.replace("is None", "is not None"))
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "while True: pass"))
    done = cold_check("mini.py", "--report", without=f"{ELSEWHERE} gradescope_utils", encoding="cp1252")
    assert "Your code did not return within 0.5 s. It was at line " in done.out, done.out + done.err
    assert "+ 2.1     2/2  other: scales" in done.out
    assert done.code == 1
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("script", ["check.py", "submit.py"])
def test_line_ends_and_spaces_of_windows_do_no_harm(folder: Path, check: Check, script: str) -> None:
    for path in [*folder.glob("*.py"), *folder.glob("public/*"), folder / "assignment.toml"]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (folder / "my work (1).py").write_bytes(
        REFERENCE.replace("return 2 * x", "return 3 * x").replace("\n", "\r\n").encode()
    )
    done = check("my work (1).py", script=script)
    assert FAILED in done.out, done.out + done.err
    assert "This is three times x: count again." in done.out
    assert done.code == 1


def test_a_folder_may_have_spaces_in_its_name(folder: Path, cold_check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    spaced = folder.rename(folder.with_name("my homework (2)"))
    asked = json.dumps([str(spaced / "check.py"), ["mini.py"], []])
    done = subprocess.run([*COMMAND, asked], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


LINES = re.findall(r"^    python (\S+) *([^#\n]*?) *(?:#.*)?$", build(MINI)["README.md"].decode(), re.MULTILINE)


@pytest.mark.parametrize(("script", "words"), LINES, ids=[" ".join(line).strip() for line in LINES])
def test_every_line_of_the_readme_works_as_on_windows(folder: Path, script: str, words: str) -> None:
    """From a folder with spaces in its path, with the line ends of Windows in it, on a console with cp1252."""
    (folder / "mini.py").write_text(REFERENCE)
    for path in [*folder.glob("*.py"), *folder.glob("*.ipynb"), *folder.glob("public/*"), folder / "assignment.toml"]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    home = folder.rename(folder.with_name("Hausübung (2) für mich"))
    asked = json.dumps([str(home / script), words.split(), []])
    command = [COMMAND[0], "-P", "-s", *COMMAND[2:], asked]
    environment = ENVIRONMENT | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, encoding="cp1252", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = "usage: check.py" if words == "--help" else "+ 1.1 "
    assert told in done.stdout and done.stderr == ""


@pytest.mark.parametrize("script", ["check.py", "submit.py"])
def test_an_old_python_is_told_so_in_a_sentence(folder: Path, script: str) -> None:
    ast.parse((folder / script).read_text(), feature_version=(3, 0))
    old = f"import runpy, sys; sys.version_info = (3, 10); sys.path[:0] = [{str(folder)!r}]; "
    old += f"runpy.run_path({str(folder / script)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", old], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert re.fullmatch(r"Python 3\.11 or newer is needed; this is 3\.\S+\n", done.stderr)
