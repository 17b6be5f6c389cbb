"""What a task may cost, and what it must not use: counted where no clock decides, and on every machine alike."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autograder.assignment import Costs
from autograder.checks.cost import Cost, Measured
from autograder.checks.failure import CheckFailed
from autograder.errors import GraderError
from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run
from autograder.sandbox.meter import Meter
from tests.test_grading import COURSE, REFERENCE, changed, line_of


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


def run(engine: Engine, tmp_path: Path, source: str, *select: str) -> Run:
    path = tmp_path / "mini.py"
    path.write_text(source)
    return grade("mini", path, root=COURSE, options=Options(seed=1, select=select), engine=engine)


def cost_line(engine: Engine, tmp_path: Path, body: str) -> Line:
    return line_of(run(engine, tmp_path, changed("return x @ w", body), "test_affine_cost"), "test_affine_cost")


def test_the_reference_is_within_its_limits_and_its_figures_are_shown(engine: Engine, tmp_path: Path) -> None:
    line = line_of(run(engine, tmp_path, REFERENCE, "test_affine_cost"), "test_affine_cost")
    assert line.outcome is Outcome.PASSED
    shown = {figure["name"]: figure for figure in line.figures["cost"]}
    assert shown["matrix products"]["value"] == shown["matrix products"]["reference"] == 3
    assert shown["operations"]["value"] <= shown["operations"]["limit"]


CORRECT = {
    "einsum": "return torch.einsum('nd,dm->nm', x, w)",
    "a transposed product": "return (w.T @ x.T).T",
}


@pytest.mark.parametrize("body", CORRECT.values(), ids=CORRECT.keys())
def test_another_vectorised_way_is_within_them_too(engine: Engine, tmp_path: Path, body: str) -> None:
    line = cost_line(engine, tmp_path, body)
    assert line.outcome is Outcome.PASSED, line.message


LOOPS = {
    "over rows": "return torch.stack([row @ w for row in x])",
    "over entries": "return torch.stack([torch.stack([(r * c).sum() for c in w.T]) for r in x])",
    "in a thread": (
        "\n    import threading\n    out = []\n"
        "    thread = threading.Thread(target=lambda: out.append(torch.stack([row @ w for row in x])))\n"
        "    thread.start()\n    thread.join()\n    return out[0]"
    ),
}


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_is_over_the_limit(engine: Engine, tmp_path: Path, body: str) -> None:
    line = cost_line(engine, tmp_path, body)
    assert line.outcome is Outcome.FAILED
    assert "operations: " in line.message
    assert "the reference needs" in line.message


def test_a_wrong_answer_earns_nothing_for_being_cheap(engine: Engine, tmp_path: Path) -> None:
    line = cost_line(engine, tmp_path, "return torch.zeros(len(x), w.shape[1], dtype=x.dtype) + 0 * x.sum() * w.sum()")
    assert line.outcome is Outcome.FAILED


FORBIDDEN = {
    "the function": "F.conv1d(x[:, None], w.T[:, None]).squeeze(-1)",
    "the operation": "torch.convolution(x[:, None], w.T[:, None], None, [1], [0], [1], False, [0], 1).squeeze(-1)",
    "under another name": "getattr(F, 'con' + 'v1d')(x[:, None], w.T[:, None]).squeeze(-1)",
    "as a module": "_conv(x, w)",
}
USING = """

from torch.nn import functional as F


def _conv(x, w):
    layer = nn.Conv1d(1, w.shape[1], w.shape[0], bias=False)
    del layer.weight
    layer.weight = w.T[:, None]
    return layer(x[:, None]).squeeze(-1)
"""


@pytest.mark.parametrize("expression", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_forbidden_operation_voids_its_task_and_only_that(engine: Engine, tmp_path: Path, expression: str) -> None:
    results = run(engine, tmp_path, changed("return x @ w", f"return {expression}") + USING)
    lost = {line.check: line for line in results.lines if line.outcome is not Outcome.PASSED}
    assert set(lost) == {"test_affine", "test_affine_cost", "test_affine_race"}
    assert "conv" in lost["test_affine"].message
    assert "of mini.py" in lost["test_affine"].message
    assert "voids the task" in lost["test_affine"].message


def test_numpy_tasks_must_not_use_torch(engine: Engine, tmp_path: Path) -> None:
    source = changed("return 2 * x", "return (torch.from_numpy(x) * 2).numpy()")
    results = run(engine, tmp_path, source)
    assert {line.check for line in results.lines if line.task == "double" and line.score} == set()
    assert results.score > 50


TAMPERING = {
    "the modes switched off": "with torch.utils._python_dispatch._disable_current_modes():\n        return {loop}",
    "the dispatcher's modes switched off": "with torch._C._DisableTorchDispatch():\n        return {loop}",
}


@pytest.mark.parametrize("body", TAMPERING.values(), ids=TAMPERING.keys())
def test_switching_the_count_off_gains_nothing(engine: Engine, tmp_path: Path, body: str) -> None:
    loop = "torch.stack([row @ w for row in x])"
    line = cost_line(engine, tmp_path, "\n    import torch.utils._python_dispatch\n    " + body.format(loop=loop))
    assert line.outcome is Outcome.FAILED, line.figures


def measured(operations: int, **more: int) -> Measured:
    figures = {"operations": operations} | more
    return Measured("f(x)", figures, {key: min(value, 10) for key, value in figures.items()})


GROWTH = {  # operations before and after something doubles, and whether they may double
    "as many": (100, 100, False, ""),
    "a tenth more": (100, 110, False, ""),
    "more than that": (100, 111, False, "grow from 100 to 111 when N doubles: they should stay about the same, 110"),
    "twice as many": (100, 220, True, ""),
    "more than twice": (100, 221, True, "grow from 100 to 221 when N doubles: they should about double at most, 220"),
}


@pytest.mark.parametrize("before, after, is_linear, told", GROWTH.values(), ids=GROWTH.keys())
def test_counts_may_grow_by_a_tenth_or_double(before: int, after: int, is_linear: bool, told: str) -> None:
    larger = {"N doubles": measured(after)}
    growing = {"linear": larger} if is_linear else {"constant": larger}
    cost = Cost(agrees=None)  # type: ignore[arg-type]
    with pytest.raises(CheckFailed, match=told) if told else nullcontext():
        cost.within(measured(before), Costs({}), **growing)
    assert [figure["value"] for figure in cost.shown] == [after]


def test_everything_that_is_too_much_is_told_at_once() -> None:
    cost = Cost(agrees=None)  # type: ignore[arg-type]
    limits = Costs({"operations": 50, "largest": 2000, "peak": 10})
    with pytest.raises(CheckFailed) as failed:
        cost.within(measured(60, largest=3000, peak=9), limits, constant={"N doubles": measured(120)})
    call, *lines = str(failed.value).splitlines()
    assert call == "f(x)"
    assert [line.partition(":")[0].partition(" grow")[0] for line in lines] == [
        "operations",
        "entries of the largest tensor",
        "operations",
    ]
    assert "3,000; at most 2,000 are allowed, and the reference needs 10" in lines[1]


def test_a_limit_that_the_reference_misses_or_nothing_counts_is_our_fault() -> None:
    cost = Cost(agrees=None)  # type: ignore[arg-type]
    with pytest.raises(GraderError, match="the reference itself needs 10 operations, over the limit of 9"):
        cost.within(measured(60), Costs({"operations": 9}))
    with pytest.raises(GraderError, match="lines and calls in your file are not counted in f"):
        cost.within(measured(60), Costs({"steps": 9}))


# What the meter counts ------------------------------------------------------------------------------------------


def figures(act: Callable[[], Any]) -> dict[str, int]:
    with Meter("nowhere.py") as meter:
        act()
    counted: dict[str, int] = meter.report()["figures"]
    return counted


def sparse(n: int) -> torch.Tensor:
    nodes = torch.arange(n)
    return torch.sparse_coo_tensor(torch.stack([nodes, nodes]), torch.ones(n), (n, n), check_invariants=True)


ROW = torch.ones(50)
LARGEST = {
    "an expanded view": (lambda: ROW.expand(40, 50), 50),
    "a copy of it": (lambda: ROW.expand(40, 50).contiguous(), 2000),
    "windows by as_strided": (lambda: ROW.as_strided((41, 10), (1, 1)), 50),
    "a copy of them": (lambda: ROW.as_strided((41, 10), (1, 1)).reshape(-1), 410),
    "a slice of something large": (lambda: torch.ones(2000)[:50].sum(), 2000),
    "a sparse matrix": (lambda: sparse(100) @ torch.ones(100, 1), 200),
    "the same made dense": (lambda: sparse(100).to_dense(), 10_000),
    "an array made by NumPy": (lambda: torch.from_numpy(np.ones((30, 40), np.float32)).sum(), 1200),
}


@pytest.mark.parametrize("act, entries", LARGEST.values(), ids=LARGEST.keys())
def test_the_largest_tensor_is_what_memory_holds(act: Callable[[], Any], entries: int) -> None:
    assert figures(act)["largest"] == entries


def _kept(count: int) -> None:
    kept = [torch.ones(1000) for _ in range(count)]
    assert len(kept) == count


def _dropped(count: int) -> None:
    for _ in range(count):
        torch.ones(1000)


def test_the_peak_is_of_what_is_alive_together() -> None:
    assert figures(lambda: _kept(9))["peak"] == 9 * 4000
    assert figures(lambda: _dropped(9))["peak"] <= 2 * 4000


WRITTEN = {
    "a sum of two": (lambda: ROW + ROW, 50),
    "in place": (lambda: ROW.clone().mul_(1), 100),
    "views": (lambda: ROW.view(5, 10).t()[:, :3].expand(2, 10, 3), 0),
    "a view where no copy is needed": (lambda: ROW.reshape(5, 10), 0),
}


@pytest.mark.parametrize("act, entries", WRITTEN.values(), ids=WRITTEN.keys())
def test_entries_written_are_counted_and_views_write_none(act: Callable[[], Any], entries: int) -> None:
    assert figures(act)["written"] == entries


# NumPy ----------------------------------------------------------------------------------------------------------

STEPS = '''
"""What tasks in NumPy cost."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight


@pytest.mark.task("double", kind="cost")
@weight(0)
@number("1.3")
def test_double_steps(cost, limits, draw):
    """double: no loop over entries"""
    small, large = (cost("double", draw(size)) for size in (40, 80))
    cost.within(small, limits, constant={"the entries double": large})


@pytest.mark.task("scale", kind="cost")
@weight(0)
@number("2.2")
def test_scale_memory(cost, limits, draw):
    """scale: no table of all pairs"""
    cost.within(cost.pair("scale", draw(300, 40), draw(40)), limits)
'''
LIMITS = """
[cost.double]
steps = 20

[cost.scale]
peak = 1_000_000

[pairs.scale]"""


@pytest.fixture(scope="module")
def numpy_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = Path(shutil.copytree(COURSE, tmp_path_factory.mktemp("numpy") / "course"))
    facts = course / "assignments" / "mini" / "assignment.toml"
    scale = 'functions = ["scale_forward", "scale_backward"]'
    text = facts.read_text().replace("\n[pairs.scale]", LIMITS).replace(scale, f'{scale}\nforbidden = ["torch"]')
    facts.write_text(text)
    (course / "assignments" / "mini" / "hidden" / "test_steps.py").write_text(STEPS)
    return course


def steps_line(engine: Engine, course: Path, folder: Path, source: str, check: str = "test_double_steps") -> Line:
    path = folder / "mini.py"
    path.write_text(source)
    return line_of(grade("mini", path, root=course, options=Options(seed=1, select=(check,)), engine=engine), check)


def test_array_code_is_within_its_steps_and_counts_repeat(engine: Engine, numpy_course: Path, tmp_path: Path) -> None:
    lines = [steps_line(engine, numpy_course, tmp_path, REFERENCE) for _ in range(2)]
    assert [line.outcome for line in lines] == [Outcome.PASSED] * 2
    first, second = (line.figures["cost"] for line in lines)
    assert first == second
    assert first[0]["name"] == "lines and calls in your file"
    assert first[0]["value"] == first[0]["reference"] > 0


NUMPY_LOOPS = {
    "a comprehension": "return np.array([2 * entry for entry in x])",
    "a generator": "return np.fromiter((2 * entry for entry in x), float)",
    "a loop in one line": "\n    out = 1 * x\n    for i in range(len(x)): out[i] = 2 * x[i]\n    return out",
    "a function mapped": "return np.array(list(map(lambda entry: 2 * entry, x)))",
    "np.vectorize": "return np.vectorize(lambda entry: 2 * entry)(x)",
    "code in a string": "return eval('np.array([2 * entry for entry in x])', {'np': np, 'x': x})",
    "a thread": (
        "\n    import threading\n    out = []\n"
        "    thread = threading.Thread(target=lambda: out.extend(2 * entry for entry in x))\n"
        "    thread.start()\n    thread.join()\n    return np.array(out)"
    ),
}


@pytest.mark.parametrize("body", NUMPY_LOOPS.values(), ids=NUMPY_LOOPS.keys())
def test_a_loop_over_entries_is_counted(engine: Engine, numpy_course: Path, tmp_path: Path, body: str) -> None:
    line = steps_line(engine, numpy_course, tmp_path, changed("return 2 * x", body))
    assert line.outcome is Outcome.FAILED
    assert "lines and calls in your file: " in line.message
    assert "lines and calls in your file grow from " in line.message


TRACE_TAMPERING = {
    "the tracer removed": "\n    import sys\n    sys.settrace(None)\n    return np.array([2 * entry for entry in x])",
    "the tracer replaced for a while": (
        "\n    import sys\n    tracer = sys.gettrace()\n    sys.settrace(None)\n"
        "    out = np.array([2 * entry for entry in x])\n    sys.settrace(tracer)\n    return out"
    ),
    "a frame's own tracer removed": (
        "\n    import sys\n    sys._getframe().f_trace = None\n    return np.array([2 * entry for entry in x])"
    ),
    "the same in a thread": (
        "\n    import sys, threading\n    out = []\n\n"
        "    def work():\n        sys._getframe().f_trace = None\n        out.extend(2 * entry for entry in x)\n\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n    return np.array(out)"
    ),
    "a tracer for new threads": "\n    import threading\n    threading.settrace(None)\n    return 2 * x",
    "memory no longer traced": "\n    import tracemalloc\n    tracemalloc.stop()\n    return 2 * x",
}


@pytest.mark.parametrize("body", TRACE_TAMPERING.values(), ids=TRACE_TAMPERING.keys())
def test_another_tracer_is_noticed(engine: Engine, numpy_course: Path, tmp_path: Path, body: str) -> None:
    line = steps_line(engine, numpy_course, tmp_path, changed("return 2 * x", body))
    assert line.outcome is Outcome.FAILED
    assert "switched off" in line.message


def test_large_temporaries_of_numpy_are_counted(engine: Engine, numpy_course: Path, tmp_path: Path) -> None:
    wasteful = changed("(dout * x).sum(axis=0)", "np.einsum('ni,nj->nij', dout, x).sum(axis=0).diagonal()")
    assert steps_line(engine, numpy_course, tmp_path, REFERENCE, "test_scale_memory").outcome is Outcome.PASSED
    line = steps_line(engine, numpy_course, tmp_path, wasteful, "test_scale_memory")
    assert line.outcome is Outcome.FAILED
    assert "bytes of live memory at the peak: " in line.message
