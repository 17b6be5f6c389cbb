"""Tables on a terminal; Markdown where the output goes into a file."""

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

WIDE = 1000  # columns, so that no cell of a file is folded


def head(text: str) -> None:
    """What a page begins with; a terminal needs none."""
    if not Console().is_terminal:
        print(text)


def show(table: Table) -> None:
    """Print a table as a person or a page wants it."""
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    title, table.title, table.box = table.title, None, MARKDOWN
    for row in table.rows:
        row.end_section = False  # Markdown has none
    wide = Console(width=WIDE)
    with wide.capture() as captured:
        wide.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print(f"## {title}\n", *filter(None, lines), "", sep="\n", flush=True)
