"""The checks of an assignment on its own reference, in this process, with nothing between: what isolation is measured
against. Costs and races are left out: they are proven in a sandbox or not at all."""

import importlib
import sys
import time
from pathlib import Path
from types import ModuleType

import torch

from autograder.assignment import Assignment, load_assignment
from autograder.checks import Diagnosis, LocalRunner, module_from_source
from autograder.sandbox.poison import poison
from autograder.suite import check_files, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case, World
from benchmarks.sandboxed import comparable


def main(name: str, count: int) -> int:
    """Run everything so often; 1 where a check does not pass."""
    torch.set_num_threads(1)
    assignment = load_assignment(name)
    for module in assignment.preload:
        importlib.import_module(module)
    helpers_file = assignment.folder / "helpers.py"
    helpers = (
        module_from_source("helpers", helpers_file.read_text(), str(helpers_file)) if helpers_file.exists() else None
    )
    poison()
    bad: list[Case] = []
    for _ in range(count):
        checked(assignment, helpers, bad)
    for case in bad:
        print(case.outcome, case.message, file=sys.stderr)
    return 1 if bad else 0


def checked(assignment: Assignment, helpers: ModuleType | None, bad: list[Case]) -> None:
    """All checks once; cases that did not pass go to `bad`."""
    source, path = assignment.solution.read_text(), str(assignment.solution)
    reference = module_from_source(f"reference_{assignment.name}", source, path)
    student = LocalRunner(module_from_source(assignment.name, source, path), helpers)
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

    def report(check: str, case: Case, cases: int) -> None:
        if case.outcome != "passed":
            bad.append(case)

    plugin = ChecksPlugin(world, report, comparable(assignment))
    run_pytest(plugin, assignment.folder, check_files(assignment))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
