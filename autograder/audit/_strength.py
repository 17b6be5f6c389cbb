"""Is the suite strong? Mutants of the reference, graded by the checks of their task; of those that keep all points,
which compute something else."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.assignment import Assignment, points, reference_texts
from autograder.audit._audit import Audit, Subject, Verdict
from autograder.audit._mutants import Mutant, mutants
from autograder.grading.engine import Engine

SECONDS = 300  # for telling the survivors of one task apart
FATES = ("killed", "equivalent", "survivor", "unjudged", "fault")


@dataclass(frozen=True)
class Fate:
    """What became of a mutant.

    Attributes:
        mutant: which.
        kind: killed (a check was lost), equivalent (no drawn input tells it apart), survivor, unjudged (nothing could
            be compared), or fault (a check stumbled over it).
        told: the first lost check, or the input that tells a survivor apart, or what went wrong.
    """

    mutant: Mutant
    kind: str
    told: str


def strength(
    assignment: Assignment,
    per_task: int,
    *,
    seed: int = 1,
    workers: int = 2,
    select: str = "",
    report: Callable[[], None] = lambda: None,
) -> list[Fate]:
    """Grade a sample of mutants, and judge those that survive.

    Args:
        assignment: facts.
        per_task: at most so many mutants of each task.
        seed: of the sample, of the gradings, of the inputs that tell survivors apart.
        workers: gradings at a time.
        select: only of tasks whose name contains this.
        report: called for each that was graded.
    """
    chosen = [mutant for mutant in mutants(assignment, per_task, seed) if select in mutant.task]
    reference = reference_texts(assignment)
    audit = Audit(assignment, (seed,), workers)
    with (
        Engine(preload=assignment.preload) as engine,
        TemporaryDirectory(prefix="deepgrade-mutants-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        jobs = [(_subject(mutant, reference, assignment), seed) for mutant in chosen]
        grade_one = partial(audit.grade, engine, Path(folder))
        with audit.rehearsed(engine, [seed] * len(jobs)):
            verdicts = list(audit.graded(pool, grade_one, jobs, lambda _: report()))
    fates = [_fate(mutant, verdict) for mutant, verdict in zip(chosen, verdicts, strict=True)]
    return _judged(fates, assignment, reference, seed)


def _subject(mutant: Mutant, reference: dict[str, str], assignment: Assignment) -> Subject:
    """The checks of its task but races, which are no matter of right or wrong, and those of dtypes, of all tasks."""
    asked = [check.name for check in points(assignment) if _is_asked(check.task, check.kind, mutant.task)]
    return Subject("mutant", mutant.name, mutant.texts(reference), frozenset(), exact=False, select=tuple(asked))


def _is_asked(task: str, kind: str, mutated: str) -> bool:
    return kind == "dtype" or (task == mutated and kind != "race")


def _fate(mutant: Mutant, verdict: Verdict) -> Fate:
    asked = [line for line in verdict.run.lines if line.check in verdict.subject.select]
    if verdict.run.status == "fault":
        return Fate(mutant, "fault", verdict.run.reason or "")
    lost = [line.check for line in verdict.lost if line in asked]
    return Fate(mutant, "killed", lost[0]) if lost else Fate(mutant, "survivor", "")


def _judged(fates: list[Fate], assignment: Assignment, reference: dict[str, str], seed: int) -> list[Fate]:
    """Survivors with the input that tells them apart; without one they are equivalent."""
    by_task = defaultdict[str, list[int]](list)
    for index, fate in enumerate(fates):
        if fate.kind == "survivor":
            by_task[fate.mutant.task].append(index)
    for task, indices in by_task.items():
        told = _told(assignment, task, [fates[index].mutant.texts(reference) for index in indices], seed)
        for position, index in enumerate(indices):
            fates[index] = _with_verdict(fates[index].mutant, told.get(position))
    return fates


def _with_verdict(mutant: Mutant, told: dict[str, str] | None) -> Fate:
    if told is None:
        return Fate(mutant, "unjudged", "telling it apart took too long")
    if not told["asked"]:
        return Fate(mutant, "unjudged", "the task's checks make no calls that can be repeated with other numbers")
    return Fate(mutant, "survivor" if told["told"] else "equivalent", told["told"])


def _told(assignment: Assignment, task: str, sources: list[dict[str, str]], seed: int) -> dict[int, dict[str, str]]:
    """By position what `_differ` says of each source."""
    facts = {"folder": str(assignment.folder), "solution": str(assignment.solution), "task": task, "seed": seed}
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    code = "from autograder.audit._differ import main; main()"
    try:
        said = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(facts | {"sources": sources}),
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
    lines = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
    return {line["position"]: line for line in lines}
