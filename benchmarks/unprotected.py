"""The checks of an assignment on its own reference, in this process, with nothing between: what isolation is measured
against."""

import importlib
import sys
import time
from pathlib import Path

import torch

from autograder.assignment import load_assignment
from autograder.checks import Diagnosis, LocalRunner, module_from_source
from autograder.sandbox.poison import poison
from autograder.suite import check_files, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case, World


def main(name: str) -> int:
    """Run everything; 1 where a check does not pass."""
    torch.set_num_threads(1)
    assignment = load_assignment(name)
    for module in assignment.preload:
        importlib.import_module(module)
    helpers_file = assignment.folder / "helpers.py"
    source = assignment.solution.read_text()
    reference = module_from_source(f"reference_{name}", source, str(assignment.solution))
    helpers = (
        module_from_source("helpers", helpers_file.read_text(), str(helpers_file)) if helpers_file.exists() else None
    )
    poison()
    student = LocalRunner(module_from_source(name, source, str(assignment.solution)), helpers)
    bad: list[Case] = []
    world = World(
        assignment=assignment,
        student=lambda: student,
        student_module=reference,
        reference=LocalRunner(reference, helpers),
        seed=1,
        deadline=time.monotonic() + 600,
        source=Path(assignment.solution),
        diagnosis=Diagnosis(assignment, helpers),
    )
    plugin = ChecksPlugin(world, lambda check, case, cases: bad.append(case) if case.outcome != "passed" else None)
    run_pytest(plugin, assignment.folder, check_files(assignment))
    for case in bad:
        print(case.outcome, case.message)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
