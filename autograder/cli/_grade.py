"""Grading one submission."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from autograder.cli._shared import cli, course_of, course_option, device_option
from autograder.errors import UsageError
from autograder.sandbox.confine import LEVELS


@cli.command()
@click.argument("name")
@click.argument("submission", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for results.json and report.html.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**128 - 1),
    help="Seed of the run; by default derived from submission and course secret.",
)
@click.option(
    "--require",
    type=click.Choice(LEVELS),
    default="any",
    show_default=True,
    help="Confinement without which nothing is graded; see docs/security.md.",
)
@device_option
@click.option(
    "--merge",
    type=click.Path(path_type=Path),
    help="An earlier results.json of the same submission, whose deferred points this run fills in.",
)
@click.option(
    "--student",
    "students",
    multiple=True,
    help="An e-mail address or number of who handed it in, where a question's numbers are drawn; each of a group's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
@course_option
def grade(
    name: str,
    submission: Path,
    out: Path,
    seed: int | None,
    require: str,
    device: str | None,
    merge: Path | None,
    students: tuple[str, ...],
    as_json: bool,
    where: Path | None,
) -> None:
    """Grade SUBMISSION (a file, folder or zip) for the assignment NAME."""
    from autograder.grading import Options, grade
    from autograder.results import load_results, merged, terminal, to_gradescope, write_results
    from autograder.results.page import write_report

    course, console = course_of(where), Console(stderr=as_json)
    earlier = load_results(merge) if merge else None
    pending = tuple(line.check for line in earlier.lines if line.outcome.is_pending) if earlier else ()
    if earlier and not pending:
        raise UsageError(f"nothing is deferred in {merge}", help="There is nothing left that a GPU could add.")
    with terminal.progress(console, f"grading {name}") as progress:
        options = Options(
            seed=seed,
            secret=course.secret(),
            require=require,
            device=device or course.device,
            select=pending,
            students=students,
        )
        run = grade(name, submission, root=course.root, options=options, progress=progress)
    if earlier and not run.has_fault:
        run = merged(earlier, run)
    written: list[Path] = []
    try:
        written += [write_results(run, out), write_report(run, out)]
    finally:  # a disk that is full is told of, and the result is shown all the same
        if as_json:
            click.echo(json.dumps(to_gradescope(run), indent=2, allow_nan=False))
        else:
            terminal.show(run, console, files=written)
    sys.exit(run.exit_code)
