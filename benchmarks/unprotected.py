"""The checks of an assignment on its own reference, or on given modules, in this process, with nothing between: what
isolation is measured against. Costs and races are left out: they are proven in a sandbox or not at all. What else is
replayed, the networks that a submission builds, is replayed here, as on a student's own machine."""

import importlib
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autograder.assignment import Assignment, load_assignment
from autograder.checks import Diagnosis, LocalRunner, module_from_source
from autograder.proof.prover import Prover
from autograder.proof.replayer import Replayer
from autograder.sandbox.poison import poison
from autograder.suite import check_files, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case, World
from benchmarks.sandboxed import comparable


class Here(Prover):
    """Replays in this process."""

    def __init__(self) -> None:
        self.replayer = Replayer()

    def _ask(self, what: dict[str, Any]) -> Any:
        return getattr(self.replayer, what["do"])(what)

    def close(self) -> None:
        """Nothing to end."""


def main(name: str, *words: str) -> int:
    """Run everything on the reference so often, 1 where a check does not pass; or once on each of the files."""
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
    files = [Path(word) for word in words if not word.isdigit()]
    for file in files or [assignment.solution] * int(words[0]):
        checked(assignment, helpers, file, bad)
    for case in () if files else bad:  # others may be as wrong as they like
        print(case.outcome, case.message, file=sys.stderr)
    return 1 if bad and not files else 0


def checked(assignment: Assignment, helpers: ModuleType | None, file: Path, bad: list[Case]) -> None:
    """All checks once on the module in a file; cases that did not pass go to `bad`."""
    source, path = assignment.solution.read_text(), str(assignment.solution)
    reference = module_from_source(f"reference_{assignment.name}", source, path)
    module = module_from_source(assignment.name, file.read_text(), str(file))
    student = LocalRunner(module, helpers)
    world = World(
        assignment=assignment,
        student=lambda: student,
        student_module=module,
        reference=LocalRunner(reference, helpers),
        seed=1,
        deadline=time.monotonic() + 600,
        source=file,
        diagnosis=Diagnosis(assignment, helpers),
        prover=Here,
    )

    def report(check: str, case: Case, cases: int) -> None:
        if case.outcome != "passed":
            bad.append(case)

    plugin = ChecksPlugin(world, report, comparable(assignment))
    run_pytest(plugin, assignment.folder, check_files(assignment))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
