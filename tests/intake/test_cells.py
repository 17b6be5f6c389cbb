"""A notebook: its cells become a module in which each line is found again, and nothing runs."""

import ast
import hashlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.assignment import assignment_names, load_assignment
from autograder.errors import GraderError, SubmissionError
from autograder.starter import notebook, solved_source
from autograder.submission import Submission, collect
from tests.intake.handed import CODE, FUZZ, Take, cells, put, taken_or_refused, zipped


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
