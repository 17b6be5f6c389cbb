"""The course: found from wherever one stands, its facts read or refused by file, line and key."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from autograder.assignment import (
    SCORING,
    Course,
    Dates,
    Late,
    Packages,
    RateLimit,
    assignment_names,
    find_root,
    load_assignment,
    load_course,
    points,
)
from autograder.errors import GraderError, UsageError
from autograder.release.new import create, found

ROOT = Path(__file__).resolve().parents[1]
FACTS = """\
title = "Deep learning"
visibility = "after_published"
device = "rehearsal"
secret_file = "secret"
scoring = 1

[dates.net]
released = 2026-10-19T08:00:00+02:00
due = 2026-11-01T23:59:00+01:00
late_until = 2026-11-04T23:59:00+01:00

[late]
grace_minutes = 15
percent_per_day = 10
most_days = 3

[rate_limit]
submissions = 5
hours = 24

[packages]
index = "file:///all"
torch_index = "file:///wheels"
allowed = ["networkx"]

[gradescope]
minutes = 20

[class]
jobs = 2

[cluster]
"""


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one assignment, `net`."""
    (tmp_path / "assignments").mkdir()
    create("net", tmp_path)
    (tmp_path / "course.toml").write_text(FACTS)
    (tmp_path / "secret").write_text("a long sentence\n")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


# Where ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", [".", "assignments", "assignments/net/hidden"])
def test_a_course_is_found_from_any_folder_in_it(course: Path, below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(course / below)
    assert find_root() == course.resolve()
    assert assignment_names() == ("net",)
    assert load_course().title == "Deep learning"


def test_the_nearest_course_counts(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = course / "term" / "other"
    (inner / "assignments").mkdir(parents=True)
    (inner / "course.toml").write_text('title = "Inner"\n')
    monkeypatch.chdir(inner)
    assert load_course().title == "Inner"
    monkeypatch.chdir(inner.parent)
    assert load_course().title == "Deep learning"


def test_a_course_can_be_named_from_elsewhere(course: Path) -> None:
    assert load_course(course).root == course.resolve()
    assert load_assignment("net", course).folder == course.resolve() / "assignments" / "net"


def test_this_repository_is_a_course() -> None:
    assert load_course(ROOT) == Course(ROOT, title=load_course(ROOT).title, scoring=SCORING)
    assert "conv" in assignment_names(ROOT)


def test_a_course_without_a_folder_of_assignments_is_refused(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (course / "assignments").rename(course / "homework")
    monkeypatch.chdir(course)
    with pytest.raises(UsageError, match="has no folder assignments/"):
        load_course()


# What -------------------------------------------------------------------------------------------------------------


def test_every_fact_is_read(course: Path) -> None:
    facts = load_course(course)
    moments = ("2026-10-19T08:00:00+02:00", "2026-11-01T23:59:00+01:00", "2026-11-04T23:59:00+01:00")
    assert facts.dates == {"net": Dates(*map(datetime.fromisoformat, moments))}
    assert facts.late == Late(timedelta(minutes=15), 10, 3)
    assert facts.rate_limit == RateLimit(5, timedelta(days=1))
    assert facts.packages == Packages("file:///all", "file:///wheels", ("networkx",))
    assert (facts.visibility, facts.device, facts.scoring) == ("after_published", "rehearsal", 1)
    assert facts.platform == timedelta(minutes=20)
    assert facts.classes.whole("jobs", 1) == 2


def test_all_but_the_title_has_a_default(course: Path) -> None:
    (course / "course.toml").write_text('title = "Deep learning"\n')
    assert load_course(course) == Course(course.resolve(), title="Deep learning")
    (course / "course.toml").write_text('title = "Deep learning"\naddress = "https://example.org/~me/dl/"\n')
    assert load_course(course).address == "https://example.org/~me/dl"
    (course / "course.toml").unlink()
    assert load_course(course) == Course(course.resolve())


WRONG = {
    "misspelt": ("title =", "titel =", ": title is missing; did you mean 'titel'?"),
    "unknown key": ("[rate_limit]", "[rate_limits]", ":17: unknown key 'rate_limits'; did you mean 'rate_limit'?"),
    "unknown key in a table": (
        "most_days",
        "max_days",
        ":15: [late] unknown key 'max_days'; did you mean 'most_days'?",
    ),
    "visibility": ('"after_published"', '"published"', ":2: visibility must be one of visible, hidden,"),
    "an address that is none": (
        "scoring = 1\n",
        'scoring = 1\naddress = "www.example.org"\n',
        ":6: address is 'www.example.org', not that of a folder: https://",
    ),
    "an address that GitHub does not have": (
        "scoring = 1\n",
        'scoring = 1\naddress = "https://github.com/someone/course"\n',
        ":6: address is 'https://github.com/someone/course', not that of a folder as the browser has it",
    ),
    "device": ('"rehearsal"', '"gpu"', ":3: device must be one of cpu, cuda, rehearsal, not 'gpu'"),
    "an assignment that is none": (
        "[dates.net]",
        "[dates.nett]",
        ":7: [dates.nett] there is no assignment 'nett'; did",
    ),
    "no zone": ("23:59:00+01:00\nlate", "23:59:00\nlate", ":9: [dates.net] due has no zone"),
    "dates in the wrong order": ("2026-11-01", "2026-10-01", ":9: [dates.net] released is not before due"),
    "late before due": ("2026-11-04", "2026-11-01", ":10: [dates.net] due is not before late_until"),
    "late than what": ("due = 2026-11-01T23:59:00+01:00\n", "", ":7: [dates.net] due is missing"),
    "more than all": ("percent_per_day = 10", "percent_per_day = 110", ":14: [late] percent_per_day is 110"),
    "no number": ("hours = 24", 'hours = "a day"', ":19: [rate_limit] hours must be a number, not 'a day'"),
    "half a limit": ("submissions = 5\n", "", ":17: [rate_limit] submissions is missing"),
    "longer than the platform allows": (
        "minutes = 20",
        "minutes = 60",
        ":27: [gradescope] minutes is 60: the platform",
    ),
    "no TOML": ("[late]", "[late", ": Expected ']' at the end of a table declaration (at line 12"),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_fact_is_refused_by_file_line_and_key(course: Path, old: str, new: str, told: str) -> None:
    file = course / "course.toml"
    assert old in FACTS
    file.write_text(FACTS.replace(old, new, 1))
    with pytest.raises(GraderError) as caught:
        load_course(course)
    assert str(caught.value).startswith(f"{file}{told}")


# The secret -------------------------------------------------------------------------------------------------------


def test_the_secret_is_that_of_the_environment_or_else_of_the_file(course: Path) -> None:
    facts = load_course(course)
    assert facts.secret({}) == "a long sentence"
    assert facts.secret({"DEEPGRADE_SECRET": "another"}) == "another"
    assert Course(course).secret({}) == ""


def test_a_secret_that_cannot_be_read_is_named(course: Path) -> None:
    (course / "secret").write_text("\n")
    with pytest.raises(UsageError, match="secret is empty"):
        load_course(course).secret({})
    (course / "secret").unlink()
    with pytest.raises(UsageError, match="secret cannot be read"):
        load_course(course).secret({})


def test_a_secret_that_is_missing_or_open_is_told_of(course: Path) -> None:
    assert load_course(course).secret_note({}) == ""
    (course / "secret").chmod(0o644)
    assert "can be read by everybody" in load_course(course).secret_note({})
    assert "the course has no secret" in Course(course).secret_note({})


def test_a_version_that_scores_otherwise_says_so(course: Path) -> None:
    assert load_course(course).scoring_note() == ""
    (course / "course.toml").write_text(FACTS.replace("scoring = 1", "scoring = 7"))
    assert f"was written for scoring 7, and this version has {SCORING}" in load_course(course).scoring_note()


# A new one --------------------------------------------------------------------------------------------------------


def test_a_new_course_is_one_and_has_a_secret_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "autumn", tmp_path / "spring"
    written = {path.relative_to(first).as_posix() for path in found(first, 'A "fine" course')}
    assert {"course.toml", "Makefile", ".gitignore", ".github/workflows/audit.yml", "secret"} < written
    found(second)
    facts = load_course(first)
    assert (facts.title, load_course(second).title) == ('A "fine" course', "spring")
    assert facts.secret({}) != load_course(second).secret({})
    assert facts.secret_note({}) + facts.scoring_note() == ""
    assert assignment_names(first) == ("warmup",)
    assert "<" not in (first / "course.toml").read_text() + (first / "Makefile").read_text().replace("$<", "")


def test_what_a_new_course_has_commented_out_is_right_too(tmp_path: Path) -> None:
    found(tmp_path / "course")
    file = tmp_path / "course" / "course.toml"
    file.write_text(re.sub(r"^# (?=\[|\w+ = )", "", file.read_text(), flags=re.MULTILINE))
    facts = load_course(file.parent)
    assert facts.rate_limit == RateLimit(10, timedelta(days=1))
    assert facts.dates.keys() == {"warmup"}


def test_a_course_is_never_written_over_anything(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        found(tmp_path)
    with pytest.raises(UsageError, match="is not empty"):
        found(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# What it changes --------------------------------------------------------------------------------------------------


def test_hidden_checks_and_quiz_are_as_visible_as_the_course_says_unless_they_say_it(course: Path) -> None:
    hidden = course / "assignments" / "net" / "hidden" / "test_hidden.py"
    text = hidden.read_text().replace("weight\n", "visibility, weight\n")
    hidden.write_text(text.replace('@number("1.3")', '@number("1.3")\n@visibility("hidden")'))
    seen = {check.name: check.visibility for check in points(load_assignment("net", course))}
    assert seen == {
        "test_scale_example": "visible",
        "test_scale": "after_published",
        "test_keeps_float32": "hidden",
        "test_quiz[q1]": "after_published",
    }
