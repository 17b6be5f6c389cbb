"""The solution as students read it after the deadline: the code without markers, and the notebook as it ran."""

import os
import tempfile
from pathlib import Path

import nbformat

from autograder.assignment import Assignment, given_files
from autograder.errors import AuthoringError
from autograder.starter import handout, notebook, pictures, solved_source

CELL_SECONDS = 600  # more than any experiment takes, on any machine
NEED_STARTER = ("check-", "colab-")  # cells that need its files, or fetch them
KEPT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")


def solution(assignment: Assignment) -> dict[str, bytes]:
    """Code, notebook without outputs, handout, and what the code needs to run.

    Raises:
        AuthoringError: reference, handout or experiment is not in order.
    """
    name, made = assignment.deliverable, nbformat.reads(notebook(assignment, solved=True).decode(), as_version=4)
    made.cells = [cell for cell in made.cells if not cell.id.startswith(NEED_STARTER)]
    given = {path: file.read_bytes() for path, file in (given_files(assignment) | assignment.reference_arrays).items()}
    page = handout(assignment)
    return (
        given
        | pictures(assignment, page)
        | {
            f"{name}.py": solved_source(assignment).encode(),
            **{f"{part}.py": solved_source(assignment, part).encode() for part in assignment.parts},
            f"{name}.ipynb": _bytes(made),
            "handout.md": page.encode(),
        }
    )


def executed(assignment: Assignment, files: dict[str, bytes]) -> tuple[dict[str, bytes], str]:
    """The files of `solution`, with the notebook's outputs in it, and a remark where it could not be run here.

    Raises:
        AuthoringError: a cell of it raises.
    """
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ModuleNotFoundError:
        return files, "the solution's notebook has no outputs, since nothing runs it: pip install 'deepgrade[notebook]'"
    name = f"{assignment.deliverable}.ipynb"
    made = nbformat.reads(files[name].decode(), as_version=4)
    with tempfile.TemporaryDirectory(prefix="deepgrade-solution-") as folder:
        for path, data in files.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(data)
        own = {key: os.environ[key] for key in KEPT if key in os.environ}
        own |= {"HOME": folder, "IPYTHONDIR": f"{folder}/.ipython", "OMP_NUM_THREADS": "1"}
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        own["PYTHONPATH"] = os.pathsep.join(paths)
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            made, timeout=CELL_SECONDS, resources=resources, record_timing=False, coalesce_streams=True
        )
        try:
            client.execute(env=own)
        except CellExecutionError as error:
            shown = "\n".join(str(error).splitlines()[-6:])
            raise AuthoringError(f"{assignment.name}: the solution's notebook does not run", help=shown) from error
    return files | {name: _bytes(made)}, ""


def _bytes(made: nbformat.NotebookNode) -> bytes:
    return (str(nbformat.writes(made)).rstrip("\n") + "\n").encode()
