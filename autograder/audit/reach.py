"""Which checks can come to the lines that a known mistake changes: nobody needs to run the others to know how they end.

A check reaches a definition of the submission by naming it, in its own source or in that of whatever it names in turn:
fixtures and functions of its file, what hidden checks share, the assignment's helpers, other definitions of the
reference. Names are taken from identifiers and texts alike, and a text reaches all that begins with it
(`agrees.pair("max_pool2d", …)`), so that more is reached rather than less.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from autograder.assignment import QUIZ, SHARED, Assignment, Mistake, mistaken, points, reference_texts
from autograder.syntax import parse

Graph = dict[str, frozenset[str]]  # names that are defined, and what their definitions name


class Reach:
    """Of an assignment's checks into its reference.

    Args:
        assignment: facts.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.reference = reference_texts(assignment)
        self.defined = _definitions(*self.reference.values())

    def of(self, mistake: Mistake) -> tuple[str, ...]:
        """Names of the checks that a mistake can change the outcome of, sorted; all of them where it changes what runs
        at import."""
        other = _definitions(*mistaken(self.reference, mistake).values())
        changed = {name for name in self.defined.keys() | other.keys() if _differ(self.defined, other, name)}
        named = {*mistake.fails, *mistake.may_fail}
        checks = [check.name for check in points(self.assignment)]
        return tuple(
            sorted(
                name
                for name in checks
                if "" in changed or name in named or name.startswith(f"test_{QUIZ}") or changed & self.reached[name]
            )
        )

    @cached_property
    def reached(self) -> dict[str, frozenset[str]]:
        """What each check comes to, by its name; nothing for quiz questions."""
        below = _joined(*map(_graph, self.reference.values()), *map(_renamed, self.reference.values()))
        for shared in ("helpers.py", f"hidden/{SHARED}"):
            if (file := self.assignment.folder / shared).exists():
                below = _joined(below, _graph(file.read_text("utf-8")))
        found: dict[str, frozenset[str]] = {check.name: frozenset() for check in points(self.assignment)}
        for file in sorted(self.assignment.folder.glob("*/test_*.py")):
            graph = _joined(below, _graph(file.read_text("utf-8")))
            found |= {name: _closure(name, graph) for name in graph.keys() & found.keys()}
        return found


def _differ(first: dict[str, str], other: dict[str, str], name: str) -> bool:
    return first.get(name) != other.get(name)


def _definitions(*sources: str) -> dict[str, str]:
    """What each name at the top level is, as text without comments; statements that define nothing are under ""."""
    found: dict[str, str] = {}
    for node in (node for source in sources for node in parse(source).body):
        for name in _bound(node) or [""]:
            found[name] = found.get(name, "") + ast.dump(node)
    return found


def _graph(source: str) -> Graph:
    found: Graph = {}
    for node in parse(source).body:
        for name in _bound(node):
            found[name] = found.get(name, frozenset()) | frozenset(_named(node))
    return found


def _renamed(source: str) -> Graph:
    """Names under which something is imported that has another: `from layers import affine as full`."""
    imports = (node for node in parse(source).body if isinstance(node, ast.ImportFrom))
    return {each.asname: frozenset([each.name]) for node in imports for each in node.names if each.asname}


def _joined(*graphs: Graph) -> Graph:
    names = {name for graph in graphs for name in graph}
    return {name: frozenset().union(*(graph.get(name, ()) for graph in graphs)) for name in names}


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement at the top level defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)]
    return []


def _named(node: ast.AST) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            yield item.id
        elif isinstance(item, ast.Attribute):
            yield item.attr
        elif isinstance(item, ast.arg):
            yield item.arg  # a fixture
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield item.value


def _closure(start: str, graph: Graph) -> frozenset[str]:
    found, waiting = {start}, [start]
    while waiting:
        for name in _meant(graph[waiting.pop()], graph) - found:
            found.add(name)
            waiting.append(name)
    return frozenset(found)


def _meant(named: Iterable[str], graph: Graph) -> set[str]:
    """The definitions that names stand for: by whole, or by how they begin."""
    starts = tuple(f"{name}_" for name in named if name.isidentifier())
    return {name for name in graph if name in named or name.startswith(starts)}
