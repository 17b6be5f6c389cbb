"""Write the tables of docs/breakages.md from tests/breakage_rows.py and docs/before.toml: `python
docs/breakages_table.py`."""

import sys
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "breakages.md"
BEFORE = tomllib.loads((ROOT / "docs" / "before.toml").read_text("utf-8"))["breakages"]
BEGIN, END = "<!-- begin: generated from tests/breakage_rows.py by `make docs` -->", "<!-- end -->"
sys.path.insert(0, str(ROOT))

from docs.generated import renewed  # noqa: E402
from tests.breakage_rows import ROWS, Breakage  # noqa: E402


def table() -> Iterator[str]:
    """The rows by the moment at which they are told."""
    for when, rows in groupby(sorted(ROWS, key=lambda row: MOMENTS.index(row.when)), key=lambda row: row.when):
        yield from ("", f"## Told when {when}", "", "| in | somebody | read before | reads |", "|---|---|---|---|")
        yield from (f"| {row.kind} | {row.name} | {before(row)} | … {row.told.strip()} … |" for row in rows)


def before(row: Breakage) -> str:
    """What was read of it before, as recorded."""
    return str(BEFORE.get(f"{row.kind}: {row.name}", "not tried")).replace("|", "\\|")


MOMENTS = list(dict.fromkeys(row.when for row in ROWS))


def refreshed(page: str) -> str:
    """The page with its table renewed."""
    return renewed(page, BEGIN, END, "\n".join([*table(), ""]))


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
