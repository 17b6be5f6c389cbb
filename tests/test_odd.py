"""Honest but odd submissions: right answers in unusual files, with unusual habits, keep full marks; where that cannot
be, the message says what to change."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import load_assignment, points
from autograder.checks.runner import advice
from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run
from autograder.starter import notebook, solved_source

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
CONV = load_assignment("conv")
SOURCE = solved_source(MINI)
CHECKS = ("test_double", "test_scale", "test_layer", "test_twice", "test_keeps_float32", "test_quiz")
FEW = ("test_scale", "test_layer")
UNSELECTED = "Not selected for this run."

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are confined on Linux only")


Graded = Callable[..., Run]


@pytest.fixture
def graded(engine: Engine, tmp_path: Path) -> Graded:
    """Grade a text, bytes or a path for the small course."""

    def run(what: str | bytes | Path, select: tuple[str, ...] = CHECKS, name: str = "mini.py") -> Run:
        path = what if isinstance(what, Path) else tmp_path / name
        if not isinstance(what, Path):
            path.write_bytes(what.encode() if isinstance(what, str) else what)
        return grade("mini", path, root=COURSE, options=Options(seed=1, select=select), engine=engine)

    return run


def lost(run: Run) -> list[tuple[str, str]]:
    """What did not pass, and why; never nothing because nothing was run."""
    assert run.status == "graded", run.reason
    ran = [line for line in run.lines if line.message != UNSELECTED]
    assert len(ran) > 1
    return [(line.check, run.reason or line.message) for line in ran if not is_right(line)]


def is_right(line: Line) -> bool:
    """Whether it passed, or could not be measured here: a race on a machine that is shared."""
    return line.outcome is Outcome.PASSED or line.outcome.is_pending


def changed(*changes: tuple[str, str]) -> str:
    """The small course's solution, some pieces of it replaced."""
    text = SOURCE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def started(prefix: str) -> str:
    """The solution with some lines before its first import."""
    return changed(("import numpy as np\n", f"{prefix}\nimport numpy as np\n"))


# Files ------------------------------------------------------------------------------------------------------------

TABS = "\n".join("\t" * ((len(line) - len(line.lstrip(" "))) // 4) + line.lstrip(" ") for line in SOURCE.split("\n"))
ACCENTED = changed(("return 2 * x", "größe = 2  # é, die Größe\n    return größe * x"))
FILES = {
    "Windows lines": SOURCE.replace("\n", "\r\n").encode(),
    "old Mac lines": SOURCE.replace("\n", "\r").encode(),
    "a byte order mark": b"\xef\xbb\xbf" + SOURCE.encode(),
    "a byte order mark and Windows lines": b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode(),
    "tabs": TABS.encode(),
    "latin-1, said": b"# -*- coding: latin-1 -*-\n" + ACCENTED.encode("latin-1"),
    "names that are not ASCII": ACCENTED.encode(),
    "form feeds": SOURCE.replace("\n\n\ndef", "\n\f\n\ndef").encode(),
    "no newline at the end": SOURCE.rstrip("\n").encode(),
    "a continued line at the end": SOURCE.rstrip("\n").encode() + b"\n# \\",
    "a shebang": b"#!/usr/bin/env python3\n" + SOURCE.encode(),
    "postponed annotations": b'"""Mine."""\nfrom __future__ import annotations\n'
    + SOURCE.partition('"""\n')[2].encode(),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_an_unusual_text_file_keeps_full_marks(graded: Graded, data: bytes) -> None:
    assert lost(graded(data, FEW)) == []


@pytest.mark.parametrize("name", ["mini (1).py", "Übung 3 – Lösung.py", "MINI.PY", "作业.py", "a'b\"c $HOME;.py"])
def test_a_file_of_any_name_keeps_full_marks(graded: Graded, name: str) -> None:
    assert lost(graded(SOURCE, FEW, name)) == []


ARCHIVES = {
    "macOS": ["__MACOSX/._mini.py", "__MACOSX/hw/._mini.py", ".DS_Store", "hw/.DS_Store", "hw/mini.py"],
    "Windows": ["hw\\.vscode\\mini.py", "hw\\mini.py", "hw\\__pycache__\\mini.cpython-311.pyc"],
    "a repository": [".git/mini.py", "repo-main/README.md", "repo-main/tests/test_mini.py", "repo-main/src/mini.py"],
    "an editor's": [".ipynb_checkpoints/mini.py", ".idea/mini.py", "a/b/c/mini.py"],
    "a browser's copy": ["hw/mini (2).py", "hw/notes.txt", "hw/plots.py"],
    "a name of their own": ["Anna Müller/solution.py", "Anna Müller/plot.png"],
}


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("names", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_or_a_folder_with_clutter_keeps_full_marks(
    graded: Graded, tmp_path: Path, names: list[str], packed: bool
) -> None:
    wanted = next(name for name in reversed(names) if name.endswith(".py") and "plots" not in name)
    files = {name: SOURCE.encode() if name == wanted else b"\x00\x05\x16\x07 not yours" for name in names}
    if packed:
        with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        assert lost(graded(tmp_path / "mine.zip", FEW)) == []
        return
    for name, data in files.items():
        file = tmp_path / "mine" / name.replace("\\", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    assert lost(graded(tmp_path / "mine", FEW)) == []


# Notebooks --------------------------------------------------------------------------------------------------------

PICTURE = {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure size 640x480>"]}
LITTER = (  # cells as they lie in students' notebooks, code that must not run among them
    ("code", "%matplotlib inline\n%load_ext autoreload\n!pip install -q torch\nimport matplotlib.pyplot as plt"),
    ("code", "%%bash\nls | (("),
    ("raw", "def double(x): return 3 * x"),
    ("markdown", "# Notes\n```python\ndef double(x): return 3 * x\n```"),
    ("code", "from google.colab import drive\ndrive.mount('/content/drive')"),
    ("code", "for epoch in range(10**9):\n    plt.plot([epoch])\nplt.show()"),
    ("code", "input('which one? ')\ndouble?"),
)


def littered() -> nbformat.NotebookNode:
    """The solved notebook of the small course, with such cells and outputs."""
    book = nbformat.reads(notebook(MINI, solved=True).decode(), as_version=4)
    for position, (kind, source) in enumerate(LITTER):
        made = getattr(nbformat.v4, f"new_{kind}_cell")(source, id=f"litter-{position}")
        if kind == "code":
            made.outputs = [
                nbformat.v4.new_output("display_data", PICTURE),
                nbformat.v4.new_output("stream", text="1\n" * 1000),
                nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["\x1b[31mE\x1b[0m"]),
            ]
        book.cells.insert(2 * position, made)
    return book


def old(minor: int) -> str:
    """In the format 4.minor, as Jupyter of that time would have written it."""
    book = littered()
    book.nbformat_minor = minor
    for cell in book.cells:
        if minor < 5:
            del cell["id"]
        if minor < 1 and cell.cell_type == "code":
            cell.metadata.collapsed = False
    nbformat.validate(book)
    return str(nbformat.writes(book, version=nbformat.NO_CONVERT))


NOTEBOOKS = {f"4.{minor}": lambda minor=minor: old(minor) for minor in range(6)} | {
    "3": lambda: str(nbformat.writes(littered(), version=3)),
    "Windows lines": lambda: old(5).replace("\\n", "\\r\\n"),
    "lines in one piece": lambda: json.dumps(littered()),
}


@pytest.mark.filterwarnings("ignore")  # nbformat's own, about ids
@pytest.mark.parametrize("made", NOTEBOOKS.values(), ids=NOTEBOOKS.keys())
def test_a_notebook_of_any_format_with_magics_and_plots_keeps_full_marks(
    graded: Graded, made: Callable[[], str]
) -> None:
    assert lost(graded(made(), FEW, "mini.ipynb")) == []


def test_a_notebook_that_was_exported_as_a_module_keeps_full_marks(graded: Graded) -> None:
    lines = [
        "#!/usr/bin/env python",
        "# coding: utf-8",
        "get_ipython().run_line_magic('matplotlib', 'inline')",
        "get_ipython().system('pip install -q torch')",
        "# In[1]:",
        SOURCE,
        "# In[ ]:",
        "get_ipython().run_cell_magic('time', '', 'double(np.ones(3))')",
        "get_ipython().run_line_magic('pinfo', 'double')",
    ]
    assert lost(graded("\n".join(lines), FEW)) == []


# What a module does when it is imported --------------------------------------------------------------------------

HABITS = {
    "seeds": "import random, numpy, torch\nnumpy.random.seed(0); torch.manual_seed(0); random.seed(0)",
    "errors of floats raised": "import numpy\nnumpy.seterr(all='raise')",
    "warnings are errors": "import warnings\nwarnings.simplefilter('error')",
    "float64 by default": "import torch\ntorch.set_default_dtype(torch.float64)",
    "gradients off": "import torch\ntorch.set_grad_enabled(False)",
    "inference mode": "import torch\nMODE = torch.inference_mode()\nMODE.__enter__()",
    "detects anomalies": "import torch\ntorch.autograd.set_detect_anomaly(True)",
    "less precise products": "import torch\ntorch.set_float32_matmul_precision('medium')",
    "deterministic": "import torch\ntorch.use_deterministic_algorithms(True)",
    "threads of torch": "import torch\ntorch.set_num_threads(4)\ntorch.set_num_interop_threads(2)",
    "a device": "import torch\ntorch.set_default_device('cuda' if torch.cuda.is_available() else 'cpu')",
    "how torch prints": "import torch\ntorch.set_printoptions(precision=1)",
    "how numpy prints": "import numpy\nnumpy.set_printoptions(precision=1, legacy='1.25')",
    "another folder": "import os\nos.makedirs('data/mine')\nos.chdir('data/mine')",
    "a folder that is gone": "import os, tempfile\nwith tempfile.TemporaryDirectory() as gone:\n    os.chdir(gone)",
    "a locale": "import locale\nlocale.setlocale(locale.LC_ALL, '')",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**6)",
    "decimals": "import decimal\ndecimal.getcontext().prec = 3\ndecimal.getcontext().traps[decimal.Inexact] = True",
    "environment": "import os\nos.environ.update(CUDA_VISIBLE_DEVICES='', KMP_DUPLICATE_LIB_OK='TRUE', LANG='de_DE')",
    "who am I": "import getpass, os\nassert getpass.getuser() and os.path.expanduser('~') != '~'",
    "files of its own": "from pathlib import Path\nPath('a.txt').write_text('é')\n"
    "assert Path('a.txt').read_text() == 'é'",
    "arrays in files": "import numpy, torch\nnumpy.save('a', numpy.ones(3)); numpy.load('a.npy')\n"
    "torch.save(torch.ones(3), 'a.pt'); torch.load('a.pt')",
    "temporary files": "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f:\n"
    "    f.write('a'); f.seek(0); f.read()",
    "where it lies": "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\nassert os.listdir(HERE)",
    "a log": "import logging\nlogging.basicConfig(level=logging.DEBUG, filename='log.txt')\nlogging.info('é')",
    "a log on the screen": "import logging\nlogging.basicConfig(level=logging.DEBUG)\nlogging.warning('é %s', 1)",
    "two threads": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n"
    "    assert list(pool.map(abs, [-1, 2])) == [1, 2]",
    "a pool left open": "from concurrent.futures import ThreadPoolExecutor\n"
    "POOL = ThreadPoolExecutor(2)\nPOOL.submit(print)",
    "processes, unused": "import multiprocessing, subprocess, asyncio\nmultiprocessing.set_start_method('spawn')",
    "data loader": "import torch\nassert len(list(torch.utils.data.DataLoader(range(10)))) == 10",
    "megabytes printed": "import sys\nprint('x' * 5_000_000)\nsys.stderr.write('é' * 2_000_000)",
    "another encoding of output": "import sys\nsys.stdout.reconfigure(encoding='ascii', errors='replace')\nprint('é')",
    "half a character printed": "print('\\ud800')",
    "no output": "import os, sys\nsys.stdout = open(os.devnull, 'w')",
    "output closed": "import sys\nsys.stdout.close()",
    "arguments": "import argparse\nparser = argparse.ArgumentParser()\n"
    "parser.add_argument('--lr')\nparser.parse_args()",
    "input with a way out": "try:\n    n = int(input('how many? '))\nexcept (EOFError, ValueError):\n    n = 3",
    "the rest of its input": "import sys\nassert sys.stdin.read() == ''",
    "signals": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    "no collection": "import gc\ngc.disable()",
    "at the end": "import atexit\natexit.register(lambda: 1 / 0)",
    "a moment's sleep": "import time\ntime.sleep(0.1)",
    "a package that may be missing": "try:\n    import pandas_of_mine\nexcept ImportError:\n    pandas_of_mine = None",
    "itself": "import mini",
    "traced memory": "import tracemalloc\ntracemalloc.start()",
    "scripted": "import torch\n@torch.jit.script\ndef more(x: torch.Tensor):\n    return x + 1",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
def test_a_habit_at_import_keeps_full_marks(graded: Graded, habit: str) -> None:
    assert lost(graded(started(habit), FEW)) == []


PLOTS = {
    "a plot shown": "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.imshow([[1, 2]])\nplt.show()",
    "a plot in a window": "import matplotlib\nmatplotlib.use('TkAgg')\n"
    "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()",
    "another window": "import matplotlib.pyplot as plt\nplt.switch_backend('Qt5Agg')\nplt.plot([1])\nplt.pause(0.001)",
    "a plot saved": "import matplotlib.pyplot as plt\nplt.style.use('ggplot')\nplt.plot([1])\nplt.savefig('é.png')",
}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS.keys())
def test_a_plot_at_import_keeps_full_marks(graded: Graded, plot: str) -> None:
    pytest.importorskip("matplotlib")
    assert lost(graded(started(plot), FEW)) == []


def test_what_stands_below_main_never_runs(graded: Graded) -> None:
    below = (
        "\nif __name__ == '__main__':\n    import pandas\n    n = input()\n    open('data.csv')\n    raise SystemExit\n"
    )
    assert lost(graded(SOURCE + below, FEW)) == []


# What functions do --------------------------------------------------------------------------------------------------

DOUBLE, SCALE, BACKWARD = "return 2 * x", "return x * w, (x, w)", "return dout * w, (dout * x).sum(axis=0)"
LAYER, CACHE, AFFINE = "return torch.relu(self.fc(x))", "x, w = cache", "return x @ w"
WAYS = {
    "negative strides": [(DOUBLE, "return (2 * x)[::-1].copy()[::-1]")],
    "in Fortran's order": [(SCALE, "return np.asfortranarray(x * w), (x, w)")],
    "big-endian": [(DOUBLE, "return (2 * x).astype(x.dtype.newbyteorder('>'))")],
    "read-only": [(DOUBLE, "y = 2 * x\n    y.flags.writeable = False\n    return y")],
    "a subclass": [(DOUBLE, "return (2 * x).view(type('Mine', (np.ndarray,), {}))")],
    "a masked array": [(DOUBLE, "return np.ma.array(2 * x)")],
    "memory in a file": [
        (DOUBLE, "y = np.memmap('y', dtype=x.dtype, mode='w+', shape=x.shape)\n    y[:] = 2 * x\n    return y")
    ],
    "its argument, changed": [(DOUBLE, "x *= 2\n    return x")],
    "its cache, changed": [(BACKWARD, "x *= dout\n    return dout * w, x.sum(axis=0)")],
    "its argument, resized": [(DOUBLE, "y = 2 * x\n    x.resize((1,), refcheck=False)\n    return y")],
    "a list of gradients": [(BACKWARD, "return [dout * w, (dout * x).sum(axis=0)]")],
    "a named tuple": [
        (
            BACKWARD,
            "import collections\n    return collections.namedtuple('P', 'dx dw')(dout * w, (dout * x).sum(axis=0))",
        )
    ],
    "a generator as cache": [(SCALE, "return x * w, (item for item in (x, w))")],
    "a dataclass as cache": [
        (SCALE, "import dataclasses\n    return x * w, dataclasses.make_dataclass('C', ['x', 'w'])(x, w)"),
        (CACHE, "x, w = cache.x, cache.w"),
    ],
    "a generator": [(DOUBLE, "return np.fromiter((2 * v for v in x.ravel()), x.dtype).reshape(x.shape)")],
    "vectorize": [(DOUBLE, "return np.vectorize(lambda v: 2 * v)(x)")],
    "more arguments": [("def double(x: np.ndarray)", "def double(x: np.ndarray, verbose=False, *, more=None)")],
    "any arguments": [("def double(x: np.ndarray)", "def double(*xs, **more)"), (DOUBLE, "return 2 * xs[0]")],
    "a cache of functools": [
        ("def double(", "import functools\n\n\n@functools.lru_cache\ndef two():\n    return 2\n\n\ndef double("),
        (DOUBLE, "return two() * x"),
    ],
    "megabytes printed": [(DOUBLE, "print('x' * 4_000_000)\n    return 2 * x")],
    "many lines printed": [(DOUBLE, "for i in range(100_000): print(i)\n    return 2 * x")],
    "two threads": [
        (
            DOUBLE,
            "from concurrent.futures import ThreadPoolExecutor\n    with ThreadPoolExecutor(2) as pool:\n"
            "        return np.stack(list(pool.map(lambda row: 2 * row, x)))",
        )
    ],
    "a file": [(DOUBLE, "np.save('t.npy', 2 * x)\n    return np.load('t.npy')")],
    "a temporary file": [
        (
            DOUBLE,
            "import tempfile\n    with tempfile.NamedTemporaryFile() as f:\n        np.save(f, 2 * x)\n"
            "        f.seek(0)\n        return np.load(f)",
        )
    ],
    "another folder": [
        (DOUBLE, "import os\n    os.makedirs('mine', exist_ok=True)\n    os.chdir('/')\n    return 2 * x")
    ],
    "seeds": [(DOUBLE, "np.random.seed(0)\n    torch.manual_seed(0)\n    return 2 * x")],
    "switches left behind": [
        (DOUBLE, "import warnings\n    warnings.simplefilter('error')\n    np.seterr(all='raise')\n    return 2 * x"),
        (LAYER, "y = torch.relu(self.fc(x))\n        torch.set_grad_enabled(False)\n        return y"),
    ],
    "a warning": [(DOUBLE, "import warnings\n    warnings.warn('careful', FutureWarning)\n    return 2 * x")],
    "a global": [(DOUBLE, "global COUNT\n    COUNT = globals().get('COUNT', 0) + 1\n    return 2 * x")],
    "checks of its argument": [
        (
            DOUBLE,
            "assert type(x) is np.ndarray and x.flags.c_contiguous and x.flags.owndata and x.flags.writeable\n"
            "    return 2 * x",
        )
    ],
    "a Parameter more": [(LAYER, "return torch.relu(self.fc(x)) * nn.Parameter(torch.ones(1, dtype=x.dtype))")],
    "an expanded tensor": [(LAYER, "return torch.relu(self.fc(x)).unsqueeze(0).expand(1, -1, -1)[0]")],
    "a subclass of Tensor": [(LAYER, "return torch.relu(self.fc(x)).as_subclass(type('T', (torch.Tensor,), {}))")],
    "a buffer that is not saved": [
        (
            "self.fc = nn.Linear(d_in, d_out)",
            "self.fc = nn.Linear(d_in, d_out)\n        self.register_buffer('k', torch.ones(1), persistent=False)",
        )
    ],
    "saved and loaded": [
        (
            LAYER,
            "torch.save(self.state_dict(), 'm.pt')\n        self.load_state_dict(torch.load('m.pt'))\n"
            "        return torch.relu(self.fc(x))",
        )
    ],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS.keys())
def test_a_right_answer_in_an_unusual_way_keeps_full_marks(graded: Graded, ways: list[tuple[str, str]]) -> None:
    assert lost(graded(changed(*ways))) == []


NAMED = {
    "lambda": "double = lambda x: 2 * x",
    "partial": "import functools\ndouble = functools.partial(np.multiply, 2)",
    "an object": "double = type('D', (), {'__call__': lambda self, x: 2 * x})()",
    "a static method": "class Mine:\n    @staticmethod\n    def double(x):\n        return 2 * x\ndouble = Mine.double",
    "decorated": "def traced(f):\n    def call(*args, **kwargs):\n        return f(*args, **kwargs)\n"
    "    return call\ndouble = traced(double)",
    "several definitions": "def double(x):\n    return 3 * x\ndef double(x):\n    return 2 * x",
    "quiz as another dict": "import collections\nQUIZ = collections.OrderedDict(QUIZ)",
    "quiz in capitals": "QUIZ = {key: f' {answer.upper()} ' for key, answer in QUIZ.items()}",
}


@pytest.mark.parametrize("more", NAMED.values(), ids=NAMED.keys())
def test_a_name_may_be_bound_in_any_way(graded: Graded, more: str) -> None:
    assert lost(graded(f"{SOURCE}\n{more}\n", ("test_double", "test_quiz"))) == []


def test_wide_floats_are_judged_by_their_value(graded: Graded) -> None:
    assert lost(graded(changed((DOUBLE, "return (2 * x).astype(np.longdouble)")), ("test_double", "test_twice"))) == []


# What cannot be, and what is said -----------------------------------------------------------------------------------

IMPOSSIBLE = {
    "a package": ("import pandas_of_mine as pd", "`pandas_of_mine` is not there where your code is graded"),
    "a part of a package": ("from sklearn_of_mine.decomposition import PCA", "`sklearn_of_mine` is not there"),
    "a file of their own": ("from my_utils import helper", "of your own files only what is asked for"),
    "input": ("n = input('how many? ')", "Nobody is there to answer `input()`"),
    "a data file": ("open('mnist.csv')", "no files but those that it writes there"),
    "the network": ("import urllib.request\nurllib.request.urlopen('http://localhost')", "no network"),
    "a program": ("import os\nif os.fork() == 0: pass", "no other programs"),
    "an end": ("import sys\nsys.exit()", "A module must not end Python"),
}


@pytest.mark.parametrize(("habit", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_work_costs_its_users_only_and_is_explained(graded: Graded, habit: str, told: str) -> None:
    run = graded(started(habit), FEW)
    assert lost(run) == []
    (note,) = run.notes
    assert told in note
    assert 'below `if __name__ == "__main__":`' in note
    assert "of mini.py, in <module>" in note


@pytest.mark.parametrize("kind", ["ValueError", "TypeError", "ZeroDivisionError", "", "EOFErrors"])
def test_a_mistake_of_the_code_itself_gets_no_advice_about_the_machine(kind: str) -> None:
    assert advice(kind, "No module named 'x'") == ""


SWITCHED = """
import torch, tracemalloc
tracemalloc.start()
torch.set_num_threads(4)
torch.autograd.set_detect_anomaly(True)
torch.use_deterministic_algorithms(True)
torch.set_float32_matmul_precision("medium")
torch.set_grad_enabled(False)
np.seterr(all="raise")
"""
STATE = """assert torch.is_grad_enabled() and not torch.is_anomaly_enabled() and torch.get_num_threads() == 1
    assert not tracemalloc.is_tracing() and not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == "highest" and np.geterr()["under"] == "ignore"
    return 2 * x"""


def test_no_switch_that_slows_down_or_rounds_reaches_a_call(graded: Graded) -> None:
    text = changed(("return 2 * x", STATE), ("import torch\n", SWITCHED))
    assert lost(graded(text, ("test_double", "test_scale"))) == []


MIXED = [
    "torch.nn.functional.linear(x, self.fc.weight.float(), None)", "x @ torch.ones(3, 4)",
    "torch.nn.functional.conv1d(x[None], torch.ones(1, 5, 1))",
]  # fmt: skip


@pytest.mark.parametrize("call", MIXED)
def test_two_dtypes_in_one_call_are_explained(graded: Graded, call: str) -> None:
    run = graded(changed(("return torch.relu(self.fc(x))", f"return torch.relu({call})")), FEW)
    told = next(line.message for line in run.lines if line.check == "test_layer")
    assert "Two dtypes meet here." in told
    assert "torch.set_default_dtype" in told


def test_a_missing_module_without_a_name_is_explained_too() -> None:
    assert advice("ModuleNotFoundError", "\x00").startswith("\nthis module is not there")


# All at once ----------------------------------------------------------------------------------------------------------


ALONE = ("errors of floats raised", "output closed", "itself", "scripted", "a folder that is gone")  # not with others


def habitual(name: str) -> str:
    """The solution of an assignment, with nearly all habits at once."""
    habits = "\n".join(habit for each, habit in HABITS.items() if each not in ALONE)
    first = "import numpy as np\n"
    text = solved_source(load_assignment(name))
    assert first in text
    return text.replace(first, f"{habits}\n{first}np.seterr(all='raise')\n", 1)


def test_everything_odd_at_once_keeps_full_marks_throughout_the_suite(engine: Engine, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hand in.zip", "w") as archive:
        archive.writestr("__MACOSX/._conv (1).py", b"\x00\x05\x16\x07")
        archive.writestr("Übung\\conv (1).py", b"\xef\xbb\xbf" + habitual("conv").replace("\n", "\r\n").encode())
    third = tuple(check.name for check in points(load_assignment("conv"))[::3])  # each imports all of it again
    run = grade("conv", tmp_path / "hand in.zip", options=Options(seed=1, select=third), engine=engine)
    assert lost(run) == []
    assert run.score > 25
    assert run.notes == ("conv (1).py is graded as conv.py",)


ELSEWHERE = ["attention", "autoencoder", "gcn", "lstm", "regularization", "resnet", "transformer"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_everything_odd_at_once_keeps_full_marks_elsewhere(engine: Engine, tmp_path: Path, name: str) -> None:
    chosen = [check.name for check in points(load_assignment(name)) if check.kind in ("agreement", "dtype")]
    (tmp_path / "mine.py").write_text(habitual(name))
    run = grade(name, tmp_path / "mine.py", options=Options(seed=1, select=tuple(chosen[:6])), engine=engine)
    assert lost(run) == []
