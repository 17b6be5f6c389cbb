"""The audit finds what is wrong with an assignment, and nothing where nothing is."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autograder.assignment import Task, assignment_names, load_assignment, load_mistakes, points
from autograder.assignment._mistakes import Edit, Mistake
from autograder.audit import Audit, Verdict, _audit, audit
from autograder.audit.reach import Reach
from autograder.audit.report import show_audit
from autograder.audit.trivial import KINDS, worthless_source
from autograder.errors import GraderError
from autograder.grading import Options
from autograder.results import Line, Outcome, Run

pytestmark = pytest.mark.usefixtures("shared_engine")

ROOT = Path(__file__).parents[1]
COURSE = Path(__file__).parent / "course"
COMPILED = shutil.ignore_patterns("__pycache__")
HIDDEN, PUBLIC, MISTAKES = "hidden/test_hidden.py", "public/test_public.py", "mistakes.toml"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the small course, to be damaged."""
    return Path(shutil.copytree(COURSE, tmp_path / "course", ignore=COMPILED))


def damaged(course: Path, name: str, old: str, new: str) -> None:
    """One piece of one file of the assignment replaced."""
    path = course / "assignments" / "mini" / name
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def problems(verdicts: list[Verdict]) -> dict[str, str]:
    """Subjects that did not behave as they should, and how."""
    return {
        f"{verdict.subject.kind} {verdict.subject.name}": "; ".join(verdict.problems)
        for verdict in verdicts
        if verdict.problems
    }


@pytest.fixture(scope="module")
def whole() -> tuple[Audit, list[Verdict], list[Verdict]]:
    """The shipped course, audited once: the audit, its verdicts, and the verdicts as they were reported."""
    heard: list[Verdict] = []
    shipped = audit("mini", COURSE)
    return shipped, shipped.run(heard.append), heard


def test_the_shipped_course_has_no_exceptions(whole: tuple[Audit, list[Verdict], list[Verdict]]) -> None:
    assert [(verdict.subject.name, verdict.problems) for verdict in whole[1] if verdict.problems] == []


def test_every_kind_of_subject_is_graded(whole: tuple[Audit, list[Verdict], list[Verdict]]) -> None:
    shipped, verdicts, heard = whole
    subjects = [(verdict.subject.kind, verdict.subject.name) for verdict in verdicts]
    tasks = shipped.assignment.tasks
    assert subjects == [
        ("reference", "solution"),
        ("stub", "starter"),
        ("mistake", "tripled"),
        ("mistake", "dw-not-summed"),
        *(("worthless", f"{task}: {kind}") for task in tasks for kind in KINDS),
    ]
    assert heard == verdicts


def test_what_was_lost_is_what_is_claimed(whole: tuple[Audit, list[Verdict], list[Verdict]]) -> None:
    lost = {verdict.subject.name: {line.check for line in verdict.lost} for verdict in whole[1]}
    assert lost["solution"] == set()
    assert lost["starter"] == {check.name for check in whole[0].checks}
    assert lost["tripled"] == {"test_double", "test_double_worked_example", "test_keeps_float32"}
    assert lost["affine: zeros"] >= {"test_affine", "test_affine_cost"}


CANNOT_FAIL = '''

@pytest.mark.task("affine")
@weight(5)
def test_affine(student, draw):
    """affine: can be called"""
    try:
        student.affine(draw.tensor(5, 3), draw.tensor(3, 2))
    except Exception:
        pass
'''


CLAIMS = """
[[mistake]]
name = "claims-too-much"
task = "scale"
find = "(dout * x).sum(axis=0)"
replace = "(dout * x).max(axis=0)"
hint = "It loses one of the two."
fails = ["test_scale", "test_layer"]

[[mistake]]
name = "claims-another"
task = "scale"
find = "(dout * x).sum(axis=0)"
replace = "(dout * x).min(axis=0)"
hint = "It loses another."
fails = ["test_layer"]

[[mistake]]
name = "is-none"
task = "scale"
find = "(dout * x).sum(axis=0)"
replace = "(x * dout).sum(axis=0)"
hint = "It is right."
fails = ["test_scale"]
"""


@pytest.fixture(scope="module")
def damage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Audit, list[Verdict]]:
    """A course with much that is wrong, audited once."""
    course = Path(shutil.copytree(COURSE, tmp_path_factory.mktemp("audit") / "course", ignore=COMPILED))
    damaged(course, HIDDEN, 'agrees("double", draw(*shape))', "agrees.student.double(draw(*shape))")
    hidden, mistakes = (course / "assignments" / "mini" / name for name in (HIDDEN, MISTAKES))
    hidden.write_text(hidden.read_text().replace("def test_affine(", "def _was_affine(") + CANNOT_FAIL)
    mistakes.write_text(mistakes.read_text() + CLAIMS)
    damaged(course, PUBLIC, "@weight(8)", "@weight(9)")
    room = course / "tests" / "submissions" / "mini" / "correct"
    room.mkdir(parents=True)
    reference = (course / "solutions" / "mini.py").read_text()
    (room / "sums.py").write_text(reference.replace("return 2 * x", "return x + x"))
    (room / "unclosed.py").write_text(f"print(\n{reference}")
    (room / "wrong.py").write_text(reference.replace("return torch.relu(self.fc(x))", "return self.fc(x)"))
    hostile = room.with_name("hostile")
    hostile.mkdir()
    (hostile / "solves_more.py").write_text(f'EARNS = {{"scale"}}\n{reference}')
    (hostile / "solves_as_it_says.py").write_text(f'EARNS = {{"double"}}\nASKED = ("test_double",)\n{reference}')
    found = audit("mini", course)
    return found, found.run()


FOUND = {
    "points that do not add up": {"reference solution": "the points add up to 101, not 100"},
    "a check that cannot fail": {
        "stub starter": "passes test_affine",
        **{f"worthless affine: {kind}": "passes test_affine" for kind in KINDS},
    },
    "a check that accepts any numbers": {
        "mistake tripled": "passes test_double",
        "worthless double: zeros": "passes test_double",
        "worthless double: input": "passes test_double",
    },
    "a mistake that loses less than it says": {"mistake claims-too-much": "passes test_layer"},
    "a mistake that loses another check": {
        "mistake claims-another": "passes test_layer; loses test_scale (test_scale: scale_backward(dout, cache), after "
        "scale_forward(x=float64[5, 3], w=float64[3]) dw: 3 of 3 values differ"
    },
    "a mistake that is none": {"mistake is-none": "passes test_scale"},
    "a hostile submission that earns what it does not solve": {
        "hostile solves_more": "passes test_double, test_double_worked_example, test_keeps_float32, "
        "test_quiz[q1], test_quiz[q2]"
    },
    "a variant that is not correct": {"variant wrong": "loses test_layer (test_layer: Layer(3, 4)"},
    "a variant that cannot be parsed": {"variant unclosed": "cannot be parsed: '(' was never closed, line 1"},
}


@pytest.mark.parametrize("expected", FOUND.values(), ids=FOUND.keys())
def test_what_is_wrong_is_found(damage: tuple[Audit, list[Verdict]], expected: dict[str, str]) -> None:
    """What is lost is followed by what the student would read."""
    found = problems(damage[1])
    assert {name: found[name][: len(told)] for name, told in expected.items()} == expected


def test_nothing_else_is_found(damage: tuple[Audit, list[Verdict]]) -> None:
    assert problems(damage[1]).keys() == {name for expected in FOUND.values() for name in expected}
    assert "sums" in {verdict.subject.name for verdict in damage[1]}


class Replayed(Audit):
    """An audit that was run before."""

    verdicts: list[Verdict]

    def run(self, report: Callable[[Verdict], None] = lambda verdict: None, select: str = "") -> list[Verdict]:
        return [verdict for verdict in self.verdicts if select in f"{verdict.subject.kind} {verdict.subject.name}"]


def test_the_report_counts_and_names_exceptions(damage: tuple[Audit, list[Verdict]]) -> None:
    replayed = Replayed(damage[0].assignment)
    replayed.verdicts = damage[1]
    shown = io.StringIO()
    assert show_audit(replayed, Console(file=shown, width=120), "claims", messages=True, matrix=True) == 2
    text = shown.getvalue()
    assert "mistake claims-another (seed 1): passes test_layer; loses test_scale (test_scale: scale_backward(" in text
    assert "[claims-too-much] It loses one of the two." in text
    crosses = {line.split()[0]: line.count("×") for line in text.splitlines() if "×" in line}
    assert crosses == {"claims-too-much": 1, "claims-another": 1}


REFUSED = {
    "a check that does not exist": (
        '["test_scale"]',
        '["test_scael"]',
        "no check 'test_scael'; did you mean 'test_scale'",
    ),
    "text that is not there": (
        "(dout * x).sum(axis=0)",
        "(dout * x).sum(axis=1)",
        "'dw-not-summed': find occurs nowhere",
    ),
    "text that is there twice": ('find = "return 2 * x"', 'find = "x"', "'tripled': find occurs more than once"),
    "a task that does not exist": ('task = "scale"', 'task = "scales"', "did you mean 'scale'"),
}


@pytest.mark.parametrize(("old", "new", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mistake_that_cannot_be_made_is_refused(course: Path, old: str, new: str, told: str) -> None:
    damaged(course, MISTAKES, old, new)
    with pytest.raises(GraderError, match=told):
        list(audit("mini", course).subjects())


def test_a_check_that_the_reference_fails_is_found(course: Path) -> None:
    damaged(course, PUBLIC, "[2.0, 4.0, 6.0]", "[2.0, 4.0, 7.0]")
    heard: list[Verdict] = []
    found = problems(audit("mini", course).run(heard.append))
    assert found.keys() == {"reference solution"}
    assert found["reference solution"].startswith("loses test_double_worked_example (test_double_worked_example: ")
    assert len(heard) == 1, "nothing else is graded: all of it would lose the same"


STUMBLES = {
    "a name that is nothing": ("undefined_name", "NameError: name 'undefined_name' is not defined"),
    "a plain assert": (
        "x = draw(5, 3)\n    assert x.shape == (3, 5)",
        "AssertionError: assert x.shape == (3, 5), where x.shape is (5, 3)",
    ),
    "a plain assert about a call": ("assert len(draw(5)) == 4", "AssertionError: assert len(draw(5)) == 4"),
    "a fixture of its own that fails": ("assert broken", "ZeroDivisionError: division by zero"),
    "an unknown task": (
        'agrees.pair("scael", draw(5, 3), draw(3))',
        "GraderError: mini: assignment.toml has no [pairs.scael]",
    ),
}
BROKEN = """
@pytest.fixture
def broken():
    return 1 / 0
"""


@pytest.mark.parametrize(("body", "told"), STUMBLES.values(), ids=STUMBLES.keys())
def test_a_check_that_stumbles_is_named_with_its_line(course: Path, body: str, told: str) -> None:
    damaged(course, HIDDEN, 'agrees.pair("scale", draw(5, 3), draw(3))', body)
    if "broken" in body:
        damaged(course, HIDDEN, "def test_scale(agrees, draw):", "def test_scale(agrees, draw, broken):")
    damaged(course, HIDDEN, "import pytest\n", f"import pytest\n{BROKEN}")
    found = problems(audit("mini", course).run())
    assert found.keys() == {"reference solution"}
    assert found["reference solution"].startswith(f"fault: {told}")
    assert "hidden/test_hidden.py:" in found["reference solution"]


def test_a_fixture_that_only_pytest_can_miss_is_named_with_its_file(course: Path) -> None:
    """Parameters that are not written where they are used cannot be read beforehand."""
    damaged(course, HIDDEN, 'parametrize("shape", ', "parametrize(SHAPE, ")
    damaged(course, HIDDEN, "import pytest\n", "import pytest\n\nSHAPE = 'shape'\n")
    damaged(course, HIDDEN, "(agrees, draw, shape)", "(agrees, drawn, shape)")
    found = problems(audit("mini", course).run())
    told = "there is no fixture 'drawn' (hidden/test_hidden.py)"
    assert found == {"reference solution": f"fault: FixtureLookupError: {told}\n(Case “vector”: 2 of 2 cases fail.)"}


@pytest.mark.parametrize("steadies", [1, 2, None])
def test_a_race_that_right_code_lost_is_repeated_alone_before_it_is_believed(
    whole: tuple[Audit, list[Verdict], list[Verdict]], monkeypatch: pytest.MonkeyPatch, steadies: int | None
) -> None:
    """`steadies`: the repetition from which on the machine is quiet."""
    real = next(verdict.run for verdict in whole[1] if verdict.subject.kind == "reference")
    asked: list[tuple[str, ...]] = []

    def busy(*arguments: Any, options: Options, **more: Any) -> Run:
        asked.append(options.select)
        quiet = steadies is not None and len(asked) > steadies
        slow = [line if line.kind != "race" or quiet else lost(line) for line in real.lines]
        return replace(real, lines=tuple(slow), seed=options.seed or 0)

    def lost(line: Line) -> Line:
        return replace(line, outcome=Outcome.FAILED, score=0, message="slow")

    monkeypatch.setattr(_audit, "grade", busy)
    verdict, *others = audit("mini", COURSE).run(select="reference")
    races = tuple(line.check for line in real.lines if line.kind == "race")
    assert races and not others
    assert asked == [(), *[races] * (steadies or 2)]
    if steadies is None:
        assert verdict.problems == (f"loses {', '.join(races)} ({races[0]}: slow)",)
    else:
        said = f"{', '.join(races)}: lost while others were graded, passed alone (attempt {steadies})"
        assert (verdict.problems, verdict.notes) == ((), (said,))


def test_each_seed_is_a_grading_of_its_own(course: Path) -> None:
    runs = [verdict.run for verdict in audit("mini", course, seeds=(3, 4), workers=2).run(select="tripled")]
    assert [run.seed for run in runs] == [3, 4]
    assert all(line.outcome is Outcome.FAILED for run in runs for line in run.lines if line.check == "test_double")


MADE = """
def greeting(name):
    return [f"hello {name}", "and welcome"]


def adder(n):
    return lambda x: x + n
"""


@pytest.mark.parametrize(
    "kind, greeted, added", [("zeros", ["", ""], 0), ("input", ["Ada", "and welcome"], 5)], ids=["zeros", "input"]
)
def test_texts_and_functions_that_a_function_makes_are_worthless_too(kind: str, greeted: list[str], added: int) -> None:
    task = Task("made", "Made", ("greeting", "adder"), (), "")
    made: dict[str, Any] = {}
    exec(worthless_source(MADE, task, kind), made)
    assert (made["greeting"]("Ada"), made["adder"](2)(5)) == (greeted, added)


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_whatever_a_known_mistake_must_lose_is_in_reach_of_what_it_changes(name: str) -> None:
    """All that they lose was listed by audits of all checks, so nothing lies beyond."""
    assignment = load_assignment(name, ROOT)
    reach, all_checks = Reach(assignment), {check.name for check in points(assignment)}
    for mistake in load_mistakes(assignment):
        unnamed = replace(mistake, fails=(), may_fail=())
        assert set(mistake.fails) <= set(reach.of(unnamed)) <= all_checks, mistake.name


def test_checks_that_cannot_reach_a_mistake_are_not_run_for_it_unless_all_are_asked_for() -> None:
    few, every = (
        next(each.select for each in audit("conv", ROOT, whole=whole).subjects() if each.kind == "mistake")
        for whole in (False, True)
    )
    assert 0 < len(few) < len(points(load_assignment("conv", ROOT))) / 2
    assert every == ()


def test_what_runs_at_import_is_in_everybody_s_reach(tmp_path: Path) -> None:
    assignment = load_assignment("mini", COURSE)
    edit = Edit(find="import numpy as np", replace="import numpy as np\n\nprint(np)")
    mistake = Mistake("at-import", next(iter(assignment.tasks)), (edit,), "", ())
    assert set(Reach(assignment).of(mistake)) == {check.name for check in points(assignment)}
