"""Questions that are answered by a letter, a number or a text: what counts, what is told, what is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.assignment import Question, is_right, load_assignment, load_course, read_answer, reviewed
from autograder.errors import AuthoringError
from autograder.grading import Engine, Options, grade
from autograder.release import bundles, prove
from autograder.results import Line, Outcome
from autograder.starter import stub_source
from tests.test_grading import COURSE, REFERENCE, line_of

CHOICE = Question("q", "?", {"a": "1", "b": "2"}, "r")
NUMBER = Question("q", "?", {}, "r", "number", 0.01)
TEXT = Question("q", "?", {}, "r", "text")
MEMORY = Question("q", "?", {}, "r", "number", 0.01, {"MiB": 1.0, "GiB": 1024.0, "%": 5.0})

RIGHT: dict[str, tuple[Question, Any, Any]] = {
    "a letter": (CHOICE, "b", "b"),
    "a capital with spaces": (CHOICE, " B ", "b"),
    "a number": (NUMBER, 3.6e9, 3.6e9),
    "within the tolerance": (NUMBER, 3.63e9, 3.6e9),
    "a number as a text": (NUMBER, " 3.6e9", 3600000000),
    "a fraction": (NUMBER, "1/6", 1 / 6),
    "a number of NumPy's": (NUMBER, np.float32(0.5), 0.5),
    "an array of one": (NUMBER, np.array(4), 4),
    "a negative one": (NUMBER, -2.01, -2),
    "zero": (NUMBER, 0.0, 0),
    "in its unit": (MEMORY, "36 MiB", 36),
    "without its unit": (MEMORY, 36, "36 MiB"),
    "in another unit": (MEMORY, "0.5GiB", 512),
    "a fraction in a unit": (MEMORY, "1/4 GiB", 256),
    "no unit but an exponent": (MEMORY, "3e5", 3e5),
    "an exponent and a unit": (MEMORY, "3.6e1 MiB", 36),
    "a unit that is a sign": (MEMORY, "2 %", 10),
    "a text": (TEXT, "vanishing gradient", "vanishing gradient"),
    "in capitals, with an end": (TEXT, "  Vanishing  Gradient.", "vanishing gradient"),
    "with a hyphen": (TEXT, "Encoder-Decoder", "encoder decoder"),
}
WRONG: dict[str, tuple[Question, Any, Any]] = {
    "another letter": (CHOICE, "a", "b"),
    "beyond the tolerance": (NUMBER, 3.64e9, 3.6e9),
    "the other sign": (NUMBER, 2, -2),
    "in the wrong unit": (MEMORY, "36 GiB", 36),
    "not zero": (NUMBER, 1e-6, 0),
    "another text": (TEXT, "exploding gradient", "vanishing gradient"),
    "a part of it": (TEXT, "gradient", "vanishing gradient"),
}


@pytest.mark.parametrize(("question", "answer", "right"), RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_counts(question: Question, answer: Any, right: Any) -> None:
    read = read_answer(question, answer)
    assert read is not None
    assert is_right(question, read, right)


@pytest.mark.parametrize(("question", "answer", "right"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_does_not(question: Question, answer: Any, right: Any) -> None:
    read = read_answer(question, answer)
    assert read is not None
    assert not is_right(question, read, right)


def test_a_number_without_a_tolerance_is_exact_but_for_rounding() -> None:
    exact = Question("q", "?", {}, "r", "number", 1e-9)
    assert is_right(exact, 61706.0, 61706)
    assert is_right(exact, 0.1 + 0.2, 0.3)
    assert not is_right(exact, 61705.0, 61706)


@pytest.mark.parametrize(
    ("answer", "matches"), [("softmax", True), ("the Softmax", True), ("soft-max!", True), ("softmaximum", False)]
)
def test_a_pattern_accepts_more_texts(answer: str, matches: bool) -> None:
    read = read_answer(TEXT, answer)
    assert read is not None
    assert is_right(TEXT, read, "softmax", r"(the )?soft ?max( function)?") is matches


@pytest.mark.parametrize("answer", [None, "", "  ", " . "])
def test_nothing_is_no_answer(answer: Any) -> None:
    assert read_answer(TEXT, answer) is None


ODD: dict[str, tuple[Question, Any, str]] = {
    "no option": (CHOICE, "z", "'z' is none of the options a, b"),
    "no letter": (CHOICE, 1, "1 is not one of a, b"),
    "a unit": (NUMBER, "36 MB", "'36 MB' is no plain number, such as 3.6e9 or 0.25, without a unit"),
    "a comma": (NUMBER, "3,6", "'3,6' is no plain number"),
    "a comma and a unit": (MEMORY, "3,6 MiB", "'3,6' is no plain number, such as 3.6e9 or 0.25, in MiB"),
    "an unknown unit": (MEMORY, "36 TB", "'36 TB' has an unknown unit: it is to be a number in MiB"),
    "a unit misspelt": (MEMORY, "36 Mib", "'36 Mib' has an unknown unit; did you mean 'MiB'"),
    "a truth": (NUMBER, True, "True is no plain number"),
    "a list": (NUMBER, [1.0], "is no plain number"),
    "infinity": (NUMBER, float("inf"), "inf is not finite"),
    "a division by zero": (NUMBER, "1/0", "'1/0' is no plain number"),
    "a huge number": (NUMBER, "9" * 5000, "is no plain number"),
    "no text": (TEXT, 4, "4 is not a few words"),
    "an essay": (TEXT, "word " * 100, "it has 500 characters, more than 200: a few words will do"),
}


@pytest.mark.parametrize(("question", "answer", "told"), ODD.values(), ids=ODD.keys())
def test_what_is_no_answer_is_told(question: Question, answer: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        read_answer(question, answer)


MORE = """
[[quiz]]
id = "q3"
question = "How many multiply-adds?"
kind = "number"
tolerance = 0.02
reread = "the section on costs"

[[quiz]]
id = "q4"
question = "What do gradients do through many saturated steps?"
kind = "text"
reread = "the section on time"
"""
ANSWERS = 'QUIZ = {"q1": "b", "q2": "a", "q3": 3.6e9, "q4": "they vanish"}\nACCEPTED = {"q4": r"(they )?vanish(ing)?"}'
SOLVED = REFERENCE.replace('QUIZ = {"q1": "b", "q2": "a"}', ANSWERS)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course with two questions more, and two points less elsewhere."""
    root = tmp_path_factory.mktemp("quiz") / "course"
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "assignments" / "mini"
    (folder / "assignment.toml").write_text((folder / "assignment.toml").read_text() + MORE)
    public = (folder / "public" / "test_public.py").read_text()
    (folder / "public" / "test_public.py").write_text(public.replace("@weight(8)", "@weight(6)"))
    (root / "solutions" / "mini.py").write_text(SOLVED)
    return root


def asked(engine: Engine, course: Path, tmp_path: Path, answers: str) -> dict[str, Line]:
    (tmp_path / "mini.py").write_text(REFERENCE.replace('QUIZ = {"q1": "b", "q2": "a"}', f"QUIZ = {answers}"))
    run = grade(
        "mini", tmp_path / "mini.py", root=course, options=Options(seed=1, select=("test_quiz",)), engine=engine
    )
    return {question: line_of(run, f"test_quiz[{question}]") for question in ("q1", "q2", "q3", "q4")}


@pytest.mark.parametrize(
    "answers", [ANSWERS.partition("\n")[0][7:], '{"q1": "B", "q2": "a", "q3": "3.55e9", "q4": "Vanishing."}']
)
def test_all_kinds_are_graded(engine: Engine, course: Path, tmp_path: Path, answers: str) -> None:
    assert {line.outcome for line in asked(engine, course, tmp_path, answers).values()} == {Outcome.PASSED}


TOLD = {
    "wrong": ('{"q3": 3.6e6, "q4": "explode"}', "Not this one. Read again: the section on costs."),
    "none": ("{}", "Not answered yet: put a number, without its unit into QUIZ['q3']."),
    "a unit": (
        '{"q3": "3.6 GFLOP", "q4": 1}',
        "'3.6 GFLOP' is no plain number, such as 3.6e9 or 0.25, without a unit.",
    ),
}


@pytest.mark.parametrize(("answers", "told"), TOLD.values(), ids=TOLD.keys())
def test_what_is_not_right_is_told(engine: Engine, course: Path, tmp_path: Path, answers: str, told: str) -> None:
    lines = asked(engine, course, tmp_path, answers)
    assert (lines["q3"].outcome, lines["q3"].message) == (Outcome.FAILED, told)
    assert lines["q4"].score == 0


def test_students_read_what_is_asked_for_and_not_what_is_right(course: Path) -> None:
    stub = stub_source(load_assignment("mini", course))
    assert (
        '# The quiz: replace each None by your answer: "a", the letter of an option; 0.25, a number; or "a text".'
        in stub
    )
    assert "#     (a number, without its unit, right within 2 %)" in stub
    assert "#     (a few words)" in stub
    assert '    "q4": None,' in stub
    starter = b"".join(bundles(load_assignment("mini", course))[0].files.values())
    assert b"vanish" not in starter.replace(b"vanishing gradient", b"")


UNITS = {
    "units of nothing": ("units = { GiB = 1024 }", r"\[quiz 3\] units are others than that .* unit is missing"),
    "a unit of itself": ('unit = "MiB"\nunits = { MiB = 1 }', "units has 'MiB', which is the unit that is asked for"),
    "no number": ('unit = "MiB"\nunits = { GiB = "1024" }', r"\[quiz 3.units\] GiB must be a number, not '1024'"),
    "no unit": ('unit = "2 MiB"', "'2 MiB' is no unit"),
    "misspelt": ('unit = "MiB"\nunit = { GiB = 1024 }', "Cannot overwrite a value"),
    "of a text": ('kind = "text"\nunit = "MiB"', "unknown key 'unit'"),
}


@pytest.mark.parametrize(("keys", "told"), UNITS.values(), ids=UNITS.keys())
def test_units_that_make_no_sense_are_refused(course: Path, tmp_path: Path, keys: str, told: str) -> None:
    shutil.copytree(course, tmp_path / "course")
    facts = tmp_path / "course" / "assignments" / "mini" / "assignment.toml"
    old = 'kind = "number"\ntolerance = 0.02'
    assert facts.read_text().count(old) == 1
    facts.write_text(facts.read_text().replace(old, keys if "kind" in keys else f'kind = "number"\n{keys}'))
    with pytest.raises(AuthoringError, match=told):
        load_assignment("mini", tmp_path / "course")


def test_the_stub_says_in_which_unit(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "course")
    facts = tmp_path / "course" / "assignments" / "mini" / "assignment.toml"
    facts.write_text(facts.read_text().replace("tolerance = 0.02", 'tolerance = 0.02\nunit = "GFLOP"'))
    assert "#     (a number in GFLOP, right within 2 %)" in stub_source(load_assignment("mini", tmp_path / "course"))


def test_the_whole_can_be_released(course: Path) -> None:
    assignment = load_assignment("mini", course)
    assert reviewed(assignment, load_course(course)) == ()
    prove(assignment, bundles(assignment))


WRONG_KEYS = {
    "a number": ("3.6e9", '"much"', "QUIZ answers q3 with 'much', and 'much' is no plain number"),
    "no text": ('"they vanish"}', "None}", "QUIZ answers q4 with None, which is no answer"),
    "no pattern": ('r"(they )?vanish(ing)?"', '"("', r"ACCEPTED\['q4'\] is no regular expression: missing \)"),
    "another pattern": ('r"(they )?vanish(ing)?"', '"grow"', "which as 'they vanish' does not match its own pattern"),
    "a pattern for a number": ('{"q4": r', '{"q3": r', "ACCEPTED has a pattern for q3, which is no question"),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_key_that_cannot_be_right_is_refused(course: Path, tmp_path: Path, old: str, new: str, told: str) -> None:
    shutil.copytree(course, tmp_path / "course")
    assert SOLVED.count(old) == 1
    (tmp_path / "course" / "solutions" / "mini.py").write_text(SOLVED.replace(old, new))
    damaged = load_assignment("mini", tmp_path / "course")
    with pytest.raises(AuthoringError, match=told):
        reviewed(damaged, load_course(tmp_path / "course"))
    with pytest.raises(AuthoringError, match=told):
        stub_source(damaged)
