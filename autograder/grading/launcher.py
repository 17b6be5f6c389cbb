"""The process that imports torch once and forks a grader for each submission.

Started as `python -I -B` with a clean environment, so that nothing secret is in its memory: what it forks first in
each grader, the sandbox's warm process, inherits just that. It reads folder names and protections from its control
socket, never a job.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path


def main(descriptor: int, preload: Sequence[str] = ()) -> None:
    """Import, say so, then fork a grader for each request until the parent hangs up.

    Args:
        descriptor: of the control socket, left open by the parent.
        preload: names of further public modules to import.
    """
    control = socket.socket(fileno=descriptor)
    _preload(preload)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # graders are nobody's zombies
    control.sendall(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _grade(json.loads(message), socket.socket(fileno=descriptors[0]))
        os.close(descriptors[0])


def _preload(names: Sequence[str]) -> None:
    """Everything public that grader or worker will need; importing only, no operation."""
    _complete_sys()
    import torch
    import torch.fx.experimental.symbolic_shapes  # else every worker's first backward pass imports it, and sympy

    import autograder.grading.grader
    import autograder.proof.replayer  # noqa: F401
    from autograder.sandbox.zygote import prepare

    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a saving lost, no more: who needs the module will say so
            print(f"deepgrade: {name} cannot be imported in advance: {error}", file=sys.stderr)
    torch.set_num_threads(1)
    prepare()
    if sys.platform.startswith("linux"):
        from autograder.sandbox import linux

        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    gc.collect()
    gc.freeze()
    if sys.platform.startswith("linux"):
        linux.collapse_pages()


def _complete_sys() -> None:
    """The 3.11.0rc1 of Ubuntu 22.04 lacks two functions that torch._dynamo looks up, signatures and all."""
    if hasattr(sys, "get_int_max_str_digits"):
        return

    def get_int_max_str_digits() -> int:
        return 0

    def set_int_max_str_digits(maxdigits: int) -> None:
        pass

    vars(sys).update(get_int_max_str_digits=get_int_max_str_digits, set_int_max_str_digits=set_int_max_str_digits)


def _grade(message: dict[str, object], job: socket.socket) -> None:
    from autograder.grading.grader import main as grade
    from autograder.sandbox.box import fork_zygote
    from autograder.sandbox.confine import Confinement

    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform.startswith("linux"):
            from autograder.sandbox import linux

            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            linux.prctl(linux.PR_SET_DUMPABLE, 0)
        confinement = Confinement(**message["confinement"])  # type: ignore[arg-type]
        # First the fork, then the job: nothing hidden is in memory yet.
        sandbox = fork_zygote(Path(str(message["folder"])), confinement, message["warm"])  # type: ignore[arg-type]
        grade(job, sandbox)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
