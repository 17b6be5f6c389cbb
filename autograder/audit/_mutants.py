"""Mutants: a reference with one small thing changed in a solution, as a slip of the hand would. Each is a replacement
in the text, so that a survivor can become a known mistake as it is."""

import ast
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from autograder.assignment import QUIZ, Assignment, reference_texts
from autograder.starter import solution_blocks
from autograder.syntax import parse

OPERATORS: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/"}
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}
COMPARISONS = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.Is: "is not", ast.IsNot: "is"},
}
PAIRS = (
    *(("sum", "mean"), ("max", "min"), ("amax", "amin"), ("maximum", "minimum"), ("argmax", "argmin")),
    *(("zeros", "ones"), ("zeros_like", "ones_like"), ("floor", "ceil"), ("sin", "cos"), ("exp", "expm1")),
    *(("log", "log1p"), ("tanh", "arctan"), ("sigmoid", "tanh"), ("relu", "abs"), ("triu", "tril")),
)
NAMES = {first: second for pair in PAIRS for first, second in (pair, pair[::-1])}
AXES = ("axis", "dim", "dims")
Text = Callable[[ast.AST], str]  # of a node, as it is written


@dataclass(frozen=True)
class Mutant:
    """One change of a reference.

    Attributes:
        task: whose solution it is in.
        kind: operator, constant, axis, reduction, order, deletion, detach or dtype.
        line: of the reference.
        before, after: the text that is replaced, and by what.
        start: where it begins in the reference.
        part: of the reference that it is in, empty for the deliverable.
    """

    task: str
    kind: str
    line: int
    before: str
    after: str
    start: int
    part: str = ""

    @property
    def name(self) -> str:
        """For people: `softmax line 40: max → min`, in a part `softmax line 40 of layers.py: …`."""
        shown = [" ".join(text.split()) or "nothing" for text in (self.before, self.after)]
        where = f"line {self.line} of {self.part}.py" if self.part else f"line {self.line}"
        return f"{self.task} {where}: {shown[0]} → {shown[1]}"

    def texts(self, reference: Mapping[str, str]) -> dict[str, str]:
        """The reference with the change made, by module, of which the deliverable comes first."""
        file = self.part or next(iter(reference))
        return {**reference, file: self.source(reference[file])}

    def source(self, reference: str) -> str:
        """The file that it is in, with the change made."""
        return reference[: self.start] + self.after + reference[self.start + len(self.before) :]

    def as_mistake(self, reference: str) -> str:
        """Entry of mistakes.toml, but for name, hint and checks: as many lines as make the place unique."""
        first = last = reference.count("\n", 0, self.start)
        last += self.before.count("\n")
        lines = reference.split("\n")
        while first > 0 and reference.count("\n".join(lines[first : last + 1])) > 1:
            first -= 1
        find = "\n".join(lines[first : last + 1])
        offset = self.start - len("\n".join(lines[:first])) - bool(first)
        replace = find[:offset] + self.after + find[offset + len(self.before) :]
        texts = [f"'''\n{text}'''" for text in (find, replace)]
        facts = ['name = ""', f'task = "{self.task}"', f"find = {texts[0]}", f"replace = {texts[1]}", 'hint = ""']
        facts += [f'file = "{self.part}"'] if self.part else []
        return "\n".join(["[[mistake]]", *facts, "fails = []", ""])


def mutants(assignment: Assignment, per_task: int, seed: int = 1) -> list[Mutant]:
    """A sample of what can be changed: at most so many of each task, kinds in turn, the same for the same seed."""
    texts = reference_texts(assignment)
    found: dict[str, dict[str, list[Mutant]]] = defaultdict(lambda: defaultdict(list))
    for name, text in texts.items():
        for mutant in all_mutants(assignment, text, name if name in assignment.parts else ""):
            found[mutant.task][mutant.kind].append(mutant)
    chosen = list[Mutant]()
    for task, kinds in found.items():
        rng = random.Random(f"{seed} {task}")
        piles = [rng.sample(pile, len(pile)) for pile in kinds.values()]
        turns = (mutant for turn in range(max(map(len, piles))) for pile in piles for mutant in pile[turn : turn + 1])
        whole = (mutant for mutant in turns if _parses(mutant.source(texts[mutant.part or assignment.deliverable])))
        chosen += sorted(islice(whole, per_task), key=lambda mutant: (mutant.part, mutant.start))
    return chosen


def all_mutants(assignment: Assignment, reference: str, part: str = "") -> Iterator[Mutant]:
    """Every mutant of the deliverable's reference, or of a part's, in its order; not all can be parsed."""
    starts = [0]
    for text in reference.split("\n"):
        starts.append(starts[-1] + len(text) + 1)
    module, seen = parse(reference), set[tuple[int, str, str]]()
    for block in solution_blocks(reference, assignment, part):
        if block.task == QUIZ:
            continue
        with_torch = "torch" not in assignment.tasks[block.task].forbidden and "import torch" in reference
        for node in ast.walk(module):
            if not isinstance(node, ast.expr | ast.stmt | ast.keyword | ast.Slice):
                continue
            line = node.lineno
            if not (block.begin < line and (node.end_lineno or line) < block.end):
                continue
            for kind, changed, after in _changes(node, reference, with_torch=with_torch):
                start, end = _span(changed, starts, reference)
                change = start, reference[start:end], after
                if change in seen or change[1] == after:
                    continue
                seen.add(change)
                yield Mutant(block.task, kind, line, change[1], after, start, part)


def _changes(node: ast.AST, source: str, *, with_torch: bool) -> Iterator[tuple[str, ast.AST, str]]:
    """Kind, the node whose text is replaced, and the new text."""

    def text(part: ast.AST) -> str:
        return ast.get_source_segment(source, part) or ""

    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield "operator", node, f"{_wrapped(node.left, text)} {OPERATORS[type(node.op)]} {_wrapped(node.right, text)}"
        yield "deletion", node, text(node.left)
        cast = f"({text(node)}).float()" if with_torch else f"np.float32({text(node)})"
        yield "dtype", node, cast
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.MatMult):
        sign = "@" if isinstance(node.op, ast.MatMult) else SIGNS[type(node.op)]
        yield "order", node, f"{_wrapped(node.right, text)} {sign} {_wrapped(node.left, text)}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield "operator", node, text(node.operand)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        yield "operator", node, f"{text(node.left)} {COMPARISONS[type(node.ops[0])]} {text(node.comparators[0])}"
    if isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield "operator", node, word.join(f"({text(value)})" for value in node.values)
    yield from _of_values(node, text)
    yield from _of_calls(node, text)
    yield from _of_statements(node, text, with_torch=with_torch)


def _of_values(node: ast.AST, text: Text) -> Iterator[tuple[str, ast.AST, str]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "constant", node, str(node.value + 1)
        if node.value > 0:
            yield "constant", node, str(node.value - 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield "constant", node, repr(2 * node.value if node.value else 1.0)
    elif isinstance(node, ast.Slice) and node.lower is not None and node.upper is None and node.step is None:
        yield "order", node, f":{text(node.lower)}"
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield "order", node, text(node.value)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield "reduction", node, f"{text(node.value)}.{NAMES[node.attr]}"


def _of_calls(node: ast.AST, text: Text) -> Iterator[tuple[str, ast.AST, str]]:
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Name) and node.func.id in NAMES and node.func.id not in ("sum",):
        yield "reduction", node.func, NAMES[node.func.id]
    if len(node.args) >= 2 and not any(isinstance(each, ast.Starred) for each in node.args):
        rest = [text(each) for each in node.args[2:]] + [text(each) for each in node.keywords]
        yield "order", node, f"{text(node.func)}({', '.join([text(node.args[1]), text(node.args[0]), *rest])})"
    for word in node.keywords:
        others = [text(each) for each in (*node.args, *node.keywords) if each is not word]
        if word.arg in AXES:
            yield "axis", word.value, {"-1": "0", "0": "-1"}.get(text(word.value), "0")
        yield "deletion", node, f"{text(node.func)}({', '.join(others)})"
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        yield "deletion", node, f"({text(node.args[0])})"


def _of_statements(node: ast.AST, text: Text, *, with_torch: bool) -> Iterator[tuple[str, ast.AST, str]]:
    if isinstance(node, ast.AugAssign):
        yield "deletion", node, f"{text(node.target)} = {text(node.value)}"
    if isinstance(node, ast.If) and not node.orelse:
        yield "deletion", node.test, "False"
        yield "operator", node.test, f"not ({text(node.test)})"
    if isinstance(node, ast.AugAssign | ast.Expr) and "\n" not in text(node):
        yield "deletion", node, "pass"
    if with_torch and isinstance(node, ast.Assign | ast.Return) and isinstance(node.value, ast.BinOp | ast.Call):
        yield "detach", node.value, f"({text(node.value)}).detach()"


def _wrapped(part: ast.expr, text: Text) -> str:
    simple = isinstance(part, ast.Name | ast.Constant | ast.Attribute | ast.Call | ast.Subscript)
    return text(part) if simple else f"({text(part)})"


def _span(node: ast.AST, starts: list[int], source: str) -> tuple[int, int]:
    """Begin and end of a node in the text; columns of `ast` count bytes."""
    ends = []
    for line, column in (
        (getattr(node, "lineno", 1), getattr(node, "col_offset", 0)),
        (getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0)),
    ):
        text = source[starts[line - 1] : starts[line]]
        ends.append(starts[line - 1] + len(text.encode()[:column].decode("utf-8", "ignore")))
    return ends[0], ends[1]


def _parses(source: str) -> bool:
    try:
        parse(source)
    except SyntaxError:
        return False
    return True
