"""What a task may cost, and what it must not use: counted where no clock decides, and on every machine alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run
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
    return line_of(run(engine, tmp_path, changed("return x @ w", body), "test_affine"), "test_affine_cost")


def test_the_reference_is_within_its_limits_and_its_figures_are_shown(engine: Engine, tmp_path: Path) -> None:
    line = line_of(run(engine, tmp_path, REFERENCE, "test_affine"), "test_affine_cost")
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
