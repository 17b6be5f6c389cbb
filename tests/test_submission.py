"""What students hand in: the right file is taken, everything else is one clear message, and nothing runs."""

import ast
import contextlib
import hashlib
import io
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.assignment import Assignment, Limits, Task, assignment_names, load_assignment
from autograder.errors import GraderError, SubmissionError
from autograder.starter import notebook, solved_source
from autograder.submission import Submission, collect

CODE = b"def conv(x):\n    return x\n"
CONV = Assignment(
    name="conv",
    title="Convolution",
    deliverable="conv",
    lectures=("Lecture 1",),
    limits=Limits(),
    tasks={
        "conv": Task("conv", "Convolution", ("conv", "pool"), ("windows",), "torch"),
        "net": Task("net", "A network", ("Net",), ("depth",), "torch"),
    },
    pairs={},
    quiz=(),
    folder=Path("assignments/conv"),
    solution=Path("solutions/conv.py"),
)
FUZZ = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def take(tmp_path: Path) -> Callable[[Path], Submission]:
    """Collect a path into a staging folder of the test's own."""
    return lambda path: collect(path, CONV, tmp_path / "staging")


Take = Callable[[Path], Submission]


def put(path: Path, data: bytes | str = CODE) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def cells(*sources: str | list[str], **more: Any) -> bytes:
    """A notebook of code cells, in the format 4.4."""
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [], "source": source}
        for source in sources
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": made} | more).encode()


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip with these members, in this order."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data, compress_type=method)
    return path


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything; what an ordinary user cannot read is tried as one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """What would wait for ever fails instead."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def taken_or_refused(path: Path, tmp_path: Path) -> Submission | str:
    """What is taken, or the message that the student gets, which must be one that can be shown."""
    try:
        return collect(path, CONV, tmp_path / "staging")
    except SubmissionError as error:
        message = str(error)
    assert message.isprintable() and 10 < len(message) < 1000
    return message


# ---------------------------------------------------------------------------------------------------- one file, staged


@pytest.mark.parametrize("name", ["conv.py", "my solution (2).py", "CONV.PY", "-rf.py", "naïve.py", ".py.py"])
def test_a_single_py_of_any_name_is_the_deliverable(take: Take, tmp_path: Path, name: str) -> None:
    got = take(put(tmp_path / name))
    assert got.path == tmp_path / "staging" / "conv.py"
    assert got.path.read_bytes() == CODE and got.source == CODE.decode()
    assert got.origin == name and got.notes == (() if name == "conv.py" else (f"{name} is graded as conv.py",))


def test_the_staged_file_is_readable_by_all_and_writable_by_the_grader_only(take: Take, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        staged = take(put(tmp_path / "conv.py")).path
    finally:
        os.umask(before)
    assert stat.S_IMODE(staged.stat().st_mode) == 0o644 and list(staged.parent.iterdir()) == [staged]


def test_the_digest_is_that_of_the_staged_bytes_however_they_came(take: Take, tmp_path: Path) -> None:
    expected = hashlib.sha256(CODE).hexdigest()
    alone = take(put(tmp_path / "a" / "conv.py"))
    packed = take(zipped(tmp_path / "b.zip", ("conv.py", CODE)))
    assert alone.digest == packed.digest == take(tmp_path / "a").digest == expected


def test_staging_replaces_what_was_there_and_follows_no_link(take: Take, tmp_path: Path) -> None:
    precious = put(tmp_path / "precious", b"keep")
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging/conv.py").symlink_to(precious)
    assert take(put(tmp_path / "conv.py")).path.read_bytes() == CODE
    assert precious.read_bytes() == b"keep"
    assert take(put(tmp_path / "conv.py", b"x = 1")).path.read_bytes() == b"x = 1"


def test_a_staging_folder_that_cannot_be_used_is_our_fault(tmp_path: Path) -> None:
    put(tmp_path / "staging", b"a file")
    with pytest.raises(GraderError, match="the submission cannot be staged"):
        collect(put(tmp_path / "conv.py"), CONV, tmp_path / "staging")


def test_a_module_that_is_no_python_at_all_is_left_to_its_import(take: Take, tmp_path: Path) -> None:
    assert take(put(tmp_path / "conv.py", b"def conv(x:\n")).source == "def conv(x:\n"


@pytest.mark.parametrize(
    ("data", "source"),
    [
        pytest.param("é = 1\n".encode(), "é = 1\n", id="utf-8"),
        pytest.param(b"\xef\xbb\xbfx = 1\n", "x = 1\n", id="byte order mark"),
        pytest.param(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n", id="latin-1"),
        pytest.param(b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n", None, id="second line"),
        pytest.param(b"x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n", id="Windows"),
        pytest.param(b"x = 1\ry = 2\r", "x = 1\ny = 2\n", id="old Mac"),
        pytest.param("x = '中'\n".encode("gbk").join([b"# coding: gbk\n", b""]), "# coding: gbk\nx = '中'\n", id="gbk"),
    ],
)
def test_a_module_is_decoded_as_python_does(take: Take, tmp_path: Path, data: bytes, source: str | None) -> None:
    got = take(put(tmp_path / "conv.py", data))
    assert got.path.read_bytes() == data
    assert ast.dump(ast.parse(got.source)) == ast.dump(ast.parse(data))
    assert source is None or got.source == source


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "conv.py is empty", id="empty"),
        pytest.param(b" \n\t\n", "conv.py is empty", id="blank"),
        pytest.param(b"x = 1\0\n", "is not a text file: it has NUL bytes", id="NUL"),
        pytest.param(b"\x7fELF\x02\x01\x01\0\0", "is not a text file", id="binary"),
        pytest.param(b"\xff\xfex", "conv.py: not utf-16: truncated data", id="half of utf-16"),
        pytest.param(b"x = 1\ny = 2\nz = '\x81'\n", "conv.py is not a text file in UTF-8", id="no encoding at all"),
        pytest.param(b"# coding: klingon\n", "unknown encoding: klingon", id="unknown"),
        pytest.param(b"# coding: rot13\nx = 1", "is not a text encoding", id="no text encoding"),
        pytest.param(b"# coding: punycode\nx = 1", "is for domain names", id="slow"),
        pytest.param(b"# coding: ascii\nx = '\xe9'\n", "conv.py, line 2: not ascii", id="ascii"),
        pytest.param(b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem", id="mark and cookie contradict"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\noid x", "is a pointer of Git LFS", id="Git LFS"),
        pytest.param(b"\n<!DOCTYPE html>\n<html>", "conv.py: it is a web page", id="a web page"),
        pytest.param(b"PK\3\4", "conv.py: it is a zip", id="a zip"),
    ],
)
def test_what_is_not_the_text_of_a_module_is_refused(take: Take, tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=message) as caught:
        take(put(tmp_path / "conv.py", data))
    assert caught.value.help


# --------------------------------------------------------------------------------------------------------- other paths


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py", "there is no file .*missing.py"),
        ("missing/conv.py", "there is no file"),
        ("nul\0.py", r"nul\\x00.py cannot be read \(embedded null byte\)"),
        ("x" * 300 + ".py", "cannot be read"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(take: Take, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SubmissionError, match=message):
        take(tmp_path / name)


@pytest.mark.parametrize("name", ["conv.txt", "conv", "conv.json", "conv.gz", "conv.pdf", "conv.pyc"])
def test_other_kinds_of_files_are_refused(take: Take, tmp_path: Path, name: str) -> None:
    with pytest.raises(SubmissionError, match=f"{name} is not a .py, .ipynb or .zip file") as caught:
        take(put(tmp_path / name))
    assert caught.value.help == "Hand in conv.py or conv.ipynb, alone or in a folder or zip."


@pytest.mark.parametrize("suffix", [".py", ".ipynb", ".zip"])
@pytest.mark.parametrize("target", ["file", "folder", "nothing"])
def test_a_link_is_not_followed(take: Take, tmp_path: Path, suffix: str, target: str) -> None:
    put(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    link = tmp_path / f"conv{suffix}"
    link.symlink_to(tmp_path / target)
    with pytest.raises(SubmissionError, match=f"conv{suffix} is a link, not a file"):
        take(link)


@pytest.mark.parametrize("name", ["conv.py", "conv.ipynb", "conv.zip", "conv"])
def test_a_fifo_is_refused_without_waiting(take: Take, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with within(10), pytest.raises(SubmissionError, match=f"{name} is neither a file nor a folder, not a file"):
        take(tmp_path / name)


def test_a_device_is_refused(take: Take) -> None:
    with pytest.raises(SubmissionError, match="zero is neither a file nor a folder"):
        take(Path("/dev/zero"))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["fifo", "link"])
def test_a_file_that_is_exchanged_after_it_was_looked_at_is_not_read(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "conv.py")
    for room in ("_files", "_collect"):
        monkeypatch.setattr(f"autograder.submission.{room}.kind_at", lambda path: "a file")
    refused = r"conv\.py is neither a file|conv\.py cannot be read .Too many levels"
    with within(10), pytest.raises(SubmissionError, match=refused):
        take(tmp_path / "conv.py")


@pytest.mark.parametrize(("name", "limit"), [("conv.py", 5), ("conv.ipynb", 40)])
def test_a_file_beyond_its_limit_is_refused(take: Take, tmp_path: Path, name: str, limit: int) -> None:
    file = put(tmp_path / name)
    os.truncate(file, 1 << 40)  # sparse
    with pytest.raises(SubmissionError, match=f"{name} is larger than {limit} MiB"):
        take(file)


def test_a_module_at_its_limit_is_taken(take: Take, tmp_path: Path) -> None:
    assert len(take(put(tmp_path / "conv.py", b"#" * (5 << 20))).source) == 5 << 20
    with pytest.raises(SubmissionError, match="larger than 5 MiB"):
        take(put(tmp_path / "conv.py", b"#" * ((5 << 20) + 1)))


@pytest.mark.parametrize("name", ["conv.py", "conv.ipynb", "conv.zip"])
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, name: str) -> None:
    file = put(tmp_path / name)
    file.chmod(0)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    with without_privileges(), pytest.raises(SubmissionError, match=f"{name} cannot be read .Permission denied"):
        collect(file, CONV, tmp_path / "staging")


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "mine" / "conv.py").parent
    folder.chmod(0)
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    try:
        with without_privileges(), pytest.raises(SubmissionError, match=r"mine cannot be read .Permission denied"):
            collect(folder, CONV, tmp_path / "staging")
    finally:
        folder.chmod(0o755)


# ------------------------------------------------------------------------------------------------------------- folders

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


# ---------------------------------------------------------------------------------------------------------------- zips


def member(name: str, mode: int = 0, **fields: Any) -> zipfile.ZipInfo:
    """A member whose header says what the test wants."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def patched(path: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    """Change bytes of an archive; they must be there."""
    data = path.read_bytes()
    assert old in data
    return put(path, data.replace(old, new, count))


def test_nothing_of_a_zip_is_unpacked(take: Take, tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "mine.zip", ("conv.py", CODE), ("../evil.py", b"x"), ("/evil.py", b"x"), ("data.bin", b"x")
    )
    assert take(path).source == CODE.decode()
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["conv.py", "mine.zip", "staging"]


@pytest.mark.parametrize(
    "name", ["../conv.py", "a/../conv.py", "/conv.py", "/tmp/conv.py", "C:/conv.py", "..\\conv.py"]
)
def test_a_deliverable_outside_of_the_archive_is_refused(take: Take, tmp_path: Path, name: str) -> None:
    with pytest.raises(SubmissionError, match=r"conv\.py is outside of the archive, not a file"):
        take(zipped(tmp_path / "mine.zip", (name, CODE)))


@pytest.mark.parametrize("name", ["hw\\conv.py", "./conv.py", "hw//conv.py", "hw/./conv.py"])
def test_odd_but_harmless_paths_are_understood(take: Take, tmp_path: Path, name: str) -> None:
    assert take(zipped(tmp_path / "mine.zip", (name, CODE))).source == CODE.decode()


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        (stat.S_IFLNK | 0o777, "a link"),
        (stat.S_IFIFO | 0o644, "neither a file nor a folder"),
        (stat.S_IFDIR | 0o755, "a folder"),
    ],
)
def test_a_member_that_is_no_file_is_refused(take: Take, tmp_path: Path, mode: int, what: str) -> None:
    with pytest.raises(SubmissionError, match=f"conv.py is {what}, not a file"):
        take(zipped(tmp_path / "mine.zip", (member("conv.py", mode), b"/etc/passwd")))


def test_a_member_that_says_it_is_a_regular_file_is_taken(take: Take, tmp_path: Path) -> None:
    info = member("conv.py", stat.S_IFREG | 0o600)
    assert take(zipped(tmp_path / "mine.zip", (info, CODE))).source == CODE.decode()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_name_that_is_there_twice_the_later_is_taken_as_unpacking_would(take: Take, tmp_path: Path) -> None:
    assert take(zipped(tmp_path / "mine.zip", ("conv.py", b"x = 1"), ("conv.py", CODE))).source == CODE.decode()


def test_an_encrypted_member_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    data[6] |= 1
    with pytest.raises(SubmissionError, match=r"conv\.py is protected by a password"):
        take(put(path, bytes(data)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(take: Take, tmp_path: Path, method: int) -> None:
    with pytest.raises(SubmissionError, match=r"conv\.py is compressed in an unusual way"):
        take(zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=method))


def test_an_unknown_compression_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 10, 93)
    with pytest.raises(SubmissionError, match=r"conv\.py is compressed in an unusual way"):
        take(put(path, bytes(data)))


def test_a_bomb_stops_at_the_limit(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", b"#" * (64 << 20)))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(SubmissionError, match=r"conv\.py is larger than 5 MiB"):
        take(path)


def test_a_bomb_that_lies_about_its_size_is_cut_or_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", b"#" * (64 << 20)))
    with pytest.raises(SubmissionError, match="is damaged, or not a zip"):
        take(patched(path, struct.pack("<I", 64 << 20), struct.pack("<I", 100)))


def test_a_bomb_beside_the_deliverable_is_not_opened(take: Take, tmp_path: Path) -> None:
    assert (
        take(zipped(tmp_path / "mine.zip", ("data.py", b"#" * (64 << 20)), ("conv.py", CODE))).source == CODE.decode()
    )


def test_an_archive_of_too_many_files_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", *((f"{number}", b"") for number in range(50_001)), method=zipfile.ZIP_STORED)
    with pytest.raises(SubmissionError, match=r"mine\.zip holds more than 50000 files"):
        take(path)


def test_a_table_of_contents_that_claims_gigabytes_is_refused_unread(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=zipfile.ZIP_STORED)
    data = path.read_bytes()
    end = data.index(b"PK\5\6")
    size, offset = struct.unpack("<II", data[end + 12 : end + 20])
    hole = 1 << 31
    with path.open("wb") as file:
        file.write(data[:offset])
        file.seek(offset + hole)
        file.write(data[offset:end] + data[end : end + 12] + struct.pack("<II", size + hole, offset) + data[end + 20 :])
    with pytest.raises(SubmissionError, match="its table of contents is too large"):
        take(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"PK\5\6" + b"\0" * 18, b"not a zip", b"\x1f\x8b\x08\0", b"Rar!\x1a\x07", CODE],
    ids=["empty", "cut", "nothing in it", "text", "gzip", "rar", "module"],
)
def test_what_is_no_zip_is_refused(take: Take, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SubmissionError, match=r"mine\.zip is damaged, or not a zip|there is no conv\.py"):
        take(put(tmp_path / "mine.zip", data))


def test_a_member_whose_bytes_are_damaged_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=zipfile.ZIP_STORED)
    with pytest.raises(SubmissionError, match=r"is damaged, or not a zip .Bad CRC-32"):
        take(patched(path, b"return x", b"return y"))


def test_a_member_that_cannot_be_unpacked_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE * 20))
    start = path.read_bytes().index(b"conv.py") + len(b"conv.py")
    with pytest.raises(SubmissionError, match=r"is damaged, or not a zip .Error -3 while decompressing"):
        take(patched(path, path.read_bytes()[start : start + 10], b"\xff" * 10))


LISTED = {"version": 6, "packed": 20, "size": 24, "offset": 42}  # where they stand in a table of contents
LIES = [
    {"version": 99},
    {"packed": 5},
    {"packed": 1 << 20, "size": 1 << 20},
    {"size": 5},
    {"offset": 50},
    {"offset": 10**9},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_table_of_contents_that_lies_is_refused(take: Take, tmp_path: Path, lie: dict[str, int]) -> None:
    path = zipped(tmp_path / "mine.zip", ("conv.py", CODE), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for field, value in lie.items():
        struct.pack_into("<H" if field == "version" else "<I", data, data.index(b"PK\1\2") + LISTED[field], value)
    with pytest.raises(SubmissionError, match="is damaged, or not a zip"):
        take(put(path, bytes(data)))


def test_a_name_in_a_false_encoding_is_refused(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("é.py", b"x"), ("conv.py", CODE))
    with pytest.raises(SubmissionError, match="is damaged, or not a zip"):
        take(patched(path, "é".encode(), b"\xff\xfe"))


def test_names_in_an_old_encoding_do_not_hide_the_deliverable(take: Take, tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", ("AA/conv.py", CODE))
    assert take(patched(path, b"AA/", "作".encode("gbk") + b"/")).source == CODE.decode()


ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as _archive:
    _archive.writestr("hw/conv.py", CODE * 20)
    _archive.writestr("hw/notes.txt", b"notes")


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, len(ZIP.getvalue()) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.data()
)
def test_a_damaged_zip_is_taken_or_refused_never_an_accident(
    tmp_path: Path, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    damaged = bytearray(ZIP.getvalue())
    for position, value in changes:
        damaged[position] = value
    keep = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    got = taken_or_refused(put(tmp_path / "mine.zip", bytes(damaged[:keep])), tmp_path)
    if isinstance(got, Submission):
        assert got.source == (CODE * 20).decode()


@FUZZ
@given(
    st.lists(
        st.text(min_size=1, max_size=30) | st.sampled_from(["conv.py", "a/conv.py", "../x", "/", "./"]), max_size=5
    )
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_names_in_a_zip_are_taken_or_refused_never_an_accident(tmp_path: Path, names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            with contextlib.suppress(UnicodeEncodeError):
                archive.writestr(name, CODE)
    got = taken_or_refused(put(tmp_path / "mine.zip", buffer.getvalue()), tmp_path)
    if isinstance(got, Submission):
        assert got.source == CODE.decode() and got.origin.endswith(("conv.py", "conv.ipynb"))


# ----------------------------------------------------------------------------------------------------------- notebooks


def module(take: Take, path: Path, *sources: str) -> str:
    """The module that a notebook with these cells becomes."""
    return take(put(path, cells(*sources))).source


def test_every_line_of_a_module_is_found_in_its_cell(take: Take, tmp_path: Path) -> None:
    source = module(
        take,
        tmp_path / "conv.ipynb",
        "import math\nprint('hello')\n\nSCALE = 2",
        "# a comment\n\ndef conv(x):\n    # inside\n    return pool(x) * SCALE * math.pi",
        "plot(conv(1))",
        "def pool(x):\n    return '''\n% kept\n'''",
    )
    lines = source.split("\n")
    words = ("import math", "# a comment", "def pool(x):")
    first, second, fourth = (lines.index(f"# notebook cell “{start}”") for start in words)
    assert source.count("# notebook cell ") == 3 and "plot" not in source
    assert lines[first + 2] == "# left out, as no task needs it: print('hello')"
    assert lines[first + 1] == "import math" and lines[first + 4] == "SCALE = 2"
    assert lines[second + 3] == "def conv(x):" and lines[second + 4] == "    # inside"
    assert lines[fourth + 1 : fourth + 5] == ["def pool(x):", "    return '''", "% kept", "'''"]


def test_the_staged_module_is_the_source(take: Take, tmp_path: Path) -> None:
    got = take(put(tmp_path / "conv.ipynb", cells("def conv(x): return 'é'")))
    assert got.path.read_text(encoding="utf-8") == got.source
    assert got.digest == hashlib.sha256(got.source.encode()).hexdigest()


def test_cells_that_no_task_needs_are_left_out_without_a_note(take: Take, tmp_path: Path) -> None:
    got = take(put(tmp_path / "conv.ipynb", cells("print(1)", "", "def conv(x): pass", "# only a comment", "conv(1)")))
    assert got.notes == () and "print" not in got.source


KEPT = [
    pytest.param(["import math", "def conv(x): return math.pi"], "import math", id="an import that is used"),
    pytest.param(["from math import pi as p", "def conv(x): return p"], "from math import pi as p", id="renamed"),
    pytest.param(["from math import *", "def conv(x): return pi"], "from math import *", id="a star"),
    pytest.param(["def helper(): return 1", "def conv(x): return helper()"], "def helper()", id="a helper"),
    pytest.param(["def conv(x): return a()", "def a(): return b()", "def b(): return 1"], "def b()", id="its helper"),
    pytest.param(["def conv(x): return a()", "def a(): return conv(0)"], "def a()", id="in a circle"),
    pytest.param(
        ["def a(): pass", "class Net:\n    def f(self):\n        return a()"], "def a()", id="a method's helper"
    ),
    pytest.param(["import math", "conv = lambda x: [lambda: math.pi]"], "import math", id="deep inside"),
    pytest.param(["class Base: pass", "class Net(Base): pass"], "class Base", id="a base class"),
    pytest.param(["SIZE = 3", "def conv(x, size=SIZE): pass"], "SIZE = 3", id="a default"),
    pytest.param(["Size = int", "def conv(x: Size): pass"], "Size = int", id="an annotation"),
    pytest.param(["SIZE: int = 3", "def conv(x): return SIZE"], "SIZE: int = 3", id="an annotated constant"),
    pytest.param(["A = B = 3", "def conv(x): return B"], "A = B = 3", id="two targets"),
    pytest.param(["a, (b, *c) = 1, (2, 3)", "def conv(x): return c"], "a, (b, *c)", id="unpacking"),
    pytest.param(["N = 1", "N += 1", "def conv(x): return N"], "N += 1", id="augmented"),
    pytest.param(["T = {}", "T['a'] = 1", "def conv(x): return T"], "T['a'] = 1", id="an item"),
    pytest.param(
        ["class Net: pass", "def f(self): pass", "Net.forward = f"], "Net.forward = f", id="a method from outside"
    ),
    pytest.param(["class Net: pass", "def f(self): pass", "Net.forward = f"], "def f(self)", id="and the method"),
    pytest.param(
        ["class Net: pass", "def adds(c): return lambda f: f", "@adds(Net)\ndef forward(self): pass"],
        "@adds(Net)\ndef forward",
        id="a method by decorator",
    ),
    pytest.param(
        ["import functools", "@functools.cache\ndef conv(x): pass"], "@functools.cache\ndef conv", id="decorated"
    ),
    pytest.param(["X = [i for i in range(3)]", "def conv(x): return X"], "X = [i for", id="a comprehension"),
    pytest.param(["if True:\n    def conv(x): pass"], "if True:\n    def conv", id="under a condition"),
    pytest.param(["try:\n    import math\nexcept ImportError:\n    math = 0", "def conv(x): math"], "try:\n", id="try"),
    pytest.param(["T = {}\nfor i in range(3):\n    T[i] = i", "def conv(x): return T"], "for i in range", id="a table"),
    pytest.param(["with open(0) as f:\n    X = 1", "def conv(x): return X"], "with open(0)", id="with"),
    pytest.param(["conv = lambda x: x"], "conv = lambda", id="a lambda"),
    pytest.param(["def _conv(x): pass", "conv = pool = _conv"], "def _conv", id="another name"),
    pytest.param(["QUIZ = {'q1': 'a'}", "def conv(x): pass"], "QUIZ = ", id="the quiz"),
    pytest.param(["C = 0", "def conv(x):\n    global C\n    C = C + 1"], "C = 0", id="a global"),
    pytest.param(["if (N := 3) > 2: pass", "def conv(x): return N"], "if (N := 3)", id="a walrus"),
    pytest.param(["async def conv(x): pass"], "async def conv", id="async"),
    pytest.param(["a = 1; b = 2; c = 3", "def conv(x): return a + c"], "a = 1; c = 3", id="on one line"),
    pytest.param(["x = 'ü'; b = 2; c = 3", "def conv(y): return x + c"], "x = 'ü'; c = 3", id="columns are bytes"),
    pytest.param(["A = [\n 1,\n]; B = 2", "def conv(x): return A + B"], "A = [\n 1,\n]; B = 2", id="ends and goes on"),
]


@pytest.mark.parametrize(("sources", "expected"), KEPT)
def test_what_a_task_needs_is_kept(take: Take, tmp_path: Path, sources: list[str], expected: str) -> None:
    source = module(take, tmp_path / "conv.ipynb", *sources)
    assert expected in source
    compile(source, "conv.py", "exec")


DROPPED = [
    pytest.param("import matplotlib.pyplot as plt\nplt.plot([1])", "matplotlib", id="an import for plots only"),
    pytest.param("import sys\nsys.path.append('.')", "sys", id="an import for its effect"),
    pytest.param("print(conv(1))", "print", id="a call"),
    pytest.param("loss = conv(1)", "loss", id="a result"),
    pytest.param("for i in range(10**9):\n    conv(i)", "range", id="a loop"),
    pytest.param("while True:\n    x = conv(1)", "while", id="an endless loop"),
    pytest.param("assert conv(1) == 1", "assert", id="an assertion"),
    pytest.param("conv(1)\n'text'\n3", "3", id="expressions"),
    pytest.param("def train(net):\n    conv(net)", "train", id="a function that only uses tasks"),
    pytest.param("class Trainer:\n    pass", "Trainer", id="a class that no one needs"),
    pytest.param("class Net:\n    pass\nclass Wide(Net):\n    width = 3", "width", id="a subclass of a task"),
    pytest.param("net = conv(1)\nnet.train()\nnet.step(conv)", "net", id="an object that no task needs"),
    pytest.param("import numpy as np\nnp.testing.assert_equal(conv(1), 1)", "testing", id="a test of a library"),
    pytest.param("def check(f):\n    print(f(1))\ncheck(conv)", "check", id="a test of its own"),
    pytest.param("x = train()\ny = x", "train", id="a local name of a task is no need"),
    pytest.param("if __name__ == '__main__':\n    conv(1)", "__main__", id="main"),
    pytest.param("del conv", "del", id="del"),
    pytest.param("math.pi = 3", "pi", id="a change of a library"),
    pytest.param("report = conv.__name__", "report", id="a look at a task"),
]


@pytest.mark.parametrize(("extra", "gone"), DROPPED)
def test_what_no_task_needs_is_left_out(take: Take, tmp_path: Path, extra: str, gone: str) -> None:
    code = "import math\n\ndef conv(x):\n    y = x\n    return y + math.e"
    source = module(take, tmp_path / "conv.ipynb", code, extra)
    assert gone not in source.split("# notebook cell “import math”\n")[1]
    space: dict[str, Any] = {}
    exec(compile(source, "conv.py", "exec"), space)
    assert space["conv"](0) > 2


def test_a_later_definition_wins_as_in_a_notebook(take: Take, tmp_path: Path) -> None:
    source = module(take, tmp_path / "conv.ipynb", "def conv(x): return 1", "print(conv(1))", "def conv(x): return 2")
    made = types.ModuleType("conv")
    exec(source, made.__dict__)
    assert made.conv(0) == 2


def test_future_imports_come_first(take: Take, tmp_path: Path) -> None:
    source = module(
        take, tmp_path / "conv.ipynb", "import math", "from __future__ import annotations\ndef conv(x: Nothing): math"
    )
    assert source.split("\n")[2] == "from __future__ import annotations"
    exec(compile(source, "conv.py", "exec"), {})


def test_an_odd_escape_in_a_text_is_no_concern(take: Take, tmp_path: Path) -> None:
    assert r"return '\d'" in module(take, tmp_path / "conv.ipynb", r"def conv(x): return '\d'")


def test_an_encoding_cookie_in_a_cell_means_nothing(take: Take, tmp_path: Path) -> None:
    got = take(put(tmp_path / "conv.ipynb", cells("# coding: latin-1\ndef conv(x): return 'é'")))
    space: dict[str, Any] = {}
    exec(compile(got.path.read_bytes(), "conv.py", "exec"), space)
    assert space["conv"](0) == "é"


MAGIC = [
    pytest.param("%matplotlib inline\ndef conv(x): pass", id="line magic"),
    pytest.param("!pip install torch\ndef conv(x): pass", id="shell"),
    pytest.param("!echo 'it is (\ndef conv(x): pass", id="shell that is no Python in any way"),
    pytest.param("!pip install \\\n  torch\ndef conv(x): pass", id="continued"),
    pytest.param("?conv\ndef conv(x): pass", id="help before"),
    pytest.param("def conv(x): pass\nconv?", id="help after"),
    pytest.param("def conv(x): pass\nconv??", id="source after"),
    pytest.param("files = !ls\ndef conv(x): pass", id="assigned shell"),
    pytest.param("a, b = %time f()\ndef conv(x): pass", id="assigned magic"),
    pytest.param("if True:\n    !ls\nelse:\n    %time\ndef conv(x): pass", id="in a block"),
    pytest.param("%%time\ndef conv(x): pass", id="cell magic with Python"),
    pytest.param("\n\n%%capture out\ndef conv(x): pass", id="after blank lines"),
    pytest.param("\n".join(["!ls"] * 20) + "\ndef conv(x): pass", id="many"),
]


@pytest.mark.parametrize("cell", MAGIC)
def test_lines_for_ipython_are_left_out(take: Take, tmp_path: Path, cell: str) -> None:
    source = module(take, tmp_path / "conv.ipynb", cell)
    lines = source.split("\n")
    assert lines[3 + cell.split("\n").index("def conv(x): pass")] == "def conv(x): pass"
    compile(source, "conv.py", "exec")


@pytest.mark.parametrize("magic", ["%%bash", "%%html", "%%writefile conv.py", "%%timeit", "%%javascript"])
def test_cells_that_are_not_python_are_left_out(take: Take, tmp_path: Path, magic: str) -> None:
    source = module(take, tmp_path / "conv.ipynb", f"{magic}\ndef conv(x): return 1 ((", "def conv(x): return 2")
    assert "return 1" not in source and "return 2" in source


@pytest.mark.parametrize(
    "cell",
    [
        "def conv(x):\n    return ('%d'\n% x)",
        "def conv(x):\n    return '''\n%matplotlib inline\n!ls\nwhat?\n'''",
        "def conv(x):\n    return 7 \\\n  % x",
    ],
)
def test_what_is_python_is_not_taken_for_a_magic(take: Take, tmp_path: Path, cell: str) -> None:
    assert cell in module(take, tmp_path / "conv.ipynb", cell)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        pytest.param(["x = = 1"], r"nothing that is asked for; the cell “x = = 1” is not read", id="syntax"),
        pytest.param(["x = 1"] * 2001, r"has more than 2000 cells of code", id="too many"),
        pytest.param([], r"conv.ipynb has no code", id="no cells"),
        pytest.param(["", "  \n"], r"conv.ipynb has no code", id="empty cells"),
        pytest.param(["x = 1", "def train(): pass"], r"conv.ipynb defines nothing that is asked for$", id="nothing"),
        pytest.param(["def Conv(x): pass"], r"it defines 'Conv'; did you mean 'conv'\?", id="near"),
    ],
)
def test_a_notebook_whose_code_cannot_be_used_is_refused(
    take: Take, tmp_path: Path, sources: list[str], message: str
) -> None:
    with pytest.raises(SubmissionError, match=message) as caught:
        take(put(tmp_path / "conv.ipynb", cells(*sources)))
    assert "conv.ipynb" in str(caught.value)


OLD = nbformat.v3.new_notebook(
    worksheets=[
        nbformat.v3.new_worksheet(
            cells=[
                nbformat.v3.new_heading_cell("Title"),
                nbformat.v3.new_code_cell(input="K = 2\ndef conv(x):\n    return K * x"),
            ]
        )
    ]
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nbformat.v3.writes_json(OLD).encode(), id="3"),
        pytest.param(cells("K = 2\ndef conv(x):\n    return K * x", nbformat_minor=0), id="4.0"),
        pytest.param(cells(["K = 2\n", "def conv(x):\n", "    return K * x"], nbformat_minor=5), id="4.5, in lines"),
        pytest.param(cells("K = 2\ndef conv(x):\n    return K * x", nbformat_minor=99), id="4.99"),
        pytest.param(cells("K = 2\r\ndef conv(x):\r\n    return K * x"), id="Windows lines"),
        pytest.param(b"\xef\xbb\xbf" + cells("K = 2\ndef conv(x):\n    return K * x"), id="byte order mark"),
        pytest.param(
            cells("K = 2\ndef conv(x):\n    return K * x", metadata={"language_info": {"name": "python"}}), id="Python"
        ),
    ],
)
def test_notebooks_of_every_format_are_read(take: Take, tmp_path: Path, data: bytes) -> None:
    assert "K = 2\ndef conv(x):\n    return K * x\n" in take(put(tmp_path / "conv.ipynb", data)).source


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is damaged: it is empty", id="empty"),
        pytest.param(cells("x = 1")[:-3], "is damaged: it ends in the middle", id="cut"),
        pytest.param(b"<html>", "is damaged: it is a web page", id="a web page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "is damaged: it is a pointer of Git", id="LFS"),
        pytest.param(b'{\n<<<<<<< HEAD\n"a": 1\n}', "is damaged: it holds the marks of a merge", id="a merge"),
        pytest.param(b"%PDF-1.7", "is damaged: it is a PDF", id="a PDF"),
        pytest.param(b"\xff\xfe\xff", "is damaged: it is not JSON", id="binary"),
        pytest.param(b"[" * 100_000, "is damaged: it is not JSON", id="deep"),
        pytest.param(b'{"nbformat": ' + b"9" * 5000 + b"}", "is damaged: it is not JSON", id="a long number"),
        pytest.param(b"[]", "is not a notebook", id="list"),
        pytest.param(b"null", "is not a notebook", id="null"),
        pytest.param(b"{}", "is not a notebook", id="no format"),
        pytest.param(b'{"nbformat": "4"}', "is not a notebook", id="format of text"),
        pytest.param(b'{"nbformat": 2}', "has the notebook format 2; 3 and 4 can be read", id="2"),
        pytest.param(b'{"nbformat": 5}', "has the notebook format 5", id="5"),
        pytest.param(b'{"nbformat": 4}', "is damaged: it has no cells", id="no cells"),
        pytest.param(b'{"nbformat": 3}', "is damaged: it has no cells", id="no worksheets"),
        pytest.param(b'{"nbformat": 3, "worksheets": [1]}', "is damaged: it has no cells", id="odd worksheets"),
        pytest.param(b'{"nbformat": 4, "cells": {}}', "is damaged: it has no cells", id="odd cells"),
        pytest.param(b'{"nbformat": 4, "cells": [1]}', "is damaged: cell 1 has no text", id="odd cell"),
        pytest.param(cells(*[["x", 1]]), "is damaged: cell 1 has no text", id="odd line"),
        pytest.param(
            cells("x", metadata={"language_info": {"name": "R"}}), "is a notebook in R, not in Python", id="R"
        ),
    ],
)
def test_what_is_no_notebook_is_refused(take: Take, tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=f"conv.ipynb {message}"):
        take(put(tmp_path / "conv.ipynb", data))


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just([])
    | st.just({})
    | st.just([0])
)


def damaged(data: st.DataObject, value: Any) -> Any:
    """The value with something in it replaced, removed or doubled."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(JUNK)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, copy = data.draw(st.sampled_from(keys)), value.copy()
    if data.draw(st.booleans()):
        copy[key] = damaged(data, copy[key])
    else:
        del copy[key]
    return copy


@FUZZ
@given(st.data())
def test_a_damaged_notebook_is_taken_or_refused_never_an_accident(tmp_path: Path, data: st.DataObject) -> None:
    version = data.draw(
        st.sampled_from([json.loads(nbformat.v3.writes_json(OLD)), json.loads(cells(CODE.decode(), "x = 1"))])
    )
    for _ in range(data.draw(st.integers(1, 3))):
        version = damaged(data, version)
    got = taken_or_refused(put(tmp_path / "conv.ipynb", json.dumps(version)), tmp_path)
    if isinstance(got, Submission):
        assert "def conv(x):" in got.source


@FUZZ
@given(st.lists(st.text(alphabet="abx=()[]:'\"\\%!?#;@\n\t \0\r\x0c,.é", max_size=40), max_size=4))
def test_any_cells_are_taken_or_refused_never_an_accident(tmp_path: Path, sources: list[str]) -> None:
    book = cells("def conv(x):\n    return x", *sources)
    got = taken_or_refused(put(tmp_path / "conv.ipynb", book), tmp_path)
    if isinstance(got, Submission):
        assert "def conv(x):\n    return x" in ast.unparse(ast.parse(got.source))


def test_a_notebook_without_nbformat_is_our_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Take) -> None:
    monkeypatch.setitem(sys.modules, "nbformat", None)
    with pytest.raises(GraderError, match="the package nbformat, which is not installed"):
        take(put(tmp_path / "conv.ipynb", cells("def conv(x): pass")))
    assert take(put(tmp_path / "conv.py")).source == CODE.decode()


def test_nothing_that_is_handed_in_runs(take: Take, tmp_path: Path) -> None:
    evil = "open('ran', 'w').close()\n"
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        take(put(tmp_path / "conv.py", evil))
        take(put(tmp_path / "conv.ipynb", cells(f"{evil}def conv(x=open('ran', 'w')): pass")))
        take(zipped(tmp_path / "mine.zip", ("conv.py", evil.encode()), ("conftest.py", evil.encode())))
    finally:
        os.chdir(here)
    assert not (tmp_path / "ran").exists()


WITH_NOTEBOOK = [name for name in assignment_names() if (load_assignment(name).folder / "handout.md").exists()]


@pytest.mark.parametrize("name", WITH_NOTEBOOK)
def test_the_solved_notebook_of_every_assignment_becomes_its_reference(name: str, tmp_path: Path) -> None:
    assignment = load_assignment(name)
    file = put(tmp_path / f"{assignment.deliverable}.ipynb", notebook(assignment, solved=True))
    module = ast.parse(collect(file, assignment, tmp_path / "staging").source)
    reference = ast.parse(solved_source(assignment))
    needed = {ast.dump(node) for node in module.body}
    for node in reference.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in assignment.public_names:
            assert ast.dump(node) in needed, node.name
    assert not any(isinstance(node, ast.Expr | ast.For | ast.While) for node in module.body)
