"""One file: the right one is taken, everything else is one clear message, and nothing runs."""

import ast
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.errors import GraderError, SubmissionError
from autograder.submission import collect
from tests.intake.handed import CODE, CONV, Take, put, within, without_privileges, zipped


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
