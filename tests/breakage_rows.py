"""What an instructor can break in an assignment, and what is read then: cases of tests/test_breakages.py and the table
of docs/breakages.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FILES, TRIAL, AUDIT = "its files are read", "a release is tried out", "the audit grades"
FACTS, HIDDEN, PUBLIC = "assignment.toml", "hidden/test_hidden.py", "public/test_public.py"
MISTAKES, HANDOUT, REFERENCE = "mistakes.toml", "handout.md", "../../solutions/mini.py"
COURSE = "../../course.toml"


@dataclass(frozen=True)
class Breakage:
    """One thing broken in the small course.

    Attributes:
        kind: of file.
        name: what is broken, in words that continue “somebody …”.
        when: FILES, TRIAL or AUDIT.
        damage: breaks it, given the assignment's folder.
        told: part of the message.
    """

    kind: str
    name: str
    when: str
    damage: Callable[[Path], None]
    told: str


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace the first occurrence of a text in a file of the assignment."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def add(name: str, text: str) -> Callable[[Path], None]:
    """Append to a file, or make it."""

    def damage(folder: Path) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)

    return damage


def variant(text: str) -> Callable[[Path], None]:
    """A submission that is said to be correct."""
    return add("../../tests/submissions/mini/correct/other.py", text)


LEAK = "return np.multiply(np.full_like(x, 2.0), x)"


def leak(folder: Path) -> None:
    """A line of the solution in the handout."""
    edit(REFERENCE, "return 2 * x", LEAK)(folder)
    edit(MISTAKES, 'find = "return 2 * x"', f'find = "{LEAK}"')(folder)
    add(HANDOUT, f"\n`{LEAK}`\n")(folder)


def given_leak(folder: Path) -> None:
    """The same in a given module."""
    edit(REFERENCE, "return 2 * x", LEAK)(folder)
    edit(MISTAKES, 'find = "return 2 * x"', f'find = "{LEAK}"')(folder)
    add("given/beams.py", f"def f(x):\n    {LEAK}\n")(folder)


def broken_formula(folder: Path) -> None:
    """A drawn number that its formula cannot take."""
    old, new = 'options = { a = "no", b = "yes" }', 'kind = "number"\nvalues = { n = [0, 1, 2] }'
    edit(FACTS, old, new)(folder)
    edit(FACTS, "Is b right?", "What is 6 / {n}?")(folder)
    edit(REFERENCE, 'QUIZ = {"q1": "b",', 'STUDENT = "me"\nFORMULAS = {"q1": "6 / n"}\nQUIZ = {"q1": 6,')(folder)


PASSES = "    expect(student.double(np.array([1.0, 2.0, 3.0])), np.array([2.0, 4.0, 6.0]))"
FIRST = 'agrees.pair("scale", draw(5, 3), draw(3))'

ROWS = (
    Breakage("course.toml", "misspells a key", FILES, add(COURSE, "titel = 1\n"), "course.toml:2: unknown key 'titel'"),
    Breakage(
        "course.toml", "dates an assignment that is none", FILES, add(COURSE, "[dates.maxi]\n"), "there is no assignm"
    ),
    Breakage(
        FACTS, "misspells a key", FILES, edit(FACTS, "title =", "titel ="), "title is missing; did you mean 'titel'?"
    ),
    Breakage(FACTS, "forgets a quote", FILES, edit(FACTS, 'ment"', "ment"), "assignment.toml: "),
    Breakage(
        FACTS,
        "gives a text for a number",
        FILES,
        edit(FACTS, "= 4.0", '= "4"'),
        "6: [limits] call_seconds must be a number",
    ),
    Breakage(
        FACTS,
        "gives a call more time than the run",
        FILES,
        edit(FACTS, "= 4.0", "= 90"),
        "call_seconds is more than run_s",
    ),
    Breakage(
        FACTS,
        "gives a run more time than Gradescope",
        FILES,
        edit(FACTS, "= 60.0", "= 500"),
        "Gradescope's 10 minutes leave",
    ),
    Breakage(FACTS, "lists a function twice", FILES, edit(FACTS, '"scale_backward"', '"double"'), "both list 'double'"),
    Breakage(
        FACTS,
        "forbids a group that is none",
        FILES,
        edit(FACTS, '"convolution"', '"convolve"'),
        "did you mean 'convolution'?",
    ),
    Breakage(
        FACTS,
        "forbids an operation that torch does not have",
        FILES,
        edit(FACTS, '"convolution"', '"aten::einsam"'),
        "did you mean 'aten::einsum'?",
    ),
    Breakage(
        FACTS,
        "forbids a Python name that there is not",
        FILES,
        edit(FACTS, '"convolution"', '"np.convole"'),
        "did you mean 'numpy.convolve'?",
    ),
    Breakage(
        FACTS,
        "misspells a pair",
        FILES,
        edit(FACTS, "[pairs.scale]", "[pairs.scael]"),
        "no task lists 'scael_forward'; did",
    ),
    Breakage(
        FACTS,
        "limits the cost of no task",
        FILES,
        edit(FACTS, "[cost.affine]", "[cost.afine]"),
        "did you mean 'affine'?",
    ),
    Breakage(
        FACTS,
        "sets a target above its limit",
        FILES,
        edit(FACTS, "target = 2.0", "target = 5.0"),
        "target must be at least",
    ),
    Breakage(
        FACTS, "asks a question with one option", FILES, edit(FACTS, ', b = "yes"', ""), "options must be at least two"
    ),
    Breakage(
        FACTS, "gives two questions one id", FILES, edit(FACTS, '"q2"', '"q1"'), "another question has the id 'q1'"
    ),
    Breakage(
        FACTS,
        "asks for weights in torch's own file",
        FILES,
        edit(FACTS, 'deliverable = "mini"', 'deliverable = "mini"\narrays = ["weights.pt"]'),
        "'weights.pt' names no file of NumPy's arrays",
    ),
    Breakage(
        "the reference",
        "has no weights of its own, which students are asked for",
        FILES,
        edit(FACTS, 'deliverable = "mini"', 'deliverable = "mini"\narrays = ["weights.npz"]'),
        "mini-weights.npz is missing: the reference's own",
    ),
    Breakage("checks", "forgets a weight", FILES, edit(HIDDEN, "@weight(20)\n", ""), "needs a weight that is a number"),
    Breakage(
        "checks",
        "forgets the task",
        FILES,
        edit(HIDDEN, '@pytest.mark.task("double")\n', ""),
        "does not say which task",
    ),
    Breakage(
        "checks", "misspells the task", FILES, edit(HIDDEN, 'task("scale")', 'task("scael")'), "did you mean 'scale'?"
    ),
    Breakage(
        "checks", "misspells the kind", FILES, edit(HIDDEN, 'kind="dtype"', 'kind="dtypes"'), "did you mean 'dtype'?"
    ),
    Breakage(
        "checks",
        "forgets the docstring",
        FILES,
        edit(HIDDEN, '    """twice: calls what it was given"""\n', ""),
        "a docstring",
    ),
    Breakage(
        "checks",
        "calls two checks the same",
        FILES,
        edit(HIDDEN, "test_twice", "test_layer"),
        "is called 'test_layer' too",
    ),
    Breakage(
        "checks",
        "writes a class",
        FILES,
        add(HIDDEN, "\n\nclass TestAll:\n    pass\n"),
        "checks are functions; TestAll is a",
    ),
    Breakage("checks", "leaves a bracket open", FILES, add(HIDDEN, "\nx = (\n"), "test_hidden.py: cannot be parsed"),
    Breakage(
        "checks",
        "misspells a fixture",
        FILES,
        edit(HIDDEN, "draw, shape)", "drawn, shape)"),
        "'drawn'; did you mean 'draw'?",
    ),
    Breakage(
        "checks",
        "asks for the reference in public",
        FILES,
        edit(PUBLIC, "(student,", "(reference, student,"),
        "no reference",
    ),
    Breakage(
        "checks", "lets points add up to 101", FILES, edit(PUBLIC, "weight(8)", "weight(9)"), "add up to 101, not 100"
    ),
    Breakage(
        "checks",
        "misspells what is said of the task",
        FILES,
        edit(HIDDEN, 'task("double", kind="dtype")', 'task("double", knd="dtype")'),
        "takes no 'knd'; did you mean 'kind'?",
    ),
    Breakage(
        FACTS,
        "gives no points for what is read by hand",
        FILES,
        edit(FACTS, "[pairs.scale]", '[by_hand.essay]\ntitle = "Why"\npoint = 5\n\n[pairs.scale]'),
        "points is missing; did you mean 'point'?",
    ),
    Breakage("checks", "numbers two checks alike", FILES, edit(HIDDEN, '"1.2"', '"1.1"'), "all have the number 1.1"),
    Breakage(
        FACTS,
        "gives a number of the quiz a tolerance of 500 %",
        FILES,
        edit(FACTS, 'options = { a = "no", b = "yes" }', 'kind = "number"\ntolerance = 5.0'),
        "tolerance is a part of the right number: below 1",
    ),
    Breakage(
        "the reference",
        "answers a number with a letter",
        FILES,
        edit(FACTS, 'options = { a = "no", b = "yes" }', 'kind = "number"'),
        "QUIZ answers q1 with 'b', and 'b' is no plain number",
    ),
    Breakage(
        "the reference",
        "has a formula that a drawn number breaks",
        FILES,
        broken_formula,
        "FORMULAS['q1'] gives no number for n = 0: division by zero",
    ),
    Breakage(
        FACTS,
        "asks for a package that the course does not allow",
        FILES,
        edit(FACTS, "lectures", 'packages = ["einops"]\nlectures'),
        "packages: [packages] allowed of course.toml has nothing, and not 'einops'",
    ),
    Breakage(
        "given modules",
        "calls one like a module of Python's",
        FILES,
        add("given/random.py", "SEED = 1\n"),
        "there is another module 'random'",
    ),
    Breakage("given modules", "puts a line of the solution there", FILES, given_leak, "which students get, would hold"),
    Breakage(
        "checks", "calls a file hidden/checks.py", FILES, add("hidden/checks.py", ""), "is ignored: files of checks are"
    ),
    Breakage(
        "reference",
        "forgets the end of a solution",
        FILES,
        edit(REFERENCE, "    ### END SOLUTION\n", ""),
        "solution begins inside",
    ),
    Breakage(
        "reference",
        "misspells a marker's task",
        FILES,
        edit(REFERENCE, "mini.double", "mini.doubel"),
        "did you mean 'double'?",
    ),
    Breakage(
        "reference",
        "forgets a function's markers",
        FILES,
        edit(
            REFERENCE, "    ### BEGIN SOLUTION mini.double\n    return 2 * x\n    ### END SOLUTION", "    return 2 * x"
        ),
        "double has no solution block",
    ),
    Breakage(
        "reference",
        "renames a function",
        FILES,
        edit(REFERENCE, "def double(", "def dubble("),
        "double is not defined; did you",
    ),
    Breakage(
        "reference",
        "answers with no option",
        FILES,
        edit(REFERENCE, '"q1": "b"', '"q1": "c"'),
        "answers q1 with 'c', and the options",
    ),
    Breakage(
        "handout",
        "forgets a task's section",
        FILES,
        edit(HANDOUT, "## twice: A callable\n", ""),
        "section '## twice: title', not 0",
    ),
    Breakage(
        "handout",
        "misspells a task",
        FILES,
        edit(HANDOUT, "## twice:", "## twise:"),
        "no task 'twise'; did you mean 'twice'?",
    ),
    Breakage(
        "handout",
        "forgets the points",
        FILES,
        edit(HANDOUT, "{{points}}", ""),
        "{{points}} must stand in it once, not 0",
    ),
    Breakage("handout", "quotes the solution", FILES, leak, "which students get, would hold the solution of double"),
    Breakage(
        "experiment", "leaves a bracket open", FILES, add("experiment.py", "\nx = (\n"), "experiment.py: cannot be used"
    ),
    Breakage(
        "mistakes",
        "quotes what is not there",
        FILES,
        edit(MISTAKES, '"return 2 * x"', '"return 4 * x"'),
        "find occurs nowhere",
    ),
    Breakage(
        "mistakes",
        "quotes what is there twice",
        FILES,
        edit(MISTAKES, '"return 2 * x"', '"x"'),
        "find occurs more than once",
    ),
    Breakage(
        "mistakes",
        "misspells a check",
        FILES,
        edit(MISTAKES, '["test_scale"]', '["test_scael"]'),
        "did you mean 'test_scale'?",
    ),
    Breakage(
        "mistakes",
        "leaves a bracket open",
        FILES,
        edit(MISTAKES, "return 3 * x", "return (3 * x"),
        "'tripled' cannot be parsed",
    ),
    Breakage(
        "public checks",
        "imports the solution",
        TRIAL,
        edit(PUBLIC, "import numpy as np\n", "import numpy as np\nfrom solutions.mini import double\n"),
        "test_double_worked_example does not run",
    ),
    Breakage(
        "public checks", "expects what is wrong", TRIAL, edit(PUBLIC, "6.0]", "7.0]"), "example fails on the solution"
    ),
    Breakage(
        "public checks",
        "checks nothing",
        TRIAL,
        edit(PUBLIC, PASSES, "    assert student and expect"),
        "passes on the stub",
    ),
    Breakage(
        "hidden checks",
        "names what is not there",
        AUDIT,
        edit(HIDDEN, FIRST, "nothing"),
        "NameError: name 'nothing' is not defined (hidden/test_hidden.py:2",
    ),
    Breakage(
        "hidden checks",
        "asserts what is wrong",
        AUDIT,
        edit(HIDDEN, FIRST, "x = draw(5)\n    assert x.shape == (4,)"),
        "assert x.shape == (4,), where x.shape is (5,)",
    ),
    Breakage(
        "hidden checks",
        "imports what is not there",
        AUDIT,
        edit(HIDDEN, "import numpy as np", "import numpy as np\nimport nowhere"),
        "No module named 'nowhere'",
    ),
    Breakage(
        "hidden checks", "limits below the reference", AUDIT, edit(FACTS, "operations = 40", "operations = 1"), "limit"
    ),
    Breakage(
        "mistakes",
        "says that another check is lost",
        AUDIT,
        edit(MISTAKES, '["test_scale"]', '["test_layer"]'),
        "loses test_scale (test_scale: scale_backward(",
    ),
    Breakage("variants", "hands in one that is wrong", AUDIT, variant("QUIZ = {}\n"), "loses test_affine"),
    Breakage(
        "variants",
        "hands in one that cannot be parsed",
        AUDIT,
        variant("x = (\n"),
        "cannot be parsed: '(' was never closed, line 1",
    ),
)
