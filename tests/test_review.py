"""What is said of an assignment before anything of it runs: by its files alone, and with file and line."""

import inspect
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from autograder.assignment import Course, assignment_names, load_assignment, load_course, review
from autograder.assignment._fixtures import FIXTURES
from autograder.errors import AuthoringError
from autograder.starter import build
from autograder.suite.plugin import ChecksPlugin

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "tests" / "course"
HIDDEN, PUBLIC, FACTS = "hidden/test_hidden.py", "public/test_public.py", "assignment.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small course's assignment, to be damaged."""
    shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "course" / "assignments" / "mini"


def reviewed(folder: Path, course: Course | None = None) -> tuple[list[str], list[str]]:
    """Faults, and what is merely said."""
    root = folder.parents[1]
    remarks = review(load_assignment("mini", root), course or load_course(root))
    return [each.text for each in remarks if each.is_fault], [each.text for each in remarks if not each.is_fault]


def test_what_is_in_order_is_not_talked_about(folder: Path) -> None:
    assert reviewed(folder) == ([], [])


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_the_assignments_of_this_course_are_in_order(name: str) -> None:
    assert review(load_assignment(name, ROOT), load_course(ROOT)) == ()


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def add(name: str, text: str = "") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


FAULTS = {
    "points": (
        edit(PUBLIC, "@weight(8)", "@weight(9)"),
        "points of all checks and questions add up to 101, not 100",
    ),
    "numbers": (edit(HIDDEN, '@number("1.2")', '@number("1.1")'), "all have the number 1.1"),
    "checks under another name": (
        add("hidden/checks.py"),
        "hidden/checks.py is ignored: files of checks are",
    ),
    "time": (
        edit(FACTS, "run_seconds = 60.0", "run_seconds = 500"),
        "but Gradescope's 10 minutes leave 450",
    ),
}


@pytest.mark.parametrize(("damage", "told"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    faults, said = reviewed(folder)
    assert (len(faults), said) == (1, [])
    assert told in faults[0]


def test_a_longer_limit_of_the_platform_leaves_more(folder: Path) -> None:
    FAULTS["time"][0](folder)
    assert "minutes = 11 in course.toml" in reviewed(folder)[0][0]
    assert reviewed(folder, Course(folder.parents[1], platform=timedelta(minutes=11))) == ([], [])


@pytest.mark.parametrize("name", ["data.csv", "notes.md", "hidden/notes.txt", "public/example.npy"])
def test_a_file_that_nobody_reads_is_said_and_no_fault(folder: Path, name: str) -> None:
    add(name)(folder)
    assert reviewed(folder) == ([], [f"{folder / name} is ignored: it is not among an assignment's files"])


SHARED = "import pytest\n\n\n@pytest.fixture\ndef width():\n    return 3\n"


def test_hidden_checks_share_fixtures_and_functions(folder: Path) -> None:
    add("hidden/shared.py", SHARED)(folder)
    edit(HIDDEN, "def test_double(agrees, draw, shape):", "def test_double(agrees, draw, shape, width):")(folder)
    edit(HIDDEN, "import numpy as np\n", "import numpy as np\nfrom shared import width\n")(folder)
    assert reviewed(folder) == ([], [])


REFUSED = {
    "a check where none is looked for": (
        add("hidden/shared.py", "def test_all(): ..."),
        r"shared\.py:1: test_all would not run: files of checks are called test_\*\.py",
    ),
    "what is shared and no Python": (add("hidden/shared.py", "def two(:"), r"shared\.py: cannot be parsed"),
    "a misspelt fixture": (
        edit(HIDDEN, "(agrees, draw, shape)", "(agrees, draws, shape)"),
        r"test_hidden\.py:\d+: test_double: no fixture and no parameter is called 'draws'; did you mean 'draw'\?",
    ),
    "a misspelt parameter": (
        edit(HIDDEN, "(agrees, draw, shape)", "(agrees, draw, shapes)"),
        r"test_double: no fixture and no parameter is called 'shapes'; did you mean 'shape'\?",
    ),
    "a public check that asks for the reference": (
        edit(PUBLIC, "(student, expect)", "(reference, student, expect)"),
        r"test_public\.py:\d+: test_double_worked_example asks for 'reference', but public checks run where",
    ),
    "a mistake that is nowhere": (
        edit("mistakes.toml", 'find = "return 2 * x"', 'find = "return 4 * x"'),
        "find occurs nowhere",
    ),
}


@pytest.mark.parametrize(("damage", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_with_its_place(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(AuthoringError, match=told):
        reviewed(folder)


OF_ITS_OWN = '''

@pytest.fixture
def doubled(draw):
    return 2 * draw(3)


@pytest.mark.task("double")
@weight(0)
def test_own(agrees, doubled, request, *, shape=None):
    """double: with a fixture of the file's own"""
'''


def test_fixtures_of_a_file_and_of_pytest_are_known(folder: Path) -> None:
    (folder / HIDDEN).write_text((folder / HIDDEN).read_text() + OF_ITS_OWN)
    assert reviewed(folder) == ([], [])


def test_the_fixtures_that_are_known_are_those_that_there_are() -> None:
    made = {name for name, value in vars(ChecksPlugin).items() if "Fixture" in type(value).__name__}
    assert made == set(FIXTURES)
    assert all(inspect.getdoc(getattr(ChecksPlugin, name)) for name in made)


def test_a_handout_quotes_limits_as_the_facts_have_them(folder: Path) -> None:
    text = "\nAt most {{limit:affine.operations}} operations, {{ limit:affine.target }} times the reference.\n"
    (folder / "handout.md").write_text((folder / "handout.md").read_text() + text)
    built = build(load_assignment("mini", folder.parents[1]))
    for name in ("handout.md", "mini.ipynb"):
        assert "At most 40 operations, 2 times the reference." in built[name].decode()
    add_unknown = (folder / "handout.md").read_text().replace("affine.operations", "affine.operation")
    (folder / "handout.md").write_text(add_unknown)
    with pytest.raises(
        AuthoringError, match=r"there is no limit 'affine\.operation'; did you mean 'affine\.operations'"
    ):
        build(load_assignment("mini", folder.parents[1]))
