"""Every notebook of the course, filled in with the reference, runs from top to bottom: the check of the student's work
passes, and the experiment at its end shows what it promises."""

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.assignment import assignment_names, load_assignment
from benchmarks import notebooks
from benchmarks.notebooks import Run, run

ROOT = Path(__file__).parents[1]
BARE = """
import matplotlib.pyplot as plt

def show(shown=plt.show):
    for figure in map(plt.figure, plt.get_fignums()):
        titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        scaled = [axes for axes in figure.axes if axes.get_xticks().size and axes.get_yticks().size]
        plots = [axes for axes in scaled if axes.get_label() != "<colorbar>"]
        bare = [axes for axes in plots if not (axes.get_xlabel() and axes.get_ylabel())]
        if bare or not any(titles):
            print(f"BARE: {titles}: {len(bare)} of {len(plots)} axes have no labels")
    shown()

plt.show = show
"""


def printed(cells: Run, prefix: str, stream: str = "stdout") -> str:
    """What the cells of that name wrote."""
    outputs = [output for cell in cells.cells if cell.id.startswith(prefix) for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.get("name") == stream)


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_the_solved_notebook_runs_and_shows_what_it_promises(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    done = run(load_assignment(name, ROOT), tmp_path, first=BARE)
    record_property("notebook", f"{name} {done.cpu:.1f}")
    checked, told = printed(done, "check"), printed(done, "experiment")
    assert re.search(r"^(\d+) of \1 public checks pass", checked, re.MULTILINE), checked
    assert "BARE" not in told, told
    assert re.search(r"\d", told), "an experiment prints the number that bears its claim out"
    assert done.figures() >= sum(cell.source.count("plt.show()") for cell in done.cells) > 0
    assert "Warning" not in printed(done, "", "stderr")


def test_the_benchmark_of_notebooks_prints_its_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebooks, "run", lambda assignment, folder: Run((), 2.5, 4.0))
    notebooks.main(["gcn", "conv"])
    table = capsys.readouterr().out
    for row in (r"gcn +\| +2\.5 \| +4\.0 \| +0 ", r"all together +\| +5\.0 \| +8\.0 "):
        assert re.search(row, table), table


TOLD = {"matplotlib": "Matplotlib", "numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch"}  # others by their own names


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_what_the_experiment_imports_is_among_what_students_are_told_to_have(name: str) -> None:
    assignment = load_assignment(name, ROOT)
    nodes = [*ast.walk(ast.parse((assignment.folder / "experiment.py").read_text("utf-8")))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {assignment.deliverable}
    for page in (ROOT / "student_starter" / name / "README.md", ROOT / "docs" / "student-guide.md"):
        needed = page.read_text("utf-8").partition("You need Python")[2].partition("\n\n")[0]
        assert {package for package in packages if TOLD.get(package, package) not in needed} == set(), page
