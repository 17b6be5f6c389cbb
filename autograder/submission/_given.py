"""What an assignment gives, laid beside the staged submission: the instructor's copies, whatever was handed in."""

import shutil
from pathlib import Path

from autograder.assignment import Assignment, given_files


def lay_out(assignment: Assignment, staging: Path) -> None:
    """Copy modules and data into the folder of the staged file, readable by all."""
    for name, path in given_files(assignment).items():
        target = staging / name
        for folder in reversed([each for each in target.parents if staging in each.parents]):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)  # whatever the umask
        shutil.copyfile(path, target)
        target.chmod(0o644)
