"""How checks end: cases, skips, errors of the check's own, scores, and what their decorators say, through `grade`."""

import shutil
from pathlib import Path

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run

COURSE = Path(__file__).parent / "course"
REFERENCE = (COURSE / "solutions" / "mini.py").read_text()
COUNTING = REFERENCE.replace("    return 2 * x", "    global COUNT\n    COUNT += 1\n    return 2 * x") + "\nCOUNT = 0\n"
NOTHING = REFERENCE.replace("    return 2 * x", "    return None")

EXTRA = '''
import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import (
    hide_errors, leaderboard, number, partial_credit, tags, visibility, weight,
)


@pytest.mark.task("double")
@weight(3)
@number("9.1")
@visibility("after_published")
@tags("one", "two")
@hide_errors("Look at the handout again.")
def test_marked(agrees, draw):
    """marked: with every decorator"""
    agrees("double", draw(3))


@pytest.mark.task("double")
@weight(1)
def test_skips(student):
    """skips itself"""
    pytest.skip("no time")


@pytest.mark.task("double")
@pytest.mark.skip(reason="not today")
@weight(1)
def test_marked_skip(student):
    """is marked to be skipped"""


@pytest.mark.task("double")
@weight(1)
def test_xfails(student):
    """expects to fail"""
    pytest.xfail("known")


@pytest.mark.task("double")
@pytest.mark.xfail
@weight(1)
def test_marked_xfail(student, expect):
    """is marked to fail"""
    expect.true(False, "it fails all the same")


@pytest.mark.task("double")
@weight(1)
@pytest.mark.parametrize("x", [])
def test_no_cases(student, x):
    """has no cases"""


@pytest.fixture
def broken():
    raise ValueError("a fixture of ours")


@pytest.mark.task("double")
@weight(1)
def test_broken_fixture(broken):
    """has a fixture that fails"""


@pytest.mark.task("double")
@weight(1)
def test_unknown_fixture(no_such_fixture):
    """has a fixture that does not exist"""


@pytest.mark.task("double")
@weight(1)
def test_undefined_name(student):
    """uses a name that does not exist"""
    undefined(student.double(np.ones(3)))


@pytest.mark.task("double")
@weight(1)
def test_stumbles(student):
    """computes with what comes back"""
    student.double(np.ones(3)).sum()


class Loud:
    def __repr__(self):
        raise KeyboardInterrupt


@pytest.mark.task("double")
@weight(1)
@pytest.mark.parametrize("value", [Loud()], ids=["loud"])
def test_loud(expect, value):
    """fails, with a value that must not be printed"""
    expect.true(value is None, "nothing was printed")


@pytest.mark.task("double")
@weight(1)
def test_plain_assert(student):
    """asserts without a message"""
    assert student.double(np.ones(3)) is not None


@pytest.mark.task("double")
@weight(1)
def test_told_assert(student):
    """asserts with a message"""
    assert student.double(np.ones(3)) is not None, "double must return an array"


@pytest.mark.task("double")
@weight(1)
def test_told_fail(student):
    """fails with a message"""
    if student.double(np.ones(3)) is None:
        pytest.fail("double must return an array, again")


@pytest.mark.task("double")
@weight(1)
@pytest.mark.gpu
def test_gpu(student):
    """needs a GPU"""


@pytest.mark.task("double")
@partial_credit(4)
def test_partial(student, set_score=None):
    """gives part of its points"""
    set_score(2.5)


@pytest.mark.task("double")
@partial_credit(4)
@pytest.mark.parametrize("scores", [True, False], ids=["scores", "does not"])
def test_one_scores(student, scores, set_score=None):
    """gives points in one case only"""
    if scores:
        set_score(4)


@pytest.mark.task("double")
@partial_credit(4)
@pytest.mark.parametrize("passes", [True, False], ids=["passes", "does not"])
def test_scores_then_fails(student, expect, passes, set_score=None):
    """gives points, then does not pass"""
    set_score(4)
    expect.true(passes, "this case does not pass")


@pytest.mark.task("double")
@partial_credit(4)
@pytest.mark.parametrize("score", [5], ids=str)
def test_too_much(student, score, set_score=None):
    """gives more than it has"""
    set_score(score)


@pytest.mark.task("double")
@partial_credit(4)
def test_not_a_number(student, set_score=None):
    """gives no number"""
    set_score(float("nan"))


@pytest.mark.task("double")
@weight(1)
@leaderboard("speed", "asc")
def test_leads(student, set_leaderboard_value=None):
    """enters the leaderboard"""
    set_leaderboard_value(12)


@pytest.mark.task("double")
@weight(1)
@pytest.mark.parametrize("case", ["first", "second", "third"])
def test_counts(student, expect, case):
    """counts the calls of its worker"""
    student.double(np.ones(3))
    expect.true(student.value("COUNT") == 1, "called before")


@pytest.mark.task("double")
@weight(1)
def test_counts_too(student, expect):
    """counts the calls of another worker"""
    student.double(np.ones(3))
    expect.true(student.value("COUNT") == 1, "called before")
'''


def copied(folder: Path, extra: str) -> Path:
    """The small course with another file of checks."""
    course = Path(shutil.copytree(COURSE, folder / "course", ignore=shutil.ignore_patterns("__pycache__")))
    (course / "assignments" / "mini" / "hidden" / "test_more.py").write_text(f'"""More."""\n{extra}')
    return course


@pytest.fixture(scope="module")
def runs(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two submissions under all of these checks: one that solves every task, one whose double returns nothing."""
    folder = tmp_path_factory.mktemp("plugin")
    course, found = copied(folder, EXTRA), {}
    for name, source in (("solved", COUNTING), ("nothing", NOTHING)):
        (folder / "mini.py").write_text(source)
        found[name] = grade("mini", folder / "mini.py", root=course, options=Options(seed=1), engine=engine)
    return found


def line_of(run: Run, check: str) -> Line:
    lines = [line for line in run.lines if line.check == check]
    assert len(lines) == 1, f"one line for {check}"
    return lines[0]


# Whose fault ------------------------------------------------------------------------------------------------------

OURS = {
    "test_skips": "no time",
    "test_marked_skip": "not today",
    "test_xfails": "known",
    "test_no_cases": "skipped itself",
    "test_broken_fixture": "ValueError: a fixture of ours",
    "test_unknown_fixture": "no_such_fixture",
    "test_undefined_name": "NameError: name 'undefined' is not defined",
    "test_too_much": "set a score of 5, outside 0 to 4",
    "test_not_a_number": "set a score of nan",
}


@pytest.mark.parametrize(("check", "told"), OURS.items(), ids=OURS.keys())
def test_what_the_check_does_wrong_is_our_fault_and_scores_nothing(runs: dict[str, Run], check: str, told: str) -> None:
    line = line_of(runs["solved"], check)
    assert (line.outcome, line.score) == (Outcome.FAULT, 0)
    assert told in line.message
    assert runs["solved"].status == "fault"


THEIRS = {
    "test_stumbles": "What your code returned could not be used by this check",
    "test_plain_assert": "What your code returned could not be used by this check",
    "test_told_assert": "double must return an array",
    "test_told_fail": "double must return an array, again",
}


@pytest.mark.parametrize(("check", "told"), THEIRS.items(), ids=THEIRS.keys())
def test_an_exception_in_the_check_is_the_students_failure_where_the_reference_passes(
    runs: dict[str, Run], check: str, told: str
) -> None:
    line = line_of(runs["nothing"], check)
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert line.message.startswith(told)
    assert line_of(runs["solved"], check).outcome is Outcome.PASSED


def test_a_fault_of_ours_stays_one_whatever_the_submission_does(runs: dict[str, Run]) -> None:
    assert {line_of(runs["nothing"], check).outcome for check in OURS} == {Outcome.FAULT}


def test_a_check_that_is_marked_to_fail_fails(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_marked_xfail")
    assert (line.outcome, line.message) == (Outcome.FAILED, "it fails all the same")


def test_a_check_that_fails_prints_none_of_its_values(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_loud")
    assert (line.outcome, line.message) == (Outcome.FAILED, "nothing was printed")


def test_a_check_that_needs_a_gpu_is_deferred(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_gpu")
    assert (line.outcome, line.score) == (Outcome.DEFERRED, 0)
    assert "needs a GPU" in line.message


BROKEN_FILES = {
    "an import that fails": ("import no_such_package\n", "No module named 'no_such_package'"),
    "an error at import": ("1 / 0\n", "ZeroDivisionError"),
}
ONE = '''
import pytest
from gradescope_utils.autograder_utils.decorators import weight


@pytest.mark.task("double")
@weight(1)
def test_one(student):
    """one"""
'''


@pytest.mark.parametrize(("text", "told"), BROKEN_FILES.values(), ids=BROKEN_FILES.keys())
def test_a_file_of_checks_that_cannot_be_collected_is_our_fault(
    engine: Engine, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    run = grade("mini", path, root=copied(tmp_path, text + ONE), options=Options(seed=1), engine=engine)
    assert run.status == "fault"
    assert told in (run.reason or "")
    assert line_of(run, "test_one").outcome is Outcome.FAULT
    assert line_of(run, "test_one").score == 0


# Decorators and scores --------------------------------------------------------------------------------------------


def test_what_the_decorators_say_is_in_the_results(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_marked")
    assert (line.score, line.max_score, line.number, line.visibility) == (3, 3, "9.1", "after_published")
    assert (line.tags, line.hide_errors) == (("one", "two"), "Look at the handout again.")
    assert (line.name, line.task, line.kind) == ("marked: with every decorator", "double", "agreement")


def test_a_check_can_give_part_of_its_points(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_partial")
    assert (line.outcome, line.score, line.max_score) == (Outcome.PASSED, 2.5, 4)


def test_a_score_of_one_case_is_not_that_of_the_next(runs: dict[str, Run]) -> None:
    assert line_of(runs["solved"], "test_one_scores").score == 2


def test_a_score_counts_for_nothing_where_a_case_does_not_pass(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_scores_then_fails")
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)


def test_an_entry_for_the_leaderboard_is_in_the_results(runs: dict[str, Run]) -> None:
    entries = [(entry.name, entry.value, entry.order) for entry in runs["solved"].leaderboard]
    assert [entry for entry in entries if entry[0] == "speed"] == [("speed", 12, "asc")]


# Cases ------------------------------------------------------------------------------------------------------------


def test_cases_are_one_line(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_scores_then_fails")
    assert (line.cases, line.failed_cases) == (2, 1)
    assert "(Case “does not”: 1 of 2 cases fails.)" in line.message


def test_the_cases_of_a_check_share_a_worker(runs: dict[str, Run]) -> None:
    line = line_of(runs["solved"], "test_counts")
    assert (line.cases, line.failed_cases) == (3, 2)
    assert "called before" in line.message


def test_no_two_checks_share_one(runs: dict[str, Run]) -> None:
    assert line_of(runs["solved"], "test_counts_too").outcome is Outcome.PASSED


def test_what_is_wrong_with_some_checks_leaves_the_others_alone(runs: dict[str, Run]) -> None:
    for check in ("test_double", "test_scale", "test_affine", "test_layer", "test_quiz[q1]"):
        assert line_of(runs["solved"], check).outcome is Outcome.PASSED
