"""Write the table of docs/intake.md from tests/intake_rows.py: `python docs/intake_table.py`, or `make docs`."""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "intake.md"
BEGIN, END = "<!-- begin: generated from tests/intake_rows.py by `make docs` -->", "<!-- end -->"
sys.path.insert(0, str(ROOT))

from docs.generated import renewed  # noqa: E402
from tests.intake_rows import REFUSED, Row, rows  # noqa: E402


def table() -> Iterator[str]:
    """The rows by kind, then what cannot be graded at all."""
    for kind, members in groupby(rows(), key=lambda row: row.kind):
        yield from ("", f"## {kind[0].upper()}{kind[1:]}", "")
        yield from ("| right work, and | before | after | what is said |", "|---|---|---|---|")
        yield from (f"| {row.name} | {row.before} | {after(row)} | {quoted(row.told)} |" for row in members)
    yield from ("", "## Nothing can be graded", "", "| file | what is said |", "|---|---|")
    yield from (f"| {name} | {quoted(told)} |" for name, (_, _, told) in REFUSED.items())


def after(row: Row) -> str:
    """What the input costs now."""
    return f"all but `{row.lost[0]}`" if row.lost else "full"


def quoted(told: str) -> str:
    """Words of a message, or that there is none."""
    return f"… {told} …".replace("|", "\\|") if told else "nothing"


def refreshed(page: str) -> str:
    """The page with its table renewed."""
    return renewed(page, BEGIN, END, "\n".join([*table(), ""]))


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
