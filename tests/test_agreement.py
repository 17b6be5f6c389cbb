"""Student beside reference: what interleaves, what is written, what is complex, sparse or coarse, and what a dtype is
worth."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from autograder.assignment import Assignment, load_assignment
from autograder.checks import Agrees, CheckFailed, Door, Draw, Expect, KeepsDtype
from autograder.checks.blame import Blame, blame
from autograder.checks.runner import LocalRunner
from autograder.checks.trusted import module_from_source
from autograder.errors import GraderError
from autograder.grading import Engine, Options, grade

COURSE = Path(__file__).parent / "course"
SOLUTION = COURSE / "solutions" / "mini.py"
REFERENCE = SOLUTION.read_text()


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment("mini", COURSE)


def doors(assignment: Assignment, mine: str, theirs: str = "") -> tuple[Door, Door]:
    """Student and reference: the small course's solution with definitions of their own behind it."""

    def module(name: str, more: str) -> ModuleType:
        return module_from_source(name, f"{REFERENCE}\n{more}", str(SOLUTION))

    modules = module("mini_of_a_student", mine), module("mini_of_the_reference", theirs)
    draw = Draw(1, "agreement")
    return (
        Door(assignment, LocalRunner(modules[0]), modules[1], draw, SOLUTION),
        Door(assignment, LocalRunner(modules[1]), modules[1], draw, SOLUTION),
    )


# Calls that interleave --------------------------------------------------------------------------------------------

IN_THE_MODULE = """
def scale_forward(x, w):
    global CACHE
    CACHE = (x, w)
    return x * w, None

def scale_backward(dout, cache):
    x, w = CACHE
    return dout * w, (dout * x).sum(axis=0)
"""


def test_a_cache_that_calls_share_is_found_where_calls_interleave(assignment: Assignment) -> None:
    draw = Draw(2, "calls")
    calls = [(draw(3, 4), draw(4)) for _ in range(2)]
    Agrees(*doors(assignment, "")).interleaved("scale", *calls)
    shared = Agrees(*doors(assignment, IN_THE_MODULE))
    shared.pair("scale", *calls[0])
    with pytest.raises(
        CheckFailed, match=r"scale_backward.*, after scale_forward.*\ndx, call 1 of 2 \(all forwards ran"
    ):
        shared.interleaved("scale", *calls)


# What a call leaves behind ----------------------------------------------------------------------------------------

IN_PLACE = "def double(x):\n    x *= 2"


def test_what_a_function_writes_is_compared(assignment: Assignment) -> None:
    x = np.arange(1.0, 4.0)
    Agrees(*doors(assignment, IN_PLACE, IN_PLACE)).written("double", x)
    with pytest.raises(CheckFailed, match=r"what is in x after the call: 3 of 3 values differ"):
        Agrees(*doors(assignment, IN_PLACE.replace("2", "3"), IN_PLACE)).written("double", x)
    with pytest.raises(CheckFailed, match="the result should be None"):
        Agrees(*doors(assignment, "", IN_PLACE)).written("double", x)


OURS = {"nothing": "None", "bytes": "b'ab'", "a set": "{1, 2}", "an object": "object()"}


@pytest.mark.parametrize("value", OURS.values(), ids=OURS.keys())
def test_a_reference_that_gives_nothing_to_compare_is_our_fault(assignment: Assignment, value: str) -> None:
    with pytest.raises(GraderError, match=r"nothing to compare|cannot be compared"):
        Agrees(*doors(assignment, "", f"def double(x):\n    return {value}"))("double", np.ones(2))


# Kinds of numbers -------------------------------------------------------------------------------------------------


def test_gradients_through_complex_outputs_are_compared(assignment: Assignment) -> None:
    right = "def affine(x, w):\n    return torch.complex(x @ w, x @ w)"
    cut = "def affine(x, w):\n    return torch.complex(x @ w, (x @ w).detach())"
    draw = Draw(3, "complex")
    x, w = draw.tensor(3, 4), draw.tensor(4, 2)
    Agrees(*doors(assignment, right, right)).autograd("affine", x, w)
    with pytest.raises(CheckFailed, match="the gradient with respect to x"):
        Agrees(*doors(assignment, cut, right)).autograd("affine", x, w)


def test_complex_values_where_real_ones_belong_are_told(assignment: Assignment) -> None:
    student, reference = doors(assignment, "def double(x):\n    return 2 * x + 0j")
    with pytest.raises(CheckFailed, match="holds complex numbers"):
        Agrees(student, reference)("double", np.ones(2))
    with pytest.raises(CheckFailed, match="holds complex numbers; it should hold real ones"):
        Expect(student).array(student.double(np.ones(2)), (2,))


KINDS = {
    "sparse": (torch.eye(3, dtype=torch.float64).to_sparse(), "x.is_sparse"),
    "bfloat16": (torch.eye(3).bfloat16(), "x.dtype is torch.bfloat16"),
}


@pytest.mark.parametrize(("x", "kept"), KINDS.values(), ids=KINDS.keys())
def test_an_argument_arrives_as_what_it_is(assignment: Assignment, x: torch.Tensor, kept: str) -> None:
    source = f"def affine(x, w):\n    assert {kept}\n    return (x @ w) * 1"
    w = torch.arange(6.0, dtype=x.dtype).reshape(3, 2)
    Agrees(*doors(assignment, source, source))("affine", x, w)


def test_a_slip_of_precision_costs_nothing_and_is_told(assignment: Assignment) -> None:
    slip = "def double(x):\n    return x / float(np.float32(1 / 6)) / 3"
    student, reference = doors(assignment, slip)
    Agrees(student, reference)("double", Draw(4, "slip")(20))
    assert len(student.notes) == 1
    assert "computed in float32 on the way" in student.notes[0]


# What is stated of a gradient -------------------------------------------------------------------------------------

STATED: dict[str, Callable[[Expect, np.ndarray], object]] = {
    "a property": lambda expect, dx: expect.true(False, "dx is not 0 where nothing was read"),
    "a shape": lambda expect, dx: expect.array(dx, (4, 3), what="dx"),
    "a type": lambda expect, dx: expect.array(dx.tolist(), (3, 4), what="dx"),
    "a number": lambda expect, dx: expect.number(dx, what="dx"),
    "finite": lambda expect, dx: expect.array(dx * np.nan, (3, 4), what="dx"),
}


@pytest.mark.parametrize("judge", STATED.values(), ids=STATED)
def test_what_is_stated_of_a_gradient_names_the_backward(
    assignment: Assignment, judge: Callable[[Expect, np.ndarray], object]
) -> None:
    student, draw = doors(assignment, "")[0], Draw(3, "stated")
    got = student.pair("scale", draw(3, 4), draw(4))
    with pytest.raises(CheckFailed, match=r"^scale_backward\(dout, cache\), after scale_forward") as failed:
        judge(Expect(student), got["gradients"]["dx"])
    assert blame(student, failed.value.evidence) == Blame("scale_backward", "gradient")


# What a dtype is worth --------------------------------------------------------------------------------------------

KEPT = {"the reference": "", "by a loop": "def double(x):\n    return np.array([x_i * 2 for x_i in x])"}
LOST = {
    "ones": ("def double(x):\n    return np.ones(1, x.dtype)", "has shape"),
    "zeros": ("def double(x):\n    return np.zeros_like(x)", "Every value you return is 0"),
    "the argument": ("def double(x):\n    return x", "values differ"),
    "float64": ("def double(x):\n    return 2.0 * x.astype(float)", "should be float32 with these arguments"),
    "always float32": ("def double(x):\n    return 2 * x.astype('f4')", "should be float64 with these arguments"),
    "float16": ("def double(x):\n    return 2 * x.astype('f2')", "float16 numbers, which keep two or three digits"),
}
X32 = np.arange(1, 6, dtype=np.float32) / 3


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT.keys())
def test_a_kept_dtype_passes(assignment: Assignment, source: str) -> None:
    KeepsDtype(*doors(assignment, source))("double", X32)


@pytest.mark.parametrize(("source", "told"), LOST.values(), ids=LOST.keys())
def test_a_dtype_counts_only_where_it_is_kept_and_the_value_right(
    assignment: Assignment, source: str, told: str
) -> None:
    with pytest.raises(CheckFailed, match=told):
        KeepsDtype(*doors(assignment, source))("double", X32)


@pytest.mark.parametrize("name", ["ones", "zeros", "the argument"])
def test_a_wrong_value_is_the_business_of_its_own_task(assignment: Assignment, name: str) -> None:
    KeepsDtype(*doors(assignment, LOST[name][0])).if_right("double", X32)


@pytest.mark.parametrize("name", ["float64", "always float32", "float16"])
def test_a_lost_dtype_is_found_whatever_the_task(assignment: Assignment, name: str) -> None:
    with pytest.raises(CheckFailed, match=LOST[name][1]):
        KeepsDtype(*doors(assignment, LOST[name][0])).if_right("double", X32)


# Through the whole grading ----------------------------------------------------------------------------------------


def test_right_work_that_writes_into_its_argument_is_told_so_and_keeps_its_points(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "mini.py").write_text(REFERENCE.replace("    return 2 * x", "    x *= 2\n    return x.copy()"))
    run = grade("mini", tmp_path / "mini.py", root=COURSE, options=Options(seed=1), engine=engine)
    lines = [line for line in run.lines if line.task == "double" and line.score and line.message]
    assert lines
    assert all("writes into its argument x" in line.message for line in lines)
