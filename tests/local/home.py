"""A student's own machine: a Python without this project, and how `check.py` ended there."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import load_assignment

COURSE = Path(__file__).parents[1] / "course"
MINI = load_assignment("mini", COURSE)
REFERENCE = MINI.solution.read_text()
EXAMPLE = "1.1     {}/8  double: 1, 2, 3 becomes 2, 4, 6"
PASSED, FAILED, STUB = (f"{sign} {EXAMPLE.format(points)}" for sign, points in (("✓", 8), ("✗", 0), ("·", 0)))
# The project is installed in this environment; a student's Python has neither its finder nor its path, nor what is
# hidden. Kept warm, so that torch is imported once: each line of its input is a run of check.py, in a fork.
STUDENT = """
import importlib.util, json, os, runpy, sys, traceback

class Without:
    def __init__(self, finder, hidden):
        self.finder, self.hidden = finder, hidden
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in self.hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

def run(script, arguments, hidden):
    for module, name in (each.split(".") for each in hidden if "." in each):
        delattr(importlib.import_module(module), name)
    sys.meta_path[:] = [Without(finder, hidden) for finder in sys.meta_path]
    sys.argv[:] = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    os.chdir(os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")

def forked(script, arguments, hidden):
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for descriptor, name in ((1, "out"), (2, "err")):
        with open(os.path.join(os.path.dirname(script), "..", name), "wb") as file:
            os.dup2(file.fileno(), descriptor)
    sys.stdin = open(os.devnull)
    code = 1
    try:
        run(script, arguments, hidden)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

root = sys.argv[1]
sys.path[:] = [path for path in sys.path if path != root]
sys.meta_path[:] = [one for one in sys.meta_path if not getattr(one, "__module__", "").startswith("__editable")]
assert importlib.util.find_spec("autograder") is None, "the project is still in reach"
if sys.argv[2:]:
    run(*json.loads(sys.argv[2]))
else:
    import numpy, pytest, torch
    for line in sys.stdin:
        print(forked(*json.loads(line)), flush=True)
"""
COMMAND = [sys.executable, "-I", "-B", "-c", STUDENT, str(COURSE.parents[1])]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


@dataclass
class Done:
    """How a run of check.py ended and what it said."""

    code: int
    out: str
    err: str


Check = Callable[..., Done]


def no_traceback(done: Done) -> bool:
    return "Traceback" not in done.out + done.err


OTHER = """

@pytest.mark.task("scale")
@weight(2)
@number("2.1")
def test_other(student):
    \"\"\"other: scales\"\"\"
    assert student.scale_forward(1.0, 2.0) is None, "not so"
"""

ASKS_AFFINE = """

@pytest.mark.task("affine")
@weight(2)
@number("3.1")
def test_affine_shape(student, draw):
    \"\"\"affine: the shape\"\"\"
    assert tuple(student.affine(draw.tensor(2, 3), draw.tensor(3, 4)).shape) == (2, 4)
"""


def limited(folder: Path, seconds: float) -> None:
    """Let a call take so long."""
    facts = folder / "assignment.toml"
    facts.write_text(facts.read_text().replace("call_seconds = 4.0", f"call_seconds = {seconds}"))


def with_checks(folder: Path, more: str) -> None:
    """More public checks."""
    public = folder / "public" / "test_public.py"
    public.write_text(public.read_text() + more)
