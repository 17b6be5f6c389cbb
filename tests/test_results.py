"""Results: only a pass scores, nothing that is said breaks the file or gains from it, what is written reads back."""

import json
import math
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.errors import GraderError, UsageError
from autograder.plain import clean, cut, write_whole
from autograder.results import Line, Outcome, Run, Standing, load_results, merged, shown, to_gradescope, write_results
from docs import results_table
from tests.samples import line, sample_lines, sample_run, without_fault

SCHEMA = jsonschema.Draft202012Validator(json.loads(results_table.SCHEMA.read_text("utf-8")))
NOT_PASSED = [outcome for outcome in Outcome if outcome is not Outcome.PASSED]


def written(run: Run) -> dict[str, Any]:
    """The results of a run as a strict reader of JSON sees them."""
    text = json.dumps(to_gradescope(run), allow_nan=False)
    data: dict[str, Any] = json.loads(text)
    SCHEMA.validate(data)
    return data


def everything_said(data: Any) -> str:
    """All text of a document, keys too."""
    return json.dumps(data, ensure_ascii=False)


# Scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", NOT_PASSED)
def test_only_a_pass_scores(outcome: Outcome) -> None:
    with pytest.raises(GraderError, match=f"ended as {outcome} and cannot score 2"):
        line("check", "task", outcome, score=2)


@pytest.mark.parametrize("score", [-1, 5.5, math.nan, math.inf, None, "5"])
def test_a_score_lies_between_zero_and_the_points_of_the_check(score: Any) -> None:
    with pytest.raises(GraderError, match="cannot be"):
        line("check", "task", "passed", 5, score=score)


def test_a_check_that_passed_may_earn_a_part() -> None:
    assert line("race", "task", "passed", 8, score=5.3).score == 5.3


def test_an_unknown_outcome_or_status_is_refused() -> None:
    with pytest.raises(ValueError, match="skipped"):
        line("check", "task", "skipped")
    with pytest.raises(GraderError, match="status 'done'"):
        sample_run(status="done")


def test_sums_are_over_all_lines_and_free_of_rounding_noise() -> None:
    run = sample_run(lines=tuple(line(f"c{k}", "t", "passed", 0.1) for k in range(10)))
    assert (run.score, run.max_score, run.pending) == (1.0, 1.0, 0.0)
    assert sample_run().pending == 10


@pytest.mark.parametrize(
    "changes, code",
    [
        pytest.param({"lines": ()}, 0, id="graded"),
        pytest.param({"lines": (), "status": "unreadable"}, 2, id="unreadable"),
        pytest.param({"lines": (), "status": "fault"}, 3, id="fault"),
        pytest.param({}, 3, id="a line at fault"),
        pytest.param({"status": "unreadable"}, 3, id="ours goes first"),
    ],
)
def test_exit_codes_say_whose_fault_it_was(changes: dict[str, Any], code: int) -> None:
    assert sample_run(**changes).exit_code == code


# results.json -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["graded", "unreadable", "fault"])
@pytest.mark.parametrize("reason", [None, "SyntaxError: line 3"])
@pytest.mark.parametrize("lines", [(), sample_lines()], ids=["no lines", "every outcome"])
def test_every_run_is_valid_and_has_a_score(status: str, reason: str | None, lines: tuple[Line, ...]) -> None:
    run = sample_run(status=status, reason=reason, lines=lines)
    data = written(run)
    assert data["score"] == run.score
    assert [test["score"] for test in data["tests"]] == [each.score for each in lines]
    assert data["output"]


def test_the_platform_is_told_failed_for_what_was_lost_and_nothing_else() -> None:
    lines = (*sample_lines(), line("worth nothing", "t", "passed", 0), line("a part of it", "t", "passed", 5, score=0))
    told = written(sample_run(lines=lines))["tests"]
    assert {each.outcome for each in lines} == set(Outcome)
    for test, each in zip(told, lines, strict=True):
        kept = each.outcome in (Outcome.PASSED, Outcome.DEFERRED, Outcome.INCONCLUSIVE)
        assert test["status"] == ("passed" if kept else "failed")
        assert test["score"] == (each.score if each.outcome is Outcome.PASSED else 0)
        assert test["extra_data"]["outcome"] == each.outcome


@pytest.mark.parametrize("outcome", ["deferred", "inconclusive"])
def test_points_still_to_be_measured_are_shown_as_such(outcome: str) -> None:
    data = written(sample_run(lines=(line("speed", "conv2d", outcome, 7), line("rest", "conv2d", "passed", 3))))
    assert data["score"] == 3
    assert [test["name"] for test in data["tests"]] == ["speed (not measured yet)", "rest"]
    assert "7 points can still be added" in data["tests"][0]["output"]
    assert "7 points are not measured yet" in data["output"]
    assert "did not pass" not in data["output"]


def test_our_own_fault_is_shown_as_ours_without_its_details() -> None:
    secret = "hidden/test_pool.py"
    data = written(sample_run(status="fault", reason=f"{secret} is broken"))
    assert secret not in everything_said(data)
    assert "The grader failed, not you" in data["output"]
    fault = next(test for test in data["tests"] if test["extra_data"]["outcome"] == "fault")
    assert "not your fault" in fault["output"]


def test_hidden_errors_leave_nothing_in_any_field() -> None:
    details: dict[str, Any] = {
        "message": "SECRET-1",
        "hint": "SECRET-2",
        "diagnosis": "SECRET-3",
        "figures": {"SECRET-4": 1},
    }
    details |= dict.fromkeys(("beside", "rung", "function", "place", "pictured"), "SECRET-5")
    secret = line("c", "t", "failed", hide_errors="Look at the edges.", picture=[[0.125]], **details)
    data = written(sample_run(lines=(secret,)))
    assert "SECRET" not in everything_said(data)
    assert "0.125" not in everything_said(data)
    assert data["tests"][0]["output"] == "Look at the edges."


def test_hiding_errors_does_not_hide_that_a_check_passed() -> None:
    passed = line("c", "t", "passed", message="Well done.", hide_errors="Look at the edges.")
    assert written(sample_run(lines=(passed,)))["tests"][0]["output"] == "Well done."


def test_message_and_hint_are_what_the_student_reads() -> None:
    data = written(sample_run(lines=(line("c", "t", "failed", message="It differs.", hint="Flip it."),)))
    assert data["tests"][0]["output"] == "It differs.\nHint: Flip it."


@pytest.mark.parametrize(
    "changes, says",
    [
        pytest.param({"reason": "SyntaxError: line 3"}, "Your code could not be used", id="import"),
        pytest.param(
            {"status": "unreadable", "reason": "an empty zip"}, "because of what was handed in", id="unreadable"
        ),
        pytest.param({"status": "fault", "reason": "disk full"}, "please tell the course staff", id="fault"),
    ],
)
def test_a_run_that_ended_early_says_why_and_whose_turn_it_is(changes: dict[str, Any], says: str) -> None:
    run = without_fault(sample_run(**changes))
    output = written(run)["output"]
    assert says in output
    assert ("disk full" in output, changes["reason"] in output) == (False, changes.get("status") != "fault")


def test_no_total_is_told_while_a_check_is_withheld() -> None:
    later = line("later", "t", "failed", 9, visibility="after_published")
    output = written(sample_run(lines=(line("now", "t", "passed", 1), later), notes=()))["output"]
    assert "shown later" in output
    assert "now" not in output
    assert "later" not in output.replace("shown later", "")
    assert "T: 1 of 1 point" in output
    assert not {"9", "10"} & set(re.findall(r"\d+", output))


def test_outputs_stay_within_what_the_platform_keeps() -> None:
    lines = tuple(line(f"c{k}", "t", "failed", message=f"{k} " + "x" * 50_000, hint="y" * 9_000) for k in range(300))
    data = written(sample_run(lines=lines, reason="z" * 200_000, notes=("n" * 50_000,) * 30))
    assert len(data["output"]) + sum(len(test["output"]) for test in data["tests"]) <= 100_000
    assert all(test["output"].startswith(f"{k} ") for k, test in enumerate(data["tests"]))


def test_the_leaderboard_is_there_only_when_there_is_one() -> None:
    assert "leaderboard" not in written(sample_run(leaderboard=()))
    entry = written(sample_run(leaderboard=(Standing("time", 1.5, "asc"),)))["leaderboard"]
    assert entry == [{"name": "time", "value": 1.5, "order": "asc"}]


# Hostile values ---------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
NUMBERS = st.floats() | st.integers() | st.booleans() | st.none()
FIGURES = st.recursive(
    NUMBERS | ANY_TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3)
)


@settings(max_examples=40)
@given(text=ANY_TEXT, value=NUMBERS | ANY_TEXT)
def test_whatever_a_submission_says_the_file_is_valid_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, value: Any
) -> None:
    said = line(text, text, "failed", message=text, hint=text, figures={text: value, "cost": []}, tags=(text,))
    run = sample_run(lines=(said,), submission_name=text, reason=text, notes=(text,), versions={"torch": text})
    path = write_results(run, tmp_path_factory.mktemp("results"))
    data = json.loads(path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert "\x00" not in everything_said(data)
    assert load_results(path) == shown(run)


@given(FIGURES)
def test_clean_values_are_plain_and_stay_as_they_are(value: Any) -> None:
    once = clean(value)
    json.dumps(once, allow_nan=False).encode("utf-8")
    assert clean(once) == once


@pytest.mark.parametrize(
    "raw, plain",
    [
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("tab\tand\r\nnewline\rkept", "tab\tand\nnewline\nkept"),
        ("half \ud83d", "half \ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("left\u202eright", "leftright"),
        (10**400, None),
        (-math.inf, None),
        ((1, math.nan), [1, None]),
        ({1: Path("a")}, {"1": "a"}),
    ],
)
def test_text_and_numbers_are_made_safe(raw: Any, plain: Any) -> None:
    assert clean(raw) == plain


@given(st.text(max_size=200), st.integers(0, 120))
def test_cut_text_fits_and_short_text_is_left_alone(text: str, chars: int) -> None:
    shorter = cut(text, chars)
    assert len(shorter) <= chars
    assert cut(shorter, chars) == shorter
    assert shorter == text or len(text) > chars


def test_cut_text_keeps_both_ends_and_says_how_much_is_missing() -> None:
    shorter = cut("a" * 500 + "b" * 500, 200)
    assert (shorter[:50], shorter[-20:]) == ("a" * 50, "b" * 20)
    assert "[… 800 characters left out …]" in shorter


# Writing and reading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [sample_run(), without_fault(sample_run()), sample_run(lines=(), reason="none")])
def test_what_is_written_reads_back_as_shown(run: Run, tmp_path: Path) -> None:
    path = write_results(run, tmp_path / "new" / "folder")
    assert load_results(path) == load_results(path.parent) == shown(run)


def test_the_whole_run_survives_its_dictionary_faults_included() -> None:
    run = sample_run(status="fault", reason="disk full")
    assert Run.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False))) == run


def test_showing_twice_shows_the_same() -> None:
    long = sample_run(lines=(line("c", "t", "failed", message="x" * 9_999, hint="y" * 9_999),), reason="z" * 9_999)
    for run in (sample_run(), long):
        assert shown(shown(run)) == shown(run)


def test_a_file_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_results(sample_run(), tmp_path)
    before = path.read_bytes()

    def fails(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space left"):
        write_results(sample_run(seed=2), tmp_path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_others_may_read_the_file_and_only_we_write_it(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "a.json", "{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").symlink_to(victim)
    path = write_results(sample_run(), tmp_path / "out")
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tests": [], "extra_data": {}}', '{"tests": 3, "extra_data": {}}', "null"]
)
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(GraderError, match="results"):
        load_results(tmp_path)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = write_results(sample_run(), tmp_path)
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(GraderError, match="schema version 2, not 1"):
        load_results(path)


def test_a_file_with_points_for_what_did_not_pass_is_refused(tmp_path: Path) -> None:
    path = write_results(sample_run(lines=(line("c", "t", "failed", 5),)), tmp_path)
    data = json.loads(path.read_text())
    data["tests"][0]["score"] = 5
    path.write_text(json.dumps(data))
    with pytest.raises(GraderError, match="cannot score 5"):
        load_results(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.json"):
        load_results(tmp_path)


# A run completed by another ---------------------------------------------------------------------------------------


def test_points_measured_later_are_added_and_nothing_else_changes() -> None:
    kept, waiting, unsteady = (
        line("a", "t", "failed", 5),
        line("b", "t", "deferred", 7),
        line("c", "t", "inconclusive", 2),
    )
    here = sample_run(lines=(kept, waiting, unsteady))
    there = sample_run(
        lines=(line("a", "t", "passed", 5), line("b", "t", "passed", 7, score=3), replace(unsteady)), device="a GPU"
    )
    run = merged(here, there)
    assert [(each.outcome.value, each.score) for each in run.lines] == [
        ("failed", 0),
        ("passed", 3),
        ("inconclusive", 0),
    ]
    assert "a GPU" in run.notes[-1]
    assert merged(here, here) == here


def test_runs_of_different_submissions_are_not_merged() -> None:
    with pytest.raises(UsageError, match="same submission"):
        merged(sample_run(), sample_run(digest="other"))


# The schema and its page ------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_allows_no_unknown_field() -> None:
    SCHEMA.check_schema(SCHEMA.schema)
    data = to_gradescope(sample_run())
    data["tests"][0]["extra_data"]["expected"] = [[1.0]]
    assert not SCHEMA.is_valid(data)


def test_the_page_shows_the_schema_that_is_in_force() -> None:
    page = results_table.PAGE.read_text("utf-8")
    assert results_table.refreshed(page) == page, "run `make docs`"


def test_the_page_explains_every_outcome() -> None:
    page = results_table.PAGE.read_text("utf-8")
    assert all(f"| `{outcome}` |" in page for outcome in Outcome)
