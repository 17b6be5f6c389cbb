"""Folders that hostile code may come near: made so that others pass through but cannot look, removed whatever is in
them."""

import os
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def run_folder() -> Path:
    """A new folder for cells and staged files that every user can pass through and only its owner can list or write."""
    base = next((place for place in ("/tmp", "/var/tmp") if os.access(place, os.W_OK)), None)
    folder = Path(tempfile.mkdtemp(prefix="deepgrade-", dir=base))
    folder.chmod(0o711)
    return folder


def remove_tree(folder: Path) -> None:
    """Delete a folder that hostile code owned, however deep it is and whatever its modes are.

    A recursive delete dies at 3000 levels. This one never looks deeper than two: it lifts what is inside a subfolder
    up, then removes the subfolder.
    """
    serial = 0
    while pending := _emptied(folder):
        for inner in pending:
            for entry in _entries(inner):
                serial += 1
                _make_writable(entry)
                os.rename(entry, folder / f".{serial}-{time.monotonic_ns()}")
            os.rmdir(inner)
    os.rmdir(folder)


def remove_owned(folder: Path, uids: Collection[int]) -> None:
    """Delete what users, who run nothing any more, left in a folder that all users share."""
    for entry in _entries(folder):
        with suppress(FileNotFoundError):  # somebody else's, gone meanwhile
            if entry.lstat().st_uid in uids:
                remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _emptied(folder: Path) -> list[Path]:
    """Unlinks the plain entries of a folder; returns its subfolders."""
    folders = []
    for entry in _entries(folder):
        if entry.is_dir() and not entry.is_symlink():
            _make_writable(entry)
            folders.append(entry)
        else:
            os.unlink(entry)
    return folders


def _entries(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries]


def _make_writable(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        os.chmod(path, 0o700)
