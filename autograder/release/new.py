"""A new assignment to change: one task, its checks, one known mistake. It passes its own audit as it is."""

import keyword
from pathlib import Path

from autograder.assignment import find_root
from autograder.errors import UsageError

TEMPLATE = Path(__file__).parent / "template"


def create(name: str, root: Path | None = None) -> tuple[Path, ...]:
    """Write assignments/NAME and solutions/NAME.py.

    Returns:
        The files written.

    Raises:
        UsageError: the name is not an identifier, or an assignment of that name exists.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or not name.islower():
        raise UsageError(
            f"{name!r} cannot name an assignment", help="It becomes a module: small letters, digits and _."
        )
    base = find_root(root)
    folder, solution = base / "assignments" / name, base / "solutions" / f"{name}.py"
    for path in (folder, solution):
        if path.exists():
            raise UsageError(f"{path} exists already", help="Choose another name, or change what is there.")
    written = []
    for template in sorted(TEMPLATE.rglob("*.txt")):
        relative = template.relative_to(TEMPLATE).with_suffix("")
        path = solution if relative == Path("solution.py") else folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.read_text().format(name=name) if "test_" not in path.name else template.read_text())
        written.append(path)
    return tuple(written)
