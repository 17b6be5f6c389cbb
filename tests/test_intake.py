"""Whatever is handed in that cannot be graded: one message that says what is wrong and what to do, the status
`unreadable`, valid results, and bounded time and memory. Through `grade`; details of reading are in tests/intake."""

import gzip
import io
import json
import os
import signal
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from autograder import results
from autograder.grading import Engine, Options, grade
from autograder.results import Outcome, load_results, to_gradescope, write_results
from autograder.submission import _ipynb

COURSE = Path(__file__).parent / "course"
SCHEMA = json.loads((Path(results.__file__).parent / "results.schema.json").read_text())
MEMORY = 128 << 20
CODE = b"def double(x):\n    return 2 * x\n"
Make = Callable[[Path], Path | None]


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """What would take too long fails instead."""

    def give_up(*_: object) -> None:
        raise TimeoutError("reading the submission takes too long")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the brackets that are looked at before a notebook is given up: they are counted one at a time, and
    memory is traced here."""
    monkeypatch.setattr(_ipynb, "MAX_TOKENS", _ipynb.MAX_TOKENS // 10)


def archive(path: Path, *members: tuple[str, bytes], **options: int) -> None:
    """A zip, its members as given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def linked(path: Path) -> None:
    info = zipfile.ZipInfo("mini.py")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(info, "/etc/passwd")


def overlapping(path: Path) -> None:
    """Ten thousand names for the same compressed megabytes."""
    archive(path, ("a.py", b"#" * (64 << 20)), ("b.py", b""))
    data = path.read_bytes()
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    first = data[start : start + 46 + 4]
    tail = bytearray(data[end:])
    tail[8:12] = (5000).to_bytes(2, "little") * 2
    tail[12:16] = (len(first) * 5000).to_bytes(4, "little")
    path.write_bytes(data[:start] + first * 5000 + bytes(tail))


def tarred(path: Path, mode: str) -> None:
    """A tar with what tars can hold: hard links, devices, names that climb."""
    with tarfile.open(path, mode) as made:
        for name, kind in (("mini.py", tarfile.LNKTYPE), ("../x", tarfile.SYMTYPE), ("fifo", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)


def levels(path: Path, count: int) -> None:
    """Folders in folders, deeper than any path may be long."""
    path.mkdir()
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path)
        for _ in range(count):
            os.mkdir("d")
            os.chdir("d")
        Path("mini.py").write_bytes(CODE)
    finally:
        os.fchdir(here)
        os.close(here)


def crowded(path: Path, count: int, folders: int) -> None:
    for folder in range(folders):
        (path / str(folder)).mkdir(parents=True)
        for number in range(count // folders):
            (path / str(folder) / str(number)).touch()


def book(**more: object) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []} | more)


def write(name: str, data: bytes | str) -> Make:
    """A file of that name."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return make


def build(name: str, builder: Callable[[Path], object]) -> Make:
    """What a builder makes there."""

    def make(folder: Path) -> Path:
        builder(folder / name)
        return folder / name

    return make


def nested(inner: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("inner.zip" if inner else "mini.py", inner or CODE)
    return buffer.getvalue()


def zeros(path: Path) -> None:
    """A tar that is small and says that it holds a gigabyte."""
    info = tarfile.TarInfo("data.bin")
    info.size = 1 << 30
    with gzip.open(path, "wb", compresslevel=1) as made:
        made.write(info.tobuf())
        for _ in range(257):
            made.write(b"\0" * (1 << 20))


CASES: dict[str, tuple[Make, str]] = {
    "nothing": (lambda folder: folder / "gone.py", "there is no file"),
    "an empty folder": (build("hw", Path.mkdir), "there is no mini.py or mini.ipynb in the folder hw"),
    "an empty file": (write("mini.py", b""), "is empty"),
    "a gigabyte": (build("mini.py", lambda path: path.touch() or os.truncate(path, 1 << 30)), "larger than 5 MiB"),
    "a real hundred megabytes": (write("mini.ipynb", b" " * (100 << 20)), "Clear the notebook's outputs"),
    "a fifo": (build("mini.py", os.mkfifo), "neither a file nor a folder"),
    "a link": (build("mini.py", lambda path: path.symlink_to("/etc/passwd")), "is a link"),
    "a pdf": (write("mini.pdf", b"%PDF-1.4"), "is not a .py, .ipynb or .zip"),
    "a pdf, renamed": (write("mini.py", b"%PDF-1.4\n\0\xe2"), "it is a PDF"),
    "a compiled module": (write("mini.py", b"\xa7\r\r\n\0\0\0\0"), "not a text file"),
    "half of UTF-16": (write("mini.py", "x = 1".encode("utf-16")[:-1]), "not utf-16: truncated data"),
    "a tar": (build("mini.tar", lambda path: tarred(path, "w")), "mini.py is a link, not a file"),
    "a tar that is none": (write("mini.tar.gz", CODE), "damaged, or not a tar"),
    "a tar of zeros": (build("mini.tgz", zeros), "unpacks to more than 256 MiB"),
    "a tar, renamed": (build("mini.zip", lambda path: tarred(path, "w:gz")), "damaged, or not a zip"),
    "a rar, renamed": (write("mini.zip", b"Rar!\x1a\x07\x01\0" * 50), "damaged, or not a zip"),
    "an empty zip": (build("mini.zip", archive), "there is no mini.py"),
    "a zip in a zip in a zip": (
        build("mini.zip", lambda path: archive(path, ("a.zip", nested(nested())))),
        "only a.zip",
    ),
    "a bomb in a zip": (build("mini.zip", lambda path: archive(path, ("a.zip", b"\0" * (99 << 20)))), "only a.zip"),
    "a zip, cut": (write("mini.zip", nested()[:-30]), "damaged, or not a zip"),
    "a member outside": (build("mini.zip", lambda path: archive(path, ("../mini.py", CODE))), "outside of the archive"),
    "a member without a name": (build("mini.zip", lambda path: archive(path, ("", CODE))), "there is no mini.py"),
    "a link in a zip": (build("mini.zip", linked), "is a link"),
    "a bomb": (build("mini.zip", lambda path: archive(path, ("mini.py", b"#" * (200 << 20)))), "larger than 5 MiB"),
    "a bomb of names": (build("mini.zip", overlapping), "a.py"),
    "2100 levels": (build("hw", lambda path: levels(path, 2100)), "there is no mini.py"),
    "52000 files": (build("hw", lambda path: crowded(path, 52_000, 3)), "more than 50000 files"),
    "a notebook of brackets": (write("mini.ipynb", b'{"cells":' + b"[" * 10**6 + b"}"), "is not JSON"),
    "a notebook that shows brackets": (write("mini.ipynb", b'{"outputs":' + b"[" * (4 << 17)), "too large to be read"),
    "a notebook of text": (write("mini.ipynb", b'{"cells": "' + b"x" * (11 << 20)), "more than 10 MiB of text"),
    "a notebook without cells": (write("mini.ipynb", book()), "has no code"),
    "a notebook of cells that are none": (write("mini.ipynb", book(cells=[[], 1])), "cell 1 has no text"),
    "a notebook of the future": (write("mini.ipynb", book(nbformat=9)), "has the notebook format 9"),
    "a notebook of fractions": (write("mini.ipynb", book(nbformat=4.5)), "is not a notebook"),
    "a notebook in Julia": (
        write("mini.ipynb", book(metadata={"language_info": {"name": "julia"}})),
        "is a notebook in julia",
    ),
    "a notebook of outputs": (
        write("mini.ipynb", book(cells=[{"cell_type": "code", "source": "", "outputs": ["x" * (41 << 20)]}])),
        "Clear the notebook's outputs",
    ),
    "a notebook of no code but outputs": (
        write("mini.ipynb", book(cells=[{"cell_type": "code", "source": "", "outputs": ["x" * (11 << 20)]}])),
        "has no code",
    ),
}


@pytest.mark.parametrize(("make", "told"), CASES.values(), ids=CASES.keys())
def test_what_cannot_be_graded_is_a_result_that_says_what_to_do(tmp_path: Path, make: Make, told: str) -> None:
    path = make(tmp_path)
    assert path is not None
    tracemalloc.start()
    run = grade("mini", path, root=COURSE, options=Options(seed=1), engine=Engine())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY
    assert (run.status, run.exit_code, run.score) == ("unreadable", 2, 0)
    assert {line.outcome for line in run.lines} == {Outcome.BLOCKED}
    assert told in (run.reason or "")
    assert "Traceback" not in (run.reason or "")
    assert str(tmp_path.parent) not in json.dumps(to_gradescope(run)) or "there is no file" in told
    jsonschema.validate(to_gradescope(run), SCHEMA)
    assert load_results(write_results(run, tmp_path / "out")).status == "unreadable"
    subprocess.run(["rm", "-rf", str(tmp_path / "hw")], check=True)  # what removes it after the test would recurse
