"""Whatever runs out, crashes or hangs: what was scored stands, the rest says why, and the results are valid and there.

Each course here is made for one test: three files of one check each, the second of which does what it must not.
"""

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autograder import plain, results
from autograder.assignment import Course, platform_seconds
from autograder.errors import GraderError
from autograder.grading import Engine, Options, grade
from autograder.grading import engine as engine_room
from autograder.grading import run as grading
from autograder.release import gradescope
from autograder.results import Outcome, Run, load_results, to_gradescope, write_results
from autograder.sandbox.confine import Confinement
from autograder.sandbox.folders import run_folder

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are confined on Linux only")

SCHEMA = json.loads((Path(results.__file__).parent / "results.schema.json").read_text())
RIGHT = "def double(x):\n    return 2 * x\n"
FACTS = """
title = "Tiny"
deliverable = "tiny"
lectures = ["none"]

[limits]
call_seconds = {call_seconds}

[tasks.double]
title = "Twice"
functions = ["double"]
ideas = ["twice"]
oracle = "arithmetic"
"""
CHECK = """
import ctypes, os, signal, sys, time
import pytest
from gradescope_utils.autograder_utils.decorators import weight

{above}

@pytest.mark.task("double")
@weight(10)
def test_{name}(agrees, draw, student):
    \"\"\"{name}\"\"\"
    {body}
    agrees("double", draw(3))
"""


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """What would wait for ever fails instead."""

    def give_up(*_: object) -> None:
        raise TimeoutError("the grader did not end by itself")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One for all: it outlives every grader."""
    with Engine() as running:
        yield running
        assert running._process is not None
        assert running._process.poll() is None


@pytest.fixture
def course(tmp_path: Path) -> Callable[..., Path]:
    """Make a course; `body` and `above` go into the second of its checks."""

    def make(body: str = "pass", above: str = "", call_seconds: float = 0.5) -> Path:
        folder = tmp_path / "course" / "assignments" / "tiny"
        (folder / "hidden").mkdir(parents=True)
        (folder / "assignment.toml").write_text(FACTS.format(call_seconds=call_seconds))
        (tmp_path / "course" / "solutions").mkdir()
        (tmp_path / "course" / "solutions" / "tiny.py").write_text(RIGHT)
        for name in ("a", "b", "c"):
            extra = {"body": body, "above": above} if name == "b" else {"body": "pass", "above": ""}
            (folder / "hidden" / f"test_{name}.py").write_text(CHECK.format(name=name, **extra))
        return tmp_path / "course"

    return make


def graded(course: Path, engine: Engine, source: str = RIGHT, **options: Any) -> Run:
    """A submission, graded; whatever happened, all three checks are there, and the results can be written and read."""
    path = course.parent / "tiny.py"
    path.write_text(source)
    run = grade("tiny", path, root=course, options=Options(**{"seed": 1} | options), engine=engine)
    assert [line.check for line in run.lines] == ["test_a", "test_b", "test_c"]
    jsonschema.validate(to_gradescope(run), SCHEMA)
    assert load_results(write_results(run, course.parent / "results")).score == run.score
    return run


def outcomes(run: Run) -> str:
    """p, f, b for each check: passed, failed, blocked; ! for a fault."""
    signs = {Outcome.PASSED: "p", Outcome.FAILED: "f", Outcome.BLOCKED: "b", Outcome.FAULT: "!"}
    return "".join(signs[line.outcome] for line in run.lines)


# Checks of ours -----------------------------------------------------------------------------------------------------

OWN_LINE_ONLY = {
    "raises": "raise ValueError('no')",
    "loops": "while True: pass",
    "sleeps": "time.sleep(10**6)",
    "recurses": "f = lambda: f(); f()",
    "takes all memory": "bytearray(1 << 60)",
    "exits": "sys.exit(0)",
    "skips": "pytest.skip('no')",
    "expects to fail": "pytest.xfail('no')",
    "uses what is not there": "no_such_name",
    "asks for what is not in the contract": "student.triple(1)",
}


@pytest.mark.parametrize("body", OWN_LINE_ONLY.values(), ids=OWN_LINE_ONLY.keys())
def test_a_check_that_stumbles_costs_its_own_line_only(course: Callable[..., Path], engine: Engine, body: str) -> None:
    run = graded(course(body), engine)
    assert (outcomes(run), run.score, run.status, run.exit_code) == ("p!p", 20, "fault", 3)


def test_a_check_that_loops_says_so_to_staff_and_not_to_students(course: Callable[..., Path], engine: Engine) -> None:
    run = graded(course("while True: pass"), engine)
    assert "the check itself did not end within 3 s" in run.lines[1].message
    assert "did not end" not in json.dumps(to_gradescope(run))


def test_a_check_that_catches_its_end_is_ended_again(course: Callable[..., Path], engine: Engine) -> None:
    body = "\n    ".join(["try:", "    while True: pass", "except Exception:", "    while True: pass"])
    assert outcomes(graded(course(body), engine)) == "p!p"


IMPORTS = {
    "raises": "raise ValueError('no')",
    "needs what is not there": "import no_such_package",
    "loops": "while True: pass",
}


@pytest.mark.parametrize("above", IMPORTS.values(), ids=IMPORTS.keys())
def test_a_file_of_checks_that_cannot_be_imported_costs_its_own_lines_only(
    course: Callable[..., Path], engine: Engine, above: str
) -> None:
    run = graded(course(above=above), engine)
    assert (outcomes(run), run.score, run.status, run.exit_code) == ("p!p", 20, "fault", 3)
    assert "test_b.py" in (run.reason or ""), "staff are told which"
    assert "test_b.py" not in json.dumps(to_gradescope(run)), "students are not"


CRASHES = {
    "is interrupted": "raise KeyboardInterrupt",
    "ends pytest": "pytest.exit('no')",
    "ends the process": "os._exit(0)",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "crashes": "ctypes.string_at(0)",
    "aborts": "os.abort()",
}


@pytest.mark.parametrize("body", CRASHES.values(), ids=CRASHES.keys())
def test_what_was_scored_before_the_grader_crashed_stands(
    course: Callable[..., Path], engine: Engine, body: str
) -> None:
    folder = course(body)
    for _ in range(2):  # the engine has survived the first
        run = graded(folder, engine)
        assert (outcomes(run), run.score, run.status) == ("p!!", 10, "fault")


def test_what_no_signal_reaches_is_ended_with_the_runs_time(
    course: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_room, "GRACE_SECONDS", 1.0)
    stuck = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); time.sleep(10**6)"
    run = graded(course(stuck), engine, seconds=3)
    assert outcomes(run) == "p!!"
    assert run.reason == "The grader did not finish in time and was stopped."


def test_without_its_warm_process_the_grader_blames_nobody_else(course: Callable[..., Path], engine: Engine) -> None:
    kill = "[os.kill(int(pid), signal.SIGKILL) for pid in open('/proc/thread-self/children').read().split()]"
    run = graded(course(f"{kill}; time.sleep(0.5)"), engine)  # in which its workers end, too
    assert (outcomes(run), run.status) == ("p!!", "fault")
    assert "warm process" in run.lines[1].message


def test_a_launcher_that_is_killed_ends_its_grader_and_the_next_run_says_so(course: Callable[..., Path]) -> None:
    with Engine() as mortal:
        folder = course("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)")
        first = graded(folder, mortal)
        assert (outcomes(first), first.score, first.status) == ("p!!", 10, "fault")
        second = graded(folder, mortal)
        assert (outcomes(second), second.status) == ("!!!", "fault")
        assert "the grading process is gone" in (second.reason or "")


# Submissions --------------------------------------------------------------------------------------------------------


def test_a_call_has_its_limit(course: Callable[..., Path], engine: Engine) -> None:
    run = graded(course(), engine, "import time\ndef double(x):\n    time.sleep(10**6)\n")
    assert (outcomes(run), run.status) == ("fff", "graded")
    assert "did not return within 0.5 s" in run.lines[0].message


def test_a_case_after_a_crash_gets_a_worker_of_its_own(course: Callable[..., Path], engine: Engine) -> None:
    folder = course("x == 'crash' and student.double('crash')", call_seconds=2)
    file = folder / "assignments" / "tiny" / "hidden" / "test_b.py"
    text = file.read_text().replace("@weight", "@pytest.mark.parametrize('x', ['crash', 'then'])\n@weight")
    file.write_text(text.replace("student):", "student, x):"))
    run = graded(folder, engine, "import os\ndef double(x):\n    return os._exit(7) if isinstance(x, str) else 2 * x\n")
    assert (outcomes(run), run.lines[1].cases, run.lines[1].failed_cases) == ("pfp", 2, 1)
    assert "exit code 7" in run.lines[1].message


def test_a_check_has_its_limit_where_no_call_reaches_its_own(course: Callable[..., Path], engine: Engine) -> None:
    slow = "import time\ndef double(x):\n    time.sleep(0.3)\n    return 2 * x\n"
    run = graded(course("for _ in range(10**6): student.double(1.0)"), engine, slow)
    assert (outcomes(run), run.status) == ("pfp", "graded")
    assert "took more than 3 s in this check alone" in run.lines[1].message


@pytest.mark.parametrize(
    "body", ["for _ in range(10**6): student.double(1.0)", "student.double(0.0)"], ids=["between calls", "in a call"]
)
def test_where_the_runs_time_is_over_what_was_scored_stands_and_the_rest_is_not_failed(
    course: Callable[..., Path], engine: Engine, body: str
) -> None:
    pause = "time.sleep({1.0: 0.3, 0.0: 60}[x] if isinstance(x, float) else 0)"
    slow = f"import time\ndef double(x):\n    {pause}\n    return 2 * x\n"
    run = graded(course(body, call_seconds=2), engine, slow, seconds=2)
    assert (outcomes(run), run.score, run.status) == ("pbb", 10, "graded")
    assert "ran out in the middle of this check" in run.lines[1].message
    assert "ran out before this check could start" in run.lines[2].message


def test_whoever_stops_listening_leaves_no_process_behind(course: Callable[..., Path], engine: Engine) -> None:
    folder = course()
    assert outcomes(graded(folder, engine)) == "ppp"
    room = run_folder()
    (room / "submission").mkdir()
    (room / "submission" / "tiny.py").write_text("import time\ntime.sleep(30)\n")
    job = {"folder": str(folder / "assignments/tiny"), "solution": str(folder / "solutions/tiny.py")}
    job |= {"submission": str(room / "submission/tiny.py"), "helpers": None, "seed": 1, "seconds": 60}
    events = engine.run(room, Confinement.available().to_dict(), json.dumps(job).encode() + b"\n", 60)
    pid = next(events)["pid"]
    events.close()
    while Path(f"/proc/{pid}").exists():  # patience ends it
        time.sleep(0.05)
    assert outcomes(graded(folder, engine)) == "ppp"
    plain_removed(room)


def plain_removed(folder: Path) -> None:
    """Delete a run's folder."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)


# The machine --------------------------------------------------------------------------------------------------------


def no_room(*_: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_where_nothing_can_be_staged_the_run_is_our_fault(
    course: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "run_folder", no_room)
    run = graded(course(), engine)
    assert (outcomes(run), run.status) == ("!!!", "fault")
    assert "No space left" in (run.reason or "")


def test_a_folder_that_cannot_be_removed_costs_no_results(
    course: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(grading, "remove_tree", lambda folder: made.append(folder) or no_room())
    assert outcomes(graded(course(), engine)) == "ppp"
    plain_removed(made[0])


@pytest.fixture
def home(course: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As Gradescope lays it out."""
    monkeypatch.setattr(gradescope, "SHARED", ())
    course().rename(tmp_path / "source")
    (tmp_path / "source" / "deepgrade.json").write_text('{"assignment": "tiny", "secret": "s", "require": "any"}')
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "tiny.py").write_text(RIGHT)
    (tmp_path / "results").mkdir()
    return tmp_path


def found(home: Path) -> dict[str, Any]:
    return dict(json.loads((home / "results" / "results.json").read_text()))


def test_results_find_room_on_a_disk_that_has_filled_up(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = gradescope._grade

    def fills_up(*args: Any) -> Run:
        run = real(*args)
        monkeypatch.setattr(plain.os, "fsync", no_room)
        return run

    monkeypatch.setattr(gradescope, "_grade", fills_up)
    gradescope.main(str(home))
    monkeypatch.undo()
    jsonschema.validate(found(home), SCHEMA)
    assert (found(home)["score"], found(home)["extra_data"]["status"]) == (30, "graded")
    assert [file.name for file in (home / "results").iterdir()] == ["results.json"]
    assert "No space left" in capfd.readouterr().err


def test_a_fault_finds_room_on_a_full_disk_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Run:
        monkeypatch.setattr(plain.os, "fsync", no_room)
        raise GraderError("broken")

    monkeypatch.setattr(gradescope, "_grade", fails)
    gradescope.main(str(home))
    monkeypatch.undo()
    assert (found(home)["score"], found(home)["extra_data"]["status"]) == (0, "fault")


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_results_are_there_even_if_everything_is_killed(home: Path, signal_name: str) -> None:
    code = (
        "import os, signal, sys; from autograder.release import gradescope as door; door.SHARED = ()\n"
        f"door._grade = lambda *_: os.kill(os.getpid(), signal.{signal_name})\ndoor.main(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], check=False, capture_output=True)
    assert done.returncode == -getattr(signal, signal_name)
    assert (found(home)["score"], found(home)["extra_data"]["status"]) == (0, "fault")
    assert "not your fault" in found(home)["output"]


def test_the_platforms_time_holds_start_run_and_end() -> None:
    course = Course(Path())
    longest = platform_seconds(course) + engine_room.GRACE_SECONDS
    assert longest + engine_room.START_SECONDS < course.platform.total_seconds()
