"""The starter as a notebook: it follows the handout, its code is the module's, and broken material is refused."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.errors import GraderError
from autograder.starter import build, notebook, solved_source, stub_source
from tests.starter.material import edit


def cells(assignment: Assignment, *, solved: bool = False) -> list[tuple[str, str, str]]:
    """Id, kind and source of every cell, after a round trip through nbformat."""
    read = nbformat.reads(notebook(assignment, solved=solved).decode(), as_version=4)
    return [(cell.id, cell.cell_type, cell.source) for cell in read.cells]


def test_the_notebook_follows_the_handout(net: Assignment) -> None:
    assert [(name, kind) for name, kind, _ in cells(net)] == [
        ("text-0", "markdown"),
        ("text-1", "markdown"),
        ("imports", "code"),
        ("quiz", "code"),
        ("task-dense", "markdown"),
        ("code-dense", "code"),
        ("check-dense", "code"),
        ("text-3", "markdown"),
        ("task-extras", "markdown"),
        ("code-extras", "code"),
        ("check-extras", "code"),
        ("text-5", "markdown"),
        ("check-1", "markdown"),
        ("check-2", "code"),
        ("experiment-1", "markdown"),
        ("experiment-2", "code"),
        ("experiment-3", "markdown"),
        ("experiment-4", "code"),
        ("experiment-5", "code"),
    ]


def test_every_function_stands_below_its_task(net: Assignment) -> None:
    sources = {name: source for name, _, source in cells(net)}
    assert sources["imports"].startswith('"""Small networks.') and sources["imports"].endswith("# part of the contract")
    assert sources["quiz"].startswith("# The quiz") and sources["quiz"].endswith("}")
    assert sources["code-dense"].startswith("def as_pair(size):") and "def dense(x, w):" in sources["code-dense"]
    assert sources["code-extras"].startswith("# Bigger things follow.\nclass Net:")
    assert sources["code-extras"].endswith('    return x\n\n\nTRAILING = "kept"')
    assert "```python\n## dense: this is a comment in code\n```" in sources["task-dense"]
    assert sources["check-2"] == 'import sys\n\n!"{sys.executable}" check.py net.ipynb'
    assert sources["check-dense"].endswith('import sys\n\n!"{sys.executable}" check.py net.ipynb dense')


def test_the_experiment_uses_the_notebooks_own_functions(net: Assignment) -> None:
    sources = {name: source for name, _, source in cells(net)}
    assert sources["experiment-1"] == "A small experiment."
    assert sources["experiment-2"] == "import math"
    assert sources["experiment-3"] == "## What to see\n\nA **table** of values.\n\nTwo of them."
    assert sources["experiment-4"] == "# Values\nfor x in (1, 2):\n    print(dense(x, 3))"


def test_the_notebook_has_no_outputs_and_is_valid(net: Assignment) -> None:
    made = nbformat.reads(notebook(net).decode(), as_version=nbformat.NO_CONVERT)
    nbformat.validate(made)
    assert (made.nbformat, made.nbformat_minor) == (4, 5)
    for cell in made.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


def test_the_notebook_is_the_same_bytes_every_time(course: Path) -> None:
    code = (
        "import sys; from autograder.assignment import load_assignment; from autograder.starter import notebook;"
        "sys.stdout.buffer.write(notebook(load_assignment('net', sys.argv[1])))"
    )
    root = Path(__file__).resolve().parents[2]
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(course)],
            cwd=root,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != b""


def statements(code: str) -> list[str]:
    """The statements of a module, in an order that does not depend on theirs."""
    return sorted(ast.dump(node) for node in ast.parse(code).body)


@pytest.mark.parametrize(("solved", "source"), [(False, stub_source), (True, solved_source)])
def test_the_code_of_the_notebook_is_that_of_the_module(
    net: Assignment, solved: bool, source: Callable[[Assignment], str]
) -> None:
    code = [text for name, _, text in cells(net, solved=solved) if name.startswith(("imports", "quiz", "code"))]
    assert statements("\n".join(code)) == statements(source(net))
    assert ("secret" in "\n".join(code)) == solved


def test_an_assignment_may_have_no_experiment(course: Path) -> None:
    (course / "assignments/net/experiment.py").unlink()
    assert not any(name.startswith("experiment") for name, _, _ in cells(load_assignment("net", course)))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "handout.md",
            "## dense: Dense layer\n",
            "## dens: Dense layer\n",
            r"there is no task 'dens'; did you mean 'dense'",
        ),
        ("handout.md", "## dense: Dense layer\n", "## About\n", r"must be one section '## dense: title', not 0"),
        ("handout.md", "## Halfway\n", "## dense: Again\n", r"must be one section '## dense: title', not 2"),
        ("handout.md", "{{points}}", "{{point}}", r"\{\{points\}\} must stand in it once, not 0 times"),
        ("handout.md", "Read this.", "{{points}}", r"\{\{points\}\} must stand in it once, not 2 times"),
        ("experiment.py", "for x in (1, 2):\n", "for x in (1, 2:\n", "experiment.py: cannot be used"),
        (
            "experiment.py",
            "# Two of them.\n",
            "two = 2\n",
            "a markdown cell holds comments only, but this one has 'two = 2'",
        ),
        ("public/test_net.py", "def test_dense(", "def test_dense((", "cannot be parsed"),
    ],
)
def test_broken_material_is_refused(course: Path, name: str, old: str, new: str, message: str) -> None:
    edit(course / "assignments/net" / name, old, new)
    with pytest.raises(GraderError, match=message):
        build(load_assignment("net", course))
