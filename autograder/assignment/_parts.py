"""Parts: further modules that students write and hand in beside the deliverable, which imports them."""

import ast
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from autograder.assignment._facts import Assignment
from autograder.assignment._given import TAKEN, given_files, imported
from autograder.assignment._source import parsed
from autograder.errors import AuthoringError, did_you_mean


def reference_texts(assignment: Assignment) -> dict[str, str]:
    """The reference's source by module, the deliverable's first.

    Raises:
        AuthoringError: a file of it cannot be read.
    """
    return {name: _read(path) for name, path in assignment.solutions.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthoringError(f"{path}: cannot be read ({error})") from error


def refuse_parts(assignment: Assignment) -> None:
    """Refuse parts under whose names another module would be imported, and a reference that does not use them as
    students must: the deliverable has every function that is asked for, and parts know nothing of it.

    Raises:
        AuthoringError: the message names the file.
    """
    if not assignment.parts:
        return
    for name in assignment.parts:
        if owner := _owner(name, assignment):
            told = f"parts: there is another module {name!r}, {owner}: call the part something else"
            raise AuthoringError(f"{assignment.folder / 'assignment.toml'}: {told}")
    helpers = assignment.folder / "helpers.py"
    if helpers.exists() and (found := {*imported(parsed(helpers))}.intersection(assignment.solutions)):
        raise AuthoringError(f"{helpers} imports {min(found)}, which students write: helpers are given their module")
    if assignment.solution.exists():
        _refuse_reference(assignment)


def _owner(name: str, assignment: Assignment) -> str:
    """Whose module a name is already; empty where it is free."""
    if f"{name}.py" in given_files(assignment):
        return "which is given"
    if name in sys.stdlib_module_names:
        return "of Python's own"
    if name in TAKEN:
        return "of the grader's"
    installed = metadata.packages_distributions().get(name, [])
    return f"of the package {installed[0]}, which is installed" if installed else ""


def _refuse_reference(assignment: Assignment) -> None:
    for name, path in assignment.solutions.items():
        if not path.exists():
            raise AuthoringError(f"{path} is missing: the reference of the part {name}")
    trees = {name: parsed(path) for name, path in assignment.solutions.items()}
    uses = {name: [each for each in dict.fromkeys(imported(tree)) if each in trees] for name, tree in trees.items()}
    for part in assignment.parts:
        if assignment.deliverable in uses[part]:
            raise AuthoringError(f"{assignment.solutions[part]} imports {assignment.deliverable}, which imports it")
        if way := _way(part, part, uses):
            circle = ", which imports ".join(way)
            raise AuthoringError(f"{assignment.solutions[part]}: the parts import each other in a circle: {circle}")
        if not _way(assignment.deliverable, part, uses):
            raise AuthoringError(f"{assignment.solution}: nothing imports the part {part}, so nothing of it is called")
    has = {name for node in trees[assignment.deliverable].body for name in _bound(node)}
    for name in assignment.public_names:
        if name not in has:
            near = did_you_mean(name, has)
            told = f"{name} is neither defined here nor imported from a part{near}: checks look for it here"
            raise AuthoringError(f"{assignment.solution}: {told}")


def _way(start: str, end: str, uses: dict[str, list[str]]) -> list[str]:
    """The modules from one to another, each importing the next, both included; empty where there is no way."""
    ways = [[start, each] for each in uses[start]]
    for way in ways:
        if way[-1] == end:
            return way
        ways += [[*way, each] for each in uses[way[-1]] if each not in way[1:]]
    return []


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top level makes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (each.asname or each.name for each in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name))
