"""The quiz: one check a question. The right answers stand in the reference only."""

from typing import Any

import pytest
from gradescope_utils.autograder_utils.decorators import weight

from autograder.assignment import Question, is_right, read_answer
from autograder.checks import CheckFailed, Door


@pytest.mark.task("quiz", kind="quiz")
@weight(1)
def test_quiz(student: Door, reference: Door, quiz_question: Question) -> None:
    """the answer to a question"""
    answers: Any = student.value("QUIZ")
    given = answers.get(quiz_question.id) if isinstance(answers, dict) else None
    try:
        answer = read_answer(quiz_question, given)
    except ValueError as error:
        raise CheckFailed(f"{str(error)[:1].upper()}{str(error)[1:]}.", rung="value") from None
    if answer is None:
        told = f"Not answered yet: put {quiz_question.wanted} into QUIZ[{quiz_question.id!r}]."
        raise CheckFailed(told, rung="stub")
    patterns = reference.answer(reference.request("value", "ACCEPTED", (), {}))
    pattern = patterns.value.get(quiz_question.id) if patterns.ok else None
    if not is_right(quiz_question, answer, reference.value("QUIZ")[quiz_question.id], pattern):
        raise CheckFailed(f"Not this one. Read again: {quiz_question.reread}.", rung="value")
