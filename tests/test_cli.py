"""The command line: exit codes, messages, and the files that commands write. Most through a process, as users have
it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import jsonschema
import pytest

from autograder.assignment import load_assignment
from autograder.cli import cli
from autograder.errors import UsageError
from autograder.release.new import create
from autograder.starter import write

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "tests" / "course"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# A course of its own for the command line: the package is copied beside the small course, as in a clone.
PACKAGE = shutil.ignore_patterns("__pycache__")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the small course in it: package, assignments, solutions, starter."""
    root = tmp_path_factory.mktemp("clone")
    root.chmod(0o755)
    shutil.copytree(ROOT / "autograder", root / "autograder", ignore=PACKAGE)
    for room in ("assignments", "solutions"):
        shutil.copytree(COURSE / room, root / room, ignore=PACKAGE)
    for file in (ROOT / "pyproject.toml", ROOT / "constraints.txt", COURSE / "course.toml"):
        shutil.copy(file, root / file.name)
    return root


@pytest.fixture(scope="module")
def run(course: Path) -> Run:
    """`python -m autograder …` in that clone."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(course), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "autograder", *arguments]
        return subprocess.run(
            command, cwd=course, env=environment | more, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def no_traceback(done: subprocess.CompletedProcess[str]) -> bool:
    return "Traceback" not in done.stdout + done.stderr


# Usage ------------------------------------------------------------------------------------------------------------

MISUSED = {
    "an assignment that does not exist": (("grade", "minni", "x.py"), "no assignment 'minni'; did you mean 'mini'?"),
    "and which there are": (("grade", "other", "x.py"), "There are: "),
    "a starter that does not exist": (("starter", "minni"), "did you mean 'mini'?"),
    "an audit that does not exist": (("audit", "minni"), "did you mean 'mini'?"),
    "a release that does not exist": (("release", "minni"), "did you mean 'mini'?"),
    "a command that does not exist": (("graed",), "No such command 'graed'"),
    "an option that does not exist": (("grade", "--sede", "1", "mini", "x.py"), "No such option"),
    "a seed that is no number": (("grade", "--seed", "x", "mini", "x.py"), "'x' is not a valid integer"),
    "a negative seed": (("grade", "--seed", "-1", "mini", "x.py"), "Invalid value for '--seed'"),
    "no submission": (("grade", "mini"), "Missing argument 'SUBMISSION'"),
    "a name that is a keyword": (("new", "class"), "'class' cannot name an assignment"),
    "a name with a path": (("new", "../x"), "'../x' cannot name an assignment"),
    "a name that is taken": (("new", "mini"), "mini exists already"),
}


@pytest.mark.parametrize(("arguments", "told"), MISUSED.values(), ids=MISUSED.keys())
def test_wrong_usage_is_64_and_one_message(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.returncode == 64, done.stderr
    assert told in done.stderr
    assert no_traceback(done)


# Grading ----------------------------------------------------------------------------------------------------------


def test_grade_writes_results_and_a_report(run: Run, course: Path, tmp_path: Path) -> None:
    done = run("grade", "mini", "solutions/mini.py", "--seed", "7", "--out", str(tmp_path / "there"))
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "there" / "results.json").read_text())
    jsonschema.validate(results, json.loads((course / "autograder" / "results" / "results.schema.json").read_text()))
    assert (results["score"], results["extra_data"]["seed"]) == (100, 7)
    page = (tmp_path / "there" / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "A small assignment" in page
    assert "100" in done.stdout


def test_json_is_what_is_written_and_nothing_else(run: Run, tmp_path: Path) -> None:
    stub = tmp_path / "mini.py"
    write(load_assignment("mini", COURSE), tmp_path / "starter")
    stub.write_bytes((tmp_path / "starter" / "mini.py").read_bytes())
    done = run("grade", "mini", str(stub), "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "out" / "results.json").read_text())
    assert printed["score"] == 0


def test_a_submission_that_cannot_be_read_is_2_and_has_results(run: Run, tmp_path: Path) -> None:
    done = run("grade", "mini", "nowhere.py", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "nowhere.py" in done.stdout + done.stderr
    assert json.loads((tmp_path / "results.json").read_text())["score"] == 0
    assert no_traceback(done)


def test_an_assignment_that_is_not_in_order_is_65(run: Run, course: Path, tmp_path: Path) -> None:
    facts = course / "assignments" / "mini" / "assignment.toml"
    whole = facts.read_text()
    try:
        facts.write_text(whole.replace('title = "A small', 'titel = "A small'))
        done = run("grade", "mini", "solutions/mini.py", "--out", str(tmp_path))
    finally:
        facts.write_text(whole)
    assert done.returncode == 65
    assert "titel" in done.stderr
    assert "title" in done.stderr
    assert no_traceback(done)


def test_a_folder_that_cannot_be_written_is_3_and_named_and_the_result_is_shown_all_the_same(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = run("grade", "mini", "nowhere.py", "--out", str(tmp_path / "file"))
    assert done.returncode == 3
    assert "there is no file" in done.stdout
    assert str(tmp_path / "file") in done.stderr
    assert no_traceback(done)


# Starter, release, new --------------------------------------------------------------------------------------------


def test_starter_builds_and_check_finds_drift(run: Run, course: Path) -> None:
    assert run("starter", "--check").returncode == 65, "nothing is built yet"
    built = run("starter")
    assert (built.returncode, built.stdout) == (0, "built student_starter/mini\n")
    assert run("starter", "--check", "mini").returncode == 0
    stub = course / "student_starter" / "mini" / "mini.py"
    stub.write_text(stub.read_text() + "# changed by hand\n")
    (stub.parent / "stray.py").write_text("")
    done = run("starter", "--check")
    assert done.returncode == 65
    assert f"{stub} is not what would be built" in done.stderr
    assert "stray.py is not part of the starter" in done.stderr
    assert stub.read_text().endswith("# changed by hand\n"), "checking writes nothing"


def test_an_assignment_with_exceptions_is_not_released_and_a_new_one_has_none(
    run: Run, course: Path, tmp_path: Path
) -> None:
    """What `new` writes passes its own audit but for what is changed here: a mistake that claims another check. How one
    without exceptions is released, test_wheel.py shows."""
    made = run("new", "hopfield")
    assert (made.returncode, made.stdout.count("wrote ")) == (0, 7)
    mistakes = course / "assignments" / "hopfield" / "mistakes.toml"
    mistakes.write_text(mistakes.read_text().replace('"test_scale", ', ""))
    done = run("release", "hopfield", "--out", str(tmp_path / "again"))
    assert done.returncode == 65
    (exception,) = re.findall(r"^\w+ [\w-]+.* \(seed 1\): .*", done.stdout, re.MULTILINE)
    assert "loses test_scale" in exception
    assert "hopfield is not released: its audit has exceptions" in done.stderr
    assert no_traceback(done)
    assert not (tmp_path / "again").exists()


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A course with a new assignment."""
    (tmp_path / "assignments").mkdir()
    create("hopfield", tmp_path)
    return tmp_path


def test_a_new_assignment_is_never_written_over_another(fresh: Path) -> None:
    with pytest.raises(UsageError, match="hopfield exists already"):
        create("hopfield", fresh)
    shutil.rmtree(fresh / "assignments" / "hopfield")
    with pytest.raises(UsageError, match=r"solutions/hopfield\.py exists already"):
        create("hopfield", fresh)
    assert not (fresh / "assignments" / "hopfield").exists()


@pytest.mark.parametrize("name", ["", "Conv", "my-task", "1st", "a b", "lambda", "a/b", "..", "x.py"])
def test_a_name_that_cannot_be_a_module_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "assignments").mkdir()
    with pytest.raises(UsageError, match="cannot name an assignment"):
        create(name, tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "assignments"]


# Pages ------------------------------------------------------------------------------------------------------------


def options_of(command: str) -> set[str]:
    """Every option of a command, as its help shows them."""
    assert isinstance(cli, click.Group)
    found = cli.commands[command]
    shown = found.get_help(click.Context(found, info_name=command))
    return set(re.findall(r"(--[a-z-]+)", shown)) | {"--help", "-h"}


def commands_in(page: Path) -> set[tuple[str, str]]:
    """Command and arguments wherever a page quotes one; inline code may run over the end of a line."""
    quoted = re.findall(r"```(?!python|toml).*?```|`[^`]+`", page.read_text("utf-8"), re.DOTALL)
    lines = "\n".join(text if text.startswith("```") else text.replace("\n", " ") for text in quoted)
    return set(re.findall(r"\bdeepgrade ([a-z]+)([^\n`#|;]*)", lines))


NAMED = sorted(
    {
        (page.name, command, option)
        for page in PAGES
        for command, rest in commands_in(page)
        for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", rest)
    }
)


@pytest.mark.parametrize(("page", "command", "option"), NAMED, ids="-".join)
def test_an_option_that_a_page_names_exists(page: str, command: str, option: str) -> None:
    assert option in options_of(command), page


def test_pages_name_options() -> None:
    assert NAMED, "the search finds some"


def test_every_command_says_what_it_does(run: Run) -> None:
    assert isinstance(cli, click.Group)
    shown = run("--help").stdout
    for name, command in cli.commands.items():
        assert re.search(rf"^  {name} +\S", shown, re.MULTILINE)
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))
