"""A folder: the deliverable is found in it, or the message says why not."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.errors import SubmissionError
from tests.intake.handed import CODE, Take, cells, put, zipped

TREES = [
    pytest.param(["conv.py"], "conv.py", id="at the top"),
    pytest.param(["conv.py", "other.py", "notes.txt"], "conv.py", id="among others"),
    pytest.param(["a/b/conv.py"], "a/b/conv.py", id="deep"),
    pytest.param(["a/conv.py", "b/c/conv.py"], "a/conv.py", id="the shallowest"),
    pytest.param(["z/conv.py", "a/b/conv.py"], "z/conv.py", id="the shallowest, not the first"),
    pytest.param([".git/conv.py", "a/b/conv.py"], "a/b/conv.py", id="hidden folder"),
    pytest.param(["__MACOSX/conv.py", "a/b/conv.py"], "a/b/conv.py", id="__MACOSX"),
    pytest.param(["__pycache__/conv.py", "a/b/conv.py"], "a/b/conv.py", id="__pycache__"),
    pytest.param([".ipynb_checkpoints/conv.py", "x/y/conv.py"], "x/y/conv.py", id="checkpoints"),
    pytest.param(["._conv.py", "a/conv.py"], "a/conv.py", id="resource fork"),
    pytest.param(["a b/ü/conv.py"], "a b/ü/conv.py", id="odd names"),
    pytest.param(["conv.py/conv.py"], "conv.py/conv.py", id="in a folder named like it"),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("names", "expected"), TREES)
def test_the_deliverable_is_found(take: Take, tmp_path: Path, names: list[str], expected: str, packed: bool) -> None:
    if packed:
        got = take(zipped(tmp_path / "mine.zip", *((name, name.encode()) for name in names)))
    else:
        for name in names:
            put(tmp_path / "mine" / name, name)
        got = take(tmp_path / "mine")
    assert (got.origin, got.source, got.notes) == (expected, expected, ())


MEANT = [
    pytest.param(["main.py"], "main.py", id="the only code"),
    pytest.param(["a/b/My Solution.IPYNB"], "a/b/My Solution.IPYNB", id="the only code, deep"),
    pytest.param(["main.py", "data.csv", "x.zip"], "main.py", id="the only code among others"),
    *(
        pytest.param([name, "helper.py"], name, id=name)
        for name in (
            "Conv.py",
            "conv (1).py",
            "CONV-copy.py",
            "conv copy 2.py",
            "conv_v2.py",
            "conv1.py",
            "conv_final.py",
        )
    ),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("names", "expected"), MEANT)
def test_what_can_only_be_the_deliverable_is_taken_with_a_note(
    take: Take, tmp_path: Path, names: list[str], expected: str, packed: bool
) -> None:
    book = {name: cells(CODE.decode()) if name.lower().endswith("ipynb") else CODE for name in names}
    book |= dict.fromkeys(book.keys() & {"helper.py"}, b"x = 1")
    if packed:
        got = take(zipped(tmp_path / "mine.zip", *book.items()))
    else:
        got = take([put(tmp_path / "mine" / name, data) for name, data in book.items()] and tmp_path / "mine")
    assert CODE.decode() in got.source
    assert (got.origin, got.notes) == (expected, (f"{Path(expected).name} is graded as conv.py",))


MISSING = [
    pytest.param(["conw.py", "x.py"], r"but there is conw.py; did you mean 'conv.py'\?", id="near"),
    pytest.param(
        ["a/CONW.ipynb", "x.py"], r"but there is CONW.ipynb; did you mean 'conv.ipynb'\?", id="near, in capitals"
    ),
    pytest.param(
        ["main.py", "x.py", "x.zip"],
        r"there is no conv.py or conv.ipynb in .*, only main.py, x.py, x.zip$",
        id="others",
    ),
    pytest.param(["x.zip"], r"there is no conv.py or conv.ipynb in .*, only x.zip$", id="a zip that is none"),
    pytest.param(["readme.md"], r"there is no conv.py or conv.ipynb in [^,]*$", id="no code"),
    pytest.param([".conv.py"], r"there is no conv.py or conv.ipynb", id="hidden"),
    pytest.param(["check.py", "public/conv.py"], r"there is no conv.py or conv.ipynb", id="the starter's own"),
    pytest.param(["/".join("abcdefghij") + "/conv.py"], "there is no conv.py or conv.ipynb", id="too deep"),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("names", "message"), MISSING)
def test_a_deliverable_that_is_not_there_is_named(
    take: Take, tmp_path: Path, names: list[str], message: str, packed: bool
) -> None:
    if packed:
        path = zipped(tmp_path / "mine.zip", *((name, b"x = 1") for name in names))
    else:
        path = [put(tmp_path / "mine" / name, b"x = 1") for name in names] and tmp_path / "mine"
    with pytest.raises(SubmissionError, match=message) as caught:
        take(path)
    assert caught.value.help


def test_an_empty_folder_is_refused(take: Take, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(SubmissionError, match=r"there is no conv\.py or conv\.ipynb in the folder mine$"):
        take(tmp_path / "mine")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Path.mkdir, "a folder"),
        (os.mkfifo, "neither a file nor a folder"),
        (lambda path: path.symlink_to("/etc/passwd"), "a link"),
        (lambda path: path.symlink_to("nowhere"), "a link"),
    ],
    ids=["folder", "fifo", "link", "dangling"],
)
def test_a_deliverable_that_is_no_file_is_refused(
    take: Take, tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    (tmp_path / "mine").mkdir()
    make(tmp_path / "mine/conv.py")
    with pytest.raises(SubmissionError, match=f"conv.py is {what}, not a file"):
        take(tmp_path / "mine")


def test_links_to_folders_are_not_followed(take: Take, tmp_path: Path) -> None:
    put(tmp_path / "secret/conv.py")
    for name in ("other.py", "third.py"):
        put(tmp_path / "mine" / name, b"x = 1")
    (tmp_path / "mine/link").symlink_to(tmp_path / "secret")
    (tmp_path / "mine/loop").symlink_to(tmp_path / "mine")
    with pytest.raises(SubmissionError, match=r"in the folder mine, only other\.py, third\.py"):
        take(tmp_path / "mine")


def test_a_folder_deeper_than_any_path_is_refused_in_passing(take: Take, tmp_path: Path) -> None:
    here = os.getcwd()
    (tmp_path / "mine").mkdir()
    try:
        os.chdir(tmp_path / "mine")
        for _ in range(1100):  # more than Python recurses, and longer than the system takes a path
            os.mkdir("deep")
            os.chdir("deep")
        Path("conv.py").write_bytes(CODE)
    finally:
        os.chdir(here)
    with pytest.raises(SubmissionError, match=r"there is no conv\.py"):
        take(tmp_path / "mine")
    assert take(put(tmp_path / "mine/conv.py").parent).origin == "conv.py"
    subprocess.run(["rm", "-rf", str(tmp_path / "mine")], check=True)  # what removes it after the test would recurse


def test_a_folder_of_too_many_files_is_refused(take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.submission._files.MAX_ENTRIES", 20)
    for number in range(20):
        put(tmp_path / "mine" / str(number % 3) / str(number))
    with pytest.raises(SubmissionError, match="there are more than 20 files in the folder"):
        take(put(tmp_path / "mine/conv.py").parent)


def test_names_that_are_no_text_are_shown_safely(take: Take, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in (b"caf\xe9.py", b"a\nb\x1b[31m.py"):
        Path(os.fsdecode(os.fsencode(tmp_path / "mine") + b"/" + name)).write_bytes(b"x = 1")
    with pytest.raises(SubmissionError) as caught:
        take(tmp_path / "mine")
    assert str(caught.value).isprintable() and r"caf\udce9.py" in str(caught.value)


UNDONE = b'def pool(x):\n    raise NotImplementedError("conv.net")\n'
STUB = UNDONE.replace(b"pool", b"conv") + UNDONE
HALF = CODE + UNDONE


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("module", "book", "note"),
    [
        pytest.param(CODE, STUB, "conv.py is graded, with 1 parts written; also there: a/conv.ipynb (0)", id="module"),
        pytest.param(STUB, CODE, "conv.ipynb is graded, with 1 parts written; also there: a/conv.py (0)", id="book"),
        pytest.param(STUB, HALF, "conv.ipynb is graded, with 1 parts written; also there: a/conv.py (0)", id="half"),
        pytest.param(CODE, CODE, "conv.py is graded, with 1 parts written; also there: a/conv.ipynb (1)", id="equal"),
        pytest.param(STUB.replace(b"raise", b"pass  # raise"), HALF, "conv.ipynb is graded, with 1", id="passed over"),
        pytest.param(STUB, STUB, "conv.py is graded, with 0 parts written; also there: a/conv.ipynb (0)", id="none"),
        pytest.param(HALF, b"{", "conv.py is graded, with 1 parts written; also there: a/conv.ipynb (cannot", id="cut"),
        pytest.param(
            b"", CODE, "conv.ipynb is graded, with 1 parts written; also there: a/conv.py (cannot", id="empty"
        ),
    ],
)
def test_of_module_and_notebook_the_one_with_more_written_is_graded(
    take: Take, tmp_path: Path, module: bytes, book: bytes, note: str, packed: bool
) -> None:
    book = cells(book.decode()) if book != b"{" else book
    if packed:
        path = zipped(tmp_path / "mine.zip", ("a/conv.ipynb", book), ("a/conv.py", module))
    else:
        path = put(put(tmp_path / "mine/a/conv.ipynb", book).parent / "conv.py", module).parents[1]
    got = take(path)
    assert got.notes[0].startswith(f"a/{note}")
    assert f"a/{note}".startswith(got.origin)


def test_where_nothing_is_written_what_cannot_be_read_is_told(take: Take, tmp_path: Path) -> None:
    put(tmp_path / "mine/conv.py", STUB)
    put(tmp_path / "mine/conv.ipynb", b"{")
    with pytest.raises(SubmissionError, match=r"conv\.ipynb is damaged: it ends in the middle"):
        take(tmp_path / "mine")
