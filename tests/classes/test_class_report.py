"""The instructor's report: the figures are right, the bad check is flagged, wrong answers that are alike are one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.classes import Student, grade_class, write_class_report
from autograder.classes._report import long
from autograder.classes._statistics import correlation, cronbach_alpha, shape, upper_lower
from autograder.errors import UsageError
from autograder.grading import Options
from autograder.results import Run
from tests.classes.conftest import COURSE, Graded
from tests.classes.made_store import CHECKS, graded, line, run, store
from tests.made_class import Made, write_plain

EVIL = '<script>alert("1")</script>'


def report(folder: Path, **more: bool) -> str:
    return write_class_report(folder, **more).read_text()


def made(tmp_path: Path, runs: list[Run]) -> Path:
    ids = [f"s{number:02}" for number in range(len(runs))]
    return store(
        tmp_path / "class",
        dict(zip(ids, runs, strict=True)),
        {each: [Student(f"Name of {each}", email=f"{each}@school.example")] for each in ids},
    )


def test_a_check_that_the_best_fail_is_flagged_and_no_other(tmp_path: Path) -> None:
    runs = [*[graded("eh")] * 6, *[graded("e")] * 3, *[graded("o")] * 6]
    text = report(made(tmp_path, runs))
    assert text.count("Look at this check:") == 1
    assert "Odd<br><b>Look at this check:</b> who passes it does not do better elsewhere." in text


def test_a_few_submissions_flag_nothing(tmp_path: Path) -> None:
    assert "Look at this check" not in report(made(tmp_path, [*[graded("eh")] * 4, *[graded("o")] * 4]))


def test_an_unknown_mistake_of_twelve_is_one_cluster(tmp_path: Path) -> None:
    call = "hard(x=float64[{n}, 3])"
    told = "The result: {n} of 48 values differ, worst at [{n}, 0]: off by {n}.5e-0{n}, where 2.1e-06 is allowed"
    wrong = [
        run([line("test_easy", "passed"), line("test_hard", "failed", f"{call}\n{told}".format(n=n % 9 + 1))])
        for n in range(12)
    ]
    other = [run([line("test_hard", "failed", f"{call}\nThe result is None: is a return missing?".format(n=2))])]
    text = report(made(tmp_path, [*wrong, *other]))
    assert text.count('<div class="cluster">') == 2
    assert "12 ×" in text
    assert "1 ×" in text
    assert "and 7 more" in text


def test_an_unknown_mistake_planted_in_twelve_submissions_is_one_cluster(tmp_path: Path) -> None:
    source = (COURSE / "solutions" / "mini.py").read_text()
    wrong = source.replace("(dout * x).sum(axis=0)", "(dout * x * x).sum(axis=0)")
    assert wrong != source
    people = [Made("planted", {"mini.py": f"{wrong}\n# {n}\n".encode()}) for n in range(12)]
    right = [Made("right", {"mini.py": f"{source}\n# {n}\n".encode()}) for n in range(2)]
    export = write_plain([*people, *right], tmp_path / "class")
    grade_class("mini", export, tmp_path / "out", root=COURSE, options=Options(select=("test_scale",)))
    text = report(tmp_path / "out")
    assert text.count('<div class="cluster">') == 1
    assert "12 ×</span>" in text


def test_known_mistakes_are_counted_once_a_submission(tmp_path: Path) -> None:
    twice = [line(check, "failed", "Not so.", diagnosis="tripled", hint="Count again.") for check in list(CHECKS)[:2]]
    text = report(made(tmp_path, [run(twice)] * 3))
    assert "3 ×</span> tripled" in text
    assert "There are none." in text


def test_nothing_that_a_submission_says_is_markup(tmp_path: Path) -> None:
    bad = run([line("test_easy", "failed", EVIL, diagnosis=EVIL, hint=EVIL), line("test_hard", "failed", EVIL)])
    folder = store(tmp_path / "class", {EVIL: bad, "b": run([], "unreadable", EVIL)}, {EVIL: [], "b": [Student(EVIL)]})
    text = report(folder)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_who_is_not_settled_is_listed_with_the_page(tmp_path: Path) -> None:
    text = report(
        made(tmp_path, [graded("e"), run([], "fault", "disk full"), run([line("test_hard", "inconclusive")])])
    )
    assert "⚠ our fault: disk full" in text
    assert "≈ 20 points are not measured: the machine was too unsteady" in text
    assert '<a href="pages/s01.html">Name of s01</a>' in text


def test_an_anonymous_report_names_nobody(graded: Graded, tmp_path: Path) -> None:
    text = write_class_report(graded.out, tmp_path / "r.html", anonymous=True).read_text()
    assert "submission 3" in text
    for given_away in ("Lovelace", "submission_1", "@school.example", "pages/", "href", "T10:59:00"):
        assert given_away not in text


def test_a_graded_class_has_a_report_whose_links_lead_to_pages(graded: Graded) -> None:
    text = report(graded.out)
    assert "T10:59:00" in text
    linked = set(text.split('href="')[1:])
    assert {each.partition('"')[0] for each in linked} == {f"pages/{grade.id}.html" for grade in graded.ran.grades}
    assert all((graded.out / each.partition('"')[0]).is_file() for each in linked)
    assert "http" not in text.replace('http-equiv="Content', "")
    assert "tripled" in text


def test_where_no_class_is_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no class in"):
        write_class_report(tmp_path)


@pytest.mark.parametrize("rooms", ["cli, autograder.classes", "release.new", "release.gradescope"])
def test_what_only_reads_a_store_or_starts_a_course_or_waits_for_a_grading_needs_no_torch(rooms: str) -> None:
    told = f"import sys, autograder.{rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], cwd=Path(__file__).parents[2]).returncode == 0


# Figures, against closed forms --------------------------------------------------------------------------------------


def test_alpha_is_that_of_a_worked_example() -> None:
    points = np.array([[2, 3, 3], [4, 4, 5], [1, 2, 1], [5, 4, 5]])
    variances, whole = [10 / 3, 2.75 / 3, 11 / 3], 64.75 / 3
    assert cronbach_alpha(points) == pytest.approx(1.5 * (1 - sum(variances) / whole))


@given(st.lists(st.integers(0, 9), min_size=3, max_size=12).filter(lambda each: len(set(each)) > 1), st.integers(2, 6))
def test_checks_that_all_agree_are_perfectly_reliable(scores: list[int], items: int) -> None:
    points = np.tile(np.array(scores, float)[:, None], items)
    assert cronbach_alpha(points) == pytest.approx(1)
    assert correlation(points[:, 0], points[:, 1:].sum(axis=1)) == pytest.approx(1)


def test_discrimination_is_the_difference_of_the_tails() -> None:
    share = np.array([0, 0, 1, 1, 0, 1, 0, 1, 1, 1.0])
    assert upper_lower(share, np.arange(10.0)) == pytest.approx(1 - 1 / 3)


@pytest.mark.parametrize("seconds, told", [(2.5, "2.5 s"), (3599, "1 h 00 min"), (173_000, "48 h 03 min")])
def test_a_time_of_many_hours_can_be_read(seconds: float, told: str) -> None:
    assert long(seconds).replace("2.50", "2.5") == told


@pytest.mark.parametrize("values", [np.ones(5), np.ones(1), np.array([])])
def test_what_does_not_vary_has_no_correlation(values: np.ndarray) -> None:
    assert correlation(values, values) is None
    assert upper_lower(values, values) is None


def test_messages_are_alike_whatever_their_numbers_and_calls() -> None:
    first = "f(x=float64[2, 3])\nout has shape (2, 3); it should be (3,). See 'a'."
    assert shape(first) == shape("g(y=float64[7])\nout has shape (9,); it should be (1, 1). See 'b'.")
    assert shape("It raised TypeError: no\n  line 3") == shape(
        "the check's helper f(x)\nIt raised TypeError: no\n  line 7"
    )
    assert shape(first) != shape("f(x=float64[2, 3])\nout is None: is a return missing?")
