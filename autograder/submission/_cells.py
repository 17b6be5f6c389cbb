"""A cell's statements: which names each binds, needs and changes. Parsed, never run, without IPython's lines."""

import ast
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.errors import SubmissionError
from autograder.submission._files import shown

RUNS_PYTHON = ("%%time", "%%capture", "%%prun")  # of the cell magics, those whose cell is Python that binds names
MAX_MAGICS = 100  # IPython lines in a cell; each costs a parse


@dataclass(frozen=True)
class Cell:
    """A code cell; `number` counts all cells from 1."""

    number: int
    source: str


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a cell, and the module-level names that it binds, needs, and changes in place."""

    cell: int
    line: int
    text: str
    binds: frozenset[str]
    needs: frozenset[str]
    changes: frozenset[str]
    is_import: bool
    is_future: bool
    is_star: bool


def statements(cell: Cell, name: str) -> list[Statement]:
    """The statements of a cell, in order.

    Raises:
        SubmissionError: the cell is not Python; the message gives cell and line.
    """
    lines, where = cell.source.replace("\r\n", "\n").replace("\r", "\n").split("\n"), f"{name}, cell {cell.number}"
    try:
        if "\0" in cell.source:
            raise ValueError("NUL")  # as Python 3.11 does; later ones have a SyntaxError without a line
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string concerns its author only
            module = _parsed_without_magics(lines)
            return [_statement(node, lines, cell.number) for node in module.body]
    except SyntaxError as error:
        line = lines[error.lineno - 1].strip() if error.lineno and error.lineno <= len(lines) else ""
        place = f"{where}, line {error.lineno}" if error.lineno else where
        message = ": ".join(filter(None, (place, shown(error.msg), shown(line))))
        raise SubmissionError(message, help="Correct the cell, or delete it.") from error
    except ValueError as error:  # NUL, or half of a surrogate pair
        raise SubmissionError(f"{where}: it holds a character that code cannot have ({shown(error)})") from error
    except (RecursionError, MemoryError) as error:
        raise SubmissionError(f"{where}: an expression is nested too deeply") from error


def _parsed_without_magics(lines: list[str]) -> ast.Module:
    """The parsed cell; lines that only IPython understands are emptied in place. What parses as Python is Python."""
    first = next((position for position, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        whole = lines[first].split()[0] not in RUNS_PYTHON
        lines[first:] = [""] * (len(lines) - first) if whole else ["", *lines[first + 1 :]]
    for _ in range(MAX_MAGICS):
        try:
            return ast.parse("\n".join(lines))
        except SyntaxError as error:
            position = (error.lineno or 0) - 1
            if not (0 <= position < len(lines) and _is_magic(lines[position])):
                raise
            _empty(lines, position)
    raise SyntaxError(f"more than {MAX_MAGICS} lines are for IPython")


def _is_magic(line: str) -> bool:
    """`%matplotlib inline`, `!ls`, `?help`, `help?`, `files = !ls`, where Python has found an error already."""
    line = line.strip()
    target, _, value = line.partition("=")
    assigned = value.strip().startswith(("%", "!")) and all(part.strip().isidentifier() for part in target.split(","))
    return line.startswith(("%", "!", "?")) or line.endswith("?") or assigned


def _empty(lines: list[str], position: int) -> None:
    """Put a `pass` in place of a line and of those that its trailing backslash continues."""
    line = lines[position]
    lines[position] = line[: len(line) - len(line.lstrip())] + "pass"
    while line.endswith("\\") and position + 1 < len(lines):
        position += 1
        line, lines[position] = lines[position], ""


def _statement(node: ast.stmt, lines: list[str], cell: int) -> Statement:
    first = min([node.lineno, *(decorator.lineno for decorator in _decorators(node))])
    text = _cut(lines, first, 0 if _decorators(node) else node.col_offset, node.end_lineno, node.end_col_offset)
    try:
        table = symtable.symtable(text, "cell", "exec")
    except SyntaxError as error:
        error.lineno = (error.lineno or 1) + first - 1
        raise
    symbols = [] if isinstance(node, ast.Delete) else table.get_symbols()
    source, names = (node.module, node.names) if isinstance(node, ast.ImportFrom) else (None, [])
    return Statement(
        cell=cell,
        line=first,
        text=text,
        binds=frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()),
        needs=frozenset(symbol.get_name() for symbol in symbols if symbol.is_referenced()) | {*_globals(table)},
        changes=frozenset(_changes(node)),
        is_import=isinstance(node, ast.Import | ast.ImportFrom),
        is_future=source == "__future__",
        is_star=any(alias.name == "*" for alias in names),
    )


def _cut(lines: list[str], first: int, start: int, last: int | None, end: int | None) -> str:
    """The text between two places; columns count UTF-8 bytes, as `ast` does."""
    cut = [line.encode() for line in lines[first - 1 : last]]
    cut[-1] = cut[-1][:end]
    cut[0] = cut[0][start:]
    return b"\n".join(cut).decode()


def _decorators(node: ast.AST) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """The module-level names that functions, classes and comprehensions inside refer to."""
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
        yield from _globals(inner)


def _changes(node: ast.stmt) -> Iterator[str]:
    """Names whose attributes or items the statement assigns to, and what a decorator is given, `@adds_to(Net)`."""
    for decorator in _decorators(node):
        yield from (part.id for part in ast.walk(decorator) if isinstance(part, ast.Name))
    todo: list[ast.AST] = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        todo += ast.iter_child_nodes(part)
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store):
            root: ast.expr = part
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id
