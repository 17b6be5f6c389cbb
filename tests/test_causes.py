"""One mistake is one message: lost checks stand together by what they were lost for, what to mend first first."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from autograder.results import Line, Run, terminal, to_gradescope
from autograder.results.page import page
from tests.samples import line, sample_run

HINT = "Your db is a mean. The bias is added at each position, so gradients add up."


def failed(number: str, worth: float = 2, **changes: Any) -> Line:
    """A check that was lost in its own words."""
    values: dict[str, Any] = {"rung": "value", "function": "conv2d_forward", "message": f"said by {number}"}
    return line(f"check {number}", "conv2d", "failed", worth, number=number, **values | changes)


def gradient(number: str, function: str = "conv2d_backward", **changes: Any) -> Line:
    """A check whose gradient is wrong."""
    return failed(number, function=function, place="gradient", **changes)


def run_of(lines: Sequence[Line], **changes: Any) -> Run:
    """A run with these lines."""
    return sample_run(lines=tuple(lines), notes=(), **changes)


def mended(lines: Sequence[Line], **changes: Any) -> list[str]:
    """What the output of results.json lists, in its order."""
    output = to_gradescope(run_of(lines, **changes))["output"]
    return re.findall(r"^\d+\. (.*)$", output, re.MULTILINE)


@pytest.mark.parametrize(
    "shared, title",
    [
        ({"hint": HINT}, HINT),
        ({"rung": "stub", "place": "conv.conv2d"}, "Not written yet: conv2d_forward"),
        (
            {"rung": "raised", "place": "ValueError, line 7 of conv.py"},
            "conv2d_forward raises ValueError, line 7 of conv.py",
        ),
        ({"rung": "forbidden"}, "conv2d_forward uses what its task is to be written without"),
        ({"rung": "timeout"}, "conv2d_forward does not return in time"),
        ({"rung": "value"}, "conv2d_forward has wrong values"),
        ({"rung": "slow"}, "conv2d_forward is right, and too slow"),
        ({"function": "conv2d_backward", "place": "gradient"}, "conv2d_backward has wrong values"),
        ({"function": "conv2d_fast", "place": "gradient"}, "the gradient of conv2d_fast has wrong values"),
        ({"kind": "quiz"}, "The quiz: 3 questions to read again"),
    ],
)
def test_checks_of_one_cause_are_one_message(shared: dict[str, Any], title: str) -> None:
    lines = [failed("2.1", 1, **shared), failed("2.2", 4, **shared), failed("2.3", 9, **shared)]
    (said,) = mended(lines)
    assert said.startswith(f"{title} (3 checks, 14 points")
    assert said.endswith("2.1, 2.2, 2.3)")
    text = page(run_of(lines))
    assert text.count("<article") == 1
    told = 0 if shared.get("rung") == "stub" else 1  # what a stub says, its title says
    assert [text.count(f"said by {number}") for number in ("2.1", "2.2", "2.3")] == [told] * 3


def test_checks_that_were_not_run_for_one_reason_are_one_message() -> None:
    late = [line(f"check {n}", "t", "blocked", number=f"1.{n}", message="The time ran out.") for n in range(3)]
    other = line("check 9", "t", "blocked", number="1.9", message="Not selected.")
    assert [said.partition(" (")[0] for said in mended([*late, other])] == ["The time ran out.", "Not selected."]


@pytest.mark.parametrize(
    "first, second",
    [
        ({"hint": HINT}, {"hint": "Another."}),
        ({"rung": "stub", "place": "conv.a"}, {"rung": "stub", "place": "conv.b"}),
        ({"rung": "raised", "place": "ValueError, line 7"}, {"rung": "raised", "place": "ValueError, line 8"}),
        ({"rung": "raised", "place": "ValueError, line 7"}, {"rung": "raised", "place": "TypeError, line 7"}),
        ({"function": "corr2d"}, {"function": "conv2d_forward"}),
        ({"rung": "value"}, {"rung": "cost"}),
        ({"rung": "property"}, {"rung": "property"}),
        ({"function": ""}, {"function": ""}),
    ],
)
def test_checks_of_two_causes_are_two_messages(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert len(mended([failed("2.1", **first), failed("2.2", **second)])) == 2


def test_a_wrong_gradient_goes_with_the_wrong_output_of_its_function_and_says_so() -> None:
    lines = [
        gradient("2.1"),
        failed("2.2"),
        gradient("3.1", "pool_backward"),
        gradient("4.1", "fast"),
        failed("4.2", function="fast"),
    ]
    assert [said.rpartition(": ")[2] for said in mended(lines)] == ["2.2, 2.1)", "4.2, 4.1)", "3.1)"]
    assert page(run_of(lines)).count("which may follow from the output") == 2


def test_a_wrong_gradient_with_a_hint_of_its_own_stays_alone() -> None:
    lines = [gradient("2.1", hint=HINT), failed("2.2")]
    assert [said.partition(" (")[0] for said in mended(lines)] == ["conv2d_forward has wrong values", HINT]
    assert "which may follow" not in page(run_of(lines))


ORDER = [
    failed("9.1", 1, rung="stub", place="conv.a", function="a"),
    failed("8.2", 1, function="g", hint=HINT),
    failed("8.1", 5, function="b"),
    failed("7.1", 4, function="c"),
    gradient("6.1", "d"),
    failed("5.1", 30, rung="cost", function="e"),
    failed("4.1", 40, rung="dtype", function="f"),
    failed("3.1", 50, kind="quiz"),
    line("check 2.1", "t", "blocked", 60, number="2.1", message="Out of time."),
]


def test_what_is_to_be_mended_first_stands_first() -> None:
    """What does not run, then outputs, gradients, costs, side conditions, the quiz; in each known mistakes first, then
    by points."""
    said = mended(list(reversed(ORDER)))
    assert [each.rpartition(": ")[2].rstrip(")") for each in said] == [each.number for each in ORDER]
    text = page(run_of(ORDER))
    places = [text.index(f"said by {number}") for number in ("8.1", "7.1", "6.1", "5.1", "4.1", "3.1")]
    assert places == sorted(places)


def test_nothing_is_to_be_mended_where_everything_passed_or_is_pending() -> None:
    lines = [line("a", "t", "passed", 3, number="1.1"), line("b", "t", "deferred", 1, number="1.2")]
    assert mended(lines) == []
    assert 'id="mend"' not in page(run_of(lines))


def test_a_part_of_the_points_is_a_cause_too() -> None:
    (said,) = mended([line("fast: keeps up", "t", "passed", 4, score=1.5, number="1.1", message="3 times as long")])
    assert said == "fast: keeps up (1 check, 2.5 points: 1.1)"


def test_each_task_stands_in_a_line() -> None:
    lines = [
        line("a", "corr2d", "passed", 3, number="1.1"),
        failed("2.1", rung="stub"),
        failed("2.2", rung="stub"),
        line("p", "pool2d", "failed", 2, number="3.1"),
        line("q", "pool2d", "passed", 4, number="3.2"),
        line("r", "pool2d", "deferred", 1, number="3.3"),
        line("s", "pool2d", "blocked", 1, number="3.4"),
    ]
    told = to_gradescope(run_of(lines))["output"].partition("The tasks:\n")[2].splitlines()
    assert told == [
        "Cross-correlation: 3 of 3 points",
        "Convolution layer, forward and backward: 0 of 4 points, not written yet",
        "Pooling: 4 of 8 points, 1 of 4 checks failed, 1 not run, 1 not measured yet",
    ]


@pytest.mark.parametrize("changes", [{"reason": "SyntaxError"}, {"status": "unreadable"}, {"status": "fault"}])
def test_a_run_that_ended_early_lists_nothing_to_mend(changes: dict[str, Any]) -> None:
    assert mended([failed("1.1")], **changes) == []


def test_what_is_withheld_is_in_no_list() -> None:
    later = failed("2.2", 61, hint="SECRET", visibility="after_published")
    output = to_gradescope(run_of([failed("2.1"), later]))["output"]
    assert "SECRET" not in output
    assert "61" not in output


def test_what_hides_its_errors_says_nothing_of_its_cause() -> None:
    hidden = failed("2.1", hide_errors="Look again.", hint="SECRET", rung="raised", place="SECRET")
    data = to_gradescope(run_of([hidden]))
    assert "SECRET" not in str(data)
    assert "conv2d_forward" not in str(data["tests"])


def test_tests_stand_in_the_order_of_their_numbers() -> None:
    lines = [line(f"check {number}", "t", "passed", number=number) for number in ("2.10", "", "1.2", "2.9", "0.1", "x")]
    numbers = [test["number"] for test in to_gradescope(run_of(lines))["tests"]]
    assert numbers == ["0.1", "x", "1.2", "2.9", "2.10", ""]


def test_the_list_stays_short_however_many_causes_there_are() -> None:
    lines = [failed(f"1.{k}", function=f"function_{k}" * 40) for k in range(200)]
    output = to_gradescope(run_of(lines))["output"]
    assert len(output) < 4_000
    assert "The tasks:" in output


@pytest.mark.parametrize("number", ["2.1", ""])
def test_a_check_that_is_a_cause_by_itself_is_named_once(number: str) -> None:
    alone = run_of([line("it keeps its input", "conv2d", "failed", 2, number=number, function="conv2d_forward")])
    console = Console(file=StringIO(), width=100)
    terminal.show(alone, console)
    said = [
        console.file.getvalue().partition("✗ failed")[2],  # type: ignore[attr-defined]
        re.sub(r"<[^>]*>", "", page(alone).partition('id="mend"')[2].partition("</article>")[0]),
    ]
    size = "1 check, 2 points in conv2d_forward" + f": {number}" * bool(number) + "\n"
    assert [(text.count(alone.lines[0].name), size in text) for text in said] == [(1, True)] * 2


def test_the_terminal_says_a_cause_once() -> None:
    console = Console(file=StringIO(), width=100)
    terminal.show(
        run_of([failed("2.1", hint=HINT), failed("2.2", hint=HINT), failed("3.1", function="other")]), console
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count(HINT) == 1
    assert "2 checks, 4 points in conv2d_forward: 2.1, 2.2" in text
    assert ("said by 2.1" in text, "said by 2.2" in text, "said by 3.1" in text) == (True, False, True)
