"""From a notebook to a module: what the tasks need of it, every line where its cell has it.

Kept are the names of the contract and `QUIZ`, and what these need, directly or through other kept code: imports,
functions, classes and the statements that assign to a needed name, its attributes or its items. Training loops, plots
and the imports that only they use are left out. The order stays the notebook's, so that a later definition wins.
"""

import json
from typing import Any

from autograder.assignment import Assignment
from autograder.errors import GraderError, SubmissionError, did_you_mean
from autograder.submission._cells import Cell, Statement, statements
from autograder.submission._files import shown

MAX_CODE = 200 << 10  # characters of code: parsed, each may take a kilobyte for a while
MAX_CELLS = 2000
SAVE = "Open it in Jupyter, save it, and hand it in again."
HEADER = "# The code of the notebook that the tasks need. Line n of a cell is n lines below the cell's comment."


def module_of(data: bytes, name: str, assignment: Assignment) -> tuple[str, tuple[str, ...]]:
    """The module's source, and notes about what was left out.

    Raises:
        SubmissionError: it is not a notebook, not one in Python, has no code, a cell with a syntax error, or nothing
            that the contract names.
        GraderError: nbformat is not installed.
    """
    name = shown(name)
    cells = _code_cells(_parsed(data, name), name)
    if not any(cell.source.strip() for cell in cells):
        raise SubmissionError(f"{name} has no code", help="Is it saved?")
    if sum(len(cell.source) for cell in cells) > MAX_CODE:
        message = f"{name} has more than {MAX_CODE >> 10} KiB of code"
        raise SubmissionError(message, help="Hand in the code only, without data.")
    found = [statement for cell in cells for statement in statements(cell, name)]
    needed = _needed(found, (*assignment.public_names, "QUIZ"))
    if not any(statement.binds for statement in needed):
        raise _nothing(found, name, assignment)
    return _assembled(needed), _notes(cells, found, needed)


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    """The notebook's JSON, as far as it says that it is a notebook in Python."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{name} is damaged: it is not JSON, as notebooks are", help=SAVE) from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise SubmissionError(f"{name} is not a notebook", help=SAVE)
    if notebook["nbformat"] not in (3, 4):
        raise SubmissionError(f"{name} has the notebook format {notebook['nbformat']}; 3 and 4 can be read", help=SAVE)
    metadata = notebook.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    language = info.get("name") if isinstance(info, dict) else None
    if isinstance(language, str) and language.lower() not in ("python", "ipython"):
        raise SubmissionError(f"{name} is a notebook in {shown(language)}, not in Python")
    return notebook


def _code_cells(notebook: dict[str, Any], name: str) -> list[Cell]:
    """The code cells, numbered among all cells from 1."""
    major = notebook["nbformat"]
    sheets = [notebook] if major == 4 else notebook.get("worksheets")
    if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
        raise SubmissionError(f"{name} is damaged: it has no cells", help=SAVE)
    numbered, key = list[tuple[int, Any]](), "source" if major == 4 else "input"
    for number, cell in enumerate((cell for sheet in sheets for cell in _listed(sheet, name)), start=1):
        source = cell.get(key, "") if isinstance(cell, dict) else None
        if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(s, str) for s in source)):
            raise SubmissionError(f"{name} is damaged: cell {number} has no text", help=SAVE)
        if cell.get("cell_type") == "code":
            numbered.append((number, source))
    if len(numbered) > MAX_CELLS:
        raise SubmissionError(f"{name} has more than {MAX_CELLS} cells of code", help="Hand in the code only.")
    texts = _joined(major, [source for _, source in numbered])
    return [Cell(number, text) for (number, _), text in zip(numbered, texts, strict=True)]


def _listed(sheet: dict[str, Any], name: str) -> list[Any]:
    cells = sheet.get("cells")
    if not isinstance(cells, list):
        raise SubmissionError(f"{name} is damaged: it has no cells", help=SAVE)
    return cells


def _joined(major: int, sources: list[str | list[str]]) -> list[str]:
    """The text of each cell; nbformat knows how the versions split it. It is not shown outputs and metadata."""
    try:
        import nbformat  # not at the top: whoever checks a .py need not have it
    except ModuleNotFoundError as error:
        raise GraderError("notebooks are read with the package nbformat, which is not installed") from error
    code: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": []}
    if major == 4:
        cells = [code | {"execution_count": None, "source": source} for source in sources]
        bare = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}
    else:
        cells = [code | {"collapsed": False, "language": "python", "input": source} for source in sources]
        bare = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"metadata": {}, "cells": cells}]}
    return [cell.source for cell in nbformat.reads(json.dumps(bare), as_version=4).cells]


def _needed(found: list[Statement], wanted: tuple[str, ...]) -> list[Statement]:
    """The statements that bind or change a wanted name, or one that such a statement needs, and so on."""
    imported = frozenset[str]().union(*(statement.binds for statement in found if statement.is_import))
    makers: dict[str, list[int]] = {}
    for position, statement in enumerate(found):
        for name in statement.binds | (statement.changes - imported):  # what is set in a library is not the task's
            makers.setdefault(name, []).append(position)
    kept = {position for position, statement in enumerate(found) if statement.is_star or statement.is_future}
    todo, seen = list(wanted), set(wanted)
    while todo:
        for position in makers.get(todo.pop(), ()):
            if position not in kept:
                kept.add(position)
                todo += found[position].needs - seen
                seen |= found[position].needs
    return [found[position] for position in sorted(kept)]


def _nothing(found: list[Statement], name: str, assignment: Assignment) -> SubmissionError:
    asked = ", ".join(assignment.public_names)
    message = f"{name} defines nothing that is asked for"
    for defined in sorted(bound for statement in found for bound in statement.binds):
        if hint := did_you_mean(defined, assignment.public_names):
            message += f", but it defines {shown(defined)!r}{hint}"
            break
    return SubmissionError(message, help=f"Asked for are {asked}.")


def _assembled(needed: list[Statement]) -> str:
    """The statements at the lines where their cells have them, each cell below a comment with its number."""
    future = [statement.text for statement in needed if statement.is_future]  # must come before everything else
    lines = [HEADER, *future]
    cells: dict[int, list[str]] = {}
    for statement in needed:
        if not statement.is_future:
            place = cells.setdefault(statement.cell, [])
            place += [""] * (statement.line - len(place))
            first, *rest = statement.text.split("\n")
            before = place[statement.line - 1]
            place[statement.line - 1 :] = [f"{before}; {first}" if before else first, *rest]
    for number, place in cells.items():
        lines += [f"# notebook cell {number}", *place]
    return "\n".join(lines) + "\n"


def _notes(cells: list[Cell], found: list[Statement], needed: list[Statement]) -> tuple[str, ...]:
    """Which cells were left out whole."""
    left = {statement.cell for statement in found} - {statement.cell for statement in needed}
    listed = ", ".join(str(cell.number) for cell in cells if cell.number in left)
    return (f"left out of the notebook, as no task needs them: cells {listed}",) if left else ()
