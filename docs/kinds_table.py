"""Write the tables of docs/kinds.md from tests/kind_rows.py and docs/before.toml: `python docs/kinds_table.py`."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "kinds.md"
BEFORE = tomllib.loads((ROOT / "docs" / "before.toml").read_text("utf-8"))["kinds"]
BEGIN, END = "<!-- begin: generated from tests/kind_rows.py by `make docs` -->", "<!-- end -->"
sys.path.insert(0, str(ROOT))

from docs.generated import renewed  # noqa: E402
from tests.kind_rows import KINDS, REFUSED, Kind, Refused  # noqa: E402


def tables() -> Iterator[str]:
    """What can be checked, then what is refused."""
    yield from ("", "## What can be checked", "")
    yield from ("| students write | the check | example | before |", "|---|---|---|---|")
    yield from (f"| {kind.name} | {kind.how} | {_example(kind)} | {before(kind)} |" for kind in KINDS)
    yield from ("", "## What is refused", "")
    yield from ("| students would hand in | reads | because | before |", "|---|---|---|---|")
    yield from (f"| {row.name} | … {row.told} … | {row.because} | {before(row)} |" for row in REFUSED)


def before(row: Kind | Refused) -> str:
    """How it was before, as recorded."""
    return str(BEFORE.get(row.name, "not tried")).replace("|", "\\|")


def anchor(heading: str) -> str:
    """Of a heading, as pages are made: small letters, hyphens."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def _example(kind: Kind) -> str:
    if kind.recipe:
        return f"[{kind.recipe}](cookbook.md#{anchor(kind.recipe)})"
    assignment, _, check = kind.check.partition(": ")
    return f"`{check}` of {assignment}"


def refreshed(page: str) -> str:
    """The page with its tables renewed."""
    return renewed(page, BEGIN, END, "\n".join([*tables(), ""]))


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
