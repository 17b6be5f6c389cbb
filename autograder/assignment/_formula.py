"""Formulas of a quiz's key: arithmetic on values that were drawn. Read as a tree, never run as Python."""

import ast
import math
import operator
from collections.abc import Callable, Mapping

from autograder.syntax import parse

OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sqrt": math.sqrt,
}
LARGEST_POWER = 1000  # of an exponent: beyond, an exact power would take for ever
HELP = f"arithmetic on numbers and names: + - * / // % **, brackets, {', '.join(FUNCTIONS)}"


class Formula:
    """Such as `(n - k) // 2 + 1`.

    Attributes:
        names: that stand in it, functions apart.

    Raises:
        ValueError: it is no formula; the message says which part is not.
    """

    def __init__(self, text: str) -> None:
        try:
            body = parse(text).body
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{text!r} cannot be parsed") from error
        if len(body) != 1 or not isinstance(body[0], ast.Expr):
            raise ValueError(f"{text!r} is no formula: {HELP}")
        self._tree, self.names = body[0].value, set[str]()
        self._read(self._tree)

    def value(self, values: Mapping[str, float]) -> float:
        """What it gives, finite.

        Args:
            values: of its names.

        Raises:
            ValueError: it gives no finite number; the message says why.
        """
        try:
            found = float(self._of(self._tree, values))
        except (ArithmeticError, TypeError, ValueError) as error:  # a root of -1, too many arguments, 1 / 0
            raise ValueError(str(error)) from error
        if not math.isfinite(found):
            raise ValueError(f"it is {found:g}")
        return found

    def _read(self, node: ast.expr) -> None:
        """Refuse what is no arithmetic, and note the names."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return
            case ast.Name(id=name) if name not in FUNCTIONS:
                self.names.add(name)
                return
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
                parts = [left, right]
            case ast.UnaryOp(op=sign, operand=part) if type(sign) in OPERATORS:
                parts = [part]
            case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if name in FUNCTIONS:
                pass
            case _:
                raise ValueError(f"{ast.unparse(node)!r} is no part of a formula: {HELP}")
        for part in parts:
            self._read(part)

    def _of(self, node: ast.expr, values: Mapping[str, float]) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return values[name]
            case ast.UnaryOp(op=sign, operand=part):
                return OPERATORS[type(sign)](self._of(part, values))
            case ast.Call(func=ast.Name(id=name), args=parts):
                return FUNCTIONS[name](*(self._of(part, values) for part in parts))
            case ast.BinOp(left=left, op=sign, right=right):
                first, second = self._of(left, values), self._of(right, values)
                if isinstance(sign, ast.Pow) and abs(second) > LARGEST_POWER:
                    raise ValueError(f"an exponent of {second:g}")
                return OPERATORS[type(sign)](first, second)
        raise AssertionError(ast.dump(node))
