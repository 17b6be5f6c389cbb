"""What in a submission's source a human should look at: it reaches for the interpreter's or the grader's insides.

A flag is a reason to read a line, never a verdict and never a score: the sandbox decides what code can do.
"""

import ast
import re
from collections.abc import Iterator

MODULES = {
    *("autograder", "pytest", "_pytest", "gradescope_utils", "ctypes", "cffi", "gc", "inspect", "importlib", "sys"),
    *("subprocess", "multiprocessing", "socket", "signal", "atexit", "builtins", "faulthandler", "resource", "mmap"),
}
HARMLESS = {
    "sys": {"path", "argv", "float_info", "maxsize", "version", "version_info", "stdout", "stderr", "platform", "exit"}
}
CALLS = {"eval", "exec", "compile", "__import__", "globals", "vars", "setattr", "delattr"}
NAMES = {
    *("__subclasses__", "__globals__", "__builtins__", "__code__", "__closure__", "__bases__", "__mro__", "__loader__"),
    *("f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "_getframe", "_exit", "__torch_function__"),
    *("__torch_dispatch__", "__array_ufunc__", "__array_function__", "__eq__", "__del__", "__reduce__", "__class__"),
}
TEXTS = re.compile(r"/proc/|results\.json|/autograder|solutions/|mistakes\.toml|test_hidden|/etc/passwd")
PATCHED = {"torch", "np", "numpy", "nn", "F"}
MOST = 20


def integrity_flags(source: str, file: str = "") -> list[str]:
    """`line 12: gc, an import` and so on, at most MOST of them, in order of line, `file` before each; none where it
    cannot be parsed."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = sorted({(getattr(node, "lineno", 0), what) for node in ast.walk(tree) for what in _reaches(node)})
    return [f"{file}line {line}: {what}" for line, what in found[:MOST]]


def _reaches(node: ast.AST) -> Iterator[str]:
    """What a node reaches for, in words; every node that yields has a line."""
    if isinstance(node, ast.Import):
        yield from (f"imports {each.name}" for each in node.names if _is_inside(each.name))
    elif isinstance(node, ast.ImportFrom) and _is_inside(node.module or ""):
        yield f"imports from {node.module}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield f"calls {node.func.id}"
    elif isinstance(node, ast.Attribute):
        yield from _attribute(node)
    elif isinstance(node, ast.FunctionDef) and node.name in NAMES:
        yield f"defines {node.name}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (text := TEXTS.search(node.value)):
        yield f"names {text[0]}"
    elif isinstance(node, ast.Assign):
        yield from (f"replaces {ast.unparse(target)}" for target in node.targets if _is_patch(target))


def _is_inside(module: str) -> bool:
    top = module.partition(".")[0]
    return top in MODULES and top not in HARMLESS


def _attribute(node: ast.Attribute) -> Iterator[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if node.attr in NAMES - {"__class__"} or (owner == "sys" and node.attr not in HARMLESS["sys"]):
        yield f"uses {owner + '.' if owner else ''}{node.attr}"
    elif node.attr == "__class__" and isinstance(node.ctx, ast.Store):
        yield "changes an object's __class__"


def _is_patch(target: ast.expr) -> bool:
    """Whether an assignment changes a library: `torch.matmul = …`."""
    while isinstance(target, ast.Attribute):
        target = target.value
        if isinstance(target, ast.Name):
            return target.id in PATCHED
    return False
