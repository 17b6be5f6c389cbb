"""Questions whose numbers are drawn for each student: what is right for whom, and what is told and refused."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autograder.assignment import Formula, Question, drawn, load_assignment, load_course, reviewed
from autograder.audit import audit
from autograder.classes import Store, grade_class
from autograder.cli import cli
from autograder.errors import AuthoringError, GraderError
from autograder.grading import Engine, Options, grade
from autograder.local.terminal import Terminal
from autograder.release import bundles, gradescope
from autograder.results import Outcome, Run
from autograder.starter import stub_source
from autograder.submission import collect
from tests.made_class import Made, write_gradescope
from tests.test_grading import line_of

FACTS = """\
title = "Drawn"
deliverable = "net"
lectures = ["one"]

[tasks.double]
title = "Twice"
functions = ["double"]
ideas = ["twice"]
oracle = "arithmetic"

[[quiz]]
id = "q1"
question = "Is {b} right?"
options = { a = "no", b = "yes" }
reread = "the options"

[[quiz]]
id = "q2"
question = "A {n} x {n} image meets a {k} x {k} kernel with stride 2 and no padding. How large is a side of the output?"
kind = "number"
values = { n = "16..64 step 8", k = [3, 5, 7] }
reread = "the section on strides"

[[quiz]]
id = "q3"
question = "How much memory do {m} float32 numbers take, times {p}?"
kind = "number"
unit = "MiB"
units = { KiB = 0.0009765625 }
tolerance = 0.01
values = { m = "1000000..9000000 step 1000000", p = "0.1..0.9 step 0.1" }
reread = "the section on memory"
"""
SIZE, MEMORY = "(n - k) // 2 + 1", "4 * m * p / 2**20"
FORMULAS = f'FORMULAS = {{"q2": "{SIZE}", "q3": "{MEMORY}"}}'
MISTAKES = """\
[[mistake]]
name = "one-forgotten"
task = "quiz"
edits = [{ find = '"q2": OWN', replace = '"q2": OFF' }, { find = " // 2 + 1", replace = " // 2" }]
hint = "The first window counts, too."
fails = ["test_quiz[q2]"]
"""
CHECK = '''\
"""Public."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import weight


@pytest.mark.task("double")
@weight(97)
def test_double(student, expect):
    """double: 1 becomes 2"""
    expect(student.double(np.array([1.0])), np.array([2.0]))
'''
REFERENCE = '''\
"""A task and a quiz."""

import numpy as np

### BEGIN SOLUTION renamed.quiz
STUDENT = "{student}"
QUIZ = {{"q1": "b", "q2": {q2}, "q3": {q3}}}
{formulas}
### END SOLUTION


def double(x: np.ndarray) -> np.ndarray:
    """Twice x."""
    ### BEGIN SOLUTION renamed.double
    return 2 * x
    ### END SOLUTION
'''
QUESTIONS = {
    "q2": Question("q2", "?", {}, "r", "number", values={"n": tuple(range(16, 65, 8)), "k": (3, 5, 7)}),
    "q3": Question(
        "q3",
        "?",
        {},
        "r",
        "number",
        values={"m": tuple(range(10**6, 10**7, 10**6)), "p": tuple(i / 10 for i in range(1, 10))},
    ),
}
JANE, JOE, SAM = "jane@uni.example", "joe@uni.example", "sam@uni.example"


def numbers(question: str, who: str) -> dict[str, float]:
    """What is drawn for somebody."""
    return drawn(QUESTIONS[question].values, "net", question, who)


def side(who: str) -> float:
    """The right answer to q2, computed here by another way than the key's."""
    n, k = numbers("q2", who).values()
    return len(range(0, int(n - k) + 1, 2))


def memory(who: str) -> float:
    """The right answer to q3 in MiB."""
    m, p = numbers("q3", who).values()
    return m * p * 32 / 8 / 1024 / 1024


def written(who: str, answers_of: str = "", formulas: str = FORMULAS, more: float = 0) -> str:
    """The reference with somebody's name, and perhaps with another's answers."""
    theirs = answers_of or who
    return REFERENCE.format(student=who, q2=side(theirs) + more, q3=round(memory(theirs), 3), formulas=formulas)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with one small assignment."""
    root = tmp_path_factory.mktemp("drawn") / "course"
    folder = root / "assignments" / "renamed"
    (folder / "public").mkdir(parents=True)
    (root / "solutions").mkdir()
    (root / "course.toml").write_text('title = "Drawn"\n')
    (folder / "assignment.toml").write_text(FACTS)
    (folder / "handout.md").write_text("# Drawn\n\n{{points}}\n\n## double: Twice\n\nTwice.\n")
    (folder / "public" / "test_public.py").write_text(CHECK)
    own = str(side(JOE))
    (folder / "mistakes.toml").write_text(MISTAKES.replace("OWN", own).replace("OFF", str(side(JOE) - 1)))
    (root / "solutions" / "renamed.py").write_text(written(JOE))
    return root


# Values and formulas ----------------------------------------------------------------------------------------------


def test_the_same_is_drawn_for_the_same_student_and_all_of_it_for_somebody() -> None:
    assert numbers("q2", JANE) == numbers("q2", f" {JANE.upper()} ")
    many = [numbers("q2", f"student{number}") for number in range(400)]
    assert {(each["n"], each["k"]) for each in many} == {(n, k) for n in range(16, 65, 8) for k in (3, 5, 7)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (SIZE, 11),
        ("n / k", 8),
        ("-n % 7 + k**2", 13),
        ("ceil(log2(n + 1)) + max(n, k) - abs(-2)", 27),
        ("round(sqrt(n) * 1e3) // 1", 4899),
    ],
)
def test_a_formula_is_arithmetic(text: str, value: float) -> None:
    assert Formula(text).value({"n": 24, "k": 3}) == value
    assert Formula(text).names == {"n", "k"} & {*re.findall(r"\b[nk]\b", text)}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "n.real",
        "n if k else 1",
        "[n]",
        "n; k",
        "n = 1",
        "True",
        "'n'",
        "min()",
        "max(n, key=k)",
        "n @ k",
        "(",
    ],
)
def test_nothing_else_is_a_formula(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (part of a )?formula: arithmetic on numbers|cannot be parsed"):
        Formula(text)


# What is refused --------------------------------------------------------------------------------------------------

WRONG_FACTS = {
    "a name that is not asked": (
        "k = [3, 5, 7]",
        "k = [3, 5, 7], z = [1, 2]",
        r"\[quiz 2.values\] the question has no \{z\}",
    ),
    "a name that is not drawn": ("k = [3, 5, 7]", "kk = [3, 5]", r"the question has \{k\}, and no value is called so"),
    "one value": ("[3, 5, 7]", "[3]", "neither a range, such as"),
    "the same twice": ("[3, 5, 7]", "[3, 3]", "neither a range, such as"),
    "texts": ("[3, 5, 7]", '["3", "5"]', "neither a range, such as"),
    "no range": ("16..64 step 8", "16-64", "n = '16-64' is neither a range, such as"),
    "backwards": ("16..64 step 8", "64..16", "n = '64..16' is neither a range, such as"),
    "standing still": ("16..64 step 8", "16..64 step 0", "goes up in steps"),
    "too many": ("16..64 step 8", "1..20000", "there are 60,000 combinations, and each is tried: 20,000 at most"),
    "nothing": ('{ n = "16..64 step 8", k = [3, 5, 7] }', "{}", r"the question has \{n\}, and no value"),
    "a formula that would ship": (
        "values = { n",
        'answer = "1"\nvalues = { n',
        "answer would reach students: the formula",
    ),
    "values of a choice": (
        'options = { a = "no"',
        'values = { b = [1, 2] }\noptions = { a = "no"',
        "unknown key 'values'",
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG_FACTS.values(), ids=WRONG_FACTS.keys())
def test_values_that_make_no_sense_are_refused(copied: Callable[..., Path], old: str, new: str, told: str) -> None:
    with pytest.raises(AuthoringError, match=told):
        load_assignment("renamed", copied("assignments/renamed/assignment.toml", old, new))


@pytest.fixture
def copied(course: Path, tmp_path: Path) -> Callable[..., Path]:
    """The course with a piece of a file replaced."""

    def copy(file: str, old: str, new: str) -> Path:
        root = shutil.copytree(course, tmp_path / "course")
        assert (root / file).read_text().count(old) == 1
        (root / file).write_text((root / file).read_text().replace(old, new))
        return root

    return copy


WRONG_KEYS = {
    "no formula": (f'"q2": "{SIZE}", ', "", r"FORMULAS\['q2'\] is missing: a text, the formula"),
    "no student": (f'STUDENT = "{JOE}"\n', "", "STUDENT is missing: whom the reference's own answers are for"),
    "an unknown name": (
        "(n - k)",
        "(n - kk)",
        r"FORMULAS\['q2'\] has 'kk', and no value is called so; did you mean 'k'",
    ),
    "not finite for some": ("// 2 + 1", "// (k - 7)", r"FORMULAS\['q2'\] gives no number for n = 16, k = 7: .*by zero"),
    "too large": ("// 2 + 1", "** 999", r"gives no number for n = 16, k = 3: .*too large"),
    "the same for all": (SIZE, "7", r"FORMULAS\['q2'\] gives the same number whatever is drawn"),
    "no formula at all": (SIZE, "print(n)", r"FORMULAS\['q2'\]: 'print\(n\)' is no part of a formula"),
    "of what is not drawn": ('{"q2": "(', '{"q1": "n", "q2": "(', r"FORMULAS\['q1'\]: no values of q1 are drawn"),
    "another's answer": (
        f'STUDENT = "{JOE}"',
        f'STUDENT = "{JANE}"',
        r"QUIZ answers q2 with [\d.]+, but STUDENT is 'jane",
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_key_that_cannot_be_right_is_refused(copied: Callable[..., Path], old: str, new: str, told: str) -> None:
    assignment = load_assignment("renamed", root := copied("solutions/renamed.py", old, new))
    with pytest.raises(AuthoringError, match=told):
        stub_source(assignment)
    if "2 + 1" not in old:  # which the known mistake replaces
        with pytest.raises(AuthoringError, match=told):
            reviewed(assignment, load_course(root))


def test_a_known_mistake_whose_number_is_not_its_formulas_is_refused(copied: Callable[..., Path]) -> None:
    file = "assignments/renamed/mistakes.toml"
    root = copied(file, f", replace = '\"q2\": {side(JOE) - 1}'", f", replace = '\"q2\": {side(JOE) + 1}'")
    with pytest.raises(AuthoringError, match=r"'one-forgotten': QUIZ answers q2 with .* the formula gives"):
        reviewed(load_assignment("renamed", root), load_course(root))


# What students get ------------------------------------------------------------------------------------------------


def test_students_get_the_values_and_no_formula(course: Path) -> None:
    assignment = load_assignment("renamed", course)
    assert reviewed(assignment, load_course(course)) == ()
    files = bundles(assignment)[0].files
    stub = files["renamed/net.py"].decode()
    assert "# q2: A n x n image meets a k x k kernel" in stub
    assert "#     (a number, without its unit; numbers are drawn for you as n and k)" in stub
    assert "STUDENT = None\nQUIZ = {\n" in stub and "`python check.py quiz` shows." in stub
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(files["renamed/net.ipynb"])["cells"]}
    assert "STUDENT = None\nQUIZ" in cells["quiz"] and cells["check-quiz"].endswith("check.py net.ipynb quiz")
    own = {name: data for name, data in files.items() if not name.endswith("deepgrade.pyz")}
    assert not any(secret in data for data in own.values() for secret in (b"// 2 + 1", b"2**20", JOE.encode()))


def test_a_notebook_keeps_who_it_is_by(course: Path, tmp_path: Path) -> None:
    assignment = load_assignment("renamed", course)
    book = json.loads(bundles(assignment)[0].files["renamed/net.ipynb"])
    for cell in book["cells"]:
        cell["source"] = "".join(cell["source"]).replace("STUDENT = None", f'STUDENT = "{JANE}"')
    (tmp_path / "net.ipynb").write_text(json.dumps(book))
    (tmp_path / "staged").mkdir()
    assert f'STUDENT = "{JANE}"' in collect(tmp_path / "net.ipynb", assignment, tmp_path / "staged").source


def test_at_home_the_questions_have_the_students_own_numbers(course: Path, tmp_path: Path) -> None:
    assignment = load_assignment("renamed", course)
    for name, data in bundles(assignment)[0].files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    home = (tmp_path / "renamed").rename(tmp_path / "elsewhere")  # students call their folders what they like
    (home / "net.py").write_text(written(JANE))
    command = [sys.executable, "-I", "-B", str(home / "check.py"), "quiz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    n, k = numbers("q2", JANE).values()
    assert f"Drawn for {JANE}:\n  q2: A {n} x {n} image meets a {k} x {k} kernel" in done.stdout, done.stderr
    assert "all answered; whether rightly, grading says" in done.stdout
    Terminal(assignment, (), told := io.StringIO()).questions("")
    assert "Put your e-mail address into STUDENT" in told.getvalue()


# What is graded ---------------------------------------------------------------------------------------------------


@pytest.fixture
def graded(engine: Engine, course: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(source: str, *students: str) -> Run:
        (tmp_path / "net.py").write_text(source)
        options = Options(seed=1, select=("test_quiz",), students=students)
        return grade("renamed", tmp_path / "net.py", root=course, options=options, engine=engine)

    return run


RIGHT = {
    "nobody knows whose": (written(JANE), ()),
    "an address": (written(JANE.capitalize(), JANE), (JANE,)),
    "a number": (written("0042").replace('"0042"', '" 0042 "'), (JANE, "0042")),
    "of a group": (written(SAM), (JANE, SAM)),
    "in another unit": (re.sub(r'"q3": [\d.]+', f'"q3": "{memory(JANE) * 1024:.1f} KiB"', written(JANE)), (JANE,)),
}


@pytest.mark.parametrize(("source", "students"), RIGHT.values(), ids=RIGHT.keys())
def test_ones_own_answers_are_right(graded: Callable[..., Run], source: str, students: tuple[str, ...]) -> None:
    run = graded(source, *students)
    assert [line_of(run, f"test_quiz[{name}]").outcome for name in ("q1", "q2", "q3")] == [Outcome.PASSED] * 3
    assert any("Nobody knows here who handed this in" in note for note in run.notes) == (not students)


WRONG: dict[str, tuple[str, tuple[str, ...], str]] = {
    "another's answers": (
        written(JANE, JOE),
        (JANE,),
        f"Not this one, with n = .*, k = .*, which is drawn for {JANE}. Read",
    ),
    "another's name": (
        written(JOE),
        (JANE, "0042"),
        f"STUDENT is '{JOE}', and this was handed in by {JANE}: what counts",
    ),
    "another's in a group": (written(JOE), (JANE, SAM), f"handed in by {JANE} or {SAM}: what counts"),
    "no name": (
        written(JANE).replace(f'"{JANE}"', "None"),
        (JANE,),
        "Not answered yet: put your e-mail address into STUDENT",
    ),
    "a name that is none": (written(JANE).replace(f'"{JANE}"', "[1]"), (), r"STUDENT is \[1\], and should be a text"),
}


@pytest.mark.parametrize(("source", "students", "told"), WRONG.values(), ids=WRONG.keys())
def test_whatever_is_not_ones_own_earns_nothing(
    graded: Callable[..., Run], source: str, students: tuple[str, ...], told: str
) -> None:
    run = graded(source, *students)
    assert line_of(run, "test_quiz[q1]").outcome is Outcome.PASSED
    assert re.search(told, line_of(run, "test_quiz[q2]").message)
    assert line_of(run, "test_quiz[q2]").score == line_of(run, "test_quiz[q3]").score == 0


def test_grade_takes_who_handed_it_in_by_name(course: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(written(SAM))
    words = ["grade", "renamed", str(tmp_path / "net.py"), "--course", str(course), "--out", str(tmp_path), "--json"]
    told = []
    for students in (["--student", JANE, "--student", SAM], ["--student", JANE]):
        done = CliRunner().invoke(cli, [*words, *students])
        lines = {test["name"]: test for test in json.loads(done.stdout)["tests"]}
        told.append(next(test for name, test in lines.items() if name.startswith("quiz q2"))["score"])
    assert told == [1, 0]


def test_a_known_mistake_is_recognised_whatever_was_drawn(graded: Callable[..., Run]) -> None:
    run = graded(written(SAM, more=-1), SAM)
    assert line_of(run, "test_quiz[q2]").hint == "The first window counts, too."
    assert line_of(run, "test_quiz[q3]").outcome is Outcome.PASSED


@pytest.mark.usefixtures("shared_engine")
def test_the_audit_tries_answers_of_several_students_and_copied_ones(course: Path) -> None:
    verdicts = audit("renamed", course).run(select="answers of")
    assert [(verdict.subject.kind, verdict.problems) for verdict in verdicts] == [
        *[("variant", ())] * 3,
        ("mistake", ()),
    ]
    assert verdicts[-1].subject.lost == {"test_quiz[q2]", "test_quiz[q3]"}


def test_who_handed_in_is_known_on_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, course: Path) -> None:
    heard: list[tuple[str, ...]] = []

    def graded(*_: Any, options: Options, **__: Any) -> Run:
        heard.append(options.students)
        raise GraderError("enough is known")

    monkeypatch.setattr(gradescope, "grade", graded)
    monkeypatch.setattr(gradescope, "load_assignment", lambda *_: load_assignment("renamed", course))
    monkeypatch.setattr(gradescope, "load_course", lambda *_: load_course(course))
    monkeypatch.setattr(gradescope, "SHARED", ())
    for told in ([{"email": JANE, "sid": "42", "id": 7}, {"email": JOE, "sid": None}], "odd", None):
        home = tmp_path / str(len(heard))
        for folder in ("source", "submission", "results"):
            (home / folder).mkdir(parents=True)
        config = {"assignment": "renamed", "secret": "s", "require": "any"}
        (home / "source" / "deepgrade.json").write_text(json.dumps(config))
        (home / "submission_metadata.json").write_text(json.dumps({"users": told}) if told else "not JSON")
        gradescope.main(str(home))
    assert heard == [(JANE, JOE, "42"), (), ()]


def test_a_class_is_graded_by_who_is_who(course: Path, tmp_path: Path) -> None:
    mails = [f"student{position}@school.example" for position in range(2)]
    made = [
        Made("own", {"net.py": written(mails[0]).encode()}),
        Made("copied", {"net.py": (written(mails[0]) + "#").encode()}),
    ]
    export = write_gradescope(made, tmp_path)
    grade_class("renamed", export, tmp_path / "out", root=course)
    with Store(tmp_path / "out") as store:
        assert [grade.score for grade in store.grades()] == [100, 98]
    listed = export / "submission_metadata.yml"
    listed.write_text(listed.read_text().replace(mails[1], mails[0]))
    ran = grade_class("renamed", export, tmp_path / "out", root=course)
    assert (ran.graded, [grade.score for grade in ran.grades]) == (1, [100, 100])
