"""The local checker as a student has it: the starter's archive, unpacked, run by a Python without this project."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.release import bundles
from autograder.starter import notebook

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
REFERENCE = MINI.solution.read_text()
EXAMPLE = "test_double_worked_example"
# The project is installed in this environment; a student's Python has neither its finder nor its path, nor what is
# hidden. Kept warm, so that torch is imported once: each line of its input is a run of check.py, in a fork.
STUDENT = """
import importlib.util, json, os, runpy, sys, traceback

class Without:
    def __init__(self, finder, hidden):
        self.finder, self.hidden = finder, hidden
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in self.hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

def run(script, arguments, hidden):
    sys.meta_path[:] = [Without(finder, hidden) for finder in sys.meta_path]
    sys.argv[:] = [script, *arguments]
    os.chdir(os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")

def forked(script, arguments, hidden):
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for descriptor, name in ((1, "out"), (2, "err")):
        with open(os.path.join(os.path.dirname(script), "..", name), "wb") as file:
            os.dup2(file.fileno(), descriptor)
    code = 1
    try:
        run(script, arguments, hidden)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

root = sys.argv[1]
sys.path[:] = [path for path in sys.path if path != root]
sys.meta_path[:] = [one for one in sys.meta_path if not getattr(one, "__module__", "").startswith("__editable")]
assert importlib.util.find_spec("autograder") is None, "the project is still in reach"
if sys.argv[2:]:
    run(*json.loads(sys.argv[2]))
else:
    import numpy, pytest, torch
    for line in sys.stdin:
        print(forked(*json.loads(line)), flush=True)
"""
COMMAND = [sys.executable, "-I", "-B", "-c", STUDENT, str(COURSE.parents[1])]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


@dataclass
class Done:
    """How a run of check.py ended and what it said."""

    code: int
    out: str
    err: str


Check = Callable[..., Done]


@pytest.fixture(scope="module")
def warm() -> Iterator[subprocess.Popen[str]]:
    """A student's Python with torch imported."""
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        yield process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The starter, unpacked."""
    starter, _, _ = bundles(MINI)
    with zipfile.ZipFile(io.BytesIO(starter.data())) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "mini"


@pytest.fixture
def check(folder: Path, warm: subprocess.Popen[str]) -> Check:
    """`python check.py …`, by the warm Python."""

    def run(*arguments: str, without: str = "") -> Done:
        assert warm.stdin is not None
        assert warm.stdout is not None
        warm.stdin.write(json.dumps([str(folder / "check.py"), arguments, without.split()]) + "\n")
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


def no_traceback(done: Done) -> bool:
    return "Traceback" not in done.out + done.err


@pytest.mark.parametrize("without", ["", "gradescope_utils"])
def test_the_solved_file_passes_with_the_decorators_and_without(folder: Path, check: Check, without: str) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    assert check("mini.py", without=without).code == 0


def test_no_more_is_needed_than_students_have(folder: Path, cold_check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    (folder / "mini.ipynb").unlink()
    done = cold_check(without="gradescope_utils scipy nbformat rich click jinja2 hypothesis")
    assert (done.code, done.err) == (0, ""), done.out
    assert f"✓ {EXAMPLE}" in done.out
    assert "1 of 1 public checks pass. Hidden checks run when you hand in." in done.out


def test_the_solved_notebook_passes(folder: Path, check: Check) -> None:
    (folder / "mine.ipynb").write_bytes(notebook(MINI, solved=True))
    done = check("mine.ipynb")
    assert done.code == 0, done.out + done.err


def test_the_stub_fails_and_says_what_is_not_done(check: Check) -> None:
    done = check()
    assert done.code == 1
    assert f"✗ {EXAMPLE}\n    double(x=float64[3])\n    Not done yet: the stub of mini.double" in done.out
    assert "0 of 1 public checks pass" in done.out
    assert no_traceback(done)


WRONG = {
    "a wrong value": ("return 2 * x", "return 3 * x", "Every value is 1.5 times what it should be"),
    "an exception": ("return 2 * x", "return 2 * y", "It raised NameError: name 'y' is not defined\n      line 15 of"),
    "an exit": ("return 2 * x", "raise SystemExit", "It raised SystemExit"),
    "nothing returned": ("return 2 * x", "2 * x", "is a return missing"),
    "nothing there": ("def double(", "def doubled(", "`double` is not defined"),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_told_as_by_the_grader(folder: Path, check: Check, old: str, new: str, told: str) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace(old, new))
    done = check("mini.py")
    assert done.code == 1
    assert f"✗ {EXAMPLE}" in done.out
    assert told in done.out
    assert no_traceback(done)


UNUSABLE = {
    "no Python at all": ("\ndef broken(:\n", "mini.py cannot be imported: SyntaxError at line 2"),
    "a missing package": ("import no_such_package\n", "ModuleNotFoundError at line 1: No module named"),
    "a missing package, explained": ("import no_such_package\n", "`no_such_package` is not there where your code is"),
    "an exit": ("raise SystemExit(0)\n", "mini.py cannot be imported: SystemExit at line 1"),
    "nothing": ("", "mini.py is empty"),
}


@pytest.mark.parametrize(("source", "told"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_imported_is_told_and_where(folder: Path, check: Check, source: str, told: str) -> None:
    (folder / "mini.py").write_text(source)
    done = check("mini.py")
    assert done.code == 2
    assert told in done.err
    assert no_traceback(done)


def test_a_package_that_is_here_but_not_where_code_is_graded_is_noted(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(f"import click.core\nfrom rich import print\nimport os, numpy, scipy\n{REFERENCE}")
    done = check("mini.py")
    assert done.code == 0
    assert "Note: `click` (line 1) is not there where your code is graded" in done.out
    assert "Note: `rich` (line 2)" in done.out
    assert done.out.count("Note: ") == 2


def test_a_package_that_is_imported_on_a_condition_is_not_noted(folder: Path, check: Check) -> None:
    guarded = "try:\n    import click\nexcept ImportError:\n    pass\nif __name__ == '__main__':\n    import rich\n"
    (folder / "mini.py").write_text(f"{guarded}{REFERENCE}")
    assert "Note: " not in check("mini.py").out


def test_a_notebook_that_was_exported_as_a_module_passes(folder: Path, check: Check) -> None:
    magic = "get_ipython().run_line_magic('matplotlib', 'inline')\nget_ipython().system('ls')\n"
    (folder / "mini.py").write_text(f"# coding: utf-8\n{magic}{REFERENCE}")
    assert check("mini.py").code == 0


BROKEN = {
    "a task that does not parse": ("return 2 * x", "return (2 * x", "Left out of what is graded: `double`"),
    "a package": (
        "import torch\n",
        "import torch\nimport no_such_package\n",
        "Only what uses it fails: ModuleNotFound",
    ),
    "a line for IPython": (
        "import torch\n",
        "import torch\n!pip install x\n",
        "as only IPython understands it: line 5",
    ),
}


@pytest.mark.parametrize("without", ["", "parso"])
@pytest.mark.parametrize(("old", "new", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_left_out_is_told_as_by_the_grader(
    folder: Path, check: Check, old: str, new: str, told: str, without: str
) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace(old, new))
    done = check("mini.py", without=without)
    assert done.code == (1 if old == "return 2 * x" else 0), done.out
    assert told in done.out
    assert no_traceback(done)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_lacks_our_signs_gets_letters(folder: Path, cold_check: Check, encoding: str) -> None:
    (folder / "mini.py").write_text(f"{REFERENCE}\nprint('≤ – é 作')\nimport no_such_package\n", "utf-8")
    done = cold_check("mini.py", encoding=encoding)
    assert (done.code, done.err) == (0, "")
    assert f"+ {EXAMPLE}" in done.out and "<= " in done.out


def test_a_file_that_is_not_there_is_named(check: Check) -> None:
    done = check("nowhere.py")
    assert done.code == 2
    assert "nowhere.py" in done.err
    assert no_traceback(done)


def test_checks_can_be_chosen_by_name(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    public = folder / "public" / "test_public.py"
    public.write_text(public.read_text() + "\n\ndef test_other(student):\n    assert False, 'not chosen'\n")
    done = check("mini.py", "-k", "worked_example")
    assert done.code == 0, done.out
    assert "test_other" not in done.out


@pytest.mark.parametrize("package", ["torch", "pytest"])
def test_a_missing_package_is_named_with_what_to_run(cold_check: Check, package: str) -> None:
    done = cold_check(without=package)
    assert done.code == 2
    assert f"{package}: not installed. Run: {sys.executable} -m pip install {package}" in done.err
    assert no_traceback(done)


def test_without_the_archive_students_are_told_what_is_missing(folder: Path, cold_check: Check) -> None:
    (folder / "deepgrade.pyz").unlink()
    done = cold_check()
    assert done.code == 2
    assert "needs deepgrade.pyz beside it" in done.err
    assert no_traceback(done)


def test_checking_changes_nothing_in_the_folder(folder: Path, check: Check) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    check()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
