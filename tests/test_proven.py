"""What is proven is proven on inputs that who recorded it cannot know, and of the reference it is found out once."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import load_assignment
from autograder.checks import LocalRunner, reference_module
from autograder.checks.remembered import Memory, Remembered
from autograder.proof.prover import Prover
from autograder.proof.recording import RecordingRefused
from autograder.sandbox.limits import Limits, WorkerLost
from autograder.suite import check_files, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case, World
from benchmarks import unprotected

COURSE = Path(__file__).parent / "course"
COST, RACE = "test_affine_cost", "test_affine_race"


class Here(unprotected.Here):
    """Replays in this process, and keeps what it is asked."""

    def __init__(self, asked: list[dict[str, Any]]) -> None:
        super().__init__()
        self.asked = asked

    def _ask(self, what: dict[str, Any]) -> Any:
        self.asked.append(what)
        return super()._ask(what)


def asked_of_the_replayer(
    checks: Sequence[str], memory: Memory, replays: type["Here"] = Here, **more: int
) -> list[dict[str, Any]]:
    """While checks run on the reference, whose answers are kept in a memory."""
    assignment = load_assignment("mini", COURSE)
    module, asked, ended = reference_module("reference_mini", assignment), list[dict[str, Any]](), list[Case]()
    world = World(
        assignment=assignment,
        student=lambda: LocalRunner(module),
        student_module=module,
        reference=Remembered(module, memory=memory),
        seed=1,
        deadline=time.monotonic() + 60,
        source=assignment.solution,
        prover=lambda: replays(asked),
        **more,
    )
    plugin = ChecksPlugin(world, lambda name, case, cases: ended.append(case), checks)
    run_pytest(plugin, assignment.folder, check_files(assignment))
    assert [case.outcome for case in ended] == ["passed"] * len(checks)
    return asked


def inputs(asked: list[dict[str, Any]]) -> list[bytes]:
    return [tensor.numpy().tobytes() for each in asked if each["do"] == "give" for tensor in each["inputs"]]


@pytest.mark.parametrize("check", [COST, RACE])
def test_two_runs_of_one_seed_are_proven_on_other_inputs(check: str) -> None:
    first, second = (inputs(asked_of_the_replayer([check], Memory())) for _ in range(2))
    assert len(first) == len(second) > 0
    assert not set(first) & set(second)


def test_within_a_run_each_call_is_proven_on_inputs_of_its_own() -> None:
    found = inputs(asked_of_the_replayer([COST], Memory(), secret=3))
    assert len(set(found)) == len(found) == 4


def test_a_class_is_proven_on_the_same_and_the_reference_is_counted_once() -> None:
    memory = Memory()
    first, second = (asked_of_the_replayer([COST], memory, secret=3) for _ in range(2))
    assert inputs(first) == inputs(second)
    done = [Counter((each["do"], each.get("name")) for each in found) for found in (first, second)]
    assert done[0] - done[1] == Counter({("load", "reference"): 2, ("run", "reference"): 2})
    assert done[1]["run", "student"] == done[0]["run", "student"] == 2


def test_in_a_race_the_reference_runs_whatever_is_known_of_it() -> None:
    memory = Memory()
    for _ in range(2):
        found = asked_of_the_replayer([RACE], memory, secret=3)
        assert [each["name"] for each in found if each["do"] == "load"] == ["student", "reference"]
        assert all(sorted(each["order"]) == ["reference", "student"] for each in found if each["do"] == "turns")


# One process for all checks of a run --------------------------------------------------------------------------------


@dataclass
class Processes:
    """Stands for a sandbox, and for each worker of it: they echo, or are lost, or keep too much, as they are told."""

    says: list[str] = field(default_factory=list)
    begun: int = 0
    is_new: bool = True

    @contextmanager
    def worker(self, *_: object, **__: object) -> Iterator["Processes"]:
        self.begun += 1
        yield self

    def request(self, what: dict[str, Any]) -> dict[str, Any]:
        if self.says and self.says.pop() == "lost":
            raise WorkerLost("memory", "used more than it may")
        return {"value": what["do"]}

    def is_as_new(self) -> bool:
        return self.is_new


@pytest.mark.parametrize(("is_new", "begun"), [(True, 1), (False, 2)])
def test_the_process_that_replays_serves_another_check_where_little_is_left_in_it(is_new: bool, begun: int) -> None:
    processes = Processes(is_new=is_new)
    with Prover(processes, Limits()) as prover:  # type: ignore[arg-type]
        for _ in range(2):
            assert prover.ask("flush") == "flush"
            prover.go_on()
    assert processes.begun == begun


@pytest.mark.parametrize("checks", [0, 1, 2])
def test_only_a_process_that_served_another_check_leaves_doubt_when_it_is_lost(checks: int) -> None:
    processes = Processes()
    with Prover(processes, Limits()) as prover:  # type: ignore[arg-type]
        for _ in range(checks):
            prover.ask("flush")
            prover.go_on()
        processes.says.append("lost")
        with pytest.raises(RecordingRefused, match="needs more memory than it may have"):
            prover.ask("flush")
        assert prover.is_doubtful == (checks > 0)
        prover.go_on()
        assert not prover.is_doubtful


class Tired(Here):
    """Has no room for a second check."""

    def _ask(self, what: dict[str, Any]) -> Any:
        if self._is_reused:
            self.is_doubtful, self._is_reused = True, False
            raise RecordingRefused("needs more memory than it may have")
        return super()._ask(what)

    def go_on(self) -> None:
        self._is_reused = True


def test_a_check_whose_replay_was_lost_where_another_had_been_is_run_again() -> None:
    assert inputs(asked_of_the_replayer([COST, RACE], Memory(), replays=Tired))
