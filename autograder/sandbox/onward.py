"""An import that goes on: where a statement at the top level fails, what it would have bound becomes a stand-in that
raises the same error when it is used, and the statements below run all the same. So a package that is not there, a
file, a GPU cost those who use them, and nobody else. Runs in the worker: imports nothing of Deepgrade.
"""

import __future__

import ast
import io
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

USES = """
abs add aenter aexit aiter and await bool call ceil complex contains delitem divmod enter exit float floor floordiv
ge getitem gt iadd imul index int invert isub iter itruediv le len length_hint lshift lt matmul mod mro_entries mul neg
next or pos pow radd rand rdivmod reversed rfloordiv rlshift rmatmul rmod rmul ror round rpow rrshift rshift rsub
rtruediv rxor setitem sub truediv xor
""".split()  # noqa: SIM905


class StandIn:
    """Stands for what could not be made: raises why at every use."""

    __array_ufunc__ = None  # NumPy must not take it for a number

    def __init__(self, error: BaseException) -> None:
        self.__dict__.update(_error=error, _trace=error.__traceback__)

    def fail(self, *_: Any, **__: Any) -> NoReturn:
        """Raise what was raised at the import, with the line where that was."""
        error: BaseException = self.__dict__["_error"]
        trace: TracebackType | None = self.__dict__["_trace"]
        raise error.with_traceback(trace)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # who asks for these asks what kind of object it is
        self.fail()


for _use in USES:
    setattr(StandIn, f"__{_use}__", StandIn.fail)


def compile_source(path: Path, data: bytes) -> CodeType:
    """The code of a file, decoded as Python would (PEP 263, byte order mark)."""
    return compile(_decoded(data), str(path), "exec", dont_inherit=True)


def run_on(path: Path, module: ModuleType, code: CodeType | None = None) -> tuple[BaseException, ...]:
    """Execute a file in a module's namespace, whatever of it fails.

    Args:
        path: the file.
        module: where its names go.
        code: what it compiles to, where that is known.

    Returns:
        What was raised, in order.

    Raises:
        BaseException: whatever was raised first, where nothing was defined in spite of it.
    """
    data = path.read_bytes()
    try:
        exec(code or compile_source(path, data), module.__dict__)
        return ()
    except KeyboardInterrupt:  # whoever sits there has had enough
        raise
    except BaseException as error:
        first = error
    try:
        nodes = ast.parse(_decoded(data), str(path)).body
    except Exception:
        raise first from None
    position = -1 if _is_of_compiler(first, path) else _failed(first, nodes, path)
    if position is None:
        raise first
    raised = [] if position < 0 else [first]
    if position >= 0:
        _replace(nodes[position], first, module)
    raised += _run(nodes, position + 1, path, module, raised)
    if not any(_has(module, name) for node in nodes for name in _defined(node)):
        raise first
    return tuple({id(error): error for error in raised}.values())  # a stand-in raises the same again


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def _is_of_compiler(error: BaseException, path: Path) -> bool:
    """Whether nothing has run yet."""
    return isinstance(error, SyntaxError) and error.filename == str(path) and not _lines(error, path)


def _lines(error: BaseException, path: Path) -> list[int]:
    """The lines of the module, not of its functions, that an exception passed."""
    found, trace = list[int](), error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        if code.co_filename == str(path) and code.co_name == "<module>":
            found.append(trace.tb_lineno)
        trace = trace.tb_next
    return found


def _failed(error: BaseException, nodes: list[ast.stmt], path: Path) -> int | None:
    """The position of the statement that raised."""
    for line in _lines(error, path):
        for position, node in enumerate(nodes):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            if first <= line <= (node.end_lineno or node.lineno):
                return position
    return None


def _run(
    nodes: list[ast.stmt], start: int, path: Path, module: ModuleType, before: list[BaseException]
) -> list[BaseException]:
    """Execute the statements from a position on, one by one; returns what they raised."""
    flags, raised = _futures(nodes[:start]), list[BaseException]()
    for node in nodes[start:]:
        flags |= _futures([node])
        if any(isinstance(error, ImportError) for error in (*before, *raised)):
            flags |= __future__.annotations.compiler_flag  # a type of a package that is not there is nobody's need
        try:
            piece = ast.Module([node], [])
            exec(compile(piece, str(path), "exec", flags=flags, dont_inherit=True), module.__dict__)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raised.append(error)
            _replace(node, error, module)
    return raised


def _futures(nodes: list[ast.stmt]) -> int:
    names = [
        each.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for each in node.names
    ]
    features = [getattr(__future__, name, None) for name in names]
    flags = 0
    for feature in features:
        flags |= getattr(feature, "compiler_flag", 0)
    return flags


def _replace(node: ast.stmt, error: BaseException, module: ModuleType) -> None:
    """Stand-ins for all that a statement would have bound."""
    with suppress(Exception):
        vars(module).update({name: StandIn(error) for name in _bound(node)})


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (each.asname or each.name.partition(".")[0] for each in node.names if each.name != "*")
    elif isinstance(node, ast.Name):
        yield from [node.id] if isinstance(node.ctx, ast.Store) else []
    else:
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names of what a statement makes; what it imports is no work."""
    return iter(()) if isinstance(node, ast.Import | ast.ImportFrom) else _bound(node)


def _has(module: ModuleType, name: str) -> bool:
    return name in vars(module) and not isinstance(vars(module)[name], StandIn)
