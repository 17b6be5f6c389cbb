"""Write the generated part of docs/results.md from the schema: `python docs/results_table.py`, or `make docs`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "autograder" / "results" / "results.schema.json"
PAGE = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- begin: generated from autograder/results/results.schema.json by `make docs` -->", "<!-- end -->"
sys.path.insert(0, str(ROOT))

from docs.generated import renewed  # noqa: E402


def rows(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """A row of the table for each property, nested ones below their owner."""
    for name, entry in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        star = "" if name in schema.get("required", ()) else " (may be missing)"
        yield f"| `{here}` | {kind(entry)} | {entry.get('description', '')}{star} |"
        yield from rows(entry, here)
        yield from rows(entry.get("items", {}), f"{here}[]")


def kind(entry: dict[str, Any]) -> str:
    """The type of an entry, or the values that it may have."""
    if "const" in entry:
        return f"`{json.dumps(entry['const'])}`"
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    types = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    return " or ".join(types)


def refreshed(page: str) -> str:
    """The page with its table renewed."""
    table = ["| field | type or values | meaning |", "|---|---|---|", *rows(json.loads(SCHEMA.read_text("utf-8")))]
    return renewed(page, BEGIN, END, "\n".join(table))


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
