"""The quiz: one check a question. The right answers stand in the reference only."""

from typing import Any

import pytest
from gradescope_utils.autograder_utils.decorators import weight

from autograder.assignment import (
    ANSWERS,
    STUDENT,
    Question,
    drawn,
    is_one_of,
    is_right,
    listing,
    read_answer,
    read_student,
)
from autograder.checks import Answer, CheckFailed, Door
from autograder.errors import GraderError


@pytest.mark.task("quiz", kind="quiz")
@weight(1)
def test_quiz(student: Door, reference: Door, quiz_question: Question, handed_in_by: tuple[str, ...]) -> None:
    """the answer to a question"""
    answer = given(student, quiz_question)
    who = whose(student, handed_in_by) if quiz_question.values else ""
    values = drawn(quiz_question.values, student.assignment.deliverable, quiz_question.id, who)
    asked = reference.request("value", ANSWERS, (quiz_question.id,), values)
    known = reference.answer(asked)
    if not known.ok:
        raise GraderError(f"the reference has no answer to {quiz_question.id}: {known.raised}")
    right = known.value if values else reference.value(ANSWERS)[quiz_question.id]
    patterns = reference.answer(reference.request("value", "ACCEPTED", (), {}))
    pattern = patterns.value.get(quiz_question.id) if patterns.ok else None
    passes = is_right(quiz_question, answer, right, pattern)
    student.log[:] = [(asked, Answer(known.value if passes else answer))]  # a known mistake is of one question
    if not passes:
        told = f", with {listing(values)}, which is drawn for {who}" if values else ""
        raise CheckFailed(f"Not this one{told}. Read again: {quiz_question.reread}.", rung="value")


def given(student: Door, question: Question) -> str | float:
    """What the submission answers.

    Raises:
        CheckFailed: nothing, or what is no answer to this question.
    """
    answers: Any = student.value(ANSWERS)
    said = answers.get(question.id) if isinstance(answers, dict) else None
    try:
        answer = read_answer(question, said)
    except ValueError as error:
        raise CheckFailed(f"{str(error)[:1].upper()}{str(error)[1:]}.", rung="value") from None
    if answer is None:
        told = f"Not answered yet: put {question.wanted} into {ANSWERS}[{question.id!r}]."
        raise CheckFailed(told, rung="stub")
    return answer


def whose(student: Door, handed_in_by: tuple[str, ...]) -> str:
    """Whom the submission says that it is by.

    Raises:
        CheckFailed: nobody, or somebody else than those who handed it in.
    """
    said = student.answer(student.request("value", STUDENT, (), {}))
    try:
        who = read_student(said.value if said.ok else None)
    except ValueError as error:
        raise CheckFailed(f"{error}.", rung="structure") from None
    if not who:
        told = f"put your e-mail address into {STUDENT}: the numbers of this question are drawn from it."
        raise CheckFailed(f"Not answered yet: {told}", rung="stub")
    if handed_in_by and not is_one_of(who, handed_in_by):
        known = " or ".join(each for each in handed_in_by if "@" in each) or " or ".join(handed_in_by)
        raise CheckFailed(
            f"{STUDENT} is {who!r}, and this was handed in by {known}: what counts are the numbers that are drawn for "
            f"who hands in. Put that into {STUDENT}; `python check.py quiz` shows the question with your numbers.",
            rung="identity",
        )
    return who
