"""Everything that reads bytes made elsewhere gives a value or its documented error, never another exception, whatever
the bytes.

`make fuzz` searches longer: DEEPGRADE_FUZZ_SECONDS is for all properties together, with new seeds each time. What it
finds is mended and pinned as an `@example`.
"""

import ast
import io
import json
import os
import random
import tempfile
import time
import tomllib
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from autograder.assignment import Assignment, load_assignment, load_mistakes, read_assignment
from autograder.checks import Answer, CheckFailed, explain
from autograder.checks.compare import Mismatch, compare
from autograder.errors import GraderError, SubmissionError, UsageError
from autograder.local.work import _unusual_imports
from autograder.release import gradescope
from autograder.results import Run, load_results, to_gradescope, write_results
from autograder.results.page import page
from autograder.sandbox import wire
from autograder.sandbox.request import Request
from autograder.sandbox.wire import WireError
from autograder.sandbox.worker import read_frame
from autograder.starter import notebook, solved_source
from autograder.submission import Submission, collect
from tests.samples import sample_run

SECONDS = float(os.environ.get("DEEPGRADE_FUZZ_SECONDS", "0"))
EXAMPLES = 45  # of each property, where no time is given: always the same ones
ROUND = 400  # where there is
MEMORY = 150 << 20  # bytes that reading anything of a few kilobytes may take
PROPERTIES: list[str] = []
EXECUTED: Counter[str] = Counter()

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
CODE = solved_source(MINI)
FACTS = (MINI.folder / "assignment.toml").read_text()
MISTAKES = (MINI.folder / "mistakes.toml").read_text()
RESULTS = json.dumps(to_gradescope(sample_run()))


def fuzzed(*examples: Any, **strategies: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A test that a property holds for values from strategies, and for these values always."""

    def wrap(check: Callable[..., None]) -> Callable[[], None]:
        def counted(**values: Any) -> None:
            EXECUTED[check.__name__] += 1
            check(**values)

        (name,) = strategies
        counted.__name__ = counted.__qualname__ = check.__name__
        PROPERTIES.append(check.__name__)

        def tried(**options: Any) -> Any:
            made: Any = given(**strategies)(counted)
            for value in examples:
                made = example(**{name: value})(made)
            return settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), **options)(made)

        def run() -> None:
            tried(max_examples=EXAMPLES, derandomize=True)()
            end = time.monotonic() + SECONDS / len(PROPERTIES)
            while time.monotonic() < end:
                seed(random.SystemRandom().getrandbits(64))(tried(max_examples=ROUND))()

        run.__doc__ = check.__doc__
        return run

    return wrap


@pytest.fixture(scope="module", autouse=True)
def tally(request: pytest.FixtureRequest) -> Iterator[None]:
    """Says afterwards what was done, where a search was asked for."""
    started = time.monotonic()
    yield
    told = request.config.pluginmanager.get_plugin("terminalreporter")
    if SECONDS and told is not None:
        told.write_line("")
        for name in PROPERTIES:
            told.write_line(f"{EXECUTED[name]:>9,} executions  {name}")
        failed = len(told.stats.get("failed", []))
        told.write_line(f"{EXECUTED.total():>9,} in {time.monotonic() - started:.0f} s; properties broken: {failed}")


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    """One for all examples of all properties, in memory where there is such a place."""
    global HERE
    with tempfile.TemporaryDirectory(prefix="deepgrade-fuzz-") as made:
        HERE = Path(made)
        yield


HERE = Path()


def put(name: str, data: bytes | str) -> Path:
    """A file in the folder."""
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path


class Bounded:
    """Within this, Python allocates no more than MEMORY. Watched in one example of sixteen: watching is slow."""

    def __enter__(self) -> None:
        self.watched = EXECUTED.total() % 16 == 0
        if self.watched:
            tracemalloc.start()

    def __exit__(self, *_: object) -> None:
        if self.watched:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < MEMORY


# What is made -------------------------------------------------------------------------------------------------------

JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TREE = st.recursive(
    JUNK,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def edited(draw: st.DrawFn, texts: list[bytes], words: list[bytes]) -> bytes:
    """One of the texts with pieces cut out, doubled, moved, replaced by words or by any bytes."""
    data = bytearray(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 5, 20, 200, 5000])))
        new = draw(st.sampled_from(words) | st.binary(max_size=6) | st.just(bytes(data[start:stop]) * 2))
        data[start:stop] = new
    return bytes(data[: draw(st.none() | st.integers(0, len(data)))])


@st.composite
def damaged(draw: st.DrawFn, tree: Any, junk: SearchStrategy[Any] = TREE) -> Any:
    """The tree with up to three of its parts replaced, removed, or put under another key."""
    tree = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(0, 3))):
        place, key = {"": tree}, ""
        while isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 5)):
            place = place[key]
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        match draw(st.integers(0, 3)) if place is not tree and key != "" else 0:
            case 1:
                del place[key]
            case 2 if isinstance(place, dict):
                place[draw(st.text(max_size=8))] = place.pop(key)
            case _:
                place[key] = draw(junk)
                tree = place[key] if key == "" else tree
    return tree


def words(short: str, *others: str) -> list[bytes]:
    """Pieces that mean something to a parser: those without spaces in one text, then the others."""
    return [word.encode() for word in (*short.split(), *others)]


PYTHON_WORDS = words(
    "def class import from return lambda global del async await match : ( ) [ ] { } , ; @ \\ # % ! ? = -> * . é ' \"",
    *("\n", "\t", "\f", "\r", "\0", "\ufeff", " "),
    *('"""', "'''", "\n    ", "\n%matplotlib inline\n", "\n!ls\n", "%%time\n", "double?", "x = !ls\n", "\nglobal x\n"),
    *("# coding: latin-1\n", "# coding: utf-16\n", "# -*- coding: undefined -*-\n", "f'{x!r:>{y}}'", "\\N{x}"),
    *("from __future__ import annotations\n", "from m import *\n", "match x:\n    case _: pass\n", "type X = int\n"),
    *("\n<<<<<<< a\n", "\n=======\n", "\n>>>>>>> b\n", "%md\n", "globals()['x'] = 1\n", "pip install x\n"),
    *("(" * 200, "-" * 2000, "not " * 500, "9" * 5000),
)
JSON_WORDS = words('{ } [ ] : , null true NaN -Infinity 1e999 0 4 3 5 " "\\ud800" "cells"', "[" * 2000, "9" * 5000)
TOML_WORDS = words('[ ] [[ ]] = . , { } " \' # nan inf -1 0 true 1e999 """', "\n", "[tasks]\n", "9" * 5000)
ZIP_WORDS = words("PK\1\2 PK\3\4 PK\5\6 PK\6\6 PK\6\7 mini.py ../ \\", "\0\0\0\0", "\1\0", "\x7f\x7f")


# The wire -----------------------------------------------------------------------------------------------------------

SENT = {
    "x": np.arange(6.0).reshape(2, 3),
    "y": (torch.arange(4), [None, True, float("nan"), "text"]),
    "z": np.float32(1),
}
_, HEADER, *PAYLOAD = wire.encode(SENT)
LEAF = JUNK | st.sampled_from(
    [{"$": "float", "v": "nan"}, {"$": "foreign", "v": "object"}, {"$": "array", "d": "<f8", "s": [0]}]
)
NODES = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4)
    | st.fixed_dictionaries(
        {"$": st.sampled_from(["array", "tensor", "scalar", "tuple", "dict", "float", "foreign", "rng"]) | inner},
        optional={
            "v": inner | st.lists(st.tuples(inner, inner), max_size=3),
            "d": st.sampled_from([*wire.DTYPES, "|O", "<U4", "<m8"]) | inner,
            "s": st.lists(st.integers(0, 3) | st.integers(), max_size=4) | inner,
            "k": st.sampled_from(["numpy", "torch"]) | inner,
        },
    ),
    max_leaves=12,
)  # fmt: skip
FRAMES = st.tuples(
    NODES.map(lambda tree: json.dumps(tree).encode()) | edited([bytes(HEADER)], JSON_WORDS),
    st.binary(max_size=64) | st.just(b"".join(PAYLOAD)),
)


def decoded(frame: tuple[bytes, bytes]) -> Any:
    """The value of a frame, or the error that says what is wrong with it."""
    try:
        with Bounded():
            return wire.decode(*frame)
    except WireError as error:
        return error


@fuzzed((b'{"$": "scalar", "d": "|b1", "s": []}', b"\2"), frame=FRAMES)
def test_a_frame_is_decoded_or_refused(frame: tuple[bytes, bytes]) -> None:
    value = decoded(frame)
    if not isinstance(value, WireError):
        assert repr(wire.copied(value)) == repr(value), "what came can be sent back"


@fuzzed(frame=st.tuples(st.binary(max_size=16) | st.just(wire.PREFIX.pack(wire.MAGIC, 20, 5)), FRAMES))
def test_a_worker_reads_a_frame_or_refuses_it(frame: tuple[bytes, tuple[bytes, bytes]]) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, frame[0] + b"".join(frame[1]))
        os.close(writing)
        read_frame(reading)
    except WireError:
        pass
    finally:
        os.close(reading)


KEYS = ("value", "error", "mutated", "figures", "forbidden", "tampered", "type", "message", "line")
REPLIES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(KEYS, NODES),
)


@fuzzed(
    {"error": {"type": "ModuleNotFoundError", "message": "No module named ''", "line": -1}},
    {"error": {"type": "NotImplementedError", "message": "{}.{", "line": 10**30}},
    reply=NODES | REPLIES | st.fixed_dictionaries({"error": REPLIES}),
)
def test_any_reply_is_an_answer_that_can_be_explained(reply: Any) -> None:
    answer = Answer.from_reply(reply)
    if not answer.ok:
        assert isinstance(explain(answer, Path("nowhere.py"), "double(x)"), CheckFailed)


EXPECTED = [
    np.ones((2, 3)), np.float32(1), torch.ones(3), torch.tensor(1), 2, 1.5, "a", True, None, (np.zeros(2), {"k": 1}),
    {"a": np.ones(2, np.complex64)}, [np.zeros((0, 2))], np.array(True),
]  # fmt: skip


@fuzzed(
    (b"99999999999999999999", b""),
    (b"-" + b"9" * 350, b""),
    (b'{"$": "array", "d": "<c8", "s": [0]}', b""),
    (b'{"$": "scalar", "d": "<f2", "s": [1]}', b"\0\0"),
    frame=FRAMES,
)
def test_any_answer_can_be_compared(frame: tuple[bytes, bytes]) -> None:
    value = decoded(frame)
    for expected in EXPECTED:
        found = compare(value, expected, "the result")
        assert found is None or isinstance(found, Mismatch)


@fuzzed(value=st.builds(lambda tree, frame: [tree, decoded(frame)], TREE, FRAMES))
def test_any_value_can_be_sent_in_a_request_or_is_refused(value: Any) -> None:
    try:
        sent = wire.copied(Request("call", "f", (value,), {"k": value}, {"o": value}).to_wire())
    except WireError:
        return
    assert Request.from_wire(sent).name == "f"


# What is handed in ----------------------------------------------------------------------------------------------------


def taken(path: Path) -> Submission | None:
    """What is taken; None where it is refused with a message that can be shown."""
    try:
        with Bounded():
            return collect(path, MINI, HERE / "staging")
    except SubmissionError as error:
        told = f"{error.message} {error.help}"
        assert told.isprintable() and 10 < len(told) < 1500, told
        return None


@fuzzed(
    b"# coding: idna\n",
    b"\xef\xbb\xbf# coding: utf-8-sig\n",
    data=edited([CODE.encode(), CODE[:300].encode("utf-16")], PYTHON_WORDS),
)
def test_any_bytes_are_a_module_or_refused(data: bytes) -> None:
    found = taken(put("mini.py", data))
    if found is not None:
        assert found.path.read_bytes() == data or found.notes, "what is not left as it is, is told"
        assert all(isinstance(note, str) for note in _unusual_imports(found.source, MINI))


def packed() -> bytes:
    """A zip of several files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (
            ("hw/mini.py", CODE),
            ("hw/mini.ipynb", "{}"),
            ("__MACOSX/._x", "x"),
            ("hw/b/notes.txt", "y"),
        ):
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


@fuzzed(
    data=edited(
        [packed(), packed()[:-22]],
        ZIP_WORDS,
    )
)
def test_any_bytes_are_a_zip_or_refused(data: bytes) -> None:
    found = taken(put("mini.zip", data))
    assert found is None or found.path.is_file()


BOOK = json.loads(notebook(MINI, solved=True))
OLD_BOOK = json.loads(nbformat.writes(nbformat.reads(json.dumps(BOOK), as_version=4), version=3))


@fuzzed(data=edited([json.dumps(book).encode() for book in (BOOK, OLD_BOOK)], JSON_WORDS))
def test_any_bytes_are_a_notebook_or_refused(data: bytes) -> None:
    found = taken(put("mini.ipynb", data))
    if found is not None:
        ast.parse(found.source)


@fuzzed(tree=damaged(BOOK) | damaged(OLD_BOOK))
def test_any_tree_is_a_notebook_or_refused(tree: Any) -> None:
    found = taken(put("mini.ipynb", json.dumps(tree)))
    if found is not None:
        ast.parse(found.source)


@fuzzed(
    ["def double(x):\n    return x\n\\"],
    ["double = 1 \\\n\n%time"],
    ["x = 1;", "double = lambda: x"],
    sources=st.lists(edited([CODE.encode(), CODE[:400].encode(), b"def double(x): return x\n"], PYTHON_WORDS).map(
        lambda data: data.decode("utf-8", "surrogateescape")), min_size=1, max_size=4),
)  # fmt: skip
def test_any_cells_become_a_module_or_are_refused(sources: list[str]) -> None:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    found = taken(put("mini.ipynb", json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})))
    if found is not None:
        ast.parse(found.source)


MARKS = [
    "\n<<<<<<< a\n",
    "\n=======\n",
    "\n>>>>>>> b\n",
    "def f(\n",
    "class A:\n  x = (\n",
    "@f\n",
    "globals()['x'] = 1\n",
]
LITTER = st.lists(
    st.sampled_from([word.decode() for word in PYTHON_WORDS] + MARKS) | st.text(max_size=20), max_size=12
).map(lambda pieces: "".join(pieces).replace("\0", "").encode("utf-8", "replace").decode())  # fmt: skip
DEFINED = [ast.dump(node) for node in ast.parse(CODE).body if not isinstance(node, ast.Expr)]


@fuzzed("\x1f", "'''", "(" * 5000, "\\", "\n<<<<<<< a\n", "\f)", "\fx = (", "# coding: idna", "\n  x", litter=LITTER)
def test_whatever_stands_below_a_module_costs_it_nothing(litter: str) -> None:
    found = taken(put("mini.py", f"{CODE}\n\nlitter\n{litter}"))
    assert found is not None
    assert found.source.split("\n")[: CODE.count("\n")] == CODE.split("\n")[:-1], "every line is where it was"
    assert [ast.dump(node) for node in ast.parse(found.source).body][1 : 1 + len(DEFINED)] == DEFINED


@fuzzed("'''", "(" * 5000, "%%time", "%%writefile mini.py\n", "x = '\udc80'", "del double", "\0", litter=LITTER)
def test_whatever_stands_in_another_cell_costs_a_notebook_nothing(litter: str) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in (CODE, f"litter\n{litter}")
    ]
    found = taken(put("mini.ipynb", json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})))
    assert found is not None
    kept = {ast.dump(node) for node in ast.parse(found.source).body}
    assert kept >= {each for each in DEFINED if each.startswith(("FunctionDef", "ClassDef", "Assign"))}


@fuzzed(tree=TREE)
def test_what_a_notebook_shows_changes_nothing(tree: Any) -> None:
    shown = json.loads(json.dumps(BOOK))
    for cell in shown["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [tree]
        else:
            cell["attachments"] = {"outputs": tree}
    found, bare = taken(put("shown.ipynb", json.dumps(shown))), taken(put("bare.ipynb", json.dumps(BOOK)))
    assert found is not None and bare is not None
    assert found.source == bare.source


NAMES = st.text(max_size=40) | st.sampled_from(
    ["mini.py", "a/mini.py", "mini (1).py", "../mini.py", "C:\\mini.py", "/", ".", "a//"]
)


@fuzzed([""], ["mini" + "1" * 5000 + ".pyx"], ["mini" + "copy" * 5000 + "!.py"], names=st.lists(NAMES, max_size=6))
def test_any_names_in_a_zip_lead_to_one_file_or_to_a_refusal(names: list[str]) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # names that are there twice
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name.encode("utf-8", "replace").decode()
            archive.writestr(info, CODE)
    found = taken(put("mini.zip", buffer.getvalue()))
    assert found is None or found.source == CODE


# What instructors write -----------------------------------------------------------------------------------------------


def as_toml(value: Any) -> str:
    """An inline value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return '""' if value is None else str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def written(tree: Any) -> str:
    """A TOML file, or what a hasty author takes for one."""
    rows = tree.items() if isinstance(tree, dict) else [("x", tree)]
    return "\n".join(f"{json.dumps(key)} = {as_toml(value)}" for key, value in rows)


def facts_of(data: bytes | str) -> Assignment | None:
    """The assignment, or None where the file is refused."""
    try:
        return read_assignment(put("course/assignment.toml", data).parent)
    except GraderError as error:
        told = str(error)
    assert "assignment.toml" in told
    return None


@fuzzed(data=edited([FACTS.encode()], TOML_WORDS))
def test_any_bytes_are_facts_or_refused(data: bytes) -> None:
    found = facts_of(data)
    assert found is None or found.public_names


@fuzzed(tree=damaged(tomllib.loads(FACTS)))
def test_any_tree_is_facts_or_refused(tree: Any) -> None:
    found = facts_of(written(tree))
    assert found is None or found.public_names


def mistakes_in(data: bytes | str) -> None:
    """The mistakes, or a refusal."""
    put("course/assignment.toml", FACTS)
    put("course/mistakes.toml", data)
    try:
        load_mistakes(read_assignment(HERE / "course"))
        return
    except GraderError as error:
        told = str(error)
    assert "mistakes.toml" in told


@fuzzed(data=edited([MISTAKES.encode()], TOML_WORDS))
def test_any_bytes_are_mistakes_or_refused(data: bytes) -> None:
    mistakes_in(data)


@fuzzed(tree=damaged(tomllib.loads(MISTAKES)))
def test_any_tree_is_mistakes_or_refused(tree: Any) -> None:
    mistakes_in(written(tree))


# What the platform and other runs write -------------------------------------------------------------------------------

CONFIG = {"assignment": "mini", "secret": "s", "torch_index": "", "require": "any"}
METADATA = {
    "id": 1, "created_at": "2026-11-21T12:00:00-08:00", "users": [{"email": "a@b", "id": 1, "name": "A"}],
    "assignment": {"id": 1, "title": "t", "due_date": "2026-11-21", "total_points": "100.0"},
    "previous_submissions": [{"submission_time": "…", "score": 1.0, "autograder_error": False, "results": {}}],
}  # fmt: skip


@fuzzed(files=st.tuples(
    edited([json.dumps(CONFIG).encode()], JSON_WORDS) | damaged(CONFIG).map(lambda tree: json.dumps(tree).encode()),
    edited([json.dumps(METADATA).encode()], JSON_WORDS) | damaged(METADATA).map(lambda tree: json.dumps(tree).encode()),
))  # fmt: skip
def test_whatever_the_platform_writes_there_are_results(files: tuple[bytes, bytes]) -> None:
    put("home/source/deepgrade.json", files[0])
    put("home/submission_metadata.json", files[1])
    for room in ("submission", "results", "source/assignments/mini", "source/solutions"):
        (HERE / "home" / room).mkdir(parents=True, exist_ok=True)
    put("home/source/assignments/mini/assignment.toml", FACTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradescope, "SHARED", ())
        patch.setattr(gradescope, "grade", lambda *_, **__: sample_run())
        gradescope.main(str(HERE / "home"))
    found = json.loads((HERE / "home/results/results.json").read_text())
    assert isinstance(found["score"], int | float)
    assert found["output"]


def changed(**facts: Any) -> Any:
    """Results, some of the run's facts of another type."""
    tree = json.loads(RESULTS)
    return tree | {"extra_data": tree["extra_data"] | facts}


def read_back(data: bytes | str) -> None:
    """Results, which can then be shown, or a refusal."""
    try:
        run = load_results(put("results.json", data))
    except (GraderError, UsageError):
        return
    assert isinstance(run, Run)
    write_results(run, HERE / "again")
    assert "<html" in page(run)


@fuzzed(b"[" * 100_000, data=edited([RESULTS.encode()], JSON_WORDS))
def test_any_bytes_are_results_or_refused(data: bytes) -> None:
    read_back(data)


@fuzzed(changed(title=5), changed(versions=[]), changed(task_titles={"a": 1}), tree=damaged(json.loads(RESULTS)))
def test_any_tree_is_results_or_refused(tree: Any) -> None:
    read_back(json.dumps(tree))
