"""The facts of an assignment: what is read, and that whatever is wrong is one message with file and key."""

import re
from pathlib import Path

import pytest

from autograder.assignment import (
    CheckFacts,
    Edit,
    Limits,
    Mistake,
    Pair,
    assignment_names,
    find_root,
    load_assignment,
    load_mistakes,
    mistaken_source,
    points,
    read_assignment,
)
from autograder.errors import DeepgradeError, GraderError, SubmissionError, UsageError, did_you_mean

FACTS = """
title = "Small networks"
deliverable = "net"
lectures = ["Lecture 1"]

[limits]
call_seconds = 2
memory_mb = 64

[tasks.dense]
title = "A dense layer"
functions = ["dense_forward", "dense_backward"]
ideas = ["weights", "biases"]
oracle = "torch.nn.functional.linear"
forbidden = ["recurrent"]

[tasks.step]
title = "A recurrent step"
functions = ["step_forward", "step_backward", "unroll"]
ideas = ["state"]
oracle = "autograd"

[pairs.dense]
gradients = ["dx", "dw"]

[pairs.step]
returns = ["h", "c", "cache"]
differentiate = ["h"]
gradients = ["dx"]

[[quiz]]
id = "q1"
question = "Which?"
options = { a = "this", b = "that" }
reread = "the first page"

[[quiz]]
id = "q2"
question = "How many?"
options = { a = "1", b = "2", c = "3" }
reread = "the second page"
"""
CHECKS = '''
import pytest
from gradescope_utils.autograder_utils import decorators
from gradescope_utils.autograder_utils.decorators import number, partial_credit, weight


@pytest.mark.task("dense")
@weight(4)
@number("1.1")
@pytest.mark.parametrize("size", [1, 2])
def test_dense(agrees, size):
    """dense: right answers

    Not part of the title.
    """


@pytest.mark.task("step", kind="cost")
@decorators.partial_credit(2.5)
def test_step_cost(student, set_score=None):
    """step: no waste"""


def helper():
    return test_dense
'''
PUBLIC = CHECKS.split('@pytest.mark.task("step"')[0].replace("test_dense", "test_dense_example").replace("4", "1")
MISTAKES = """
[[mistake]]
name = "no-bias"
task = "dense"
find = " + b"
replace = ""
hint = "The bias is missing."
fails = ["test_dense"]

[[mistake]]
name = "twice"
task = "quiz"
edits = [{ find = "1", replace = "2" }, { find = "3", replace = "4" }]
hint = "Two things."
fails = ["test_quiz[q1]", "test_step_cost"]
"""


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one assignment, `net`."""
    folder = tmp_path / "assignments" / "net"
    for name, text in {
        "assignment.toml": FACTS,
        "mistakes.toml": MISTAKES,
        "public/test_net.py": PUBLIC,
        "hidden/test_net.py": CHECKS,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return tmp_path


def edited(course: Path, name: str, old: str, new: str) -> Path:
    """Change a file of the assignment; the text to change must be there."""
    file = course / "assignments" / "net" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return file


# ------------------------------------------------------------------------------------------------------------ facts


def test_every_fact_is_read(course: Path) -> None:
    assignment = load_assignment("net", course)
    assert (assignment.name, assignment.title, assignment.deliverable) == ("net", "Small networks", "net")
    assert assignment.lectures == ("Lecture 1",)
    assert assignment.limits == Limits(call_seconds=2.0, run_seconds=240.0, memory_mb=64)
    assert assignment.tasks["dense"].ideas == ("weights", "biases")
    assert assignment.tasks["dense"].forbidden == ("recurrent",)
    assert assignment.tasks["step"].forbidden == ()
    assert assignment.public_names == ("dense_forward", "dense_backward", "step_forward", "step_backward", "unroll")
    assert assignment.quiz[1].options == {"a": "1", "b": "2", "c": "3"}
    assert assignment.folder == course / "assignments" / "net"
    assert assignment.solution == course / "solutions" / "net.py"


def test_pairs_default_to_one_output_and_a_cache(course: Path) -> None:
    pairs = load_assignment("net", course).pairs
    assert pairs["dense"] == Pair("dense", ("out", "cache"), ("out",), ("dx", "dw"))
    assert pairs["step"] == Pair("step", ("h", "c", "cache"), ("h",), ("dx",))


def test_a_pair_that_differentiates_nothing_in_particular_differentiates_all_but_the_cache(course: Path) -> None:
    edited(course, "assignment.toml", 'differentiate = ["h"]\n', "")
    assert load_assignment("net", course).pairs["step"].differentiate == ("h", "c")


def test_limits_have_defaults(course: Path) -> None:
    edited(course, "assignment.toml", "[limits]\ncall_seconds = 2\nmemory_mb = 64\n", "")
    assert load_assignment("net", course).limits == Limits(10.0, 240.0, 512)


@pytest.mark.parametrize(
    ("name", "task"), [("dense_forward", "dense"), ("dense", "dense"), ("unroll", "step"), ("step", "step")]
)
def test_task_of_knows_functions_and_pairs(course: Path, name: str, task: str) -> None:
    assert load_assignment("net", course).task_of(name).name == task


def test_task_of_knows_a_pair_only_where_there_is_one(course: Path) -> None:
    edited(course, "assignment.toml", '[pairs.dense]\ngradients = ["dx", "dw"]\n', "")
    with pytest.raises(GraderError, match="no task has a 'dense'"):
        load_assignment("net", course).task_of("dense")


@pytest.mark.parametrize("name", ["unrol", "unroll_forward", "", "_forward"])
def test_task_of_refuses_names_outside_the_contract(course: Path, name: str) -> None:
    with pytest.raises(GraderError, match=f"^net: no task has a '{name}'"):
        load_assignment("net", course).task_of(name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("title =", "titel =", r"title is missing; did you mean 'titel'\?", id="misspelt"),
        pytest.param('title = "Small networks"', 'title = " "', "title is empty", id="blank"),
        pytest.param('title = "Small networks"', "title = 3", "title must be text, not 3", id="number for text"),
        pytest.param('"net"', '"my net"', "deliverable: 'my net' is not a Python name", id="deliverable"),
        pytest.param('"net"', '"class"', "deliverable: 'class' is not a Python name", id="keyword"),
        pytest.param("[limits]", "[limit]", r"unknown key 'limit'; did you mean 'limits'\?", id="unknown table"),
        pytest.param(
            "memory_mb", "memory", r"\[limits\] unknown key 'memory'; did you mean 'memory_mb'", id="unknown key"
        ),
        pytest.param("= 64", "= 64.5", "memory_mb must be a whole number, not 64.5", id="float for int"),
        pytest.param("= 64", "= true", "memory_mb must be a whole number, not True", id="bool for int"),
        pytest.param("= 64", "= 0", "memory_mb must be positive and finite, not 0", id="zero"),
        pytest.param("= 2\n", "= nan\n", "call_seconds must be positive and finite, not nan", id="nan"),
        pytest.param("= 2\n", "= inf\n", "call_seconds must be positive and finite, not inf", id="inf"),
        pytest.param("= 2\n", "= 300\n", r"\[limits\] call_seconds is more than run_seconds", id="limits contradict"),
        pytest.param('["Lecture 1"]', '"Lecture 1"', "lectures must be a list of texts, not 'Lecture 1'", id="no list"),
        pytest.param('["Lecture 1"]', "[]", "lectures is empty", id="empty list"),
        pytest.param('["Lecture 1"]', "[1]", r"lectures must be a list of texts, not \[1\]", id="list of numbers"),
        pytest.param("[tasks.dense]", "[tasks.quiz]", r"\[tasks.quiz\] a task cannot be called 'quiz'", id="task quiz"),
        pytest.param("[tasks.dense]", '[tasks."a b"]', r"\[tasks\] table: 'a b' is not a Python name", id="task name"),
        pytest.param('ideas = ["state"]\n', "", r"\[tasks.step\] ideas is missing", id="missing in task"),
        pytest.param('["state"]', "[]", r"\[tasks.step\] ideas is empty", id="empty in task"),
        pytest.param('["weights", "biases"]', '["a", "a"]', "ideas lists 'a' twice", id="twice in a list"),
        pytest.param(
            '"unroll"', '"dense_forward"', "tasks 'dense' and 'step' both list 'dense_forward'", id="two tasks"
        ),
        pytest.param('"unroll"', '"un roll"', "functions: 'un roll' is not a Python name", id="function name"),
        pytest.param('oracle = "auto', 'orakle = "auto', "oracle is missing; did you mean 'orakle'", id="oracle"),
        pytest.param(
            "[pairs.dense]", "[pairs.dens]", r"\[pairs.dens\] no task lists 'dens_forward'; did you", id="pair"
        ),
        pytest.param('"cache"]', '"kache"]', "returns must name the cache and at least one output", id="no cache"),
        pytest.param('["h", "c", "cache"]', '["cache"]', "returns must name the cache and at least", id="only a cache"),
        pytest.param(
            'ate = ["h"]', 'ate = ["hh"]', "the forward returns no 'hh'; did you mean 'h'", id="differentiate"
        ),
        pytest.param('ate = ["h"]', 'ate = ["cache"]', "the forward returns no 'cache'", id="differentiate the cache"),
        pytest.param('gradients = ["dx"]', "gradients = []", r"\[pairs.step\] gradients is empty", id="no gradients"),
        pytest.param('"q2"', '"q1"', r"\[quiz 2\] another question has the id 'q1'", id="quiz id"),
        pytest.param(
            'a = "this", b = "that"', 'a = "this"', r"\[quiz 1\] options must be at least two", id="one option"
        ),
        pytest.param('b = "that"', 'b = "this"', "options must be at least two, and different", id="same options"),
        pytest.param('b = "that"', "b = 2", r"\[quiz 1.options\] b must be text, not 2", id="option type"),
        pytest.param(
            'reread = "the first page"', 'read = "x"', r"\[quiz 1\] reread is missing; did you mean", id="quiz key"
        ),
        pytest.param("[[quiz]]\nid", "[quizz]\nid", r"unknown key 'quizz'; did you mean 'quiz'\?", id="quizz"),
        pytest.param("title =", "title", "assignment.toml: Expected '=' after a key", id="not TOML"),
        pytest.param("[limits]", 'title = "again"\n[limits]', "Cannot overwrite a value", id="key twice"),
    ],
)
def test_a_wrong_fact_is_refused_by_file_and_key(course: Path, old: str, new: str, message: str) -> None:
    file = edited(course, "assignment.toml", old, new)
    with pytest.raises(GraderError, match=message) as caught:
        load_assignment("net", course)
    assert re.match(rf"{re.escape(str(file))}(:\d+)?: ", str(caught.value))


def test_an_assignment_without_tasks_is_refused(course: Path) -> None:
    facts = course / "assignments" / "net" / "assignment.toml"
    facts.write_text(FACTS.split("[tasks")[0] + "[tasks]\n")
    with pytest.raises(GraderError, match="there are no tasks"):
        load_assignment("net", course)


def test_a_pair_across_two_tasks_is_refused(course: Path) -> None:
    edited(course, "assignment.toml", '"dense_forward", "dense_backward"', '"dense_forward"')
    edited(course, "assignment.toml", '"unroll"', '"dense_backward"')
    with pytest.raises(GraderError, match=r"\[pairs.dense\] its forward and its backward belong to different tasks"):
        load_assignment("net", course)


def test_facts_that_are_not_utf8_are_refused(course: Path) -> None:
    (course / "assignments" / "net" / "assignment.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(GraderError, match=r"assignment\.toml: 'utf-8' codec can't decode"):
        load_assignment("net", course)


def test_a_missing_file_of_facts_is_the_graders_fault(tmp_path: Path) -> None:
    with pytest.raises(GraderError, match=r"assignment\.toml: cannot be read"):
        read_assignment(tmp_path)


def test_a_students_copy_is_read_where_it_lies(course: Path, tmp_path: Path) -> None:
    copy = tmp_path / "homework"
    copy.mkdir()
    (copy / "assignment.toml").write_text(FACTS)
    assert read_assignment(copy).solution == copy / "net.py"


# ------------------------------------------------------------------------------------------------------------ where


def test_an_unknown_assignment_is_answered_with_those_there_are(course: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no assignment 'nte'; did you mean 'net'\?") as caught:
        load_assignment("nte", course)
    assert caught.value.help == "There are: net."


def test_names_are_those_of_folders_with_facts(course: Path) -> None:
    (course / "assignments" / "empty").mkdir()
    (course / "assignments" / "also").mkdir()
    (course / "assignments" / "also" / "assignment.toml").write_text(FACTS)
    assert assignment_names(course) == ("also", "net")


def test_a_root_without_assignments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no folder assignments/"):
        find_root(tmp_path)


def test_the_line_of_a_wrong_entry_is_told(course: Path) -> None:
    lines = FACTS.splitlines()
    edited(course, "assignment.toml", 'b = "that"', "b = 2")
    line = lines.index('options = { a = "this", b = "that" }') + 1
    with pytest.raises(GraderError, match=rf"assignment\.toml:{line}: \[quiz 1.options\] b must be text"):
        load_assignment("net", course)
    edited(course, "assignment.toml", "b = 2", 'b = "that"')
    edited(course, "mistakes.toml", 'name = "twice"', 'name = "no-bias"')
    with pytest.raises(GraderError, match=r"mistakes\.toml:10: \[mistake 2\] another mistake is called 'no-bias'"):
        load_mistakes(load_assignment("net", course))


def test_the_root_is_beside_the_package_unless_it_is_given(course: Path) -> None:
    assert find_root(course) == course.resolve()
    assert (find_root() / "autograder" / "errors.py").is_file()


# ------------------------------------------------------------------------------------------------------------ checks


def test_checks_are_read_from_their_decorators(course: Path) -> None:
    assert points(load_assignment("net", course)) == (
        CheckFacts("test_dense_example", "1.1", 1, "dense", "agreement", "dense: right answers", True),
        CheckFacts("test_dense", "1.1", 4, "dense", "agreement", "dense: right answers", False),
        CheckFacts("test_step_cost", "", 2.5, "step", "cost", "step: no waste", False),
        CheckFacts("test_quiz[q1]", "0.1", 1, "quiz", "quiz", "quiz q1: Which?", False),
        CheckFacts("test_quiz[q2]", "0.2", 1, "quiz", "quiz", "quiz q2: How many?", False),
    )


def test_of_two_weights_the_outer_one_wins(course: Path) -> None:
    edited(course, "hidden/test_net.py", "@weight(4)", "@weight(4)\n@partial_credit(3)")
    assert points(load_assignment("net", course))[1].weight == 4
    edited(course, "hidden/test_net.py", "@partial_credit(3)", "@weight(9)")
    assert points(load_assignment("net", course))[1].weight == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("@weight(4)\n", "", r":\d+: test_dense needs a weight", id="no weight"),
        pytest.param("@weight(4)", "@weight", "test_dense needs a weight", id="weight not called"),
        pytest.param("@weight(4)", "@weight('4')", "test_dense needs a weight", id="weight of text"),
        pytest.param("@weight(4)", "@weight(True)", "test_dense needs a weight", id="weight of truth"),
        pytest.param("@weight(4)", "@weight(-4)", "weight that is a number and not negative", id="negative"),
        pytest.param("@weight(4)", "@weight(W)", "arguments of @weight must be plain values", id="a name"),
        pytest.param('@pytest.mark.task("dense")\n', "", "does not say which task it checks", id="no task"),
        pytest.param('task("dense")', 'task("dens")', r"there is no task 'dens'; did you mean 'dense'\?", id="task"),
        pytest.param('task("dense")', "task()", "there is no task None", id="task of nothing"),
        pytest.param(
            'kind="cost"', 'kind="costs"', r"there is no kind of check 'costs'; did you mean 'cost'", id="kind"
        ),
        pytest.param('"""step: no waste"""', "pass", "test_step_cost needs a docstring", id="no docstring"),
        pytest.param(
            "test_step_cost", "test_dense_example", "another check .* is called 'test_dense_example'", id="twice"
        ),
        pytest.param(
            "def helper", "class TestMore:\n  def helper", "checks are functions; TestMore is a class", id="class"
        ),
        pytest.param("def helper(", "def helper((", "cannot be parsed", id="syntax"),
    ],
)
def test_a_check_that_says_too_little_is_refused(course: Path, old: str, new: str, message: str) -> None:
    file = edited(course, "hidden/test_net.py", old, new)
    with pytest.raises(GraderError, match=message) as caught:
        points(load_assignment("net", course))
    assert str(caught.value).startswith(str(file))


def test_reading_checks_runs_none_of_them(course: Path) -> None:
    file = course / "assignments" / "net" / "hidden" / "test_net.py"
    file.write_text("raise SystemExit('run')\n" + CHECKS)
    assert len(points(load_assignment("net", course))) == 5


# ---------------------------------------------------------------------------------------------------------- mistakes


def test_mistakes_are_read(course: Path) -> None:
    no_bias, twice = load_mistakes(load_assignment("net", course))
    assert no_bias == Mistake("no-bias", "dense", (Edit(" + b", ""),), "The bias is missing.", ("test_dense",))
    assert twice.edits == (Edit("1", "2"), Edit("3", "4"))


def test_an_assignment_may_have_no_mistakes(course: Path) -> None:
    (course / "assignments" / "net" / "mistakes.toml").unlink()
    assert load_mistakes(load_assignment("net", course)) == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('"twice"', '"no-bias"', r"\[mistake 2\] another mistake is called 'no-bias'", id="name"),
        pytest.param('task = "dense"', 'task = "dens"', r"task: there is no 'dens'; did you mean 'dense'", id="task"),
        pytest.param(
            '["test_dense"]', '["test_dens"]', "fails: there is no check 'test_dens'; did you mean", id="check"
        ),
        pytest.param('["test_dense"]', "[]", "fails is empty", id="fails nothing"),
        pytest.param('find = " + b"\n', "", r"\[mistake 1\] find is missing", id="no find"),
        pytest.param('replace = ""', 'replace = " + b"', "find and replace are the same", id="no change"),
        pytest.param('find = " + b"', 'find = ""', "find is empty", id="empty find"),
        pytest.param('find = " + b"', 'find = "x"\nedits = []', "give either find and replace, or edits", id="both"),
        pytest.param('{ find = "1", replace = "2" }, { find = "3", replace = "4" }', "", "edits is empty", id="none"),
        pytest.param("edits = [{", "edits = [{ with = 1,", r"\[mistake 2.edits 1\] unknown key 'with'", id="edit key"),
        pytest.param("edits = [{", "edits = [3, {", r"\[mistake 2\] edits 1 must be a table, not 3", id="edit type"),
        pytest.param('hint = "The', 'hind = "The', "hint is missing; did you mean 'hind'", id="hint"),
        pytest.param("[[mistake]]", "[[mistakes]]", "mistake", id="table name"),
    ],
)
def test_a_wrong_mistake_is_refused(course: Path, old: str, new: str, message: str) -> None:
    file = edited(course, "mistakes.toml", old, new)
    with pytest.raises(GraderError, match=message) as caught:
        load_mistakes(load_assignment("net", course))
    assert re.match(rf"{re.escape(str(file))}(:\d+)?: ", str(caught.value))


def mistake(*edits: tuple[str, str]) -> Mistake:
    return Mistake("slip", "dense", tuple(Edit(*edit) for edit in edits), "hint", ("test_dense",))


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([("b", "B")], "a B c\nd a"),
        ([("a b", "")], " c\nd a"),
        ([("c\nd", "x\ny")], "a b x\ny a"),
        ([("d a", "b"), ("b", "d a")], "a d a c\nb"),
    ],
)
def test_a_mistake_is_made_in_the_reference(edits: list[tuple[str, str]], expected: str) -> None:
    assert mistaken_source("a b c\nd a", mistake(*edits)) == expected


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([("e", "x")], "'slip': find occurs nowhere in the reference: 'e'"),
        ([("a", "x")], "'slip': find occurs more than once in the reference: 'a'"),
        ([("b", "x"), ("zz", "y")], "find occurs nowhere in the reference: 'zz'"),
        ([("b c", "x"), ("c\n", "y")], "two of its edits overlap"),
    ],
)
def test_a_mistake_that_does_not_fit_the_reference_is_refused(edits: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(GraderError, match=message):
        mistaken_source("a b c\nd a", mistake(*edits))


def test_a_find_that_overlaps_itself_occurs_more_than_once() -> None:
    with pytest.raises(GraderError, match="more than once"):
        mistaken_source("aaa", mistake(("aa", "b")))


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("family", [SubmissionError, GraderError, UsageError])
def test_every_error_is_a_deepgrade_error_with_a_message_and_a_help(family: type[DeepgradeError]) -> None:
    error = family("what is wrong", help="what to do")
    assert (str(error), error.message, error.help) == ("what is wrong", "what is wrong", "what to do")
    assert isinstance(error, DeepgradeError) and family("x").help == ""


def test_the_students_fault_and_ours_do_not_mix() -> None:
    assert not issubclass(SubmissionError, GraderError) and not issubclass(GraderError, SubmissionError)


def test_a_suggestion_is_made_only_when_a_name_is_near() -> None:
    assert did_you_mean("cov2d", ["pool", "conv2d"]) == "; did you mean 'conv2d'?"
    assert did_you_mean("xyz", ["pool", "conv2d"]) == ""
    assert did_you_mean("xyz", []) == ""
