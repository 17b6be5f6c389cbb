"""Single operations and Python names that a task forbids: unknown ones are refused, known ones refuse."""

import shutil
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, load_course, points, review
from autograder.errors import AuthoringError
from autograder.grading import Engine, Options, grade
from autograder.results import Outcome, Run
from tests.test_grading import COURSE, REFERENCE, changed, line_of

CHECKS = tuple(check.name for check in points(load_assignment("mini", COURSE)) if check.kind != "race")
DOUBLE, AFFINE = 'functions = ["double"]\nforbidden = ["torch"]', 'forbidden = ["convolution", "attention"]'


def forbidding(folder: Path, double: str = "", affine: str = "") -> Path:
    """A copy of the small course in which double and affine forbid more."""
    shutil.copytree(COURSE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    facts = folder / "assignments" / "mini" / "assignment.toml"
    text = facts.read_text()
    for old, more in ((DOUBLE, double), (AFFINE, affine)):
        assert text.count(old) == 1
        text = text.replace(old, f"{old[:-1]}, {more}]" if more else old)
    facts.write_text(text)
    return folder


UNKNOWN = {
    "evl": "there is no group 'evl'; did you mean 'eval'.*; there are the groups convolution, pooling",
    "convolve": "there is no group 'convolve'; did you mean 'convolution'",
    "aten::einsam": "torch has no operation 'aten::einsam'; did you mean 'aten::einsum'",
    "aten::add.Tensor": "'aten::add.Tensor' is no operation: write its name without an overload",
    "np.convole": "numpy has no 'convole'; did you mean 'numpy.convolve'",
    "scipy.signl": "scipy has no 'signl'; did you mean 'scipy.signal'",
    "F.sofmax": "torch.nn.functional has no 'sofmax'; did you mean 'torch.nn.functional.softmax'",
    "nmpy.dot": "there is no module 'nmpy' here, of which 'nmpy.dot' is to be a part; did you mean 'numpy'",
    "numpy.pi": "'numpy.pi' cannot be forbidden: it is a float, and only what is called or imported can",
    "numpy.ndarray.dot": "'numpy.ndarray.dot' cannot be forbidden: methods of numpy.ndarray, which is not written in",
}


@pytest.mark.parametrize(("entry", "told"), UNKNOWN.items(), ids=UNKNOWN.keys())
def test_what_there_is_not_is_refused_before_anything_runs(tmp_path: Path, entry: str, told: str) -> None:
    course = load_course(forbidding(tmp_path / "course", affine=f'"{entry}"'))
    with pytest.raises(AuthoringError, match=rf"assignment\.toml.*tasks\.affine\] forbidden: {told}"):
        review(load_assignment("mini", course.root), course)


def test_grading_refuses_it_too(engine: Engine, tmp_path: Path) -> None:
    root = forbidding(tmp_path / "course", double='"numpy.convole"')
    run = graded(engine, root, REFERENCE)
    assert run.status == "ungraded" or "numpy has no 'convole'" in run.reason, run


NUMPY = '"np.convolve", "scipy.signal", "scipy.linalg.svd", "eval", "collections.deque", "fractions.Fraction"'
TORCH = '"aten::einsum", "torch.bmm", "aten::softmax", "F.unfold", "nn.Linear", "torch.autograd.grad", "torch.optim"'


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forbidding(tmp_path_factory.mktemp("forbidden") / "course", NUMPY, TORCH)


def graded(engine: Engine, root: Path, source: str) -> Run:
    path = root.parent / "mini.py"
    path.write_text(source)
    return grade("mini", path, root=root, options=Options(seed=1, select=CHECKS), engine=engine)


TWO_X, PRODUCT = "return 2 * x", "return x @ w"
CONVOLVED = "(x.ravel(), [2.0]).reshape(x.shape)"
EARLY = "from __future__ import annotations\n"
USES = {  # what is forbidden, how it is used, what stands above
    "a function": ("numpy.convolve", TWO_X, f"return np.convolve{CONVOLVED}", ""),
    "under another name": ("numpy.convolve", TWO_X, f"return c{CONVOLVED}", "from numpy import convolve as c\n"),
    "by its name as a text": ("numpy.convolve", TWO_X, f"return getattr(np, 'conv' + 'olve'){CONVOLVED}", ""),
    "what is made of it": ("numpy.convolve", TWO_X, f"return np.polymul{CONVOLVED}", ""),
    "a module": ("scipy.signal", TWO_X, f"return scipy.signal.fftconvolve{CONVOLVED}", "import scipy.signal\n"),
    "from a module": ("scipy.signal", TWO_X, f"return s.oaconvolve{CONVOLVED}", "from scipy import signal as s\n"),
    "of a module that is imported late": (
        "scipy.linalg.svd",
        TWO_X,
        "\n    from scipy import linalg\n    u, s, v = linalg.svd(np.eye(2))\n    return 2 * x",
        "",
    ),
    "a builtin": ("eval", TWO_X, "return eval('2 * x', {'x': x})", ""),
    "a class in C": ("collections.deque", TWO_X, "return 2 * np.array(deque(x))", "from collections import deque\n"),
    "a class": ("fractions.Fraction", TWO_X, "return x * float(Fraction(2))", "from fractions import Fraction\n"),
    "an operation": ("einsum", PRODUCT, "return torch.einsum('ij,jk->ik', x, w)", ""),
    "its own name": ("einsum", PRODUCT, "return torch.ops.aten.einsum('ij,jk->ik', [x, w])", ""),
    "a scripted one": (
        "einsum",
        PRODUCT,
        "return scripted(x, w)",
        "import torch\n@torch.jit.script\ndef scripted(x, w):\n    return torch.einsum('ij,jk->ik', [x, w])\n",
    ),
    "a function of torch's in C": ("bmm", PRODUCT, "return x[None].bmm(w[None])[0]", ""),
    "a module that is made of it": ("softmax", PRODUCT, "return x @ w + 0 * nn.Softmax(dim=0)(x).sum()", ""),
    "a function of torch's in Python": (
        "torch.nn.functional.unfold",
        PRODUCT,
        "return x @ w + 0 * nn.Unfold(1)(x[None, None]).sum()",
        "",
    ),
    "a layer": ("torch.nn.Linear", PRODUCT, "return x @ w + 0 * nn.Linear(1, 1).bias.sum()", ""),
    "a module that torch has loaded": ("torch.optim", PRODUCT, "return x @ w + 0 * torch.optim.SGD([w], 1.0).x", ""),
    "the same from torch": (
        "torch.optim",
        PRODUCT,
        "return x @ w + 0 * o.SGD([w], 1.0).x",
        "from torch import optim as o\n",
    ),
    "a function of autograd's": (
        "torch.autograd.grad",
        PRODUCT,
        "\n    torch.autograd.grad((x @ w).sum(), x)\n    return x @ w",
        "",
    ),
}


@pytest.mark.parametrize(("name", "find", "put", "above"), USES.values(), ids=USES.keys())
def test_using_what_is_forbidden_voids_its_task_and_only_that(
    engine: Engine, course: Path, name: str, find: str, put: str, above: str
) -> None:
    run = graded(engine, course, EARLY + above + changed(find, put))
    assert run.status == "graded", run.reason
    task = "double" if find == TWO_X else "affine"
    assert {line.task for line in run.lines if line.check in CHECKS and line.outcome is not Outcome.PASSED} == {task}
    assert {line.score for line in run.lines if line.task == task} == {0}
    told = line_of(run, f"test_{task}").message
    assert f"`{name}" in told
    assert "using it earns nothing" in told
    assert "of mini.py" in told


BESIDE = """
import ast
import collections
from collections import deque, namedtuple
from fractions import Fraction

import scipy.signal
from numpy import convolve
from scipy import signal
from scipy.linalg import svd

Point = namedtuple("Point", "x y")
ROWS = dict(zip("ab", (1, 2)))
"""


def test_what_is_forbidden_may_be_imported_and_what_only_resembles_it_used(engine: Engine, course: Path) -> None:
    """`x @ w` is no einsum, Layer's nn.Linear belongs to another task, and libraries go on using what they have."""
    put = "\n    assert Point(1, 2).y == ast.literal_eval('2') and np.linalg.pinv(np.eye(2)).any()\n    return 2 * x"
    softly = PRODUCT + " + 0 * torch.log_softmax(x, 0).sum() + 0 * x.unfold(0, 1, 1).sum()"
    run = graded(engine, course, EARLY + BESIDE + changed(TWO_X, put).replace(PRODUCT, softly))
    assert [(line.check, line.message) for line in run.lines if line.outcome is Outcome.FAILED] == []
