"""The quiz: what a question asks for, what an answer says, and whether it is right. The right answers stand in the
reference only (see `_key`)."""

import math
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from autograder.assignment._draws import Values, filled, read_values
from autograder.assignment._table import Table
from autograder.errors import did_you_mean

CHOICE, NUMBER, TEXT = "choice", "number", "text"
ROUNDING = 1e-9  # of a number that must be exact
LONGEST = 200  # characters of a text: a pattern may take long on more
UNIT = re.compile(r"[^\W\d_][^\s]*|%|µ[^\s]*")
MEASURED = re.compile(rf"([+-]?[\d.,/]+(?:[eE][+-]?\d+)?) ?({UNIT.pattern})")
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
        units: of a number, what may stand after it, and how many of the first, which is asked for, each is.
        values: of a number, what each name in braces in the question is drawn from, for each student anew.
    """

    id: str
    question: str
    options: dict[str, str]
    reread: str
    kind: str = CHOICE
    tolerance: float = 0.0
    units: dict[str, float] = field(default_factory=dict)
    values: Values = field(default_factory=dict)

    def asked(self, values: Mapping[str, float | str] | None = None) -> str:
        """What is asked, with these values in it; without them, with the names that stand for them."""
        return filled(self.question, values or {name: name for name in self.values})

    @property
    def wanted(self) -> str:
        """What an answer is, in words."""
        if self.kind == CHOICE:
            return f"one of {', '.join(self.options)}"
        if self.kind == NUMBER:
            return f"a number in {next(iter(self.units))}" if self.units else "a number, without its unit"
        return "a few words"


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
    asked = table.text("question")
    is_drawn = kind == NUMBER and "values" in table
    question = Question(
        id=table.identifier("id"),
        question=asked,
        options=options,
        reread=table.text("reread"),
        kind=kind,
        tolerance=max(tolerance, ROUNDING),
        units=_units(table) if kind == NUMBER else {},
        values=read_values(table.table("values"), asked) if is_drawn else {},
    )
    if is_drawn and "answer" in table:
        raise table.fault("answer would reach students: the formula stands in the reference, FORMULAS", "answer")
    table.close()
    return question


def _units(table: Table) -> dict[str, float]:
    """The unit that is asked for, which is 1 of itself, and others by how many of it they are."""
    if "unit" not in table:
        if "units" in table:
            raise table.fault("units are others than that which is asked for: unit is missing", "units")
        return {}
    asked, others = table.text("unit"), table.table("units", required=False).numbers()
    for name in (asked, *others):
        if name != name.strip() or not UNIT.fullmatch(name):
            raise table.fault(f"{name!r} is no unit: it begins with a letter, % or µ and has no spaces", "unit")
    if asked in others:
        raise table.fault(f"units has {asked!r}, which is the unit that is asked for", "units")
    return {asked: 1.0} | others


def read_answer(question: Question, answer: Any) -> str | float | None:
    """What an answer says; None where there is none.

    Raises:
        ValueError: it is no answer to this question; the message says why.
    """
    answer = answer.item() if getattr(answer, "ndim", None) == 0 and hasattr(answer, "item") else answer
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return None
    if question.kind == NUMBER:
        return _measured(answer, question)
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


def _measured(answer: Any, question: Question) -> float:
    """A number in the unit that is asked for; one without a unit is in that."""
    found = MEASURED.fullmatch(answer.strip()) if question.units and isinstance(answer, str) else None
    if found is None or _is_number(answer):
        return _number(answer, question)
    if found[2] not in question.units:
        near = did_you_mean(found[2], question.units) or f": it is to be {question.wanted}"
        raise ValueError(f"{answer!r:.40} has an unknown unit{near}")
    return question.units[found[2]] * _number(found[1], question)


def _is_number(text: str) -> bool:
    """Such as 3e5, which is no 3 in e5."""
    with suppress(ValueError):
        return math.isfinite(float(text))
    return False


def _number(answer: Any, question: Question) -> float:
    if isinstance(answer, str) and (parts := FRACTION.fullmatch(answer.strip())) and int(parts[2]):
        return int(parts[1]) / int(parts[2])
    try:
        if isinstance(answer, bool) or not isinstance(answer, Real | str) or len(str(answer)) > LONGEST:
            raise ValueError
        found = float(answer)
    except (ValueError, OverflowError):
        after = f"in {next(iter(question.units))}" if question.units else "without a unit"
        raise ValueError(f"{answer!r:.40} is no plain number, such as 3.6e9 or 0.25, {after}") from None
    if not math.isfinite(found):
        raise ValueError(f"{answer!r:.40} is not finite")
    return found
