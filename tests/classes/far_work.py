"""What a slot of a cluster does in tests of the cluster itself: a nap, and where it was taken."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from autograder.classes._parsl import own_gpu
from autograder.classes._pool import Task
from autograder.grading import Options


@dataclass(frozen=True)
class Nap:
    """Where and when; times are those of the machine's clock."""

    pid: int
    node: str
    gpu: str
    began: float
    ended: float


def nap(task: Task) -> Nap:
    """Sleep as long as the task's options say."""
    own_gpu(os.environ)
    began = time.time()
    time.sleep(task.options.seconds or 0)
    node = os.environ.get("SLURMD_NODENAME") or os.environ.get("PARSL_WORKER_BLOCK_ID", "")
    return Nap(os.getpid(), node, os.environ.get("CUDA_VISIBLE_DEVICES", ""), began, time.time())


def napping(seconds: float) -> Task:
    """A task of so many seconds."""
    return Task("mini", Path("/"), (), Path("/"), Options(seconds=seconds))
