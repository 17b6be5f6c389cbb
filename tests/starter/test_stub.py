"""From the reference to the stub: nothing of a solution is left, and broken markers are refused."""

import ast
import json
import runpy
from pathlib import Path

import pytest

from autograder.assignment import Assignment, assignment_names, load_assignment
from autograder.errors import GraderError
from autograder.starter import solution_blocks, solved_source, stub_source
from tests.starter.material import FACTS, REFERENCE, edit


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


@pytest.mark.parametrize("name", assignment_names())
def test_the_stub_of_every_assignment_names_all_its_tasks(name: str) -> None:
    assignment = load_assignment(name)
    stub = stub_source(assignment)
    for task in assignment.tasks:
        assert f'raise NotImplementedError("{name}.{task}")' in stub
    defined = {node.name for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert defined >= set(assignment.public_names)
    assert "SOLUTION" not in stub and json.dumps(stub)
