"""The local checker tells right from wrong as the grader does, in its words, and changes nothing."""

import re
import sys
from pathlib import Path

import pytest

from autograder.starter import notebook
from tests.local.home import EXAMPLE, FAILED, MINI, OTHER, PASSED, REFERENCE, STUB, Check, no_traceback


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
