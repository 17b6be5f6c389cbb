"""Submissions of students for whom numbers of the quiz are drawn: right with their own answers, wrong with those of
another."""

from collections.abc import Iterator
from itertools import count, islice

from autograder.assignment import Assignment, Formula, Key, Question, drawn, is_right
from autograder.syntax import parse

STUDENTS = 3  # whose own answers are tried
TRIED = 1000  # students, of whom one is looked for who has other answers
Answers = dict[str, float]


def right_answers(assignment: Assignment) -> Iterator[tuple[str, str]]:
    """Names of some students, and the reference with their answers."""
    for who in islice(_students(), STUDENTS):
        yield who, _handed_in(assignment, who, _answers(assignment, who))


def copied_answers(assignment: Assignment) -> tuple[str, frozenset[str]]:
    """The reference with one student's name and another's answers, and the questions that are wrong in it: all that are
    drawn, where there is a student who has other answers to all of them."""
    first, *others = islice(_students(), TRIED)
    own = _answers(assignment, first)
    theirs = max((_answers(assignment, who) for who in others), key=lambda each: len(_wrong(assignment, own, each)))
    return _handed_in(assignment, first, theirs), _wrong(assignment, own, theirs)


def drawn_questions(assignment: Assignment) -> list[Question]:
    """Those with numbers that are drawn."""
    return [question for question in assignment.quiz if question.values]


def _students() -> Iterator[str]:
    return (f"student-{number}@example.org" for number in count(1))


def _key(assignment: Assignment) -> Key:
    return Key.read(parse(assignment.solution.read_text("utf-8")))


def _answers(assignment: Assignment, who: str) -> Answers:
    formulas, salt = _key(assignment).formulas, assignment.deliverable
    return {
        question.id: Formula(formulas[question.id]).value(drawn(question.values, salt, question.id, who))
        for question in drawn_questions(assignment)
    }


def _wrong(assignment: Assignment, own: Answers, theirs: Answers) -> frozenset[str]:
    asked = drawn_questions(assignment)
    return frozenset(each.id for each in asked if not is_right(each, theirs[each.id], own[each.id]))


def _handed_in(assignment: Assignment, who: str, answers: Answers) -> str:
    """The reference, with what somebody says in the place of its own."""
    said = (_key(assignment).answers or {}) | answers
    return f"{assignment.solution.read_text('utf-8')}\n\nSTUDENT = {who!r}\nQUIZ = {said!r}\n"
