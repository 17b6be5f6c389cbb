"""What answers the checks, and how long it lasts: what answered one may go on to the next, and a case that fails there
is run again on what answered nothing before. What replays recordings serves all checks of a run."""

from typing import Protocol, runtime_checkable

import pytest
from _pytest.runner import runtestprotocol

from autograder.checks import Runner
from autograder.checks.failure import Deferred
from autograder.checks.race import Inconclusive
from autograder.proof.prover import Prover
from autograder.suite.world import Blocked, World

OPEN = (Deferred, Blocked, Inconclusive, pytest.skip.Exception, pytest.xfail.Exception)  # no verdict on an answer


@runtime_checkable
class Lasting(Runner, Protocol):
    """A runner that can serve several checks.

    Attributes:
        is_reused: whether something answered in this check that had answered in another.
    """

    is_reused: bool

    def go_on(self, passed: bool) -> None:
        """A check is over, and another comes next."""

    def start_over(self) -> None:
        """A case of the check is run again, by what has answered nothing before."""


class Answering:
    """A pytest plugin that has the runner of the student's module.

    Attributes:
        is_right: whether every case of the check passed so far.
        is_doubtful: whether the case is to be run again.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_right = True
        self.is_doubtful = False
        self._runner: Runner | None = None
        self._prover: Prover | None = None

    def runner(self, large: bool) -> Runner:
        """Of the check that runs; `large` where it needs a device."""
        if self._runner is None:
            self._runner = self.world.large() if self.world.large and large else self.world.student()
        return self._runner

    def prover(self) -> Prover:
        """What replays recordings."""
        if self._prover is None:
            self._prover = self.world.prover()
        return self._prover

    def doubts(self, error: BaseException | None) -> bool:
        """Whether a case that ended with this is to be run again: nothing that another check left may cost a point."""
        is_open = error is None or isinstance(error, OPEN)
        is_reused = isinstance(self._runner, Lasting) and self._runner.is_reused
        self.is_doubtful = not is_open and (is_reused or (self._prover is not None and self._prover.is_doubtful))
        return self.is_doubtful

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The checks of a task come one after another, wherever they are written; races, in which nothing else may be
        at work, when all others are done."""
        tasks = list(dict.fromkeys(map(_task, items)))
        items.sort(key=lambda item: (is_race(item), tasks.index(_task(item))))

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a case, and where that is doubtful once more."""
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if self.is_doubtful:
            self.is_doubtful = False
            item._initrequest()  # type: ignore[attr-defined]
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        return True

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Between two checks, what answered may go on; at the end, and where it is doubtful, it ends."""
        if self.is_doubtful or nextitem is None:
            self._end_prover()
        if self.is_doubtful and isinstance(self._runner, Lasting):
            self._runner.start_over()
        elif self.is_doubtful:
            self._close()
        elif nextitem is None or function_of(nextitem) != function_of(item):
            if self._prover is not None:
                self._prover.go_on()
            same = nextitem is not None and needs_device(item) == needs_device(nextitem)
            if isinstance(self._runner, Lasting) and same:
                self._runner.go_on(self.is_right)
            else:
                self._close()
            self.is_right = True

    def _close(self) -> None:
        if self._runner is not None:
            self._runner.close()
        self._runner = None

    def _end_prover(self) -> None:
        if self._prover is not None:
            self._prover.close()
        self._prover = None


def needs_device(item: pytest.Item) -> bool:
    """Whether a check runs only where there is an accelerator."""
    return item.get_closest_marker("gpu") is not None


def is_race(item: pytest.Item) -> bool:
    """Whether a check is about time."""
    marker = item.get_closest_marker("task")
    return marker is not None and marker.kwargs.get("kind") == "race"


def function_of(item: pytest.Item) -> str:
    """What the cases of a check have in common."""
    return item.nodeid.partition("[")[0]


def _task(item: pytest.Item) -> str:
    """The task that a check belongs to; itself where it belongs to none."""
    marker = item.get_closest_marker("task")
    return function_of(item) if marker is None else str(marker.args[0])
