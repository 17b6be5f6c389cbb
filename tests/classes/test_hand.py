"""Points given by hand: a form with everybody on it, merged into the gradebook, or one message."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import ByHand
from autograder.classes import Student, form, gradebook
from autograder.errors import UsageError
from tests.classes.made_store import graded, store

ADA = Student("Ada Lovelace", "s1", "Ada@school.example")
EMMY = Student("Emmy Noether", "s2")
PARTS = [ByHand("essay", "Why it works", 10), ByHand("plot", "A plot", 5, extra=True)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Two of a class of 35 points, and 10 by hand: all and 10 of them."""
    facts = {"by_hand": json.dumps([vars(part) for part in PARTS])}
    return store(tmp_path / "class", {"a": graded("eho"), "b": graded("e")}, {"a": [ADA], "b": [EMMY]}, facts=facts)


def totals(text: str) -> dict[str, str]:
    return {row["Last Name"]: f"{row['Total Score']}/{row['Max Points']}" for row in csv.DictReader(text.splitlines())}


FORM = "name,student,essay,plot\nAda Lovelace,ada@school.example,,\nEmmy Noether,s2,,\n"
FILLED = FORM.replace("example,,", "example,8.5,5").replace("s2,,", "s2,0,1")


def entered(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hand.csv"
    path.write_text(text)
    return path


def test_the_form_has_everybody_on_it(made: Path) -> None:
    assert form(made) == FORM


def test_what_was_entered_is_earned_and_extra_comes_on_top(made: Path, tmp_path: Path) -> None:
    filled = gradebook(made, "gradescope", hand=entered(tmp_path, FILLED))
    assert totals(filled.text) == {"Lovelace": "48.50/45.00", "Noether": "11.00/45.00"}


def test_lateness_costs_of_it_too(made: Path, tmp_path: Path) -> None:
    people = {"a": [ADA], "b": [EMMY]}
    facts = {"by_hand": json.dumps([vars(part) for part in PARTS])}
    created = dict.fromkeys("ab", "2026-11-02T10:00:00+00:00")
    late = store(tmp_path / "late", {"a": graded("eho"), "b": graded("e")}, people, created, facts)
    policy = tmp_path / "policy.toml"
    policy.write_text("due = 2026-11-01T23:00:00Z\npercent_per_day = 50\n")
    filled = gradebook(late, "gradescope", policy=policy, hand=entered(tmp_path, FILLED))
    assert totals(filled.text) == {"Lovelace": "24.25/45.00", "Noether": "5.50/45.00"}


def test_who_is_not_read_yet_has_no_grade(made: Path, tmp_path: Path) -> None:
    half = entered(tmp_path, FORM.replace("example,,", "example,8.5,5"))
    with pytest.raises(UsageError, match="1 have no points by hand yet: Emmy Noether"):
        gradebook(made, "gradescope", hand=half)
    assert totals(gradebook(made, "gradescope", hand=half, partial=True).text) == {"Lovelace": "48.50/45.00"}


WRONG = {
    "no column": (FILLED.replace("essay", "esay"), "has no column 'essay'; did you mean 'esay'"),
    "one too many": (FILLED.replace("name", "pages"), "has a column 'pages', which is nothing to be read by hand"),
    "misspelt": (FILLED.replace(",plot", ",plot,plots").replace(",5\n", ",5,\n"), "'plots', .* did you mean 'plot'?"),
    "nobody": (FILLED.replace("ada@", "ida@"), "'ida@school.example' is nobody .* did you mean 'ada@school.example'?"),
    "twice": (FILLED + ",s1,1,1\n", "'s1' stands in it twice"),
    "more than all": (FILLED.replace("8.5", "10.5"), "essay of ada@school.example is 10.5, and must be 0 to 10"),
    "negative": (FILLED.replace("8.5", "-1"), "is -1, and must be 0 to 10"),
    "no number": (FILLED.replace("8.5", "good"), "essay of ada@school.example is no number: 'good'"),
    "a comma": (FILLED.replace("8.5", '"8,5"'), "has a decimal comma: '8,5'"),
    "semicolons": (FILLED.replace(",", ";"), "is separated by semicolons"),
    "empty": ("", "has no column 'student'"),
}


@pytest.mark.parametrize("text, told", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_the_form_is_one_message(made: Path, tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        gradebook(made, "gradescope", hand=entered(tmp_path, text))


def test_a_form_is_asked_for_where_one_is_needed_and_nowhere_else(made: Path, tmp_path: Path) -> None:
    told = r"gives points for essay \(10 points\), plot \(5 points\) by hand, and there is no --hand"
    with pytest.raises(UsageError, match=told):
        gradebook(made, "gradescope", partial=True)
    plain = store(tmp_path / "plain", {"a": graded("e")}, {"a": [ADA]})
    assert totals(gradebook(plain, "gradescope").text) == {"Lovelace": "10.00/35.00"}
    for asked in (lambda: form(plain), lambda: gradebook(plain, "gradescope", hand=entered(tmp_path, FILLED))):
        with pytest.raises(UsageError, match="nothing of made is read by hand"):
            asked()


def test_a_policy_does_not_take_out_twice_what_is_extra_already(tmp_path: Path) -> None:
    run = graded("eho")
    run = replace(run, lines=tuple(replace(line, extra=line.check == "test_odd") for line in run.lines))
    folder = store(tmp_path / "class", {"a": run}, {"a": [ADA]})
    policy = tmp_path / "policy.toml"
    policy.write_text('extra_credit = ["test_odd", "easy"]\n')
    assert totals(gradebook(folder, "gradescope").text) == {"Lovelace": "35.00/30.00"}
    assert totals(gradebook(folder, "gradescope", policy=policy).text) == {"Lovelace": "35.00/20.00"}
