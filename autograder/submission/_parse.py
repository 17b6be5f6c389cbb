"""Code as its author left it, cut into statements. What parses is kept; what does not is a loss of its own, with the
reason, and costs nothing else. Parsed, never run, without IPython's lines.
"""

import ast
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from autograder.submission._files import shown
from autograder.syntax import parse

MAX_MAGICS = 100  # IPython lines in a piece of code; each costs a parse, of
MAX_PARSED = 1 << 20  # characters in all
MAX_PARSO = 100 << 10  # characters that the error-tolerant parser is shown
MAX_NESTING = 100  # brackets within brackets there: it takes quadratic time over them
MAX_LOSSES = 200  # told apart; what else does not parse is one more

LEFT_OUT = "Left out of what is graded: "  # begins the message of what stands for code that was lost
MARK = re.compile(r"(<{7}|\|{7}|>{7})( .*)?$|={7}$")  # of a merge
UNMERGED = "it holds the marks of a merge that was not finished. Keep one of the versions, and take the marks out"
ESCAPES = re.compile(r"%%?\w|[!?]")
# What IPython takes for commands without a sign, where Python has found an error already.
COMMAND = re.compile(
    r"(pip3?|conda|mamba|uv|cd|ls|ll|pwd|cat|cp|mv|rm|mkdir|git|wget|curl|unzip|tar|apt|apt-get|nvidia-smi|python3?)"
    r"(\s+[^=\s(].*)?$"
)
TIMED = re.compile(r"(\s*)(%%?time\s+)(\S.*)$")  # a magic that runs the rest of its line as Python
DEFINITION = re.compile(r"(?:async\s+def|def|class|import|from)\b|@\w")
MARGIN = re.compile(r"(?!(?:else|elif|except|finally|case)\b)[^\s#)\]}]")  # what may begin a statement
CUTS = (DEFINITION, MARGIN)  # where what does not parse is cut, the coarser first
BOUND = re.compile(r"(?:(?:async\s+)?def|class)\s+(\w+)|(\w+)\s*(?::[^=]+)?=(?!=)")
DEFINES = re.compile(r"\s*(?:(?:async\s+)?def|class)\s+(\w+)", re.MULTILINE)
DETECTED = re.compile(r" \(detected at line \d+\)| on line \d+")
BLANK = " \t\f"  # what Python takes for no code
CANNOT = (SyntaxError, ValueError, RecursionError, MemoryError)  # ValueError: NUL, or half of a surrogate pair


@dataclass(frozen=True)
class Loss:
    """Lines that cannot be used, from `first` to `last` (counted from 1): names that they would bind, and the reason.

    `why` ends a sentence that begins "left out, as".
    """

    first: int
    last: int
    names: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Parsed:
    """A text's statements, in order, at the lines that they have in it, and what was lost.

    `lines` is the text as it was parsed, `magics` are the numbers of lines that only IPython understands.
    """

    lines: list[str]
    nodes: list[ast.stmt]
    losses: list[Loss]
    magics: list[int]


def parsed(text: str) -> Parsed:
    """The statements of a text; never raises, whatever the text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    original = lines.copy()
    conflicts = _conflicts(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a string concerns its author only
        nodes, losses = _salvaged(lines)
    if conflicts:
        nodes, losses = _outside(nodes, losses, conflicts)
    lost = {line for loss in losses for line in range(loss.first, loss.last + 1)}
    magics = [
        number
        for number, (old, new) in enumerate(zip(original, lines, strict=True), start=1)
        if old != new and number not in lost and not MARK.match(old)
    ]
    return Parsed(lines, nodes, losses, magics)


def defined_in(text: str) -> set[str]:
    """Names that a text looks as if it defined, whatever language it is in."""
    return {found[1] for found in DEFINES.finditer(text)}


def stand_in(name: str, why: str) -> str:
    """A line of code that stands for a function or a class that was lost: who calls it is told why."""
    message = f"{LEFT_OUT}`{name}`, as {why}."
    return f"def {name}(*_, **__): raise SyntaxError({message!a})"


def stand_in_module(why: str) -> str:
    """A module in the place of one that cannot be used: who takes a name from it is told why."""
    before, after = f"{LEFT_OUT}`", f"`, as {why}."
    asked = "if name.startswith('__'):", "    raise AttributeError(name)"
    return "\n    ".join(["def __getattr__(name):", *asked, f"raise SyntaxError({before!a} + name + {after!a})\n"])


def put_at(lines: list[str], number: int, text: str) -> None:
    """Put a statement where it stood; what stands on its line already is followed by it."""
    lines += [""] * (number - len(lines))
    first, *rest = text.split("\n")
    before = lines[number - 1]
    lines[number - 1] = f"{before}; {first}" if before else first
    lines[number : number + len(rest)] = rest


def first_line(node: ast.stmt) -> int:
    """The line where a statement begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


# Magics -----------------------------------------------------------------------------------------------------------


def _module(lines: list[str]) -> ast.Module:
    """The parsed lines; those that only IPython understands are emptied in place. What parses as Python is Python."""
    size = sum(map(len, lines)) + len(lines)
    for _ in range(max(3, min(MAX_MAGICS, MAX_PARSED // size))):
        if any("\0" in line for line in lines):
            raise ValueError("NUL")  # as Python 3.11 does; later ones have a SyntaxError without a line
        try:
            return parse("\n".join(lines))
        except SyntaxError as error:
            position = (error.lineno or 0) - 1
            if not (0 <= position < len(lines) and _is_magic(lines[position])):
                raise
            _empty(lines, position)
    raise SyntaxError("too many lines are for IPython")


def _is_magic(line: str) -> bool:
    """`%matplotlib inline`, `!ls`, `?help`, `help?`, `files = !ls`, where Python has found an error already."""
    line = line.strip()
    target, _, value = line.partition("=")
    assigned = value.strip().startswith(("%", "!")) and all(part.strip().isidentifier() for part in target.split(","))
    return bool(ESCAPES.match(line) or COMMAND.match(line)) or line.endswith("?") or assigned


def _empty(lines: list[str], position: int) -> None:
    """Put a `pass`, or the Python that it runs, in place of a line and of those that its backslash continues."""
    line = lines[position]
    if timed := TIMED.match(line):
        lines[position] = timed[1] + timed[3]
        return
    lines[position] = line[: len(line) - len(line.lstrip())] + "pass"
    while line.endswith("\\") and position + 1 < len(lines):
        position += 1
        line, lines[position] = lines[position], ""


# What does not parse ----------------------------------------------------------------------------------------------


def _salvaged(lines: list[str]) -> tuple[list[ast.stmt], list[Loss]]:
    """Statements and losses; the lines are emptied of magics in place."""
    try:
        return _module(lines).body, []
    except CANNOT as error:
        whole = error
    nodes, losses = list[ast.stmt](), list[Loss]()
    for first, last in _blocks(lines):
        if len(losses) == MAX_LOSSES:
            losses.append(_loss(lines, first, len(lines), whole))
            break
        nodes += _block(lines, first, last, losses)
    return nodes, losses


def _block(lines: list[str], first: int, last: int, losses: list[Loss], tries: int = 0) -> list[ast.stmt]:
    """The statements of some of the lines; where these do not parse, of the smaller pieces that they can be cut in."""
    part = lines[first - 1 : last]
    try:
        module = _module(part)
    except CANNOT as error:
        for number, starts in enumerate(CUTS[tries:], start=tries + 1):
            pieces = _cut(lines, first, last, starts)
            if 1 < len(pieces) <= MAX_LOSSES:
                return [node for start, end in pieces for node in _block(lines, start, end, losses, number)]
        losses.append(_loss(lines, first, last, error))
        return []
    lines[first - 1 : last] = part
    return [ast.increment_lineno(node, first - 1) for node in module.body]


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """First and last lines of what stands at the top level, as an error-tolerant parser sees it."""
    text = "\n".join(lines)
    if len(text) > MAX_PARSO or _nesting(text) > MAX_NESTING:
        return _cut(lines, 1, len(lines), DEFINITION)
    try:
        import parso.grammar  # not at the top: a student's machine may lack it, and most code parses
    except ModuleNotFoundError:
        return _cut(lines, 1, len(lines), DEFINITION)
    try:
        tree = parso.grammar.load_grammar().parse(text)
    except (RecursionError, MemoryError, NotImplementedError):  # the last: of a Python newer than parso
        return _cut(lines, 1, len(lines), DEFINITION)
    quiet = ("newline", "error_leaf", "endmarker")
    starts = {node.start_pos[0] for node in tree.children if node.start_pos[1] == 0 and node.type not in quiet}
    return _between(sorted(starts), 1, len(lines))


def _cut(lines: list[str], first: int, last: int, start: re.Pattern[str]) -> list[tuple[int, int]]:
    """The lines from first to last, cut before every one that begins so; decorators stay with what they decorate."""
    starts, decorated = list[int](), False
    for number in range(first, last + 1):
        line = lines[number - 1]
        if start.match(line):
            starts += [] if decorated else [number]
            decorated = line.startswith("@")
    return _between(starts, first, last)


def _between(starts: list[int], first: int, last: int) -> list[tuple[int, int]]:
    starts = [first, *(start for start in starts if start > first)]
    return [(start, end - 1) for start, end in zip(starts, [*starts[1:], last + 1], strict=True)]


def _nesting(text: str) -> int:
    deepest = depth = 0
    for sign in re.findall(r"[()\[\]{}]", text):
        depth = depth + 1 if sign in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _loss(lines: list[str], first: int, last: int, error: BaseException) -> Loss:
    while first < last and not lines[first - 1].strip(BLANK):
        first += 1
    while last > first and not lines[last - 1].strip(BLANK):
        last -= 1
    names = (found[1] or found[2] for line in lines[first - 1 : last] if (found := BOUND.match(line)))
    return Loss(first, last, tuple(dict.fromkeys(names)), _why(lines, first, error))


def _why(lines: list[str], first: int, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        line = min(first + (error.lineno or 1) - 1, len(lines))
        message = DETECTED.sub("", shown(error.msg))  # a line of the piece that was tried
        told = ": ".join(filter(None, (f"line {line}", message, shown(lines[line - 1].strip()))))
        return f"it does not parse ({told})"
    if isinstance(error, ValueError):
        return f"it holds a character that code cannot have ({shown(error)})"
    return "an expression in it is nested too deeply"


# Merges -----------------------------------------------------------------------------------------------------------


def _conflicts(lines: list[str]) -> list[tuple[int, int]]:
    """First and last lines of unfinished merges; their marks are emptied in place."""
    found, begin = list[tuple[int, int]](), 0
    for number, line in enumerate(lines, start=1):
        if line.startswith("<<<<<<<") and MARK.match(line):
            begin = begin or number
        elif begin and line.startswith(">>>>>>>") and MARK.match(line):
            found.append((begin, number))
            begin = 0
    for first, last in found:
        for position in range(first - 1, last):
            if MARK.match(lines[position]):
                lines[position] = ""
    return found


def _outside(
    nodes: list[ast.stmt], losses: list[Loss], conflicts: list[tuple[int, int]]
) -> tuple[list[ast.stmt], list[Loss]]:
    """The statements that no merge touches, and a loss for each of the others."""

    ends = [end for _, end in conflicts]

    def touched(first: int, last: int) -> int:
        begin, _ = conflicts[min(bisect_left(ends, first), len(ends) - 1)]
        return begin if begin <= last and first <= ends[-1] else 0

    kept, lost = list[ast.stmt](), list[Loss]()
    for node in nodes:
        first, last = first_line(node), node.end_lineno or node.lineno
        if line := touched(first, last):
            lost.append(Loss(first, last, tuple(dict.fromkeys(bound(node))), f"{UNMERGED} (line {line})"))
        else:
            kept.append(node)
    for loss in losses:
        line = touched(loss.first, loss.last)
        lost.append(replace(loss, why=f"{UNMERGED} (line {line})") if line else loss)
    return kept, sorted(lost, key=lambda loss: loss.first)


def bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement may bind where it stands, those in the blocks of a condition or a loop included."""
    todo = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield part.name
        elif isinstance(part, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in part.names)
        elif isinstance(part, ast.Name):
            yield from [part.id] if isinstance(part.ctx, ast.Store) else []
        else:
            todo += ast.iter_child_nodes(part)
