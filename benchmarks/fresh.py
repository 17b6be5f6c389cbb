"""The notebooks where students have them: `python -m benchmarks.fresh [NAMES]` makes an environment with what a
starter's requirements.txt names and nothing else, and runs each notebook there, in its unpacked archive, filled in with
the reference. Nothing of this repository is in reach.

PYTHON is the Python to make it with; TORCH what to install of torch first, such as torch==2.13.0+cpu, where the general
build is too large. READY is a Python that has all of it already: nothing is made then.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from rich.table import Table

from autograder.assignment import Assignment, assignment_names, load_assignment
from autograder.release import bundles
from autograder.starter import notebook
from benchmarks.tables import show

CONVERT = ("-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", "--log-level=ERROR")
SECONDS = 600  # for a cell
VERSIONS = """
import importlib.util, platform, numpy, scipy, torch
assert importlib.util.find_spec("autograder") is None
print(f"Python {platform.python_version()}", *(f"{it.__name__} {it.__version__}" for it in (numpy, scipy, torch)))
"""


def main(names: Sequence[str]) -> int:
    """Print the versions and the table; returns 1 where a notebook does not run, or a public check does not pass."""
    assignments = [load_assignment(name) for name in names or assignment_names()]
    table = Table(title="notebooks in a new environment")
    for heading in ("notebook", "seconds", "figures", "public checks"):
        table.add_column(heading, justify="left" if heading == "notebook" else "right")
    good = True
    with tempfile.TemporaryDirectory(prefix="deepgrade-fresh-") as folder:
        ready, wanted = os.environ.get("READY"), unpacked(assignments[0], Path(folder)) / "requirements.txt"
        python = Path(ready) if ready else environment(Path(folder), wanted)
        print(subprocess.run([python, "-c", VERSIONS], cwd=folder, check=True, capture_output=True, text=True).stdout)
        for assignment in assignments:
            home = unpacked(assignment, Path(folder))
            seconds, told = run(python, home, assignment)
            good = good and bool(told) and told[-1].split(" of ")[0] == told[-1].split(" of ")[1].split()[0]
            shown = json.loads((home / f"{assignment.deliverable}.ipynb").read_text("utf-8"))
            table.add_row(assignment.name, f"{seconds:.1f}", str(figures(shown)), told[-1] if told else "not run")
    show(table)
    return 0 if good else 1


def environment(folder: Path, requirements: Path) -> Path:
    """Make it; returns its Python."""
    subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if torch := os.environ.get("TORCH"):
        subprocess.run([*pip, torch], check=True)
    subprocess.run([*pip, "-r", requirements], check=True)
    return python


def unpacked(assignment: Assignment, folder: Path) -> Path:
    """A student's folder."""
    with zipfile.ZipFile(BytesIO(bundles(assignment)[0].data())) as archive:
        archive.extractall(folder)
    return folder / assignment.name


def run(python: Path, home: Path, assignment: Assignment) -> tuple[float, list[str]]:
    """Fill in the notebook and run it; returns seconds, and what its checks say at their ends."""
    file = home / f"{assignment.deliverable}.ipynb"
    file.write_bytes(notebook(assignment, solved=True))
    own = {"PATH": os.environ.get("PATH", ""), "HOME": str(home.parent), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    command = [python, *CONVERT, f"--ExecutePreprocessor.timeout={SECONDS}", file.name]
    done = subprocess.run(command, cwd=home, env=own, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        print(f"{assignment.name}: {done.stderr[-2000:]}", file=sys.stderr)
        return seconds, []
    outputs = [output for cell in json.loads(file.read_text("utf-8"))["cells"] for output in cell.get("outputs", ())]
    lines = "".join("".join(output.get("text", ())) for output in outputs).splitlines()
    return seconds, [line.partition(" public checks pass")[0] for line in lines if " public checks pass" in line]


def figures(notebook: dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]) -> int:
    """How many pictures its cells gave."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
