"""Checking again and again: what does not end, what is chosen, what is told of mistakes, a save that runs it."""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.assignment import read_assignment
from autograder.local.choice import written
from tests.local.home import (
    ASKS_AFFINE,
    COMMAND,
    ENVIRONMENT,
    FAILED,
    OTHER,
    PASSED,
    REFERENCE,
    Check,
    limited,
    no_traceback,
    with_checks,
)

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
