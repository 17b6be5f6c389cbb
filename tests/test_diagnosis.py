"""Which known mistakes a wrong answer is told of: alone, two at once, in part, and where several answer alike."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Line

COURSE = Path(__file__).parent / "course"
REFERENCE = (COURSE / "solutions" / "mini.py").read_text()
FORWARD, DX, DW, DOUBLE, TWICE = (
    "return x * w, (x, w)",
    "return dout * w, ",
    "(dout * x).sum(axis=0)",
    "return 2 * x",
    "return f(f(x))",
)
MORE = """
[[mistake]]
name = "one-too-large-with-its-gradient"
task = "scale"
edits = [
    { find = "return x * w, (x, w)", replace = "return x * w + 1, (x, w)" },
    { find = "return dout * w, ", replace = "return dout * w + 1, " },
]
hint = "Something is added to the product, and to its gradient."
fails = ["test_scale"]

[[mistake]]
name = "one-too-large"
task = "scale"
find = "return x * w, (x, w)"
replace = "return x * w + 1, (x, w)"
hint = "Something is added to the product."
fails = ["test_scale"]

[[mistake]]
name = "halved"
task = "scale"
find = "return x * w, (x, w)"
replace = "return x * w / 2, (x, w)"
hint = "This is half of the product."
fails = ["test_scale"]

[[mistake]]
name = "tripled-after-one"
task = "double"
find = "return 2 * x"
replace = "return 3 * x if x.flat[0] == 1 else 2 * x"
hint = "Wrong where the first number is 1."
fails = ["test_double_worked_example"]
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Line]]]:
    """Lost checks by name, of the small course's reference with some of its pieces replaced."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(COURSE, course, dirs_exist_ok=True)
    file = course / "assignments" / "mini" / "mistakes.toml"
    file.write_text(MORE + file.read_text())
    path = tmp_path_factory.mktemp("submission") / "mini.py"
    with Engine() as engine:

        def run(*changes: tuple[str, str]) -> dict[str, Line]:
            source = REFERENCE
            for old, new in changes:
                assert source.count(old) == 1, old
                source = source.replace(old, new)
            path.write_text(source)
            lines = grade("mini", path, root=course, options=Options(seed=1), engine=engine).lines
            return {line.check: line for line in lines if line.outcome == "failed" and line.kind != "race"}

        yield run


Told = Callable[..., dict[str, Line]]


def test_two_mistakes_in_two_tasks_are_both_named(told: Told) -> None:
    lines = told((DOUBLE, "return x + 2 * x"), (DW, "(dout * x).mean(0)"))
    assert lines["test_double"].diagnosis == "tripled"
    assert lines["test_scale"].diagnosis == "dw-not-summed"


def test_two_mistakes_in_one_function_are_both_named(told: Told) -> None:
    line = told((FORWARD, "return 1 + x * w, (x, w)"), (DW, "(dout * x).mean(0)"))["test_scale"]
    assert line.diagnosis == "one-too-large + dw-not-summed"
    assert line.hint is not None
    assert line.hint.startswith("Two mistakes at once give this answer. Something is added")
    assert "And: w serves every row" in line.hint


def test_a_mistake_beside_an_unknown_one_is_named_where_it_shows_first(told: Told) -> None:
    line = told((FORWARD, "return 1 + x * w, (x, w)"), (DW, "(dout * x).sum(axis=0) * 7"))["test_scale"]
    assert (line.diagnosis, line.hint) == ("one-too-large", "Something is added to the product.")


def test_a_mistake_is_not_named_where_an_unknown_one_shows_first(told: Told) -> None:
    line = told((FORWARD, "return x * w * 7, (x, w)"), (DW, "(dout * x).mean(0)"))["test_scale"]
    assert line.diagnosis is None


def test_no_mistake_is_named_that_would_get_something_wrong_which_is_right(told: Told) -> None:
    line = told((FORWARD, "return 1 + x * w, (x, w)"), (DW, "7 * (dout * x).sum(axis=0)"))["test_scale"]
    assert line.diagnosis == "one-too-large"
    line = told((FORWARD, "return 1 + x * w, (x, w)"), (DX, "return dout * w + 2, "))["test_scale"]
    assert line.diagnosis == "one-too-large"


@pytest.mark.parametrize("zero", ["np.zeros_like(x), np.zeros_like(w)", "0 * x, 0 * w"])
def test_where_no_gradient_is_written_yet_that_is_the_message(told: Told, zero: str) -> None:
    line = told((f"{DX}{DW}", f"return {zero}"))["test_scale"]
    assert line.diagnosis is None
    assert "nothing is written into any of them yet" in line.message


def test_of_mistakes_that_answer_alike_the_one_is_told_that_explains_all_checks(told: Told) -> None:
    lines = told((DOUBLE, "return x + x + x"))
    names = {check: line.diagnosis for check, line in lines.items()}
    assert names == dict.fromkeys(("test_double_worked_example", "test_double", "test_keeps_float32"), "tripled")


def test_of_mistakes_that_answer_alike_none_is_told_that_loses_what_passed(told: Told) -> None:
    lines = told((DOUBLE, "return x + x + x if x.flat[0] == 1 else 2 * x"))
    assert lines["test_double_worked_example"].diagnosis == "tripled-after-one"
