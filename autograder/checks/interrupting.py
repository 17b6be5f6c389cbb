"""Ends what takes too long in this process, where it is, and leaves the process as it was."""

import signal
import time
from collections.abc import Callable
from types import FrameType

import torch

DEEP = 8  # frames that are looked at: a manager of contextlib's that leaves one of torch's is four deep
AGAIN, TRIES = 0.001, 100  # seconds until it is tried again, and how often it is put off


class Over(BaseException):
    """The time for something is over. No `except Exception` on the way is to stop it."""


def is_between(frame: FrameType | None) -> bool:
    """Whether a context manager is being entered or left there. Who raises in the middle of that may leave torch
    without gradients, or in another of its modes, for all that comes after."""
    for _ in range(DEEP):
        if frame is None:
            return False
        if frame.f_code.co_name in ("__enter__", "__exit__"):
            return True
        frame = frame.f_back
    return False


def within(seconds: float, work: Callable[[Callable[[], float]], None]) -> float:
    """Do some work and end it after so much of the processor's time, whatever it does: two mistakes together may loop.

    Args:
        seconds: for it.
        work: is handed what tells how much is left.

    Returns:
        How much it took.
    """
    started, armed, put_off, with_gradients = time.process_time(), True, 0, torch.is_grad_enabled()

    def over(_: int, frame: FrameType | None) -> None:
        nonlocal put_off
        if armed and put_off < TRIES and is_between(frame):
            put_off += 1
            signal.setitimer(signal.ITIMER_PROF, AGAIN)
        elif armed:
            raise Over

    before = signal.signal(signal.SIGPROF, over)
    try:
        signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01))
        try:
            work(lambda: seconds - (time.process_time() - started))
        finally:
            armed = False  # what is raised before this line is done is caught below
    except Over:
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        torch.set_grad_enabled(with_gradients)  # `with torch.set_grad_enabled(False)` is not entered by a frame
    return time.process_time() - started
