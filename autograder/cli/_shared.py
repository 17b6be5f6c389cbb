"""What the commands share: options, exit codes, and how the course is found."""

from pathlib import Path

import click

from autograder import __version__
from autograder.assignment import DEVICES, Assignment, Course, load_course, reviewed

EXIT_FAULT, EXIT_USAGE, EXIT_AUTHOR = 3, 64, 65
course_option = click.option(
    "--course",
    "where",
    type=click.Path(path_type=Path),
    help="Folder of the course; by default the nearest one upwards from here that has a course.toml.",
)
device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Where checks that need a GPU run: nowhere (cpu), there (cuda), or on the processor, to try them (rehearsal); "
    "by default as course.toml says.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="deepgrade")
def cli() -> None:
    """Autograded homework for deep-learning courses."""


def course_of(where: Path | None) -> Course:
    """The course that a command is about; what to know of it first is said."""
    course = load_course(where)
    note(course.scoring_note())
    return course


def refuse_faults(assignment: Assignment, course: Course) -> None:
    """Say what the files alone tell of an assignment, and go no further with a fault."""
    for remark in reviewed(assignment, course):
        note(remark)


def note(text: str) -> None:
    """Say it beside the results; nothing where the text is empty."""
    if text:
        click.echo(f"Note: {text}", err=True)
