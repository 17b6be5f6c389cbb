"""`check.py --report`: the page of the grade, with what is known at home on it."""

import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from autograder.assignment import QUIZ
from autograder.local.checks import SEED, Line, Ran
from autograder.local.terminal import hidden_points
from autograder.local.work import Work
from autograder.results import Line as Shown
from autograder.results import Outcome, Run
from autograder.results.page import write_report

OUTCOMES = {"passed": Outcome.PASSED, "failed": Outcome.FAILED}
LATER = "These run when you hand in: the same functions with other sizes, and their gradients."
LATER_QUIZ = "Whether the answers are right, grading says."


def write_page(work: Work, ran: Ran, quiz: dict[str, str], folder: Path, started: float) -> Path:
    """Write report.html into a folder; returns the file."""
    assignment = work.assignment
    moment = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    run = Run(
        assignment=assignment.name,
        title=assignment.title,
        submission_name=work.name,
        digest=work.digest,
        seed=SEED,
        versions=versions | {"numpy": np.__version__, "pytest": pytest.__version__},
        device="cpu",
        confinement={},
        started=moment,
        duration=time.time() - started,
        lines=tuple(_lines(work, ran, quiz)),
        notes=work.notes,
        task_titles={task.name: task.title for task in assignment.tasks.values()} | {QUIZ: "Quiz"},
    )
    return write_report(run, folder)


def _lines(work: Work, ran: Ran, quiz: dict[str, str]) -> Iterable[Shown]:
    """Of each task its public checks, and one line for all hidden ones."""
    hidden = hidden_points(work.assignment)
    for task in work.assignment.tasks:
        yield from (_shown(line) for line in ran.lines.values() if line.facts.task == task)
        if task in hidden:
            yield _later(task, hidden[task], LATER)
    if QUIZ in hidden:
        told = "; ".join(f"{name}: {what}" for name, what in quiz.items())
        yield _later(QUIZ, hidden[QUIZ], f"{told}." if told else LATER_QUIZ)


def _later(task: str, points: float, message: str) -> Shown:
    name = "the quiz" if task == QUIZ else "hidden checks"
    return Shown(name, "", task, "agreement", Outcome.DEFERRED, 0.0, points, message)


def _shown(line: Line) -> Shown:
    facts = line.facts
    outcome = OUTCOMES.get(line.outcome, Outcome.FAULT)
    return Shown(
        name=facts.title,
        number=facts.number,
        task=facts.task,
        kind=facts.kind,
        outcome=outcome,
        score=facts.weight if outcome is Outcome.PASSED else 0.0,
        max_score=facts.weight,
        message=f"{line.message}\n\n{line.beside}".strip() if line.beside else line.message,
        hint=line.hint or None,
        duration=line.duration,
        cases=line.cases,
        failed_cases=line.failed_cases,
        picture=line.picture,
        check=facts.name,
    )
