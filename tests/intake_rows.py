"""What students hand in beside right work, one row an input: for the tests of the intake, and for docs/intake.md.

Every row is the right solution of the small course, or of the lesson's convolutions, plus something that happens.
`before` is what it cost in the first version of the intake, as measured there.
"""

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import load_assignment
from autograder.starter import build, notebook, solved_source

MINI = load_assignment("mini", Path(__file__).parent / "course")
SOURCE = solved_source(MINI)
STUB = {str(path): data for path, data in build(MINI).items()}
ZERO = "0, unreadable"
IMPORT = "0, cannot be imported"
HEADER, _, REST = SOURCE.partition("\n\n\ndef double")
PARTS = [HEADER, *re.split(r"\n\n\n", f"def double{REST}")]  # as cells of a notebook
DOUBLE = next(part for part in PARTS if part.startswith("def double"))
Cells = list[str | tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """One input.

    Attributes:
        kind: of the issue's table.
        name: what is handed in, in words.
        files: by name; one file is handed in as it is, several as a zip and as a folder.
        told: words of the note, or of the message of the task that is lost.
        lost: public names that fail, each with `told`.
        before: what the input cost.
    """

    kind: str
    name: str
    files: dict[str, bytes]
    told: str
    lost: tuple[str, ...] = ()
    before: str = ZERO


def book(*sources: str | tuple[str, str], **more: object) -> bytes:
    """A notebook of cells: code, or pairs of a kind and a text."""
    cells = []
    for source in sources:
        kind, text = ("code", source) if isinstance(source, str) else source
        cell: dict[str, object] = {"cell_type": kind, "metadata": {}, "source": text}
        cells.append(cell | ({"execution_count": 1, "outputs": []} if kind == "code" else {}))
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells} | more, indent=1).encode()


def with_cells(*extra: str | tuple[str, str]) -> dict[str, bytes]:
    """The solved notebook with further cells after its first."""
    return {"mini.ipynb": book(PARTS[0], *extra, *PARTS[1:])}


def without(part: str, *extra: str | tuple[str, str]) -> dict[str, bytes]:
    """The solved notebook with something in place of a cell."""
    assert part in PARTS
    return {"mini.ipynb": book(*(each for each in PARTS if each != part), *extra)}


def module(old: str = "", new: str = "", before: str = "") -> dict[str, bytes]:
    """The solution as a module, something in it replaced, something before it."""
    assert not old or SOURCE.count(old) == 1, old
    return {"mini.py": f"{before}{SOURCE.replace(old, new) if old else SOURCE}".encode()}


def zipped(**files: bytes) -> bytes:
    """A zip; dots in names are written as two underscores."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def tarred(**files: bytes) -> bytes:
    """A tar, packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


STRAY = {
    "a loop without its colon": "for i in range(3)\n    print(i)",
    "prose": "This is my solution. It's nice",
    "LaTeX": "$$y_{ij} = \\sum_k x_{ik} w_{kj}$$",
    "Python 2": 'print "x"',
    "an unfinished def": "def experiment(x):",
    "smart quotes": "print(“done”)",
    "a minus of typesetters": "y = 3 − 2",
    "a space that does not break": "y =\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}3 +",
    "mixed tabs": "if True:\n\tx = 1\n        y = 2",
    "an open quote": "print('done)",
    "an open bracket": "plot([1, 2, 3",
    "an open text": "'''my notes\nand more",
    "a type of Python 3.12": "def first[T](x: list[T]) -> T: return x[0]",
    "a text in a text of Python 3.12": "x = {'a': 1}\nprint(f'{x['a']}')",
    "a name that is global too late": "def f():\n    x = 1\n    global x",
    "a return at the top": "return 3 +",
    "a NUL": "x = '\0'",
    "a hundred brackets": "(" * 5000,
}
FOREIGN = {
    "pip without a sign": "pip install einops",
    "cd without a sign": "cd ..",
    "a cell of bash": "%%bash\nls | (",
    "Databricks' SQL": "%sql\nSELECT * FROM x",
    "Databricks' Markdown": "%md\n# A title",
    "an unknown magic over no Python": "%%sparksql\nSELECT * FROM x",
}
SYNTAX = {
    "a bracket too many": ("def double(x: np.ndarray)", "def double((x: np.ndarray)", "does not parse (line"),
    "a bracket too few": ("return 2 * x", "return (2 * x", "'(' was never closed"),
    "no colon": ("def double(x: np.ndarray) -> np.ndarray:", "def double(x: np.ndarray)", "expected ':'"),
    "no indentation": ('    """Twice x, any shape."""\n    return 2 * x', "return 2 * x", "expected an indented block"),
    "an open docstring": ('"""Twice x, any shape."""', '"""Twice x, any shape.', "does not parse (line"),
    "a smart quote": ('"""Twice x, any shape."""', "“Twice x”", "invalid character '“'"),
    "a merge": (
        "    return 2 * x",
        "<<<<<<< HEAD\n    return 2 * x\n=======\n    return x + x\n>>>>>>> fix",
        "the marks of a merge that was not finished",
    ),
    "a merge with its base": (
        "    return 2 * x",
        "<<<<<<< HEAD\n    return 2 * x\n||||||| base\n    pass\n=======\n    return x + x\n>>>>>>> fix",
        "the marks of a merge that was not finished",
    ),
}
STATE = {  # what stands before, and the function that needs it; every one is right only with the call
    "a table, updated": ("OPS = {}\ndef _two(x): return 2 * x", "OPS.update(two=_two)", "OPS['two'](x)"),
    "a list, appended to": ("OPS = []\ndef _two(x): return 2 * x", "OPS.append(_two)", "OPS[0](x)"),
    "a list, in a loop": ("OPS = []", "for k in (1, 2):\n    OPS.append(k)", "OPS[1] * x"),
    "setattr": ("class Ops: pass\ndef _two(x): return 2 * x", "setattr(Ops, 'two', staticmethod(_two))", "Ops.two(x)"),
    "a decorator that registers": (
        "OPS = {}\ndef register(name):\n    def keep(f):\n        OPS[name] = f\n        return f\n    return keep",
        "@register('two')\ndef _two(x):\n    return 2 * x",
        "OPS['two'](x)",
    ),
    "a function that registers": (
        "OPS = {}\ndef register(f):\n    OPS[f.__name__] = f\ndef _two(x): return 2 * x",
        "register(_two)",
        "OPS['_two'](x)",
    ),
    "one that calls one": (
        "OPS = {}\ndef _put(f):\n    OPS.setdefault('two', f)\n"
        "def register(f):\n    _put(f)\ndef _two(x): return 2 * x",
        "register(_two)",
        "OPS['two'](x)",
    ),
    "globals()": ("import math", "globals()['TWO'] = 2", "TWO * x"),
    "globals(), updated": ("import math", "globals().update(TWO=2)", "TWO * x"),
    "names made in a loop": ("import math", "for k in (1, 2):\n    globals()[f'K{k}'] = k", "K2 * x"),
    "a setup that sets a global": ("TWO = None\ndef setup():\n    global TWO\n    TWO = 2", "setup()", "TWO * x"),
    "a timed assignment": ("def _made(): return 2", "%time TWO = _made()", "TWO * x"),
    "an array, filled in place": ("K = np.zeros(1)", "K.fill(2)", "K[0] * x"),
    "an array, filled by NumPy": ("K = np.zeros(1)", "np.copyto(K, 2)", "K[0] * x"),
    "a subclass that registers itself": (
        "OPS = {}\nclass Op:\n    def __init_subclass__(cls):\n        OPS[cls.__name__] = cls",
        "class Two(Op):\n    value = 2",
        "OPS['Two'].value * x",
    ),
    "one that its base lists": (
        "class Op:\n    known = {}\n    def __init_subclass__(cls):\n        cls.known[cls.__name__] = cls",
        "class Two(Op):\n    value = 2",
        "Op.known['Two'].value * x",
    ),
    "an instance, set up": ("class Table: pass\nTABLE = Table()", "TABLE.two = 2", "TABLE.two * x"),
    "an argument, written into": ("T = {}\ndef fill(t):\n    t['two'] = 2", "fill(T)", "T['two'] * x"),
    "exec": ("import math", "exec('TWO = 2')", "TWO * x"),
}
HEADED = {
    name: f"{line}\n{DOUBLE}"
    for name, line in {
        "wandb": "%%wandb",
        "memit": "%%memit",
        "debug": "%%debug",
        "heat": "%%heat",
        "time": "%%time",
        "capture": "%%capture out",
        "a file of that name": "%%writefile mini.py",
        "a file, appended to": "%%writefile -a mini.py",
    }.items()
}
ABSENT = {
    "unused": "from tqdm_of_mine import tqdm",
    "with a part": "import google_of_mine.colab.drive as drive",
    "all of it": "from d2l_of_mine.torch import *",
    "a file of their own": "from my_utils import helper",
    "a neighbour": "from .utils import helper",
    "used at the top": "import pandas_of_mine as pd\nTABLE = pd.DataFrame()\nROWS = TABLE.rows + 1",
    "mounted": "from google_of_mine.colab import drive\ndrive.mount('/content/drive')",
    "a name that it has not": "from numpy import no_such_name",
}
FAILING = {
    "a GPU demanded": ("import torch\nassert torch.cuda.is_available()", "There is no GPU where your code is graded"),
    "a GPU used": ("import torch\nON_GPU = torch.ones(3).cuda()", "Only what uses it fails"),
    "a file": ("DATA = open('mnist.csv').read()", "no files but those that it writes there"),
    "the network": ("import urllib.request\nurllib.request.urlopen('http://localhost')", "no network"),
    "input": ("N = int(input('how many? '))", "Nobody is there to answer `input()`"),
    "an end": ("import sys\nsys.exit()", "A module must not end Python"),
    "its own demonstration": ("print(undefined_yet)", "NameError: name 'undefined_yet' is not defined"),
    "an event loop": ("import asyncio\nasync def f(): pass\nasyncio.run(f())", "An event loop needs sockets"),
    "a debugger": ("import pdb\npdb.set_trace()", "Nobody is there to answer a debugger"),
}


def stray_cells() -> Iterator[Row]:
    kind = "a cell that no task needs does not parse"
    for name, cell in STRAY.items():
        yield Row(kind, name, with_cells(cell), "left out: the cell “")
        if "\0" not in cell:
            told = "Only what uses it fails: SyntaxError" if "global" in cell else "left out of mini.py: line"
            yield Row(kind, f"{name}, in a .py", module(before=f"{cell}\nimport os\n"), told, before=IMPORT)
    for name, cell in FOREIGN.items():
        yield Row(kind, name, with_cells(cell), "", before="full" if cell.startswith(("%%", "%md")) else ZERO)
    marked = json.loads(book(*PARTS))
    marked["cells"].insert(1, json.loads(book("<p>not Python</p>"))["cells"][0])
    marked["cells"][1]["metadata"] = {"vscode": {"languageId": "html"}}
    yield Row(kind, "VS Code's cell of HTML", {"mini.ipynb": json.dumps(marked).encode()}, "")
    long = f"X = '{'x' * (250 << 10)}'"
    yield Row(kind, "250 KiB of data", with_cells(long), "longer than the 200 KiB that are read")


def lost_tasks() -> Iterator[Row]:
    kind = "one task does not parse"
    for name, (old, new, told) in SYNTAX.items():
        yield Row(kind, name, module(old, new), told, ("double",), IMPORT)
        broken = {"mini.ipynb": book(*(part.replace(old, new) for part in PARTS))}
        yield Row(kind, f"{name}, in a notebook", broken, told, ("double",))
    whole = module("class Layer(nn.Module):", "class Layer(nn.Module:")
    yield Row(kind, "a class", whole, "does not parse (line", ("Layer",), IMPORT)
    sides = f"<<<<<<< HEAD\n{DOUBLE}\n=======\n{DOUBLE.replace('2 * x', 'x + x')}\n>>>>>>> fix"
    yield Row(kind, "a merge around a function", module(DOUBLE, sides), "the marks of a merge", ("double",), IMPORT)


def state() -> Iterator[Row]:
    for name, (setup, call, use) in STATE.items():
        right = DOUBLE.replace("2 * x", use)
        files = {"mini.ipynb": book(PARTS[0], setup, call, *(right if part == DOUBLE else part for part in PARTS[1:]))}
        before = "full" if name == "an instance, set up" else "the task, and nothing said"
        yield Row("the slice drops state that a call sets", name, files, "", before=before)


def vanished() -> Iterator[Row]:
    kind = "a cell vanishes without trace"
    for name, cell in HEADED.items():
        before = "full" if name in ("time", "capture") else "the task, “not defined”"
        yield Row(kind, f"headed by {name}", without(DOUBLE, cell), "", before=before)
    written = without(DOUBLE, f"%%writefile mini.py\nimport numpy as np\n{DOUBLE}", "from mini import double")
    yield Row(kind, "written to a file, then imported", written, "", before=IMPORT)
    where = "it stands in the cell “def double(x: np.ndarray) -> np.ndarray:”, which is"
    before = "the task, “not defined”"
    yield Row(
        kind, "it became Markdown", without(DOUBLE, ("markdown", DOUBLE)), f"{where} Markdown", ("double",), before
    )
    both = without(DOUBLE, ("markdown", f"{DOUBLE}\n\n\ndef twice(f, x):\n    pass"))
    both["mini.ipynb"] = both["mini.ipynb"].replace(b'"def twice(f: object', b'"def thrice(f: object')
    yield Row(kind, "two in one cell of Markdown", both, f"{where} Markdown", ("double",), before)
    yield Row(kind, "it became raw", without(DOUBLE, ("raw", DOUBLE)), f"{where} raw text", ("double",), before)
    broken = f"%%memit\n{DOUBLE.replace('2 * x', '(2 * x')}"
    yield Row(kind, "a magic over a slip", without(DOUBLE, broken), "which begins with %%memit", ("double",), before)


def choices() -> Iterator[Row]:
    kind, right, cells = "the choice among files", SOURCE.encode(), book(*PARTS)
    stub, blank = STUB["mini.py"], STUB["mini.ipynb"]
    written = "parts written; also there:"
    yield Row(kind, "an empty module beside it", {"mini.py": b"", "mini.ipynb": cells}, written)
    yield Row(kind, "a stub beside it", {"mini.py": stub, "mini.ipynb": cells}, written, before="full")
    for name in ("mini-Copy1.ipynb", "mini (1).py", "hw1/mini.py", "anna_hw1.ipynb", "src/solution.py"):
        data = cells if name.endswith(".ipynb") else right
        files = {f"mini/{path}": text for path, text in STUB.items()} | {f"mini/{name}": data}
        yield Row(kind, f"the starter's folder and {name}", files, written, before="0, the stub is graded")
    yield Row(
        kind, "a notebook and utils.py", {"hw1.ipynb": cells, "utils.py": b"def plot(): pass\n"}, "hw1.ipynb is graded"
    )
    files = {"check.py": STUB["check.py"], "my_hw.py": right}
    yield Row(kind, "the starter's check.py beside it", files, "my_hw.py is graded as mini.py")
    yield Row(kind, "two copies", {"mini (1).py": right, "mini (2).py": right}, written)
    yield Row(kind, "two folders", {"a/mini.py": right, "b/mini.py": right}, written)
    yield Row(kind, "a zip in a zip", {"hw.zip": zipped(mini__py=right), "read.me": b"x"}, "")
    yield Row(
        kind,
        "a zip beside the stub",
        {"hw.zip": zipped(mini__py=right), "mini.py": stub},
        written,
        before="0, the stub is graded",
    )
    yield Row(kind, ".ipynb.json", {"mini.ipynb.json": cells}, "mini.ipynb.json is graded as mini.py")
    yield Row(kind, ".py.txt", {"mini.py.txt": right}, "mini.py.txt is graded as mini.py")
    yield Row(kind, ".tar.gz", {"mini.tar.gz": tarred(mini__py=right)}, "")
    yield Row(kind, "a tar in a zip", {"hw.tgz": tarred(mini__py=right), "read.me": b"x"}, "")
    yield Row(kind, "a stub of a notebook beside it", {"mini.py": right, "mini.ipynb": blank}, written, before="full")


def exported() -> Iterator[Row]:
    kind, told = "a .py and an .ipynb of the same work", "as only IPython understands it: line"
    for name, lines in {
        "shell": "!pip install einops\n",
        "magics": "%matplotlib inline\n%load_ext autoreload\n",
        "a timed line": "%time X = 3\n",
        "pip without a sign": "pip install einops\n",
    }.items():
        yield Row(kind, name, module(before=lines), told, before=IMPORT)
    drive = "!pip install x\nfrom google_of_mine.colab import drive\ndrive.mount('/content/drive')\n"
    yield Row(kind, "Colab's", module(before=drive), told, before=IMPORT)


def imports() -> Iterator[Row]:
    kind = "one import takes all"
    for name, line in ABSENT.items():
        told = "ImportError: cannot import name" if "numpy" in line else "is not there where your code is graded"
        told = "Only this one file is graded" if "from ." in line else told
        yield Row(kind, name, module(before=f"{line}\n"), told, before=IMPORT)
    typed = module(
        "def double(x: np.ndarray)", "from jaxtyping_of_mine import Float\n\n\ndef double(x: Float[np.ndarray, 'n'])"
    )
    yield Row(kind, "in a type", typed, "`jaxtyping_of_mine` is not there", before=IMPORT)
    told = "`pandas_of_mine` is not there"
    used = module("return 2 * x", "return pd.DataFrame(2 * x)", "import pandas_of_mine as pd\n")
    yield Row(kind, "used by one task", used, told, ("double",), IMPORT)
    jit = module("def double(", "import triton_of_mine\n\n\n@triton_of_mine.jit\ndef double(")
    yield Row(kind, "a decorator", jit, "`triton_of_mine` is not there", ("double",), IMPORT)
    base = module("class Layer(nn.Module)", "import lightning_of_mine as pl\n\n\nclass Layer(pl.Module)")
    yield Row(kind, "a base class", base, "`lightning_of_mine` is not there", ("Layer",), IMPORT)
    star = module("return 2 * x", "return try_gpu(2 * x)", "from d2l_of_mine.torch import *\n")
    yield Row(kind, "a name of a star", star, "`d2l_of_mine` is not there", ("double",), IMPORT)


def failing() -> Iterator[Row]:
    for name, (line, told) in FAILING.items():
        yield Row("a statement at the top fails", name, module(before=f"{line}\n"), told, before=IMPORT)


def sizes() -> Iterator[Row]:
    kind = "size counts what is not needed"
    shown = json.loads(book(*PARTS))
    shown["cells"][0]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * (12 << 20)}},
        {"output_type": "stream", "name": "stdout", "text": ["[1, {2}]\n", '"quoted" \\ ['] * 1000},
    ]
    shown["metadata"]["widgets"] = {"state": {"x": "B" * (1 << 20)}}
    yield Row(kind, "12 MiB of outputs", {"mini.ipynb": json.dumps(shown).encode()}, "")
    many = {f"cell {number}": f"X{number} = '{'x' * 30_000}'" for number in range(8)}
    yield Row(kind, "240 KB of code that no task needs", with_cells(*many.values()), "")
    pictures = {f"img/{number:05}.png": b"" for number in range(10_100)}
    yield Row(kind, "10,000 pictures", {"mini.py": SOURCE.encode(), **pictures}, "", before=ZERO)


def disguises() -> Iterator[Row]:
    kind, right = "files that are not what they seem", SOURCE.encode()
    yield Row(
        kind, "a .py that is called .ipynb", {"mini.ipynb": right}, "mini.ipynb is a module, and was read as that"
    )
    yield Row(kind, "an .ipynb that is called .py", {"mini.py": book(*PARTS)}, "mini.py is a notebook, and was read as")
    accents = SOURCE.replace("Twice x", "Das Doppelte, wörtlich").encode("cp1252")
    yield Row(kind, "Windows' old encoding", {"mini.py": accents}, "was read as Windows-1252", before=ZERO)
    yield Row(kind, "UTF-16", {"mini.py": SOURCE.encode("utf-16")}, "is saved in UTF-16")


def rows() -> list[Row]:
    """All of them."""
    makers = (stray_cells, lost_tasks, state, vanished, choices, exported, imports, failing, sizes, disguises)
    return [row for maker in makers for row in maker()]


REFUSED = {  # what cannot be graded at all: the file, and what is said
    "0 bytes": ("mini.ipynb", b"", "it is empty"),
    "a module of 0 bytes": ("mini.py", b"", "mini.py is empty"),
    "a truncated notebook": ("mini.ipynb", notebook(MINI)[:-400], "it ends in the middle"),
    "a pointer of Git LFS": ("mini.ipynb", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "a web page": ("mini.ipynb", b"<!DOCTYPE html><html></html>", "it is a web page"),
    "a web page as a module": ("mini.py", b"<!DOCTYPE html><html></html>", "it is a web page"),
    "marks of a merge in the JSON": ("mini.ipynb", b'{\n<<<<<<< HEAD\n "cells": []\n>>>>>>> a\n}', "of a merge"),
}
