"""How the warm processes fork: the child does one thing, and ends."""

import os
import signal
import sys
import traceback
from collections.abc import Callable


def fork(work: Callable[[], None]) -> None:
    """Have a child do some work and end. It dies with this process, nobody may look into it, and it hears of its own
    children's end."""
    if os.fork():
        return
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform.startswith("linux"):
            from autograder.sandbox import linux

            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            linux.prctl(linux.PR_SET_DUMPABLE, 0)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
