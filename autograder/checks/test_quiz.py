"""The quiz: one check a question. The right answers stand in the reference only."""

from typing import Any

import pytest
from gradescope_utils.autograder_utils.decorators import weight

from autograder.assignment import Question
from autograder.checks import CheckFailed, Door


@pytest.mark.task("quiz", kind="quiz")
@weight(1)
def test_quiz(student: Door, reference: Door, quiz_question: Question) -> None:
    """the answer to a question"""
    answers: Any = student.value("QUIZ")
    answer = answers.get(quiz_question.id) if isinstance(answers, dict) else None
    key = answer.strip().lower() if isinstance(answer, str) else None
    if key is None:
        raise CheckFailed(
            f"Not answered yet: put one of {', '.join(quiz_question.options)} into QUIZ[{quiz_question.id!r}].",
            rung="stub",
        )
    if key not in quiz_question.options:
        raise CheckFailed(f"{answer!r:.40} is none of the options {', '.join(quiz_question.options)}.", rung="value")
    if key != reference.value("QUIZ")[quiz_question.id]:
        raise CheckFailed(f"Not this one. Read again: {quiz_question.reread}.", rung="value")
