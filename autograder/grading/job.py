"""What the supervising process asks of the grader. Light: both sides import it."""

import json
from dataclasses import asdict, dataclass

SAME = ("folder", "solution", "seed", "device")


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

    def is_part_of(self, other: "Job") -> bool:
        """Whether all that is asked of this submission is asked, in the same way, of the other."""
        is_within = not other.select or self.select == other.select
        return is_within and all(getattr(self, name) == getattr(other, name) for name in SAME)

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"
