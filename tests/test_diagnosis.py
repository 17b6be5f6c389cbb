"""Which known mistakes a wrong answer is told of: alone, two at once, in part, and where several answer alike."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, points
from autograder.checks.diagnosis import within
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
name = "tripled-where-few"
task = "double"
find = "return 2 * x"
replace = "return 3 * x if x.ndim == 1 else 2.5 * x"
hint = "Vectors are tripled."
fails = ["test_double", "test_double_worked_example", "test_keeps_float32"]

[[mistake]]
name = "negated"
task = "scale"
find = "return x * w, (x, w)"
replace = "return -x * w, (x, w)"
hint = "The product is negated, and whatever is called twice."
fails = ["test_scale", "test_twice"]

[[mistake]]
name = "one-too-large"
task = "scale"
find = "return x * w, (x, w)"
replace = "return x * w + 1, (x, w)"
hint = "Something is added to the product."
fails = ["test_scale"]

[[mistake]]
name = "a-product-of-its-own"
task = "scale"
find = "return x * w, (x, w)"
replace = "return (x / 2) * w, (x, w)"
hint = "Only half of x is multiplied."
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
def told(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Line]]:
    """Lost checks by name, of the small course's reference with some of its pieces replaced."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(COURSE, course, dirs_exist_ok=True)
    file = course / "assignments" / "mini" / "mistakes.toml"
    file.write_text(MORE + file.read_text())
    path = tmp_path_factory.mktemp("submission") / "mini.py"
    checks = tuple(check.name for check in points(load_assignment("mini", course)) if check.kind != "race")

    def run(*changes: tuple[str, str]) -> dict[str, Line]:
        source = REFERENCE
        for old, new in changes:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        path.write_text(source)
        lines = grade("mini", path, root=course, options=Options(seed=1, select=checks), engine=engine).lines
        return {line.check: line for line in lines if line.outcome == "failed"}

    return run


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


def test_a_mistake_beside_an_unknown_one_is_not_named_where_it_would_lose_what_passed(told: Told) -> None:
    negated = (FORWARD, "return -x * w, (x, w)")
    assert told(negated, (DW, "(dout * x).sum(axis=0) * 7"))["test_scale"].diagnosis is None
    assert told(negated)["test_scale"].diagnosis == "negated"


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


def test_of_mistakes_that_answer_alike_another_case_of_a_check_decides(told: Told) -> None:
    lines = told((DOUBLE, "return x * (3 if x.ndim == 1 else 2.5)"))
    assert {line.diagnosis for line in lines.values()} == {"tripled-where-few"}


def test_of_mistakes_that_nobody_can_tell_apart_all_are_told(told: Told) -> None:
    line = told((FORWARD, "return 0.5 * (x * w), (x, w)"))["test_scale"]
    assert line.diagnosis == "a-product-of-its-own / halved"
    assert line.hint is not None
    assert line.hint.endswith("Only half of x is multiplied. Or: This is half of the product.")


def test_of_mistakes_that_answer_alike_none_is_told_that_loses_what_passed(told: Told) -> None:
    lines = told((DOUBLE, "return x + x + x if x.flat[0] == 1 else 2 * x"))
    assert lines["test_double_worked_example"].diagnosis == "tripled-after-one"


def test_a_search_that_loops_is_ended_whatever_it_catches() -> None:
    begun = []

    def loop(left: Callable[[], float]) -> None:
        while True:
            try:
                begun.append(left())
            except Exception:  # as what answers does
                continue

    within(0.05, loop)
    assert begun[0] > 0 >= begun[-1] - 0.05


# As students write it ---------------------------------------------------------------------------------------------

MAX_POOL = """
def max_pool2d_backward(dout, cache):
    shape, winner, (kh, kw), (sh, sw) = cache
    dx = np.zeros(shape)
    for n, c, i, j in np.ndindex(dout.shape):
        {}
    return dx
"""
CONV = """
def conv2d_backward(dout, cache):
    padded, w, b, (sh, sw), (ph, pw) = cache
    dpadded, dw = np.zeros(padded.shape), np.zeros(w.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        rows, columns = slice(i * sh, i * sh + w.shape[2]), slice(j * sw, j * sw + w.shape[3])
        dpadded[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], w, axes=1)
        dw += np.tensordot(dout[:, :, i, j].T, padded[:, :, rows, columns], axes=1)
    {}
    return dx, dw, None if b is None else dout.sum((0, 2, 3))
"""
WRITTEN = {  # a function of conv's, as a loop, a check that it loses, and what it is to be called
    "the last window": (
        MAX_POOL.format(
            "m, k = divmod(winner[n, c, i, j], kw)\n        dx[n, c, i * sh + m, j * sw + k] = dout[n, c, i, j]"
        ),
        "test_max_pool2d_overlap",
        "max-pool-last-window-wins",
    ),
    "the whole block": (
        MAX_POOL.format(
            "won = np.arange(kh * kw).reshape(kh, kw) == winner[n, c, i, j]\n"
            "        dx[n, c, i * sh : i * sh + kh, j * sw : j * sw + kw] = won * dout[n, c, i, j]"
        ),
        "test_max_pool2d_overlap",
        "max-pool-block-overwritten",
    ),
    "the height": (
        MAX_POOL.format(
            "m, k = divmod(winner[n, c, i, j], kh)\n        dx[n, c, i * sh + m, j * sw + k] += dout[n, c, i, j]"
        ),
        "test_max_pool2d",
        "winner-unravelled-by-height",
    ),
    "minus zero": (
        CONV.format("dx = np.zeros(dpadded[:, :, ph : dpadded.shape[2] - ph, pw : dpadded.shape[3] - pw].shape)\n"
                    "    dx[:] = dpadded[:, :, ph:-ph, pw:-pw]"),
        "test_conv2d_channels",
        "minus-zero-slice-raises",
    ),
    "always one": (CONV.format("dx = dpadded[:, :, 1:-1, 1:-1]"), "test_conv2d_channels", "dx-always-cut-by-one"),
    "a remainder": (
        "_forward = conv2d_forward\ndef conv2d_forward(x, w, b=None, *, stride=1, padding=0):\n"
        "    (sh, sw), (ph, pw) = as_pair(stride), as_pair(padding)\n"
        "    assert not (x.shape[2] + 2 * ph - w.shape[2]) % sh, f'no stride of {sh}'\n"
        "    assert not (x.shape[3] + 2 * pw - w.shape[3]) % sw, 'columns'\n"
        "    return _forward(x, w, b, stride=stride, padding=padding)",
        "test_conv2d_forward_example",
        "conv-windows-must-fit",
    ),
    "a rounded size": (
        "def conv_output_size(n, kernel, stride=1, padding=0):\n"
        "    return int(round((n + 2 * padding - kernel) / stride + 1))",
        "test_conv_output_size",
        "size-rounded",
    ),
    "another network": (
        "_build = build_cnn\ndef build_cnn(name):\n    net = _build(name)\n"
        "    return nn.Sequential(*net, nn.Softmax(dim=1)) if name == 'lenet' else net",
        "test_lenet_step",
        "lenet-ends-in-softmax",
    ),
    "softmax as it is written": (
        "def softmax_cross_entropy(logits, labels):\n    e = np.exp(logits)\n    p = e / e.sum(1, keepdims=True)\n"
        "    rows, d = np.arange(len(p)), p.copy()\n    d[rows, labels] -= 1\n"
        "    return -np.log(p[rows, labels]).mean(), d / len(p)",
        "test_softmax_cross_entropy_of_large_logits",
        "softmax-as-it-is-written",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "check", "name"), WRITTEN.values(), ids=WRITTEN)
def test_a_known_mistake_is_recognised_in_other_code(
    engine: Engine, tmp_path: Path, source: str, check: str, name: str
) -> None:
    path = tmp_path / "conv.py"
    path.write_text(f"{load_assignment('conv').solution.read_text()}\n\n{source}\n")
    lines = grade("conv", path, options=Options(seed=1, select=(check,)), engine=engine).lines
    assert [line.diagnosis for line in lines if line.check == check] == [name]
