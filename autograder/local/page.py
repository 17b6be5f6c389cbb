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
from autograder.local.checks import SEED, Ran
from autograder.local.terminal import hidden_points
from autograder.local.work import Work
from autograder.results import Line, Outcome, Run
from autograder.results.page import write_report

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


def _lines(work: Work, ran: Ran, quiz: dict[str, str]) -> Iterable[Line]:
    """Of each task its public checks, and one line for all hidden ones."""
    hidden = hidden_points(work.assignment)
    for task in work.assignment.tasks:
        yield from (line.shown for line in ran.lines.values() if line.facts.task == task)
        if task in hidden:
            yield _later(task, hidden[task], LATER)
    if QUIZ in hidden:
        told = "; ".join(f"{name}: {what}" for name, what in quiz.items())
        yield _later(QUIZ, hidden[QUIZ], f"{told}." if told else LATER_QUIZ)


def _later(task: str, points: float, message: str) -> Line:
    name = "the quiz" if task == QUIZ else "hidden checks"
    return Line(name, "", task, "agreement", Outcome.DEFERRED, 0.0, points, message)
