"""A grader that has rehearsed gives the verdicts of one that starts afresh, whatever becomes of it, and what it knows
stays with it."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import find_root, load_assignment, load_mistakes, mistaken, reference_texts
from autograder.audit import honest_work
from autograder.grading import Engine, Options, Rehearsed, grade, rehearse
from autograder.results import Line, Run
from autograder.starter import stub_source

COURSE = Path(__file__).parent / "course"
OPTIONS = Options(seed=7)
HOSTILE = Path(__file__).parent / "submissions" / "conv" / "hostile"
ATTACKED = ("test_corr2d", "test_quiz")
TOKEN = "hidden-5e93b1c7"
Graded = Callable[..., Run]


def sources(name: str, root: Path) -> dict[str, str]:
    """Of an assignment: what is right, what is not begun, and what is wrong in a known way."""
    assignment = load_assignment(name, root)
    text = assignment.solution.read_text()
    wrong = {each.name: mistaken(reference_texts(assignment), each)[name] for each in load_mistakes(assignment)}
    return {"reference": text, "stub": stub_source(assignment), **wrong}


def told(run: Run) -> list[Line]:
    """The lines, without what the clock says."""
    return [replace(line, duration=0.0) for line in run.lines if line.kind != "race"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One that ends with these tests, and all that is prepared in it."""
    with Engine() as running:
        yield running


@pytest.fixture(scope="module")
def rehearsed(engine: Engine) -> Rehearsed:
    """For the small course."""
    found = rehearse("mini", root=COURSE, options=OPTIONS, engine=engine)
    assert found is not None
    return found


@pytest.fixture
def graded(tmp_path: Path) -> Graded:
    """Grade a source for the small course."""

    def run(source: str, engine: Engine, rehearsed: Rehearsed | None, root: Path = COURSE) -> Run:
        path = tmp_path / "mini.py"
        path.write_text(source)
        return grade("mini", path, root=root, options=OPTIONS, engine=engine, rehearsed=rehearsed)

    return run


@pytest.mark.parametrize("kind", sources("mini", COURSE))
def test_verdicts_and_messages_are_those_of_a_grader_that_starts_afresh(
    graded: Graded, engine: Engine, rehearsed: Rehearsed, kind: str
) -> None:
    source = sources("mini", COURSE)[kind]
    assert told(graded(source, engine, rehearsed)) == told(graded(source, engine, None))


def test_so_they_are_in_an_assignment_of_the_course(engine: Engine, tmp_path: Path) -> None:
    found = list(sources("gcn", find_root()).items())
    ready = rehearse("gcn", options=OPTIONS, engine=engine)
    assert ready is not None
    for kind, source in (*found[:2], *found[2::12]):
        (path := tmp_path / "gcn.py").write_text(source)
        runs = [grade("gcn", path, options=OPTIONS, engine=engine, rehearsed=each) for each in (ready, None)]
        assert told(runs[0]) == told(runs[1]), kind


WORSE = {
    "it does not parse": "def double(x:\n",
    "its import raises": "raise ValueError('at once')\n",
    "its import ends the process": "import os\nos._exit(0)\n",
    "it is empty": "",
}


@pytest.mark.parametrize("source", WORSE.values(), ids=WORSE.keys())
def test_so_they_are_of_what_cannot_be_run(graded: Graded, engine: Engine, rehearsed: Rehearsed, source: str) -> None:
    runs = [graded(source, engine, each) for each in (rehearsed, None)]
    assert told(runs[0]) == told(runs[1])
    assert len({(run.status, run.reason, run.notes) for run in runs}) == 1


def test_what_was_not_rehearsed_is_graded_all_the_same(engine: Engine, rehearsed: Rehearsed) -> None:
    for options in (Options(seed=8), replace(OPTIONS, select=("test_double",))):  # another seed; a part of it
        run = grade("mini", COURSE / "solutions" / "mini.py", root=COURSE, options=options, engine=engine)
        again = grade(
            "mini", COURSE / "solutions" / "mini.py", root=COURSE, options=options, engine=engine, rehearsed=rehearsed
        )
        assert told(again) == told(run)
        assert again.status == run.status == "graded"


def test_a_suite_that_is_out_of_order_is_not_rehearsed(engine: Engine, tmp_path: Path) -> None:
    shutil.copytree(COURSE, tmp_path / "course")
    check = tmp_path / "course" / "assignments" / "mini" / "hidden" / "test_hidden.py"
    text = check.read_text()
    assert "def test_twice(" in text
    check.write_text(text.replace("def test_twice(", "def test_twice(nobody_has_this, "))
    assert rehearse("mini", root=tmp_path / "course", options=OPTIONS, engine=engine) is None


def children(pid: int) -> list[int]:
    """Of a process, those that live."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def launcher(engine: Engine) -> int:
    assert engine._process is not None
    return engine._process.pid


def until(true: Callable[[], object]) -> None:
    """Wait for something that comes about by itself."""
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert true()


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """One whose processes are this test's alone."""
    with Engine() as running:
        yield running


def test_one_that_is_killed_is_done_without(own_engine: Engine, graded: Graded) -> None:
    source = sources("mini", COURSE)["tripled"]
    before = graded(source, own_engine, None)
    ready = rehearse("mini", root=COURSE, options=OPTIONS, engine=own_engine)
    assert ready is not None
    (waiting,) = children(launcher(own_engine))
    os.kill(waiting, signal.SIGKILL)
    until(lambda: not children(launcher(own_engine)))
    assert told(graded(source, own_engine, ready)) == told(before)


def test_nothing_is_left_of_a_submission_and_nothing_of_an_engine(own_engine: Engine, graded: Graded) -> None:
    ready = rehearse("mini", root=COURSE, options=OPTIONS, engine=own_engine)
    (waiting,) = children(launcher(own_engine))
    graded(sources("mini", COURSE)["reference"], own_engine, ready)
    until(lambda: not children(waiting))
    (zygote,) = set(children(launcher(own_engine))) - {waiting}
    forks = children(zygote)  # in which something is absent; those are no workers, which would be confined
    confined = [pid for pid in forks if "Seccomp:\t0" not in Path(f"/proc/{pid}/status").read_text()]
    assert not confined and not any(map(children, forks))
    own_engine.__exit__(None, None, None)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (waiting, zygote)))


def test_what_is_forgotten_ends_and_is_done_without(own_engine: Engine, graded: Graded) -> None:
    ready = rehearse("mini", root=COURSE, options=OPTIONS, engine=own_engine)
    assert ready is not None
    (waiting,) = children(launcher(own_engine))
    source = sources("mini", COURSE)["tripled"]
    before = told(graded(source, own_engine, ready))
    own_engine.forget(ready.key)
    until(lambda: not Path(f"/proc/{waiting}").exists())
    assert told(graded(source, own_engine, ready)) == before


def test_a_sandbox_serves_one_submission_after_another_until_it_dies(own_engine: Engine, graded: Graded) -> None:
    source, seen = sources("mini", COURSE)["tripled"], []
    ready = rehearse("mini", root=COURSE, options=OPTIONS, engine=own_engine)
    (waiting,) = children(launcher(own_engine))
    runs = []
    for _ in range(3):
        runs.append(told(graded(source, own_engine, ready)))
        until(lambda: not children(waiting))
        (zygote,) = set(children(launcher(own_engine))) - {waiting}
        seen.append(zygote)
        if len(seen) == 2:
            os.kill(zygote, signal.SIGKILL)
            until(lambda: children(launcher(own_engine)) == [waiting])
    assert seen[0] == seen[1] != seen[2]
    assert runs[0] == runs[1] == runs[2]


def test_what_a_known_mistake_answered_is_asked_once(own_engine: Engine, graded: Graded, tmp_path: Path) -> None:
    root, asked = shutil.copytree(COURSE, tmp_path / "counting"), tmp_path / "asked"
    asked.write_text("")
    file = root / "assignments" / "mini" / "mistakes.toml"
    text, told_as = file.read_text(), '"return 3 * x"'
    assert told_as in text
    counting = f"""open("{asked}", "a").write("x"); return 3 * x"""
    file.write_text(text.replace(told_as, f"'''{counting}'''"))
    ready = rehearse("mini", root=root, options=OPTIONS, engine=own_engine)
    (waiting,) = children(launcher(own_engine))
    source, counts = sources("mini", COURSE)["tripled"], []
    for _ in range(2):
        run = graded(source, own_engine, ready, root)
        assert {line.diagnosis for line in run.lines if line.check == "test_double"} == {"tripled"}
        until(lambda: not children(waiting))
        counts.append(asked.read_text())
    assert counts[0] == counts[1] != ""


@pytest.fixture(scope="module")
def conv(engine: Engine) -> tuple[Engine, Rehearsed]:
    """Some checks of an assignment that much was tried against."""
    found = rehearse("conv", options=replace(OPTIONS, select=ATTACKED), engine=engine)
    assert found is not None
    return engine, found


# What it knows ----------------------------------------------------------------------------------------------------

SPY = """
import os

def double(x):
    import gc
    token = "hidden-" + "5e93b1c7"
    held = sum(token in each for each in gc.get_objects() if isinstance(each, str))
    opened = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
            opened.append(descriptor)
        except OSError:
            pass
    raise ValueError(f"held {held}, open {opened}")
"""


def holds(pid: int, token: str) -> bool:
    """Whether a process has a text in its memory."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, rights, *_ = line.split()
            first, end = (int(each, 16) for each in span.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(first)
                if token.encode() in memory.read(end - first):
                    return True
    return False


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The small course with a token in all that is hidden."""
    root = shutil.copytree(COURSE, tmp_path / "planted")
    home = root / "assignments" / "mini"
    for file in (root / "solutions" / "mini.py", home / "hidden" / "test_hidden.py", home / "mistakes.toml"):
        file.write_text(f"{file.read_text()}\n# {TOKEN}\n")
    return root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
def test_what_sandboxes_are_forked_from_never_holds_what_is_hidden(
    own_engine: Engine, planted: Path, graded: Graded
) -> None:
    ready = rehearse("mini", root=planted, options=OPTIONS, engine=own_engine)
    (waiting,) = children(launcher(own_engine))
    assert holds(waiting, TOKEN)
    slow = "import time\ndef double(x):\n    time.sleep(1)\n"
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(graded, slow, own_engine, ready, planted)
        until(lambda: len(children(launcher(own_engine))) == 2)
        zygote = next(pid for pid in children(launcher(own_engine)) if pid != waiting)
        assert not holds(zygote, TOKEN)
        assert not holds(launcher(own_engine), TOKEN)
        assert not run.done()


def test_a_worker_holds_nothing_hidden_and_no_socket_of_ours(engine: Engine, planted: Path, graded: Graded) -> None:
    ready = rehearse("mini", root=planted, options=OPTIONS, engine=engine)
    assert ready is not None
    run = graded(SPY, engine, ready, planted)
    said = next(line.message for line in run.lines if line.check == "test_double")
    assert "held 0, open [0, 1, 2, 3, 4]" in said


@pytest.mark.parametrize("attack", ["frames_and_gc", "reads_proc", "reads_solutions", "closes_descriptors"])
def test_attacks_that_look_for_what_is_hidden_earn_nothing(conv: tuple[Engine, Rehearsed], attack: str) -> None:
    engine, ready = conv
    path = HOSTILE / f"{attack}.py"
    run = grade("conv", path, options=replace(OPTIONS, select=ATTACKED), engine=engine, rehearsed=ready)
    assert {line.task for line in run.lines if line.score} <= honest_work(path.read_text())
    assert run.status == "graded"
