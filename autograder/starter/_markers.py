"""Where the solutions stand in a reference: its marked blocks, checked before anything is taken out."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from autograder.assignment import QUIZ, Assignment
from autograder.errors import AuthoringError, did_you_mean
from autograder.syntax import parse

BEGIN = re.compile(r"( *)### BEGIN SOLUTION (\w+)\.(\w+)")
END = re.compile(r"( *)### END SOLUTION")
ALMOST = re.compile(r"\b(BEGIN|END)[\W_]*SOLUTION\b", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.ClassDef
BODY = (ast.stmt, ast.ExceptHandler, ast.match_case)


@dataclass(frozen=True)
class Block:
    """A marked block: its task, the lines of its two markers (counted from 1), and the column both stand at."""

    task: str
    begin: int
    end: int
    indent: int


def solution_blocks(source: str, assignment: Assignment, part: str = "") -> tuple[Block, ...]:
    """The marked blocks of a reference, or of a part of it, in order.

    Raises:
        AuthoringError: a marker is nested, unclosed, stray, misindented or misspelt, names an unknown task, stands
            where nothing can replace its code, or a public function has none. The message gives file and line.
    """
    assignment = replace(assignment, solution=assignment.solutions[part or assignment.deliverable])  # for messages
    blocks = tuple(_pairs(source, assignment))
    try:
        module = parse(source)
    except SyntaxError as error:
        raise _fault(assignment, error.lineno or 0, f"cannot be parsed: {error.msg}") from error
    for block in blocks:
        _check_place(block, module, assignment)
    _check_complete(blocks, module, assignment, part)
    return blocks


def _pairs(source: str, assignment: Assignment) -> Iterator[Block]:
    opened: tuple[int, int, str] | None = None
    for line, text in enumerate(source.split("\n"), start=1):
        if begin := BEGIN.fullmatch(text):
            if opened:
                raise _fault(assignment, line, f"a solution begins inside the one that began in line {opened[0]}")
            opened = line, len(begin[1]), _task_named(begin[2], begin[3], assignment, line)
        elif end := END.fullmatch(text):
            if not opened:
                raise _fault(assignment, line, "a solution ends here, but none has begun")
            if len(end[1]) != opened[1]:
                raise _fault(assignment, line, f"this marker is not indented as the one in line {opened[0]}")
            yield Block(opened[2], opened[0], line, opened[1])
            opened = None
        elif ALMOST.search(text):
            want = "'### BEGIN SOLUTION assignment.task' or '### END SOLUTION', alone on its line"
            raise _fault(assignment, line, f"this looks like a marker, but a marker is {want}")
    if opened:
        raise _fault(assignment, opened[0], "the solution that begins here never ends")


def _task_named(name: str, task: str, assignment: Assignment, line: int) -> str:
    if name != assignment.name:
        raise _fault(assignment, line, f"the marker names the assignment {name!r}, but this is {assignment.name!r}")
    known = [*assignment.tasks, QUIZ]
    if task not in known:
        raise _fault(assignment, line, f"there is no task {task!r}{did_you_mean(task, known)}")
    return task


def _check_place(block: Block, module: ast.Module, assignment: Assignment) -> None:
    """The block wraps whole statements, at their own indentation, of the module or of a function of its own task."""
    wrapped = list(_wrapped(block, module, (), assignment))
    if not wrapped:
        raise _fault(assignment, block.begin, "the solution that begins here wraps no code")
    statement, scopes = wrapped[0]
    if statement.col_offset != block.indent:
        raise _fault(assignment, block.begin, "the markers are not indented as the code that they wrap")
    if block.indent and not (scopes and isinstance(scopes[-1], Function)):
        raise _fault(assignment, block.begin, "an indented solution must stand in the body of a function")
    for scope in scopes:
        owner = _owner(scope.name, assignment)
        if owner not in (block.task, None):
            raise _fault(assignment, block.begin, f"{scope.name} belongs to task {owner!r}, not to {block.task!r}")


def _wrapped(
    block: Block, node: ast.AST, scopes: tuple[Scope, ...], assignment: Assignment
) -> Iterator[tuple[ast.stmt, tuple[Scope, ...]]]:
    """The outermost statements between the two markers, each with the functions and classes around it."""
    for child in _statements(node):
        first, last = first_line(child), child.end_lineno or child.lineno
        if last < block.begin or first > block.end:
            continue
        if block.begin < first and last < block.end:
            yield child, scopes
        elif _header_end(child) < block.begin and any(_statements(child)):
            yield from _wrapped(block, child, (*scopes, child) if isinstance(child, Scope) else scopes, assignment)
        else:
            raise _fault(assignment, first, f"a marker of the solution in line {block.begin} cuts this in two")


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _statements(child)


def _header_end(node: ast.stmt) -> int:
    """The last line of what stands before a statement's body: decorators, signature, condition."""
    parts = (part for child in ast.iter_child_nodes(node) if not isinstance(child, BODY) for part in ast.walk(child))
    return max([node.lineno, *(getattr(part, "end_lineno", 0) for part in parts)])


def first_line(node: ast.stmt) -> int:
    """The line where a statement begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _owner(name: str, assignment: Assignment) -> str | None:
    return next((task.name for task in assignment.tasks.values() if name in task.functions), None)


def _check_complete(blocks: tuple[Block, ...], module: ast.Module, assignment: Assignment, part: str) -> None:
    """Every public name is there with something to write in it, here or in the part that it is imported from, and the
    deliverable has the quiz's answers."""
    defined = {node.name: node for node in module.body if isinstance(node, Scope)}
    elsewhere = {name for node in module.body for name in _from_parts(node, assignment)}
    for name in assignment.public_names:
        if name not in defined and name not in elsewhere and not part:
            raise _fault(assignment, 1, f"{name} is not defined{did_you_mean(name, defined)}")
        node = defined.get(name)
        if node and not any(node.lineno < block.begin <= (node.end_lineno or 0) for block in blocks):
            raise _fault(assignment, node.lineno, f"{name} has no solution block: the starter would give it away")
    if part and not blocks:
        raise _fault(assignment, 1, f"nothing is left to write in {part}: what students do not write is given (given/)")
    quizzes = [block for block in blocks if block.task == QUIZ]
    if len(quizzes) != (wanted := 1 if assignment.quiz and not part else 0):
        message = f"{len(quizzes)} solutions are called {assignment.name}.{QUIZ}, not {wanted}"
        raise _fault(assignment, quizzes[-1].begin if quizzes else 1, message)


def _from_parts(node: ast.stmt, assignment: Assignment) -> Iterator[str]:
    """Names that a statement imports from the assignment's parts."""
    if isinstance(node, ast.ImportFrom) and not node.level and node.module in assignment.parts:
        yield from (each.asname or each.name for each in node.names)


def _fault(assignment: Assignment, line: int, message: str) -> AuthoringError:
    return AuthoringError(f"{assignment.solution}:{line}: {message}")
