"""The recipe of the container: what it copies is there, and all that a wheel is made of is copied."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPE = (ROOT / "Containerfile").read_text("utf-8")
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
LINES = [line for line in RECIPE.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
COPIED = [word for line in LINES if line.startswith("COPY ") for word in shlex.split(line)[1:-1]]


@pytest.mark.parametrize("name", COPIED)
def test_what_is_copied_is_there_and_is_let_in(name: str) -> None:
    assert (ROOT / name).exists()
    assert any(line == f"!{name}" for line in IGNORED)
    assert not any(fnmatch(name, line) for line in IGNORED if not line.startswith("!") and line != "*")


def test_nothing_else_gets_into_the_image() -> None:
    assert "*" in IGNORED
    assert {line.removeprefix("!") for line in IGNORED if line.startswith("!")} == {*COPIED}


def test_all_that_a_wheel_is_made_of_is_copied() -> None:
    """As the tests of the wheel copy it; links within the package lead to it."""
    links = {path.resolve() for path in (ROOT / "autograder").rglob("*") if path.is_symlink()}
    assert {path.relative_to(ROOT).as_posix() for path in links} <= {*COPIED}
    assert {"pyproject.toml", "README.md", "LICENSE", "autograder"} <= {*COPIED}


def test_every_line_is_an_instruction_and_the_base_can_be_chosen() -> None:
    known = ("ARG", "FROM", "RUN", "COPY", "ENV", "WORKDIR", "ENTRYPOINT", "CMD")
    assert [line for line in LINES if line.split()[0] not in known] == []
    assert LINES[0] == "ARG BASE=docker.io/library/python:3.12-slim"
    assert re.search(r"^FROM \$\{BASE\}$", RECIPE, re.MULTILINE)
    assert 'ENTRYPOINT ["deepgrade"]' in LINES
