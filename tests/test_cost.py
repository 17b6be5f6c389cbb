"""What a task may cost, and what it must not use: counted where no clock decides, and on every machine alike."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.checkpoint

from autograder.assignment import Costs
from autograder.checks.cost import Cost
from autograder.checks.failure import CheckFailed
from autograder.checks.proven import Proven
from autograder.errors import GraderError
from autograder.grading import Engine, Options, grade
from autograder.proof import Recording, Replay
from autograder.proof.replay import Counter
from autograder.results import Line, Outcome, Run
from autograder.sandbox.recorder import Recorder
from tests.test_grading import COURSE, REFERENCE, changed, line_of


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
}


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_is_over_the_limit(engine: Engine, tmp_path: Path, body: str) -> None:
    line = cost_line(engine, tmp_path, body)
    assert line.outcome is Outcome.FAILED
    assert "operations: " in line.message
    assert "the reference needs" in line.message


def test_a_loop_that_never_seems_to_end_is_not_written_down_to_its_end(engine: Engine, tmp_path: Path) -> None:
    line = cost_line(engine, tmp_path, "\n    for _ in range(10**7): x = x + 0\n    return x @ w")
    assert line.outcome is Outcome.FAILED
    assert "Your code does more than 1,080 operations, which is beyond every limit of this check." in line.message


THREAD = (
    "\n    import threading\n    out = []\n"
    "    thread = threading.Thread(target=lambda: out.append(torch.stack([row @ w for row in x])))\n"
    "    thread.start()\n    thread.join()\n    return out[0]"
)
UNSEEN = {
    "in a thread": THREAD,
    "the modes switched off": (
        "\n    import torch.utils._python_dispatch\n    with torch.utils._python_dispatch._disable_current_modes():\n"
        "        return torch.stack([row @ w for row in x])"
    ),
    "the dispatcher's modes switched off": (
        "\n    with torch._C._DisableTorchDispatch():\n        return torch.stack([row @ w for row in x])"
    ),
    "in NumPy, in an autograd function": "return ByNumpy.apply(x, w)",
}
BY_NUMPY = """

class ByNumpy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return torch.from_numpy(np.array([[row @ column for column in w.numpy().T] for row in x.numpy()]))

    @staticmethod
    def backward(ctx, dout):
        x, w = ctx.saved_tensors
        return dout @ w.T, x.T @ dout
"""


@pytest.mark.parametrize("body", UNSEEN.values(), ids=UNSEEN.keys())
def test_what_is_computed_out_of_sight_is_right_and_yet_not_proven(engine: Engine, tmp_path: Path, body: str) -> None:
    source = changed("return x @ w", body) + BY_NUMPY
    line = line_of(run(engine, tmp_path, source, "test_affine_cost"), "test_affine_cost")
    assert (line.outcome, line.score) == (Outcome.FAILED, 0), line.figures
    assert "The answer is right, but torch was not seen to compute it" in line.message
    assert "Numbers that were computed outside torch, or in a thread, " in line.message


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
    assert "using it earns nothing" in lost["test_affine"].message


def test_a_forbidden_operation_voids_the_checks_that_passed_before_it_was_seen(engine: Engine, tmp_path: Path) -> None:
    """Honest at the sizes of one check, the library's at those of another."""
    expression = "x @ w if len(x) < 20 else F.conv1d(x[:, None], w.T[:, None]).squeeze(-1)"
    results = run(engine, tmp_path, changed("return x @ w", f"return {expression}") + USING)
    lost = {line.check for line in results.lines if line.outcome is not Outcome.PASSED}
    assert lost == {"test_affine", "test_affine_cost", "test_affine_race"}
    assert {line.score for line in results.lines if line.task == "affine"} == {0}


def measured(operations: int, **more: int) -> Proven:
    figures = {"operations": operations} | more
    return Proven("f(x)", figures, {key: min(value, 10) for key, value in figures.items()})


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
    cost = Cost(proofs=None)  # type: ignore[arg-type]
    with pytest.raises(CheckFailed, match=told) if told else nullcontext():
        cost.within(measured(before), Costs({}), **growing)
    assert [figure["value"] for figure in cost.shown] == [after]


def test_everything_that_is_too_much_is_told_at_once() -> None:
    cost = Cost(proofs=None)  # type: ignore[arg-type]
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


def test_a_limit_that_the_reference_misses_is_our_fault() -> None:
    cost = Cost(proofs=None)  # type: ignore[arg-type]
    with pytest.raises(GraderError, match="the reference itself needs 10 operations, over the limit of 9"):
        cost.within(measured(60), Costs({"operations": 9}))


# What a replay counts -------------------------------------------------------------------------------------------


def figures(act: Callable[[], Any], *inputs: torch.Tensor) -> dict[str, int]:
    """What is counted where the recording of an act is replayed."""
    with Recorder(list(inputs), "nowhere.py") as recorder:
        value = act()
    counter = Counter()
    Replay(Recording.read(recorder.written(value))).run(inputs, (), counter)
    return counter.figures


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
    assert figures(act, ROW)["largest"] == entries


def _kept(count: int) -> torch.Tensor:
    kept = [torch.ones(1000) for _ in range(count)]
    return torch.stack(kept).sum()


def _dropped(count: int) -> None:
    for _ in range(count):
        torch.ones(1000)


def test_the_peak_is_of_what_is_alive_together() -> None:
    assert figures(lambda: _kept(9))["peak"] >= 2 * 9 * 4000
    assert figures(lambda: _dropped(9))["peak"] <= 2 * 4000


def test_what_is_held_but_never_used_again_is_not_alive() -> None:
    """Liveness is that of the operations: a cache that nobody reads costs nothing, a name that goes out of use is
    gone."""
    held: list[torch.Tensor] = []
    assert figures(lambda: held.extend(torch.ones(1000) for _ in range(9)))["peak"] <= 2 * 4000


WRITTEN = {
    "a sum of two": (lambda: ROW + ROW, 50),
    "in place": (lambda: ROW.clone().mul_(1), 100),
    "views": (lambda: ROW.view(5, 10).t()[:, :3].expand(2, 10, 3), 0),
    "a view where no copy is needed": (lambda: ROW.reshape(5, 10), 0),
}


@pytest.mark.parametrize("act, entries", WRITTEN.values(), ids=WRITTEN.keys())
def test_entries_written_are_counted_and_views_write_none(act: Callable[[], Any], entries: int) -> None:
    assert figures(act, ROW)["written"] == entries


PRODUCTS = {
    "one of two matrices": (lambda: ROW.view(5, 10) @ ROW.view(10, 5), 1, 2 * 5 * 5 * 10),
    "a batch of them": (lambda: ROW.view(2, 5, 5) @ ROW.view(2, 5, 5), 1, 2 * 2 * 5 * 5 * 5),
    "with a sum": (lambda: torch.addmm(ROW[:5], ROW.view(5, 10), ROW.view(10, 5)), 1, 2 * 5 * 5 * 10),
    "of vectors": (lambda: ROW @ ROW, 1, 2 * 50),
    "by einsum": (lambda: torch.einsum("ij,kj->ik", ROW.view(5, 10), ROW.view(5, 10)), 1, 2 * 5 * 5 * 10),
    "none": (lambda: (ROW * ROW).sum(), 0, 0),
}


@pytest.mark.parametrize("act, products, flops", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_products_and_their_work_are_counted(act: Callable[[], Any], products: int, flops: int) -> None:
    counted = figures(act, ROW)
    assert (counted["products"], counted["flops"]) == (products, flops)


def test_what_is_kept_for_the_backward_pass_is_what_is_alive_when_it_begins() -> None:
    def gradients(chain: Callable[[torch.Tensor], torch.Tensor]) -> int:
        x, cotangent = torch.randn(1000, dtype=torch.float64), torch.ones(1000, dtype=torch.float64)
        with Recorder([x], "nowhere.py") as recorder:
            leaf = x.clone().requires_grad_()
            out = chain(leaf)
            recorder.backward([cotangent])
            found = torch.autograd.grad(out, leaf, cotangent)
        counter = Counter()
        Replay(Recording.read(recorder.written(found))).run([x], [cotangent], counter)
        return counter.figures["kept"]

    def all_steps(x: torch.Tensor) -> torch.Tensor:
        for _ in range(10):
            x = x.sin()
        return x

    def again(x: torch.Tensor) -> torch.Tensor:
        return torch.utils.checkpoint.checkpoint(all_steps, x, use_reentrant=False)  # type: ignore[no-any-return]

    assert gradients(all_steps) >= 10 * 8000
    assert gradients(again) <= 4 * 8000


# NumPy ----------------------------------------------------------------------------------------------------------


def test_a_cost_in_a_numpy_task_is_a_mistake_of_the_assignment_s_author(engine: Engine, tmp_path: Path) -> None:
    course = Path(shutil.copytree(COURSE, tmp_path / "course"))
    check = course / "assignments" / "mini" / "hidden" / "test_hidden.py"
    asked = 'agrees("double", draw(*shape))'
    text = check.read_text().replace(asked, 'cost("double", lambda draw: (draw(3),))')
    check.write_text(text.replace("def test_double(agrees, draw, shape)", "def test_double(cost, shape)"))
    (tmp_path / "mini.py").write_text(REFERENCE)
    results = grade(
        "mini", tmp_path / "mini.py", root=course, options=Options(seed=1, select=("test_double",)), engine=engine
    )
    line = line_of(results, "test_double")
    assert line.outcome is Outcome.FAULT
    assert "what NumPy does is not seen, so it has no cost and no race" in line.message
