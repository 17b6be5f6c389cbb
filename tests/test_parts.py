"""Parts: modules that students write and hand in beside the deliverable, which imports them."""

import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment, load_course, review
from autograder.audit import audit, mutants
from autograder.checks import Raised
from autograder.classes import Store, grade_class, suite_key
from autograder.errors import AuthoringError, SubmissionError
from autograder.grading import Engine, Options, grade
from autograder.release import bundles, prove, with_hints
from autograder.results import Outcome, Run
from autograder.starter import build
from autograder.submission import collect
from tests.test_grading import line_of

NET = '''"""A network in two files."""

import numpy as np
from layers import affine, relu


def mlp(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """relu(x w) v, shapes (N, D), (D, H) and (H, M)."""
    ### BEGIN SOLUTION net.mlp
    return affine(relu(affine(x, w)), v)
    ### END SOLUTION


def total(x: np.ndarray) -> float:
    """The sum of all entries."""
    ### BEGIN SOLUTION net.total
    return float(np.add.reduce(x, axis=None))
    ### END SOLUTION
'''
LAYERS = '''"""What the network is made of."""

import numpy as np
import rays


def affine(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x w, shapes (N, D) and (D, H)."""
    ### BEGIN SOLUTION net.affine
    assert x.shape[1] == w.shape[0], "sizes"
    return rays.ONE * np.tensordot(x, w, axes=1)
    ### END SOLUTION


def relu(x: np.ndarray) -> np.ndarray:
    """x where it is positive, else 0."""
    ### BEGIN SOLUTION net.mlp
    return np.where(x > 0, x, 0.0) + np.zeros_like(x)
    ### END SOLUTION
'''
FACTS = """title = "A network"
deliverable = "net"
parts = ["layers"]
lectures = ["none"]

[limits]
call_seconds = 4.0
run_seconds = 60.0

[tasks.affine]
title = "Affine map"
functions = ["affine"]
ideas = ["a layer"]
oracle = "arithmetic"
forbidden = ["sum", "np.matmul"]

[tasks.mlp]
title = "Network"
functions = ["mlp"]
ideas = ["composition"]
oracle = "arithmetic"

[tasks.total]
title = "Sum"
functions = ["total"]
ideas = ["a sum"]
oracle = "arithmetic"
"""
HEAD = """import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, weight
"""
PUBLIC = f'''"""Checks that students have."""

{HEAD}

@pytest.mark.task("affine")
@weight(10)
@number("1.1")
def test_affine_worked(student, expect):
    """affine: one row"""
    expect(student.affine(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])), np.array([[11.0]]))
'''
HIDDEN = f'''"""Checks that never ship."""

{HEAD}

@pytest.mark.task("affine")
@weight(30)
def test_affine(agrees, draw):
    """affine: the result equals the reference's"""
    agrees("affine", draw(5, 3), draw(3, 2))


@pytest.mark.task("mlp")
@weight(40)
def test_mlp(agrees, draw):
    """mlp: the result equals the reference's"""
    agrees("mlp", draw(5, 3), draw(3, 4), draw(4, 2))


@pytest.mark.task("total")
@weight(20)
def test_total(agrees, draw):
    """total: the result equals the reference's"""
    agrees("total", draw(5, 3))
'''
MISTAKES = """[[mistake]]
name = "doubled"
task = "affine"
file = "layers"
find = "return rays.ONE"
replace = "return 2.0"
hint = "This is twice the product."
fails = ["test_affine_worked", "test_affine", "test_mlp"]

[[mistake]]
name = "both-files"
task = "mlp"
edits = [
    { find = "affine(x, w)", replace = "-affine(x, w)" },
    { file = "layers", find = "x > 0", replace = "x > -0.5" },
]
hint = "Two files, one mistake."
fails = ["test_mlp"]
"""
FILES = {
    "course.toml": 'title = "A course"\n',
    "solutions/net.py": NET,
    "solutions/net/layers.py": LAYERS,
    "assignments/net/assignment.toml": FACTS,
    "assignments/net/handout.md": "# A network\n\n{{points}}\n\n## affine: A\n\n## mlp: B\n\n## total: C\n",
    "assignments/net/given/rays.py": '"""Given."""\n\nONE = 1.0\n',
    "assignments/net/public/test_public.py": PUBLIC,
    "assignments/net/hidden/test_hidden.py": HIDDEN,
    "assignments/net/mistakes.toml": MISTAKES,
    "tests/submissions/net/correct/summed/net.py": NET.replace("np.add.reduce(x, axis=None)", "x.sum()"),
    "tests/submissions/net/correct/summed/layers.py": LAYERS.replace("np.tensordot(x, w, axes=1)", "np.dot(x, w)"),
    "tests/submissions/net/correct/one_file.py": NET.replace("np.add.reduce(x, axis=None)", "np.einsum('ij->', x)"),
}
STUB = "raise NotImplementedError"
WHOLE = {"net.py": NET, "layers.py": LAYERS}


def laid(root: Path, files: dict[str, str | bytes]) -> Path:
    """A folder with these files."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def changed(files: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    """The same files with one piece of one of them replaced."""
    assert files[name].count(old) == 1, (name, old)
    return files | {name: files[name].replace(old, new)}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laid(tmp_path_factory.mktemp("parts") / "course", dict(FILES))


@pytest.fixture(scope="module")
def assignment(course: Path) -> Assignment:
    return load_assignment("net", course)


@pytest.fixture(scope="module")
def starter(assignment: Assignment) -> dict[str, bytes]:
    return build(assignment)


# What students get ------------------------------------------------------------------------------------------------


def test_the_starter_has_a_stub_of_each_file(starter: dict[str, bytes]) -> None:
    stub = starter["layers.py"].decode()
    assert f'    {STUB}("net.affine")' in stub
    assert f'    {STUB}("net.mlp")' in stub
    assert "rays.ONE" not in stub and "SOLUTION" not in stub
    readme = starter["README.md"].decode()
    assert "| `layers.py` | where you write, too" in readme
    assert "Hand in together with it: `layers.py`, as `.py` only" in readme


def test_the_notebook_imports_what_lies_beside_it_and_says_where_a_task_is_written(starter: dict[str, bytes]) -> None:
    texts = {cell["id"]: "".join(cell["source"]) for cell in json.loads(starter["net.ipynb"])["cells"]}
    assert "from layers import affine, relu" in texts["imports"]
    assert "This task is written in `layers.py`, beside this notebook" in texts["code-affine"]
    assert f'{STUB}("net.mlp")' in texts["code-mlp"]


LEAKS = {
    "the handout, and with it the notebook": ("assignments/net/handout.md", "net.ipynb"),
    "a public check": ("assignments/net/public/test_public.py", "public/test_public.py"),
    "given code": ("assignments/net/given/rays.py", "rays.py"),
    "data": ("assignments/net/data/notes.txt", "data/notes.txt"),
    "the deliverable's stub": ("solutions/net.py", "net.py"),
}


@pytest.mark.parametrize(("name", "path"), LEAKS.values(), ids=LEAKS.keys())
def test_text_of_a_parts_solution_reaches_no_student(tmp_path: Path, name: str, path: str) -> None:
    text = f"{FILES.get(name, '')}\n# return rays.ONE * np.tensordot(x, w, axes=1)\n"
    root = laid(tmp_path, FILES | {name: text})
    told = f"net: {path}, which students get, would hold line 11 of layers.py, of affine"
    with pytest.raises(AuthoringError, match=re.escape(told)):
        build(load_assignment("net", root))


def test_the_bundles_hold_parts_for_who_may_read_them(assignment: Assignment, starter: dict[str, bytes]) -> None:
    made = bundles(assignment)
    given, autograder, solution = (bundle.files for bundle in made)
    assert given["net/layers.py"] == starter["layers.py"]
    assert autograder["solutions/net/layers.py"] == LAYERS.encode()
    assert "np.tensordot(x, w, axes=1)\n" in solution["layers.py"].decode()
    assert "SOLUTION" not in solution["layers.py"].decode()


# What is handed in ------------------------------------------------------------------------------------------------

BROKEN = LAYERS.replace("np.where(x > 0, x, 0.0) +", "np.where(x > 0, x, 0.0")
LATIN = LAYERS.replace("What the", "Was für ein").encode("cp1252")
WAYS: dict[str, tuple[dict[str, str | bytes], str]] = {  # what is handed in, and a note
    "a folder": ({**WHOLE}, ""),
    "a folder in a folder": ({"hw/net.py": NET, "hw/layers.py": LAYERS, "hw/notes.txt": ""}, ""),
    "in another folder": ({"net.py": NET, "src/layers.py": LAYERS}, ""),
    "a browser's copy": ({"net.py": NET, "layers (1).py": LAYERS}, "layers (1).py is graded as layers.py"),
    "copies of both": ({"net (2).py": NET, "layers (2).py": LAYERS}, "net (2).py is graded as net.py"),
    "as mail renames it": ({"net.py": NET, "layers.py.txt": LAYERS}, "layers.py.txt is graded as layers.py"),
    "a mark": ({"net.py": NET, "layers.py": b"\xef\xbb\xbf" + LAYERS.encode()}, ""),
    "two bytes a letter": ({"net.py": NET, "layers.py": LAYERS.encode("utf-16")}, "layers.py is saved in UTF-16"),
    "of Windows": ({"net.py": NET, "layers.py": LATIN}, "layers.py is not in UTF-8, and was read as Windows-1252"),
    "with an older one": (
        {"net.py": NET, "layers.py": LAYERS, "old/layers.py": LAYERS},
        "layers.py is graded as the part layers; also there: old/layers.py",
    ),
    "a stub beside it": (
        {"net.py": NET, "layers.py": LAYERS.replace("return np.where", f'{STUB}("net.mlp")\n'), "layers2.py": LAYERS},
        "layers2.py is graded as the part layers; also there: layers.py",
    ),
    "the starter's files": ({**WHOLE, "rays.py": "ONE = 3", "public/layers.py": "", "check.py": ""}, ""),
}


@pytest.mark.parametrize("packed", [False, True], ids=["", "in a zip"])
@pytest.mark.parametrize(("files", "told"), WAYS.values(), ids=WAYS.keys())
def test_a_part_is_found(
    assignment: Assignment, tmp_path: Path, files: dict[str, str | bytes], told: str, packed: bool
) -> None:
    work = laid(tmp_path / "in", files)
    if packed:
        work = Path(shutil.make_archive(str(tmp_path / "work"), "zip", work))
    got = collect(work, assignment, tmp_path / "staged")
    assert got.source == NET
    assert got.parts["layers"].lstrip("\ufeff").split("\n", 1)[1] == LAYERS.split("\n", 1)[1]
    compile((tmp_path / "staged" / "layers.py").read_bytes(), "layers.py", "exec")
    assert told in "\n".join(got.notes)
    assert told or got.notes == ()


def test_a_file_handed_in_alone_brings_the_parts_beside_it(assignment: Assignment, tmp_path: Path) -> None:
    laid(tmp_path / "in", {**WHOLE, "ada.py": NET})
    assert collect(tmp_path / "in" / "net.py", assignment, tmp_path / "staged").notes == ()
    assert "layers.py was not handed in" in str(collect(tmp_path / "in" / "ada.py", assignment, tmp_path / "1").notes)
    assert collect(assignment.solution, assignment, tmp_path / "2").notes == (), "the reference, with its own"
    with pytest.raises(SubmissionError, match=r"layers\.py is the part layers alone") as told:
        collect(tmp_path / "in" / "layers.py", assignment, tmp_path / "staged")
    assert "net.py or net.ipynb, and layers.py, together in a folder or zip" in told.value.help


MISSING: dict[str, tuple[dict[str, str | bytes], str]] = {
    "nothing": ({}, "layers.py was not handed in. It is asked for beside the code."),
    "empty": ({"layers.py": ""}, "layers.py is empty"),
    "not text": ({"layers.py": b"\x00\x01"}, "layers.py is not a text file: it has NUL bytes"),
    "a web page": ({"layers.py": "<!DOCTYPE html>"}, "layers.py: it is a web page"),
    "too large": ({"layers.py": b"#" * (6 << 20)}, "layers.py is larger than 5 MiB"),
    "a notebook": ({"layers.ipynb": "{}"}, "layers.py was not handed in, only layers.ipynb. A part is a module"),
    "a notebook in disguise": ({"layers.py": '{"nbformat": 4, "cells": []}'}, "layers.py is a notebook, and a part is"),
    "a folder": ({"layers.py/net2.txt": ""}, "layers.py is a folder, not a file"),
}


@pytest.mark.parametrize(("files", "told"), MISSING.values(), ids=MISSING.keys())
def test_a_part_of_no_use_is_told_by_the_notes_and_by_who_takes_something_from_it(
    assignment: Assignment, tmp_path: Path, files: dict[str, str | bytes], told: str
) -> None:
    got = collect(laid(tmp_path / "in", files | {"net.py": NET}), assignment, tmp_path / "staged")
    assert told in str(got.notes)
    assert (got.source, got.parts) == (NET, {})
    names: dict[str, Callable[[str], object]] = {}
    exec((tmp_path / "staged" / "layers.py").read_text(), names)
    with pytest.raises(SyntaxError, match=r"Left out of what is graded: `affine`, as layers\.py"):
        names["__getattr__"]("affine")
    with pytest.raises(AttributeError):
        names["__getattr__"]("__path__")


def cells(*sources: str) -> str:
    """A notebook."""
    made = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": s} for s in sources]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": made})


def test_of_a_notebook_alone_the_part_is_what_its_cells_write(assignment: Assignment, tmp_path: Path) -> None:
    half = LAYERS.index("def relu")
    written = [f"%%writefile /content/net/layers.py\n{LAYERS[:half]}", f"%%file -a layers.py\n{LAYERS[half:]}", NET]
    old = "%%writefile layers.py\nold = 1"
    got = collect(laid(tmp_path / "in", {"net.ipynb": cells(old, *written)}), assignment, tmp_path / "staged")
    assert got.notes == ("layers.py is what the notebook's cells write to it",)
    assert got.parts["layers"].split() == LAYERS.split()
    both = laid(tmp_path / "in", {"layers.py": LAYERS + "# mine\n"})
    assert collect(both, assignment, tmp_path / "staged").parts["layers"].endswith("# mine\n"), "a file comes first"


def test_a_link_is_not_followed(assignment: Assignment, tmp_path: Path) -> None:
    laid(tmp_path, {"in/net.py": NET, "secret.py": LAYERS})
    (tmp_path / "in" / "layers.py").symlink_to(tmp_path / "secret.py")
    for work in (tmp_path / "in", tmp_path / "in" / "net.py"):
        assert "layers.py is a link, not a file" in str(collect(work, assignment, tmp_path / "staged").notes)


def test_a_part_is_never_taken_for_the_deliverable(assignment: Assignment, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"there is no net\.py or net\.ipynb in the folder"):
        collect(laid(tmp_path / "in", {"layers.py": LAYERS}), assignment, tmp_path / "staged")


def test_a_grade_depends_on_the_parts(assignment: Assignment, tmp_path: Path) -> None:
    def digest(name: str, files: dict[str, str]) -> str:
        return collect(laid(tmp_path / name, dict(files)), assignment, tmp_path / "staged").digest

    whole = digest("1", WHOLE)
    assert whole == digest("2", WHOLE | {"notes.py": "x = 1\n"})
    assert len({whole, digest("3", changed(WHOLE, "layers.py", "0.0)", "0)")), digest("4", {"net.py": NET})}) == 3


# Graded -----------------------------------------------------------------------------------------------------------

Grade = Callable[..., Run]


@pytest.fixture
def graded(engine: Engine, course: Path, tmp_path: Path) -> Grade:
    def run(files: dict[str, str], root: Path = course) -> Run:
        return grade("net", laid(tmp_path / "in", dict(files)), root=root, options=Options(seed=1), engine=engine)

    return run


def test_right_work_in_two_files_gets_full_marks(graded: Grade) -> None:
    run = graded(WHOLE)
    assert (run.score, run.notes, run.status) == (100, (), "graded"), run.lines


def test_a_notebook_imports_the_part_beside_it(graded: Grade) -> None:
    assert graded({"net.ipynb": cells(NET), "layers.py": LAYERS}).score == 100


RAISES = changed(WHOLE, "layers.py", "return rays.ONE", "return np.ones(3) @ np.ones(2) * rays.ONE")
SUMS = changed(WHOLE, "layers.py", "return rays.ONE", "return sum([1]) * rays.ONE")
DIES = changed(WHOLE, "layers.py", "import rays\n", "import os\n\nimport rays\n\nos._exit(3)\n")
FAILS = changed(WHOLE, "layers.py", "import rays\n", "import rays\n\nLARGE = open('large.csv').read()\n")
IMPORTS = changed(WHOLE, "layers.py", "import rays\n", "import rays\nfrom net import total\n")
MODULE = changed(
    changed(WHOLE, "net.py", "from layers import affine, relu", "import layers\nfrom layers import *"),
    "net.py",
    "affine(relu(affine(x, w)), v)",
    "layers.affine(layers.relu(layers.affine(x, w)), v)",
)
LOST: dict[str, tuple[dict[str, str], set[str], str, str]] = {  # files, tasks that are lost, a message, a note
    "nothing of it there": (
        {"net.py": NET},
        {"affine", "mlp"},
        "Left out of what is graded: `affine`, as layers.py was not handed in.",
        "layers.py was not handed in",
    ),
    "one function does not parse": (
        WHOLE | {"layers.py": BROKEN},
        {"mlp"},
        "`relu`, as it does not parse (line",
        "left out of layers.py: lines",
    ),
    "it raises": (RAISES, {"affine", "mlp"}, "line 11 of layers.py, in affine: return np.ones(3) @", ""),
    "an assertion of its own": (
        changed(WHOLE, "layers.py", "== w.shape[0]", "== 0"),
        {"affine", "mlp"},
        'line 10 of layers.py, in affine: assert x.shape[1] == 0, "sizes"',
        "",
    ),
    "what a task forbids": (SUMS, {"affine"}, "without `sum`: using it earns nothing\n  line 11 of layers.py", ""),
    "its import ends everything": (DIES, set(), "", "Only what the tasks need of your file was run."),
    "a statement of it fails": (FAILS, set(), "", "line 6 of layers.py, in <module>: LARGE = open("),
    "it imports the deliverable": (IMPORTS, set(), "", "cannot import name 'total'"),
    "imported as a module, and whole": (MODULE, set(), "", ""),
    "imported as of a package": (
        changed(WHOLE, "net.py", "from layers import affine, relu", "from .layers import affine, relu"),
        {"affine", "mlp"},
        "leave out the point, `from layers import …`.",
        "",
    ),
}


@pytest.mark.parametrize(("files", "lost", "message", "note"), LOST.values(), ids=LOST.keys())
def test_what_goes_wrong_in_a_part_costs_who_needs_it_and_is_told_with_its_place(
    graded: Grade, files: dict[str, str], lost: set[str], message: str, note: str
) -> None:
    run = graded(files)
    assert run.status == "graded", run.reason
    assert {line.task for line in run.lines if line.outcome is not Outcome.PASSED} == lost
    assert message in "\n".join(line.message for line in run.lines)
    assert note in "\n".join(run.notes)


def test_a_mistake_in_a_part_is_recognised(graded: Grade) -> None:
    run = graded(changed(WHOLE, "layers.py", "return rays.ONE", "return 2.0"))
    assert {line.hint for line in run.lines if line.task == "affine"} == {"This is twice the product."}
    run = graded(changed(changed(WHOLE, "layers.py", "x > 0", "x > -0.5"), "net.py", "affine(x, w)", "-affine(x, w)"))
    assert line_of(run, "test_mlp").hint == "Two files, one mistake."


@pytest.mark.parametrize("part", ["../secret", "/etc/passwd", "a.b", "", 7, None])
def test_a_place_that_a_worker_makes_up_leads_nowhere(tmp_path: Path, part: object) -> None:
    raised = Raised.from_wire({"type": "ValueError", "line": 1, "part": part})
    assert raised.file(tmp_path / "net.py") == tmp_path / "net.py"


def test_the_audit_has_stubs_variants_and_mistakes_in_all_files(course: Path) -> None:
    subjects = {subject.name: subject for subject in audit("net", course).subjects()}
    assert STUB in subjects["starter"].texts["layers"]
    assert "return 2.0 * np" in subjects["doubled"].texts["layers"]
    assert set(subjects["doubled"].select) == {"test_affine", "test_affine_worked", "test_mlp"}, "that reach it"
    assert subjects["total: zeros"].texts["layers"] == LAYERS
    assert subjects["summed"].texts["layers"] != LAYERS == subjects["one_file"].texts["layers"]


def test_mutants_are_made_of_parts_too(assignment: Assignment) -> None:
    of_part = [mutant for mutant in mutants(assignment, 4) if mutant.part]
    assert {mutant.task for mutant in of_part} == {"affine", "mlp"}
    for mutant in of_part:
        assert f"line {mutant.line} of layers.py: " in mutant.name
        entry = tomllib.loads(mutant.as_mistake(LAYERS))["mistake"][0]
        assert entry["file"] == "layers"
        texts = {"net": NET, "layers": LAYERS.replace(entry["find"], entry["replace"])}
        assert mutant.texts({"net": NET, "layers": LAYERS}) == texts != WHOLE


def test_the_platform_grades_them_from_its_archive(graded: Grade, assignment: Assignment, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[1].data())) as archive:
        archive.extractall(tmp_path / "platform")
    assert graded(WHOLE, tmp_path / "platform").score == 100


# A class ----------------------------------------------------------------------------------------------------------


def test_a_class_grades_again_whose_part_changed(course: Path, tmp_path: Path) -> None:
    laid(tmp_path / "in" / "ada", changed(WHOLE, "layers.py", "import rays\n", "import gc\n\nimport rays\n"))
    laid(tmp_path / "in" / "bob", dict(WHOLE))

    def graded() -> tuple[int, dict[str, float]]:
        ran = grade_class("net", tmp_path / "in", tmp_path / "out", root=course, jobs=1)
        return ran.graded, {grade.id: grade.score for grade in ran.grades}

    assert graded() == (2, {"ada": 100, "bob": 100})
    with Store(tmp_path / "out") as store:
        assert store.flags() == {"ada": ["layers.py, line 4: imports gc"]}
    laid(tmp_path / "in" / "bob", changed(WHOLE, "layers.py", "return rays.ONE", "return 3.0"))
    assert graded() == (1, {"ada": 100, "bob": 20})


def test_a_class_is_graded_again_where_the_reference_of_a_part_changed(assignment: Assignment, tmp_path: Path) -> None:
    root = laid(tmp_path, FILES | {"solutions/net/layers.py": f"{LAYERS}\n# better\n"})
    assert suite_key(load_assignment("net", root)) != suite_key(assignment)


# At home ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(assignment: Assignment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's archive, unpacked; the release was tried out."""
    made = with_hints(assignment, bundles(assignment))
    prove(assignment, made)
    folder = tmp_path_factory.mktemp("home")
    with zipfile.ZipFile(io.BytesIO(made[0].data())) as archive:
        archive.extractall(folder)
    return folder / "net"


def said(home: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, "-B", *command], cwd=home, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_at_home_a_part_is_read_as_where_it_is_graded(home: Path, assignment: Assignment, tmp_path: Path) -> None:
    laid(home, changed(WHOLE, "layers.py", "return rays.ONE", "return sum([2]) * rays.ONE"))
    told = said(home, "check.py", "net.py")
    assert "without `sum`: using it earns nothing\n" in told
    assert "line 11 of layers.py, in affine" in told
    laid(home, dict(WHOLE))
    told = said(home, "submit.py", "net.py")
    assert "with net.py and layers.py in it" in told
    assert collect(home / "net-submission.zip", assignment, tmp_path / "staged").parts == {"layers": LAYERS}
    laid(home, {"layers.py": build(assignment)["layers.py"]})
    told = said(home, "submit.py", "net.py")
    assert "not written yet: affine." in told, "what the deliverable imports is written where it is defined"


def test_a_save_of_a_part_is_seen(home: Path) -> None:
    laid(home, changed(WHOLE, "layers.py", "return rays.ONE", "return 2.0"))
    with subprocess.Popen(
        [sys.executable, "-B", "check.py", "--watch", "net.py"], cwd=home, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            until_it_waits = partial(takewhile, lambda line: "Waiting" not in line, running.stdout)
            told = "".join(until_it_waits())
            assert "1 not right yet" in told
            assert "This is twice the product." in told
            laid(home, {"layers.py": LAYERS})
            assert "Everything that was asked for passes." in "".join(until_it_waits())
        finally:
            running.kill()


# Authors ----------------------------------------------------------------------------------------------------------

LAYERS_FILE, NET_FILE, FACTS_FILE = "solutions/net/layers.py", "solutions/net.py", "assignments/net/assignment.toml"
ASKED = 'parts = ["layers"]'
BLOCKS = "solutions/net/blocks.py"
TWO = {FACTS_FILE: FACTS.replace(ASKED, 'parts = ["layers", "blocks"]')}


def asked(value: str) -> dict[str, str]:
    return {FACTS_FILE: FACTS.replace(ASKED, f"parts = {value}")}


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "the deliverable": (asked('["net"]'), "assignment.toml:3: parts: 'net' is the deliverable, which imports them"),
    "twice": (asked('["layers", "layers"]'), "parts lists 'layers' twice"),
    "no name": (asked('["my layers"]'), "parts: 'my layers' is not a Python name"),
    "a file": (asked('["layers.py"]'), "parts: 'layers.py' is not a Python name"),
    "no list": (asked('"layers"'), "parts must be a list of texts"),
    "given": (asked('["layers", "rays"]'), "another module 'rays', which is given: call the part something else"),
    "Python's own": (asked('["layers", "json"]'), "another module 'json', of Python's own"),
    "ours": (asked('["layers", "helpers"]'), "another module 'helpers', of the grader's"),
    "installed": (asked('["layers", "click"]'), "another module 'click', of the package click, which is installed"),
    "no reference": (TWO, "blocks.py is missing: the reference of the part blocks"),
    "nobody's": (TWO | {BLOCKS: LAYERS}, "nothing imports the part blocks, so nothing of it is called"),
    "a circle": (
        TWO | {BLOCKS: f"import layers\n{LAYERS}", LAYERS_FILE: f"import blocks\n{LAYERS}"},
        "the parts import each other in a circle: layers, which imports blocks, which imports layers",
    ),
    "it imports the deliverable": ({LAYERS_FILE: f"import net\n{LAYERS}"}, "layers.py imports net, which imports it"),
    "a function that is not there": (
        {NET_FILE: NET.replace("import affine, relu", "import affine as full, relu")},
        "net.py: affine is neither defined here nor imported from a part",
    ),
    "given code imports it": ({"assignments/net/given/rays.py": "import layers\n"}, "rays.py imports layers, which is"),
    "helpers import it": ({"assignments/net/helpers.py": "import layers\n"}, "helpers.py imports layers, which studen"),
    "it does not parse": ({LAYERS_FILE: "def ("}, "layers.py: cannot be parsed"),
    "nothing to write": (
        {LAYERS_FILE: re.sub(" *### .*\n", "", LAYERS)},
        "layers.py:7: affine has no solution block",
    ),
    "only what is given": (
        {
            "assignments/net/mistakes.toml": "",
            LAYERS_FILE: "def relu(x): return x\n",
            NET_FILE: NET.replace("affine, relu", "relu") + "\n\ndef affine(x):\n"
            "    ### BEGIN SOLUTION net.affine\n    return x\n    ### END SOLUTION\n",
        },
        "layers.py:1: nothing is left to write in layers: what students do not write is given (given/)",
    ),
    "a mistake in no part": (
        {"assignments/net/mistakes.toml": MISTAKES.replace('file = "layers"\nfind', 'file = "layer"\nfind')},
        "file must be one of net, layers, not 'layer'; did you mean 'layers'?",
    ),
    "a mistake in another file": (
        {"assignments/net/mistakes.toml": MISTAKES.replace('file = "layers"\nfind', "find")},
        "mistake 'doubled': find occurs nowhere in the reference: 'return rays.ONE'",
    ),
}


@pytest.mark.parametrize(("files", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path, files: dict[str, str], told: str) -> None:
    root = laid(tmp_path, FILES | files)

    def read() -> None:
        found = load_assignment("net", root)
        if remarks := review(found, load_course(root)):
            raise AuthoringError(str(remarks))
        build(found)

    with pytest.raises(AuthoringError, match=re.escape(told)):
        read()


def test_nothing_is_to_be_said_of_the_assignment_as_it_is(assignment: Assignment, course: Path) -> None:
    assert review(assignment, load_course(course)) == ()
