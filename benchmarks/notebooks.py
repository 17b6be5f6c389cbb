"""What the notebooks take: each filled in with the reference and run from top to bottom in a kernel of its own, with
the check of a student's work at its end, which includes those below the tasks, and the experiment."""

import io
import os
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from rich.table import Table

from autograder.assignment import Assignment, load_assignment
from autograder.release import bundles
from autograder.starter import notebook
from benchmarks.tables import show

CELL_SECONDS = 600  # no cell of a course takes as long, on any machine
SPENT = "import os; print(sum(os.times()[:4]))"  # by the kernel and by what it waited for


@dataclass(frozen=True)
class Run:
    """A notebook after it ran: its cells with their outputs, CPU seconds of everything in it, and wall seconds."""

    cells: tuple[nbformat.NotebookNode, ...]
    cpu: float
    seconds: float

    def figures(self) -> int:
        """How many pictures stand in it."""
        outputs = [output for cell in self.cells for output in cell.get("outputs", ())]
        return sum("image/png" in output.get("data", {}) for output in outputs)


def main(names: Sequence[str]) -> None:
    """Print the table."""
    table = Table(title="notebooks, whole, one thread")
    for heading in ("notebook", "CPU seconds", "seconds", "figures"):
        table.add_column(heading, justify="left" if heading == "notebook" else "right")
    runs = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            runs.append(run(load_assignment(name), Path(folder)))
        table.add_row(name, f"{runs[-1].cpu:.1f}", f"{runs[-1].seconds:.1f}", str(runs[-1].figures()))
    table.add_row("all together", f"{sum(run.cpu for run in runs):.1f}", f"{sum(run.seconds for run in runs):.1f}", "")
    show(table)


def run(assignment: Assignment, folder: Path, first: str = "") -> Run:
    """Unpack what students get into `folder`, with the notebook solved, and run that.

    Args:
        assignment: whose notebook.
        folder: where; an empty one.
        first: code for a cell before all others, which is not among those returned.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises.
    """
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[0].data())) as archive:
        archive.extractall(folder)
    home = folder / assignment.name
    file = home / f"{assignment.deliverable}.ipynb"
    file.write_bytes(notebook(assignment, solved=True))
    made = nbformat.reads(file.read_text("utf-8"), as_version=4)
    made.cells = [cell for cell in made.cells if cell.id not in {f"check-{task}" for task in assignment.tasks}]
    made.cells.insert(0, nbformat.v4.new_code_cell(first))
    made.cells.append(nbformat.v4.new_code_cell(SPENT))
    own = {"IPYTHONDIR": str(folder / ".ipython"), "OMP_NUM_THREADS": "1"}
    client = NotebookClient(made, timeout=CELL_SECONDS, resources={"metadata": {"path": str(home)}})
    started = time.monotonic()
    client.execute(env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | own)
    spent = float(made.cells[-1].outputs[0].text)
    return Run(tuple(made.cells[1:-1]), spent, time.monotonic() - started)
