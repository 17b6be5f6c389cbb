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
