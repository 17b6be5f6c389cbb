"""`check.py --watch`: at every save, what is not right yet is run again, in a process that has torch already."""

import itertools
import time
from pathlib import Path

from autograder.assignment import CheckFacts
from autograder.errors import DeepgradeError, SubmissionError
from autograder.local import CANNOT, FAILED, FINE
from autograder.local.checks import Ran, run_checks
from autograder.local.choice import candidates, work_in
from autograder.local.clock import Clock
from autograder.local.run import Session
from autograder.local.terminal import Terminal
from autograder.local.work import read_work

POLL = 0.05  # seconds between two looks at the files
SETTLED = 0.02  # for which a file must stay as it is: some editors write it in two steps


class Watching(Session):
    """One call of check.py --watch. It ends with Ctrl-C."""

    def run(self, clock: Clock, staging: Path) -> int:
        """Check, wait for a save, check again what is not right yet."""
        right: set[str] = set()
        self.known: tuple[str, ...] = ()
        Terminal(self.assignment, self.checks).say(f"{self.assignment.title}: {self.path.name}", "bold")
        try:
            for turn in itertools.count():
                seen, started = self._stamps(), time.perf_counter()
                terminal = Terminal(self.assignment, self.checks)
                code = self._turn(terminal, clock, staging / str(turn), right)
                left = [check for check in self.wanted() if check.name not in right]
                terminal.say(f"\n{_where_it_stands(left)} ({time.perf_counter() - started:.2f} s)", "bold")
                terminal.say("Waiting for the next save; Ctrl-C ends this.")
                self._wait(seen)
                terminal.say(f"\n{'─' * 30} saved at {time.strftime('%H:%M:%S')}")
        except KeyboardInterrupt:
            print()
        return code if code == CANNOT else FINE if not left else FAILED

    def _turn(self, terminal: Terminal, clock: Clock, staging: Path, right: set[str]) -> int:
        """One run of what is not right; where all of that is right now, of the rest, too: a save may break what was."""
        try:
            if not self.files:
                self.path, self.note = work_in(self.assignment.folder, self.assignment)
            work = read_work(self.path, self.assignment, staging, clock)
            self.known = terminal.remarks(work, self.note, self.known)
            todo = [check for check in self.wanted() if check.name not in right]
            rest = [check for check in self.wanted() if check.name in right]
            ran = run_checks(
                work, clock, todo, then=rest, begins=terminal.begins, ended=terminal.ended, diagnosis=self.hints()
            )
            self._told(terminal, ran, right)
            return CANNOT if ran.problems else FINE
        except SubmissionError as error:
            right.clear()
            terminal.say(f"{error.message}\n{error.help}".strip(), "✗")
        except DeepgradeError as error:
            terminal.say(f"{error.message}\n{error.help}".strip(), "!")
            return CANNOT
        return FAILED

    def _told(self, terminal: Terminal, ran: Ran, right: set[str]) -> None:
        if ran.interrupted is not None:
            terminal.say(f"\n\nInterrupted in {ran.interrupted}")
            raise KeyboardInterrupt
        terminal.problems(ran)
        right.difference_update(right.copy() if ran.problems else ran.lines)
        right.update(name for name, line in ran.lines.items() if line.passed)

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """What tells that a file was saved."""
        found = {}
        works = self.files or candidates(self.assignment.folder, self.assignment)
        beside = (path.with_name(f"{name}.py") for path in works for name in self.assignment.parts)
        for path in dict.fromkeys((*works, *beside)):
            try:
                stat = path.stat()
            except OSError:  # between the two halves of a save; or a part that is not there
                continue
            found[path] = stat.st_mtime_ns, stat.st_size
        return found

    def _wait(self, seen: dict[Path, tuple[int, int]]) -> None:
        while (now := self._stamps()) == seen or not now:
            time.sleep(POLL)
        while True:
            time.sleep(SETTLED)
            if (later := self._stamps()) == now:
                return
            now = later


def _where_it_stands(left: list[CheckFacts]) -> str:
    if not left:
        return "Everything that was asked for passes."
    return f"{len(left)} not right yet; next: {left[0].number} {left[0].title}"
