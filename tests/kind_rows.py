"""Kinds of tasks: how each is written with the fixtures, and what tests that, or why it is refused.

One source for a page (docs/kinds.md) and for what holds it (tests/test_kinds.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of task that can be checked.

    Attributes:
        name: what students write.
        how: fixtures, in code.
        recipe: a heading of the cookbook, whose recipe is audited; or empty.
        check: "ASSIGNMENT: check", of this course, which is audited; or empty.
    """

    name: str
    how: str
    recipe: str = ""
    check: str = ""


@dataclass(frozen=True)
class Refused:
    """A kind of task that there is no honest check for.

    Attributes:
        name: what students would hand in.
        because: why not, and what to do.
        old: a piece of the small course's assignment.toml that is replaced, as somebody would write it …
        new: … by this.
        told: part of the message.
    """

    name: str
    because: str
    old: str
    new: str
    told: str


KINDS = (
    Kind("a plain function", "`agrees(…)`", recipe="Data as an argument"),
    Kind("a forward and its backward in NumPy", "`agrees.pair(…)`", recipe="A forward and its backward"),
    Kind("several calls before the first backward", "`agrees.interleaved(…)`", check="conv: test_conv2d_channels"),
    Kind("a function of torch's, with gradients", "`agrees.autograd(…)`", "A function of torch's, and its gradients"),
    Kind("a `torch.autograd.Function`", "`agrees.autograd(…)`", "An autograd function"),
    Kind("a module with named parameters", "`agrees.module(…)`", "A module"),
    Kind("a whole network, its inner names free", "`networks(…)`", check="conv: test_parameter_count"),
    Kind("an optimiser, or another object with state", "`agrees.run(…)`, a helper", "An optimiser with state"),
    Kind("a generator (`yield`)", "`agrees.run(…)`, a helper", "A generator (`yield`)"),
    Kind("a function that takes a function", "`agrees.run(…)`, a helper", "A callable"),
    Kind("texts, lists, dicts", "`agrees(…)`", "Texts, lists and dicts"),
    Kind("complex numbers", "`agrees(…)`", "Complex numbers"),
    Kind("answers that are not unique", "`agrees.run(…)`, a helper", "Answers that are not unique"),
    Kind("random output", '`expect.share(…)`, `Seeded("numpy", …)`', "Random output"),
    Kind("a training run", "`student.…`, `expect.true(…)`", "A training run"),
    Kind("a figure", "`agrees.run(…)`, a helper", "A figure"),
    Kind("printed text", "`agrees.run(…)`, a helper", "Printed text"),
    Kind("an error that must be raised", "`agrees.run(…)`, a helper", "An error that must be raised"),
    Kind("a sparse tensor", "`agrees.run(…)`, a helper", "A sparse tensor"),
    Kind("work in place", "`agrees.written(…)`", "In place"),
    Kind("the dtype", "`keeps_dtype(…)`", "The dtype"),
    Kind("a fast function, by counts", "`cost(…)`, `limits`", "A fast function"),
    Kind("a fast function, by time", "`race(…)`", check="conv: test_conv2d_fast_race"),
    Kind("a fast function on a GPU", "`gpu_race.measure(…)`", check="conv: test_conv2d_fast_gpu"),
    Kind("something without the library's own", '`forbidden = ["np.convolve"]`', "Without the library's own"),
    Kind("work on files that ship", "`data/`", "Data that ships"),
    Kind("trained weights, handed in as a file", '`arrays("weights.npz")`', "Trained weights"),
    Kind("code that builds on given code", "`given/*.py`", "Given modules"),
    Kind(
        "several parts that build on each other", "`agrees(…)`, each given the right one", "Several parts in one file"
    ),
    Kind("answers to questions: a letter, a number, a text", "`[[quiz]]`", "Questions of a quiz"),
    Kind("answers to questions with numbers of each student's own", "`[[quiz]]`, `values`", "Questions of a quiz"),
)
REFUSED = (
    Refused(
        "several files to hand in",
        "one file is graded; parts are functions of it, and what is not theirs to write is given (`given/`)",
        'deliverable = "mini"',
        'deliverable = ["mini", "layers"]',
        "deliverable must be text",
    ),
    Refused(
        "weights in torch's own files",
        "reading these unpickles, which runs what is in them; ask for plain arrays, `weights.npz`",
        'deliverable = "mini"',
        'deliverable = "mini"\narrays = ["weights.pt"]',
        "'weights.pt' names no file of NumPy's arrays",
    ),
    Refused(
        "an essay or a proof",
        "no program can read it; declare it in `[by_hand.NAME]`, and enter its points later, or ask for a few words",
        'options = { a = "no", b = "yes" }',
        'kind = "essay"',
        "kind must be one of choice, number, text",
    ),
    Refused(
        "a script without functions",
        "there is nothing to call; give its steps names, and ask for these",
        'functions = ["double"]',
        "functions = []",
        "functions is empty",
    ),
    Refused(
        "a script that is called with arguments",
        "nobody starts it as a program; ask for the function that it calls",
        'functions = ["double"]',
        'functions = ["mini.py --fast"]',
        "'mini.py --fast' is not a Python name",
    ),
)
