"""Public modules that a submission imports, and that may be imported once for all its workers: by name, from a list."""

import ast

from autograder.syntax import parse

# What takes a tenth of a second or more to import, starts no thread and no process, and computes nothing. Whoever
# imports one of them, or a part of it, gets it warm.
WARM = (
    "matplotlib",
    "matplotlib.pyplot",
    "scipy.fft",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.signal",
    "scipy.sparse",
    "scipy.sparse.csgraph",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "scipy.special",
    "scipy.stats",
    "torch._dynamo",
    "torch.nn.attention.flex_attention",
    "torch.onnx",
    "torch.utils.benchmark",
    "torch.utils.data",
)
# Attributes of torch that import it: those that are not there before, and a line that many a student's file has at the
# top, where it would cost every worker 0.6 s.
DYNAMO = ("torch._dynamo", "torch.compiler", "torch.use_deterministic_algorithms")


def warm_modules(*sources: str) -> tuple[str, ...]:
    """Names out of `WARM` that modules import anywhere; none, where they do not parse."""
    asked = set[str]().union(*map(_asked, sources))
    return tuple(name for name in WARM if any(f"{each}.".startswith(f"{name}.") for each in asked))


def _asked(source: str) -> set[str]:
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    asked = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            asked |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            asked |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in DYNAMO:
            asked.add("torch._dynamo")
    return asked
