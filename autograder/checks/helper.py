"""What an assignment's helpers do, in the student's words: read from their source, for messages. A student knows their
functions, not our helpers."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.syntax import parse

FILE = "helpers.py"


@dataclass(frozen=True)
class Helper:
    """One helper.

    Attributes:
        says: the first sentence of its docstring, without the point.
        parameters: without the first, which is the submission.
        passes_on: whether it takes any arguments, for a function of the submission.
        uses: names of the submission that it and the helpers that it calls use.
    """

    says: str
    parameters: tuple[str, ...] = ()
    passes_on: bool = False
    uses: tuple[str, ...] = ()


def helper(folder: Path, name: str) -> Helper:
    """The helper of an assignment; one about which nothing is known where there is none of that name."""
    return _helpers(folder).get(name, Helper(name))


@cache
def _helpers(folder: Path) -> dict[str, Helper]:
    try:
        module = parse((folder / FILE).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    return {name: _read(node, functions) for name, node in functions.items()}


def _read(node: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> Helper:
    said = " ".join((ast.get_docstring(node) or node.name).split("\n\n")[0].split())
    parameters = tuple(each.arg for each in node.args.args[1:])
    uses = dict.fromkeys(_uses(node, functions, set()))
    return Helper(said.split(". ")[0].rstrip("."), parameters, node.args.vararg is not None, tuple(uses))


def _uses(node: ast.FunctionDef, functions: dict[str, ast.FunctionDef], seen: set[str]) -> list[str]:
    first = node.args.args[0].arg if node.args.args else ""
    found = []
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == first:
            found.append(each.attr)
        if isinstance(each, ast.Name) and each.id in functions and each.id not in seen:
            found += _uses(functions[each.id], functions, seen | {each.id})
    return found
