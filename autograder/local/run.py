"""What the local checker does once numpy, torch and pytest are known to be there."""

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from autograder.assignment import QUIZ, STUDENT, Assignment, CheckFacts, missing_packages, read_assignment
from autograder.errors import DeepgradeError, UsageError
from autograder.local import CANNOT, FAILED, FINE, INTERRUPTED, USAGE, not_installed
from autograder.local.checks import Ran, public_checks, run_checks
from autograder.local.choice import chosen, parted, work_in
from autograder.local.clock import Clock, position
from autograder.local.decorators import stand_in_for_decorators
from autograder.local.given import go_there
from autograder.local.hints import Hints, read_hints
from autograder.local.terminal import Terminal
from autograder.local.work import Work, read_work

STUCK = (
    "Your code does not return, and nothing interrupts it: it is in one long operation of NumPy or torch, or catches "
    "every exception. The checks after this one were not run; `check.py` with a task's name runs those of that task."
)


def run(folder: Path, options: argparse.Namespace, command: str) -> int:
    """Check the work of the starter in `folder`; see `autograder.local.main`."""
    stand_in_for_decorators()
    try:
        assignment = read_assignment(folder)
        if missing := missing_packages(folder, assignment.packages):
            print(not_installed(missing), file=sys.stderr)
            return CANNOT
        session = _kind(options, command)(assignment, public_checks(assignment), options)
    except UsageError as error:
        return _ended(error, USAGE)
    except DeepgradeError as error:
        return _ended(error, CANNOT)
    go_there(folder)
    with Clock(_give_up) as clock, tempfile.TemporaryDirectory(prefix="deepgrade-") as staging:
        try:
            return session.run(clock, Path(staging))
        except UsageError as error:
            return _ended(error, USAGE)
        except DeepgradeError as error:
            return _ended(error, CANNOT)
        except KeyboardInterrupt as error:
            where = position(error, Path(staging) / f"{assignment.deliverable}.py")
            print(f"\nInterrupted. {where}".rstrip(), file=sys.stderr)
            return INTERRUPTED


class Session:
    """One call of check.py: what is to be checked, and how."""

    def __init__(self, assignment: Assignment, checks: tuple[CheckFacts, ...], options: argparse.Namespace) -> None:
        self.files, names = parted(options.what)
        self.assignment, self.checks, self.options = assignment, checks, options
        self.started = time.time()
        self.note = ""
        if self.files:
            self.path = self.files[0].absolute()
            if not self.path.exists():
                raise UsageError(f"there is no file {self.files[0]}", help="Files are looked for where you are.")
        else:
            self.path, self.note = work_in(assignment.folder, assignment)
        self.names = chosen(names, options.select, checks, assignment)
        self.tasks = self._tasks(names)

    def _tasks(self, names: list[str]) -> list[str]:
        """The tasks that the summary is about."""
        every = [*self.assignment.tasks, QUIZ]
        if not names and not self.names:
            return every
        meant = {check.task for check in self.checks if check.name in self.names} | set(names)
        return [task for task in every if task in meant]

    def wanted(self) -> tuple[CheckFacts, ...]:
        """The checks to run."""
        if not self.names and len(self.tasks) <= len(self.assignment.tasks):
            return ()  # of what was named there is no public check
        return tuple(check for check in self.checks if not self.names or check.name in self.names)

    def run(self, clock: Clock, staging: Path) -> int:
        """Check once."""
        terminal = Terminal(self.assignment, self.checks)
        work = read_work(self.path, self.assignment, staging, clock)
        terminal.head(work, self.note)
        ran = run_checks(
            work, clock, self.wanted(), begins=terminal.begins, ended=terminal.ended, diagnosis=self.hints()
        )
        return self.concluded(terminal, work, ran, clock)

    def hints(self) -> Hints | None:
        """What knows known mistakes by their answers."""
        return read_hints(self.assignment.folder)

    def concluded(self, terminal: Terminal, work: Work, ran: Ran, clock: Clock) -> int:
        """Print how it went; returns the exit code."""
        for file, told in ran.problems.items():
            terminal.say(
                f"\n! {file} cannot be run: {told}\n  Take it from the archive that you were given again.", "!"
            )
        if ran.interrupted is not None:
            terminal.say(f"\n\nInterrupted in {ran.interrupted}")
            return INTERRUPTED
        quiz = work.quiz(clock)
        terminal.summary(work, ran.lines, quiz, self.tasks)
        if QUIZ in self.tasks:
            terminal.questions("" if STUDENT in quiz else work.student(clock))
        if self.options.report:
            from autograder.local.page import write_page

            terminal.say(f"Written: {write_page(work, ran, quiz, self.assignment.folder, self.started)}")
        if ran.problems or any(line.outcome not in ("passed", "failed") for line in ran.lines.values()):
            return CANNOT
        return FINE if all(line.passed for line in ran.lines.values()) else FAILED


def _kind(options: argparse.Namespace, command: str) -> type[Session]:
    """What was asked for."""
    if command == "submit":
        from autograder.local.submit import Submitting

        return Submitting
    if options.watch:
        from autograder.local.watch import Watching

        return Watching
    if options.speed:
        from autograder.local.speed import Measuring

        return Measuring
    if options.gradients:
        from autograder.local.gradients import Differentiating

        return Differentiating
    return Session


def _ended(error: DeepgradeError, code: int) -> int:
    print(f"{error.message}\n{error.help}".strip(), file=sys.stderr)
    return code


def _give_up() -> None:
    """From the clock's thread: nothing more will happen in the main one."""
    print(f"\n{STUCK}", file=sys.stderr, flush=True)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(CANNOT)
