"""Bundles: the same bytes every time, nothing of the solution in what students get, all that Gradescope's needs."""

import io
import json
import shutil
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from autograder.assignment import Assignment, assignment_names, load_assignment, suite_digest
from autograder.errors import AuthoringError, GraderError
from autograder.release import Bundle, bundles, prove, with_hints, with_outputs, write_bundles
from autograder.starter import build, solved_source

COURSE = Path(__file__).parent / "course"
ROOT = COURSE.parents[1]
MINI = load_assignment("mini", COURSE)


@pytest.fixture(scope="module")
def made() -> dict[str, Bundle]:
    """The bundles of the small course, by their role."""
    return {bundle.name.removeprefix("mini-").removesuffix(".zip"): bundle for bundle in bundles(MINI)}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the small course, to be damaged."""
    return Path(shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__")))


def contents(data: bytes) -> dict[str, bytes]:
    """Every file of a zip, those of a zip inside it too."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            found[name] = archive.read(name)
            if zipfile.is_zipfile(io.BytesIO(found[name])):
                found |= {f"{name}/{inner}": text for inner, text in contents(found[name]).items()}
    return found


def replaced(course: Path, old: str, new: str) -> Assignment:
    """The assignment of a course whose reference has one piece replaced."""
    path = course / "solutions" / "mini.py"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    return load_assignment("mini", course)


# Repeatable -------------------------------------------------------------------------------------------------------


def test_bundles_are_the_same_bytes_every_time(made: dict[str, Bundle], course: Path) -> None:
    """Also of a copy elsewhere, whose files have other times."""
    again = bundles(load_assignment("mini", course))
    assert [bundle.name for bundle in again] == [f"mini-{role}.zip" for role in ("starter", "autograder", "solution")]
    starter, autograder, solution = again
    assert starter.data() == made["starter"].data()
    assert autograder.data() == made["autograder"].data()
    assert solution.data() == made["solution"].data()


def test_bundles_of_a_checkout_on_windows_are_the_same_bytes(course: Path) -> None:
    here = [bundle.data() for bundle in bundles(load_assignment("mini", course), "secret")]
    for path in course.rglob("*.*"):
        if path.suffix in (".py", ".md", ".toml"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert [bundle.data() for bundle in bundles(load_assignment("mini", course), "secret")] == here


@pytest.mark.parametrize("name", ["run_autograder", "setup.sh"])
def test_a_script_goes_into_a_bundle_with_the_line_ends_of_linux(name: str) -> None:
    data = Bundle("a.zip", {name: b"#!/bin/bash\r\nls\r\n", "a.png": b"\r\n"}).data()
    assert contents(data) == {name: b"#!/bin/bash\nls\n", "a.png": b"\r\n"}


def test_another_assignment_gives_other_bytes(made: dict[str, Bundle], course: Path) -> None:
    changed = bundles(replaced(course, '"""Twice x, any shape."""', '"""Twice x."""'))
    assert all(bundle.data() != made[role].data() for role, bundle in zip(made, changed, strict=True))


def test_bundles_are_written_where_they_are_wanted(made: dict[str, Bundle], tmp_path: Path) -> None:
    written = write_bundles(bundles(MINI), tmp_path / "new" / "folder")
    assert [path.name for path in written] == [bundle.name for bundle in made.values()]
    assert written[0].read_bytes() == made["starter"].data()


@pytest.mark.parametrize("role", ["starter", "autograder", "solution"])
def test_a_bundle_has_no_times_no_absolute_paths_and_modes_that_say_what_can_be_run(
    made: dict[str, Bundle], role: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(made[role].data())) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(made[role].files)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert not any(entry.filename.startswith("/") or ".." in entry.filename.split("/") for entry in entries)
    modes = {entry.filename: entry.external_attr >> 16 for entry in entries}
    executable = {name for name, mode in modes.items() if mode == 0o100755}
    assert executable == ({"setup.sh", "run_autograder"} if role == "autograder" else set())
    assert set(modes.values()) - {0o100755} == {0o100644}


# For students -----------------------------------------------------------------------------------------------------


def test_the_starter_is_what_students_need_in_one_folder(made: dict[str, Bundle]) -> None:
    needed = {"mini.py", "mini.ipynb", "handout.md", "assignment.toml", "check.py", "README.md", "deepgrade.pyz"}
    needed |= {"submit.py", "student-guide.md", "requirements.txt", "public/points.json"}
    assert set(made["starter"].files) == {f"mini/{name}" for name in needed | {"public/test_public.py"}}


def test_hints_are_added_locked_and_nothing_else(made: dict[str, Bundle]) -> None:
    starter, *others = with_hints(MINI, tuple(made.values()))
    assert set(starter.files) - set(made["starter"].files) == {"mini/public/hints.json"}
    assert [other.data() for other in others] == [made["autograder"].data(), made["solution"].data()]
    known = json.loads(starter.files["mini/public/hints.json"])
    assert known["double"], "the public check shows the known mistake"
    assert b"three times x" not in starter.data() and "three times x" not in str(known)


SECRETS = {
    "a solution": "return x * w, (x, w)",
    "another": "(dout * x).sum(axis=0)",
    "a marker": "BEGIN SOLUTION mini",
    "a hidden check": "def test_keeps_float32",
    "a hint": "three times x",
    "an answer of the quiz": '"q1": "b"',
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_nothing_secret_reaches_students(made: dict[str, Bundle], secret: str) -> None:
    files = contents(made["starter"].data())
    assert [name for name, data in files.items() if secret in data.decode("utf-8", "ignore")] == []
    everything = contents(made["autograder"].data()).values()
    assert any(secret in data.decode("utf-8", "ignore") for data in everything), "the search finds what is there"


def test_no_compiled_file_and_no_room_of_the_grader_reaches_students(made: dict[str, Bundle]) -> None:
    names = contents(made["starter"].data())
    assert not [name for name in names if name.endswith((".pyc", ".pyo")) or "/hidden/" in name]
    rooms = {name.split("/")[3] for name in names if name.startswith("mini/deepgrade.pyz/autograder/")}
    assert {"local", "checks", "sandbox", "submission", "suite"} <= rooms
    assert not rooms & {"grading", "audit", "release", "starter", "classes"}


LONG = """\
    total = np.zeros_like(x)
    for _ in range(2):
        total = total + x
    return 2 * x"""  # as the known mistake wants it


def test_a_docstring_that_holds_the_solution_is_refused(course: Path) -> None:
    replaced(course, "    return 2 * x", LONG)
    quoted = f'"""Twice x, any shape.\n\n{LONG}\n    """'
    assignment = replaced(course, '"""Twice x, any shape."""', quoted)
    with pytest.raises(GraderError, match="which students get, would hold the solution of double"):
        bundles(assignment)


LEAKS = {
    "a public check": ("public/test_public.py", f"\n\ndef known(x):\n{LONG}\n"),
    "the experiment, which only the notebook has": ("experiment.py", f"\n\ndef known(x):\n{LONG}\n"),
    "the handout, at another indentation": ("handout.md", f"\n```python\n{textwrap.indent(LONG, '  ')}\n```\n"),
}


@pytest.mark.parametrize(("name", "text"), LEAKS.values(), ids=LEAKS.keys())
def test_a_file_that_holds_the_solution_is_refused(course: Path, name: str, text: str) -> None:
    assignment = replaced(course, "    return 2 * x", LONG)
    path = course / "assignments" / "mini" / name
    clean = path.read_text()
    bundles(assignment)
    path.write_text(clean + text)
    with pytest.raises(GraderError, match="which students get, would hold the solution of double"):
        bundles(assignment)


def test_a_single_line_of_a_solution_is_refused_too_unless_the_stub_has_it(course: Path) -> None:
    line = "y = np.multiply(x, np.full_like(x, 2.0))"
    assignment = replaced(course, "    return 2 * x", f"    {line}\n    return y")
    handout = course / "assignments" / "mini" / "handout.md"
    handout.write_text(handout.read_text() + f"\nFor instance, `{line.replace(' ', '')}`.\n")
    with pytest.raises(AuthoringError, match=r"which students get, would hold line \d+ of mini\.py"):
        build(assignment)
    build(replaced(course, '"""Twice x, any shape."""', f'"""Twice x: {line}."""'))


# Tried out --------------------------------------------------------------------------------------------------------


def test_what_is_in_order_passes_its_trial(made: dict[str, Bundle]) -> None:
    prove(MINI, made.values())


PUBLIC = "public/test_public.py"
UNPROVEN = {
    "a check that imports the solution": (
        PUBLIC,
        "import numpy as np\n",
        "import numpy as np\nfrom solutions.mini import double\n",
        "test_double_worked_example does not run on the solution",
    ),
    "a check that the solution fails": (PUBLIC, "4.0, 6.0]", "4.0, 7.0]", "worked_example fails on the solution"),
    "a check that the stub passes": (
        PUBLIC,
        "    expect(student.double(np.array([1.0, 2.0, 3.0])), np.array([2.0, 4.0, 6.0]))",
        "    assert student and expect",
        "test_double_worked_example passes on the stub",
    ),
    "a check that stumbles": (
        PUBLIC,
        "    expect(student.double(np.array([1.0, 2.0, 3.0])), np.array([2.0, 4.0, 6.0]))",
        "    expect(student.double(undefined), 1)",
        "test_double_worked_example stumbles on the solution",
    ),
}


@pytest.mark.parametrize(("name", "old", "new", "told"), UNPROVEN.values(), ids=UNPROVEN.keys())
def test_a_release_that_would_embarrass_is_refused(course: Path, name: str, old: str, new: str, told: str) -> None:
    path = course / "assignments" / "mini" / name
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    assignment = load_assignment("mini", course)
    with pytest.raises(AuthoringError, match=told):
        prove(assignment, bundles(assignment))


def test_a_stub_that_cannot_be_imported_is_refused(course: Path) -> None:
    """An import that the file has and the notebook loses, since it stands below the first task."""
    assignment = replaced(
        course, "### BEGIN SOLUTION mini.quiz", "LIMIT = undefined_at_import\n### BEGIN SOLUTION mini.quiz"
    )
    with pytest.raises(AuthoringError, match=r"mini: (the notebook|the public check)") as caught:
        prove(assignment, bundles(assignment))
    assert "undefined_at_import" in caught.value.help


@pytest.mark.parametrize("name", assignment_names())
def test_every_assignment_of_this_course_can_be_bundled(name: str) -> None:
    starter, _, _ = bundles(load_assignment(name))
    assert f"{name}/check.py" in starter.files


def test_what_lies_about_does_not_travel(made: dict[str, Bundle], course: Path) -> None:
    for room in ("", "public", "hidden"):
        folder = course / "assignments" / "mini" / room
        (folder / "__pycache__").mkdir()
        for name in ("__pycache__/test_public.cpython-311.pyc", ".DS_Store", ".notes.swp"):
            (folder / name).write_bytes(b"junk")
    (course / "assignments" / "mini" / "grades.csv").write_text("a student's grade")
    (course / "assignments" / "mini" / "hidden" / "notes.txt").write_text("not a check")
    for bundle, clean in zip(bundles(load_assignment("mini", course)), made.values(), strict=True):
        assert set(bundle.files) == set(clean.files)


# For Gradescope ---------------------------------------------------------------------------------------------------


def test_the_autograder_holds_what_grading_needs(made: dict[str, Bundle]) -> None:
    files = made["autograder"].files
    folder = {path for path in files if path.startswith(("assignments/", "solutions/"))}
    names = ["assignment.toml", "mistakes.toml", "helpers.py", "public/test_public.py"]
    names += [f"hidden/{name}.py" for name in ("test_hidden", "test_race")]
    assert folder == {"solutions/mini.py", *(f"assignments/mini/{name}" for name in names)}
    package = ROOT / "autograder"
    modules = {f"autograder/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py") if path.is_file()}
    assert modules <= set(files)
    assert {f"autograder/results/{name}" for name in ("page.html.j2", "page.css", "results.schema.json")} <= set(files)
    assert files["solutions/mini.py"] == MINI.solution.read_bytes()


def test_the_autograder_holds_nothing_else(made: dict[str, Bundle]) -> None:
    top = {path.partition("/")[0] for path in made["autograder"].files}
    scripts = {"setup.sh", "run_autograder"}
    settings = {"constraints.txt", "requirements.txt", "deepgrade.json", "course.toml"}
    assert top == {"autograder", "assignments", "solutions"} | scripts | settings
    endings = {Path(path).suffix for path in made["autograder"].files} - {""}
    assert endings <= {".py", ".toml", ".json", ".css", ".html", ".j2", ".txt", ".sh"}


def test_scripts_of_the_platform_begin_with_their_interpreter(made: dict[str, Bundle]) -> None:
    for name in ("setup.sh", "run_autograder"):
        assert made["autograder"].files[name].startswith(b"#!/bin/bash\n")
        assert b"\r" not in made["autograder"].files[name]


def test_requirements_are_those_of_the_project_and_every_one_is_pinned(made: dict[str, Bundle]) -> None:
    names = [line.partition(">=")[0] for line in made["autograder"].files["requirements.txt"].decode().splitlines()]
    assert {"torch", "numpy", "pytest", "gradescope-utils"} <= set(names)
    pins = made["autograder"].files["constraints.txt"].decode()
    assert [name for name in names if f"\n{name}==" not in f"\n{pins}"] == []


def config(secret: str = "") -> dict[str, str]:
    """deepgrade.json of the autograder."""
    return dict(json.loads(bundles(MINI, secret)[1].files["deepgrade.json"]))


def test_the_secret_can_be_set_and_is_otherwise_derived_from_what_is_hidden(course: Path) -> None:
    assert config("of the course")["secret"] == "of the course"
    assert config()["secret"] == suite_digest(MINI)
    changed = replaced(course, '"""Twice x, any shape."""', '"""Twice x."""')
    assert json.loads(bundles(changed)[1].files["deepgrade.json"])["secret"] != config()["secret"]
    assert config()["assignment"] == "mini"


def test_the_secret_reaches_neither_students_nor_staff() -> None:
    starter, _, solution = bundles(MINI, "a secret of the course")
    for bundle in (starter, solution):
        assert not any(b"a secret of the course" in data for data in contents(bundle.data()).values())


def test_the_index_of_torch_is_that_of_the_machine_that_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    assert config()["torch_index"] == ""
    monkeypatch.setenv("TORCH_INDEX", "file:///wheels")
    assert config()["torch_index"] == "file:///wheels"


def test_the_solution_is_the_reference_as_students_read_it(made: dict[str, Bundle]) -> None:
    files = made["solution"].files
    assert files.keys() == {"mini.py", "mini.ipynb", "handout.md"}
    assert files["mini.py"].decode() == solved_source(MINI)
    assert not any(b"### BEGIN" in data or b"check.py" in data for data in files.values())


def test_the_solutions_notebook_ships_as_it_ran(made: dict[str, Bundle]) -> None:
    pytest.importorskip("nbclient")
    (*others, solution), remark = with_outputs(MINI, (*made.values(),))
    assert (others, remark) == ([made["starter"], made["autograder"]], "")
    cells = json.loads(solution.files["mini.ipynb"])["cells"]
    run = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in run)
    assert any(cell["outputs"] for cell in run if cell["id"].startswith("experiment-"))
    assert "execution" not in str([cell["metadata"] for cell in cells])


def test_a_solution_whose_notebook_raises_is_not_released(course: Path) -> None:
    pytest.importorskip("nbclient")
    (course / "assignments" / "mini" / "experiment.py").write_text("# %%\nnowhere\n")
    made = bundles(assignment := load_assignment("mini", course))
    with pytest.raises(AuthoringError, match="mini: the solution's notebook does not run") as caught:
        with_outputs(assignment, made)
    assert "nowhere" in caught.value.help


def test_where_nothing_runs_notebooks_it_is_said(made: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbclient", None)
    again, remark = with_outputs(MINI, (*made.values(),))
    assert again == (*made.values(),)
    assert "deepgrade[notebook]" in remark
