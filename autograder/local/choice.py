"""Which file is checked, and which of its checks are run: what a student's words on the command line mean."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder.assignment import QUIZ, Assignment, CheckFacts
from autograder.errors import UsageError, did_you_mean
from autograder.submission import outline

SUFFIXES = (".py", ".ipynb", ".zip")


def parted(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The words that are files, and those that name tasks, functions or checks."""
    files = [word for word in words if Path(word).suffix in SUFFIXES or Path(word).is_dir()]
    if len(files) > 1:
        raise UsageError(f"one file at a time, not {' and '.join(files)}")
    return [Path(file) for file in files], [word for word in words if word not in files]


def work_in(folder: Path, assignment: Assignment) -> tuple[Path, str]:
    """Of the module and the notebook in a folder the one that would be graded, and a note where the other holds work
    too; the folder itself where neither is there."""
    found = {path: written(path, assignment) for path in candidates(folder, assignment)}
    if not found:
        return folder, ""
    best, *others = sorted(found, key=lambda path: -found[path])
    more = [f"{other.name} holds work too, in {found[other]} parts" for other in others if found[other]]
    note = f"{'; '.join(more)}. {best.name}, with {found[best]}, is what would be graded." if more else ""
    return best, note


def candidates(folder: Path, assignment: Assignment) -> list[Path]:
    """The module and the notebook of a starter, those that are there."""
    names = f"{assignment.deliverable}.py", f"{assignment.deliverable}.ipynb"
    return [folder / name for name in names if (folder / name).is_file()]


def written(path: Path, assignment: Assignment) -> int:
    """In how many of the parts that are asked for something is written."""
    return len(outline(path.read_bytes(), path.name, assignment).written)


def chosen(
    names: Iterable[str], parts: Iterable[str], checks: Sequence[CheckFacts], assignment: Assignment
) -> tuple[str, ...]:
    """Names of the checks that are meant; none means all.

    Args:
        names: of tasks, functions, checks or numbers, exact ones first.
        parts: of names or titles of checks, as for `-k`.
        checks: there are.
        assignment: whose.

    Raises:
        UsageError: there is no such thing; the message names one that is near.
    """
    found: list[CheckFacts] = []
    for name in names:
        named = _named(name, checks, assignment)
        if name not in (QUIZ, *assignment.tasks, *assignment.public_names) and not named:
            raise _unknown(f"no task, function or check is called {name!r}", name, checks, assignment)
        found += named
    for part in parts:
        having = _containing(part, checks)
        if not having:
            raise _unknown(f"no public check has {part!r} in its name", part, checks, assignment)
        found += having
    return tuple(dict.fromkeys(check.name for check in found))


def _named(name: str, checks: Sequence[CheckFacts], assignment: Assignment) -> list[CheckFacts]:
    """Those that a name stands for: a check's number or name, a task, a function."""
    exact = [check for check in checks if name in (check.number, check.name)]
    if exact or name in assignment.tasks:
        return exact or [check for check in checks if check.task == name]
    owner = next((task.name for task in assignment.tasks.values() if name in task.functions), "")
    of_task = [check for check in checks if check.task == owner]
    return [check for check in of_task if name in check.title] or of_task


def _containing(part: str, checks: Sequence[CheckFacts]) -> list[CheckFacts]:
    wanted = part.lower()
    return [check for check in checks if wanted in check.name.lower() or wanted in check.title.lower()]


def _unknown(told: str, word: str, checks: Sequence[CheckFacts], assignment: Assignment) -> UsageError:
    known = [*assignment.tasks, *assignment.public_names, *(check.name for check in checks)]
    tasks = ", ".join(assignment.tasks)
    return UsageError(f"{told}{did_you_mean(word, known)}", help=f"The tasks are {tasks}.")
