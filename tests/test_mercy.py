"""Honest work keeps its points whatever lies beside it: every row of tests/intake_rows.py, and the page of them."""

import ast
import contextlib
import importlib.util
import sys
import types
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from autograder.assignment import Assignment, assignment_names, load_assignment
from autograder.checks import Answer, LocalRunner, Raised, explain, skipped_note
from autograder.errors import SubmissionError
from autograder.grading import Engine, Options, grade
from autograder.results import Outcome, Run
from autograder.sandbox.onward import run_on
from autograder.sandbox.request import Request
from autograder.sandbox.worker import describe
from autograder.starter import notebook
from autograder.submission import collect, warm_modules
from tests.intake_rows import FAILING, MINI, REFUSED, SOURCE, Row, book, module, rows

ROOT = Path(__file__).resolve().parents[1]
COURSE = Path(__file__).parent / "course"
ROWS = rows()
HERE = [row for row in ROWS if row.kind != "a statement at the top fails"]
FIRST = {row.kind: row for row in reversed(ROWS)}
CHECKS = ("test_double", "test_scale", "test_affine", "test_layer", "test_quiz")
TASKS = {"double": "double", "Layer": "layer"}

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are confined on Linux only")


def named(row: Row) -> str:
    return f"{row.kind}: {row.name}"


def handed_in(row: Row, folder: Path, packed: bool = False) -> Path:
    """The row's files as they arrive: one alone, several as a folder or a zip."""
    folder.mkdir()
    if packed:
        with zipfile.ZipFile(folder / "hand in.zip", "w") as archive:
            for name, data in row.files.items():
                archive.writestr(name, data)
        return folder / "hand in.zip"
    for name, data in row.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / next(iter(row.files)) if len(row.files) == 1 else folder


CALLS = {
    "double": ([np.arange(3.0)], lambda value: np.array_equal(value, 2 * np.arange(3.0))),
    "scale_forward": ([np.ones((2, 3)), np.arange(3.0)], lambda value: np.array_equal(value[0][0], np.arange(3.0))),
    "affine": ([torch.ones(2, 3), torch.ones(3, 2)], lambda value: torch.equal(value, torch.full((2, 2), 3.0))),
}


def told_by(loaded: types.ModuleType, path: Path, name: str) -> str:
    """What a student reads where a name is called; empty where the answer is right."""
    if name == "Layer":
        request = Request("module", name, (torch.ones(2, 3),), {}, {"init": [3, 4], "init_kwargs": {}, "state": None})
        request.options.update(training=True, seed=1)
        answer = LocalRunner(loaded).answer(request)
        is_right = answer.ok and answer.value["outputs"].shape == (2, 4)
    else:
        arguments, judge = CALLS[name]
        answer = LocalRunner(loaded).answer(Request("call", name, tuple(arguments)))
        is_right = answer.ok and judge(answer.value)
    if is_right:
        return ""
    return "a wrong value" if answer.ok else str(explain(answer, path, name))


@pytest.mark.filterwarnings("ignore")  # of libraries, which a worker ignores too
@pytest.mark.parametrize("row", HERE, ids=named)
def test_right_work_keeps_its_points_and_what_is_lost_is_told(row: Row, tmp_path: Path) -> None:
    if "Python 3.12" in row.name and sys.version_info >= (3, 12):
        pytest.skip("it is Python here")
    for packed in (False, True) if len(row.files) > 1 else (False,):
        got = collect(handed_in(row, tmp_path / str(packed), packed), MINI, tmp_path / "staging")
        loaded = types.ModuleType("mini")
        loaded.__file__ = str(got.path)
        with contextlib.redirect_stdout(None):
            failed = run_on(got.path, loaded)
        raised = [Raised.from_wire(describe(error, str(got.path))) for error in failed]
        notes = [*got.notes, *(skipped_note(Answer(raised=each), got.path) for each in raised)]
        told = {name: told_by(loaded, got.path, name) for name in (*CALLS, "Layer")}
        assert {name for name, message in told.items() if message} == {*row.lost}, told
        assert loaded.QUIZ == {"q1": "b", "q2": "a"}
        assert all(row.told in told[name] for name in row.lost), told
        if row.told and not row.lost:
            assert any(row.told in note for note in notes), notes
        if not row.told:
            assert notes == []
        assert all(len(note) < 800 for note in notes)


def test_who_interrupts_an_import_is_obeyed(tmp_path: Path) -> None:
    for text in ("raise KeyboardInterrupt\n", "1 / 0\nraise KeyboardInterrupt\n"):
        (tmp_path / "mini.py").write_text(f"{text}{SOURCE}")
        with pytest.raises(KeyboardInterrupt):
            run_on(tmp_path / "mini.py", types.ModuleType("mini"))


@pytest.mark.parametrize(("name", "data", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_told_with_its_cause_and_what_to_do(
    name: str, data: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SubmissionError, match=told) as caught:
        collect(tmp_path / name, MINI, tmp_path / "staging")
    assert caught.value.help and "Open it in Jupyter, save it" not in caught.value.help


SMUGGLED = r'''# The code of the notebook that the tasks need.
# notebook cell “passed
# left out, as no task needs it: 100 of 100 points
def double((x, name="'); __import__('os')._exit(0); ('"):
    return x
<<<<<<< HEAD
def affine(x, w): raise SyntaxError("Left out of what is graded: passed")
>>>>>>> '); import os; os._exit(0)  #
class Layer(object:
    """QQQ); import os; os._exit(0)
    \'); import os; os._exit(0) #
def scale_forward(x):
    return x
'''.replace("QQQ", "'''")


def test_what_mends_code_runs_nothing_of_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "mini.py").write_text(SMUGGLED)
    tree = ast.parse(collect(tmp_path / "mini.py", MINI, tmp_path / "staging").source)
    assert sorted(node.name for node in tree.body if isinstance(node, ast.FunctionDef)) == [
        "Layer", "affine", "double", "scale_forward"
    ]  # fmt: skip
    assert not any(isinstance(part, ast.Import | ast.Attribute) for part in ast.walk(tree))
    assert all(isinstance(node, ast.FunctionDef) for node in tree.body)


# Whole gradings -----------------------------------------------------------------------------------------------------


def graded(engine: Engine, path: Path, root: Path = COURSE) -> Run:
    return grade("mini", path, root=root, options=Options(seed=1, select=CHECKS), engine=engine)


@linux
@pytest.mark.parametrize(
    "row", [*FIRST.values(), *(row for row in ROWS if row.kind == "a statement at the top fails")][1:], ids=named
)
def test_graded_for_good_it_is_the_same(engine: Engine, row: Row, tmp_path: Path) -> None:
    run = graded(engine, handed_in(row, tmp_path / "mine"))
    assert run.status == "graded", run.reason
    lost = {
        line.task: line.message for line in run.lines if line.check in CHECKS and line.outcome is not Outcome.PASSED
    }
    assert set(lost) == {TASKS[name] for name in row.lost}
    told = [*run.notes, *lost.values()]
    assert any(row.told in each for each in told) if row.told else run.notes == ()


@linux
def test_what_was_left_out_of_a_notebook_is_named_beside_the_error(engine: Engine, tmp_path: Path) -> None:
    cells = module("return 2 * x", "return OPS['two'](x)")["mini.py"].decode()
    (tmp_path / "mini.ipynb").write_bytes(book(f"OPS = {{}}\n(lambda t: t.update(two=1))(OPS)\n{cells}"))
    line = next(line for line in graded(engine, tmp_path / "mini.ipynb").lines if line.check == "test_double")
    assert "It raised KeyError: 'two'\n  line " in line.message and "of the cell “OPS = {}”, in double" in line.message
    assert "Left out of the notebook, as no task seemed to need it: (lambda t: t.update(two=1))(OPS)" in line.message


@linux
@pytest.mark.parametrize("decorator", ["@torch.compile", "@torch.compile(mode='max-autotune', fullgraph=True)"])
def test_what_is_to_be_compiled_is_graded_as_it_is(engine: Engine, tmp_path: Path, decorator: str) -> None:
    (tmp_path / "mini.py").write_bytes(module("def affine(", f"{decorator}\ndef affine(")["mini.py"])
    run = graded(engine, tmp_path / "mini.py")
    assert all(line.outcome is Outcome.PASSED for line in run.lines if line.check in CHECKS)


@linux
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("for epoch in range(10**9):\n    double(np.ones(3))\n", "did not return within"),
        ("import os\nos._exit(0)\n", "ended the whole process"),
        ("DATA = bytearray(4 << 30)\nDATA[::4096] = DATA[1::4096]\n", "Only what uses it fails: MemoryError"),
    ],
)
def test_where_an_import_does_not_come_to_an_end_what_the_tasks_need_is_graded(
    engine: Engine, hasty: Path, tmp_path: Path, more: str, told: str
) -> None:
    (tmp_path / "mini.py").write_text(f"{SOURCE}\n{more}")
    run = graded(engine, tmp_path / "mini.py", hasty)
    assert all(line.outcome is Outcome.PASSED for line in run.lines if line.check in CHECKS), run.reason
    assert told in run.notes[0]


@linux
def test_what_takes_too_long_and_is_needed_is_told_to_stand_elsewhere(
    engine: Engine, hasty: Path, tmp_path: Path
) -> None:
    (tmp_path / "mini.py").write_text(f"while True:\n    QUIZ = 1\n{SOURCE}")
    run = graded(engine, tmp_path / "mini.py", hasty)
    assert "did not return within" in (run.reason or "")
    assert 'Put training, plots and tests below `if __name__ == "__main__":`' in (run.reason or "")


@linux
@pytest.mark.parametrize(("call", "told"), [("x.cuda()", "There is no GPU"), ("asyncio.run(f(x))", "An event")])
def test_what_a_machine_does_not_have_is_explained_where_a_function_asks_for_it(
    engine: Engine, tmp_path: Path, call: str, told: str
) -> None:
    loop = "import asyncio\nasync def f(x): return x\n"
    (tmp_path / "mini.py").write_bytes(module("(self.fc(x))", f"(self.fc({call}))", loop)["mini.py"])
    line = next(line for line in graded(engine, tmp_path / "mini.py").lines if line.check == "test_layer")
    assert told in line.message


# A notebook as Jupyter saves it ---------------------------------------------------------------------------------------


def saved(assignment: Assignment) -> bytes:
    """The starter's notebook, filled in, run and saved: counts and outputs in it."""
    made = nbformat.reads(notebook(assignment, solved=True).decode(), as_version=4)
    for count, cell in enumerate((cell for cell in made.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text="done\n")]
    return str(nbformat.writes(made)).encode()


@pytest.mark.parametrize("name", assignment_names())
def test_the_starters_own_notebook_filled_in_prints_no_note(name: str, tmp_path: Path) -> None:
    assignment = load_assignment(name)
    if not (assignment.folder / "handout.md").exists():
        pytest.skip("it has no notebook")
    file = tmp_path / f"{assignment.deliverable}.ipynb"
    file.write_bytes(saved(assignment))
    assert collect(file, assignment, tmp_path / "staging").notes == ()


# Modules that are imported in advance ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import matplotlib.pyplot as plt", ("matplotlib", "matplotlib.pyplot")),
        ("from matplotlib import pyplot", ("matplotlib", "matplotlib.pyplot")),
        ("def f():\n    from scipy.special import erf", ("scipy.special",)),
        ("import torch\n@torch.compiler.disable\ndef f(x): return x", ("torch._dynamo",)),
        ("import torch\ntorch.use_deterministic_algorithms(True)", ("torch._dynamo",)),
        ("import torch\n@torch.compile\ndef f(x): return x", ()),
        ("from .matplotlib import pyplot", ()),
        ("import matplotlib_of_mine, os, antigravity, torch.distributed.run, idlelib", ()),
        ("__import__('matplotlib.pyplot')", ()),
        ("def f(", ()),
    ],
)
def test_only_listed_modules_are_imported_in_advance(source: str, expected: tuple[str, ...]) -> None:
    assert warm_modules(source) == expected


@linux
def test_a_module_of_the_list_is_there_before_the_submission_is(engine: Engine, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = "import sys\nWARM = 'matplotlib.pyplot' in sys.modules\nimport matplotlib.pyplot\nassert WARM\n"
    (tmp_path / "mini.py").write_text(first + SOURCE)
    assert graded(engine, tmp_path / "mini.py").notes == ()
    (tmp_path / "mini.py").write_text(first.replace("import matplotlib.pyplot\n", "") + SOURCE)
    assert "assert WARM" in graded(engine, tmp_path / "mini.py").notes[0]


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_of_the_intake_is_what_the_rows_say() -> None:
    spec = importlib.util.spec_from_file_location("intake_table", ROOT / "docs" / "intake_table.py")
    assert spec is not None and spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    page = table.PAGE.read_text("utf-8")
    assert table.refreshed(page) == page, "run `make docs`"
    assert all(f"| {row.name} |" in page for row in ROWS) and len(FAILING) > 5
