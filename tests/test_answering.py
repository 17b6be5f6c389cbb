"""One process serves check after check, with a fresh import for each: what is left over there neither costs a point
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
        "while len(IMPORTS) > 1: pass\n    if len(CALLS) == 1: __import__('time').sleep(2.5)",
    ],
    ids=["a wrong value", "an exception", "SystemExit", "the end of the process", "an endless loop, else slow"],
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


# From task to task --------------------------------------------------------------------------------------------------

COUNTING = """
import sys as _sys
_imports = vars(_sys).setdefault("_imports", [])
_imports.append(1)

def _told(function):
    def told(x, *others, **more):
        out = function(x, *others, **more)
        x[:] = 0 if len(_imports) > 1 else x
        return out
    return told

corr2d, max_pool2d_forward, conv2d_fast = map(_told, (corr2d, max_pool2d_forward, conv2d_fast))
"""


@pytest.fixture
def counted(engine: Engine, tmp_path: Path) -> Callable[..., dict[str, Line]]:
    """The lines of some checks, of which those say so that are answered where another was."""

    def lines(*checks: str, more: str = "") -> dict[str, Line]:
        file = tmp_path / "conv.py"
        file.write_text(CONV.solution.read_text("utf-8") + COUNTING + more, "utf-8")
        run = grade("conv", file, options=Options(seed=1, select=checks), engine=engine)
        return {line.check: line for line in run.lines if line.check in checks}

    return lines


@pytest.mark.parametrize(
    ("other", "goes_on"), [("test_max_pool2d", True), ("test_conv2d_fast", False)], ids=["as before", "something else"]
)
def test_what_passed_goes_on_to_another_task_where_the_same_is_absent(counted, other, goes_on):
    lines = counted("test_corr2d", other)
    assert outcomes(lines.values()) == [Outcome.PASSED, Outcome.PASSED]
    assert [SAYS in lines[check].message for check in ("test_corr2d", other)] == [False, goes_on]


def test_what_another_task_left_costs_no_point(counted):
    wrong = "\nif len(_imports) > 1: max_pool2d_forward = None"
    assert outcomes(counted("test_corr2d", "test_max_pool2d", more=wrong).values()) == [Outcome.PASSED] * 2


def test_a_case_that_is_run_again_ends_no_worker_but_its_own(counted):
    checks = ("test_corr2d", "test_conv2d_fast", "test_conv2d_fast_stride", "test_max_pool2d")
    lines = counted(*checks, more="\nif len(_imports) > 1: conv2d_fast = None")
    assert outcomes(lines.values()) == [Outcome.PASSED] * 4
    assert SAYS in lines["test_max_pool2d"].message


def test_races_come_when_all_else_is_done(engine):
    kinds = []
    grade("conv", CONV.solution, options=Options(seed=1), engine=engine, progress=lambda line: kinds.append(line.kind))
    assert kinds == sorted(kinds, key=lambda kind: kind == "race")
    assert "race" in kinds
