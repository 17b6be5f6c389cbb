"""A class on a cluster gets the grades that it gets here; who is killed there is replaced; GPUs are nobody else's.

What needs Slurm is skipped where none answers; Parsl's own way of running jobs on this machine stands in for it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from itertools import combinations
from pathlib import Path

import pytest

from autograder.assignment import Course, load_course
from autograder.classes import Cluster, Store, grade_class, read_cluster
from autograder.classes._parsl import ParslPool, own_gpu, provider
from autograder.errors import GraderError, UsageError
from tests.classes.conftest import COURSE, Graded
from tests.classes.far_work import Nap, nap, napping
from tests.classes.test_grading_a_class import verdicts

pytestmark = [  # sockets that Parsl leaves to the collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def slurm_nodes() -> list[str]:
    """Names of the nodes of a Slurm that answers here."""
    try:
        listed = subprocess.run(["sinfo", "-h", "-N", "-o", "%N"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted(set(listed.stdout.split())) if listed.returncode == 0 else []


def needs_slurm(nodes: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(len(slurm_nodes()) < nodes, reason=f"needs a Slurm of {nodes} nodes")


def naps(pool: ParslPool, count: int, seconds: float) -> "list[Future[Nap]]":
    return [pool.submit(napping(seconds)) for _ in range(count)]  # type: ignore[misc]


# Settings ---------------------------------------------------------------------------------------------------------

SLURM = """[cluster]
provider = "slurm"
nodes = 4
gpus = 2
partition = "teaching"
account = "cs101"
walltime = "01:30:00"
exclusive = true
setup = "module load python"
options = "#SBATCH --mem=8G"
"""


def course(tmp_path: Path, text: str) -> Course:
    (tmp_path / "assignments").mkdir()
    (tmp_path / "course.toml").write_text(f'title = "Deep learning"\n{text}')
    return load_course(tmp_path)


def test_the_course_says_which_cluster(tmp_path: Path) -> None:
    found = read_cluster(course(tmp_path, SLURM))
    assert (found.provider, found.nodes, found.slots, found.gpus) == ("slurm", 4, 2, 2)
    assert (found.partition, found.account, found.seconds, found.exclusive) == ("teaching", "cs101", 5400, True)


@pytest.mark.parametrize(
    "text, error, message",
    [
        ("", UsageError, r"has no table \[cluster\]"),
        ("[cluster]\nnodes = 2", UsageError, r"with a provider in it"),
        ('[cluster]\nprovider = "slurn"', GraderError, "did you mean 'slurm'"),
        ('[cluster]\nprovider = "slurm"\nnodes = 0', GraderError, "nodes must be positive"),
        ('[cluster]\nprovider = "slurm"\ngpus = 1\nslots = 2', GraderError, "slots is 2, and there are 1 gpus"),
        ('[cluster]\nprovider = "slurm"\nwalltime = "2 h"', GraderError, "walltime must be like 02:00:00"),
        ('[cluster]\nprovider = "slurm"\nqueue = "a"', GraderError, "unknown key 'queue'"),
    ],
)
def test_a_cluster_that_cannot_be_is_one_message(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_cluster(course(tmp_path, text))


def test_the_scheduler_is_asked_for_what_the_course_says(tmp_path: Path) -> None:
    asked = provider(read_cluster(course(tmp_path, SLURM)), blocks=3)
    assert (asked.init_blocks, asked.max_blocks, asked.nodes_per_block) == (3, 4, 1)
    assert (asked.walltime, asked.cores_per_node, asked.gpus_per_node) == ("01:30:00", 2, 2)
    for line in ("--mem=8G", "--exclusive", "--partition=teaching", "--account=cs101"):
        assert f"#SBATCH {line}\n" in asked.scheduler_options
    assert asked.worker_init.startswith("module load python\nexport PATH=")


@pytest.mark.parametrize("name", ["slurm", "pbspro", "torque", "lsf", "gridengine", "local"])
def test_every_scheduler_can_be_asked(name: str) -> None:
    asked = provider(Cluster(name, nodes=3, gpus=1, partition="q", account="a"), blocks=2)
    assert (asked.init_blocks, asked.max_blocks) == (2, 3)


@pytest.mark.parametrize(
    "given, counted, mine",
    [("2,3", "0", "2"), ("2,3", "1", "3"), ("0,1", "1", "1"), ("GPU-a,GPU-b", "1", "GPU-b"), ("", "1", "1")],
)
def test_a_slot_has_the_gpu_that_its_job_was_given(given: str, counted: str, mine: str) -> None:
    environment = {"DEEPGRADE_GPUS": given, "CUDA_VISIBLE_DEVICES": counted}
    for _ in range(2):  # a second task of the same process changes nothing
        own_gpu(environment)
        assert environment["CUDA_VISIBLE_DEVICES"] == mine


# Grades -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(Cluster("local", nodes=2), id="jobs on this machine"),
        pytest.param(Cluster("slurm", nodes=3), id="Slurm", marks=needs_slurm(3)),
    ],
)
def test_a_cluster_gives_the_same_grades_and_is_asked_for_what_is_left(
    graded: Graded, tmp_path: Path, cluster: Cluster
) -> None:
    out = tmp_path / "out"
    ran = grade_class("mini", graded.export, out, root=COURSE, cluster=cluster)
    assert (ran.graded, ran.unsettled) == (12, ())
    assert verdicts(out) == verdicts(graded.out)
    assert not (out / ".parsl").exists(), "nothing is left, no keys either"
    assert grade_class("mini", graded.export, out, root=COURSE, cluster=cluster).graded == 0


@pytest.mark.parametrize(
    "cluster, said",
    [
        # Three at a time: the fifth failure, after which it is given up, comes with the second look at the jobs.
        pytest.param(
            Cluster("local", nodes=3, setup="echo no module here >&2; exit 3"), "no module here", id="jobs that fail"
        ),
        pytest.param(Cluster("slurm", partition="nowhere"), "invalid partition", id="Slurm", marks=needs_slurm(1)),
    ],
)
def test_a_cluster_that_takes_no_jobs_is_one_message_and_no_fault_of_anybodys(
    graded: Graded, tmp_path: Path, cluster: Cluster, said: str
) -> None:
    with pytest.raises(GraderError, match=f"the cluster takes no jobs: .*{said}"):
        grade_class("mini", graded.export, tmp_path / "out", root=COURSE, cluster=cluster)
    with Store(tmp_path / "out") as store:
        assert store.grades() == []


# Losses -----------------------------------------------------------------------------------------------------------


def test_a_slot_that_is_killed_is_replaced_and_its_task_is_done_elsewhere(tmp_path: Path) -> None:
    with ParslPool(Cluster("local", nodes=2), tmp_path / "parsl", 8, 1, nap) as pool:
        done = naps(pool, 8, 1)
        killed = done[0].result(120).pid
        time.sleep(0.3)  # so that it is at its next one
        os.kill(killed, signal.SIGKILL)
        pids = [each.result(120).pid for each in done]
    assert killed in pids
    assert len(set(pids)) == 3


def processes(node: str) -> Iterator[int]:
    """Everything that runs on an emulated node, its daemon too."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        is_daemon = words[0].endswith(b"slurmd") and node.encode() in words
        if is_daemon or f"SLURMD_NODENAME={node}".encode() in environment:
            yield int(entry.name)


def fall(node: str) -> None:
    """What a power cut does to a node."""
    for pid in processes(node):
        os.kill(pid, signal.SIGKILL)


@needs_slurm(3)
def test_a_node_that_falls_loses_nothing(tmp_path: Path) -> None:
    try:
        with ParslPool(Cluster("slurm", nodes=3), tmp_path / "parsl", 12, 1, nap) as pool:
            first = naps(pool, 3, 2)
            fallen = first[0].result(120).node
            later = naps(pool, 9, 2)
            time.sleep(0.5)  # so that one of them is at it there
            fall(fallen)
            assert len([each.result(240) for each in later]) == 9
    finally:
        conf = os.environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")
        subprocess.run(["slurmd", "-c", "-f", conf, "-N", fallen], check=True, timeout=30)


@needs_slurm(2)
def test_no_two_tasks_have_one_gpu_at_a_time(tmp_path: Path) -> None:
    with ParslPool(Cluster("slurm", nodes=2, slots=2, gpus=2), tmp_path / "parsl", 24, 1, nap) as pool:
        done = naps(pool, 24, 0.3)
        wait(done)
        taken = [each.result() for each in done]
    assert {each.gpu for each in taken} == {"0", "1"}
    assert len({(each.node, each.gpu) for each in taken}) == 4, "all of them work"
    for one, other in combinations(taken, 2):
        if (one.node, one.gpu) == (other.node, other.gpu):
            assert one.ended <= other.began or other.ended <= one.began
