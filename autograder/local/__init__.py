"""The local checker: the public checks, on a student's own machine, in one process. No sandbox, no reference, any
system."""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autograder.errors import DeepgradeError
from autograder.plain import degrade_signs

NEEDED = ("numpy", "torch", "pytest")


def main(folder: Path, argv: Sequence[str]) -> int:
    """Check the work in `folder` (a starter) and print what was found.

    Returns:
        0 where every public check passes, 1 where one does not, 2 where the work cannot be read or imported.
    """
    degrade_signs(sys.stdout, sys.stderr)
    parser = argparse.ArgumentParser(prog="check.py", description="Runs the public checks on your work.")
    parser.add_argument(
        "file", nargs="?", type=Path, default=folder, help="your .py or .ipynb (default: beside check.py)"
    )
    parser.add_argument("-k", dest="select", action="append", default=[], help="only checks with this in their names")
    options = parser.parse_args(argv)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"{', '.join(missing)}: not installed. Run: {sys.executable} -m pip install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 2
    from autograder.local.run import check

    try:
        with tempfile.TemporaryDirectory(prefix="deepgrade-") as staging:
            return check(folder, options.file, tuple(options.select), Path(staging))
    except DeepgradeError as error:
        print(f"{error.message}\n{error.help}".strip(), file=sys.stderr)
        return 2
