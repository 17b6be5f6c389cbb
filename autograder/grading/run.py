"""Grade one submission: stage it, let the engine grade it, and turn whatever arrived into results. The public door of
the framework.

from autograder.grading import Engine, grade
with Engine() as engine:
    run = grade("conv", "conv.py", engine=engine)
"""

import hashlib
import hmac
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.assignment import (
    COST_FIGURES,
    STUDENT,
    Assignment,
    CheckFacts,
    constants,
    is_chosen,
    load_assignment,
    points,
    suite_digest,
)
from autograder.errors import DeepgradeError, GraderError, SubmissionError
from autograder.grading.engine import Engine
from autograder.grading.job import Job
from autograder.results import Line, Outcome, Run, Standing
from autograder.sandbox.confine import Confinement
from autograder.sandbox.folders import remove_tree, run_folder
from autograder.sandbox.users import reclaim
from autograder.submission import Submission, collect, lay_out, warm_modules

__all__ = ["Engine", "Options", "grade"]

NOT_RUN = "The grader did not get to run this check."
UNKNOWN = (
    f"Nobody knows here who handed this in: questions whose numbers are drawn were asked of the {STUDENT} that is "
    "named in the file."
)
Progress = Callable[[Line], None]


@dataclass(frozen=True)
class Options:
    """How to grade.

    Attributes:
        seed: of the run; None derives one from the submission and the secret, the same on every regrade.
        secret: the course's, so that nobody can compute a seed in advance; empty for a hash of what is hidden.
        seconds: for the whole run; None takes the assignment's limit.
        confinement: protections wanted; None takes everything that this machine offers.
        require: the level of confinement below which nothing is graded, one of `LEVELS`.
        private: further paths that no worker may be able to open.
        select: names of checks to run; the others are blocked.
        device: "cpu", where what needs an accelerator is deferred; "cuda"; or "rehearsal", which runs that on the
            processor, for authors of checks without an accelerator.
        recordings: a folder of this submission's own. Without an accelerator, what checks that need one would time is
            recorded there; with one, that is replayed, and the submission itself never runs.
        students: what those who handed it in are known by (e-mail addresses, numbers): where a question's values are
            drawn, only theirs count. Empty where nobody knows.
    """

    seed: int | None = None
    secret: str = ""
    seconds: float | None = None
    confinement: Confinement | None = None
    require: str = "any"
    private: tuple[Path, ...] = ()
    select: tuple[str, ...] = ()
    device: str = "cpu"
    recordings: Path | None = None
    students: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rehearsed:
    """A grader that is prepared for submissions like this job, by the key that its engine knows it by."""

    key: str
    job: Job


def grade(
    name: str,
    path: Path | str,
    *,
    root: Path | None = None,
    options: Options | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    rehearsed: Rehearsed | None = None,
) -> Run:
    """Grade a submission (a file, folder or zip) for an assignment.

    Args:
        name: of the assignment.
        path: of the submission.
        root: the folder of the course; by default the one this package lies in.
        options: see `Options`.
        engine: a running one, to grade many; by default one is started for this run.
        progress: called with each line of results as it is known.
        rehearsed: what `rehearse` gave with this engine; made use of where assignment and seed are the same, and the
            checks are among those.

    Returns:
        The run, whatever the submission does. A submission that cannot be read is a run too, with the reason.

    Raises:
        UsageError: there is no such assignment.
        GraderError: the assignment's own files are wrong.
    """
    assignment = load_assignment(name, root)
    checks = points(assignment)
    grading = _Grading(assignment, checks, Path(path), options or Options(), progress or (lambda line: None))
    with ExitStack() as stack:
        running = engine or stack.enter_context(Engine(preload=assignment.preload))
        return grading.run(running, rehearsed)


def rehearse(name: str, *, root: Path | None = None, options: Options, engine: Engine) -> Rehearsed | None:
    """Have an engine prepare for many submissions that are graded with the same options, their seed given.

    Returns:
        What `grade` is told for each of them; None where nothing can be prepared: on an accelerator nothing is.
    """
    assignment = load_assignment(name, root)
    if options.seed is None or options.device != "cpu":
        return None
    seconds = options.seconds or assignment.limits.run_seconds
    folder, solution = str(assignment.folder), str(assignment.solution)
    job = Job(folder, solution, submission="", helpers=None, seed=options.seed, seconds=seconds, select=options.select)
    key = engine.rehearse(job.to_json(), seconds)
    return Rehearsed(key, job) if key else None


@dataclass
class _Grading:
    """One run in the making: facts first, lines as they arrive, then the results."""

    assignment: Assignment
    checks: tuple[CheckFacts, ...]
    path: Path
    options: Options
    progress: Progress
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    lines: dict[str, Line] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    submission: Submission | None = None
    void: dict[str, str] = field(default_factory=dict)
    standings: list[Standing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault: str = ""
    reason: str = ""

    def run(self, engine: Engine, rehearsed: Rehearsed | None) -> Run:
        folder = None
        try:
            folder = run_folder()
            self._stage(folder)
            self._grade(engine, folder, rehearsed)
        except SubmissionError as error:
            return self._results("unreadable", f"{error.message}\n{error.help}".strip())
        except DeepgradeError as error:
            self.fault = error.message
        except OSError as error:
            self.fault = f"this machine refuses to grade: {error}"
        finally:
            if folder is not None:
                with suppress(OSError):  # a folder left behind must not cost the results
                    remove_tree(folder)
        if self.fault:
            return self._results("fault", self.fault)
        return self._results("graded", self.reason)

    def _stage(self, folder: Path) -> None:
        """The submission and the helpers, each in a folder that workers may read."""
        for room in ("submission", "helpers"):
            (folder / room).mkdir(mode=0o755)
            (folder / room).chmod(0o755)
        self.submission = collect(self.path, self.assignment, folder / "submission")
        lay_out(self.assignment, self.submission.path.parent)
        helpers = self.assignment.folder / "helpers.py"
        if helpers.exists():
            shutil.copyfile(helpers, folder / "helpers" / "helpers.py")
            (folder / "helpers" / "helpers.py").chmod(0o644)
        self.seed = run_seed(self.submission.digest, self.options, self.assignment)

    def _grade(self, engine: Engine, folder: Path, rehearsed: Rehearsed | None) -> None:
        wanted = self.options.confinement or Confinement.available()
        cuda = self.options.device == "cuda"
        confinement = replace(wanted, processes=self.assignment.limits.processes, cuda=cuda)
        if (shortfall := confinement.shortfall(self.options.require)) is not None:
            raise GraderError(shortfall)
        seconds = self.options.seconds or self.assignment.limits.run_seconds
        assert self.submission is not None
        warm = warm_modules(self.submission.source, *self.submission.parts.values())
        job = self._job(folder, seconds)
        key = rehearsed.key if rehearsed is not None and job.is_part_of(rehearsed.job) else ""
        for event in engine.run(folder, confinement.to_dict(), job.to_json(), seconds, warm, key):
            self._handle(event)

    def _job(self, folder: Path, seconds: float) -> Job:
        assert self.submission is not None
        helpers = folder / "helpers" / "helpers.py"
        return Job(
            folder=str(self.assignment.folder),
            solution=str(self.assignment.solution),
            submission=str(self.submission.path),
            helpers=str(helpers) if helpers.exists() else None,
            seed=self.seed,
            seconds=seconds,
            secrets=tuple(str(path) for path in (*hidden_paths(self.assignment), *self.options.private)),
            select=self.options.select,
            device={"rehearsal": "cpu", "cuda": "cuda"}.get(self.options.device, ""),
            recordings=str(self.options.recordings.resolve()) if self.options.recordings else "",
            students=self.options.students,
        )

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "start":
            level = Confinement(**event["confinement"]).level()
            stamp = {"level": level, "required": self.options.require}
            self.facts = event | {"confinement": event["confinement"] | stamp}
        elif kind == "line":
            self._line(event)
        elif kind == "diagnosis":
            self._settle(event)
        elif kind == "note":
            self.notes.append(event["message"])
        elif kind == "void":
            self.void[event["task"]] = event["message"]
        elif kind == "unimportable":
            self.reason = event["message"]
        elif kind in ("fault", "lost", "problem"):
            self.fault = self.fault or event["message"]
            if kind == "lost" and self.facts.get("block") is not None:
                reclaim(self.facts["block"])

    def _line(self, event: dict[str, Any]) -> None:
        facts = next((check for check in self.checks if check.name == event["name"]), None)
        if facts is None:
            raise GraderError(
                f"{self.assignment.name}: the check {event['name']} ran, but could not be read from its file"
            )
        line = self._made(facts, Outcome(event["outcome"]), event["message"], event)
        self.lines[facts.name] = line
        if event.get("leaderboard"):
            self.standings.append(Standing(*event["leaderboard"]))
        self.progress(line)

    def _settle(self, event: dict[str, Any]) -> None:
        """Another known mistake explains a line better, or none does, now that all have run."""
        line = self.lines.get(event["name"])
        if line is not None and line.diagnosis:
            self.lines[event["name"]] = replace(line, diagnosis=event["diagnosis"], hint=event["hint"])

    def _made(self, facts: CheckFacts, outcome: Outcome, message: str, event: dict[str, Any]) -> Line:
        score = event.get("score")
        earned = facts.weight if score is None else score
        return Line(
            name=facts.title,
            number=facts.number,
            task=facts.task,
            kind=facts.kind,
            outcome=outcome,
            score=earned if outcome is Outcome.PASSED else 0.0,
            max_score=facts.weight,
            message=message,
            beside=event.get("beside", ""),
            rung=event.get("rung", ""),
            function=event.get("function", ""),
            place=event.get("place", ""),
            hint=event.get("hint"),
            diagnosis=event.get("diagnosis"),
            duration=event.get("duration", 0.0),
            visibility=facts.visibility,
            tags=facts.tags,
            hide_errors=facts.hide_errors,
            cases=event.get("cases", 1),
            failed_cases=event.get("failed_cases", 0),
            figures=event.get("figures", {}),
            picture=event.get("picture"),
            pictured=event.get("pictured", ""),
            check=facts.name,
            extra=facts.extra,
        )

    def _voided(self, line: Line) -> Line:
        """A task that used what it must not earns nothing, whatever its checks say."""
        if line.task not in self.void or line.outcome is not Outcome.PASSED:
            return line
        return replace(line, outcome=Outcome.FAILED, score=0.0, message=self.void[line.task], rung="forbidden")

    def _missing(self, facts: CheckFacts, status: str) -> Line:
        """A check that never reported: blocked by the submission where it cannot be imported or read, else our
        fault."""
        if status == "unreadable" or self.reason:
            return self._made(facts, Outcome.BLOCKED, "Not run: see the message at the top.", {})
        if not is_chosen(facts.name, self.options.select):
            return self._made(facts, Outcome.BLOCKED, "Not selected for this run.", {})
        return self._made(facts, Outcome.FAULT, NOT_RUN, {})

    def _results(self, status: str, reason: str) -> Run:
        lines = tuple(self._voided(self.lines.get(check.name) or self._missing(check, status)) for check in self.checks)
        if status == "graded" and any(line.outcome is Outcome.FAULT for line in lines):
            status = "fault"
            reason = reason or next(line.message for line in lines if line.outcome is Outcome.FAULT)
        return Run(
            assignment=self.assignment.name,
            title=self.assignment.title,
            submission_name=self.path.name,
            digest=self.submission.digest if self.submission else "",
            seed=self.seed,
            versions=self.facts.get("versions", {}),
            device=self.facts.get("device", "cpu"),
            confinement=self.facts.get("confinement", {}),
            started=self.started.isoformat(timespec="seconds"),
            duration=time.monotonic() - self.clock,
            lines=lines,
            reason=reason or None,
            status=status,
            notes=(*(self.submission.notes if self.submission else ()), *self.notes, *self._remarks()),
            leaderboard=(*self.standings, *rankings(self.assignment, lines)),
            task_titles={task.name: task.title for task in self.assignment.tasks.values()},
        )

    def _remarks(self) -> Iterator[str]:
        """What holds for every submission."""
        if STUDENT in constants(self.assignment.quiz) and not self.options.students:
            yield UNKNOWN
        yield from _by_hand(self.assignment)


def _by_hand(assignment: Assignment) -> Iterator[str]:
    """What somebody will read, and what it is worth."""
    if parts := assignment.by_hand.values():
        listed = ", ".join(f"{part.title} ({part.points:g}{' extra' if part.extra else ''})" for part in parts)
        yield f"Not counted here, since somebody reads it, and enters its points later: {listed}."


def rankings(assignment: Assignment, lines: tuple[Line, ...]) -> Iterator[Standing]:
    """The leaderboard's entries that assignment.toml names, of checks that passed: the less, the better."""
    passed = {line.check: line.figures for line in lines if line.outcome is Outcome.PASSED}
    for column in assignment.leaderboard:
        figures = passed.get(column.check, {})
        values = {"ratio": figures.get("race", {}).get("ratio")}
        values |= {entry["name"]: entry["value"] for entry in reversed(figures.get("cost", []))}
        value = values.get(COST_FIGURES.get(column.figure, column.figure))
        if value is not None:
            yield Standing(column.name, value, "asc")


def run_seed(digest: str, options: Options, assignment: Assignment) -> int:
    """The run's seed: given, or derived from submission and course secret. 128 bits: fewer could be searched through
    while a check runs, by a submission that prepares its answers once it knows the draws."""
    if options.seed is not None:
        return options.seed
    secret = options.secret or suite_digest(assignment)
    mac = hmac.new(secret.encode(), digest.encode(), hashlib.sha256)
    return int.from_bytes(mac.digest()[:16], "big")


def class_seed(digests: Iterable[str], options: Options, assignment: Assignment) -> int:
    """One seed for all submissions of a class, so that what is the same for all need be computed once: derived from
    all that was handed in, it repeats for the same export, and whoever made one of them could not have known it."""
    return run_seed(hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(), options, assignment)


def hidden_paths(assignment: Assignment) -> list[Path]:
    """What a worker must not be able to open: the reference, the known mistakes, every hidden check."""
    return [
        *assignment.solutions.values(),
        *(path for path in assignment.reference_arrays.values() if path.exists()),
        assignment.folder / "mistakes.toml",
        assignment.folder / "hidden",
        *sorted((assignment.folder / "hidden").glob("*.py")),
    ]
