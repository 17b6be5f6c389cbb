"""Runs to write, show and read back: one with every outcome and something hostile in every text, and what varies it."""

from dataclasses import replace
from typing import Any

from autograder.results import Line, Outcome, Run, Standing

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} [red]markup[/] & \"quotes\" 'too'"

PICTURE = [
    [0.0 if (x - 6) ** 2 + (y - 5) ** 2 > 18 else (0.5 if x > 5 else -0.5) for x in range(14)] for y in range(11)
]
PICTURE[5][6] = 1.0
COST = [
    {"name": "dispatched operations", "value": 10_243, "reference": 12, "limit": 120},
    {"name": "largest tensor", "value": 1_843_200, "reference": 1_536_000, "limit": 4_608_000, "unit": "bytes"},
]
RACE = {
    "reference": [0.0021 + 0.0001 * (k % 7) for k in range(30)],
    "student": [0.0038 + 0.0002 * (k % 9) for k in range(30)],
    "ratio": 1.81,
    "target": 1.5,
    "limit": 3.0,
}


def line(name: str, task: str, outcome: str, worth: float = 5, **changes: Any) -> Line:
    """A line; one that passed has all its points."""
    values: dict[str, Any] = {
        "number": "",
        "kind": "agreement",
        "score": worth if outcome == "passed" else 0,
        "message": "",
        "duration": 0.021,
        "check": "test_" + "".join(letter if letter.isalnum() else "_" for letter in name.lower())[:40],
    }
    return Line(name=name, task=task, outcome=Outcome(outcome), max_score=worth, **(values | changes))


def sample_lines() -> tuple[Line, ...]:
    """Every outcome, every kind of figure."""
    return (
        line("quiz q1: how large is the output?", "quiz", "passed", 1, number="0.1", kind="quiz"),
        line(
            "quiz q2: what does padding preserve?", "quiz", "failed", 1, number="0.2", kind="quiz", message="Reread it."
        ),
        line("corr2d: equals the reference", "corr2d", "passed", 8, number="1.1"),
        line(
            "corr2d: the lecture's worked example",
            "corr2d",
            "failed",
            4,
            number="1.2",
            message="corr2d(x of shape (3, 3), k of shape (2, 2))\nYour answer differs in 4 of 4 places. The worst is "
            "at (1, 0): you return 5, it should be 37. Your answer is right in reverse order along axis 0.",
            beside="yours     expected    difference\n 5  11    19  25      -14  -14\n23  29    37  43      -14  -14",
            rung="value",
            function="corr2d",
            hint="This is a true convolution: the kernel is flipped. The lecture slides the kernel as it is.",
            diagnosis="kernel-flipped",
        ),
        line(
            "conv2d: output and gradients equal the reference's",
            "conv2d",
            "failed",
            16,
            number="2.1",
            message="conv2d_backward(dout of shape (2, 4, 4, 6), cache)\ndw: 61 of 154 values differ; the worst, at "
            "(3, 1, 2, 0), is off by 4.2. Only index 3 along axis 0 is affected.\n"
            "(Case “uneven”: 2 of 3 cases fail.)",
            rung="value",
            function="conv2d_backward",
            place="gradient",
            picture=PICTURE,
            pictured="dw, at [3, 1, :, :]: axis 2 down, axis 3 across. + is too large, − is too small.",
            cases=3,
            failed_cases=2,
            duration=0.24,
        ),
        line("conv2d: float32 in, float32 out", "conv2d", "passed", 4, number="2.2", kind="dtype"),
        line(
            "conv2d: no loops over pixels",
            "conv2d",
            "failed",
            10,
            number="2.3",
            kind="cost",
            rung="cost",
            function="conv2d_forward",
            message="Your code dispatched 10,243 operations; 120 are allowed, the reference needs 12.",
            figures={"cost": COST},
        ),
        line(
            "conv2d: speed against the reference",
            "conv2d",
            "passed",
            8,
            number="2.4",
            kind="race",
            score=5.3,
            message="1.81 times the reference's time: full points up to 1.5, none from 3.",
            figures={"race": RACE, "bound by": "memory", "share of the roofline": 0.31},
        ),
        line(
            "pool2d: speed against the reference",
            "pool2d",
            "inconclusive",
            5,
            number="3.1",
            kind="race",
            message="The reference itself missed its calibration in all three attempts.",
        ),
        line(
            "pool2d: speed on a GPU",
            "pool2d",
            "deferred",
            5,
            number="3.2",
            kind="race",
            message="This check needs a GPU; its points are added from a run where there is one.",
        ),
        line(
            "pool2d: gradient where several values are largest",
            "pool2d",
            "blocked",
            4,
            number="3.3",
            message="The time for this submission ran out before this check could start.",
        ),
        line(
            "pool2d: stride equals the window where none is given",
            "pool2d",
            "fault",
            4,
            number="3.4",
            message="ValueError: hidden/test_pool.py asked for shape (3, 5)",
        ),
        line(f"{HOSTILE} as a name", "pool2d", "failed", 2, number="3.5", message=HOSTILE, hint=HOSTILE),
    )


def sample_run(**changes: Any) -> Run:
    """A run with `sample_lines`; as it holds a fault of ours, it asks for a regrade unless `changes` say otherwise."""
    run = Run(
        assignment="conv",
        title="Convolutional networks",
        submission_name="conv.ipynb",
        digest="3f786850e387550fdab836ed7e6dc881de23001b6a5e0b7c",
        seed=1_094_882_301,
        versions={"python": "3.11.2", "torch": "2.13.0+cpu", "numpy": "2.4.6", "pytest": "9.2.0"},
        device="cpu",
        confinement={"uid": True, "landlock": 6, "seccomp": True, "mounts": False},
        started="2026-11-21T12:04:31+00:00",
        duration=5.83,
        lines=sample_lines(),
        reason=None,
        status="graded",
        notes=("Cell 7 imports pandas, which nothing uses; it was left out.",),
        leaderboard=(Standing("conv2d, times the reference", 1.81, "asc"),),
        task_titles={
            "corr2d": "Cross-correlation",
            "conv2d": "Convolution layer, forward and backward",
            "pool2d": "Pooling",
        },
    )
    return replace(run, **changes)


def without_fault(run: Run) -> Run:
    """The same run, all ours in order."""
    return replace(run, lines=tuple(line for line in run.lines if line.outcome is not Outcome.FAULT))
