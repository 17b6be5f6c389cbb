"""A notebook's JSON as cells. Outputs, pasted images and widgets are cut out before anything is made of them."""

import json
import re
from dataclasses import dataclass
from typing import Any

from autograder.errors import GraderError, SubmissionError
from autograder.submission._causes import cause
from autograder.submission._files import shown

MAX_TEXT = 10 << 20  # bytes without outputs; as objects they take some twenty times that
MAX_TOKENS = 3_000_000  # brackets and texts of the JSON that are looked at
MAX_CELLS = 2000
SAVE = "Open it in Jupyter, save it, and hand it in again."
CLEAR = "Clear the notebook's outputs and save it."
BULK = (b'"outputs"', b'"attachments"', b'"widgets"')
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)  # possessive: else every letter takes memory
OPENING, CLOSING = b"[{", b"]}"


@dataclass(frozen=True)
class Cell:
    """A cell; `number` counts all cells from 1, `kind` is what it is where it is not of Python: Markdown, raw, R."""

    number: int
    source: str
    kind: str = ""

    @property
    def title(self) -> str:
        """How its author knows it: its first words."""
        return titled(self.source)


def titled(source: str) -> str:
    """The first words of a piece of code or text, quoted."""
    words = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return f"“{shown(words if len(words) <= 40 else f'{words[:39].rstrip()}…')}”"


def cells_of(data: bytes, name: str) -> list[Cell]:
    """All cells of a notebook.

    Raises:
        SubmissionError: it is not a notebook, or not one in Python; the message says what it is instead.
        GraderError: nbformat is not installed.
    """
    notebook = _parsed(data, name)
    cells = _cells(notebook, name)
    if not any(cell.source.strip() for cell in cells if not cell.kind):
        raise SubmissionError(f"{name} has no code", help="Is it saved?")
    return cells


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    """The notebook's JSON, as far as it says that it is a notebook in Python."""
    try:
        notebook = json.loads(_without_bulk(data, name))
    except (ValueError, RecursionError) as error:
        message, help = cause(data) or ("it is not JSON, as notebooks are", SAVE)
        raise SubmissionError(f"{name} is damaged: {message}", help=help) from error
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


def _without_bulk(data: bytes, name: str) -> bytes:
    """The JSON with empty outputs: what a notebook shows may take more room than its text by far.

    Raises:
        SubmissionError: what is left is still too large.
    """
    kept, position, depth, skipped, key = list[bytes](), 0, 0, -1, False
    for count, token in enumerate(TOKEN.finditer(data) if any(word in data for word in BULK) else ()):
        if count > MAX_TOKENS:
            raise SubmissionError(f"{name} is too large to be read", help=CLEAR)
        text = token[0]
        if text in (b"[", b"{"):
            if key and skipped < 0:
                skipped = depth
                kept.append(data[position : token.start()])
            depth += 1
        elif text in (b"]", b"}"):
            depth -= 1
            if depth == skipped:
                kept.append(b"[]" if text == b"]" else b"{}")
                position, skipped = token.end(), -1
        key = text in BULK
    rest = data[position:] if skipped < 0 else b""
    if sum(map(len, kept)) + len(rest) > MAX_TEXT:
        raise SubmissionError(f"{name} has more than {MAX_TEXT >> 20} MiB of text", help=CLEAR)
    return b"".join([*kept, rest])


def _cells(notebook: dict[str, Any], name: str) -> list[Cell]:
    major = notebook["nbformat"]
    sheets = [notebook] if major == 4 else notebook.get("worksheets")
    if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
        raise SubmissionError(f"{name} is damaged: it has no cells", help=SAVE)
    found, sources = list[dict[str, Any]](), list[str | list[str]]()
    for cell in (cell for sheet in sheets for cell in _listed(sheet, name)):
        is_code = isinstance(cell, dict) and cell.get("cell_type") == "code"
        source = cell.get("source" if major == 4 or not is_code else "input", "") if isinstance(cell, dict) else None
        if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(s, str) for s in source)):
            raise SubmissionError(f"{name} is damaged: cell {len(found) + 1} has no text", help=SAVE)
        found.append(cell)
        sources.append(source)
    if sum(cell.get("cell_type") == "code" for cell in found) > MAX_CELLS:
        raise SubmissionError(f"{name} has more than {MAX_CELLS} cells of code", help="Hand in the code only.")
    texts = zip(found, _joined(major, sources), strict=True)
    return [Cell(number, text, _kind(cell)) for number, (cell, text) in enumerate(texts, start=1)]


def _kind(cell: dict[str, Any]) -> str:
    """What a cell is, where it is not code in Python."""
    if cell.get("cell_type") != "code":
        kind = str(cell.get("cell_type"))
        return {"markdown": "Markdown", "raw": "raw text"}.get(kind, shown(kind))
    metadata = cell.get("metadata")
    editor = metadata.get("vscode") if isinstance(metadata, dict) else None
    language = editor.get("languageId") if isinstance(editor, dict) else None
    return shown(language) if isinstance(language, str) and language.lower() not in ("python", "ipython") else ""


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
