"""Grading a whole class, and what becomes of it."""

import sys
from pathlib import Path

import click
from rich.console import Console

from autograder.cli._shared import EXIT_FAULT, cli, course_of, course_option, device_option, note
from autograder.errors import UsageError
from autograder.plain import write_whole
from autograder.sandbox.confine import LEVELS


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
@click.option("--record", is_flag=True, help="Keep what checks that need a GPU would time, for `deepgrade measure`.")
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
    record: bool,
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

    course, console = course_of(where), Console()
    note(course.secret_note())
    options = Options(seed=seed, secret=course.secret(), require=require, device=device or course.device)
    cluster, root = read_cluster(course) if on_cluster else None, course.root
    try:
        with ClassProgress(console, f"grading {name}") as progress:
            ran = grade_class(
                name,
                export,
                out,
                root=root,
                options=options,
                jobs=jobs,
                cluster=cluster,
                only=only,
                record=record,
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo("\nstopped; what was graded is stored. Run the same command again to go on.", err=True)
        sys.exit(130)
    settings = {"--jobs": jobs, "--seed": seed, "--require": require, "--device": device, "--course": where}
    given = [str(word) for pair in settings.items() if pair[1] is not None for word in pair]
    given += ["--cluster"] * on_cluster + ["--record"] * record
    show_class(ran, console, ["deepgrade", "class", str(export), "--assignment", name, "--out", str(out), *given])
    sys.exit(EXIT_FAULT if any(grade.status == "fault" for grade in ran.grades) else 0)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--device",
    type=click.Choice(("cuda", "rehearsal")),
    default="cuda",
    show_default=True,
    help="Where recordings are replayed; rehearsal tries it on the processor.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Replays at a time, here.")
@click.option("--cluster", "on_cluster", is_flag=True, help="Replay on the cluster that course.toml describes.")
@course_option
def measure(folder: Path, device: str, jobs: int, on_cluster: bool, where: Path | None) -> None:
    """Fill in the points of the class in FOLDER that need a GPU, from what `class --record` kept. No submission
    runs."""
    from autograder.classes import ClassProgress, measure_class, read_cluster, show_measured

    course, console = course_of(where), Console()
    cluster = read_cluster(course) if on_cluster else None
    with ClassProgress(console, "measuring") as progress:
        done = measure_class(folder, root=course.root, device=device, jobs=jobs, cluster=cluster, progress=progress)
    show_measured(done, console)
    sys.exit(EXIT_FAULT if done.faults else 0)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(("gradescope", "canvas", "moodle")), required=True, help="Whose gradebook."
)
@click.option("--into", type=click.Path(path_type=Path), help="The file that Canvas or Moodle exported.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--column", help="With canvas: the assignment's title there; by default the title it has here.")
@click.option("--policy", type=click.Path(path_type=Path), help="A TOML file: attempts, lateness, extra credit.")
@click.option(
    "--hand", type=click.Path(path_type=Path), help="The form of `deepgrade hand`, filled in: points given by hand."
)
@click.option("--partial", is_flag=True, help="Leave out who has no row in the gradebook, or no final grade.")
@course_option
def gradebook(
    folder: Path,
    form: str,
    into: Path | None,
    out: Path,
    column: str | None,
    policy: Path | None,
    hand: Path | None,
    partial: bool,
    where: Path | None,
) -> None:
    """Write the grades of the class in FOLDER into a gradebook. Lateness costs what course.toml says, or the policy."""
    from autograder.classes import gradebook

    course = course_of(where)
    filled = gradebook(folder, form, into, column=column, policy=policy, course=course, hand=hand, partial=partial)
    filled.write(out)
    for remark in filled.remarks:
        click.echo(f"Note: {remark}")
    click.echo(f"{filled.marks} marks in {out}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def hand(folder: Path, out: Path) -> None:
    """Write a form for the points that are given by hand in the class in FOLDER; `gradebook --hand` reads it."""
    from autograder.classes import form

    if out.exists():
        help = "Points may have been entered there: name another file, or remove it."
        raise UsageError(f"{out} exists already", help=help)
    write_whole(out, form(folder))
    click.echo(f"Written: {out}. Fill in a number a cell; then: deepgrade gradebook {folder} --hand {out} ...")


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
