"""What was handed in beside the code: files of plain arrays, which intake has checked and staged beside it."""

from pathlib import Path
from typing import Any

from autograder.checks import CheckFailed
from autograder.errors import GraderError, did_you_mean
from autograder.submission import plain_arrays
from autograder.suite.world import World


def handed_arrays(world: World, name: str) -> dict[str, Any]:
    """The arrays of a file by name.

    Raises:
        CheckFailed: it was not handed in, or cannot be used.
        GraderError: the assignment asks for no such file.
    """
    if name not in (asked := world.assignment.arrays):
        raise GraderError(f"assignment.toml has no {name!r} among its arrays{did_you_mean(name, asked)}")
    own = world.assignment.reference_arrays[name]  # where the reference itself is run
    file = own if world.source == world.assignment.solution else Path(world.source).with_name(name)
    if not file.exists():
        raise CheckFailed(f"There is no {name} that can be used; the notes say why.", rung="missing")
    return plain_arrays(file.read_bytes(), name)
