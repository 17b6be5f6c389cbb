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
from autograder.grading import Engine, Options, grade, kept_checks
from autograder.proof.device import exact
from autograder.results import Line, Outcome, Run, load_results, merged, write_results
from tests.gpu_course import COURSE, gpu_course
from tests.test_grading import REFERENCE, changed, line_of


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpu_course(tmp_path_factory.mktemp("gpu") / "course")


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


def kept(engine: Engine, course: Path, folder: Path, source: str) -> tuple[Run, Line]:
    """A run without a device that keeps recordings in the folder, and the line of the check that needs one."""
    path = folder / "mini.py"
    path.write_text(source)
    options = Options(seed=1, recordings=folder / "kept", select=("test_affine_gpu",))
    run = grade("mini", path, root=course, options=options, engine=engine)
    return run, line_of(run, "test_affine_gpu")


def replayed(engine: Engine, course: Path, folder: Path) -> Line:
    """The check's line where there is a device, as it were, and the submission is one that can only fail."""
    path = folder / "mini.py"
    path.write_text("raise SystemExit\n")
    options = Options(seed=1, recordings=folder / "kept", select=("test_affine_gpu",), device="rehearsal")
    return line_of(grade("mini", path, root=course, options=options, engine=engine), "test_affine_gpu")


def test_what_was_recorded_without_a_gpu_is_replayed_on_one_without_the_submission(
    engine: Engine, course: Path, tmp_path: Path
) -> None:
    _, line = kept(engine, course, tmp_path, REFERENCE)
    assert line.outcome is Outcome.DEFERRED
    assert "was recorded; a GPU will do it again" in line.message
    assert kept_checks(tmp_path / "kept") == {"test_affine_gpu"}
    line = replayed(engine, course, tmp_path)
    assert (line.outcome, line.score) == (Outcome.PASSED, 5), line.message
    assert set(line.figures) == {"race", "share of the roofline", "times the library"}


def test_slow_work_is_slow_in_a_recording_too(engine: Engine, course: Path, tmp_path: Path) -> None:
    slow = changed("return x @ w", "\n    for _ in range(200): y = x @ w\n    return y")
    assert kept(engine, course, tmp_path, slow)[1].outcome is Outcome.DEFERRED
    line = replayed(engine, course, tmp_path)
    assert (line.outcome, line.score) == (Outcome.FAILED, 0)
    assert "Too slow: what affine does takes " in line.message


def test_what_is_wrong_already_while_it_is_recorded_waits_for_no_gpu(
    engine: Engine, course: Path, tmp_path: Path
) -> None:
    run, line = kept(engine, course, tmp_path, changed("return x @ w", "return x @ w + 1"))
    assert (line.outcome, run.pending) == (Outcome.FAILED, 0)
    assert kept_checks(tmp_path / "kept") == set()


def test_what_was_computed_outside_torch_fails_on_the_gpu(engine: Engine, course: Path, tmp_path: Path) -> None:
    outside = (
        "y = x @ w\n    z = y.detach()\n    return y - z + torch.from_numpy(x.detach().numpy() @ w.detach().numpy())"
    )
    _, line = kept(engine, course, tmp_path, changed("return x @ w", outside))
    assert line.outcome is Outcome.DEFERRED, line.message
    line = replayed(engine, course, tmp_path)
    assert line.outcome is Outcome.FAILED
    assert "outside torch" in line.message


@pytest.mark.parametrize("content", [None, b"", b"no recording"], ids=["none", "empty", "something else"])
def test_a_recording_that_is_lost_is_our_fault(
    engine: Engine, course: Path, tmp_path: Path, content: bytes | None
) -> None:
    (tmp_path / "kept").mkdir()
    if content is not None:
        (tmp_path / "kept" / "test_affine_gpu.recording").write_bytes(content)
    line = replayed(engine, course, tmp_path)
    assert line.outcome is Outcome.FAULT
    assert "recording" in line.message


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
