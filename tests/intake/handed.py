"""What the tests of the intake hand in, and how."""

import contextlib
import json
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from autograder.assignment import Assignment, Limits, Task
from autograder.errors import SubmissionError
from autograder.submission import Submission, collect

CODE = b"def conv(x):\n    return x\n"
CONV = Assignment(
    name="conv",
    title="Convolution",
    deliverable="conv",
    lectures=("Lecture 1",),
    limits=Limits(),
    tasks={
        "conv": Task("conv", "Convolution", ("conv", "pool"), ("windows",), "torch"),
        "net": Task("net", "A network", ("Net",), ("depth",), "torch"),
    },
    pairs={},
    quiz=(),
    folder=Path("assignments/conv"),
    solution=Path("solutions/conv.py"),
)
FUZZ = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


Take = Callable[[Path], Submission]


def put(path: Path, data: bytes | str = CODE) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def cells(*sources: str | list[str], **more: Any) -> bytes:
    """A notebook of code cells, in the format 4.4."""
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [], "source": source}
        for source in sources
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": made} | more).encode()


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip with these members, in this order."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data, compress_type=method)
    return path


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything; what an ordinary user cannot read is tried as one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """What would wait for ever fails instead."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def taken_or_refused(path: Path, tmp_path: Path) -> Submission | str:
    """What is taken, or the message that the student gets, which must be one that can be shown."""
    try:
        return collect(path, CONV, tmp_path / "staging")
    except SubmissionError as error:
        message = str(error)
    assert message.isprintable() and 10 < len(message) < 1000
    return message
