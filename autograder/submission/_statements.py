"""What a statement at the top level does to names: which it binds, needs and changes, and what its calls do."""

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.submission._parse import first_line

# Methods that change their object, and functions that change what they are given first.
CHANGING = frozenset(
    """
    add append appendleft clear difference_update discard extend insert intersection_update pop popitem register
    register_buffer register_forward_hook register_module register_parameter remove reverse setdefault setflags
    sort update __setattr__ __setitem__
    """.split()  # noqa: SIM905
)
SETTERS = frozenset(("setattr", "delattr"))
# Methods that are called for a look, a step of training or a device: not what a task's result hangs on.
LOOKING = frozenset(
    """
    backward cpu cuda describe eval fit float half head info parameters plot requires_grad_ show step summary
    tail to train zero_grad
    """.split()  # noqa: SIM905
)
# Packages whose functions look at what they are given.
QUIET = frozenset(
    """
    IPython altair bokeh cProfile doctest gc inspect logging matplotlib pdb plotly pprint pytest rich seaborn
    sys textwrap time timeit torchsummary torchinfo torchviz tqdm traceback unittest warnings
    """.split()  # noqa: SIM905
)
SPACES = frozenset(("globals", "vars", "locals"))
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a piece of code.

    Attributes:
        piece: the number of the piece, a notebook's cell.
        line: where it begins there.
        text: as it stands there.
        binds: module-level names that it binds.
        needs: module-level names that it refers to, now or when what it defines is called.
        changes: names whose objects it changes.
        calls: names that it calls.
        gives: the names that each call to a name or an imported function is given.
        source: of a `from … import`, the module.
        package: of an import, the package.
        is_wild: it may bind any name.
        does: what calling the names that it defines does: changes, calls, and whether arguments are written into.
    """

    piece: int
    line: int
    text: str
    binds: frozenset[str]
    needs: frozenset[str]
    changes: frozenset[str]
    calls: frozenset[str]
    gives: tuple[tuple[str, frozenset[str]], ...]
    source: str
    package: str
    is_import: bool
    is_future: bool
    is_wild: bool
    does: "Deeds | None"


@dataclass(frozen=True)
class Deeds:
    """What happens when a function of the submission is called, or a class made or inherited from."""

    changes: frozenset[str]
    calls: frozenset[str]
    writes: bool


def statement(node: ast.stmt, lines: list[str], piece: int) -> Statement:
    """One statement of the parsed lines.

    Raises:
        SyntaxError: it parses, but its names make no sense; the error's line is one of the piece.
    """
    first = first_line(node)
    text = _cut(lines, first, 0 if first < node.lineno else node.col_offset, node.end_lineno, node.end_col_offset)
    try:
        table = symtable.symtable(text, "cell", "exec")
    except SyntaxError as error:
        error.lineno = (error.lineno or 1) + first - 1
        raise
    symbols = [] if isinstance(node, ast.Delete) else table.get_symbols()
    source = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    names = node.names if isinstance(node, ast.ImportFrom | ast.Import) else []
    now = _Now(node)
    return Statement(
        piece=piece,
        line=first,
        text=text,
        binds=frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())
        | now.binds,
        needs=frozenset(symbol.get_name() for symbol in symbols if symbol.is_referenced()) | {*_globals(table)},
        changes=frozenset(now.changes),
        calls=frozenset(now.calls),
        gives=tuple((called, frozenset(given)) for called, given in now.gives),
        source=source,
        package=(source or (names[0].name if names else "")).partition(".")[0],
        is_import=bool(names),
        is_future=source == "__future__",
        is_wild=now.is_wild or any(alias.name == "*" for alias in names),
        does=_deeds(node),
    )


def _cut(lines: list[str], first: int, start: int, last: int | None, end: int | None) -> str:
    """The text between two places; columns count UTF-8 bytes, as `ast` does."""
    cut = [line.encode() for line in lines[first - 1 : last]]
    cut[-1] = cut[-1][:end]
    cut[0] = cut[0][start:]
    return b"\n".join(cut).decode()


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """The module-level names that functions, classes and comprehensions inside refer to."""
    for inner in table.get_children():
        yield from (symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
        yield from _globals(inner)


def root(node: ast.AST) -> str:
    """The name that an attribute, an item or a call's result hangs on; empty where there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


class _Now:
    """What a statement does when the module is imported: its definitions' bodies are not looked into."""

    def __init__(self, node: ast.stmt) -> None:
        self.binds, self.changes, self.calls, self.is_wild = set[str](), set[str](), set[str](), False
        self.gives = list[tuple[str, set[str]]]()
        self._look(node, looped=False)

    def _look(self, node: ast.AST, looped: bool) -> None:
        if isinstance(node, Definition):
            for decorator in node.decorator_list:
                self._given_to(decorator, node.name)
            self.calls |= {root(base) for base in getattr(node, "bases", [])} - {""}
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            self._stores(node)
        elif isinstance(node, ast.Call):
            self._called(node, for_effect=False)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._called(node.value, for_effect=not looped)
        inside = looped or isinstance(node, ast.For | ast.AsyncFor | ast.While)
        for child in ast.iter_child_nodes(node):
            self._look(child, inside)

    def _given_to(self, decorator: ast.expr, name: str) -> None:
        """A decorator: its names may keep what it is given, and it may do what they do."""
        names = {part.id for part in ast.walk(decorator) if isinstance(part, ast.Name)}
        if isinstance(decorator, ast.Call | ast.Name | ast.Attribute):
            self.calls |= names
            self.gives += [(each, {name}) for each in names]
        self.changes |= names

    def _stores(self, node: ast.Attribute | ast.Subscript) -> None:
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute | ast.Subscript) and not _is_space(inner.value):
            inner = inner.value
        if isinstance(inner, ast.Subscript):
            key = inner.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.binds.add(key.value)
            else:
                self.is_wild = True
        elif name := root(node):
            self.changes.add(name)

    def _called(self, call: ast.Call, for_effect: bool) -> None:
        name = root(call.func)
        given = {each for item in (*call.args, *(word.value for word in call.keywords)) if (each := root(item))}
        if isinstance(call.func, ast.Attribute):
            if _is_space(call.func.value) and call.func.attr in CHANGING:
                self.is_wild = True
            method = call.func.attr
            if name and (method in CHANGING or (for_effect and method not in LOOKING)):
                self.changes.add(name)
        elif name in SETTERS and call.args:
            self.changes.add(root(call.args[0]))
        elif name == "exec":
            self.is_wild = True
        if name:
            self.calls.add(name)
            if given and (for_effect or isinstance(call.func, ast.Name)):
                self.gives.append((name, given))


def _is_space(node: ast.AST) -> bool:
    """`globals()` and its kin."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPACES


def _deeds(node: ast.stmt) -> Deeds | None:
    """What a call of what a statement defines does, as far as names of the module go."""
    if isinstance(node, Definition):
        body: ast.AST = node
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        body = node.value
    else:
        return None
    parts = list(ast.walk(body))
    declared = {name for part in parts if isinstance(part, ast.Global) for name in part.names}
    params = {part.arg for part in parts if isinstance(part, ast.arg)}
    stored = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    local = (params | stored) - declared
    touched, calls = declared & stored, set[str]()
    if isinstance(node, ast.ClassDef) and any(getattr(part, "name", "") == "__init_subclass__" for part in node.body):
        touched.add(node.name)  # who inherits from it may be noted there
    for part in parts:
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            touched.add(root(part))
        elif isinstance(part, ast.Call):
            name = root(part.func)
            calls.add(name)
            if isinstance(part.func, ast.Attribute) and part.func.attr in CHANGING:
                touched.add(name)
            elif name in SETTERS and part.args:
                touched.add(root(part.args[0]))
    return Deeds(frozenset(touched - local - {""}), frozenset(calls - local - {""}), bool(touched & params - {"self"}))
