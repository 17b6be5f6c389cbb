"""Trained weights, handed in as a file of plain arrays: found, read without unpickling, judged by what they predict."""

import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autograder.assignment import Assignment, load_assignment, load_course, review
from autograder.audit import audit
from autograder.errors import AuthoringError, SubmissionError
from autograder.grading import Engine, Options, grade
from autograder.release import bundles, prove, with_hints
from autograder.results import Outcome
from autograder.submission import collect, plain_arrays
from tests.breakage_rows import FACTS, HIDDEN, PUBLIC, add, edit
from tests.test_grading import COURSE, REFERENCE, line_of

pytestmark = pytest.mark.usefixtures("shared_engine")

ASKED = 'deliverable = "mini"\narrays = ["weights.npz"]'
CHECK = '''

@pytest.mark.task("double", kind="property")
@weight(5)
@number("1.3")
def test_weights(arrays, student, expect):
    """double: the weights become 1 to 4"""
    expect(student.double(arrays("weights.npz")["w"]), np.arange(1.0, 5.0))
'''


def saved(**arrays: object) -> bytes:
    """A file of arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


RIGHT = saved(w=np.arange(0.5, 2.5, 0.5))
WRONG = saved(w=np.ones(4))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small course, which asks for weights, too."""
    root = tmp_path_factory.mktemp("arrays") / "course"
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "assignments" / "mini"
    edit(FACTS, 'deliverable = "mini"', ASKED)(folder)
    edit(HIDDEN, "@weight(20)", "@weight(15)")(folder)
    add(HIDDEN, CHECK)(folder)
    edit(PUBLIC, "weight(8)", "weight(5)")(folder)
    add(PUBLIC, CHECK.replace("(5)", "(3)").replace("1.3", "1.4").replace("test_weights", "test_shown"))(folder)
    (root / "solutions" / "mini-weights.npz").write_bytes(RIGHT)
    return root


@pytest.fixture(scope="module")
def assignment(course: Path) -> Assignment:
    return load_assignment("mini", course)


# Handed in --------------------------------------------------------------------------------------------------------


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def zipped(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    with zipfile.ZipFile(folder / "work.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return folder / "work.zip"


def tarred(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    with tarfile.open(folder / "work.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return folder / "work.tar.gz"


def alone(folder: Path, files: dict[str, bytes]) -> Path:
    return laid(folder, files) / "mini.py"


CODE = REFERENCE.encode()
BOTH = {"mini.py": CODE, "weights.npz": RIGHT}
WAYS: dict[str, tuple[Callable[[Path, dict[str, bytes]], Path], dict[str, bytes]]] = {
    "a folder": (laid, BOTH),
    "a folder in a folder": (laid, {"work/mini.py": CODE, "work/weights.npz": RIGHT, "old/weights.npz": WRONG}),
    "elsewhere in it": (laid, {"mini.py": CODE, "out/weights.npz": RIGHT}),
    "a zip": (zipped, BOTH),
    "a tar": (tarred, BOTH),
    "beside the one file": (alone, BOTH),
}


@pytest.mark.parametrize(("make", "files"), WAYS.values(), ids=WAYS.keys())
def test_weights_are_found_beside_the_code(
    assignment: Assignment, tmp_path: Path, make: Callable[[Path, dict[str, bytes]], Path], files: dict[str, bytes]
) -> None:
    submission = collect(make(tmp_path / "in", files), assignment, tmp_path / "staged")
    assert submission.notes == ()
    found = plain_arrays((tmp_path / "staged" / "weights.npz").read_bytes(), "weights.npz")
    assert [*found] == ["w"]
    assert np.array_equal(found["w"], np.arange(0.5, 2.5, 0.5))


def test_nobody_gets_the_weights_that_lie_beside_a_file_of_another_name(assignment: Assignment, tmp_path: Path) -> None:
    """As in a folder with one file a student."""
    laid(tmp_path, {"ada.py": CODE, "weights.npz": RIGHT})
    assert "weights.npz was not handed in" in str(collect(tmp_path / "ada.py", assignment, tmp_path / "staged").notes)


class Evil:
    """Would run a command where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/was-unpickled",)


def bomb() -> bytes:
    """A file of a few kilobytes that unpacks to a gigabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", bytes(1 << 27))
    return buffer.getvalue()


UNUSABLE = {
    "missing": (None, "weights.npz was not handed in. It is asked for beside the code."),
    "a text": (b"w = 1", "weights.npz is damaged, or no file of plain arrays"),
    "torch's own": (pickle.dumps(1), "weights.npz is damaged, or no file of plain arrays"),
    "objects": (saved(w=np.array([Evil()], dtype=object)), "w.npy holds object, which is no plain array of numbers"),
    "texts": (saved(w=np.array(["a"])), "holds <U1, which is no plain array of numbers"),
    "records": (saved(w=np.zeros(2, dtype=[("a", "f8")])), "which is no plain array of numbers"),
    "too much": (bomb(), "weights.npz holds more than 1000 arrays or 64 MiB"),
    "too many": (saved(**{f"w{k}": 0 for k in range(1001)}), "weights.npz holds more than 1000 arrays or 64 MiB"),
    "cut off": (RIGHT[:-30], "weights.npz is damaged, or no file of plain arrays"),
    "another file within": (lambda: None, "weights.npz is damaged, or no file of plain arrays"),
}


@pytest.mark.parametrize(("data", "told"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_weights_that_cannot_be_used_are_told_and_cost_nothing_else(
    assignment: Assignment, tmp_path: Path, data: object, told: str
) -> None:
    if callable(data):
        data = zipped(tmp_path / "odd", {"note.txt": b"w"}).read_bytes()
    files = {"mini.py": CODE} | ({"weights.npz": data} if isinstance(data, bytes) else {})
    submission = collect(laid(tmp_path / "in", files), assignment, tmp_path / "staged")
    assert told in str(submission.notes)
    assert submission.source == REFERENCE
    assert not (tmp_path / "staged" / "weights.npz").exists()
    assert not Path("/tmp/was-unpickled").exists()


def test_a_link_is_not_followed(assignment: Assignment, tmp_path: Path) -> None:
    laid(tmp_path, {"in/mini.py": CODE, "secret.npz": RIGHT})
    (tmp_path / "in" / "weights.npz").symlink_to(tmp_path / "secret.npz")
    for work in (tmp_path / "in", tmp_path / "in" / "mini.py"):
        assert "weights.npz is a link, not a file" in str(collect(work, assignment, tmp_path / "staged").notes)


def test_a_grade_depends_on_the_weights(assignment: Assignment, tmp_path: Path) -> None:
    digests = [
        collect(laid(tmp_path / str(k), files), assignment, tmp_path / "staged").digest
        for k, files in enumerate([BOTH, BOTH | {"weights.npz": WRONG}, {"mini.py": CODE}, BOTH | {"x.npz": WRONG}])
    ]
    assert digests[0] == digests[3]
    assert len({*digests}) == 3


@pytest.mark.parametrize("data", [b"", b"PK", RIGHT[:40], RIGHT[60:]])
def test_no_bytes_are_read_as_arrays_that_are_none(data: bytes) -> None:
    with pytest.raises(SubmissionError, match="damaged, or no file of plain arrays"):
        plain_arrays(data, "weights.npz")


# Graded -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "score", "told"),
    [
        (BOTH, 100, ""),
        (BOTH | {"weights.npz": WRONG}, 92, "3 of 4 values differ"),
        ({"mini.py": CODE}, 92, "There is no weights.npz that can be used; the notes say why."),
    ],
    ids=["right", "wrong", "none"],
)
def test_weights_are_judged_by_what_they_predict(
    engine: Engine, course: Path, tmp_path: Path, files: dict[str, bytes], score: float, told: str
) -> None:
    work = laid(tmp_path / "in", files)
    run = grade("mini", work, root=course, options=Options(seed=1), engine=engine)
    line = line_of(run, "test_weights")
    assert run.score == score
    assert line.outcome is (Outcome.FAILED if told else Outcome.PASSED)
    assert told in line.message


def test_the_audit_grades_the_reference_with_its_own_weights_and_the_stub_with_none(course: Path) -> None:
    asked = audit("mini", course, workers=1)
    assert [verdict.problems for kind in ("reference", "stub", "mistake dw") for verdict in asked.run(select=kind)] == [
        (),
        (),
        (),
    ]


def test_a_release_holds_them_for_who_may_read_them_only(course: Path, assignment: Assignment) -> None:
    assert review(assignment, load_course(course)) == ()
    made = bundles(assignment)
    prove(assignment, made)
    starter, autograder, solution = (bundle.files for bundle in made)
    assert solution["weights.npz"] == RIGHT
    assert not [name for files in (starter, autograder) for name in files if name.endswith(".npz")]
    assert with_hints(assignment, made)[0].files.keys() > starter.keys()


def test_students_pack_them_too(assignment: Assignment, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundles(assignment)[0].data())) as archive:
        archive.extractall(tmp_path)
    home = laid(tmp_path / "mini", BOTH)
    command = [sys.executable, "-B", "submit.py", "mini.py"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert "with mini.py and weights.npz in it" in done.stdout, done.stdout + done.stderr
    packed = collect(home / "mini-submission.zip", assignment, tmp_path / "staged")
    assert packed.notes == ()


# Authors ----------------------------------------------------------------------------------------------------------

WRONG_FACTS = {
    "another kind of file": ('["weights.pt"]', "arrays: 'weights.pt' names no file of NumPy's arrays"),
    "a path": ('["out/weights.npz"]', "arrays: 'out/weights.npz' names no file"),
    "twice": ('["a.npz", "a.npz"]', "arrays lists 'a.npz' twice"),
    "no list": ('"weights.npz"', "arrays must be a list of texts"),
}


@pytest.mark.parametrize(("value", "told"), WRONG_FACTS.values(), ids=WRONG_FACTS.keys())
def test_names_that_are_none_are_refused(course: Path, tmp_path: Path, value: str, told: str) -> None:
    shutil.copytree(course, tmp_path / "course")
    edit(FACTS, '["weights.npz"]', value)(tmp_path / "course" / "assignments" / "mini")
    with pytest.raises(AuthoringError, match=re.escape(told)):
        load_assignment("mini", tmp_path / "course")


def test_a_reference_without_its_own_is_told_before_anything_runs(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "course")
    (tmp_path / "course" / "solutions" / "mini-weights.npz").unlink()
    damaged = load_assignment("mini", tmp_path / "course")
    (remark,) = review(damaged, load_course(tmp_path / "course"))
    assert "mini-weights.npz is missing: the reference's own weights.npz" in remark.text
    assert remark.is_fault


def test_a_check_that_asks_for_another_file_is_our_fault(engine: Engine, course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "course")
    edit(HIDDEN, 'arrays("weights.npz")', 'arrays("weight.npz")')(tmp_path / "course" / "assignments" / "mini")
    work = laid(tmp_path / "in", BOTH)
    run = grade("mini", work, root=tmp_path / "course", options=Options(select=("test_weights",)), engine=engine)
    line = line_of(run, "test_weights")
    assert line.outcome is Outcome.FAULT
    assert "no 'weight.npz' among its arrays; did you mean 'weights.npz'?" in line.message
