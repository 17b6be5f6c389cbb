"""CSV files that people and platforms made: read as they are, or refused with what to do."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from autograder.errors import UsageError, did_you_mean

NUMBER = re.compile(r"-?\d+(\.\d+)?")
COMMA = re.compile(r"-?\d+,\d+")
Row = dict[str, str]


def read_rows(file: Path, needed: Sequence[str], what: str) -> tuple[list[str], list[Row]]:
    """Header and rows of a CSV file that has the needed columns."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"there is no {file}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file.name} is not UTF-8 text", help="Use the file as it was exported.") from error
    first = text.partition("\n")[0]
    if first.count(";") > first.count(","):
        raise UsageError(f"{file.name} is separated by semicolons", help="Export it with commas and decimal points.")
    header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    for name in needed:
        if name not in header:
            told = f"{file.name} has no column {name!r}{did_you_mean(name, header)}"
            raise UsageError(told, help=f"It must be {what}, unchanged. Its columns: {', '.join(header[:8])}.")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{file.name} has two columns {twice!r}", help="Delete or rename one of them.")
    full = [row + [""] * (len(header) - len(row)) for row in rows if any(cell.strip() for cell in row)]
    long = next((number for number, row in enumerate(full, start=2) if len(row) > len(header)), None)
    if long is not None:
        raise UsageError(f"{file.name}: row {long} has more cells than the header", help="Export it again.")
    return header, [dict(zip(header, row, strict=True)) for row in full]


def number(text: str, where: str) -> float:
    """A number as a cell has it.

    Raises:
        UsageError: it is none, or has a decimal comma; the message says where.
    """
    if COMMA.fullmatch(text.strip()):
        raise comma(text, where)
    if not NUMBER.fullmatch(text.strip()):
        raise UsageError(f"{where} is no number: {text!r}")
    return float(text)


def comma(text: str, where: str) -> UsageError:
    """The error to raise about a decimal comma."""
    return UsageError(f"{where} has a decimal comma: {text.strip()!r}", help="Export it with decimal points.")


def written(header: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows as CSV, the columns of the header only."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
