"""The house: style, types, targets that set themselves up, pins, arrows between rooms, pages that tell the truth."""

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from click import Group
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autograder.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "autograder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HOUSE = ("Makefile", "pyproject.toml", "constraints.txt", ".ci")
ACCELERATOR = ("nvidia-", "cuda-", "triton", "intel-", "pytorch-triton")  # pinned by torch itself, where it brings them
PAGES = sorted(path for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md"))


def ran(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command, its output as text."""
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600)


def tracked_files() -> list[Path]:
    """What a clone holds."""
    listed = ran("git", "ls-files", "-z")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


# Style and types --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("ruff", "check", "."), id="style"),
        pytest.param(("ruff", "format", "--check", "."), id="format"),
        pytest.param(("mypy",), id="types"),
    ],
)
def test_the_tree_is_in_order(command: tuple[str, ...]) -> None:
    done = ran(sys.executable, "-m", *command)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_idea(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text)), "a module says what it is for"


# Targets ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of what the targets are made of, without an environment."""
    for name in HOUSE:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


def planned(house: Path, *arguments: str) -> str:
    """What make would do; the environment's variables are ours, not those of a make that runs this test."""
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    done = subprocess.run(["make", "-n", *arguments], cwd=house, env=keep, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def targets() -> dict[str, str]:
    """Every target that says what it is for, and what it says."""
    return dict(re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_target_is_explained_and_listed() -> None:
    named = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named == set(targets())
    listed = ran("make", "--no-print-directory", "help").stdout
    assert all(re.search(rf"make {name} +\S", listed) for name in named)


@pytest.mark.parametrize("target", sorted(set(targets()) - {"help", "clean"}))
def test_a_target_sets_up_what_it_needs_and_only_once(house: Path, target: str) -> None:
    first = planned(house, target)
    assert first.count(".ci/setup .venv") == 1
    stamp = house / re.findall(r"touch (\S+)", first)[0]
    stamp.parent.mkdir()
    stamp.touch()
    assert ".ci/setup" not in planned(house, target)
    (house / "constraints.txt").write_text("torch==9.9\n")
    assert ".ci/setup .venv" in planned(house, target)


def test_a_python_that_is_given_is_used_as_it_is(house: Path) -> None:
    plan = planned(house, "test", "PY=some-python")
    assert plan.startswith("some-python -m pytest")
    assert ".ci/setup" not in plan


def test_grade_needs_no_arguments_and_takes_three(house: Path) -> None:
    assert 'grade conv "tests/submissions/conv/wrong/half_right.py" --out "out"' in planned(house, "grade")
    given = planned(house, "grade", "ASSIGNMENT=lstm", "SUBMISSION=my work.py", "OUT=there")
    assert 'grade lstm "my work.py" --out "there"' in given


def test_continuous_integration_runs_the_suite() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make test"


@pytest.mark.parametrize("name", ["run", "setup", "python"])
def test_scripts_of_the_house_can_be_run(name: str) -> None:
    script = ROOT / ".ci" / name
    assert script.stat().st_mode & stat.S_IXUSR
    assert ran("bash", "-n", str(script)).returncode == 0


# Setting up -------------------------------------------------------------------------------------------------------


def script(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "pythons, chosen",
    [
        pytest.param({"a/python3.11": "private", "b/python3.12": "shared"}, "b/python3.12", id="shared goes first"),
        pytest.param({"a/python3.13": "shared", "b/python3.11": "shared"}, "b/python3.11", id="3.11 goes first"),
        pytest.param(
            {"a/python3.11": "", "b/python3.11": "shared"}, "b/python3.11", id="one that cannot is passed over"
        ),
        pytest.param({"a/python3": "private", "b/python3.9": "shared"}, "a/python3", id="private is better than none"),
        pytest.param({"a/python3.9": "shared", "b/python3.12": ""}, None, id="none"),
    ],
)
def test_the_python_is_one_that_workers_can_read(tmp_path: Path, pythons: dict[str, str], chosen: str | None) -> None:
    for name, answer in pythons.items():
        script(tmp_path / name, f"echo {answer}" if answer else "exit 1")
    path = f"{tmp_path / 'a'}:{tmp_path / 'b'}"
    done = ran("/bin/sh", str(ROOT / ".ci" / "python"), PATH=path)
    assert (done.returncode, done.stdout.strip()) == ((0, str(tmp_path / chosen)) if chosen else (1, ""))
    assert bool(chosen) or "python3-venv" in done.stderr


def test_the_probe_knows_a_python_that_others_cannot_read(tmp_path: Path) -> None:
    """The real probe, on this Python: shared where its folders are, private where one of them is not."""
    probe = re.findall(r"^probe='(.*?)'$", (ROOT / ".ci" / "python").read_text(), re.MULTILINE | re.DOTALL)[0]
    tmp_path.chmod(0o700)
    private = f"import sys; sys.base_prefix = {str(tmp_path)!r}\n{probe}"
    assert ran(sys.executable, "-c", private).stdout == "private\n"
    assert ran(sys.executable, "-c", f"import sys; sys.base_prefix = '/usr'\n{probe}").stdout == "shared\n"
    assert ran(sys.executable, "-c", f"import sys; sys.version_info = (3, 10)\n{probe}").stdout == ""


def set_up(house: Path, has: str, **environment: str) -> tuple[list[str], str]:
    """What .ci/setup asks of pip in a house whose index has torch in the builds `has`, and what it says."""
    log = house / "asked"
    answer = f'case "$*" in *"torch==2.13.0+cpu"*) exit {0 if "+cpu" in has else 1};; esac'
    script(house / ".venv" / "bin" / "python", f'case "$*" in *pip*) echo "$*" >> {log};; esac\n{answer}')
    done = subprocess.run(
        ["/bin/sh", ".ci/setup", ".venv"],
        cwd=house,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [line.partition("install ")[2] for line in log.read_text().splitlines()], done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere torch is a CPU build by itself")
def test_on_linux_the_small_torch_is_asked_for_first(house: Path) -> None:
    asked, said = set_up(house, has="+cpu")
    assert asked[0] == "--no-deps torch==2.13.0+cpu"
    assert all("torch" not in request for request in asked[1:])
    assert said == ""
    assert any(request.endswith("--editable .[dev,notebook,cluster,similarity]") for request in asked)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere torch is a CPU build by itself")
def test_where_there_is_no_small_torch_the_large_one_is_taken_and_said_so(house: Path) -> None:
    asked, said = set_up(house, has="", TORCH_INDEX="file:///wheels")
    assert asked[:2] == [
        "--no-deps --index-url file:///wheels torch==2.13.0+cpu",
        "--constraint constraints.txt torch==2.13.0",
    ]
    assert "gigabytes" in said
    assert "TORCH_INDEX" in said


def test_the_build_of_torch_can_be_chosen(house: Path) -> None:
    asked, said = set_up(house, has="", TORCH_BUILD="")
    assert asked[0] == "--no-deps torch==2.13.0"
    assert said == ""


# Versions ---------------------------------------------------------------------------------------------------------


def pins() -> dict[str, str]:
    """Pinned versions by distribution."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return dict(line.split("==") for line in lines if line)


def declared() -> list[Requirement]:
    """What the project asks for, extras included."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [
        Requirement(text)
        for text in [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]
    ]


def needed() -> Iterator[str]:
    """Every distribution that an installation of this project brings here."""
    todo, seen = declared(), set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            below = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # of the extra `docs`, which only `make site` installs
            continue
        yield name
        todo += [each for each in below if each.marker is None or each.marker.evaluate({"extra": ""})]


def test_every_distribution_that_is_installed_is_pinned() -> None:
    assert [name for name in needed() if name not in pins() and not name.startswith(ACCELERATOR)] == []


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_a_pin_is_within_what_is_declared(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])
    assert [each.operator for each in requirement.specifier] == [">="], "a lower bound, and no upper one"


def test_the_module_can_be_run() -> None:
    done = ran(sys.executable, "-m", "autograder", "--version")
    assert done.stdout.strip().startswith("deepgrade, version ")


# Arrows -----------------------------------------------------------------------------------------------------------


def rooms() -> dict[str, set[str]]:
    """Each room of the package, and the rooms that it imports, functions included."""
    arrows: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            arrows.setdefault(room, set()).update(imported(path) - {room})
    return arrows


def imported(path: Path) -> set[str]:
    """Rooms that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module] if node.module != "autograder" else [f"autograder.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("autograder.")}
    return found & {entry.name.removesuffix(".py") for entry in PACKAGE.iterdir()}


def test_arrows_between_rooms_never_form_a_ring() -> None:
    order = list(TopologicalSorter(rooms()).static_order())
    assert order.index("errors") < order.index("checks") < order.index("grading") < order.index("cli")


def test_only_the_command_line_knows_of_classes() -> None:
    assert [room for room, uses in rooms().items() if "classes" in uses] == ["cli"]


@pytest.mark.parametrize(
    "room, may_use",
    [
        ("plain", set()),
        ("errors", set()),
        ("assignment", {"errors", "syntax"}),
        ("results", {"errors", "plain"}),
        ("sandbox", {"errors"}),
        ("proof", {"errors", "sandbox"}),
        ("checks", {"assignment", "errors", "proof", "sandbox", "submission", "syntax"}),
        ("suite", {"assignment", "checks", "errors", "proof", "sandbox", "submission"}),
        ("classes", {"assignment", "errors", "grading", "plain", "release", "results", "starter", "submission"}),
        (
            "local",
            {"assignment", "checks", "errors", "plain", "proof", "results", "sandbox", "submission", "suite", "syntax"},
        ),
    ],
)
def test_a_room_uses_only_what_lies_below_it(room: str, may_use: set[str]) -> None:
    assert rooms()[room] <= may_use


# Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        assert "://" not in target, f"{page.name} refers to {target}"
        assert (page.parent / target).exists(), f"{page.name} refers to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    assert isinstance(cli, Group)
    quoted = " ".join(re.findall(r"```(?!python|toml).*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", quoted)) <= targets().keys()
    assert set(re.findall(r"\bdeepgrade ([a-z]+)\b", quoted)) <= cli.commands.keys()


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/architecture.md"])
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 500


def test_the_readme_begins_with_the_two_commands() -> None:
    assert re.findall(r"^(make \w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)[:2] == [
        "make grade",
        "make test",
    ]


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [room for room in rooms() if f"`{room}" not in page] == [], "rooms that docs/architecture.md does not name"


def test_nothing_names_a_machine_or_a_registry() -> None:
    forbidden = re.compile(
        r"/(?:root|home|work|Users)/[a-z]|\b(?:pypi|pythonhosted|anaconda)\.(?:org|com)|download\.pytorch"
    )
    for path in tracked_files():
        found = forbidden.search(path.read_bytes().decode("utf-8", "replace"))
        assert not found, f"{path.relative_to(ROOT)} names {found and found[0]}"
