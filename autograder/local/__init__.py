"""The local checker: the public checks, on a student's own machine, in one process. No sandbox, no reference, any
system.

`main` is what check.py calls; `run` does it once what it needs is known to be installed.
"""

import argparse
import importlib.util
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from autograder.plain import degrade_signs

NEEDED = ("numpy", "torch", "pytest")
FINE, FAILED, USAGE, CANNOT, INTERRUPTED = 0, 1, 2, 3, 130

CODES = """\
exit codes: 0 every public check that was run passes, 1 one does not, 2 there is no such file, task or option,
3 nothing could be checked (a package is missing, your file cannot be imported, ...), 130 interrupted
"""
PACKED = """\
exit codes: 0 packed, and nothing is missing, 1 packed, but something is missing or a public check fails, 2 there is
no such file, 3 not packed, since it could not be read or imported, 130 interrupted
"""


def main(folder: Path | str, argv: Sequence[str], command: str = "check") -> int:
    """Check the work in `folder` (a starter) and print what was found.

    Args:
        folder: a starter's.
        argv: what was written after the command.
        command: check, or submit, which packs the work too.

    Returns:
        0 where every public check passes, 1 where one does not, 2 for a word that means nothing, 3 where nothing could
        be checked, 130 after Ctrl-C.
    """
    degrade_signs(sys.stdout, sys.stderr)
    options = PARSERS[command]().parse_args(argv)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(not_installed(missing), file=sys.stderr)
        return CANNOT
    try:
        from autograder.local.run import run

        return run(Path(folder), options, command)
    except KeyboardInterrupt:  # while torch is imported
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED


def not_installed(missing: Collection[str]) -> str:
    """What is missing, and the command that installs it."""
    quoted = (f'"{each}"' if set(each) & set("<>=!~[; ") else each for each in missing)
    return f"{', '.join(missing)}: not installed. Run: {sys.executable} -m pip install {' '.join(quoted)}"


def _check() -> argparse.ArgumentParser:
    parser = _parser("check.py", "Runs the public checks on your work.", CODES)
    parser.add_argument(
        "what", nargs="*", help="tasks, functions or numbers of checks (default: all), and your .py or .ipynb"
    )
    parser.add_argument("-k", dest="select", action="append", default=[], help="only checks with this in their names")
    parser.add_argument("--report", action="store_true", help="also write report.html, the page of the grade")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--watch", action="store_true", help="again at every save: what is not right yet")
    modes.add_argument("--speed", action="store_true", help="what the fast tasks cost, beside their limits")
    modes.add_argument("--gradients", metavar="FUNCTION", help="gradients against differences; needs --shapes")
    parser.add_argument("--shapes", default="", help="for --gradients, such as 2x3x8x8,4x3x3x3,4")
    parser.add_argument("--with", dest="settings", nargs="+", default=[], help="for --gradients, such as stride=2")
    return parser


def _submit() -> argparse.ArgumentParser:
    parser = _parser("submit.py", "Runs the public checks, says what is missing, and packs your work.", PACKED)
    parser.add_argument("what", nargs="*", help="your .py or .ipynb (default: the one in which more is written)")
    parser.add_argument("--anyway", action="store_true", help="pack even what cannot be imported")
    parser.set_defaults(select=[], report=False)
    return parser


def _parser(name: str, description: str, codes: str) -> argparse.ArgumentParser:
    as_written = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=name, description=description, epilog=codes, formatter_class=as_written)


PARSERS = {"check": _check, "submit": _submit}
