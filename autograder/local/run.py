"""What the local checker does once numpy, torch and pytest are known to be there."""

import ast
import importlib.util
import secrets
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder.assignment import read_assignment
from autograder.checks import Answer, LocalRunner, Raised, skipped_note
from autograder.checks.runner import NO_PACKAGE, PACKAGES, advice
from autograder.errors import SubmissionError
from autograder.sandbox.courtesy import stand_in_for_ipython
from autograder.sandbox.poison import poison
from autograder.sandbox.steps import Submission
from autograder.sandbox.worker import Sources, describe, load_submission
from autograder.submission import collect
from autograder.suite import merged, run_pytest
from autograder.suite.plugin import ChecksPlugin
from autograder.suite.world import Case, World
from autograder.syntax import parse

MARKS = {"passed": "✓", "failed": "✗", "fault": "!"}


def check(folder: Path, path: Path, select: tuple[str, ...], staging: Path) -> int:
    """Run the public checks of the starter in `folder` on the submission at `path`; see `autograder.local.main`."""
    assignment = read_assignment(folder)
    _stand_in_for_decorators()
    submission = collect(path, assignment, staging)
    helpers = assignment.folder / "helpers.py"
    loaded = _imported(Sources(assignment.deliverable, submission.path, helpers if helpers.exists() else None))
    runner = LocalRunner(loaded.module, loaded.helpers)
    cases: dict[str, list[Case]] = {}
    world = World(
        assignment=assignment,
        student=lambda: runner,
        student_module=loaded.module,
        reference=None,
        seed=secrets.randbits(128),
        deadline=time.monotonic() + 3600,
        source=submission.path,
    )
    plugin = ChecksPlugin(world, lambda name, case, count: cases.setdefault(name, []).append(case))
    files = [str(file) for file in sorted((assignment.folder / "public").glob("test_*.py"))]
    failed = (Answer(raised=Raised.from_wire(describe(error, str(submission.path)))) for error in loaded.failed)
    skipped = (skipped_note(answer, submission.path) for answer in failed)
    for note in (*submission.notes, *skipped, *_unusual_imports(submission.source, assignment.deliverable)):
        print(note)
    run_pytest(plugin, assignment.folder, files, select)
    return _show({name: merged(ended) for name, ended in cases.items()})


def _imported(sources: Sources) -> Submission:
    """The student's module, run as Python would.

    Raises:
        SubmissionError: it cannot be imported; the message says where.
    """
    poison()
    stand_in_for_ipython()
    try:
        return load_submission(sources)
    except (Exception, SystemExit) as error:
        told = describe(error, str(sources.path))
        line = f" at line {told['line']}" if told["line"] else ""
        message = f"{sources.path.name} cannot be imported: {told['type']}{line}: {told['message']}"
        raise SubmissionError(message, help=advice(told["type"], told["message"]).strip()) from error


def _unusual_imports(source: str, own: str) -> Iterator[str]:
    """A note for each package that is not there where code is graded, unless it is imported on a condition only."""
    try:
        todo: list[ast.AST] = [parse(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # its import will say so
    seen = {*sys.stdlib_module_names, *PACKAGES, "helpers", own}
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or own]
            for name in dict.fromkeys(name.partition(".")[0] for name in names):
                if name not in seen:
                    yield f"Note: {NO_PACKAGE.format(f'`{name}` (line {node.lineno})')}"
                    seen.add(name)
        elif not isinstance(node, ast.If | ast.Try):
            todo += ast.iter_child_nodes(node)


def _show(lines: dict[str, dict[str, Any]]) -> int:
    for name, line in lines.items():
        print(f"{MARKS.get(line['outcome'], '!')} {name}")
        if line["outcome"] != "passed":
            print("    " + line["message"].replace("\n", "\n    "))
    passed = sum(line["outcome"] == "passed" for line in lines.values())
    print(f"\n{passed} of {len(lines)} public checks pass. Hidden checks run when you hand in.")
    return 0 if passed == len(lines) else 1


def _stand_in_for_decorators() -> None:
    """The decorators of gradescope_utils only note points, which do not matter here: do without where it is not
    installed."""
    if importlib.util.find_spec("gradescope_utils") is not None:
        return
    names = ("weight", "number", "visibility", "tags", "hide_errors", "partial_credit", "leaderboard")
    for path in (
        "gradescope_utils",
        "gradescope_utils.autograder_utils",
        "gradescope_utils.autograder_utils.decorators",
    ):
        sys.modules[path] = types.ModuleType(path)
    for name in names:
        setattr(
            sys.modules["gradescope_utils.autograder_utils.decorators"], name, lambda *args: lambda function: function
        )
