"""What the local checker can do besides: gradients, costs, the page of the grade, and packing what is handed in."""

import os
import re
import time
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest

from autograder.starter import notebook
from autograder.submission import collect
from tests.local.home import ASKS_AFFINE, MINI, PASSED, REFERENCE, Check, Done, no_traceback, with_checks

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
