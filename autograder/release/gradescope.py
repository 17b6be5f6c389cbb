"""What `run_autograder` runs: one submission, where Gradescope put it, to where Gradescope looks for results."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.assignment import load_assignment, load_course, platform_seconds
from autograder.grading import Options, grade
from autograder.plain import write_whole
from autograder.release._rate import Refusal, refusal
from autograder.results import FILE_NAME, Run, to_gradescope, write_results
from autograder.sandbox.confine import Confinement

RESERVED = 2_000_000  # bytes, more than results take
FAULT = json.dumps(
    {
        "score": 0,
        "output": "The grader had a problem of its own. This is not your fault: please tell the course staff, who can "
        "regrade.",
        "extra_data": {"status": "fault"},
    }
)
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")


def main(home: str) -> None:
    """Grade `home/submission` with the bundle in `home/source`; results in `home/results`. Always exits 0: the
    results tell."""
    folder = Path(home)
    make_private(folder)
    _reserve(folder / "results")
    try:
        config = json.loads((folder / "source" / "deepgrade.json").read_text())
        if (refused := _refused(folder)) is not None:
            write_whole(folder / "results" / FILE_NAME, json.dumps(refused.to_results()))
            return
        run = _grade(folder, config)
    except BaseException as error:  # whatever it was, the platform must find results
        print(f"deepgrade: {type(error).__name__}: {error}", file=sys.stderr)
        _write_fault(folder / "results")
        return
    if run.status == "fault":
        print(f"deepgrade: fault: {run.reason}", file=sys.stderr)
    try:
        write_results(run, folder / "results")
    except OSError as error:
        print(f"deepgrade: {error}", file=sys.stderr)
        _overwrite(folder / "results" / FILE_NAME, json.dumps(to_gradescope(run), allow_nan=False))


def _refused(folder: Path) -> Refusal | None:
    """Whether the course's rate limit is reached; without the platform's metadata nobody is refused."""
    limit = load_course(folder / "source").rate_limit
    return refusal(metadata, limit) if (metadata := _metadata(folder)) else None


def _metadata(folder: Path) -> dict[str, Any]:
    """What the platform says of a submission; nothing where it says nothing that can be read."""
    try:
        metadata = json.loads((folder / "submission_metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def students(metadata: dict[str, Any]) -> tuple[str, ...]:
    """What those who handed it in are known by: e-mail addresses, and the school's numbers."""
    users = metadata.get("users")
    people = [user for user in (users if isinstance(users, list) else []) if isinstance(user, dict)]
    return tuple(str(user[key]) for key in ("email", "sid") for user in people if user.get(key))


def _grade(folder: Path, config: dict[str, Any]) -> Run:
    assignment = load_assignment(config["assignment"], folder / "source")
    seconds = min(assignment.limits.run_seconds, platform_seconds(load_course(folder / "source")))
    private = (folder / "submission_metadata.json", folder / "results", folder / "source", folder / "submission")
    options = Options(
        secret=config["secret"],
        seconds=seconds,
        private=tuple(path for path in private if path.exists()),
        require=config["require"],
        students=students(_metadata(folder)),
    )
    return grade(config["assignment"], _submitted(folder / "submission"), root=folder / "source", options=options)


def _submitted(folder: Path) -> Path:
    """The folder, or the one file in it: a lone zip or a lone file of another name is what the student meant."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
    alone = len(entries) == 1 and entries[0].is_file() and not entries[0].is_symlink()
    return entries[0] if alone and entries[0].suffix.lower() in (".py", ".ipynb", ".zip") else folder


def make_private(folder: Path) -> None:
    """What students must not read is root's alone; without Landlock, shared folders lose their write permission too.

    The container is the platform's, made for this one submission: nobody else is here to mind.
    """
    for name, mode in (
        ("source", 0o700),
        ("submission", 0o700),
        ("results", 0o700),
        ("submission_metadata.json", 0o600),
    ):
        with suppress(OSError):
            (folder / name).chmod(mode)
    if not Confinement.available().landlock:
        for shared in SHARED:
            with suppress(OSError):
                os.chmod(shared, os.stat(shared).st_mode & ~0o002)


def _reserve(folder: Path) -> None:
    """Results from the first moment on: they stand if this process is killed, and keep room on a disk that fills up."""
    with suppress(OSError):
        write_whole(folder / FILE_NAME, FAULT.ljust(RESERVED))


def _write_fault(folder: Path) -> None:
    """A result by hand, where even making one went wrong. What went wrong is for staff, on standard error."""
    try:
        write_whole(folder / FILE_NAME, FAULT)
    except OSError as error:
        print(f"deepgrade: {error}", file=sys.stderr)
        _overwrite(folder / FILE_NAME, FAULT)


def _overwrite(file: Path, text: str) -> None:
    """Into the room that was reserved, where no other can be had."""
    data = text.encode()
    with open(file, "r+b") as stream:
        stream.write((data if len(data) <= RESERVED else FAULT.encode()).ljust(RESERVED))
