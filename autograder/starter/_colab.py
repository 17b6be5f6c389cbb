"""What a notebook needs on Colab, where it is opened without the files that lie beside it: only in a course whose
course.toml names the address at which these are published."""

import re
from collections.abc import Iterator

from autograder.assignment import GITHUB_FOLDER, Assignment
from autograder.starter._texts import COLAB_BADGE, COLAB_CELL, COLAB_TEXT


def colab_cells(assignment: Assignment, address: str) -> Iterator[tuple[str, str]]:
    """Kind and text of the cells that go first: a badge where Colab can open the notebook by itself (it can from
    GitHub), what to know, and what fetches the files.

    Args:
        assignment: whose notebook.
        address: of the folder that holds NAME-starter.zip and, unpacked, NAME/; nothing where there is none.
    """
    if not address:
        return
    folder = re.fullmatch(GITHUB_FOLDER, address)
    names = {"name": assignment.name, "deliverable": assignment.deliverable}
    archive, badge = f"{address}/{assignment.name}-starter.zip", ""
    if folder:
        repository, branch, path = folder.groups()
        archive = f"https://github.com/{repository}/raw/{branch}{path}/{assignment.name}-starter.zip"
        badge = COLAB_BADGE.format(place=f"{repository}/blob/{branch}{path}", **names)
    yield "markdown", badge + COLAB_TEXT
    yield "code", COLAB_CELL.format(archive=archive, **names)
