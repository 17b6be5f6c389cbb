"""From the reference to what students start from: nothing of a solution is left, and broken markers are refused."""

import ast
import json
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import Assignment, assignment_names, load_assignment
from autograder.errors import GraderError, UsageError
from autograder.starter import build, drift, notebook, solution_blocks, solved_source, stub_source, write

REFERENCE = '''\
"""Small networks.

Shapes come first.
"""

import math

### BEGIN SOLUTION net.extras
import secrets_of_the_solution
### END SOLUTION
import string

### BEGIN SOLUTION net.quiz
QUIZ = {"q1": "b", "q2": "a"}
### END SOLUTION

LIMIT = 3  # part of the contract


### BEGIN SOLUTION net.dense
def _secret_helper(x):
    return x * 42


### END SOLUTION
def as_pair(size):
    """Both axes."""
    return (size, size)


def dense(x, w):
    """A dense layer: w x."""
    ### BEGIN SOLUTION net.dense
    if x:
        return _secret_helper(x) * w

    return 0
    ### END SOLUTION


# Bigger things follow.
class Net:
    """A net with one parameter."""

    def __init__(self, size):
        self.size = size

    def scale():
        ### BEGIN SOLUTION net.extras
        return 4711
        ### END SOLUTION

    def forward(self, x):
        """Size times x."""
        ### BEGIN SOLUTION net.extras
        return """a text
at the margin""" and self.size * x
        ### END SOLUTION


def last(x):
    """The end, half given."""
    x = abs(x)
    ### BEGIN SOLUTION net.extras
    x = math.sqrt(x)
    ### END SOLUTION
    return x


TRAILING = "kept"
'''
FACTS = """
title = "Small networks"
deliverable = "net"
lectures = ["Lecture 1"]

[tasks.dense]
title = "Dense layer"
functions = ["dense"]
ideas = ["weights"]
oracle = "torch"

[tasks.extras]
title = "The rest"
functions = ["Net", "last"]
ideas = ["depth"]
oracle = "torch"

[[quiz]]
id = "q1"
question = '''Which of these very, very, very long and winding descriptions of a network
is the one that fits the lecture?'''
options = { a = "this", b = "that" }
reread = "page 1"

[[quiz]]
id = "q2"
question = '''
How
many?'''
options = { a = "1", b = "2" }
reread = "page 2"
"""
HANDOUT = """\
# Small networks

Read this.

## Points

{{points}}

## dense: Dense layer

A dense layer is

```python
## dense: this is a comment in code
```

## Halfway

Take a breath.

## extras: The rest

Everything else.

## Afterwards

Hand in.
"""
EXPERIMENT = '''\
"""A small experiment."""

import math

from net import dense, last

# %% [markdown] What to see
# A **table** of values.
#
# Two of them.

# %% Values
for x in (1, 2):
    print(dense(x, 3))

# %%
print(math.pi)
'''
PUBLIC = '''\
"""What students run."""

import pytest
from gradescope_utils.autograder_utils.decorators import weight


@pytest.mark.task("dense")
@weight(10)
def test_dense(student, expect):
    """dense: an example"""
    expect(student.dense(1, 2), 84)
'''
HIDDEN = PUBLIC.replace("test_dense", "test_dense_fully").replace("10", "83.5")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one assignment, `net`."""
    for name, text in {
        "solutions/net.py": REFERENCE,
        "assignments/net/assignment.toml": FACTS,
        "assignments/net/handout.md": HANDOUT,
        "assignments/net/experiment.py": EXPERIMENT,
        "assignments/net/helpers.py": "def peek(submission):\n    return 1\n",
        "assignments/net/public/test_net.py": PUBLIC,
        "assignments/net/hidden/test_net.py": HIDDEN,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def net(course: Path) -> Assignment:
    return load_assignment("net", course)


def edit(file: Path, old: str, new: str, count: int = 1) -> None:
    """Change a file; the text to change must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))


# -------------------------------------------------------------------------------------------------------------- stub


def test_nothing_of_a_solution_is_in_the_stub(net: Assignment) -> None:
    stub = stub_source(net)
    for secret in ("SOLUTION", "secret", "42", "4711", "sqrt", "at the margin", '"q1": "b"'):
        assert secret not in stub, secret


def test_what_stands_outside_the_markers_stays(net: Assignment) -> None:
    stub = stub_source(net)
    for text in ('"""Small networks.', "import string", "LIMIT = 3  # part of the contract", "# Bigger things follow."):
        assert text in stub
    assert (
        '    """A dense layer: w x."""' in stub and "        self.size = size" in stub and 'TRAILING = "kept"' in stub
    )


def test_a_solution_in_a_function_becomes_an_error_that_names_the_task(net: Assignment) -> None:
    stub = stub_source(net)
    assert (
        'def dense(x, w):\n    """A dense layer: w x."""\n'
        '    # Your code here.\n    raise NotImplementedError("net.dense")\n\n\n# Bigger'
    ) in stub
    assert '    def scale():\n        # Your code here.\n        raise NotImplementedError("net.extras")\n\n' in stub
    assert 'x = abs(x)\n    # Your code here.\n    raise NotImplementedError("net.extras")\n    return x\n' in stub


def test_a_solution_at_module_level_leaves_no_gap(net: Assignment) -> None:
    stub = stub_source(net)
    assert "import math\n\nimport string\n" in stub
    assert "# part of the contract\n\n\ndef as_pair(size):" in stub
    assert "\n\n\n\n" not in stub


def test_blank_lines_around_what_is_gone_do_not_add_up(course: Path) -> None:
    stub = stub_source(load_assignment("net", course))
    edit(course / "solutions/net.py", "### END SOLUTION\ndef as_pair", "### END SOLUTION\n\n\ndef as_pair")
    assert stub_source(load_assignment("net", course)) == stub


def test_the_stub_runs_and_its_functions_name_their_task(net: Assignment, tmp_path: Path) -> None:
    file = tmp_path / "stub.py"
    file.write_text(stub_source(net))
    module = runpy.run_path(str(file))
    for call in (lambda: module["last"](1), lambda: module["Net"](3).forward(1), module["Net"].scale):
        with pytest.raises(NotImplementedError, match=r"^net\.extras$"):
            call()
    assert module["Net"](3).size == 3
    assert module["QUIZ"] == {"q1": None, "q2": None}


def test_the_quiz_becomes_its_questions(net: Assignment) -> None:
    lines = stub_source(net).split("\n")
    start = lines.index('# The quiz: replace each None by the letter of your answer, for example "a".')
    assert lines[start + 1 : start + 15] == [
        "#",
        "# q1: Which of these very, very, very long and winding descriptions of a network is the one that fits the",
        "#     lecture?",
        "#     a: this",
        "#     b: that",
        "#",
        "# q2: How many?",
        "#     a: 1",
        "#     b: 2",
        "QUIZ = {",
        '    "q1": None,',
        '    "q2": None,',
        "}",
        "",
    ]


def test_the_solved_source_is_the_reference_without_its_markers(net: Assignment) -> None:
    lines = REFERENCE.split("\n")
    assert solved_source(net).split("\n") == [line for line in lines if "SOLUTION" not in line]


def test_a_reference_without_a_quiz_needs_no_quiz_block(course: Path) -> None:
    (course / "assignments/net/assignment.toml").write_text(FACTS.split("[[quiz]]")[0])
    edit(
        course / "solutions/net.py",
        '### BEGIN SOLUTION net.quiz\nQUIZ = {"q1": "b", "q2": "a"}\n### END SOLUTION\n',
        "",
    )
    assert "QUIZ" not in stub_source(load_assignment("net", course))


def test_blocks_are_found_with_their_task_lines_and_indentation(net: Assignment) -> None:
    blocks = solution_blocks(REFERENCE, net)
    lines = REFERENCE.split("\n")
    assert [block.task for block in blocks] == ["extras", "quiz", "dense", "dense", "extras", "extras", "extras"]
    assert [block.indent for block in blocks] == [0, 0, 0, 4, 8, 8, 4]
    for block in blocks:
        assert lines[block.begin - 1].strip() == f"### BEGIN SOLUTION net.{block.task}"
        assert lines[block.end - 1].strip() == "### END SOLUTION"


BEGIN, END = "    ### BEGIN SOLUTION net.dense\n", "    ### END SOLUTION\n"
SQRT = "    ### BEGIN SOLUTION net.extras\n    x = math.sqrt(x)\n    ### END SOLUTION\n"
DENSE = "    if x:\n        return _secret_helper(x) * w\n\n    return 0\n    ### END SOLUTION\n"
PAIR = 'def as_pair(size):\n    """Both axes."""\n'
QUIZ_MARK = "### BEGIN SOLUTION net.quiz"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        pytest.param("    if x:\n", BEGIN + "    if x:\n", BEGIN, "begins inside the one that began", id="nested"),
        pytest.param("return 0\n" + END, "return 0\n", "        ### BEGIN", "begins inside the one", id="unclosed"),
        pytest.param(SQRT, SQRT.replace(END, ""), "    ### BEGIN", "that begins here never ends", id="never closed"),
        pytest.param("x = abs(x)\n", "x = abs(x)\n" + END, END, "ends here, but none has begun", id="stray end"),
        pytest.param(
            "net.quiz", "other.quiz", "### BEGIN", "names the assignment 'other', but this is 'net'", id="other"
        ),
        pytest.param(
            "net.dense\n    i", "net.dens\n    i", "    ### BEGIN", "no task 'dens'; did you mean 'dense'", id="task"
        ),
        pytest.param(
            "return 0\n" + END, "return 0\n  " + END, "      ### END", "not indented as the one in line", id="end"
        ),
        pytest.param(BEGIN + "    if", BEGIN[2:] + "    if", END, "not indented as the one in line", id="begin"),
        pytest.param(SQRT, SQRT.replace("    #", "  #"), "  ### BEGIN", "not indented as the code that", id="both"),
        pytest.param(QUIZ_MARK, "# BEGIN SOLUTION net.quiz", "# BEGIN", "looks like a marker", id="one #"),
        pytest.param(QUIZ_MARK, "### BEGIN SOLUTION", "### BEGIN", "looks like a marker", id="no name"),
        pytest.param(QUIZ_MARK, "### Begin solution net.quiz", "### Begin", "looks like a marker", id="case"),
        pytest.param(QUIZ_MARK, "### BEGIN_SOLUTION net.quiz", "### BEGIN_", "looks like a marker", id="underscore"),
        pytest.param(QUIZ_MARK, QUIZ_MARK + "  # here", "### BEGIN", "looks like a marker", id="not alone"),
        pytest.param(QUIZ_MARK, QUIZ_MARK + " ", "### BEGIN", "looks like a marker", id="trailing space"),
        pytest.param(
            "    return 0\n" + END,
            "    return 0\n    ###END SOLUTION\n",
            "    ###END",
            "looks like",
            id="end, no space",
        ),
        pytest.param(SQRT, SQRT.replace("    x = math.sqrt(x)\n", ""), "    ### BEGIN", "wraps no code", id="no code"),
        pytest.param(
            "### BEGIN SOLUTION net.dense\ndef _s",
            "@property\n### BEGIN SOLUTION net.dense\ndef _s",
            "@property",
            "cuts this in two",
            id="cut off its decorator",
        ),
        pytest.param(DENSE, "    return (x *\n" + END + "    w)\n", "    return (x", "cuts this in two", id="cut"),
        pytest.param(
            "### END SOLUTION\n" + PAIR,
            PAIR + "### END SOLUTION\n",
            "def as_pair",
            "cuts this in two",
            id="cut function",
        ),
    ],
)
def test_broken_markers_are_refused_by_file_and_line(course: Path, old: str, new: str, line: str, message: str) -> None:
    file = course / "solutions/net.py"
    edit(file, old, new)
    with pytest.raises(GraderError, match=message) as caught:
        stub_source(load_assignment("net", course))
    name, number, _ = str(caught.value).split(":", 2)
    assert name == str(file)
    assert file.read_text().splitlines(keepends=True)[int(number) - 1].startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            '{"q1": "b", "q2": "a"}', '{"q1": "b"}', r"answers \['q1'\], but assignment.toml asks \['q1', 'q2'\]"
        ),
        pytest.param(
            '{"q1": "b", "q2": "a"}', '{"q1": "b", "q2": "c"}', "QUIZ answers q2 with 'c', and the options are"
        ),
        pytest.param('{"q1": "b", "q2": "a"}', 'dict(q1="b", q2="a")', r"must be QUIZ = \{"),
        pytest.param('{"q1": "b", "q2": "a"}', '{"q1": chr(98), "q2": "a"}', r"must be QUIZ = \{"),
        pytest.param('QUIZ = {"q1"', 'QUIZZ = {"q1"', r"must be QUIZ = \{"),
        pytest.param('QUIZ = {"q1"', 'X = 1\nQUIZ = {"q1"', r"must be QUIZ = \{"),
        pytest.param(
            '### BEGIN SOLUTION net.quiz\nQUIZ = {"q1": "b", "q2": "a"}\n### END SOLUTION\n',
            'def quiz():\n    ### BEGIN SOLUTION net.quiz\n    QUIZ = {"q1": "b", "q2": "a"}\n    ### END SOLUTION\n',
            r"must be QUIZ = \{.*\} at module level",
        ),
        pytest.param("net.quiz", "net.extras", r"0 solutions are called net.quiz, not 1"),
        pytest.param(
            "BEGIN SOLUTION net.extras\nimport", "BEGIN SOLUTION net.quiz\nimport", "2 solutions are called net.quiz"
        ),
    ],
)
def test_a_quiz_that_does_not_fit_its_questions_is_refused(course: Path, old: str, new: str, message: str) -> None:
    edit(course / "solutions/net.py", old, new)
    with pytest.raises(GraderError, match=message):
        stub_source(load_assignment("net", course))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("def last(", "def lats(", r":1: last is not defined; did you mean 'lats'\?", id="missing"),
        pytest.param(
            "    ### BEGIN SOLUTION net.extras\n    x = math.sqrt(x)\n    ### END SOLUTION\n",
            "    x = math.sqrt(x)\n",
            r"last has no solution block: the starter would give it away",
            id="given away",
        ),
        pytest.param(
            BEGIN, BEGIN.replace("dense", "extras"), "dense belongs to task 'dense', not to 'extras'", id="task"
        ),
        pytest.param(
            "    def scale():\n        ### BEGIN SOLUTION net.extras\n        return 4711\n        ###",
            "    ### BEGIN SOLUTION net.extras\n    def scale():\n        return 4711\n    ###",
            "must stand in the body of a function",
            id="in a class",
        ),
        pytest.param("import string\n", "import string\nx = (\n", "cannot be parsed", id="syntax"),
    ],
)
def test_a_reference_that_would_give_itself_away_is_refused(course: Path, old: str, new: str, message: str) -> None:
    edit(course / "solutions/net.py", old, new)
    with pytest.raises(GraderError, match=message):
        stub_source(load_assignment("net", course))


def test_a_block_around_one_branch_of_a_function_is_replaced_there(course: Path) -> None:
    file = course / "solutions/net.py"
    edit(
        file,
        "    x = abs(x)\n",
        "    if x < 0:\n        ### BEGIN SOLUTION net.extras\n        x = -x\n        ### END SOLUTION\n",
    )
    assert "    if x < 0:\n        # Your code here.\n        raise Not" in stub_source(load_assignment("net", course))


def test_a_stub_that_would_not_parse_is_refused(course: Path) -> None:
    edit(
        course / "solutions/net.py",
        "def dense(x, w):\n",
        "def dense(\n    ### BEGIN SOLUTION net.extras\n    x, w\n):\n    ### END SOLUTION\n",
    )
    with pytest.raises(GraderError, match=r"net\.py"):
        stub_source(load_assignment("net", course))


def test_a_missing_reference_is_refused(course: Path) -> None:
    (course / "solutions/net.py").unlink()
    with pytest.raises(GraderError, match=r"net\.py: cannot be read"):
        stub_source(load_assignment("net", course))


# ---------------------------------------------------------------------------------------------------------- notebook


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
    root = Path(__file__).resolve().parent.parent
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


# ------------------------------------------------------------------------------------------------------------ folder


def test_the_folder_holds_what_students_need_and_nothing_else(net: Assignment) -> None:
    assert list(build(net)) == [
        "README.md",
        "assignment.toml",
        "check.py",
        "handout.md",
        "net.ipynb",
        "net.py",
        "public/points.json",
        "public/test_net.py",
        "submit.py",
    ]


def test_nothing_hidden_is_in_the_folder(net: Assignment) -> None:
    for name, data in build(net).items():
        for secret in (b"test_dense_fully", b"SOLUTION", b"secret", b"4711"):
            assert secret not in data, (name, secret)


def test_helpers_ship_when_a_public_check_runs_one(course: Path) -> None:
    edit(course / "assignments/net/public/test_net.py", "student.dense(1, 2)", 'student.run("peek")')
    assert build(load_assignment("net", course))["helpers.py"].startswith(b"def peek")
    (course / "assignments/net/helpers.py").unlink()
    with pytest.raises(GraderError, match=r"helpers\.py: a public check runs a helper"):
        build(load_assignment("net", course))


def test_compiled_and_hidden_files_do_not_ship(course: Path) -> None:
    for name in ("public/__pycache__/test_net.cpython-311.pyc", "public/.DS_Store"):
        file = course / "assignments/net" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert [name for name in build(load_assignment("net", course)) if name.startswith("public")] == [
        "public/points.json",
        "public/test_net.py",
    ]


def test_the_handout_says_what_every_task_is_worth(net: Assignment) -> None:
    assert (
        "\n".join(
            [
                "| task | | points | in the public checks |",
                "|---|---|---:|---:|",
                "| dense | Dense layer | 93.5 | 10 |",
                "| extras | The rest | 0 | 0 |",
                "| quiz | 2 questions | 2 | 0 |",
                "| **total** | | **95.5** | **10** |",
            ]
        )
        in build(net)["handout.md"].decode()
    )


def test_what_is_written_does_not_drift(net: Assignment, tmp_path: Path) -> None:
    there = tmp_path / "student_starter" / "net"
    assert sorted(write(net, there)) == sorted(there / name for name in build(net))
    assert drift(net, there) == [] and write(net, there) == ()


def test_drift_names_every_file_that_differs(net: Assignment, tmp_path: Path) -> None:
    write(net, tmp_path / "out")
    (tmp_path / "out/net.py").unlink()
    edit(tmp_path / "out/check.py", "HERE", "THERE")
    (tmp_path / "out/notes.txt").write_text("mine")
    (tmp_path / "out/__pycache__").mkdir()
    (tmp_path / "out/__pycache__/net.pyc").write_text("compiled")
    assert drift(net, tmp_path / "out") == [
        f"{tmp_path / 'out/net.py'} is missing",
        f"{tmp_path / 'out/check.py'} is not what would be built",
        f"{tmp_path / 'out/notes.txt'} is not part of the starter",
    ]
    assert sorted(file.name for file in write(net, tmp_path / "out")) == ["check.py", "net.py"]


def test_drift_of_a_folder_that_is_not_there_is_everything(net: Assignment, tmp_path: Path) -> None:
    assert len(drift(net, tmp_path / "nowhere")) == len(build(net))


def test_a_folder_that_cannot_be_written_is_refused(net: Assignment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(net, tmp_path / "file")


# ----------------------------------------------------------------------------------------------------- local checker

CHECKER = """
def main(folder, argv, command):
    print(folder.split("/")[-1], argv, command, __file__)
    return 7
"""


def run_check(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a starter's check.py where no Deepgrade is installed."""
    return subprocess.run(
        [sys.executable, "-S", "-E", str(folder / "check.py"), *args],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )


@pytest.fixture
def starter(net: Assignment, tmp_path: Path) -> Path:
    write(net, tmp_path / "homework")
    return tmp_path / "homework"


def test_the_checker_runs_from_the_bundle_beside_it(starter: Path) -> None:
    with zipfile.ZipFile(starter / "deepgrade.pyz", "w") as bundle:
        bundle.writestr("autograder/__init__.py", "")
        bundle.writestr("autograder/local.py", CHECKER)
    run = run_check(starter, "net.ipynb", "-k", "dense")
    assert run.returncode == 7, run.stderr
    assert run.stdout.startswith("homework ['net.ipynb', '-k', 'dense']") and "deepgrade.pyz" in run.stdout


def test_the_checker_says_what_it_misses(starter: Path) -> None:
    run = run_check(starter)
    assert run.returncode == 3
    assert run.stderr == "deepgrade.pyz must lie beside check.py; it is in the archive that you were given\n"


def test_the_checker_does_not_hide_that_another_package_is_missing(starter: Path) -> None:
    (starter / "autograder").mkdir()
    (starter / "autograder/local.py").write_text("import some_package_that_is_missing\n")
    run = run_check(starter)
    assert run.returncode == 1 and "No module named 'some_package_that_is_missing'" in run.stderr


# ------------------------------------------------------------------------------------------- this course's assignments


@pytest.mark.parametrize("name", assignment_names())
def test_the_stub_of_every_assignment_names_all_its_tasks(name: str) -> None:
    assignment = load_assignment(name)
    stub = stub_source(assignment)
    for task in assignment.tasks:
        assert f'raise NotImplementedError("{name}.{task}")' in stub
    defined = {node.name for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert defined >= set(assignment.public_names)
    assert "SOLUTION" not in stub and json.dumps(stub)
