"""A grader that is ready before a submission comes: for a class, what is the same for all is done once.

Forked by the launcher, it loads the suite, runs the checks on the reference itself, whose answers it keeps, collects
the checks anew, and waits. For each submission that the launcher hands on it forks a grader, which begins where a plain
one has come after seconds, and which tells at its end what known mistakes answered: the next need not ask these. It
never runs or reads a submission itself; sandboxes come from the launcher, which has seen nothing of what is known here.
"""

import gc
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import is_chosen
from autograder.checks.race import Inconclusive
from autograder.checks.remembered import Memory
from autograder.errors import GraderError
from autograder.grading.fork import fork
from autograder.grading.grader import Emit, Grading, Suite, do_job, loaded, run_suite
from autograder.grading.job import Job
from autograder.proof.prover import Prover
from autograder.proof.replayer import Replayer
from autograder.sandbox.box import Sandbox
from autograder.sandbox.confine import Confinement
from autograder.suite.plugin import ChecksPlugin, check_name
from autograder.suite.stopwatch import Stopwatch
from autograder.suite.world import Case, World


def main(connection: socket.socket, orders: socket.socket) -> None:
    """Rehearse the job that comes down a connection, say "ready", then serve until the launcher hangs up."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a process that has used an accelerator must not fork

    def work(job: Job, emit: Emit) -> None:
        with loaded(job, memory := Memory()) as suite:
            deadline = time.monotonic() + job.seconds
            world = _world(job, suite, deadline)
            _rehearse(world, job.select)
            suite.diagnosis.prepare()
            memory.is_open = False
            Waiting(job, suite, world, lambda: emit({"event": "ready"}), orders).wait()

    do_job(connection, work)


def _rehearse(world: World, select: Collection[str]) -> None:
    """Run the checks on the reference, whose answers are kept.

    Raises:
        GraderError: a check is out of order; who grades with it will say so.
    """
    faults: list[str] = []

    def report(name: str, case: Case, cases: int) -> None:
        if case.outcome == "fault":
            faults.append(f"{name}: {case.message}")

    run_suite(ChecksPlugin(world, report, select), world.deadline)
    if faults:
        raise GraderError(faults[0])


def _world(job: Job, suite: Suite, deadline: float) -> World:
    """The reference in a submission's place."""
    return World(
        assignment=suite.assignment,
        student=lambda: suite.reference,
        student_module=suite.reference.module,
        reference=suite.reference,
        seed=job.seed,
        deadline=deadline,
        source=suite.assignment.solution,
        prover=Trusting,
        secret=suite.secret,
    )


class Trusting(Prover):
    """Replays in this process, where only the reference is recorded. Nothing is timed."""

    def __init__(self) -> None:
        self.replayer = Replayer()

    def _ask(self, what: dict[str, Any]) -> Any:
        if what["do"] == "turns":
            raise Inconclusive("Nobody races in a rehearsal.")
        return getattr(self.replayer, what["do"])(what)

    def close(self) -> None:
        """Nothing to end."""


@dataclass(eq=False)
class Waiting:
    """Waits with the checks collected, and forks a grader for each submission.

    Attributes:
        job: that was rehearsed.
        suite: as loaded for it.
        world: of the rehearsal.
        ready: called when submissions may come.
        orders: from the launcher: folder and confinement, and with them two sockets, a submission's job and the control
            of its sandbox.
    """

    job: Job
    suite: Suite
    world: World
    ready: Callable[[], None]
    orders: socket.socket

    def wait(self) -> None:
        """Until the launcher hangs up, which ends this process."""
        self.plugin = ChecksPlugin(self.world, _nobody_hears, self.job.select)
        run_suite(self.plugin, self.world.deadline, [self])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Instead of running what was collected: wait, and let forks run it."""
        _get_ready_to_fork()
        self.ready()
        with selectors.DefaultSelector() as selector:
            selector.register(self.orders, selectors.EVENT_READ, partial(self._serve, session, selector))
            while True:
                for key, _ in selector.select():
                    key.data()

    def _serve(self, session: pytest.Session, selector: selectors.BaseSelector) -> None:
        """Fork a grader for the next submission."""
        message, descriptors, _, _ = socket.recv_fds(self.orders, 1 << 16, 2)
        if not message:
            os._exit(0)
        connection, control = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        news, tell = os.pipe()
        fork(partial(self._grade, session, json.loads(message), connection, control, tell))
        connection.close()
        control.close()
        os.close(tell)
        selector.register(news, selectors.EVENT_READ, partial(self._hear, selector, news, bytearray()))

    def _hear(self, selector: selectors.BaseSelector, news: int, heard: bytearray) -> None:
        """Some of what a grader tells at its end; once it has told all, learn it."""
        if chunk := os.read(news, 1 << 20):
            heard += chunk
            return
        selector.unregister(news)
        os.close(news)
        if self.suite.diagnosis.memory is not None:
            self.suite.diagnosis.memory.learn(bytes(heard))

    def _grade(
        self,
        session: pytest.Session,
        order: dict[str, Any],
        connection: socket.socket,
        control: socket.socket,
        tell: int,
    ) -> None:
        """In a fork: grade one submission."""

        def work(job: Job, emit: Emit) -> None:
            if not job.is_part_of(self.job):
                raise GraderError("this grader has rehearsed something else")
            with closing(Sandbox(control, Path(order["folder"]), Confinement(**order["confinement"]))) as sandbox:
                Grading(job, sandbox, emit, self.suite).run(partial(self._run, session))
                self._give_back(order, sandbox)

        do_job(connection, work)
        if self.suite.diagnosis.memory is not None:
            with open(tell, "wb") as pipe:
                pipe.writelines(self.suite.diagnosis.memory.told())

    def _give_back(self, order: dict[str, Any], sandbox: Sandbox) -> None:
        """The warm process has no workers left: the launcher may hand it to another grader, unless it was made for
        this one's folder."""
        if not sandbox.confinement.mounts:
            with suppress(OSError):  # then the launcher is gone
                said = json.dumps({"warm": order["warm"]}).encode()
                socket.send_fds(self.orders, [said], [sandbox.control.fileno()])

    def _run(self, session: pytest.Session, grading: Grading) -> ChecksPlugin:
        """What was collected, on a submission."""
        self.world.become(grading.world())
        self.plugin.report = grading.report
        for plugin in session.config.pluginmanager.get_plugins():
            if isinstance(plugin, Stopwatch):
                plugin.deadline = grading.deadline
        items = [item for item in session.items if is_chosen(check_name(item), grading.job.select)]
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return self.plugin


def _nobody_hears(name: str, case: Case, cases: int) -> None:
    """Until a submission comes."""


def _get_ready_to_fork() -> None:
    """Put in order what all forks share.

    Raises:
        GraderError: there are threads, which would not be there in a fork.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise GraderError("the reference or a check leaves a thread behind, so that every grader has to start afresh")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # graders are nobody's zombies
    gc.collect()
    gc.freeze()
