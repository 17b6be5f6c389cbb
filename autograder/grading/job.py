"""What the supervising process asks of the grader. Light: both sides import it."""

import json
from dataclasses import asdict, dataclass

SAME = ("folder", "solution", "seed", "select", "device")


@dataclass(frozen=True)
class Job:
    """What the grader is asked to do.

    Attributes:
        folder: of the assignment.
        solution: the reference.
        submission: the staged file.
        helpers: the assignment's helpers, staged for the worker; None where there are none.
        seed: of the run.
        seconds: for the whole run.
        secrets: paths that no worker may be able to open; checked before anything is graded.
        select: names of checks to run, empty for all.
        device: where checks that need an accelerator run, in torch's words; empty where there is none.
        recordings: folder for what these checks record; with a device, it is replayed, and no submission runs.
        students: what those who handed it in are known by; empty where nobody knows.
    """

    folder: str
    solution: str
    submission: str
    helpers: str | None
    seed: int
    seconds: float
    secrets: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    device: str = ""
    recordings: str = ""
    students: tuple[str, ...] = ()

    def is_like(self, other: "Job") -> bool:
        """Whether the same checks ask the same of both submissions."""
        return all(getattr(self, name) == getattr(other, name) for name in SAME)

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"
