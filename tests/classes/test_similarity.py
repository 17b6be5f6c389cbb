"""Two who share code are named to a human, whatever they renamed; who merely solved the same task is not."""

import csv
import re
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import load_assignment
from autograder.classes import Student, similarity, write_similarity
from autograder.classes._drive import SOURCES, page_name
from autograder.errors import DeepgradeError, UsageError
from autograder.starter import build
from autograder.submission import collect
from tests.classes.made_store import graded, store

CONV = load_assignment("conv")
CORRECT = Path(__file__).parents[1] / "submissions" / "conv" / "correct"
NAMES = sorted(file.stem for file in CORRECT.glob("*.py"))


def renamed(source: str) -> str:
    """What somebody makes of another's work in five minutes: other names, other comments."""
    source = re.sub(r"#.*", "# mine", source)
    for name in ("batch", "height", "width", "kernel", "out", "stride"):
        source = re.sub(rf"\b{name}\b", f"my_{name}", source)
    return source


def notebook(source: str) -> str:
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]))


def handed_in(folder: Path, files: dict[str, tuple[str, str]], owners: dict[str, str] | None = None) -> Path:
    """A graded class: file name and text by id."""
    for each, (name, text) in files.items():
        path = folder / "in" / each / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        collect(path, CONV, folder / SOURCES / page_name(each).removesuffix(".html"))
    who = {each: [Student((owners or {}).get(each, f"Name of {each}"))] for each in files}
    return store(folder, {each: graded("e") for each in files}, who, facts={"assignment": "conv"})


def honest() -> dict[str, tuple[str, str]]:
    """Independent right ones, the reference, and two stubs."""
    files = {name: ("conv.py", (CORRECT / f"{name}.py").read_text()) for name in NAMES}
    stub = build(CONV)["conv.py"].decode()
    return files | {"stub1": ("conv.py", stub), "stub2": ("conv.py", stub + "\n# I tried\n")}


def test_independent_work_and_stubs_are_nobodys_copy(tmp_path: Path) -> None:
    assert similarity(handed_in(tmp_path, honest())).pairs == ()


@pytest.mark.parametrize("copy", [("conv.py", str), ("conv.ipynb", notebook)], ids=["a module", "a notebook"])
def test_a_copy_with_other_names_is_the_one_pair(tmp_path: Path, copy: tuple[str, object]) -> None:
    file, wrap = copy
    assert callable(wrap)
    source = (CORRECT / f"{NAMES[0]}.py").read_text()
    found = similarity(handed_in(tmp_path, honest() | {"copier": (file, wrap(renamed(source)))}))
    assert [{pair.first, pair.second} for pair in found.pairs] == [{NAMES[0], "copier"}]
    assert min(found.pairs[0].shares) > 0.9


def test_what_many_have_is_nobodys_own(tmp_path: Path) -> None:
    source = (CORRECT / f"{NAMES[0]}.py").read_text()
    many = {f"s{number}": ("conv.py", f"{source}\n# {number}\n") for number in range(4)}
    folder = handed_in(tmp_path, honest() | many)
    assert similarity(folder, common=3).pairs == ()
    assert len(similarity(folder, common=10).pairs) == 10, "every two of the five"


def test_two_attempts_of_one_student_are_no_pair(tmp_path: Path) -> None:
    source = (CORRECT / f"{NAMES[0]}.py").read_text()
    files = {"first": ("conv.py", source), "second": ("conv.py", source)}
    assert similarity(handed_in(tmp_path, files, {"first": "Ada", "second": "Ada"})).pairs == ()


def test_the_page_shows_both_with_what_they_share_marked_and_nothing_as_markup(tmp_path: Path) -> None:
    source = (CORRECT / f"{NAMES[0]}.py").read_text() + "\nEVIL = '<script>'\n"
    folder = handed_in(tmp_path, honest() | {"a": ("conv.py", source), "b": ("conv.py", renamed(source))}, {"a": "<b>"})
    page, table = write_similarity(similarity(folder), folder)
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;b&gt;" in text
    marked = "".join(re.findall(r"<mark>(.*?)</mark>", text, re.DOTALL))
    assert "my_stride" in marked
    assert 'href="' not in text
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 3


def test_what_cannot_be_compared_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no class in"):
        similarity(tmp_path)
    folder = handed_in(tmp_path / "class", honest())
    monkeypatch.setitem(__import__("sys").modules, "copydetect", None)
    with pytest.raises(DeepgradeError, match="this needs copydetect"):
        similarity(folder)
