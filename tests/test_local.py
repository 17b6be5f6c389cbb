"""The local checker as a student has it: the starter's archive, unpacked, run by a Python without this project."""

import ast
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbclient
import nbformat
import pytest

from autograder.assignment import load_assignment, read_assignment
from autograder.local.choice import written
from autograder.release import bundles, with_hints
from autograder.starter import build, notebook
from autograder.submission import collect

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
REFERENCE = MINI.solution.read_text()
EXAMPLE = "1.1     {}/8  double: 1, 2, 3 becomes 2, 4, 6"
PASSED, FAILED, STUB = (f"{sign} {EXAMPLE.format(points)}" for sign, points in (("✓", 8), ("✗", 0), ("·", 0)))
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
    for module, name in (each.split(".") for each in hidden if "." in each):
        delattr(importlib.import_module(module), name)
    sys.meta_path[:] = [Without(finder, hidden) for finder in sys.meta_path]
    sys.argv[:] = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    os.chdir(os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")

def forked(script, arguments, hidden):
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for descriptor, name in ((1, "out"), (2, "err")):
        with open(os.path.join(os.path.dirname(script), "..", name), "wb") as file:
            os.dup2(file.fileno(), descriptor)
    sys.stdin = open(os.devnull)
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


@pytest.fixture(scope="module")
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
    assert PASSED in done.out
    assert "1 of 1 public checks pass: 8 of 8 points." in done.out


def test_the_solved_notebook_passes(folder: Path, check: Check) -> None:
    (folder / "mine.ipynb").write_bytes(notebook(MINI, solved=True))
    done = check("mine.ipynb")
    assert done.code == 0, done.out + done.err


def test_the_stub_fails_and_says_what_is_not_done(check: Check) -> None:
    done = check()
    assert done.code == 1
    assert f"{STUB}\n" in done.out
    assert re.search(r"· double +0/8 +(\+\d+ +)?not written yet\n", done.out)
    assert "0 of 1 public checks pass: 0 of 8 points." in done.out
    assert no_traceback(done)


WRONG = {
    "a wrong value": ("return 2 * x", "return 3 * x", "Every value is 1.5 times what it should be"),
    "an exception": ("return 2 * x", "return 2 * y", "NameError: name 'y' is not defined\n          line 15 of"),
    "an exit": ("return 2 * x", "raise SystemExit", "It raised SystemExit"),
    "nothing returned": ("return 2 * x", "2 * x", "is a return missing"),
    "nothing there": ("def double(", "def doubled(", "`double` is not defined"),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_told_as_by_the_grader(folder: Path, check: Check, old: str, new: str, told: str) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace(old, new))
    done = check("mini.py")
    assert done.code == 1
    assert FAILED in done.out
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
    assert done.code == 3
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
    assert f"+ {EXAMPLE.format(8)}" in done.out and "<= " in done.out


def test_a_file_that_is_not_there_is_named(check: Check) -> None:
    done = check("nowhere.py")
    assert done.code == 2
    assert "nowhere.py" in done.err
    assert no_traceback(done)


OTHER = """

@pytest.mark.task("scale")
@weight(2)
@number("2.1")
def test_other(student):
    \"\"\"other: scales\"\"\"
    assert student.scale_forward(1.0, 2.0) is None, "not so"
"""


def test_checks_can_be_chosen_by_name(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    public = folder / "public" / "test_public.py"
    public.write_text(f"{public.read_text()}{OTHER}")
    done = check("mini.py", "-k", "worked_example")
    assert done.code == 0, done.out
    assert "other: scales" not in done.out


@pytest.mark.parametrize("package", ["torch", "pytest"])
def test_a_missing_package_is_named_with_what_to_run(cold_check: Check, package: str) -> None:
    done = cold_check(without=package)
    assert done.code == 3
    assert f"{package}: not installed. Run: {sys.executable} -m pip install {package}" in done.err
    assert no_traceback(done)


def test_without_the_archive_students_are_told_what_is_missing(folder: Path, cold_check: Check) -> None:
    (folder / "deepgrade.pyz").unlink()
    done = cold_check()
    assert done.code == 3
    assert "deepgrade.pyz must lie beside check.py" in done.err
    assert no_traceback(done)


def test_checking_changes_nothing_in_the_folder(folder: Path, check: Check) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    check()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# Windows, macOS, old Pythons ------------------------------------------------------------------------------------------

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


# The loop -----------------------------------------------------------------------------------------------------------


def limited(folder: Path, seconds: float) -> None:
    """Let a call take so long."""
    facts = folder / "assignment.toml"
    facts.write_text(facts.read_text().replace("call_seconds = 4.0", f"call_seconds = {seconds}"))


def with_checks(folder: Path, more: str) -> None:
    """More public checks."""
    public = folder / "public" / "test_public.py"
    public.write_text(public.read_text() + more)


ENDLESS = {
    "a loop": "while True: pass",
    "a loop that catches": "while True:\n        try: len(1)\n        except Exception: pass",
    "a sleep": "import time; time.sleep(1000)",
}


@pytest.mark.parametrize("loop", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_does_not_return_is_ended_and_the_next_check_goes_on(folder: Path, check: Check, loop: str) -> None:
    limited(folder, 0.5)
    with_checks(folder, OTHER.replace("is None", "is not None"))
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", loop))
    done = check("mini.py")
    assert done.code == 1
    assert "Your code did not return within 0.5 s. It was at line " in done.out
    assert ", in double: `" in done.out
    assert "✓ 2.1     2/2  other: scales" in done.out


STUBBORN = {
    "in a library": (
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
        "Your code does not return, and nothing interrup",
    ),
    "in Python itself": ("any(itertools.repeat(False))", "line 16 in double"),
}


@pytest.mark.parametrize(("call", "told"), STUBBORN.values(), ids=STUBBORN.keys())
def test_what_nothing_interrupts_ends_the_run_with_a_word(folder: Path, check: Check, call: str, told: str) -> None:
    limited(folder, 0.2)
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", f"import hashlib, itertools\n    {call}"))
    done = check("mini.py")
    assert done.code != 0
    assert told in done.err


def test_an_import_that_does_not_end_is_told_with_its_line(folder: Path, check: Check) -> None:
    limited(folder, 0.5)
    (folder / "mini.py").write_text(f"{REFERENCE}\nwhile True:\n    pass\n")
    done = check("mini.py")
    assert "Importing mini.py did not end within 0.5 s. It was at line " in done.out
    assert done.code == 0, "what the tasks need runs without it, as in grading"


def test_ctrl_c_says_where_it_was(folder: Path) -> None:
    (folder / "mini.py").write_text(
        REFERENCE.replace("return 2 * x", "print('begun', flush=True)\n    while True: pass")
    )
    asked = json.dumps([str(folder / "check.py"), ["mini.py"], []])
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, asked], env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "begun\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted in 1.1 double: 1, 2, 3 becomes 2, 4, 6. It was at line 1" in out
    assert "Traceback" not in out + err


def test_a_debugger_gets_its_time(folder: Path) -> None:
    limited(folder, 0.5)
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "breakpoint()\n    return 2 * x"))
    asked = json.dumps([str(folder / "check.py"), ["mini.py"], []])
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, asked], env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("(Pdb) "):
            said += process.stdout.read(1)
            assert process.poll() is None
        time.sleep(1)  # longer than the call may take
        out, _ = process.communicate("p 6 * 7\nc\n", timeout=60)
    assert "(Pdb) 42" in said + out
    assert PASSED in out


def test_a_debugger_that_nobody_answers_is_told_in_a_sentence(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "import pdb; pdb.set_trace()\n    return 2 * x"))
    done = check("mini.py")
    assert done.code == 1
    assert "Nobody is there to answer a debugger" in done.out


UNKNOWN = {
    "a task that is nearly one": (["doubel"], "no task, function or check is called 'doubel'; did you mean 'double'?"),
    "nothing": (["nosuch"], "no task, function or check is called 'nosuch'\nThe tasks are double, scale, affine"),
    "nothing with -k": (["-k", "nosuch"], "no public check has 'nosuch' in its name"),
    "a file": (["nosuch.py"], "there is no file nosuch.py"),
    "two files": (["mini.py", "mini.ipynb"], "one file at a time, not mini.py and mini.ipynb"),
    "an option": (["--nosuch"], "unrecognized arguments: --nosuch"),
}


@pytest.mark.parametrize(("words", "told"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_word_that_means_nothing_is_answered_in_a_sentence(check: Check, words: list[str], told: str) -> None:
    done = check(*words)
    assert done.code == 2
    assert told in done.err
    assert no_traceback(done)


MEANT = {"a task": "double", "a number": "1.1", "a check": "test_double_worked_example"}


@pytest.mark.parametrize("word", MEANT.values(), ids=MEANT.keys())
def test_one_task_function_or_number_can_be_checked_alone(folder: Path, check: Check, word: str) -> None:
    with_checks(folder, OTHER)
    (folder / "mini.py").write_text(REFERENCE)
    done = check("mini.py", word)
    assert done.code == 0
    assert "1 of 1 public checks pass; 1 other was not run." in done.out


def test_an_exact_name_goes_before_what_contains_it(folder: Path, check: Check) -> None:
    with_checks(folder, OTHER.replace("other: scales", "double_scale: other"))
    (folder / "mini.py").write_text(REFERENCE)
    assert "double_scale" not in check("mini.py", "double").out


@pytest.mark.parametrize("broken", ["import nosuch\n", "def (:\n"])
def test_a_file_of_checks_that_cannot_run_is_no_success(folder: Path, check: Check, broken: str) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    (folder / "public" / "test_more.py").write_text(broken)
    done = check("mini.py")
    assert done.code == 3
    assert "test_more.py" in done.out + done.err
    assert no_traceback(done)


def test_an_answer_that_the_check_cannot_use_is_the_students_failure(folder: Path, check: Check) -> None:
    with_checks(
        folder,
        OTHER.replace(
            'assert student.scale_forward(1.0, 2.0) is None, "not so"', "a, b = student.scale_forward(1.0, 2.0)[0]"
        ),
    )
    (folder / "mini.py").write_text(REFERENCE)
    done = check("mini.py", "2.1")
    assert done.code == 1
    assert "What your code returned could not be used by this check" in done.out


def test_the_file_in_which_more_is_written_is_checked_without_a_word(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    done = check()
    assert done.out.startswith("A small assignment: mini.py\n")
    assert "Note:" not in done.out


def test_work_in_both_files_is_told(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    text = (folder / "mini.ipynb").read_text()
    (folder / "mini.ipynb").write_text(text.replace('raise NotImplementedError(\\"mini.double\\")', "return 2 * x"))
    assert "Note: mini.ipynb holds work too, in 1 parts. mini.py, with 7, is what would be graded." in check().out


def test_a_stub_is_one_whatever_the_folder_is_called(folder: Path) -> None:
    renamed = shutil.copytree(folder, folder.parent / "week 3")
    assignment = read_assignment(renamed)
    assert not any(written(renamed / name, assignment) for name in ("mini.py", "mini.ipynb"))


def test_values_stand_side_by_side(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "return x * x"))
    told = check("mini.py").out.split("\n")
    head = next(index for index, line in enumerate(told) if "yours" in line)
    assert told[head].split() == ["yours", "expected", "difference"]
    assert told[head + 1].split() == ["1", "4", "9", "2", "4", "6", "-1", "·", "+3"]


def test_a_known_mistake_is_told_at_home(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "return x + x + x"))
    assert "Hint: This is three times x: count again." in check("mini.py").out
    assert b"three times" not in (folder / "public" / "hints.json").read_bytes()


MORE_OF_DOUBLE = """
import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("double")
@weight(1)
@number("1.15")
def test_double_of_zero(student, expect):
    \"""double: 0 stays 0, 5 becomes 10\"""
    expect(student.double(np.array([0.0, 5.0])), np.array([0.0, 10.0]))
"""


def test_checks_that_fail_for_one_cause_say_it_once(folder: Path, check: Check) -> None:
    (folder / "public" / "test_more.py").write_text(MORE_OF_DOUBLE)
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "return 3.1 * x"))
    told = check("mini.py").out
    assert told.count("values differ") == 1
    assert re.search(r"As in \S+, which is to be mended first; `check.py \S+` shows this one alone", told)
    assert "values differ" in check("mini.py", "1.1").out
    assert "values differ" in check("mini.py", "1.15").out


def test_another_mistake_is_not_told_as_that(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "return 3.1 * x"))
    assert "Hint:" not in check("mini.py").out


ASKS_AFFINE = """

@pytest.mark.task("affine")
@weight(2)
@number("3.1")
def test_affine_shape(student, draw):
    \"\"\"affine: the shape\"\"\"
    assert tuple(student.affine(draw.tensor(2, 3), draw.tensor(3, 4)).shape) == (2, 4)
"""
ATTENTION = "torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None])"
CONVOLUTION = "torch.nn.Conv1d(3, 1, 1).double()(x.T[None])"
RULES = {
    "numpy's": ("double", "return 2 * x", "return (torch.from_numpy(x) * 2).numpy()", "is to be written in NumPy"),
    "attention": ("affine", "return x @ w", f"{ATTENTION}; return x @ w", "`scaled_dot_product_attention`"),
    "convolution": ("affine", "return x @ w", f"{CONVOLUTION}; return x @ w", "what `conv1d` does"),
}


@pytest.mark.parametrize(("task", "old", "new", "told"), RULES.values(), ids=RULES.keys())
def test_what_a_task_forbids_is_refused_at_home_too(
    folder: Path, check: Check, task: str, old: str, new: str, told: str
) -> None:
    with_checks(folder, ASKS_AFFINE)
    assert old in REFERENCE
    (folder / "mini.py").write_text(REFERENCE.replace(old, new))
    done = check("mini.py", task)
    assert told in done.out
    assert done.code == 1


NAMES = '["torch", "np.convolve", "scipy.signal", "eval", "fractions.Fraction"]'
BY_NAME = {  # in Python and in torch: the task, what stands above, the old line, the new one, what is told
    "a function": ("double", "", "return 2 * x", "return np.convolve(x, [2.0])", "without `numpy.convolve`"),
    "a function that was imported before": (
        "double",
        "from numpy import convolve",
        "return 2 * x",
        "return convolve(x, [2.0])",
        "without `numpy.convolve`",
    ),
    "a module": (
        "double",
        "from scipy import signal",
        "return 2 * x",
        "return signal.fftconvolve(x, [2.0])",
        "without `scipy.signal`",
    ),
    "a builtin": ("double", "", "return 2 * x", "return eval('2 * x', {'x': x})", "without `eval`"),
    "a class": (
        "double",
        "from fractions import Fraction",
        "return 2 * x",
        "return x * float(Fraction(2))",
        "without `fractions.Fraction`",
    ),
    "an operation": ("affine", "", "return x @ w", "return torch.einsum('ij,jk->ik', x, w)", "what `einsum` does"),
}


@pytest.mark.parametrize(("task", "above", "old", "new", "told"), BY_NAME.values(), ids=BY_NAME.keys())
def test_single_operations_and_names_are_refused_at_home_and_other_tasks_have_them(
    folder: Path, check: Check, task: str, above: str, old: str, new: str, told: str
) -> None:
    with_checks(folder, ASKS_AFFINE)
    facts = (folder / "assignment.toml").read_text().replace('["torch"]', NAMES)
    (folder / "assignment.toml").write_text(facts.replace('"attention"]', '"attention", "aten::einsum"]'))
    (folder / "mini.py").write_text(f"from __future__ import annotations\n{above}\n{REFERENCE.replace(old, new)}")
    done = check("mini.py", task)
    assert told in done.out
    assert done.code == 1
    uses = new.removeprefix("return ").replace("(x", "(np.ones(1)").replace("{'x': x}", "{'x': 1}")
    beside = f"\n    {uses}\n    return x @ w" if task == "double" else "return x @ w"
    (folder / "mini.py").write_text(
        f"from __future__ import annotations\n{above}\n{REFERENCE.replace('return x @ w', beside)}"
    )
    assert check("mini.py", "affine").code == 0


@pytest.fixture
def watched(folder: Path) -> Iterator[Callable[[str], str]]:
    """`check.py --watch mini.py`: give it what is printed up to a line with these words."""
    asked = json.dumps([str(folder / "check.py"), ["--watch", "mini.py"], []])
    with subprocess.Popen([*COMMAND, asked], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None

        def until(words: str) -> str:
            told = ""
            while words not in told:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, told
                told += line
            return told

        yield until
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 1)


def test_a_save_runs_again_what_is_not_right_yet(folder: Path, watched: Callable[[str], str]) -> None:
    with_checks(folder, ASKS_AFFINE)
    file = folder / "mini.py"
    assert "2 not right yet; next: 1.1 double" in watched("Waiting")
    file.write_text(REFERENCE.replace("return 2 * x", "return 3 * x"))
    told = watched("Waiting")
    assert FAILED in told and "✓ 3.1" in told
    file.write_text("def (:")
    assert "mini.py cannot be imported: SyntaxError" in watched("Waiting")
    file.write_text(REFERENCE.replace("return 2 * x", "return 4 * x"))
    assert "✓ 3.1" in watched("Waiting")
    file.write_text(REFERENCE.replace("return 2 * x", "return 5 * x"))
    assert "3.1" not in watched("Waiting"), "what was right is not run again while something else is wrong"
    file.write_text(REFERENCE.replace("return x @ w", "return x.sum(1, keepdim=True)"))
    told = watched("Waiting")
    assert PASSED in told and "✗ 3.1" in told, "what mends one thing may break another"
    file.write_text(REFERENCE)
    told = watched("Waiting")
    assert PASSED in told
    assert "Everything that was asked for passes." in told


# What else it can do ------------------------------------------------------------------------------------------------

SHAPES = ("--shapes", "4x3,3")
GRADIENTS = {
    "right": ("", "", ["scale", *SHAPES], 0, "✓ dw agrees with differences (3 entries)"),
    "wrong": (
        "(dout * x).sum(axis=0)",
        "(dout * x).mean(axis=0)",
        ["scale_backward", *SHAPES],
        1,
        "✗ dw: 3 of 3 entries do not agree (3 entries)\n        yours ",
    ),
    "of another shape": ("(dout * x).sum(axis=0)", "dout * x", ["scale", *SHAPES], 3, "the gradient has shape (4, 3)"),
    "of torch": (
        "",
        "",
        ["affine", "--shapes", "2x3,3x4"],
        0,
        "with respect to w agrees with differences (12 entries)",
    ),
    "of what raises": ("return x @ w", "return x @ y", ["affine", "--shapes", "2x3,3x4"], 3, "name 'y' is not defined"),
    "of nothing": ("", "", ["scales", *SHAPES], 2, "there is no function 'scales'; did you mean 'scale'?"),
    "without shapes": ("", "", ["scale"], 2, "'' is no shape\nShapes are written as 2x3x8x8"),
    "with what is no argument": ("", "", ["scale", *SHAPES, "--with", "stride"], 2, "'stride' is no argument"),
}


@pytest.mark.parametrize(("old", "new", "words", "code", "told"), GRADIENTS.values(), ids=GRADIENTS.keys())
def test_gradients_are_compared_with_differences(
    folder: Path, check: Check, old: str, new: str, words: list[str], code: int, told: str
) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace(old, new) if old else REFERENCE)
    done = check("mini.py", "--gradients", *words)
    assert told in done.out + done.err
    assert done.code == code
    assert no_traceback(done)


SPEED = {
    "within": ("", "", 0, r"✓ operations +\d+ +at most 40"),
    "over": (
        "return x @ w",
        "return sum(x[:, i : i + 1] * w[i] + 0 for i in range(3))",
        1,
        r"✗ operations +\d+ +at most 40",
    ),
    "a loop over rows": (
        "return x @ w",
        "return torch.stack([(row[:, None] * w).sum(0) for row in x])",
        0,
        r"operations when axis 0 of its first argument doubles: \d+ instead of \d+. Is there a loop over it\?",
    ),
    "outside torch": (
        "return x @ w",
        "return x @ w * float(x.detach().numpy().sum())",
        1,
        "somewhere numbers leave torch",
    ),
    "wrong": ("return x @ w", "return x @ w[:, :1]", 1, "measured once its public check passes: check.py 3.1"),
}


@pytest.mark.parametrize(("old", "new", "code", "told"), SPEED.values(), ids=SPEED.keys())
def test_what_a_fast_task_costs_is_counted_at_home(
    folder: Path, check: Check, old: str, new: str, code: int, told: str
) -> None:
    with_checks(folder, ASKS_AFFINE)
    (folder / "mini.py").write_text(REFERENCE.replace(old, new) if old else REFERENCE)
    done = check("mini.py", "--speed")
    assert re.search(told, done.out), done.out + done.err
    assert done.code == code


def test_without_a_fast_task_nothing_is_measured(folder: Path, check: Check) -> None:
    assert "none of these tasks has a limit" in check("double", "--speed").err


def test_the_page_of_the_grade_can_be_had_at_home(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text(REFERENCE.replace("return 2 * x", "return 3 * x"))
    done = check("mini.py", "--report")
    page = (folder / "report.html").read_text("utf-8")
    assert f"Written: {folder / 'report.html'}" in done.out
    assert "A small assignment" in page and "double: 1, 2, 3 becomes 2, 4, 6" in page
    assert "yours" in page and "expected" in page
    assert "This is three times x: count again." in page
    assert "hidden checks" in page and "q1: " not in page


def test_the_cell_below_a_task_checks_it_with_the_kernels_own_python(folder: Path) -> None:
    text = notebook(MINI, solved=True).decode()
    whole = nbformat.reads(text, as_version=4)
    (folder / "mini.ipynb").write_text(text)
    cell = next(cell for cell in whole.cells if cell.id == "check-double")
    asked = nbformat.v4.new_notebook(cells=[cell], metadata=whole.metadata)
    told = nbclient.execute(asked, cwd=str(folder)).cells[0].outputs
    text = re.sub(r"\x1b\[\d*m", "", "".join(output.text for output in told))  # a notebook shows colours
    assert PASSED in text
    assert "scale" not in text


# Handing in ---------------------------------------------------------------------------------------------------------


def submit(check: Check, *arguments: str) -> Done:
    return check(*arguments, script="submit.py")


def test_what_is_packed_is_graded_as_it_is(folder: Path, check: Check, tmp_path: Path) -> None:
    (folder / "mini.py").write_text(REFERENCE)
    done = submit(check)
    assert done.code == 0, done.out + done.err
    packed = folder / "mini-submission.zip"
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["mini.py"]
    assert collect(packed, MINI, tmp_path / "staged").source == collect(folder / "mini.py", MINI, tmp_path / "s").source


def test_what_is_missing_is_told_before_packing(folder: Path, check: Check) -> None:
    text = REFERENCE.replace("return 2 * x", 'raise NotImplementedError("mini.double")').replace(
        '"q1": "b"', '"q1": None'
    )
    (folder / "mini.py").write_text(text)
    done = submit(check)
    assert done.code == 1
    assert "Note: not written yet: double." in done.out
    assert "Note: the quiz is not complete: q1: not answered" in done.out
    assert "Packed: mini-submission.zip" in done.out


def test_a_renamed_file_is_packed_under_the_name_that_is_asked_for(folder: Path, check: Check) -> None:
    (folder / "my work.py").write_text(REFERENCE)
    assert submit(check, "my work.py").code == 0
    assert zipfile.ZipFile(folder / "mini-submission.zip").namelist() == ["mini.py"]


def test_what_cannot_be_imported_is_not_packed(folder: Path, check: Check) -> None:
    (folder / "mini.py").write_text("import nosuch\n")
    done = submit(check, "mini.py")
    assert done.code == 3
    assert "Nothing was packed" in done.err
    assert not (folder / "mini-submission.zip").exists()
    assert submit(check, "mini.py", "--anyway").code == 3
    assert (folder / "mini-submission.zip").exists()


@pytest.mark.parametrize(
    ("left", "told"), [(".mini.ipynb.swp", "is open in an editor"), ("", "was last saved 60 minutes ago")]
)
def test_signs_of_unsaved_work_are_told(folder: Path, check: Check, left: str, told: str) -> None:
    (folder / "mini.ipynb").write_bytes(notebook(MINI, solved=True))
    if left:
        (folder / left).touch()
    else:
        an_hour = time.time() - 3600
        os.utime(folder / "mini.ipynb", (an_hour, an_hour))
    assert told in submit(check, "mini.ipynb").out
