"""From a notebook to a module: what the tasks need of it, every line where its cell has it.

The order stays the notebook's, so that a later definition wins. What does not parse is left out, with a note; where a
task was lost, a function stands in its place that says why when it is called.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder.assignment import Assignment, constants
from autograder.errors import SubmissionError, did_you_mean
from autograder.submission._files import shown
from autograder.submission._ipynb import Cell, cells_of
from autograder.submission._parse import Loss, defined_in, parsed, put_at, stand_in
from autograder.submission._slice import needed
from autograder.submission._statements import Statement, statement

MAX_CELL = 200 << 10  # characters of a cell: parsed, each may take a kilobyte for a while
MAX_CODE = 1 << 20  # of all cells
MAX_NOTES = 4
HEADER = "# The code of the notebook that the tasks need."
LEGEND = (
    "# Line n of a cell is n lines below the cell's comment."  # the second line: no cell's words may look like a cookie
)
CELL = "# notebook cell "  # begins the comment above a cell's code
DROPPED = "# left out, as no task needs it: "  # begins the comment in place of a statement
RUNS_HERE = ("%%time", "%%capture", "%%prun")  # magics whose cell runs as any other
# Magics whose cell does not run as Python, or not in the notebook: taken only for what nothing else defines.
ELSEWHERE = frozenset(
    """
    bash sh cmd script html HTML javascript js latex markdown svg SVG perl ruby R julia sql bigquery writefile
    file timeit cython python2 pypy md fs scala r
    """.split()  # noqa: SIM905
)
DATABRICKS = re.compile(r"%(sql|md|sh|fs|r|scala)\b")


@dataclass
class Found:
    """What the cells of a notebook hold.

    Attributes:
        statements: of all cells that run, in order.
        losses: what does not parse, with its cell.
        spare: statements of cells that run elsewhere, as `%%writefile conv.py`.
        silent: cells of which no statement was taken, with what they are.
    """

    statements: list[Statement] = field(default_factory=list)
    losses: list[tuple[Cell, Loss]] = field(default_factory=list)
    spare: list[Statement] = field(default_factory=list)
    silent: list[tuple[Cell, str]] = field(default_factory=list)


def module_of(data: bytes, name: str, assignment: Assignment) -> tuple[str, tuple[str, ...]]:
    """The module's source, and notes about what was left out.

    Raises:
        SubmissionError: it is not a notebook, not one in Python, has no code, or nothing that the contract names.
        GraderError: nbformat is not installed.
    """
    name = shown(name)
    cells = cells_of(data, name)
    found = found_in(cells)
    own = assignment.deliverable  # what a cell wrote to a file of that name, and the next imported, is here already
    found.statements = [each for each in found.statements if each.source != own]
    wanted = (*assignment.public_names, *constants(assignment.quiz))
    kept = _with_spare(found, wanted)
    is_needed = needed(kept, wanted)
    bound = frozenset[str]().union(*(each.binds for each, keep in zip(kept, is_needed, strict=True) if keep))
    missing = [each for each in assignment.public_names if each not in bound]
    lost = _reasons(found, missing)
    if not bound & {*wanted} and not lost:
        raise _nothing(kept, found, name, assignment)
    titles = {cell.number: cell.title for cell in cells}
    return _assembled(kept, is_needed, titles, lost), _notes(found)


def found_in(cells: Iterable[Cell]) -> Found:
    """The statements of the cells, and whatever is none."""
    found, room = Found(), MAX_CODE
    for cell in cells:
        if cell.kind:
            found.silent.append((cell, f"is {cell.kind}"))
            continue
        room -= len(cell.source)
        if len(cell.source) > MAX_CELL or room < 0:
            most, what = (MAX_CELL, "it is") if len(cell.source) > MAX_CELL else (MAX_CODE, "the cells are")
            why = f"{what} longer than the {most >> 10} KiB that are read"
            found.losses.append((cell, Loss(1, 1 + cell.source.count("\n"), tuple(defined_in(cell.source)), why)))
            continue
        _take(cell, found)
    return found


def _take(cell: Cell, found: Found) -> None:
    lines = cell.source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = next((line for line in lines if line.strip()), "")
    magic = head.split()[0] if head.startswith("%%") and head.split() else ""
    foreign = DATABRICKS.match(head)
    if magic:
        lines[lines.index(head)] = ""
    elif foreign:
        found.silent.append((cell, f"begins with {foreign[0]}"))
        return
    result = parsed("\n".join(lines))
    statements, losses = list[Statement](), result.losses.copy()
    for node in result.nodes:
        try:
            statements.append(statement(node, result.lines, cell.number))
        except SyntaxError as error:
            losses.append(_senseless(node.lineno, node.end_lineno or node.lineno, result.lines, error))
        except (ValueError, RecursionError, MemoryError):
            losses.append(Loss(node.lineno, node.end_lineno or node.lineno, (), "an expression in it is too deep"))
    if magic in RUNS_HERE or not magic:
        found.statements += statements
        found.losses += [(cell, loss) for loss in losses]
        return
    here = magic.removeprefix("%%") not in ELSEWHERE
    if not losses:
        (found.statements if here else found.spare).extend(statements)
    if losses or not here:
        found.silent.append((cell, f"begins with {shown(magic)}"))


def _senseless(first: int, last: int, lines: list[str], error: SyntaxError) -> Loss:
    """A statement that parses, but whose names make no sense."""
    line = error.lineno or first
    told = f"line {line}: {shown(error.msg)}: {shown(lines[line - 1].strip() if line <= len(lines) else '')}"
    return Loss(first, last, tuple(defined_in("\n".join(lines[first - 1 : last]))), f"it does not parse ({told})")


def _with_spare(found: Found, wanted: Iterable[str]) -> list[Statement]:
    """The statements that run, and those of cells that run elsewhere, where only these define what is wanted."""
    bound = frozenset[str]().union(*(each.binds for each in found.statements))
    short = {name for name in wanted if name not in bound}
    pieces = {each.piece for each in found.spare if each.binds & short}
    spare = [each for each in found.spare if each.piece in pieces and not each.binds & bound]
    return sorted([*found.statements, *spare], key=lambda each: (each.piece, each.line)) if spare else found.statements


def _reasons(found: Found, missing: list[str]) -> list[tuple[Cell, int, str, str]]:
    """Cell, line, name and reason, for every missing name of which some cell shows what became of it."""
    reasons = list[tuple[Cell, int, str, str]]()
    for name in missing:
        for cell, loss in found.losses:
            if name in loss.names:
                reasons.append((cell, loss.first, name, f"{loss.why}, in the cell {cell.title}"))
                break
        else:
            for cell, what in found.silent:
                if name in defined_in(cell.source):
                    advice = "Make it a code cell" if what.startswith("is ") else "Take that line out"
                    why = f"it stands in the cell {cell.title}, which {what}. {advice}, and save the notebook"
                    reasons.append((cell, 1, name, why))
                    break
    return reasons


def _nothing(kept: list[Statement], found: Found, name: str, assignment: Assignment) -> SubmissionError:
    asked = ", ".join(assignment.public_names)
    message = f"{name} defines nothing that is asked for"
    for defined in sorted(bound for each in kept for bound in each.binds):
        if hint := did_you_mean(defined, assignment.public_names):
            message += f", but it defines {shown(defined)!r}{hint}"
            break
    else:
        for cell, loss in found.losses[:1]:
            message += f"; the cell {cell.title} is not read, as {loss.why}"
    return SubmissionError(message, help=f"Asked for are {asked}.")


def _assembled(
    found: list[Statement], kept: list[bool], titles: dict[int, str], lost: list[tuple[Cell, int, str, str]]
) -> str:
    """The statements at the lines where their cells have them, each cell below a comment with its first words."""
    future = [each.text for each, keep in zip(found, kept, strict=True) if each.is_future and keep]
    lines = [HEADER, LEGEND, *future]  # these must come before everything else
    used = {each.piece for each, keep in zip(found, kept, strict=True) if keep} | {cell.number for cell, *_ in lost}
    cells: dict[int, list[str]] = {}
    for each, keep in zip(found, kept, strict=True):
        if keep and not each.is_future:
            put_at(cells.setdefault(each.piece, []), each.line, each.text)
    for cell, line, name, why in lost:
        place = cells.setdefault(cell.number, [])
        free = next(number for number in range(line, len(place) + line + 1) if not "".join(place[number - 1 : number]))
        put_at(place, free, stand_in(name, why))
    for each, keep in zip(found, kept, strict=True):
        if not keep and each.piece in used and not each.is_import:
            place = cells.setdefault(each.piece, [])
            if each.line > len(place) or not place[each.line - 1]:
                put_at(place, each.line, DROPPED + shown(each.text.split("\n")[0]))
    for number in sorted(cells):
        lines += [CELL + titles[number], *cells[number]]
    return "\n".join(lines) + "\n"


def _notes(found: Found) -> tuple[str, ...]:
    """What was left out because it cannot be read."""
    notes = []
    for cell, loss in found.losses:
        whole = loss.first == 1 and loss.last >= 1 + cell.source.rstrip().count("\n")
        place = "" if whole else f", lines {loss.first} to {loss.last}" if loss.last > loss.first else ""
        place = place or ("" if whole else f", line {loss.first}")
        notes.append(f"left out: the cell {cell.title}{place}, as {loss.why}")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES - 1 :] = [f"left out: {len(notes) - MAX_NOTES + 1} more pieces that do not parse"]
    return tuple(notes)


def where(lines: list[str], number: int) -> tuple[str, int] | None:
    """Of a line of a module that a notebook became: its cell's title and its line there; else None."""
    if not lines or lines[0].rstrip("\n") != HEADER:
        return None
    for above in range(min(number, len(lines)) - 1, 0, -1):
        if lines[above - 1].startswith(CELL):
            return lines[above - 1].rstrip("\n").removeprefix(CELL), number - above
    return None


def left_out(lines: list[str], number: int) -> str:
    """Up to three statements that were left out of a notebook's module, those of the line's own cell first."""
    if (mine := where(lines, number)) is None:
        return ""
    dropped = [position for position, line in enumerate(lines, start=1) if line.startswith(DROPPED)]
    cells = {position: where(lines, position) for position in dropped}
    nearest = sorted(dropped, key=lambda position: (cells[position] or mine)[0] != mine[0])
    return "; ".join(lines[position - 1].rstrip("\n").removeprefix(DROPPED) for position in nearest[:3])
