"""A cluster to grade on, as the course's `course.toml` describes it:

[cluster]
provider = "slurm"            # or "pbspro", "torque", "lsf", "gridengine"; "local": this machine, to try it
nodes = 4                     # at most at a time; one job each
slots = 2                     # gradings at a time on a node, a core each
gpus = 2                      # of a node; then as many slots, each with a GPU of its own
partition = "teaching"        # or queue
account = "cs101"
walltime = "02:00:00"         # of a job; when it is over another takes its place
exclusive = true              # nobody else's jobs beside ours: as races want it
setup = "module load python"  # shell lines on a node, before anything is graded
options = "#SBATCH --mem=8G"  # further lines for the scheduler
address = "10.1.0.1"          # of this machine, as the nodes see it; by default all that it has are tried
"""

import re
from dataclasses import dataclass

from autograder.assignment import Course, Table
from autograder.errors import UsageError, did_you_mean

PROVIDERS = ("slurm", "pbspro", "torque", "lsf", "gridengine", "local")
WALLTIME = re.compile(r"(\d+):([0-5]\d):([0-5]\d)")


@dataclass(frozen=True)
class Cluster:
    """See the module."""

    provider: str
    nodes: int = 1
    slots: int = 1
    gpus: int = 0
    partition: str | None = None
    account: str | None = None
    walltime: str = "02:00:00"
    exclusive: bool = False
    setup: str = ""
    options: str = ""
    address: str | None = None

    @property
    def seconds(self) -> int:
        """Of the walltime."""
        hours, minutes, seconds = map(int, self.walltime.split(":"))
        return 3600 * hours + 60 * minutes + seconds


def read_cluster(course: Course) -> Cluster:
    """The cluster of a course.

    Raises:
        UsageError: its `course.toml` describes none.
        AuthoringError: what it says is wrong; the message names the key.
    """
    if "provider" not in course.cluster:
        told = f"{course.root / 'course.toml'} has no table [cluster] with a provider in it"
        raise UsageError(told, help="The instructor's guide says what goes in; without --cluster this machine grades.")
    return _cluster(course.cluster)


def _cluster(table: Table) -> Cluster:
    provider = table.text("provider")
    if provider not in PROVIDERS:
        near = did_you_mean(provider, PROVIDERS)
        raise table.fault(f"provider must be one of {', '.join(PROVIDERS)}, not {provider!r}{near}")
    gpus = table.whole("gpus", 0) if "gpus" in table else 0
    slots = table.whole("slots", gpus or 1)
    if gpus and slots > gpus:
        raise table.fault(f"slots is {slots}, and there are {gpus} gpus: each grading has one of its own")
    walltime = table.text("walltime") if "walltime" in table else Cluster.walltime
    if not WALLTIME.fullmatch(walltime):
        raise table.fault(f"walltime must be like 02:00:00, not {walltime!r}")
    texts = {key: table.text(key) for key in ("partition", "account", "setup", "options", "address") if key in table}
    cluster = Cluster(
        provider=provider,
        nodes=table.whole("nodes", 1),
        slots=slots,
        gpus=gpus,
        walltime=walltime,
        exclusive=table.flag("exclusive"),
        **texts,
    )
    table.close()
    return cluster
