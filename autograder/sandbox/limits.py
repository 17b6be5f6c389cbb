"""What one worker gets, and how it may be lost. Light: runs anywhere."""

from dataclasses import dataclass


class WorkerLost(Exception):
    """A worker that did not answer. `kind` is exit, signal, timeout, memory, disk or garbled; the message completes
    “your code …”."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Limits:
    """What one worker gets: seconds for a call, MiB beyond what the warm process has."""

    call_seconds: float = 10.0
    memory_mb: int = 512

    @property
    def reply_bytes(self) -> int:
        """Of the arrays in one answer, at most. A quarter of the memory: a worker holds the value and its copy, and the
        grader, in a container as small, must hold it too."""
        return self.memory_mb << 18
