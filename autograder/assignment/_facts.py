"""`assignment.toml` as frozen dataclasses."""

import hashlib
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.assignment._course import assignment_names, find_root, load_course
from autograder.assignment._forbidden import misspelt, spelled_out
from autograder.assignment._packages import read_packages
from autograder.assignment._quiz import Question, read_question
from autograder.assignment._table import Table
from autograder.errors import AuthoringError, UsageError, did_you_mean

ARRAYS = re.compile(r"\w+\.npz")
QUIZ = "quiz"  # the task that the quiz's checks belong to


@dataclass(frozen=True)
class Limits:
    """What a submission may use: wall seconds of one call and of the whole run, MiB beyond the warm process; whether it
    may start processes."""

    call_seconds: float = 10.0
    run_seconds: float = 240.0
    memory_mb: int = 512
    processes: bool = False


@dataclass(frozen=True)
class Task:
    """One task: the public names it asks for, the ideas it carries, what its reference is tested against; `extra` where
    all its points are extra credit."""

    name: str
    title: str
    functions: tuple[str, ...]
    ideas: tuple[str, ...]
    oracle: str
    forbidden: tuple[str, ...] = ()
    extra: bool = False


@dataclass(frozen=True)
class ByHand:
    """A part that somebody reads: its points are entered later, and the gradebook adds them."""

    name: str
    title: str
    points: float
    extra: bool = False


@dataclass(frozen=True)
class Pair:
    """NAME_forward and NAME_backward: what the forward returns, which of it gets cotangents, the gradients' names."""

    name: str
    returns: tuple[str, ...]
    differentiate: tuple[str, ...]
    gradients: tuple[str, ...]


DEAD_BAND = 1.1  # equal work in two processes was seen to differ by half of that
COST_FIGURES = {
    "operations": "operations",
    "products": "matrix products",
    "flops": "floating-point operations",
    "largest": "entries of the largest tensor",
    "written": "entries written by all operations",
    "peak": "bytes of live memory at the peak",
    "kept": "bytes kept for the backward pass",
}


@dataclass(frozen=True)
class Costs:
    """Limits on what a task may cost: by figure, and the factor by which a "constant" one may move."""

    figures: dict[str, float]
    growth: float = 1.1


@dataclass(frozen=True)
class Targets:
    """Times as multiples of the reference's: all points up to `target`, none from `limit` on."""

    target: float
    limit: float


@dataclass(frozen=True)
class Ranking:
    """A column of the leaderboard: what it is called, which check's figure it shows. Smaller comes first."""

    name: str
    check: str
    figure: str


@dataclass(frozen=True)
class Assignment:
    """Everything `assignment.toml` says, and where the assignment's files lie.

    `preload` names public modules that the warm process imports once, since student code or helpers would need them
    in every check (running a module on the meta device imports torch._dynamo, 1.2 s). `arrays` names files of plain
    arrays that are handed in beside the code. `visibility` is the course's, for hidden checks that do not say their
    own. `packages` are requirements beyond what is always there.
    """

    name: str
    title: str
    deliverable: str
    lectures: tuple[str, ...]
    limits: Limits
    tasks: dict[str, Task]
    pairs: dict[str, Pair]
    quiz: tuple[Question, ...]
    folder: Path
    solution: Path
    preload: tuple[str, ...] = ()
    costs: dict[str, Costs] = field(default_factory=dict)
    races: dict[str, Targets] = field(default_factory=dict)
    gpu_races: dict[str, Targets] = field(default_factory=dict)
    leaderboard: tuple[Ranking, ...] = ()
    by_hand: dict[str, ByHand] = field(default_factory=dict)
    arrays: tuple[str, ...] = ()
    visibility: str = "visible"
    packages: tuple[str, ...] = ()

    @property
    def public_names(self) -> tuple[str, ...]:
        """Every function and class that the contract names, in the order of the tasks."""
        return tuple(name for task in self.tasks.values() for name in task.functions)

    @property
    def reference_arrays(self) -> dict[str, Path]:
        """Where the reference's own files of arrays lie, by the names under which they are handed in."""
        return {name: self.solution.with_name(f"{self.name}-{name}") for name in self.arrays}

    def task_of(self, public_name: str) -> Task:
        """The task that a function, a class or a pair (`conv2d` for `conv2d_forward`) belongs to.

        Raises:
            AuthoringError: no task has that name; a check asked for something outside the contract.
        """
        in_contract = {name: task for task in self.tasks.values() for name in task.functions}
        for name in (public_name, f"{public_name}_forward" if public_name in self.pairs else ""):
            if name in in_contract:
                return in_contract[name]
        known = [*in_contract, *self.pairs]
        raise AuthoringError(f"{self.name}: no task has a {public_name!r}{did_you_mean(public_name, known)}")


def suite_digest(assignment: Assignment) -> str:
    """A hash of everything hidden, in hex: names the suite, and is the secret of a course that sets none."""
    digest = hashlib.sha256()
    for path in (assignment.solution, *sorted((assignment.folder / "hidden").glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load_assignment(name: str, root: Path | str | None = None) -> Assignment:
    """Read the facts of one assignment.

    Raises:
        UsageError: there is no such assignment; the message lists those there are.
        AuthoringError: its assignment.toml, or the course.toml, is wrong; the message names the key.
    """
    base, names = find_root(root), assignment_names(root)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise UsageError(f"there is no assignment {name!r}{did_you_mean(name, names)}", help=f"There are: {listed}.")
    course = load_course(base)
    solution = base / "solutions" / f"{name}.py"
    assignment = read_assignment(base / "assignments" / name, solution, course.packages.allowed)
    return replace(assignment, visibility=course.visibility)


def read_assignment(folder: Path, solution: Path | None = None, allowed: tuple[str, ...] | None = None) -> Assignment:
    """Read `folder/assignment.toml`, wherever the folder lies: a student's copy has no solution elsewhere, and no
    course that says which packages are `allowed`.

    Raises:
        AuthoringError: the file is missing or wrong; the message names the key.
    """
    table = Table.read(folder / "assignment.toml")
    tasks = {name: _task(name, entry) for name, entry in table.table("tasks").tables()}
    owners = _owners(tasks, table)
    deliverable = table.identifier("deliverable")
    assignment = Assignment(
        name=folder.resolve().name,
        title=table.text("title"),
        deliverable=deliverable,
        lectures=table.texts("lectures"),
        limits=_limits(table.table("limits", required=False)),
        tasks=tasks,
        pairs={name: _pair(name, entry, owners) for name, entry in table.table("pairs", required=False).tables()},
        quiz=_quiz(table),
        folder=folder,
        solution=solution or folder / f"{deliverable}.py",
        preload=table.texts("preload", ()),
        costs={name: _costs(name, entry, tasks) for name, entry in table.table("cost", required=False).tables()},
        races={name: _targets(name, entry, tasks) for name, entry in table.table("race", required=False).tables()},
        gpu_races={name: _targets(name, entry, tasks) for name, entry in table.table("gpu", required=False).tables()},
        leaderboard=tuple(_ranking(entry) for entry in table.entries("leaderboard")),
        arrays=_arrays(table),
        by_hand={name: _by_hand(name, entry, tasks) for name, entry in table.table("by_hand", required=False).tables()},
        packages=read_packages(table, allowed),
    )
    table.close()
    return assignment


def _limits(table: Table) -> Limits:
    default = Limits()
    limits = Limits(
        call_seconds=table.number("call_seconds", default.call_seconds),
        run_seconds=table.number("run_seconds", default.run_seconds),
        memory_mb=table.whole("memory_mb", default.memory_mb),
        processes=table.flag("processes"),
    )
    table.close()
    if limits.call_seconds > limits.run_seconds:
        raise table.fault("call_seconds is more than run_seconds")
    return limits


def _task(name: str, table: Table) -> Task:
    if name == QUIZ:
        raise table.fault("a task cannot be called 'quiz': the quiz is")
    task = Task(
        name=name,
        title=table.text("title"),
        functions=table.texts("functions", names=True),
        ideas=table.texts("ideas"),
        oracle=table.text("oracle"),
        forbidden=tuple(map(spelled_out, table.texts("forbidden", ()))),
        extra=table.flag("extra"),
    )
    table.close()
    for entry in task.forbidden:
        if wrong := misspelt(entry):
            raise table.fault(f"forbidden: {wrong}", "forbidden")
    return task


def _owners(tasks: dict[str, Task], table: Table) -> dict[str, str]:
    """Which task each public name belongs to."""
    owners: dict[str, str] = {}
    for task in tasks.values():
        for function in task.functions:
            if function in owners:
                raise table.fault(f"tasks {owners[function]!r} and {task.name!r} both list {function!r}")
            owners[function] = task.name
    if not owners:
        raise table.fault("there are no tasks")
    return owners


def _pair(name: str, table: Table, owners: dict[str, str]) -> Pair:
    halves = f"{name}_forward", f"{name}_backward"
    for half in halves:
        if half not in owners:
            raise table.fault(f"no task lists {half!r}{did_you_mean(half, owners)}")
    if owners[halves[0]] != owners[halves[1]]:
        raise table.fault("its forward and its backward belong to different tasks")
    returns = table.texts("returns", ("out", "cache"), names=True)
    outputs = tuple(output for output in returns if output != "cache")
    if not outputs or len(outputs) == len(returns):
        raise table.fault(f"returns must name the cache and at least one output, not {list(returns)}")
    differentiate = table.texts("differentiate", outputs)
    for output in differentiate:
        if output not in outputs:
            raise table.fault(f"differentiate: the forward returns no {output!r}{did_you_mean(output, outputs)}")
    pair = Pair(name, returns, differentiate, table.texts("gradients", names=True))
    table.close()
    return pair


def _costs(name: str, table: Table, tasks: dict[str, Task]) -> Costs:
    if name not in tasks:
        raise table.fault(f"there is no task {name!r}{did_you_mean(name, tasks)}")
    limits = {figure: table.number(figure, math.inf) for figure in COST_FIGURES if figure in table}
    costs = Costs(limits, table.number("growth", 1.1))
    table.close()
    return costs


def _targets(name: str, table: Table, tasks: dict[str, Task]) -> Targets:
    if name not in tasks:
        raise table.fault(f"there is no task {name!r}{did_you_mean(name, tasks)}")
    targets = Targets(table.number("target"), table.number("limit"))
    table.close()
    if not DEAD_BAND <= targets.target < targets.limit:
        raise table.fault(f"target must be at least {DEAD_BAND}, which equal work may measure, and limit more")
    return targets


def _arrays(table: Table) -> tuple[str, ...]:
    for name in (names := table.texts("arrays", ())):
        if not ARRAYS.fullmatch(name):
            raise table.fault(f"arrays: {name!r} names no file of NumPy's arrays, such as 'weights.npz'", "arrays")
    return names


def _by_hand(name: str, table: Table, tasks: dict[str, Task]) -> ByHand:
    if name in (*tasks, QUIZ):
        raise table.fault(f"there is a task {name!r}, too: what is read by hand has a name of its own")
    part = ByHand(name, table.text("title"), table.number("points"), table.flag("extra"))
    table.close()
    return part


def _ranking(table: Table) -> Ranking:
    figure = table.text("figure")
    if figure not in (*COST_FIGURES, "ratio"):
        raise table.fault(f"figure must be one of {', '.join((*COST_FIGURES, 'ratio'))}, not {figure!r}")
    ranking = Ranking(table.text("name"), table.text("check"), figure)
    table.close()
    return ranking


def _quiz(table: Table) -> tuple[Question, ...]:
    questions: dict[str, Question] = {}
    for entry in table.entries("quiz"):
        question = read_question(entry)
        if question.id in questions:
            raise entry.fault(f"another question has the id {question.id!r}")
        questions[question.id] = question
    return tuple(questions.values())
