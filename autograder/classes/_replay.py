"""A bundle for Gradescope that returns what was graded elsewhere: no student code runs there, and nothing is graded.

For a class that was graded on a machine of one's own, and shall be seen by students where they handed in: upload the
bundle as the assignment's autograder, and regrade all. A submission is known by its number, else by its content.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.classes import _replayed
from autograder.classes._replayed import INDEX, RESULTS
from autograder.classes._store import Store
from autograder.errors import UsageError
from autograder.plain import write_whole
from autograder.results import to_gradescope

PREFIX = "submission_"  # of Gradescope's numbers in its export
SCRIPTS = Path(__file__).with_name("replay")


@dataclass(frozen=True)
class Replay:
    """A replay bundle that was made: its name and files, how many results are in it, whose are not, and why."""

    name: str
    files: dict[str, bytes]
    count: int
    remarks: tuple[str, ...]

    def data(self) -> bytes:
        """The zip, the same bytes every time."""
        from autograder.release import Bundle  # which brings torch with it

        return Bundle(self.name, self.files).data()

    def write(self, out: Path) -> Path:
        """Write the zip, whole or not at all."""
        return write_whole(out, self.data())


def replay_bundle(folder: Path) -> Replay:
    """The replay bundle of a graded class.

    Raises:
        UsageError: there is no class there, or no result to return.
    """
    files: dict[str, bytes] = {}
    index: dict[str, Any] = {"numbers": {}, "contents": {}}
    left = []
    with Store(folder) as store:
        for position, (grade, content) in enumerate(store.contents(), start=1):
            if grade.status == "fault":
                left.append(grade.id)
                continue
            run = store.run(grade.id)
            assert run is not None
            name = f"{position:06}.json.gz"
            data = json.dumps(to_gradescope(run), allow_nan=False).encode()
            files[f"{RESULTS}/{name}"] = gzip.compress(data, mtime=0)  # each by itself, so that memory stays small
            index["contents"].setdefault(content, name)
            if grade.id.startswith(PREFIX):
                index["numbers"][grade.id.removeprefix(PREFIX)] = name
        left += store.ungraded()
        title = store.fact("assignment")
    if not files:
        raise UsageError(f"there is no result to return in {folder}", help="First: deepgrade class.")
    count = len(files)
    files[INDEX] = json.dumps(index, indent=1).encode()
    files["replay.py"] = Path(_replayed.__file__).read_bytes()
    files |= {file.name: file.read_bytes() for file in sorted(SCRIPTS.iterdir())}
    remarks = (f"{len(left)} have no final grade and will be told so: {', '.join(left[:5])}",) if left else ()
    return Replay(f"{title}-replay.zip", files, count, remarks)
