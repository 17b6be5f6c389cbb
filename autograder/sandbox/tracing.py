"""What NumPy code costs, as Python's tracer sees it: lines and calls in the submission's own file, in every thread.

NumPy has no dispatcher to ask, but a loop in Python shows: the same interpreter on the same source takes the same
lines, on any machine. What runs in C is one line however long it takes, a loop such as `sum(map(np.dot, a, b))` too.
Runs in the worker: imports nothing of Deepgrade.
"""

import sys
from types import FrameType
from typing import Any

SETTRACE = sys.settrace  # as it was before calls of it were watched


class Steps:
    """Traces the thread that it is entered in.

    Args:
        meter: has the submission's `path`, `steps` (one for each line and call; all threads share it, and `next` on it
            is atomic), and `tampered`.
    """

    def __init__(self, meter: Any) -> None:
        self.meter = meter
        self._before: Any = None
        self._tracer = self._event  # one object, to be recognised

    def __enter__(self) -> "Steps":
        self._before = sys.gettrace()
        SETTRACE(self._tracer)
        return self

    def __exit__(self, *error: Any) -> None:
        self.meter.tampered |= sys.gettrace() is not self._tracer
        SETTRACE(self._before)

    def _event(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            if not self._is_own(frame.f_code.co_filename):
                return None
            self.meter.tampered |= any(name.startswith("f_trace") for name in frame.f_code.co_names)
        if event in ("call", "line"):
            next(self.meter.steps)
        return self._tracer

    def _is_own(self, filename: str) -> bool:
        """The submission's file, and what it makes with exec and eval."""
        return bool(filename == self.meter.path) or (filename.startswith("<") and not filename.startswith("<frozen"))
