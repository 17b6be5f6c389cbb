"""Checks that need a GPU: deferred without one, rehearsed on the processor, merged from a machine that has one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from autograder.assignment import assignment_names, load_assignment, points
from autograder.cli import cli
from autograder.errors import UsageError
from autograder.grading import Engine, Options, grade
from autograder.proof.device import exact
from autograder.results import Line, Outcome, load_results, merged, write_results
from tests.test_grading import COURSE, REFERENCE, changed, line_of

CHECK = '''

from autograder.checks.race import Work


@pytest.mark.gpu
@pytest.mark.task("affine", kind="race")
@weight(5)
@number("3.4")
def test_affine_gpu(gpu_race):
    """affine: keeps up with the reference on a GPU"""
    work = Work(flops=6 * 256**3, bytes=4 * 3 * 256**2)
    inputs = lambda draw: (draw.single(256, 256), draw.single(256, 256))
    gpu_race.measure("autograd", "affine", inputs, work, library="library_affine")
'''
HELPERS = '''

def library_affine(x, w):
    """The library's own."""
    import torch

    return torch.nn.functional.linear(x, w.T)
'''


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course, with five of its points on a GPU."""
    folder = Path(shutil.copytree(COURSE, tmp_path_factory.mktemp("gpu") / "course"))
    mini = folder / "assignments" / "mini"
    race, toml, helpers = mini / "hidden" / "test_race.py", mini / "assignment.toml", mini / "helpers.py"
    race.write_text(race.read_text() + CHECK)
    helpers.write_text(helpers.read_text() + HELPERS)
    toml.write_text(toml.read_text().replace("[pairs.scale]", "[gpu.affine]\ntarget = 3\nlimit = 8\n\n[pairs.scale]"))
    hidden = mini / "hidden" / "test_hidden.py"
    hidden.write_text(hidden.read_text().replace('@weight(15)\n@number("4.1")', '@weight(10)\n@number("4.1")'))
    return folder


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


def rehearsed(engine: Engine, course: Path, tmp_path: Path, body: str, more: str = "") -> Line:
    """The GPU check's line, on the processor."""
    path = tmp_path / "mini.py"
    path.write_text(changed("return x @ w", body) + more)
    options = Options(seed=1, device="rehearsal", select=("test_affine_gpu",))
    return line_of(grade("mini", path, root=course, options=options, engine=engine), "test_affine_gpu")


def test_without_a_gpu_its_points_are_deferred_and_a_later_run_fills_them_in(
    engine: Engine, course: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    first = grade("mini", path, root=course, options=Options(seed=1), engine=engine)
    line = line_of(first, "test_affine_gpu")
    assert (line.outcome, line.score, line.max_score) == (Outcome.DEFERRED, 0, 5)
    assert (first.score, first.pending, first.max_score) == (95, 5, 100)
    write_results(first, tmp_path)
    later = grade(
        "mini", path, root=course, options=Options(device="rehearsal", select=("test_affine_gpu",)), engine=engine
    )
    whole = merged(load_results(tmp_path / "results.json"), later)
    assert (whole.score, whole.pending, whole.max_score) == (100, 0, 100)
    assert "come from a run on cpu" in whole.notes[-1]


def test_a_rehearsal_shows_what_a_gpu_would(engine: Engine, course: Path, tmp_path: Path) -> None:
    line = rehearsed(engine, course, tmp_path, "return x @ w")
    assert line.outcome is Outcome.PASSED, line.message
    assert set(line.figures) == {"race", "share of the roofline", "times the library"}
    assert len(line.figures["race"]["student"]) >= 5


def test_slow_work_is_told_its_ratio(engine: Engine, course: Path, tmp_path: Path) -> None:
    line = rehearsed(engine, course, tmp_path, "\n    for _ in range(200): y = x @ w\n    return y")
    assert line.outcome is Outcome.FAILED
    told = "affine(x=float32[256, 256], w=float32[256, 256])\nToo slow: what affine does takes "
    assert line.message.startswith(told)


def test_float32_means_float32_where_recordings_are_replayed() -> None:
    exact()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_submission_s_switches_do_not_reach_the_replay(engine: Engine, course: Path, tmp_path: Path) -> None:
    switched = (
        "\n\ntorch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True\n"
        "torch.set_float32_matmul_precision('medium')\ntorch.set_default_dtype(torch.bfloat16)\n"
    )
    line = rehearsed(engine, course, tmp_path, "return x @ w", switched)
    assert line.outcome is Outcome.PASSED, line.message


CHEATS = {
    "an answer of zeros": "return 0 * (x @ w)",
    "an answer that was made where nobody sees it": (
        "\n    with torch._C._DisableTorchDispatch():\n        y = (x @ w).detach()\n"
        "    return y + 0 * x.sum() * w.sum()"
    ),
    "an answer that is ready later": (
        "y = x @ w\n    out = torch.zeros_like(y)\n    import threading\n"
        "    threading.Timer(0.02, lambda: out.copy_(y.detach())).start()\n    return out + 0 * y"
    ),
}


@pytest.mark.parametrize("body", CHEATS.values(), ids=CHEATS.keys())
def test_a_cheat_gains_nothing(engine: Engine, course: Path, tmp_path: Path, body: str) -> None:
    line = rehearsed(engine, course, tmp_path, body, "\n\nCACHE = {}\n")
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)


def test_clocks_and_waiting_belong_to_the_grader(engine: Engine, course: Path, tmp_path: Path) -> None:
    """Whatever the submission makes of its own clocks, of the device's events and of waiting for it."""
    patched = (
        "\n\nimport time\ntime.time = time.perf_counter = time.monotonic = lambda: 0.0\n"
        "torch.cuda.synchronize = lambda *_: None\ntorch.cuda.Event.elapsed_time = lambda *_: 0.0\n"
    )
    line = rehearsed(engine, course, tmp_path, "\n    for _ in range(200): y = x @ w\n    return y", patched)
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert "Too slow" in line.message


def test_a_time_that_no_device_can_reach_is_refused(engine: Engine, course: Path, tmp_path: Path) -> None:
    """The honest one, once its work is said to be a million times as much."""
    heavy = Path(shutil.copytree(course, tmp_path / "course"))
    check = heavy / "assignments" / "mini" / "hidden" / "test_race.py"
    check.write_text(check.read_text().replace("flops=6 *", "flops=6e6 *"))
    line = rehearsed(engine, heavy, tmp_path, "return x @ w")
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert line.message == "Faster than this device can be: a time like that is refused."


def test_merging_says_what_does_not_fit(engine: Engine, course: Path, tmp_path: Path) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    first = grade("mini", path, root=course, options=Options(seed=1, select=("test_double",)), engine=engine)
    path.write_text(changed("return 2 * x", "return x + x"))
    other = grade("mini", path, root=course, options=Options(seed=1, select=("test_double",)), engine=engine)
    with pytest.raises(UsageError, match="only two runs of the same submission can be merged"):
        merged(first, other)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_asking_for_a_gpu_where_there_is_none_is_explained(tmp_path: Path) -> None:
    path = COURSE.parents[1] / "solutions" / "conv.py"
    done = CliRunner().invoke(cli, ["grade", "conv", str(path), "--device", "cuda", "--out", str(tmp_path)])
    assert done.exit_code == 3
    assert "there is no CUDA device here" in done.output


@pytest.mark.gpu
def test_the_race_runs_on_a_gpu(engine: Engine, course: Path, tmp_path: Path) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    options = Options(seed=1, device="cuda", select=("test_affine_gpu",))
    run = grade("mini", path, root=course, options=options, engine=engine)
    line = line_of(run, "test_affine_gpu")
    assert line.outcome is Outcome.PASSED, line.message or run.reason
    assert "NVIDIA" in run.device


@pytest.mark.gpu
@pytest.mark.parametrize("name", assignment_names())
def test_every_reference_keeps_up_with_itself_on_a_gpu(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figures that no points hang on: ratio to the library's operation, share of the roofline."""
    assignment = load_assignment(name)
    checks = tuple(check.name for check in points(assignment) if check.name.endswith("_gpu"))
    run = grade(name, assignment.solution, options=Options(seed=1, device="cuda", select=checks))
    assert checks
    for line in (line for line in run.lines if line.check in checks):
        with capsys.disabled():
            print(line.check, line.outcome, {**line.figures, "race": line.figures.get("race", {}).get("ratio")})
        assert line.outcome is Outcome.PASSED, line.message
