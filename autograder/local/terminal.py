"""What `check.py` prints: each check when it has run, and at the end how each task stands."""

import json
import os
import sys
from collections.abc import Collection, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

from autograder.assignment import QUIZ, STUDENT, Assignment, CheckFacts, drawn
from autograder.local.checks import Line, Ran
from autograder.local.work import Work
from autograder.results import cause_of

UNTOUCHED, RIGHT, WRONG = "·", "✓", "✗"
COLOURS = {RIGHT: "32", WRONG: "31", "!": "35", UNTOUCHED: "2", "bold": "1", "hint": "36", "note": "33"}
SLOW = 1.0  # seconds from which on they are told
AS_BEFORE = "As in {}, which is to be mended first; `check.py {}` shows this one alone."
FACTS = "points.json"  # beside the public checks: what the hidden ones of each task are worth


class Terminal:
    """Prints one run.

    Args:
        assignment: facts.
        checks: all public checks there are.
        stream: to print on.
    """

    def __init__(self, assignment: Assignment, checks: Sequence[CheckFacts], stream: TextIO = sys.stdout) -> None:
        self.assignment, self.checks, self.stream = assignment, checks, stream
        self.hidden = hidden_points(assignment)
        self._task = ""
        self._causes: dict[Hashable, Line] = {}
        self._live = stream.isatty()
        self._colour = self._live and "NO_COLOR" not in os.environ
        if self._colour and os.name == "nt":
            os.system("")  # lets the console of Windows understand colours

    def say(self, text: str = "", style: str = "") -> None:
        """A line, at once."""
        print(self._styled(text, style), file=self.stream, flush=True)

    def note(self, text: str) -> None:
        """A remark."""
        self.say(f"Note: {text}", "note")

    def head(self, work: Work, note: str = "") -> tuple[str, ...]:
        """What is checked; returns the remarks on it."""
        self.say(f"{self.assignment.title}: {work.name}", "bold")
        return self.remarks(work, note)

    def remarks(self, work: Work, note: str = "", known: Collection[str] = ()) -> tuple[str, ...]:
        """What is to be said of the file, where it is not known; returns all of it."""
        notes = (*([note] if note else []), *work.notes)
        for text in notes:
            if text not in known:
                self.note(text)
        return notes

    def begins(self, facts: CheckFacts) -> None:
        """A check begins to run: shown where somebody sits there, until it ends or prints."""
        if self._task != facts.task:
            self._task = facts.task
            self.say(f"\n{facts.task}: {self.title(facts.task)}", "bold")
        if self._live:
            print(f"  … {facts.number or facts.name}", end="\r", file=self.stream, flush=True)

    def ended(self, line: Line) -> None:
        """A check has run."""
        sign = RIGHT if line.passed else UNTOUCHED if line.is_stub else WRONG if line.outcome == "failed" else "!"
        earned = f"{line.facts.weight if line.passed else 0:g}/{line.facts.weight:g}"
        took = f" ({line.duration:.1f} s)" if line.duration > SLOW else ""
        self.say(f"  {self._styled(sign, sign)} {line.facts.number:<5} {earned:>5}  {line.facts.title}{took}")
        if line.is_stub:
            return  # its sign says so, and the summary what is not written
        indent = " " * 8
        first = line if line.passed else self._causes.setdefault(cause_of(line.shown), line)
        if first is not line:
            self.say(indent + AS_BEFORE.format(*(each.facts.number or each.facts.name for each in (first, line))))
            return
        for text in (line.message, line.beside):
            if text:
                self.say(indent + text.replace("\n", f"\n{indent}"))
        if line.hint:
            self.say(f"{indent}Hint: {line.hint}", "hint")

    def problems(self, ran: Ran) -> None:
        """Files of checks that cannot be run."""
        for file, told in ran.problems.items():
            self.say(f"\n! {file} cannot be run: {told}\n  Take it from the archive that you were given again.", "!")

    def summary(self, work: Work, lines: dict[str, Line], quiz: dict[str, str], tasks: Iterable[str]) -> None:
        """How these tasks stand, and what is left."""
        rows = [self._standing(work, task, lines) for task in tasks if task != QUIZ]
        if QUIZ in tasks and self.assignment.quiz:
            rows.append(self._quiz(quiz))
        width = max([len("task"), *(len(row[1]) for row in rows)])
        self.say(f"\n    {'task':<{width}}   public   hidden")
        for sign, name, shown, hidden, state in rows:
            self.say(f"  {self._styled(sign, sign)} {name:<{width}}  {shown:>7}  {hidden:>7}   {state}".rstrip())
        self._total(lines)

    def _standing(self, work: Work, task: str, lines: dict[str, Line]) -> tuple[str, str, str, str, str]:
        mine = [line for line in lines.values() if line.facts.task == task]
        of_task = [check for check in self.checks if check.task == task]
        failed = [line for line in mine if not line.passed]
        earned = sum(line.facts.weight for line in mine if line.passed)
        shown = f"{earned:g}/{sum(check.weight for check in of_task):g}"
        missing = work.missing(task)
        if work.untouched(task):
            sign, state = UNTOUCHED, "not written yet"
        elif missing:
            sign, state = UNTOUCHED, f"not written yet: {', '.join(missing)}"
        elif failed:
            sign, state = WRONG, f"{len(failed)} of {len(of_task)} public checks fail{'s' * (len(failed) == 1)}"
        else:
            sign, state = RIGHT, "" if mine else "its public checks were not run"
        return sign, task, shown, self._more(task), state

    def _quiz(self, wrong: dict[str, str]) -> tuple[str, str, str, str, str]:
        asked = [question.id for question in self.assignment.quiz]
        open_ = [name for name in asked if wrong.get(name) == "not answered"]
        odd = [f"{name}: {told}" for name, told in wrong.items() if name not in open_]
        parts = [f"not answered: {', '.join(open_)}"] if open_ else []
        state = "; ".join([*parts, *odd]) or "all answered; whether rightly, grading says"
        return (UNTOUCHED if open_ else WRONG if odd else RIGHT), QUIZ, "", self._more(QUIZ), state

    def questions(self, who: str) -> None:
        """What is drawn for somebody, in the questions that it stands in; how to see it, where it is nobody."""
        asked = [question for question in self.assignment.quiz if question.values]
        if asked and not who:
            self.say(f"\nPut your e-mail address into {STUDENT}, and this shows the questions with your numbers.")
            return
        if asked:
            self.say(f"\nDrawn for {who}:", "bold")
        for question in asked:
            values = drawn(question.values, self.assignment.deliverable, question.id, who)
            self.say(f"  {question.id}: {question.asked(values)}")

    def _more(self, task: str) -> str:
        return f"+{self.hidden[task]:g}" if task in self.hidden else ""

    def _total(self, lines: dict[str, Line]) -> None:
        passed = [line for line in lines.values() if line.passed]
        weights = sum(line.facts.weight for line in passed), sum(check.weight for check in self.checks)
        told = f"{len(passed)} of {len(self.checks)} public checks pass: {weights[0]:g} of {weights[1]:g} points."
        if hidden := sum(self.hidden.values()):
            told += f" Checks that run when you hand in decide about {hidden:g} more."
        if not lines:
            return
        if left := len(self.checks) - len(lines):
            others = "1 other was" if left == 1 else f"{left} others were"
            told = f"{len(passed)} of {len(lines)} public checks pass; {others} not run."
        self.say(f"\n{told}")

    def title(self, task: str) -> str:
        """Of a task."""
        return self.assignment.tasks[task].title if task in self.assignment.tasks else task

    def _styled(self, text: str, style: str) -> str:
        return f"\033[{COLOURS[style]}m{text}\033[0m" if self._colour and style else text


def hidden_points(assignment: Assignment) -> dict[str, float]:
    """What the hidden checks of each task are worth; nothing, where that file is gone."""
    file = Path(assignment.folder) / "public" / FACTS
    try:
        return {str(task): float(worth) for task, worth in json.loads(file.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
