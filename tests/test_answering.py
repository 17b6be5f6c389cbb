"""One process serves the checks of a task, with a fresh import for each: what is left over there neither costs a point
nor earns one."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are confined on Linux only")

CONV = load_assignment("conv")
CHECKS = ("test_corr2d_lecture_example", "test_corr2d")  # of one task, in this order
SAYS = "your code writes into its argument"
# The reference, but that `corr2d` is what is asked for; IMPORTS counts those of this process, CALLS calls since then.
WRAPPED = """
import sys as _sys
_right, IMPORTS, CALLS = corr2d, vars(_sys).setdefault("_imports", []), []
IMPORTS.append(1)

def corr2d(x, k):
    CALLS.append(1)
    out = _right(x, k)
    {}
    return out
"""
TELLS = "x[:] = 0 if len(IMPORTS) > 1 else x"  # which costs nothing, and is told


@pytest.fixture
def graded(engine: Engine, tmp_path: Path) -> Callable[..., list[Line]]:
    """The lines of both checks, where this is done in `corr2d`."""

    def lines(*does: str) -> list[Line]:
        file = tmp_path / "conv.py"
        file.write_text(CONV.solution.read_text("utf-8") + WRAPPED.format("\n    ".join(does)), "utf-8")
        run = grade("conv", file, options=Options(seed=1, select=CHECKS), engine=engine)
        assert run.reason is None
        return [next(line for line in run.lines if line.check == check) for check in CHECKS]

    return lines


def outcomes(lines: list[Line]) -> list[Outcome]:
    return [line.outcome for line in lines]


def test_what_passed_goes_on_to_the_next_check_of_its_task(graded):
    lines = graded(TELLS)
    assert outcomes(lines) == [Outcome.PASSED, Outcome.PASSED]
    assert [SAYS in line.message for line in lines] == [False, True]


@pytest.mark.parametrize(
    "leaves",
    [
        "open('left', 'w').close()",
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "_sys.left = bytearray(b'x') * (200 << 20)",
    ],
    ids=["a file", "a thread", "memory"],
)
def test_what_leaves_something_behind_does_not_go_on(graded, leaves):
    lines = graded(f"if len(CALLS) == 1: {leaves}", TELLS)
    assert outcomes(lines) == [Outcome.PASSED, Outcome.PASSED]
    assert [SAYS in line.message for line in lines] == [False, False]


def test_each_check_has_an_import_of_its_own(graded):
    lines = graded("x[:] = 0 if len(CALLS) == 1 else x")  # the first call since the import
    assert outcomes(lines) == [Outcome.PASSED, Outcome.PASSED]
    assert [SAYS in line.message for line in lines] == [True, True]


@pytest.mark.parametrize(
    "fails",
    [
        "out = out + (len(IMPORTS) > 1)",
        "if len(IMPORTS) > 1: raise ValueError",
        "if len(IMPORTS) > 1: _sys.exit()",
        "if len(IMPORTS) > 1: __import__('os')._exit(1)",
        "while len(IMPORTS) > 1: pass",
    ],
    ids=["a wrong value", "an exception", "SystemExit", "the end of the process", "an endless loop"],
)
def test_nothing_that_an_earlier_check_left_costs_a_point(graded, fails):
    assert outcomes(graded(fails)) == [Outcome.PASSED, Outcome.PASSED]


def test_what_answers_only_where_an_earlier_check_was_earns_nothing(graded):
    lines = graded("out = out if len(IMPORTS) > 1 else None")
    assert outcomes(lines) == [Outcome.FAILED, Outcome.FAILED]


def test_what_fails_wherever_it_runs_is_told_once(graded):
    first, second = graded("out = -out if x.shape[1] > 4 else out")
    assert (first.outcome, second.outcome, second.diagnosis) == (Outcome.PASSED, Outcome.FAILED, None)
    assert second.message.count("corr2d(") == 1
