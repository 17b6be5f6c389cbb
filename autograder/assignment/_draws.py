"""Values of a question that are drawn for each student: from which, and which they are for whom.

The draw is a hash of the question's name and of who is asked, so that students see their own values at home, where no
secret is. Who somebody is, they write into their work, as `STUDENT`; what is graded is compared with who handed it in.
"""

import hashlib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

from autograder.assignment._formula import FUNCTIONS
from autograder.assignment._table import Table
from autograder.errors import did_you_mean

Values = dict[str, tuple[float, ...]]
NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = re.compile(rf"({NUMBER}) ?\.\. ?({NUMBER})(?: step ({NUMBER}))?")
PLACE = re.compile(r"\{(\w+)\}")
MOST = 20_000  # combinations: all are tried
LONGEST = 200  # characters of who somebody is
FROM = 'a range, such as "16..64 step 8", or a list of two numbers or more that differ'


def read_values(table: Table, question: str) -> Values:
    """The table `values`: what each name in the question, in braces, is drawn from.

    Raises:
        AuthoringError: a name is not in the question, or one of the question is not here, or there is too little or
            too much to draw from.
    """
    values = {name: _listed(name, said, table) for name, said in table.anything()}
    places = dict.fromkeys(PLACE.findall(question))
    for name in places:
        if name not in values:
            raise table.fault(f"the question has {{{name}}}, and no value is called so{did_you_mean(name, values)}")
    for name in values:
        if name not in places:
            raise table.fault(f"the question has no {{{name}}}{did_you_mean(name, places)}", name)
        if name in FUNCTIONS:
            raise table.fault(f"{name!r} is a function of formulas: call the value something else", name)
    if not values:
        raise table.fault('values is empty: it holds what is drawn, as in { n = "16..64 step 8", k = [3, 5, 7] }')
    if (count := math.prod(map(len, values.values()))) > MOST:
        raise table.fault(f"there are {count:,} combinations, and each is tried: {MOST:,} at most")
    return values


def _listed(name: str, said: Any, table: Table) -> tuple[float, ...]:
    found = RANGE.fullmatch(said.strip()) if isinstance(said, str) else None
    if found:
        first, last, step = (Decimal(each or 1) for each in found.groups())
        if step <= 0 or (last - first) / step > MOST:
            raise table.fault(f"{name} = {said!r} goes up in steps, {MOST:,} at most", name)
        listed = [first + number * step for number in range(int((last - first) / step) + 1)]
        values = tuple(int(each) if each == int(each) else float(each) for each in listed)
    else:
        values = tuple(said) if isinstance(said, list) and all(map(_is_number, said)) else ()
    if not 2 <= len(set(values)) == len(values):
        raise table.fault(f"{name} = {said!r} is neither {FROM}", name)
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def combinations(values: Values) -> Iterator[dict[str, float]]:
    """All that can be drawn."""
    return (dict(zip(values, each, strict=True)) for each in product(*values.values()))


def drawn(values: Values, salt: str, question: str, who: str) -> dict[str, float]:
    """The values of one student; the same for the same words, whatever their capitals."""

    def number(name: str) -> int:
        told = "\0".join((salt, question, name, known_as(who)))
        return int.from_bytes(hashlib.sha256(told.encode("utf-8", "replace")).digest(), "big")

    return {name: each[number(name) % len(each)] for name, each in values.items()}


def known_as(who: str) -> str:
    """Who somebody is, as it is compared."""
    return who.strip().casefold()


def read_student(said: Any) -> str:
    """What `STUDENT` says; empty where it is not set.

    Raises:
        ValueError: it is nothing that somebody is known by; the message says why.
    """
    if said is None:
        return ""
    if isinstance(said, bool) or not isinstance(said, str | int) or len(str(said)) > LONGEST:
        raise ValueError(f"STUDENT is {said!r:.40}, and should be a text: your e-mail address")
    return str(said).strip()


def filled(question: str, shown: Mapping[str, float | str]) -> str:
    """A question with values, or what stands for them, in the place of names in braces."""
    return PLACE.sub(lambda match: short(shown[match[1]]) if match[1] in shown else match[0], question)


def listing(values: Mapping[str, float]) -> str:
    """`n = 24, k = 3`."""
    return ", ".join(f"{name} = {short(value)}" for name, value in values.items())


def short(value: float | str) -> str:
    """A number without digits that say nothing."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def is_one_of(who: str, people: Collection[str]) -> bool:
    """Whether somebody is among those who are known by these."""
    return known_as(who) in map(known_as, people)
