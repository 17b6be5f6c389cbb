"""Marks go into the right row of the right column, or nowhere: one message, and nothing is written."""

import csv
import shutil
from pathlib import Path

import pytest

from autograder.assignment import load_course
from autograder.classes import Student, gradebook
from autograder.errors import GraderError, UsageError
from tests.classes.conftest import COURSE
from tests.classes.made_store import graded, run, store

ADA = Student("Ada Lovelace", "s1", "ada@school.example")
EMMY = Student("Emmy Noether", "s2", "emmy@school.example")
ALAN = Student("Alan Turing", number="55")
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (77),A made assignment (78),Total
,,,,,Manual Posting,,
    Points Possible,,,,,10,70,(read only)
"Lovelace, Ada",11,s1,ada,001,9,,
"Noether, Emmy",12,,emmy,001,8,EX,
"Turing, Alan",55,,alan,001,7,3.00,
"Student, Test",99,,,001,,,
"""
MOODLE = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments
Participant 54,Ada Lovelace,ada@school.example,Submitted,,35.00,-,
Participant 55,Alan Turing,alan@school.example,Submitted,1.00,35.00,-,good
Participant 56,Grace Hopper,grace@school.example,No submission,,35.00,-,
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Three of a class of 35 points: all, 10 and 30 of them."""
    runs = {"a": graded("eho"), "b": graded("e"), "c": graded("eh")}
    return store(tmp_path / "class", runs, {"a": [ADA], "b": [EMMY], "c": [ALAN]})


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "book.csv"
    path.write_text(text)
    return path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_canvas_gets_one_column_scaled_and_who_is_excused_is_left_alone(made: Path, tmp_path: Path) -> None:
    filled = gradebook(made, "canvas", written(tmp_path, CANVAS))
    column = "A made assignment (78)"
    assert [row[column] for row in rows(filled.text)] == ["", "70", "70.00", "EX", "60.00", ""]
    assert list(rows(filled.text)[0]) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column]
    assert (filled.marks, filled.remarks) == (2, ("points are scaled from 35 to the gradebook's 70",))


def test_a_gradebook_that_canvas_began_with_a_mark_of_its_encoding_is_read(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(b"\xef\xbb\xbf" + CANVAS.encode())
    assert gradebook(made, "canvas", path).marks == 2


def test_moodle_gets_grades_and_keeps_all_else(made: Path, tmp_path: Path) -> None:
    filled = gradebook(made, "moodle", written(tmp_path, MOODLE), partial=True)
    assert [row["Grade"] for row in rows(filled.text)] == ["35.00", "30.00", ""]
    assert filled.remarks == ("1 of 3 marks have no row in book.csv: Emmy Noether",)
    assert [row | {"Grade": ""} for row in rows(filled.text)] == [row | {"Grade": ""} for row in rows(MOODLE)]


def test_gradescopes_file_has_its_columns(made: Path) -> None:
    made_rows = rows(gradebook(made, "gradescope").text)
    assert [row["Last Name"] for row in made_rows] == ["Lovelace", "Turing", "Noether"]
    assert made_rows[0] == {
        **{"First Name": "Ada", "Last Name": "Lovelace", "SID": "s1", "Email": "ada@school.example", "Sections": ""},
        **{"Total Score": "35.00", "Max Points": "35.00", "Status": "Graded", "Submission ID": "a"},
        **{"Submission Time": "", "Lateness (H:M:S)": "00:00:00"},
    }


BAD = {
    "no file": ("canvas", None, "--format canvas needs --into"),
    "a column renamed": ("canvas", CANVAS.replace("Student,ID", "Student,Id"), "has no column 'ID'"),
    "no such title": ("canvas", CANVAS.replace("A made", "Some"), "has no column 'A made assignment'"),
    "two titles": (
        "canvas",
        CANVAS.replace("Homework 1 (77)", "A made assignment (77)"),
        "two columns called 'A made assignment'",
    ),
    "a column twice": ("canvas", CANVAS.replace("SIS User ID", "Student"), "has two columns 'Student'"),
    "no points possible": ("canvas", CANVAS.replace("Points Possible", "Points"), "has no row Points Possible"),
    "points are a comma": ("canvas", CANVAS.replace(",70,", ',"70,5",'), "has a decimal comma: '70,5'"),
    "points are no number": ("canvas", CANVAS.replace(",70,", ",all,"), "is no number: 'all'"),
    "a grade has a comma": ("canvas", CANVAS.replace("3.00", '"3,00"'), "of Turing, Alan has a decimal comma"),
    "semicolons": ("canvas", CANVAS.replace(",", ";"), "is separated by semicolons"),
    "nobody's mark": ("canvas", CANVAS.replace("55,", "56,"), "1 of 3 marks have no row in book.csv: Alan Turing"),
    "one identifier twice": ("canvas", CANVAS.replace("12,,emmy", "12,s1,emmy"), "2 rows of book.csv could be Ada"),
    "one row for two": ("canvas", CANVAS.replace("12,,emmy", "12,,x").replace("s1,ada", "s1,s2"), "both match one row"),
    "too many cells": ("canvas", CANVAS + "a,b,c,d,e,f,g,h,i,j\n", "row 8 has more cells than the header"),
    "moodle renamed": ("moodle", MOODLE.replace("Grade,Max", "Mark,Max"), "has no column 'Grade'"),
    "moodle commas": ("moodle", MOODLE.replace("1.00", '"1,00"'), "Grade of Participant 55 has a decimal comma"),
    "empty": ("moodle", "", "has no column 'Identifier'"),
}


@pytest.mark.parametrize("form, text, message", BAD.values(), ids=BAD.keys())
def test_what_is_not_certain_is_one_message(
    made: Path, tmp_path: Path, form: str, text: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        gradebook(made, form, None if text is None else written(tmp_path, text))


def test_names_that_two_share_identify_nobody(tmp_path: Path) -> None:
    folder = store(tmp_path / "class", {"a": graded("e")}, {"a": [Student(login="Ada Lovelace")]})
    text = CANVAS.replace("Noether, Emmy", "Ada Lovelace")
    with pytest.raises(UsageError, match=r"2 rows of book\.csv could be Ada Lovelace's: they share their Student"):
        gradebook(folder, "canvas", written(tmp_path, text))
    assert gradebook(folder, "canvas", written(tmp_path, CANVAS)).marks == 1


def test_a_fault_of_ours_is_no_grade(tmp_path: Path) -> None:
    runs = {"a": graded("e"), "b": run([], "fault", "disk")}
    folder = store(tmp_path / "class", runs, {"a": [ADA], "b": [EMMY]})
    with pytest.raises(UsageError, match="1 have a fault of the grader's in place of a grade: Emmy Noether"):
        gradebook(folder, "gradescope")
    assert gradebook(folder, "gradescope", partial=True).marks == 1


# Policies ---------------------------------------------------------------------------------------------------------

IN_TIME, LATE, LATER = "2026-11-01T22:00:00+00:00", "2026-11-02T10:00:00+00:00", "2026-11-05T10:00:00+00:00"
DUE = "due = 2026-11-01T23:00:00Z\n"


def totals(
    tmp_path: Path, policy: str, created: dict[str, str], passed: dict[str, str], who: object = ADA
) -> list[str]:
    """Total scores of a class of one student's (or each one's) submissions under a policy."""
    people = {each: [who if isinstance(who, Student) else who[each]] for each in passed}  # type: ignore[index]
    folder = store(tmp_path / "class", {each: graded(which) for each, which in passed.items()}, people, created)
    (tmp_path / "policy.toml").write_text(policy)
    text = gradebook(folder, "gradescope", policy=tmp_path / "policy.toml").text
    return [f"{row['Total Score']}/{row['Max Points']}" for row in rows(text)]


ATTEMPTS = {"a": IN_TIME, "b": LATE}


@pytest.mark.parametrize(
    "policy, expected",
    [
        ("", "10.00/35.00"),
        ('attempt = "last"', "10.00/35.00"),
        ('attempt = "best"', "35.00/35.00"),
        (DUE + "percent_per_day = 20", "8.00/35.00"),
        (DUE + "percent_per_day = 20\ngrace_minutes = 661", "10.00/35.00"),
        (DUE + 'percent_per_day = 20\n[extensions]\n"ADA@school.example" = 2026-11-02T23:00:00Z', "10.00/35.00"),
        (DUE + 'percent_per_day = 80\nattempt = "best"', "35.00/35.00"),
        ('attempt = "best"\nextra_credit = ["test_odd"]', "35.00/30.00"),
        ('attempt = "best"\nextra_credit = ["hard", "test_odd"]', "35.00/10.00"),
    ],
)
def test_the_policy_says_what_counts(tmp_path: Path, policy: str, expected: str) -> None:
    assert totals(tmp_path, policy, ATTEMPTS, {"a": "eho", "b": "e"}) == [expected]


@pytest.mark.parametrize("most, expected", [(3, "0.00"), (4, "3.50"), (5, "3.50")])
def test_too_late_earns_nothing(tmp_path: Path, most: int, expected: str) -> None:
    policy = DUE + f"percent_per_day = 22.5\nmost_days = {most}"
    assert totals(tmp_path, policy, {"a": LATER}, {"a": "eho"}) == [f"{expected}/35.00"]


UNTIL = DUE + "percent_per_day = 10\nlate_until = 2026-11-02T12:00:00Z\n"
ADAS = '[extensions]\n"ada@school.example" = 2026-11-04T23:00:00Z'


@pytest.mark.parametrize(
    "policy, created, expected",
    [(UNTIL, LATE, "31.50"), (UNTIL, LATER, "0.00"), (UNTIL + ADAS, LATER, "31.50")],
    ids=["late", "after the last moment", "with an extension"],
)
def test_nothing_is_taken_after_the_last_moment(tmp_path: Path, policy: str, created: str, expected: str) -> None:
    assert totals(tmp_path, policy, {"a": created}, {"a": "eho"}) == [f"{expected}/35.00"]


LATENESS = "[late]\npercent_per_day = 20\n"
DATED = "[dates.mini]\n" + DUE + LATENESS
COURSES = {
    "the course's dates": (DATED, None, LATE, "8.00"),
    "a policy of the class": (DATED, "percent_per_day = 50", LATE, "5.00"),
    "no dates": (LATENESS, None, LATE, "10.00"),
    "no times": (DATED, None, None, "10.00"),
}


@pytest.mark.parametrize("name", COURSES)
def test_the_course_says_what_lateness_costs(tmp_path: Path, name: str) -> None:
    facts, policy, created, expected = COURSES[name]
    course = Path(shutil.copytree(COURSE, tmp_path / "course"))
    (course / "course.toml").write_text('title = "A course"\n' + facts)
    times = {"a": created} if created else {}
    folder = store(tmp_path / "class", {"a": graded("e")}, {"a": [ADA]}, times, {"assignment": "mini"})
    file = tmp_path / "policy.toml" if policy else None
    if file is not None and policy is not None:
        file.write_text(policy)
    filled = gradebook(folder, "gradescope", policy=file, course=load_course(course))
    assert [row["Total Score"] for row in rows(filled.text)] == [expected]
    told = "no submission has a time, so the due time of course.toml was not applied"
    assert (told in filled.remarks) == (created is None)


def test_a_group_gets_one_grade_each(tmp_path: Path) -> None:
    folder = store(tmp_path / "class", {"a": graded("eh")}, {"a": [ADA, EMMY]})
    assert [row["Total Score"] for row in rows(gradebook(folder, "gradescope").text)] == ["30.00", "30.00"]


@pytest.mark.parametrize(
    "policy, created, error, message",
    [
        ("percent_per_day = 10", ATTEMPTS, GraderError, "due is missing"),
        ("due = 2026-11-01T23:00:00", ATTEMPTS, GraderError, "due has no zone: write"),
        ('due = "tomorrow"', ATTEMPTS, GraderError, "due must be a time such as"),
        ('attempt = "lats"', ATTEMPTS, GraderError, "did you mean 'last'"),
        ("atempt = 1", ATTEMPTS, GraderError, "unknown key 'atempt'; did you mean 'attempt'"),
        ('extra_credit = ["test_od"]', ATTEMPTS, UsageError, "no task or check 'test_od'; did you mean 'test_odd'"),
        (DUE + '[extensions]\n"ada@scool.example" = 2026-11-02T23:00:00Z', ATTEMPTS, UsageError, "is of nobody"),
        (DUE + "percent_per_day = 1", {}, UsageError, "a has no time of submission"),
        ("", {}, UsageError, "which of a, b is Ada Lovelace's last is not known"),
    ],
)
def test_a_policy_that_cannot_be_applied_is_told(
    tmp_path: Path, policy: str, created: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        totals(tmp_path, policy, created, {"a": "eho", "b": "e"})
