"""The key of a quiz: what stands in the reference's block of it, read without running it, and what is wrong there.

`QUIZ` has the right answers, `ACCEPTED` patterns of texts that are right, too. Where values are drawn, `FORMULAS` has
what is right for whom, and `STUDENT` is whom the reference's own answers are right for.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder.assignment._draws import combinations, drawn, listing
from autograder.assignment._formula import Formula
from autograder.assignment._quiz import Question, fault_of_key, is_right, read_answer
from autograder.errors import did_you_mean

ANSWERS, ACCEPTED, FORMULAS, STUDENT = "QUIZ", "ACCEPTED", "FORMULAS", "STUDENT"
KEYS = (STUDENT, ANSWERS, ACCEPTED, FORMULAS)


def constants(quiz: Iterable[Question]) -> tuple[str, ...]:
    """What students define for a quiz."""
    return (ANSWERS, STUDENT) if any(question.values for question in quiz) else (ANSWERS,)


@dataclass(frozen=True)
class Key:
    """The constants of the block, as far as they are literals."""

    answers: dict[str, Any] | None
    accepted: dict[str, Any] = field(default_factory=dict)
    formulas: dict[str, Any] = field(default_factory=dict)
    student: Any = None

    @classmethod
    def read(cls, module: ast.Module) -> "Key":
        """What a module defines at its top level."""
        found: dict[str, Any] = {}
        for node in module.body:
            if isinstance(node, ast.Assign) and (name := ast.unparse(node.targets[0])) in KEYS:
                found.setdefault(name, _literal(node.value))
        answers, accepted, formulas = (
            each if isinstance(each := found.get(name), dict) else None for name in (ANSWERS, ACCEPTED, FORMULAS)
        )
        return cls(answers, accepted or {}, formulas or {}, found.get(STUDENT))

    def faults(self, quiz: Iterable[Question], salt: str) -> Iterator[str]:
        """What is wrong with it; nothing is said where there are no answers.

        Args:
            quiz: the questions.
            salt: of the draws.
        """
        if self.answers is None:
            return
        for question in quiz:
            right, pattern = self.answers.get(question.id), self.accepted.get(question.id)
            if told := fault_of_key(question, right, pattern) or self.fault_of_draw(question, salt):
                yield told

    def fault_of_draw(self, question: Question, salt: str) -> str:
        """What is wrong with a question's formula, or with the answer that should be its value; empty where nothing
        is, or nothing is drawn."""
        formula, called = self.formulas.get(question.id), f"{FORMULAS}[{question.id!r}]"
        if not question.values:
            return f"{called}: no values of {question.id} are drawn" if formula is not None else ""
        if not isinstance(formula, str):
            return f"{called} is missing: a text, the formula of what is right for the values that are drawn"
        if not isinstance(self.student, str) or not self.student.strip():
            return f"{STUDENT} is missing: whom the reference's own answers are for, such as 'reference@example.org'"
        try:
            if told := _untried(read := Formula(formula), question):
                return f"{called} {told}"
            values = drawn(question.values, salt, question.id, self.student)
            right, said = read.value(values), (self.answers or {}).get(question.id)
            answer = read_answer(question, said)
        except ValueError as error:
            return f"{called}: {error}"
        if answer is None or not is_right(question, answer, right):
            asked = f"{STUDENT} is {self.student!r}, for whom {listing(values)}"
            return f"QUIZ answers {question.id} with {said!r}, but {asked}: the formula gives {right:.12g}"
        return ""


def _untried(formula: Formula, question: Question) -> str:
    """What is wrong with a formula for any values that can be drawn."""
    for name in sorted(formula.names - question.values.keys()):
        return f"has {name!r}, and no value is called so{did_you_mean(name, question.values)}"
    found = set[float]()
    for values in combinations(question.values):
        try:
            found.add(formula.value(values))
        except ValueError as error:
            return f"gives no number for {listing(values)}: {error}"
    return "" if len(found) > 1 else "gives the same number whatever is drawn"


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
