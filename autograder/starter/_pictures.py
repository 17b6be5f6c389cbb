"""The handout's pictures: `![what it shows](figures/NAME.svg)`, files of the assignment's own folder. The notebook has
them within it, since there is no folder beside it where it was opened from elsewhere."""

import base64
import html
import re
import xml.etree.ElementTree as ET

from autograder.assignment import Assignment
from autograder.errors import AuthoringError

FOLDER = "figures"
PICTURE = re.compile(rf"!\[([^]]*)\]\(({FOLDER}/[^)\s]+)\)")


def pictures(assignment: Assignment, page: str) -> dict[str, bytes]:
    """The files of the pictures that a handout shows, by relative path.

    Raises:
        AuthoringError: one of them is missing, is no SVG, or says nothing for those who cannot see it; or there is a
            file that is not shown.
    """
    where, shown = assignment.folder / "handout.md", {path: said for said, path in PICTURE.findall(page)}
    there = {f"{FOLDER}/{file.name}" for file in (assignment.folder / FOLDER).glob("[!.]*")}
    if missing := sorted(shown.keys() - there):
        raise AuthoringError(f"{where}: there is no file {missing[0]} in {assignment.folder}")
    if idle := sorted(there - shown.keys()):
        raise AuthoringError(f"{assignment.folder / idle[0]} is not shown: handout.md has no ![...]({idle[0]})")
    if silent := [path for path, said in shown.items() if not said.strip()]:
        raise AuthoringError(f"{where}: say in words what {silent[0]} shows, between the brackets of ![]({silent[0]})")
    return {path: _drawing(assignment, path) for path in sorted(shown)}


def embedded(page: str, files: dict[str, bytes]) -> str:
    """A handout with its pictures within it."""

    def image(match: re.Match[str]) -> str:
        coded = base64.b64encode(files[match[2]]).decode()
        return f'<img alt="{html.escape(match[1])}" src="data:image/svg+xml;base64,{coded}">'

    return PICTURE.sub(image, page)


def _drawing(assignment: Assignment, path: str) -> bytes:
    file = assignment.folder / path
    try:
        data = file.read_bytes().replace(b"\r\n", b"\n")
        if not ET.fromstring(data).tag.endswith("svg"):
            raise AuthoringError(f"{file}: a picture of a handout is an SVG")
    except (OSError, ET.ParseError) as error:
        raise AuthoringError(
            f"{file}: a picture of a handout is an SVG, and this cannot be read as one ({error})"
        ) from error
    return data
