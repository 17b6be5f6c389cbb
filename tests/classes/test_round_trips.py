"""From an export to grades and into every gradebook: each student finds in each the points that the store has."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.classes import Store, Student, gradebook
from autograder.cli import cli
from autograder.errors import UsageError
from tests.classes.conftest import Graded
from tests.classes.made_store import graded as scored
from tests.classes.made_store import store


@pytest.fixture
def points(graded: Graded) -> dict[str, float]:
    """What the store says, by address; the first submission is a group's."""
    with Store(graded.out) as made:
        scores = {grade.id: grade.score for grade in made.grades()}
        people = [(each, student) for each, students in made.students().items() for student in students]
    found = {student.email: scores[each] for each, student in people}
    assert len(found) == 13
    return found


def canvas(points: dict[str, float]) -> str:
    """A gradebook of everybody, one who never handed in, and the row that Canvas adds."""
    lines = [
        "Student,ID,SIS User ID,SIS Login ID,Section,A small assignment (9)",
        "    Points Possible,,,,,100",
        '"Nobody, Handed",1,no,nobody@school.example,1,',
        *(f'"Name {n}",{100 + n},,{email},1,' for n, email in enumerate(points)),
        '"Student, Test",2,,,1,',
    ]
    return "\n".join(lines) + "\n"


def moodle(points: dict[str, float]) -> str:
    lines = [
        "Identifier,Full name,Email address,Grade,Maximum Grade",
        *(f"Participant {n},Name {n},{email},,100.00" for n, email in enumerate(points)),
        "Participant 99,Nobody Handed,nobody@school.example,,100.00",
    ]
    return "\n".join(lines) + "\n"


FORMS = {
    "gradescope": (None, "Email", "Total Score"),
    "canvas": (canvas, "SIS Login ID", "A small assignment (9)"),
    "moodle": (moodle, "Email address", "Grade"),
}


@pytest.mark.parametrize("form", FORMS)
def test_everybody_finds_their_points(graded: Graded, points: dict[str, float], tmp_path: Path, form: str) -> None:
    make, who, column = FORMS[form]
    into = None
    if make is not None:
        into = tmp_path / "book.csv"
        into.write_text(make(points))
    gradebook(graded.out, form, into).write(tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert {row[who]: float(row[column]) for row in rows if row[column] and row[who]} == pytest.approx(points)
    assert all("Nobody" not in row.get("Student", row.get("Full name", "")) or not row[column] for row in rows)


@pytest.mark.parametrize("form", ["canvas", "moodle"])
def test_a_filled_gradebook_can_be_filled_again(
    graded: Graded, points: dict[str, float], tmp_path: Path, form: str
) -> None:
    make = FORMS[form][0]
    assert make is not None
    for source, target in (("first", "second"), ("second", "third")):
        if source == "first":
            (tmp_path / source).write_text(make(points))
        gradebook(graded.out, form, tmp_path / source).write(tmp_path / target)
    assert (tmp_path / "second").read_text() == (tmp_path / "third").read_text()


def test_what_fails_leaves_the_file_that_was_there(graded: Graded, points: dict[str, float], tmp_path: Path) -> None:
    book, out = tmp_path / "book.csv", tmp_path / "out.csv"
    book.write_text(canvas(points).replace("student3@school.example", "someone@school.example"))
    out.write_text("of last week")
    words = ["gradebook", str(graded.out), "--format", "canvas", "--into", str(book), "--out", str(out)]
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, UsageError)
    assert "1 of 13 marks have no row in book.csv" in str(done.exception)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["book.csv", "out.csv"]
    assert out.read_text() == "of last week"
    done = CliRunner().invoke(cli, [*words, "--partial"])
    assert (done.exit_code, "12 marks in" in done.output) == (0, True), done.output


@pytest.mark.parametrize("form", FORMS)
def test_a_submission_of_nobody_is_one_message(tmp_path: Path, form: str) -> None:
    people = {"a": [Student("Ada", email="a@school.example")], "b": []}
    folder = store(tmp_path / "class", {"a": scored("e"), "b": scored("e")}, people)
    make = FORMS[form][0]
    into = tmp_path / "book.csv" if make is not None else None
    if make is not None and into is not None:
        into.write_text(make({"a@school.example": 1}))
    with pytest.raises(UsageError, match="nobody is named as the owner of b"):
        gradebook(folder, form, into)


def test_a_stored_result_is_the_whole_result(graded: Graded) -> None:
    with Store(graded.out) as made:
        for grade in made.grades():
            run = made.run(grade.id)
            assert run is not None
            again = type(run).from_dict(json.loads(json.dumps(run.to_dict())))
            assert again == run
            assert (run.score, run.max_score, run.status) == (grade.score, grade.max_score, grade.status)
