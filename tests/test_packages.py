"""Packages of an assignment's own: refused when read, installed in its bundle alone, importable, ours to provide."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from autograder.assignment import Assignment, load_assignment, load_course, missing_packages, review
from autograder.audit.doctor import examine
from autograder.errors import AuthoringError, GraderError
from autograder.grading import Engine, Options, grade
from autograder.local import CANNOT, main
from autograder.release import Bundle, bundles, prove
from autograder.release.new import create
from autograder.results import Outcome
from tests.test_grading import COURSE, REFERENCE, line_of

USES = REFERENCE.replace("import torch\n", "import torch\nimport yaml\n", 1)
USES = USES.replace("return 2 * x", 'return yaml.safe_load("2") * x')
Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes the small course, which allows some packages, and whose assignment asks for some."""

    def make(packages: list[str], allowed: str = '["PyYAML", "click>=8", "networkx"]') -> Path:
        root = tmp_path / "course"
        shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "course.toml").write_text(f'title = "A small course"\n\n[packages]\nallowed = {allowed}\n')
        facts = root / "assignments" / "mini" / "assignment.toml"
        facts.write_text(facts.read_text().replace("lectures", f"packages = {packages}\nlectures", 1))
        (root / "solutions" / "mini.py").write_text(USES)
        mistakes = root / "assignments" / "mini" / "mistakes.toml"
        mistakes.write_text(mistakes.read_text().replace('"return 2 * x"', "'return yaml.safe_load(\"2\") * x'"))
        return root

    return make


REFUSED = {
    "not allowed": (
        ["einops>=0.7"],
        r"assignment\.toml:3: packages: \[packages\] allowed of course\.toml has pyyaml, ",
    ),
    "misspelt": (["networks"], "and not 'networks'; did you mean 'networkx'?"),
    "no name": (["=2"], "packages: '=2' names no package"),
    "twice": (["PyYAML>=6", "pyyaml<7"], "packages asks for pyyaml twice"),
    "no requirement": (["click=>8"], r"packages: 'click=>8' is no requirement, such as 'einops>=0\.7'"),
    "an address": (["click @ https://example.org/x.whl"], "is an address: ask for a name and a version"),
    "no version": (
        ["click==7.1"],
        r"'click==7\.1' is asked for, and course\.toml allows 'click>=8': no version is both",
    ),
}


@pytest.mark.parametrize(("packages", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_had_is_refused_before_anything_runs(made: Made, packages: list[str], told: str) -> None:
    root = made(packages)
    with pytest.raises(AuthoringError, match=told):
        review(load_assignment("mini", root), load_course(root))


@pytest.fixture
def assignment(made: Made) -> Assignment:
    """It imports PyYAML, by its other name."""
    return load_assignment("mini", made(["PyYAML>=6"]))


def lines(bundle: Bundle, name: str) -> list[str]:
    """Of a file in a bundle."""
    return bundle.files[name].decode().splitlines()


def test_they_are_installed_in_the_assignments_own_bundle_and_what_nobody_asks_for_in_all(made: Made) -> None:
    root = made(["click<9"])
    create("other", root)
    starter, own, _ = bundles(load_assignment("mini", root))
    _, other, _ = bundles(load_assignment("other", root))
    asked = {"PyYAML", "networkx", "click<9,>=8"}
    assert asked <= {*lines(own, "requirements.txt")}
    assert asked & {*lines(other, "requirements.txt")} == {"PyYAML", "networkx"}
    assert asked & {*lines(starter, "mini/requirements.txt")} == {"click<9,>=8"}
    assert "there where your work is graded, too: `click<9`." in "\n".join(lines(starter, "mini/README.md"))


def test_the_bundle_is_a_course_that_allows_them(assignment: Assignment, tmp_path: Path) -> None:
    for name, data in bundles(assignment)[1].files.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(data)
    assert load_assignment("mini", tmp_path / "source").packages == ("PyYAML>=6",)


def test_a_submission_imports_them_and_no_others(engine: Engine, assignment: Assignment, tmp_path: Path) -> None:
    work = USES.replace("    return x * w, (x, w)", "    import pandas_of_mine\n    return x * w, (x, w)")
    assert work != USES
    (tmp_path / "mini.py").write_text(work)
    options = Options(seed=1, select=("test_double", "test_scale"))
    run = grade("mini", tmp_path / "mini.py", root=assignment.folder.parents[1], options=options, engine=engine)
    assert line_of(run, "test_double").outcome is Outcome.PASSED
    told = (
        "`pandas_of_mine` is not there where your code is graded, on Gradescope or elsewhere: there are Python's own "
    )
    assert f"{told}modules, pyyaml, NumPy, SciPy, PyTorch and Matplotlib" in line_of(run, "test_scale").message
    assert run.versions["pyyaml"] == yaml.__version__


def test_where_they_are_not_installed_it_is_ours_and_said_once(
    engine: Engine, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = made(["PyYAML>=99"])
    told = r"assignment\.toml: packages: not installed here: PyYAML>=99 \(here is [\d.]+\)\. Install with: pip install"
    assignment = load_assignment("mini", root)
    assert missing_packages(assignment.folder, ["nobody-has-this", "pyyaml"]) == {"nobody-has-this": ""}
    run = grade("mini", root / "solutions" / "mini.py", root=root, options=Options(seed=1), engine=engine)
    assert (run.status, {line.outcome for line in run.lines}) == ("fault", {Outcome.FAULT})
    assert re.search(told, run.reason or "")
    (remark,) = (each for each in review(assignment, load_course(root)) if "packages" in each.text)
    assert re.search(told, remark.text) and not remark.is_fault
    with pytest.raises(GraderError, match=told):
        prove(assignment, bundles(assignment))
    (finding,) = (each for each in examine(root) if "packages" in each.text)
    assert re.search(told, finding.text) and finding.fatal
    home = unpacked(assignment, tmp_path)
    assert main(home, []) == CANNOT
    assert (
        "PyYAML>=99: not installed. Run: " in (said := capsys.readouterr().err) and 'pip install "PyYAML>=99"' in said
    )


def unpacked(assignment: Assignment, folder: Path) -> Path:
    """What students get."""
    for name, data in bundles(assignment)[0].files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / "mini"


def test_at_home_they_are_not_unusual_and_others_are(assignment: Assignment, tmp_path: Path) -> None:
    home = unpacked(assignment, tmp_path)
    (home / "mini.py").write_text(USES.replace("import yaml\n", "import yaml\nimport click\n"))
    command = [sys.executable, "-I", "-B", str(home / "check.py"), "double"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Note: `click` (line" in done.stdout and "own modules, pyyaml, NumPy" in done.stdout
    assert "`yaml`" not in done.stdout
