"""What is known of an assignment's checks without running them: their decorators, read with `ast`."""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.assignment._course import VISIBILITIES
from autograder.assignment._facts import QUIZ, Assignment
from autograder.assignment._source import parsed
from autograder.errors import AuthoringError, did_you_mean

KINDS = ("agreement", "property", "dtype", "cost", "race", "quiz")
SHARED = "shared.py"  # what hidden checks import from each other stands there, in their folder
MARKER = ("kind", "extra")  # what @pytest.mark.task takes beside the task
EXTRA = " (extra credit)"  # ends the name of such a check, wherever that is shown
WEIGHTS = ("weight", "partial_credit")  # of the two the outer one wins, as in gradescope_utils


@dataclass(frozen=True)
class CheckFacts:
    """A check as its decorators describe it; `title`, the first line of its docstring, is its name in the results.
    `extra` where its points come on top of the 100."""

    name: str
    number: str
    weight: float
    task: str
    kind: str
    title: str
    is_public: bool
    visibility: str = "visible"
    tags: tuple[str, ...] = ()
    hide_errors: str | None = None
    extra: bool = False


def points(assignment: Assignment) -> tuple[CheckFacts, ...]:
    """All checks and what they are worth: public, hidden, then the quiz with one point a question. Nothing is run.

    Raises:
        AuthoringError: a check has no weight, task or docstring, names an unknown task or kind, or has another's name.
    """
    checks: dict[str, CheckFacts] = {}
    for room in ("public", "hidden"):
        for file in sorted((assignment.folder / room).glob("test_*.py")):
            for check in _checks_in(file, assignment, is_public=room == "public"):
                if check.name in checks:
                    raise AuthoringError(f"{file}: another check of this assignment is called {check.name!r} too")
                checks[check.name] = check
    _refuse_shared(assignment.folder / "hidden" / SHARED)
    for position, question in enumerate(assignment.quiz, start=1):
        name, title = f"test_quiz[{question.id}]", f"quiz {question.id}: {question.asked()}"
        checks[name] = CheckFacts(
            name, f"0.{position}", 1, QUIZ, QUIZ, title, is_public=False, visibility=assignment.visibility
        )
    return tuple(checks.values())


def is_chosen(check: str, only: Collection[str]) -> bool:
    """Whether a check is to run: any where none is named; questions of the quiz by their names or, `test_quiz`, all."""
    return not only or check in only or check.partition("[")[0] in only


def _refuse_shared(file: Path) -> None:
    """Refuse checks where none is looked for."""
    for node in parsed(file).body if file.exists() else ():
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            raise AuthoringError(
                f"{file}:{node.lineno}: {node.name} would not run: files of checks are called test_*.py"
            )


def _checks_in(file: Path, assignment: Assignment, *, is_public: bool) -> Iterator[CheckFacts]:
    for node in parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            raise AuthoringError(f"{file}:{node.lineno}: checks are functions; {node.name} is a class")
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield _check(node, f"{file}:{node.lineno}: {node.name}", assignment, is_public=is_public)


def _check(node: ast.FunctionDef, where: str, assignment: Assignment, *, is_public: bool) -> CheckFacts:
    decorators = [(last_name(call.func), call) for call in node.decorator_list if isinstance(call, ast.Call)]
    calls = dict(reversed(decorators))
    weight = _argument(calls, next((name for name, _ in decorators if name in WEIGHTS), ""), where)
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight >= 0:
        raise AuthoringError(f"{where} needs a weight that is a number and not negative, as in @weight(2)")
    if "task" not in calls:
        raise AuthoringError(f'{where} does not say which task it checks, as in @pytest.mark.task("name")')
    task, kind = _argument(calls, "task", where), _argument(calls, "task", where, "kind") or "agreement"
    _refuse_unknown(task, assignment.tasks, f"{where}: there is no task")
    _refuse_unknown(kind, KINDS, f"{where}: there is no kind of check")
    extra = _is_extra(calls, where) or assignment.tasks[task].extra
    title = (ast.get_docstring(node) or "").partition("\n")[0].strip()
    if not title:
        raise AuthoringError(f"{where} needs a docstring, whose first line is the check's name in the results")
    return CheckFacts(
        name=node.name,
        number=str(_argument(calls, "number", where) or ""),
        weight=weight,
        task=task,
        kind=kind,
        title=title + EXTRA if extra else title,
        is_public=is_public,
        visibility=_visibility(calls, where, "visible" if is_public else assignment.visibility),
        tags=_tags(calls),
        hide_errors=(_argument(calls, "hide_errors", where) or "Test failed") if "hide_errors" in calls else None,
        extra=extra,
    )


def _is_extra(calls: dict[str, ast.Call], where: str) -> bool:
    """Whether the marker of the task says `extra=True`; what else it says must be known."""
    for keyword in calls["task"].keywords:
        _refuse_unknown(keyword.arg, MARKER, f"{where}: @pytest.mark.task takes no")
    extra = _argument(calls, "task", where, "extra")
    if extra not in (None, True, False):
        raise AuthoringError(f"{where}: extra must be True or False, not {extra!r}")
    return bool(extra)


def _visibility(calls: dict[str, ast.Call], where: str, default: str) -> str:
    visibility = _argument(calls, "visibility", where) or default
    _refuse_unknown(visibility, VISIBILITIES, f"{where}: there is no visibility")
    return str(visibility)


def _tags(calls: dict[str, ast.Call]) -> tuple[str, ...]:
    return tuple(str(ast.literal_eval(tag)) for tag in calls["tags"].args) if "tags" in calls else ()


def last_name(node: ast.expr) -> str:
    """`weight` for both `weight(2)` and `decorators.weight(2)`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _argument(calls: dict[str, ast.Call], decorator: str, where: str, key: str = "") -> Any:
    """The first argument of a decorator, or the one called `key`; None where there is none."""
    if decorator not in calls:
        return None
    call = calls[decorator]
    values = [keyword.value for keyword in call.keywords if keyword.arg == key] if key else call.args[:1]
    try:
        return ast.literal_eval(values[0]) if values else None
    except ValueError as error:
        raise AuthoringError(f"{where}: the arguments of @{decorator} must be plain values") from error


def _refuse_unknown(word: Any, known: Iterable[str], complaint: str) -> None:
    if word not in known:
        raise AuthoringError(f"{complaint} {word!r}{did_you_mean(str(word), known)}")
