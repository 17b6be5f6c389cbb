"""The pool on a cluster: Parsl starts a job a node, and in it a process a slot, each with a warm engine of its own.

Everything between here and there is encrypted. A task whose process or node is lost is tried again elsewhere. The nodes
must see the same files under the same names: the framework, its environment, the class and its export.
"""

import os
import shutil
import sys
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from autograder.classes._cluster import Cluster
from autograder.classes._pool import Task, Warm
from autograder.errors import GraderError, UsageError
from autograder.results import Run

try:
    import parsl
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.status_handling import BlockProviderExecutor
    from parsl.jobs.states import JobState, JobStatus
    from parsl.launchers import SingleNodeLauncher
    from parsl.providers import (
        GridEngineProvider,
        LocalProvider,
        LSFProvider,
        PBSProProvider,
        SlurmProvider,
        TorqueProvider,
    )
    from parsl.providers.base import ExecutionProvider
except ImportError as error:
    raise UsageError("grading on a cluster needs Parsl", help="pip install 'deepgrade[cluster]'") from error

Words = dict[str, Any]
PACKAGES = Path(__file__).resolve().parents[2]
RETRIES = 3  # of a task whose process or node was lost
BEAT_SECONDS, DEAD_SECONDS = 5, 30  # between signs of life; without one, after which a node is given up
BREAK_SECONDS = 120  # before the walltime, at the least, from when on a node takes no more
SAID = 400  # characters of what a failed job said
REFUSED = 5  # jobs that failed while none ran or waited: the cluster will not have us
GIVEN_GPUS = "DEEPGRADE_GPUS"
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "setsid")  # else a killed driver leaves its jobs behind


class ParslPool:
    """So many nodes with so many slots; see `Pool` and `Cluster`."""

    ahead = sys.maxsize  # the cluster has a queue

    def __init__(
        self, cluster: Cluster, folder: Path, tasks: int, seconds: float, work: Callable[[Task], Any] | None = None
    ) -> None:
        """Describe it.

        Args:
            cluster: which.
            folder: for Parsl's own files, seen by all nodes and by nobody else: the keys are in it.
            tasks: how many there will be: no more nodes are asked for than have something to do.
            seconds: that one may take.
            work: what is done with a task, by default grading it; importable there.
        """
        blocks = min(cluster.nodes, -(-tasks // cluster.slots))
        self._folder, self._executor = folder, _executor(cluster, blocks, seconds)
        self._config = parsl.Config(
            executors=[self._executor],
            retries=RETRIES,
            run_dir=str(folder),
            initialize_logging=False,
            strategy_period=2,
        )
        self._work = work or graded_there

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True)
        try:
            self._kernel = parsl.load(self._config)
        except OSError as error:
            raise GraderError(f"the cluster's scheduler cannot be asked: {error}") from error
        self._app = parsl.python_app(self._work, data_flow_kernel=self._kernel)
        return self

    def __exit__(self, *error: object) -> None:
        self._kernel.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def broken(self) -> str:
        """What the scheduler or a job said, where job after job fails."""
        return str(self._executor.executor_exception or "") if self._executor.bad_state_is_set else ""

    def submit(self, task: Task) -> Future[Run]:
        """Its run, in time; an exception where processes or nodes were lost with it again and again."""
        found: Future[Run] = self._app(task)
        return found


_warm: dict[tuple[str, ...], Warm] = {}


def graded_there(task: Task) -> Run:
    """The run of a task, in a slot's process, whose engine stays warm for the next."""
    own_gpu(os.environ)
    if task.preload not in _warm:
        _warm[task.preload] = Warm(task.preload).__enter__()  # goes with this process
    return _warm[task.preload].grade(task)


def own_gpu(environment: MutableMapping[str, str]) -> None:
    """Make the slot's GPU the one that the job was given for it: Parsl counts from 0, whichever the job has."""
    given = [each for each in environment.pop(GIVEN_GPUS, "").split(",") if each]
    mine = environment.get("CUDA_VISIBLE_DEVICES", "")
    if given and mine.isdigit() and int(mine) < len(given):
        environment["CUDA_VISIBLE_DEVICES"] = given[int(mine)]


def _executor(cluster: Cluster, blocks: int, seconds: float) -> HighThroughputExecutor:
    programs = Path(sys.executable).parent
    dying = DIES_WITH_US if shutil.which(DIES_WITH_US[0]) else ()
    longest = cluster.seconds - max(BREAK_SECONDS, 2 * int(seconds))
    return HighThroughputExecutor(
        label="class",
        provider=provider(cluster, blocks),
        interchange_launch_cmd=[*dying, str(programs / "interchange.py")],
        address=cluster.address or ("127.0.0.1" if cluster.provider == "local" else None),
        max_workers_per_node=cluster.slots,
        cores_per_worker=1e-3,  # else slots are capped by cores, as seen here
        available_accelerators=cluster.gpus,
        cpu_affinity="block" if cluster.exclusive else "none",
        heartbeat_period=BEAT_SECONDS,
        heartbeat_threshold=DEAD_SECONDS,
        drain_period=longest if longest > 0 else None,
        block_error_handler=give_up,
    )


def give_up(executor: BlockProviderExecutor, jobs: dict[str, JobStatus]) -> None:
    """End the run where every job fails; one dead node is no reason, for another job takes its place."""
    failed = [job for job in jobs.values() if job.state in (JobState.FAILED, JobState.MISSING)]
    if len(failed) >= REFUSED and all(job.terminal for job in jobs.values()) and not executor.bad_state_is_set:
        said = failed[-1].stderr_summary or failed[-1].message or f"exit code {failed[-1].exit_code}"
        executor.set_bad_state_and_fail_all(GraderError(" ".join(said.split())[-SAID:]))


def provider(cluster: Cluster, blocks: int) -> ExecutionProvider:
    """Parsl's word for the scheduler, asking for so many nodes, one a job."""
    make, words = PROVIDERS[cluster.provider]
    common = {"init_blocks": blocks, "max_blocks": cluster.nodes, "worker_init": _setup(cluster)}
    if make is not LocalProvider:
        common |= {"walltime": cluster.walltime, "scheduler_options": cluster.options}
        common |= {"launcher": SingleNodeLauncher()}
    return make(**common, **words(cluster))


def _slurm(cluster: Cluster) -> Words:
    size = {"cores_per_node": cluster.slots, "gpus_per_node": cluster.gpus or None}
    return {"partition": cluster.partition, "account": cluster.account, "exclusive": cluster.exclusive, **size}


def _pbspro(cluster: Cluster) -> Words:
    gpus = f"ngpus={cluster.gpus}" if cluster.gpus else ""
    return {**_torque(cluster), "cpus_per_node": cluster.slots, "select_options": gpus}


def _torque(cluster: Cluster) -> Words:
    return {"queue": cluster.partition, "account": cluster.account}


def _lsf(cluster: Cluster) -> Words:
    return {"queue": cluster.partition, "project": cluster.account, "cores_per_node": cluster.slots}


PROVIDERS: dict[str, tuple[Callable[..., ExecutionProvider], Callable[[Cluster], Words]]] = {
    "slurm": (SlurmProvider, _slurm),
    "pbspro": (PBSProProvider, _pbspro),
    "torque": (TorqueProvider, _torque),
    "lsf": (LSFProvider, _lsf),
    "gridengine": (GridEngineProvider, lambda cluster: {"queue": cluster.partition}),
    "local": (LocalProvider, lambda cluster: {}),
}


def _setup(cluster: Cluster) -> str:
    """Shell lines that a job begins with: the course's, then those that find this Python and this framework."""
    path = f'export PATH="{Path(sys.executable).parent}:$PATH"'
    packages = f'export PYTHONPATH="{PACKAGES}${{PYTHONPATH:+:$PYTHONPATH}}"'
    return "\n".join((cluster.setup, path, packages, f'export {GIVEN_GPUS}="${{CUDA_VISIBLE_DEVICES:-}}"'))
