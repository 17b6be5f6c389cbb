"""The pytest plugin: fixtures for the authors of checks, and outcomes of checks as facts.

Fail closed: a line passes only if every case of it was collected, ran, and ended without any exception. Points are
applied to outcomes in `results`, not here.
"""

import math
import re
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import pytest

from autograder.assignment import QUIZ, Costs, Mistake, Targets, is_chosen
from autograder.checks import Agrees, Answer, CheckFailed, Door, Draw, Expect, KeepsDtype
from autograder.checks.blame import blame
from autograder.checks.cost import Cost
from autograder.checks.failure import Deferred
from autograder.checks.networks import Networks
from autograder.checks.proven import NO_DEVICE, Proofs
from autograder.checks.race import GpuRace, Inconclusive, Race, Times
from autograder.errors import GraderError
from autograder.proof.prover import Prover
from autograder.sandbox.request import Request
from autograder.suite._answering import Answering, function_of, needs_device
from autograder.suite._handed import handed_arrays
from autograder.suite._told import UNUSABLE, told
from autograder.suite.world import UNDIAGNOSED, Blocked, Case, World


class ChecksPlugin:
    """Registers fixtures and reports each case as it ends to `report(name, case, cases)`; `cases` is how many the
    check has. Where `only` names checks, no other runs."""

    def __init__(self, world: World, report: Callable[[str, Case, int], None], only: Collection[str] = ()) -> None:
        self.world = world
        self.report = report
        self.only = only
        self.counts: dict[str, int] = {}
        self.hopeless: set[str] = set()
        self.problems: dict[str, str] = {}
        self.answering = Answering(world)
        self.diagnosed: set[str] = set()
        self.earlier: list[tuple[Request, Answer]] = []
        self.void: dict[str, str] = {}

    # Fixtures --------------------------------------------------------------------------------------------------

    @pytest.fixture
    def draw(self, request: pytest.FixtureRequest) -> Draw:
        """Fresh random values."""
        return Draw(self.world.seed, request.node.name)

    @pytest.fixture
    def student(self, draw: Draw, request: pytest.FixtureRequest) -> Door:
        """The submission. The cases of one check share an import of it; no two checks do."""
        world = self.world
        runner = self.answering.runner(needs_device(request.node))
        task, check = _task(request.node), check_name(request.node)
        door = Door(world.assignment, runner, world.student_module, draw, world.source, task=task, check=check)
        door.earlier = self.earlier
        request.node.stash[DOOR] = door
        return door

    @pytest.fixture
    def reference(self, request: pytest.FixtureRequest) -> Door:
        """The reference solution, with draws of its own, so that asking it changes nothing for the student."""
        if self.world.reference is None:
            raise GraderError("public checks run where there is no reference: use expect with a known answer")
        draw = Draw(self.world.seed, f"reference of {request.node.name}")
        world = self.world
        return Door(world.assignment, self.world.reference, world.student_module, draw, world.assignment.solution)

    @pytest.fixture
    def agrees(self, student: Door, reference: Door) -> Agrees:
        """The student's answers against the reference's."""
        return Agrees(student, reference)

    @pytest.fixture
    def cost(self, agrees: Agrees, prover: Prover, request: pytest.FixtureRequest) -> Cost:
        """What a call costs, against limits and the reference."""
        limits = self.world.assignment.costs.get(_task(request.node) or "")
        request.node.stash[COST] = cost = Cost(Proofs(agrees, prover, self.world.secret), limits)
        return cost

    @pytest.fixture
    def prover(self) -> Prover:
        """Where recordings are replayed."""
        return self.answering.prover()

    @pytest.fixture
    def networks(self, student: Door, request: pytest.FixtureRequest) -> Networks:
        """Networks that the submission builds, recorded."""
        prover = request.getfixturevalue("prover") if self.world.reference else None
        return Networks(student, Draw(self.world.secret, f"weights of {request.node.name}"), prover)

    @pytest.fixture
    def limits(self, request: pytest.FixtureRequest) -> Costs:
        """The task's limits, from the table [cost.TASK] of assignment.toml."""
        task = request.node.get_closest_marker("task").args[0]
        found = self.world.assignment.costs.get(task)
        if found is None:
            raise GraderError(f"{self.world.assignment.name}: assignment.toml has no [cost.{task}]")
        return found

    @pytest.fixture
    def race(self, agrees: Agrees, prover: Prover, request: pytest.FixtureRequest) -> Race:
        """Against the reference, with the targets in [race.TASK] of assignment.toml."""
        targets = _targets(self.world.assignment.races, request)
        request.node.stash[RACE] = race = Race(Proofs(agrees, prover, self.world.secret), Times(targets))
        return race

    @pytest.fixture
    def gpu_race(self, agrees: Agrees, prover: Prover, request: pytest.FixtureRequest) -> GpuRace:
        """The same on an accelerator, with the targets in [gpu.TASK]; for checks with the marker `gpu`."""
        targets = _targets(self.world.assignment.gpu_races, request)
        world = self.world
        proofs = Proofs(agrees, prover, world.secret, world.device, world.kept, request.node.name)
        request.node.stash[RACE] = race = GpuRace(proofs, Times(targets))
        return race

    @pytest.fixture
    def keeps_dtype(self, student: Door, request: pytest.FixtureRequest) -> KeepsDtype:
        """float32 in, float32 out."""
        world = self.world
        if world.reference is None:
            return KeepsDtype(student)
        reference = Door(world.assignment, world.reference, world.student_module, student.draw, world.source)
        return KeepsDtype(student, reference)

    @pytest.fixture
    def expect(self, student: Door) -> Expect:
        """The student's answers against known ones."""
        return Expect(student)

    @pytest.fixture
    def arrays(self) -> Callable[[str], dict[str, Any]]:
        """Files of plain arrays that were handed in: `arrays("weights.npz")` gives its arrays by name."""
        return partial(handed_arrays, self.world)

    @pytest.fixture
    def set_score(self) -> Callable[[float], None]:
        """Stands in for the one that gradescope_utils passes itself, so that `set_score` need not default to None."""
        return lambda score: None

    @pytest.fixture
    def set_leaderboard_value(self) -> Callable[[Any], None]:
        """As `set_score`."""
        return lambda value: None

    # Collection ------------------------------------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        """Markers that checks may carry."""
        config.addinivalue_line("markers", "task(name, kind): the task that a check belongs to")
        config.addinivalue_line("markers", "gpu: needs a CUDA device")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of checks that cannot be imported is our fault, and named."""
        if report.failed:
            self.problems[report.nodeid] = str(report.longrepr)

    def pytest_internalerror(self, excrepr: object) -> None:
        """What pytest itself stumbles over is the fault of a check all the same."""
        self.problems["pytest"] = str(excrepr).rstrip().rpartition("\n")[2]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Count the cases of each check that is to run."""
        items[:] = [item for item in items if is_chosen(check_name(item), self.only)]
        for item in items:
            self.counts[check_name(item)] = self.counts.get(check_name(item), 0) + 1

    # Outcomes --------------------------------------------------------------------------------------------------

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Refuse to start what there is no time for, and forget what another case left on the function."""
        if time.monotonic() > self.world.deadline:
            raise Blocked("The time for this submission ran out before this check could start.")
        if check_name(item) in self.hopeless:
            raise CheckFailed("Not run: an earlier case of this check did not return in time.", rung="timeout")
        if needs_device(item) and self.world.large is None:
            raise Deferred(NO_DEVICE)
        for function in _layers(item):
            for name in ("__score__", "__leaderboard_value__"):
                function.__dict__.pop(name, None)

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """What the cases of a check asked is forgotten with the last of them."""
        is_last = nextitem is None or function_of(nextitem) != function_of(item)
        if is_last and not self.answering.is_doubtful:
            self.earlier = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport | None:
        """Record a case when it has run, or could not be set up. A failure is reported without pytest's picture of it,
        which would print every tensor of every frame: seconds that nobody reads."""
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            error = None if call.excinfo is None else call.excinfo.value
            if not self.answering.doubts(error):
                self._record(item, error, call.duration)
        if call.excinfo is None or call.when == "collect":
            return None
        said, times = call.excinfo.typename, (call.duration, call.start, call.stop)
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", said, call.when, (), *times)

    def _record(self, item: pytest.Item, error: BaseException | None, duration: float) -> None:
        name = check_name(item)
        try:
            case = self._passed(item) if error is None else self._ended(item, error)
        except GraderError as fault:
            case = {"outcome": "fault", "message": str(fault)}
        if case.get("rung") == "timeout":
            self.hopeless.add(name)
        self.answering.is_right &= case["outcome"] == "passed"
        case["figures"] = _figures(item)
        self.report(name, Case(id=_case_of(item), duration=duration, **case), self.counts.get(name, 1))

    def _passed(self, item: pytest.Item) -> dict[str, Any]:
        self.earlier = [*self.earlier, *(item.stash[DOOR].log if DOOR in item.stash else ())]
        score = next((vars(layer)["__score__"] for layer in _layers(item) if "__score__" in vars(layer)), None)
        weight = float(getattr(_function(item), "__weight__", 0))
        if score is not None and not (isinstance(score, int | float) and math.isfinite(score) and 0 <= score <= weight):
            raise GraderError(f"{item.name} set a score of {score!r}, outside 0 to {weight:g}")
        message = self._notes(item)
        if RACE in item.stash and (share := item.stash[RACE].times.share) < 1:
            score, message = round(weight * share, 2), item.stash[RACE].said
        return {"outcome": "passed", "score": score, "message": message, "leaderboard": _leaderboard(item)}

    def _ended(self, item: pytest.Item, error: BaseException) -> dict[str, Any]:
        if isinstance(error, Deferred):
            return {"outcome": "deferred", "message": str(error)}
        if isinstance(error, Blocked):
            return {"outcome": "blocked", "message": str(error)}
        if isinstance(error, Inconclusive):
            return {"outcome": "inconclusive", "message": str(error)}
        if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
            return {"outcome": "fault", "message": f"the check skipped itself: {error}"}
        if isinstance(error, CheckFailed):
            return self._failed(item, error)
        if isinstance(error, AssertionError) and error.args and isinstance(error.args[0], str):
            return self._failed(item, CheckFailed(error.args[0]))
        if isinstance(error, pytest.fail.Exception):
            return self._failed(item, CheckFailed(str(error.msg)))
        if isinstance(error, GraderError) or not self._reference_passes(item):
            return {"outcome": "fault", "message": told(error, item.path, self.world.assignment.folder)}
        return self._failed(item, CheckFailed(UNUSABLE, rung="type"))

    def _failed(self, item: pytest.Item, error: CheckFailed) -> dict[str, Any]:
        door = item.stash.get(DOOR, None)
        if error.evidence.rung == "forbidden" and (task := _task(item)) is not None:
            self.void.setdefault(task, str(error))  # nothing of the task counts, whatever else passes
        unwritten = door.unwritten_note(error.evidence.part) if door else ""
        knowable = error.evidence.rung not in UNDIAGNOSED and not unwritten
        return {
            "outcome": "failed",
            "message": "\n".join(filter(None, (str(error), unwritten, door.written_note() if door else ""))),
            "rung": error.evidence.rung,
            "diagnosis": self._diagnose(item, error.evidence.rung) if knowable else None,
            "picture": error.evidence.picture,
            "beside": error.evidence.beside if _is_public(item) else "",
            **vars(blame(door, error.evidence)),
        }

    def _notes(self, item: pytest.Item) -> str:
        """What the author of a right answer should hear all the same."""
        door = item.stash.get(DOOR, None)
        notes = [*door.notes[:1], door.written_note()] if door is not None else []
        return "\n".join(note for note in notes if note)

    def _diagnose(self, item: pytest.Item, rung: str) -> Mistake | None:
        door, marker = item.stash.get(DOOR, None), item.get_closest_marker("task")
        first = check_name(item) not in self.diagnosed  # the line shows its first failing case only
        self.diagnosed.add(check_name(item))
        if door is None or self.world.diagnosis is None or marker is None:
            return None
        right = self.world.reference
        reference = None if right is None else Door(door.assignment, right, door.signatures, door.draw, door.source)
        of_all = marker.kwargs.get("kind") == "dtype"
        try:
            by_dtype = of_all or rung == "dtype"
            found = self.world.diagnosis.of(None if of_all else marker.args[0], door, reference, by_dtype)
            return found if first else None
        except GraderError:
            raise
        except Exception:  # an answer so odd that it cannot be compared resembles no known mistake
            return None

    def _reference_passes(self, item: pytest.Item) -> bool:
        """Whose fault is an exception in the check's own lines? Theirs only if the same check passes on the
        reference, which public checks that are shipped do."""
        door = item.stash.get(DOOR, None)
        if door is None or self.world.reference is None:
            return door is not None
        draw = Draw(self.world.seed, item.name)
        fresh = Door(door.assignment, self.world.reference, door.signatures, draw, door.source)
        mine = {"student": fresh, "draw": draw, "expect": Expect(fresh)}
        mine |= {"keeps_dtype": KeepsDtype(fresh), "agrees": Agrees(fresh, fresh)}
        try:
            given = self._arguments(item)  # not where a fixture could not be made
            _function(item)(**{key: mine.get(key, value) for key, value in given.items()})
        except BaseException:
            return False
        return True

    @staticmethod
    def _arguments(item: pytest.Item) -> dict[str, Any]:
        assert isinstance(item, pytest.Function)
        return {name: item.funcargs[name] for name in item._fixtureinfo.argnames}


DOOR = pytest.StashKey[Door]()
COST = pytest.StashKey[Cost]()
RACE = pytest.StashKey[Race]()


def check_name(item: pytest.Item) -> str:
    """`test_conv2d` for each of its cases; quiz questions are checks of their own, `test_quiz[q1]`."""
    plain = item.name.partition("[")[0]
    return item.name if plain == f"test_{QUIZ}" else plain


def _case_of(item: pytest.Item) -> str:
    """The case in its author's words, without the names that pytest makes up where there are none."""
    spec = getattr(item, "callspec", None)
    if spec is None:
        return ""
    made_up = re.compile(rf"({'|'.join(map(re.escape, spec.params))})\d+|None")
    return ", ".join(part for part in getattr(spec, "_idlist", [spec.id]) if not made_up.fullmatch(part))


def _task(item: pytest.Item) -> str | None:
    """The task whose forbidden operations are absent from the check's helpers: of a dtype check, which calls functions
    of all tasks, none."""
    marker = item.get_closest_marker("task")
    return None if marker is None or marker.kwargs.get("kind") == "dtype" else str(marker.args[0])


def _is_public(item: pytest.Item) -> bool:
    """Whether students have the check, and what it expects, in their hands."""
    return item.path.parent.name == "public"


def _function(item: pytest.Item) -> Any:
    assert isinstance(item, pytest.Function)
    return item.obj


def _layers(item: pytest.Item) -> Iterator[Any]:
    """The decorated function and what it wraps: gradescope_utils leaves scores on one of them."""
    function = _function(item)
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def _targets(tables: dict[str, Targets], request: pytest.FixtureRequest) -> Targets:
    task = request.node.get_closest_marker("task").args[0]
    if task not in tables:
        raise GraderError(f"{request.node.name}: assignment.toml has no targets for a race of the task {task}")
    return tables[task]


def _figures(item: pytest.Item) -> dict[str, Any]:
    """What was measured, for the report."""
    shown: dict[str, Any] = {"cost": item.stash[COST].shown} if COST in item.stash else {}
    if RACE in item.stash:
        shown |= item.stash[RACE].figures | {"race": item.stash[RACE].times.to_figure()}
    return shown


def _leaderboard(item: pytest.Item) -> tuple[str, Any, str] | None:
    for layer in _layers(item):
        if "__leaderboard_value__" in vars(layer):
            return layer.__leaderboard_column__, layer.__leaderboard_value__, layer.__leaderboard_sort_order__
    return None
