"""`submit.py`: run the checks, say what is missing, and pack the one file that is graded, and what belongs to it."""

import argparse
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment import Assignment, CheckFacts
from autograder.errors import SubmissionError
from autograder.local import CANNOT, FAILED, FINE, INTERRUPTED
from autograder.local.checks import Ran, run_checks
from autograder.local.clock import Clock
from autograder.local.run import Session
from autograder.local.terminal import Terminal
from autograder.local.work import Work, read_work
from autograder.submission import collect

EDITORS = (".{}.swp", ".{}.swo", ".#{}", "{}~.lock", ".~lock.{}#")  # what they leave beside a file with unsaved changes
LONG_AGO = 600  # seconds since a notebook was saved


class Submitting(Session):
    """One call of submit.py."""

    def __init__(self, assignment: Assignment, checks: tuple[CheckFacts, ...], options: argparse.Namespace) -> None:
        super().__init__(assignment, checks, options)
        self.anyway = options.anyway

    def run(self, clock: Clock, staging: Path) -> int:
        """Check, warn, pack."""
        terminal = Terminal(self.assignment, self.checks)
        try:
            work = read_work(self.path, self.assignment, staging / "work", clock)
        except SubmissionError as error:
            if not self.anyway or not self.path.is_file():
                told = f"{error.message}\nNothing was packed: as it is, it would be graded 0."
                raise SubmissionError(told, help=error.help) from error
            terminal.note(f"{error.message}\n{error.help}")
            return self._packed(terminal, CANNOT)
        terminal.head(work, self.note)
        ran = run_checks(work, clock, self.checks, begins=terminal.begins, ended=terminal.ended, diagnosis=self.hints())
        if ran.interrupted is not None:
            terminal.say(f"\n\nInterrupted; nothing was packed. It was in {ran.interrupted}")
            return INTERRUPTED
        code = self.concluded(terminal, work, ran, clock)
        terminal.say()
        warnings = list(self._warnings(work, ran, clock))
        for warning in warnings:
            terminal.note(warning)
        code = self._packed(terminal, code or (FAILED if warnings else FINE))
        if collect(self.archive(), self.assignment, staging / "packed").digest != work.digest:
            raise SubmissionError(f"{self.path.name} was changed while it was checked: run submit.py again")
        return code

    def _warnings(self, work: Work, ran: Ran, clock: Clock) -> Iterator[str]:
        missing = [name for task in self.assignment.tasks for name in work.missing(task)]
        if missing:
            yield f"not written yet: {', '.join(missing)}."
        failed = [line.facts for line in ran.lines.values() if not line.passed and not line.is_stub]
        if failed:
            yield f"these public checks do not pass: {', '.join(facts.number or facts.name for facts in failed)}."
        if quiz := work.quiz(clock):
            yield f"the quiz is not complete: {'; '.join(f'{name}: {told}' for name, told in quiz.items())}."
        for path in (self.path, *(self.path.with_name(f"{part}.py") for part in self.assignment.parts)):
            yield from _unsaved(path) if path.exists() else ()

    def _packed(self, terminal: Terminal, code: int) -> int:
        """Write the zip: the one file, under the name that is asked for, with its parts and files of arrays."""
        name = f"{self.assignment.deliverable}{self.path.suffix}"
        target = self.archive()
        asked = (*(f"{part}.py" for part in self.assignment.parts), *self.assignment.arrays)
        is_meant = self.path.stem == self.assignment.deliverable  # else nobody's would be looked for
        beside = [file for each in asked if is_meant and (file := self.path.with_name(each)).is_file()]
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, self.path.read_bytes())
            for file in beside:
                archive.write(file, file.name)
        listed = " and ".join([name, *(file.name for file in beside)])
        terminal.say(f"Packed: {target.name}, with {listed} in it. Upload it to Gradescope as it is.", "bold")
        return code

    def archive(self) -> Path:
        """Where the zip goes."""
        return self.assignment.folder / f"{self.assignment.name}-submission.zip"


def _unsaved(path: Path) -> Iterator[str]:
    """Signs that an editor holds more than the file does."""
    left = [form.format(path.name) for form in EDITORS if (path.parent / form.format(path.name)).exists()]
    if left:
        yield f"{path.name} is open in an editor ({left[0]}): is it saved?"
    minutes = (time.time() - path.stat().st_mtime) / 60
    if path.suffix == ".ipynb" and minutes * 60 > LONG_AGO:
        yield f"{path.name} was last saved {_ago(minutes)} ago. What you wrote since is not in it."


def _ago(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
