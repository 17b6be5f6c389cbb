"""The command line: a thin skin over functions that can be called from Python. Exit codes: 0 graded, 2 unreadable, 3
our fault, 64 wrong usage, 65 an assignment or a course that is not in order."""

import sys

import click

from autograder.cli import _class, _course, _grade  # noqa: F401  # each adds its commands
from autograder.cli._shared import EXIT_AUTHOR, EXIT_FAULT, EXIT_USAGE, cli
from autograder.errors import AuthoringError, DeepgradeError, UsageError
from autograder.plain import degrade_signs

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line; every error ends in one message."""
    degrade_signs(sys.stdout, sys.stderr)
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except UsageError as error:
        _complain(error)
        sys.exit(EXIT_USAGE)
    except AuthoringError as error:
        _complain(error)
        sys.exit(EXIT_AUTHOR)
    except DeepgradeError as error:
        _complain(error)
        sys.exit(EXIT_FAULT)
    except OSError as error:
        click.echo(f"deepgrade: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        sys.exit(EXIT_FAULT)


def _complain(error: DeepgradeError) -> None:
    click.echo(f"deepgrade: {error.message}", err=True)
    if error.help:
        click.echo(f"  {error.help}", err=True)
