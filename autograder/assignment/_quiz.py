"""The quiz: what a question asks for, what an answer says, and whether it is right. The right answers stand in the
reference only: `QUIZ`, and `ACCEPTED`, patterns of texts that are right, too."""

import math
import re
import unicodedata
from dataclasses import dataclass
from numbers import Real
from typing import Any

from autograder.assignment._table import Table

CHOICE, NUMBER, TEXT = "choice", "number", "text"
ROUNDING = 1e-9  # of a number that must be exact
LONGEST = 200  # characters of a text: a pattern may take long on more
FRACTION = re.compile(r"([+-]?\d{1,15}) ?/ ?(\d{1,15})")


@dataclass(frozen=True)
class Question:
    """One quiz question; its answer stands in the reference only.

    Attributes:
        id: its key in `QUIZ`.
        question: what is asked.
        options: of a choice, by letter.
        reread: where the answer can be found.
        kind: "choice", "number" or "text".
        tolerance: of a number, relative to the right one.
    """

    id: str
    question: str
    options: dict[str, str]
    reread: str
    kind: str = CHOICE
    tolerance: float = 0.0

    @property
    def wanted(self) -> str:
        """What an answer is, in words."""
        if self.kind == CHOICE:
            return f"one of {', '.join(self.options)}"
        return "a number, without its unit" if self.kind == NUMBER else "a few words"


def read_question(table: Table) -> Question:
    """One entry of `[[quiz]]`.

    Raises:
        AuthoringError: a key is missing, unknown for this kind, or has no sense.
    """
    kind = table.choice("kind", (CHOICE, NUMBER, TEXT), CHOICE)
    options = table.table("options").choices() if kind == CHOICE else {}
    if kind == CHOICE and len(set(options.values())) < max(2, len(options)):
        raise table.fault("options must be at least two, and different")
    tolerance = table.number("tolerance") if kind == NUMBER and "tolerance" in table else 0.0
    if tolerance >= 1:
        raise table.fault("tolerance is a part of the right number: below 1", "tolerance")
    question = Question(
        table.identifier("id"), table.text("question"), options, table.text("reread"), kind, max(tolerance, ROUNDING)
    )
    table.close()
    return question


def read_answer(question: Question, answer: Any) -> str | float | None:
    """What an answer says; None where there is none.

    Raises:
        ValueError: it is no answer to this question; the message says why.
    """
    answer = answer.item() if getattr(answer, "ndim", None) == 0 and hasattr(answer, "item") else answer
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return None
    if question.kind == NUMBER:
        return _number(answer)
    if not isinstance(answer, str):
        raise ValueError(f"{answer!r:.40} is not {question.wanted}")
    if question.kind == TEXT:
        if len(answer) > LONGEST:
            raise ValueError(f"it has {len(answer)} characters, more than {LONGEST}: {question.wanted} will do")
        return plain(answer) or None
    if (key := answer.strip().lower()) not in question.options:
        raise ValueError(f"{answer!r:.40} is none of the options {', '.join(question.options)}")
    return key


def is_right(question: Question, answer: str | float, right: Any, pattern: str | None = None) -> bool:
    """Whether what `read_answer` read is right: the letter; a number within the tolerance; a text that is the same, or
    matches the pattern, without regard to capitals, spaces, hyphens and what stands at its ends."""
    expected = read_answer(question, right)
    if isinstance(answer, float) and isinstance(expected, float):
        return abs(answer - expected) <= question.tolerance * abs(expected)
    if answer == expected:
        return True
    return pattern is not None and bool(re.fullmatch(pattern, str(answer), re.IGNORECASE))


def fault_of_key(question: Question, right: Any, pattern: Any = None) -> str:
    """What is wrong with the reference's own answer and pattern; empty where nothing is."""
    said = f"QUIZ answers {question.id} with {right!r}"
    try:
        if (read := read_answer(question, right)) is None:
            return f"{said}, which is no answer"
    except ValueError as error:
        options = f"the options are {', '.join(question.options)}"
        return f"{said}, and {options if question.kind == CHOICE else error}"
    if pattern is None:
        return ""
    if question.kind != TEXT:
        return f"ACCEPTED has a pattern for {question.id}, which is no question that is answered by a text"
    try:
        matches = re.fullmatch(pattern, str(read), re.IGNORECASE)
    except (re.error, TypeError) as error:
        return f"ACCEPTED[{question.id!r}] is no regular expression: {error}"
    return "" if matches else f"{said}, which as {read!r} does not match its own pattern in ACCEPTED"


def plain(text: str) -> str:
    """A text as it is compared: small letters, one space for spaces and hyphens, no punctuation at its ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s_\-\u2010-\u2015]+", " ", folded).strip(" .,;:!?\"'`()")


def _number(answer: Any) -> float:
    if isinstance(answer, str) and (parts := FRACTION.fullmatch(answer.strip())) and int(parts[2]):
        return int(parts[1]) / int(parts[2])
    try:
        if isinstance(answer, bool) or not isinstance(answer, Real | str) or len(str(answer)) > LONGEST:
            raise ValueError
        found = float(answer)
    except (ValueError, OverflowError):
        raise ValueError(f"{answer!r:.40} is no plain number, such as 3.6e9 or 0.25, without a unit") from None
    if not math.isfinite(found):
        raise ValueError(f"{answer!r:.40} is not finite")
    return found
