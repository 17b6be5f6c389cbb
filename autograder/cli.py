"""The command line: a thin skin over functions that can be called from Python. Exit codes: 0 graded, 2 unreadable, 3
our fault, 64 wrong usage, 65 an assignment or a course that is not in order."""

import json
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from autograder import __version__
from autograder.assignment import DEVICES, Assignment, Course, load_course
from autograder.errors import AuthoringError, DeepgradeError, UsageError
from autograder.plain import degrade_signs
from autograder.sandbox.confine import LEVELS

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
    as_json: bool,
    where: Path | None,
) -> None:
    """Grade SUBMISSION (a file, folder or zip) for the assignment NAME."""
    from autograder.grading import Options, grade
    from autograder.results import load_results, merged, terminal, to_gradescope, write_results
    from autograder.results.page import write_report

    course, console = _course(where), Console(stderr=as_json)
    earlier = load_results(merge) if merge else None
    pending = tuple(line.check for line in earlier.lines if line.outcome.is_pending) if earlier else ()
    if earlier and not pending:
        raise UsageError(f"nothing is deferred in {merge}", help="There is nothing left that a GPU could add.")
    with terminal.progress(console, f"grading {name}") as progress:
        options = Options(
            seed=seed, secret=course.secret(), require=require, device=device or course.device, select=pending
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


@cli.command("class")
@click.argument("export", type=click.Path(path_type=Path))
@click.option("--assignment", "name", required=True, help="Name of the assignment.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the class: store, pages, sources."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Gradings at a time, on this machine."
)
@click.option("--cluster", "on_cluster", is_flag=True, help="Grade on the cluster that course.toml describes.")
@click.option("--only", multiple=True, help="Repeat this submission, and no other but those named like this too.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="As for grade; the same for all.")
@click.option("--require", type=click.Choice(LEVELS), default="any", show_default=True, help="As for grade.")
@device_option
@course_option
def grade_many(
    export: Path,
    name: str,
    out: Path,
    jobs: int,
    on_cluster: bool,
    only: tuple[str, ...],
    seed: int | None,
    require: str,
    device: str | None,
    where: Path | None,
) -> None:
    """Grade a whole class: EXPORT is Gradescope's export of submissions, or a folder or zip of folders and files.

    Run it again after an interruption, a repaired check or a newer export: it grades what is left or has changed.
    """
    from autograder.classes import ClassProgress, grade_class, read_cluster, show_class
    from autograder.grading import Options

    course, console = _course(where), Console()
    _note(course.secret_note())
    options = Options(seed=seed, secret=course.secret(), require=require, device=device or course.device)
    how = {"root": course.root, "jobs": jobs, "cluster": read_cluster(course) if on_cluster else None, "only": only}
    try:
        with ClassProgress(console, f"grading {name}") as progress:
            ran = grade_class(name, export, out, options=options, progress=progress, **how)
    except KeyboardInterrupt:
        click.echo("\nstopped; what was graded is stored. Run the same command again to go on.", err=True)
        sys.exit(130)
    settings = {"--jobs": jobs, "--seed": seed, "--require": require, "--device": device, "--course": where}
    given = [str(word) for pair in settings.items() if pair[1] is not None for word in pair]
    given += ["--cluster"] if on_cluster else []
    show_class(ran, console, ["deepgrade", "class", str(export), "--assignment", name, "--out", str(out), *given])
    sys.exit(EXIT_FAULT if any(grade.status == "fault" for grade in ran.grades) else 0)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(("gradescope", "canvas", "moodle")), required=True, help="Whose gradebook."
)
@click.option("--into", type=click.Path(path_type=Path), help="The file that Canvas or Moodle exported.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--column", help="With canvas: the assignment's title there; by default the title it has here.")
@click.option("--policy", type=click.Path(path_type=Path), help="A TOML file: attempts, lateness, extra credit.")
@click.option("--partial", is_flag=True, help="Leave out who has no row in the gradebook, or no final grade.")
def gradebook(
    folder: Path, form: str, into: Path | None, out: Path, column: str | None, policy: Path | None, partial: bool
) -> None:
    """Write the grades of the class in FOLDER into a gradebook."""
    from autograder.classes import gradebook

    filled = gradebook(folder, form, into, column=column, policy=policy, partial=partial)
    filled.write(out)
    for remark in filled.remarks:
        click.echo(f"Note: {remark}")
    click.echo(f"{filled.marks} marks in {out}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; by default FOLDER/report.html.")
@click.option("--anonymous", is_flag=True, help="No names, no identifiers, no links to pages.")
def report(folder: Path, out: Path | None, anonymous: bool) -> None:
    """Write the instructor's report on the class in FOLDER: distribution, checks, mistakes, what needs a human."""
    from autograder.classes import write_class_report

    click.echo(f"Written: {write_class_report(folder, out, anonymous=anonymous)}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The zip to write.")
def replay(folder: Path, out: Path) -> None:
    """Make a bundle for Gradescope that returns the results of the class in FOLDER and runs no student code."""
    from autograder.classes import replay_bundle

    made = replay_bundle(folder)
    made.write(out)
    for remark in made.remarks:
        click.echo(f"Note: {remark}")
    click.echo(f"{made.count} results in {out}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Name pairs from this share of the one or the other on.",
)
@click.option(
    "--common",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="What more submissions than that share is nobody's own.",
)
def similarity(folder: Path, threshold: float, common: int) -> None:
    """Name submissions of the class in FOLDER that share much code: for a human to read, never a score."""
    from autograder.classes import show_similarity, similarity, write_similarity

    found = similarity(folder, threshold=threshold, common=common)
    show_similarity(found, Console())
    click.echo("Written: {}, {}".format(*write_similarity(found, folder)))


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
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Gradings at a time.")
@course_option
def audit(
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    only: str,
    messages: bool,
    matrix: bool,
    jobs: int,
    where: Path | None,
) -> None:
    """Prove that the grading of the assignments NAMES (all, if none is given) is right."""
    from autograder.assignment import assignment_names, load_assignment
    from autograder.audit import audit
    from autograder.audit.report import show_audit

    course, console = _course(where), Console()
    exceptions = 0
    for name in names or assignment_names(course.root):
        _review(load_assignment(name, course.root), course)
        exceptions += show_audit(
            audit(name, course.root, seeds=seeds, workers=jobs), console, only, messages=messages, matrix=matrix
        )
    sys.exit(EXIT_AUTHOR if exceptions else 0)


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail if student_starter/ is not what would be built.")
@course_option
def starter(names: tuple[str, ...], check: bool, where: Path | None) -> None:
    """Build student_starter/NAME (stub, notebook, handout, public checks) from the reference."""
    from autograder.assignment import assignment_names, load_assignment
    from autograder.starter import drift, write

    course = _course(where)
    drifted, root = [], course.root
    for name in names or assignment_names(root):
        folder, assignment = root / "student_starter" / name, load_assignment(name, root)
        _review(assignment, course)
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
    from autograder.release import bundles, prove, write_bundles

    course, console = _course(where), Console()
    _note(course.secret_note())
    for name in names or assignment_names(course.root):
        assignment = load_assignment(name, course.root)
        _review(assignment, course)
        made = bundles(assignment, course.secret())
        with console.status(f"trying {name} out as a student would"):
            prove(assignment, made)
        if show_audit(audit(name, course.root), console):
            help = "Mend the grading, then release."
            raise AuthoringError(f"{name} is not released: its audit has exceptions", help=help)
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

    for path in create(name, _course(where).root):
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


def _course(where: Path | None) -> Course:
    """The course that a command is about; what to know of it first is said."""
    course = load_course(where)
    _note(course.scoring_note())
    return course


def _review(assignment: Assignment, course: Course) -> None:
    """Say what the files alone tell of an assignment, and go no further with a fault."""
    from autograder.assignment import review

    faults = []
    for remark in review(assignment, course):
        faults += [remark.text] if remark.is_fault else []
        if not remark.is_fault:
            _note(remark.text)
    if faults:
        raise AuthoringError("\n".join(faults))


def _note(text: str) -> None:
    if text:
        click.echo(f"Note: {text}", err=True)


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
