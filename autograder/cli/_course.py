"""Making a course: assignments, audits, bundles, and what this machine can do."""

import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from autograder.cli._shared import EXIT_AUTHOR, EXIT_FAULT, cli, course_of, course_option, note, refuse_faults
from autograder.errors import AuthoringError


@cli.command()
@click.argument("names", nargs=-1)
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(1,),
    show_default=True,
    help="Grade everything once with each seed.",
)
@click.option(
    "--only", default="", help="Only subjects whose kind or name contains this, as in “mistake” or “kernel-flipped”."
)
@click.option("--messages", is_flag=True, help="Print what a student would read for each caught mistake.")
@click.option("--matrix", is_flag=True, help="Print which mistake loses which checks.")
@click.option("--whole", is_flag=True, help="Known mistakes go through all checks, also those that cannot reach them.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Gradings at a time.")
@click.option(
    "--mutants",
    type=click.IntRange(1),
    metavar="N",
    help="Instead, grade N mutants of each task's reference, and list those that survive though they compute something "
    "else. --only names tasks.",
)
@course_option
def audit(
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    only: str,
    messages: bool,
    matrix: bool,
    whole: bool,
    jobs: int,
    mutants: int | None,
    where: Path | None,
) -> None:
    """Prove that the grading of the assignments NAMES (all, if none is given) is right."""
    from autograder.assignment import assignment_names, load_assignment
    from autograder.audit import audit
    from autograder.audit.report import show_audit, show_strength

    course, console = course_of(where), Console()
    exceptions = 0
    for name in names or assignment_names(course.root):
        assignment = load_assignment(name, course.root)
        refuse_faults(assignment, course)
        if mutants is not None:
            exceptions += show_strength(assignment, console, mutants, seed=seeds[0], workers=jobs, select=only)
            continue
        asked = audit(name, course.root, seeds=seeds, workers=jobs, whole=whole)
        exceptions += show_audit(asked, console, only, messages=messages, matrix=matrix)
    sys.exit(EXIT_AUTHOR if exceptions else 0)


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail if student_starter/ is not what would be built.")
@course_option
def starter(names: tuple[str, ...], check: bool, where: Path | None) -> None:
    """Build student_starter/NAME (stub, notebook, handout, public checks) from the reference."""
    from autograder.assignment import assignment_names, load_assignment
    from autograder.starter import drift, write

    course = course_of(where)
    drifted, root = [], course.root
    for name in names or assignment_names(root):
        folder, assignment = root / "student_starter" / name, load_assignment(name, root)
        refuse_faults(assignment, course)
        if check:
            drifted += drift(assignment, folder)
        else:
            write(assignment, folder)
            click.echo(f"built {folder.relative_to(root)}")
    for line in drifted:
        click.echo(line, err=True)
    sys.exit(EXIT_AUTHOR if drifted else 0)


@cli.command()
@click.argument("names", nargs=-1)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("dist"), show_default=True, help="Folder for the bundles."
)
@course_option
def release(names: tuple[str, ...], out: Path, where: Path | None) -> None:
    """Build the bundles for students, Gradescope and staff of the assignments NAMES (all, if none is given).

    First they are tried out as a student would, and the grading is audited: nothing is written where an exception is
    found.
    """
    from autograder.assignment import assignment_names, load_assignment
    from autograder.audit import audit
    from autograder.audit.report import show_audit
    from autograder.release import bundles, prove, with_hints, with_outputs, write_bundles

    course, console = course_of(where), Console()
    note(course.secret_note())
    for name in names or assignment_names(course.root):
        assignment = load_assignment(name, course.root)
        refuse_faults(assignment, course)
        made = bundles(assignment, course.secret())
        with console.status(f"trying {name} out as a student would"):
            prove(assignment, made)
        if show_audit(audit(name, course.root), console):
            help = "Mend the grading, then release."
            raise AuthoringError(f"{name} is not released: its audit has exceptions", help=help)
        with console.status(f"running the solution's notebook of {name}"):
            made, remark = with_outputs(assignment, with_hints(assignment, made))
        note(remark)
        for path in write_bundles(made, out):
            click.echo(f"{path}  {path.stat().st_size / 1024:.0f} KiB")


@cli.command()
@click.option("--attacks", is_flag=True, help="Try every attack in every configuration that can be made here: minutes.")
@click.option("--only", default="", help="With --attacks: only those whose name contains this.")
@click.option("--site", default="", help="With --attacks: only configurations whose name contains this.")
@course_option
def doctor(attacks: bool, only: str, site: str, where: Path | None) -> None:
    """Say what this machine can confine and time, and whether grading here is safe."""
    if attacks:
        _attack(only, site)
    from autograder.audit.doctor import examine

    findings = examine(where)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.good else 'MIND'}  {finding.text}")
    sys.exit(EXIT_FAULT if any(finding.fatal for finding in findings) else 0)


def _attack(only: str, site: str) -> NoReturn:
    from autograder.audit.attacks import campaigns, show

    console = Console()
    with console.status("attacking") as status:
        fought = list(campaigns(only, site, lambda name: status.update(f"attacking: {name}")))
    sys.exit(EXIT_FAULT if show(fought, console) else 0)


@cli.command()
@click.argument("name")
@course_option
def new(name: str, where: Path | None) -> None:
    """Start an assignment NAME: a folder, a reference and checks to change, which pass their own audit."""
    from autograder.release.new import create

    for path in create(name, course_of(where).root):
        click.echo(f"wrote {path}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", help="Title of the course; by default the folder's name.")
def init(folder: Path, title: str | None) -> None:
    """Start a course in FOLDER: its facts, a secret, one small assignment that passes its audit, a Makefile, CI."""
    from autograder.release.new import found

    for path in found(folder, title):
        click.echo(f"wrote {path}")
    click.echo(f"Next: cd {folder}; deepgrade audit")
