"""What a worker uses of memory and disk, seen from outside while it runs: the grader looks every 50 ms.

Disk is what lies in its folder, and what has no name any more but is still open or mapped; of the latter only root on
the host may look (`/proc/PID/fd` takes CAP_SYS_PTRACE, since workers are not dumpable).
"""

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
CELL_MB, CELL_FILES, CELL_DEPTH = 128, 2_000, 64
MAPPED = 16  # files without a name that may be mapped, whatever of them is


def memory(pids: Iterable[int]) -> int:
    """Bytes of resident memory that the processes do not share with files."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
            total += (resident - shared) * PAGE
    return total


def too_much_disk(folder: Path, pids: Iterable[int]) -> bool:
    """Whether the processes of a worker have written more than may be, in bytes or in files."""
    size, files = _usage(folder)
    for pid in pids:
        with contextlib.suppress(OSError):
            held, mapped = _nameless(pid, folder)
            size, files = size + held, files + (mapped if mapped <= MAPPED else CELL_FILES + 1)
    return size > CELL_MB << 20 or files > CELL_FILES


def _nameless(pid: int, folder: Path) -> tuple[int, int]:
    """Bytes of the files that a process has open although they were unlinked, and how many such it has mapped."""
    size = 0
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            facts = os.stat(f"/proc/{pid}/fd/{descriptor}")
            size += facts.st_blocks * 512 if not facts.st_nlink else 0
    lines = Path(f"/proc/{pid}/maps").read_bytes().splitlines()
    gone = [line for line in lines if line.endswith(b" (deleted)") and os.fsencode(folder) in line]
    return size, len({line.split()[4] for line in gone})


def _usage(folder: Path) -> tuple[int, int]:
    """Bytes and files below a folder that hostile code owns: bounded, following nothing.

    What cannot be looked into (too deep, a path too long, a closed folder) counts as too many files.
    """
    size, files, pending = 0, 0, [(str(folder), 0)]
    while pending and files <= CELL_FILES:
        place, depth = pending.pop()
        try:
            entries = _facts(place)
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone meanwhile
        except OSError:
            return size, CELL_FILES + 1
        files += len(entries) if depth < CELL_DEPTH else CELL_FILES + 1
        size += sum(facts.st_blocks * 512 for _, facts in entries)
        pending += [(path, depth + 1) for path, facts in entries if stat.S_ISDIR(facts.st_mode)]
    return size, files


def _facts(folder: str) -> list[tuple[str, os.stat_result]]:
    """Path and facts of a folder's entries, as many as may be there and one more."""
    found = []
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, CELL_FILES + 1):
            with contextlib.suppress(FileNotFoundError):
                found.append((entry.path, entry.stat(follow_symlinks=False)))
    return found
