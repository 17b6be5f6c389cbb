"""One submission, from path to results: right, wrong, hostile, unreadable. Through `grade`, on a small course."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Line, Outcome, Run, to_gradescope
from autograder.sandbox.confine import Confinement
from autograder.sandbox.folders import remove_tree, run_folder

COURSE = Path(__file__).parent / "course"
REFERENCE = (COURSE / "solutions" / "mini.py").read_text()
LATE = "did not return within"
Grade = Callable[..., Run]


@pytest.fixture
def graded(engine: Engine, tmp_path: Path) -> Grade:
    """Grade a source (or a path) for the small course."""

    def run(source: str | Path, root: Path = COURSE, **options: object) -> Run:
        path = source
        if isinstance(source, str):
            path = tmp_path / "mini.py"
            path.write_text(source)
        return grade("mini", path, root=root, options=Options(**{"seed": 1} | options), engine=engine)  # type: ignore[arg-type]

    return run


def changed(old: str, new: str) -> str:
    """The reference with one piece replaced."""
    assert REFERENCE.count(old) == 1, old
    return REFERENCE.replace(old, new)


def line_of(run: Run, check: str) -> Line:
    return next(line for line in run.lines if line.check == check)


@pytest.mark.parametrize("seed", range(10))
def test_the_reference_gets_full_marks_with_any_seed(graded: Grade, seed: int) -> None:
    run = graded(REFERENCE, seed=seed)
    assert (run.score, run.max_score, run.status) == (100, 100, "graded"), run.lines


def test_the_same_submission_gets_the_same_seed_and_another_secret_another(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    seeds = [grade("mini", path, root=COURSE, options=Options(secret=secret), engine=engine).seed for secret in "aab"]
    assert seeds[0] == seeds[1] != seeds[2]


WRONG = {  # what is changed, the check that must fail, and what its message must say
    "a factor": ("return 2 * x", "return 3 * x", "test_double", "1.5 times what it should be"),
    "a sign": ("return 2 * x", "return -2 * x", "test_double", "wrong sign"),
    "nothing returned": ("return 2 * x", "2 * x", "test_double", "is None: is a return missing"),
    "a list": ("return 2 * x", "return (2 * x).tolist()", "test_double", "should be a numpy array, and is a list"),
    "a tensor": ("return f(f(x))", "return torch.from_numpy(f(f(x)))", "test_twice", "is a float64 tensor"),
    "another shape": ("return 2 * x", "return 2 * x[None]", "test_double", r"has shape (1, 3); it should be (3,)"),
    "booleans": ("return 2 * x", "return x > 0", "test_double", "holds booleans"),
    "an integer": ("return 2 * x", "return (2 * x).astype(int)", "test_double", "values differ"),
    "NaN": ("return 2 * x", "return x * np.nan", "test_double", "NaN where a finite number belongs"),
    "unwritten memory": ("return 2 * x", "return np.empty_like(x)", "test_double", "holds NaN until it is written"),
    "an exception": (
        "return 2 * x",
        "raise ValueError('no')",
        "test_double",
        "It raised ValueError: no\n  line 15 of mini.py",
    ),
    "NumPy's memory": (
        "return 2 * x",
        "return np.zeros(1 << 40)[:3] + 2 * x",
        "test_double",
        "asked for more memory than it may have\n  line 15 of mini.py",
    ),
    "torch's memory": (
        "return x @ w",
        "return torch.zeros(1 << 40)[:3] + 2 * x",
        "test_affine",
        "asked for more memory than it may have\n  line 37 of mini.py",
    ),
    "Python's memory": (
        "return 2 * x",
        "return 2 * x + bytearray(1 << 40)[0]",
        "test_double",
        "asked for more memory than it may have\n  line 15 of mini.py",
    ),
    "a stub": ("return 2 * x", "raise NotImplementedError('mini.double')", "test_double", "the stub of mini.double"),
    "os._exit": ("return 2 * x", "import os; os._exit(0)", "test_double", "ended the whole process (exit code 0)"),
    "SystemExit": ("return 2 * x", "raise SystemExit(0)", "test_double", "It raised SystemExit"),
    "a skip": ("return 2 * x", "import pytest; pytest.skip('x')", "test_double", "It raised Skipped"),
    "an endless loop": ("return 2 * x", "\n    while True: pass", "test_double", LATE),
    "a subclass that claims equality": (
        "return 2 * x",
        "\n    class Liar(np.ndarray):\n        def __eq__(self, other): return True\n    return (3 * x).view(Liar)",
        "test_double",
        "3 of 3 values differ",
    ),
    "an object that claims everything": (
        "return 2 * x",
        "\n    class Liar:\n        shape = x.shape\n        def __eq__(self, other): return True\n    return Liar()",
        "test_double",
        "is an object of type Liar",
    ),
    "a wrong gradient": (
        "(dout * x).sum(axis=0)",
        "(dout * x).max(axis=0)",
        "test_scale",
        "scale_backward(dout, cache), after scale_forward(x=float64[5, 3], w=float64[3])\ndw: ",
    ),
    "too few gradients": ("dout * w, (dout * x).sum(axis=0)", "dout * w", "test_scale", "must return (dx, dw)"),
    "no graph": ("return x @ w", "return (x @ w).detach()", "test_affine", "cut off from autograd"),
    "another parameter": ("self.fc = nn.Linear", "self.lin = nn.Linear", "test_layer", "it lacks fc.weight"),
    "a missing function": ("def twice(", "def thrice(", "test_twice", "`twice` is not defined in your file"),
}


@pytest.mark.parametrize(("old", "new", "check", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_told_apart(graded: Grade, hasty: Path, old: str, new: str, check: str, told: str) -> None:
    run = graded(changed(old, new), root=hasty if told == LATE else COURSE)
    line = line_of(run, check)
    assert line.outcome is Outcome.FAILED
    assert line.score == 0
    assert told in line.message
    assert run.status == "graded"


BLAMED = {  # what is changed, the check that fails, what went wrong, in which function, and where in it
    "a call": ("return 2 * x", "return 3 * x", "test_double", ("value", "double", "")),
    "a stub": (
        "return 2 * x",
        "raise NotImplementedError('mini.double')",
        "test_double",
        ("stub", "double", "mini.double"),
    ),
    "an output of a pair": ("return x * w, (x", "return x - w, (x", "test_scale", ("value", "scale_forward", "")),
    "a gradient of a pair": (
        "return dout * w,",
        "return dout + w,",
        "test_scale",
        ("value", "scale_backward", "gradient"),
    ),
    "an exception in the forward": (
        "return x * w, (x",
        "return x * w * x[:, [9]], (x",
        "test_scale",
        ("raised", "scale_forward", "IndexError, line 22 of mini.py"),
    ),
    "an exception in the backward": (
        "x, w = cache",
        "x, w, _ = cache",
        "test_scale",
        ("raised", "scale_backward", "ValueError, line 29 of mini.py"),
    ),
    "too few gradients": (
        "dout * w, (dout * x).sum(axis=0)",
        "dout * w",
        "test_scale",
        ("structure", "scale_backward", ""),
    ),
    "autograd's gradient": ("return x @ w", "return x @ w.detach()", "test_affine", ("value", "affine", "gradient")),
    "a module": ("torch.relu(self.fc(x))", "self.fc(x)", "test_layer", ("value", "Layer", "")),
    "a function in a helper": ("return f(f(x))", "return f(x)", "test_twice", ("value", "twice", "")),
}


@pytest.mark.parametrize(("old", "new", "check", "blamed"), BLAMED.values(), ids=BLAMED.keys())
def test_a_failure_is_of_a_function_as_it_is_written(
    graded: Grade, old: str, new: str, check: str, blamed: tuple[str, str, str]
) -> None:
    line = line_of(graded(changed(old, new)), check)
    assert (line.rung, line.function, line.place) == blamed
    assert line.message.startswith(f"{blamed[1]}(") or "`twice`" in line.message


def test_what_a_helper_does_is_told_in_the_students_words(graded: Grade) -> None:
    line = line_of(graded(changed("return f(f(x))", "return f(x)")), "test_twice")
    assert line.message.startswith("`twice` on the square function (x=float64[")
    assert "helper" not in line.message


def test_values_stand_side_by_side_where_students_have_the_check_and_nowhere_else(graded: Grade) -> None:
    run = graded(changed("return 2 * x", "return x * x"))
    assert line_of(run, "test_double_worked_example").beside.split()[:3] == ["yours", "expected", "difference"]
    assert "yours" in next(test["output"] for test in to_gradescope(run)["tests"] if test["number"] == "1.1")
    assert {line.beside for line in run.lines if line.check != "test_double_worked_example"} == {""}


@pytest.mark.parametrize("array", ["x * np.nan", "x - np.inf + np.inf", "0 * x / 0"])
def test_a_nan_that_was_computed_is_not_blamed_on_unwritten_memory(graded: Grade, array: str) -> None:
    message = line_of(graded(changed("return 2 * x", f"return {array}")), "test_double").message
    assert "NaN where a finite number belongs" in message
    assert "np.empty" not in message


def test_a_known_mistake_is_named_with_its_hint(graded: Grade) -> None:
    line = line_of(graded(changed("return 2 * x", "return x + x + x")), "test_double")
    assert line.diagnosis == "tripled"
    assert line.hint == "This is three times x: count again."


def test_an_unknown_mistake_is_not_guessed_at(graded: Grade) -> None:
    assert line_of(graded(changed("return 2 * x", "return 5 * x")), "test_double").diagnosis is None


def test_cases_of_a_check_are_one_line_that_says_how_many_failed(graded: Grade) -> None:
    line = line_of(graded(changed("return 2 * x", "return 2 * x if x.ndim == 1 else x")), "test_double")
    assert (line.cases, line.failed_cases, line.score) == (2, 1, 0)
    assert "Case “matrix”: 1 of 2 cases fails" in line.message


def test_writing_into_an_argument_is_told_and_costs_nothing(graded: Grade) -> None:
    run = graded(changed("return 2 * x", "\n    x *= 2\n    return x.copy()"))
    assert run.score == 100


def test_one_wrong_task_leaves_the_others_alone(graded: Grade) -> None:
    run = graded(changed("return x @ w", "return x"))
    lost = {line.task for line in run.lines if line.outcome is not Outcome.PASSED}
    assert lost == {"affine"}


LARGE = """
    kept = []
    for step in range(500):
        large = torch.full((400, 512), float(step), dtype=torch.float64)  # a gigabyte in all, never two of them at once
        kept.append([object() for _ in range(20)])
    return x @ w"""


def test_small_objects_do_not_keep_the_memory_of_large_tensors_from_being_used_again(graded: Grade) -> None:
    line = line_of(graded(changed("return x @ w", LARGE), select=("test_affine_cost",)), "test_affine_cost")
    assert "operations: 508; at most 40 are allowed" in line.message


def test_the_stub_scores_nothing(graded: Grade) -> None:
    from autograder.assignment import load_assignment
    from autograder.starter import build

    stub = build(load_assignment("mini", COURSE))["mini.py"].decode()
    run = graded(stub)
    assert run.score == 0
    assert all(line.outcome is Outcome.FAILED for line in run.lines)


def test_who_ends_the_process_is_told_so_by_every_check_the_first_one_too(graded: Grade) -> None:
    run = graded(changed("return 2 * x", "import os; os._exit(0)"))
    lines = [line for line in run.lines if line.task == "double"]
    assert len(lines) > 1
    assert [line.message for line in lines if "ended the whole process (exit code 0)" not in line.message] == []


UNIMPORTABLE = {
    "no Python at all": ("def broken(:\n", "SyntaxError"),
    "a missing package": ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
    "an exit": ("import os\nos._exit(0)\n", "ended the whole process"),
    "a system exit": ("raise SystemExit\n", "SystemExit"),
    "an endless loop": ("while True: pass\n", LATE),
}


@pytest.mark.parametrize(("source", "told"), UNIMPORTABLE.values(), ids=UNIMPORTABLE.keys())
def test_a_module_that_cannot_be_imported_blocks_every_check_and_says_why(
    graded: Grade, hasty: Path, source: str, told: str
) -> None:
    run = graded(source, root=hasty if told == LATE else COURSE)
    assert (run.score, run.exit_code) == (0, 0)
    assert told in (run.reason or "")
    assert {line.outcome for line in run.lines} == {Outcome.BLOCKED}


UNREADABLE = {"no file": "nowhere.py", "a folder without the deliverable": "."}


@pytest.mark.parametrize("name", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_a_result_too(graded: Grade, tmp_path: Path, name: str) -> None:
    run = graded(tmp_path / name)
    assert (run.status, run.exit_code, run.score) == ("unreadable", 2, 0)
    assert run.reason
    assert len(run.lines) == len(graded(REFERENCE).lines)
    json.dumps(to_gradescope(run), allow_nan=False)


def test_time_that_runs_out_blocks_the_rest_and_keeps_what_was_scored(graded: Grade) -> None:
    run = graded(changed("return x @ w", "\n    import time; time.sleep(3.5)"), seconds=3.5)
    outcomes = {line.check: line.outcome for line in run.lines}
    assert outcomes["test_double"] is Outcome.PASSED
    assert outcomes["test_layer"] is Outcome.BLOCKED
    assert 0 < run.score < 100
    assert "ran out" in line_of(run, "test_layer").message


def test_grading_is_refused_where_student_code_could_read_the_solutions(graded: Grade) -> None:
    run = graded(REFERENCE, confinement=Confinement(uid=False, landlock=0, seccomp=False))
    assert (run.status, run.exit_code, run.score) == ("fault", 3, 0)
    assert "landlock and seccomp" in (run.reason or "")


def test_a_secret_that_a_worker_could_read_stops_the_run(graded: Grade) -> None:
    weak = Confinement.available().without("landlock")
    if not weak.uid:
        pytest.skip("without root, that confinement is refused before")
    with tempfile.NamedTemporaryFile() as secret:
        Path(secret.name).chmod(0o644)
        run = graded(REFERENCE, confinement=weak, private=(Path(secret.name),))
        kept = graded(REFERENCE, private=(Path(secret.name),))
    assert run.status == "fault"
    assert "student code could read" in (run.reason or "")
    assert kept.status == "graded"


def test_what_students_read_holds_no_expected_value_and_no_source_of_a_check(graded: Grade) -> None:
    text = json.dumps(to_gradescope(graded(changed("return 2 * x", "return 3 * x"))))
    for secret in ("agrees(", "draw(", "assert", "def test_", "return 2 * x"):
        assert secret not in text


def test_only_the_checks_that_were_chosen_run(graded: Grade) -> None:
    """By their whole names: affine has a cost check and a race, which begin alike."""
    run = graded(REFERENCE, select=("test_affine",))
    assert {line.check for line in run.lines if line.outcome is Outcome.PASSED} == {"test_affine"}
    assert {line.message for line in run.lines if line.outcome is Outcome.BLOCKED} == {"Not selected for this run."}


@pytest.mark.parametrize("record", ["extra-1.dist-info", "elsewhere"], ids=["packages", "a folder of one's own"])
def test_packages_are_found_where_pythonpath_says_but_nothing_else_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    """As on machines that packages can only be unpacked on."""
    site = run_folder()
    (site / record).mkdir()
    (site / "extra.py").write_text("RIGHT = 2\n")
    site.chmod(0o755)
    path = tmp_path / "mini.py"
    path.write_text("import extra\n" + changed("return 2 * x", "return extra.RIGHT * x"))
    monkeypatch.setenv("PYTHONPATH", str(site))
    run = grade("mini", path, root=COURSE, options=Options(seed=1, select=("test_double",)))
    remove_tree(site)
    assert (line_of(run, "test_double").outcome is Outcome.PASSED) == record.endswith("dist-info"), run.reason


def test_lines_are_reported_as_they_end(engine: Engine, tmp_path: Path) -> None:
    heard: list[str] = []
    path = tmp_path / "mini.py"
    path.write_text(REFERENCE)
    run = grade("mini", path, root=COURSE, engine=engine, progress=lambda line: heard.append(line.check))
    assert sorted(heard) == sorted(line.check for line in run.lines)


def test_nothing_is_left_behind(graded: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def recorded() -> Path:
        made.append(run_folder())
        return made[-1]

    monkeypatch.setattr("autograder.grading.run.run_folder", recorded)
    graded(changed("return 2 * x", "\n    open('junk', 'w').write('x'); import os; os._exit(1)"))
    assert made
    assert not any(folder.exists() for folder in made)
