"""Exceptions that a slip seen often raises: what to look at, told only where the exception's kind, its words and its
line leave no doubt about it."""

import ast
import linecache
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autograder.checks.failure import Raised
from autograder.syntax import parse

SAID = {  # by the exception's words
    r"view size is not compatible with input tensor's size and stride": (
        "After a transposition, a permutation or a slice the entries no longer lie in memory in the order of the axes, "
        "and `view` never copies: use `reshape`."
    ),
    r"on the same device|is not on the expected device": (
        "Two tensors lie on different devices: make new ones where the inputs are (`device=x.device`), and parameters "
        "as `nn.Parameter` or `register_buffer`, so that they move with the module."
    ),
    r"leaf Variable that requires grad is being used in an in-place operation": (
        "It writes into a tensor whose gradient is asked for. Compute a new one instead, of this one and what is added."
    ),
    r"modified by an inplace operation": (
        "An in-place operation (`+=`, `x[...] =`, a name that ends in `_`) overwrote what the gradient is computed "
        "from: make a new tensor instead."
    ),
    r"Can't call numpy\(\) on Tensor that requires grad": (
        "NumPy knows nothing of autograd: use torch's function of that name, or no gradient would come through."
    ),
    r"truth value of an array with more than one|Boolean value of Tensor with more than one": (
        "`if`, `and`, `or`, `max` and `min` want one truth value, and here is an array of them: `np.where`, "
        "`np.maximum` or `&` (in torch `torch.where`, `torch.maximum`) work entry by entry."
    ),
    r"Cannot cast ufunc .* from dtype\('float\d+'\) to dtype\('u?int\d+'\)": (
        "The array on the left holds whole numbers, and cannot take fractions: make it of the dtype of the inputs."
    ),
}
WHOLE = re.compile(  # what NumPy, torch and Python say where a float stands for a size or an index
    r"float\d*' object cannot be interpreted as an integer|slice indices must be integers|only integers, slices"
    r"|non-int of type 'float'|must be .*of integral type|must be (tuple of )?ints?,? ?(not|but).*float"
    r"|type must be tuple of ints,but got float|integers or a single integer, got '(np\.)?float|integer, got '\d+\.\d*'"
    r"|^(view|narrow)\(\) received an invalid combination of arguments - got \([^)]*float"
    r"|^(zeros|ones|empty|rand|randn|reshape|expand|repeat|tile|permute)\(\) takes \d+ positional arguments? but"
)
FLOAT_SIZE = "`/` makes a float even of whole numbers. Sizes, steps and indices are whole: divide with `//`."
NONE = re.compile(r"cannot unpack non-iterable NoneType|'NoneType' object (is not subscriptable|has no attribute)")
NO_CACHE = "`{}` is None here: it is what {}_forward returned beside its output, in each of its modes."
WHOLE_NUMBERS = ("int", "round", "len", "math.floor", "math.ceil")  # functions that give one, whatever they are given

REMAINDER = "a remainder"
INSISTS = (
    "Here an `assert` insists that something divides evenly. This call is as the docstring allows: deal with the rest."
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def slip(raised: Raised, source: Path) -> str:
    """What to look at, after a line end; nothing where that is not certain.

    Args:
        raised: by the submission.
        source: its file.
    """
    said = next((text for pattern, text in SAID.items() if re.search(pattern, raised.message)), "")
    if raised.type == "AssertionError":
        said = INSISTS if asserted(raised, source).message == REMAINDER else ""
    try:
        told = said or _at_its_line(raised, source)
    except RecursionError:  # of a thousand terms
        told = ""
    return f"\n{told}" if told else ""


def asserted(raised: Raised, source: Path) -> Raised:
    """Of a failed assertion what it asserts in place of its message, which is the author's own; all else as it is."""
    is_assertion = raised.type == "AssertionError" and raised.line is not None
    found = _statement(raised.file(source), raised.line or 0) if is_assertion else None
    if found is None or not isinstance(found[1], ast.Assert):
        return raised
    operators = [node.op for node in ast.walk(found[1].test) if isinstance(node, ast.BinOp)]
    if any(isinstance(operator, ast.Mod) for operator in operators):
        return replace(raised, message=REMAINDER)
    try:
        return replace(raised, message=ast.unparse(found[1].test))
    except RecursionError:  # of a thousand terms
        return raised


def _at_its_line(raised: Raised, source: Path) -> str:
    whole, none = WHOLE.search(raised.message), NONE.search(raised.message)
    if raised.line is None or not (whole or none):
        return ""
    found = _statement(raised.file(source), raised.line)
    if found is None:
        return ""
    function, statement = found
    if whole:
        return FLOAT_SIZE if _is_of_fractions(function, statement) else ""
    return _no_cache(function, statement)


def _statement(source: Path, line: int) -> tuple[Function, ast.stmt] | None:
    """The innermost function and statement that a line belongs to."""
    try:
        module = parse("".join(linecache.getlines(str(source))))
    except (SyntaxError, ValueError):
        return None
    around = [node for node in ast.walk(module) if isinstance(node, ast.stmt) and _holds(node, line)]
    functions = [node for node in around if isinstance(node, Function)]
    if not functions or around[-1] is functions[-1]:
        return None
    return functions[-1], around[-1]


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_of_fractions(function: Function, statement: ast.stmt) -> bool:
    """Whether a statement divides by `/` for what it calls, or takes a name that is made so in its function."""
    asked = [node for part in _head(statement) for whole in _whole_numbers_in(part) for node in _unrounded(whole)]
    names = {node.id for node in asked if isinstance(node, ast.Name)}
    made = [
        node
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and names & _bound(each)
        for node in _unrounded(each.value)
    ]
    return any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) for node in (*asked, *made))


def _head(statement: ast.stmt) -> Iterator[ast.AST]:
    """What runs at a statement's own line, of a loop or a branch not its body, but for what is made whole again."""
    if isinstance(statement, ast.For):
        yield from _unrounded(statement.iter)
    elif isinstance(statement, ast.If | ast.While):
        yield from _unrounded(statement.test)
    elif not hasattr(statement, "body"):
        yield from _unrounded(statement)


def _bound(statement: ast.Assign) -> set[str]:
    return {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _whole_numbers_in(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that may have to be whole: arguments, indices, factors of a list."""
    if isinstance(node, ast.Call):
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)
    elif isinstance(node, ast.Subscript):
        yield node.slice
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List | ast.Tuple):
        yield node.right


def _unrounded(expression: ast.AST) -> Iterator[ast.AST]:
    """All that is in an expression, but for what is made whole again."""
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) in WHOLE_NUMBERS:
        return
    yield expression
    for child in ast.iter_child_nodes(expression):
        yield from _unrounded(child)


def _no_cache(function: Function, statement: ast.stmt) -> str:
    """Of a backward that takes its cache apart: the cache is None."""
    name, _, rest = function.name.rpartition("_backward")
    parameters = [each.arg for each in function.args.args]
    if not name or rest or len(parameters) < 2:
        return ""
    taken = [node.value for node in _head(statement) if isinstance(node, ast.Subscript | ast.Attribute)]
    if isinstance(statement, ast.Assign) and not taken:
        taken = [statement.value]
    is_cache = [isinstance(value, ast.Name) and value.id == parameters[1] for value in taken]
    return NO_CACHE.format(parameters[1], name) if is_cache and all(is_cache) else ""
