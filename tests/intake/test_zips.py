"""A zip: its deliverable is found and its traps are not walked into."""

import contextlib
import io
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.errors import SubmissionError
from autograder.submission import Submission
from tests.intake.handed import CODE, FUZZ, Take, put, taken_or_refused, zipped


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
