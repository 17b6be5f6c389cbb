"""Recordings that wait for a device: made where there is none, replayed where there is one, without the submission.

What is in such a file is a claim like any other recording: it came from a worker, and earns what its replay gives.
Light until one is read or written, which takes torch.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autograder.errors import GraderError
from autograder.plain import write_whole

SUFFIX = ".recording"


@dataclass(frozen=True)
class Kept:
    """The recordings of one submission, a file a check.

    Attributes:
        folder: where they are.
        replays: whether they are replayed in this run; else they are made.
    """

    folder: Path
    replays: bool

    def put(self, check: str, recording: Any) -> None:
        """Keep the recording of a check.

        Raises:
            GraderError: the folder cannot be written.
        """
        from autograder.sandbox import wire

        try:
            write_whole(self._file(check), b"".join(wire.encode(recording)))
        except OSError as error:
            raise GraderError(f"the recording cannot be kept: {error}") from error

    def get(self, check: str) -> Any:
        """The recording of a check.

        Raises:
            GraderError: there is none that can be read.
        """
        from autograder.sandbox import wire

        try:
            frame = self._file(check).read_bytes()
            header, _ = wire.read_prefix(frame[: wire.PREFIX.size])
            middle = wire.PREFIX.size + header
            return wire.decode(frame[wire.PREFIX.size : middle], frame[middle:])
        except FileNotFoundError:
            raise GraderError("no recording of this check was kept: grade with recordings first") from None
        except (OSError, struct.error, wire.WireError) as error:
            raise GraderError(f"the recording that was kept cannot be read: {error}") from error

    def _file(self, check: str) -> Path:
        return self.folder / f"{quote(check, safe='')}{SUFFIX}"


def kept_checks(folder: Path) -> set[str]:
    """Names of the checks of which a folder keeps recordings, of all their cases."""
    return {file.name.removesuffix(SUFFIX).partition("%5B")[0] for file in folder.glob(f"*{SUFFIX}")}
