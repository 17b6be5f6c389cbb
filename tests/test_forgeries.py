"""Recordings that no recorder wrote: whoever forges one earns nothing, crashes nothing of ours, and is told why."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.grading import Engine, Options, grade
from autograder.results import Outcome
from tests.test_grading import COURSE, changed, line_of
from tests.test_hostile import children

FORGER = '''

import json

import numpy as np

from autograder.sandbox import recorder

HONEST = recorder.Recorder.written
EARLIER = []


def say(self, ops, results=None, constants=(), **more):
    """A recording of our own."""
    listed = {"ops": ops, "inputs": self.inputs, "cotangents": self.cotangents, "backward": self.begun}
    listed |= {"results": results, **more}
    return {"text": np.frombuffer(json.dumps(listed).encode(), np.uint8), "constants": [list(c) for c in constants]}


def said(self, value):
    """What an honest one says, to be changed."""
    return json.loads(bytes(HONEST(self, value)["text"]))


def answer(values, out=50, dx=51, dw=52):
    return ["{", ["outputs", ["t", out]], ["gradients", ["{", ["0", ["t", dx]], ["1", ["t", dw]]]]]


def constant(value):
    """The whole answer, as numbers that were there."""
    parts = value["outputs"].detach(), value["gradients"]["0"], value["gradients"]["1"]
    return [[50 + place, part.clone(), None] for place, part in enumerate(parts)]


def forged(self, value):
'''
NOT_PROVEN = "The answer is right, but torch was not seen to compute it"
WHOLE: dict[str, tuple[str, str]] = {
    "nothing": ("return None", "What your code was seen to do is not written down in order"),
    "something else": ("return 'trust me'", "is not written down in order"),
    "no operations, the answer as constants": ("return say(self, [], answer(value), constant(value))", NOT_PROVEN),
    "the answer as constants, and the inputs used for show": (
        "ops = [['aten::mul.Scalar', [['t', 0], 0], {}, [60]]]\n"
        "    return say(self, ops, answer(value), constant(value))",
        NOT_PROVEN,
    ),
    "the answer's numbers in the recording itself": (
        "ops = []\n"
        "    for place, part in enumerate((value['outputs'], *value['gradients'].values())):\n"
        "        rows = [['aten::full', [['[', 1], float(v)], {'dtype': ['d', 'float64']}, [100 * place + k + 100]]\n"
        "                for k, v in enumerate(part.detach().flatten())]\n"
        "        parts = ['[', *(['t', row[3][0]] for row in rows)]\n"
        "        ops += [*rows, ['aten::cat', [parts], {}, [10_000 + place]]]\n"
        "        ops += [['aten::view', [['t', 10_000 + place], ['[', *part.shape]], {}, [50 + place]]]\n"
        "    return say(self, ops, answer(value))",
        NOT_PROVEN,
    ),
    "the value itself instead of slots": (
        "return say(self, [], ['{', ['outputs', value['outputs'].detach().tolist()]])",
        "is not written down in order|not plain|not seen to compute it",
    ),
    "results that are strings": ("return say(self, [], 'passed')", NOT_PROVEN),
    "the recording of an earlier reply, whose sizes stand in it": (
        "sent = HONEST(self, value)\n    listed = json.loads(bytes(sent['text']))\n"
        "    listed['ops'].insert(0, ['aten::slice.Tensor', [['t', 0], 0, 0, 12], {}, [0]])\n"
        "    listed['backward'] += 1\n"
        "    text = np.frombuffer(json.dumps(listed).encode(), np.uint8)\n"
        "    EARLIER.append(sent | {'text': text})\n    return EARLIER[0]",
        "fails in|another number of inputs|not seen to compute it",
    ),
    "the recording of another function": (
        "x, w = (torch.ones(2, 2) for _ in range(2))\n"
        "    with recorder.Recorder([x, w], __file__) as other:\n"
        "        total = x + w\n"
        "    return HONEST(other, {'outputs': total, 'gradients': {'0': x, '1': w}})",
        "fails in|not seen to compute it",
    ),
    "the library's operation": (
        "one, none = ['[', 1], ['[', 0]\n"
        "    args = [['t', 0], ['t', 1], None, one, none, one, False, none, 1]\n"
        "    return say(self, [['aten::convolution', args, {}, [50]]], answer(value), constant(value)[1:])",
        "This task is about writing what `convolution` does: using it earns nothing",
    ),
    "a tensor of 8 TiB": (
        "return say(self, [['aten::empty.memory_format', [['[', 1 << 40]], {}, [50]]], ['t', 50])",
        "What your code was seen to do fails in empty",
    ),
    "memory without end, little by little": (
        "ops = [['aten::ones', [['[', 1 << 22]], {}, [100 + k]] for k in range(2000)]\n"
        "    ops += [['aten::cat', [['[', *(['t', 100 + k] for k in range(2000))]], {}, [50]]]\n"
        "    return say(self, ops, ['t', 50])",
        "needs more memory than it may have|needs more memory than there is|fails in ones|ends the process",
    ),
    "work without end": (
        "ops = [['aten::ones', [['[', 2000, 2000]], {}, [100]]]\n"
        "    ops += [['aten::mm', [['t', 100], ['t', 100]], {}, [101 + k]] for k in range(100_000)]\n"
        "    return say(self, ops, answer(value), constant(value))",
        "What your code was seen to do does not end in time",
    ),
    "a giant result": (
        "one = ['aten::ones', [['[', 1]], {}, [49]]\n"
        "    wide = ['aten::expand', [['t', 49], ['[', 1 << 50]], {}, [50]]\n"
        "    return say(self, [one, wide], ['t', 50])",
        "What your code was seen to do|not seen to compute it",
    ),
    "a crash, in a kernel that takes sizes on trust": (
        "ones = [['aten::ones', [['[', *shape]], {}, [60 + k]] for k, shape in enumerate(((1, 1), (6000, 9)))]\n"
        "    crash = ['aten::_cdist_backward', [['t', 60], ['t', 61], ['t', 61], 3.0, ['t', 60]], {}, [62]]\n"
        "    return say(self, [*ones, crash], answer(value), constant(value))",
        "ends the process that does it again: it crashed the process",
    ),
    "numbers without end": (
        "return say(self, [['aten::mul.Scalar', [['t', 0], 10 ** 4000], {}, [50]]], ['t', 50])",
        "a whole number that no operation takes",
    ),
    "nesting without end": (
        "return {'text': np.frombuffer(b'[' * 1_000_000, np.uint8), 'constants': []}",
        "is not written down in order",
    ),
    "operations without end": (
        "return say(self, [['aten::relu', [['t', 0]], {}, [None]]] * 400_001, answer(value), constant(value))",
        "takes more than 400,000 operations|does not end in time",
    ),
    "a text too long to send": (
        "return {'text': np.zeros(1 << 29, np.uint8), 'constants': []}",
        "memory|larger|too large|MiB|no answer",
    ),
    "constants without end": (
        "return say(self, [], None, [[k, torch.ones(1), 1] for k in range(200_000)])",
        "no answer|too many|in order|did not return|too large to send",
    ),
    "messages that are not ours": (
        "return say(self, [['aten::\\x1b[31m<b>' + 'x' * 500, [], {}, [50]]], ['t', 50])",
        "is not one of the operations that can be followed",
    ),
    "fewer operations than were needed": (
        "listed = said(self, value)\n    listed['ops'] = listed['ops'][:2]\n"
        "    return {'text': np.frombuffer(json.dumps(listed).encode(), np.uint8), 'constants': []}",
        "a tensor that nothing made|a tensor that was not made",
    ),
    "a boundary that is claimed early, with the cotangent as the answer": (
        "return say(self, [], answer(value, out=self.cotangents[0]), constant(value)[1:], backward=0)",
        NOT_PROVEN,
    ),
    "memory where the reference's answer was": (
        "ops = [['aten::empty.memory_format', [['[', *part.shape]], {'dtype': ['d', 'float64']}, [50 + place]]\n"
        "       for place, part in enumerate((value['outputs'], *value['gradients'].values()))]\n"
        "    return say(self, ops, answer(value))",
        NOT_PROVEN,
    ),
}


Forge = Callable[..., tuple[Any, Any]]


@pytest.fixture
def forge(engine: Engine, tmp_path: Path) -> Forge:
    """Grade affine's checks of a submission that sends what `body` returns for a recording."""

    def graded(body: str, check: str = "test_affine_cost") -> tuple[Any, Any]:
        path = tmp_path / "mini.py"
        text = f"{FORGER}    {body}\n\n\nrecorder.Recorder.written = forged\n"
        path.write_text(changed('"""A small', '"""A forged small') + text)
        run = grade("mini", path, root=COURSE, options=Options(seed=1, select=(check,)), engine=engine)
        return run, line_of(run, check)

    return graded


def left(engine: Engine) -> set[int]:
    """Processes of the grading that are still there a while after it."""
    assert engine._process is not None
    deadline = time.monotonic() + 5
    while (found := children(engine._process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_a_forged_recording_earns_nothing_and_is_told_why(engine: Engine, forge: Forge, name: str) -> None:
    body, told = WHOLE[name]
    run, line = forge(body)
    assert run.status == "graded", run.reason
    assert (line.outcome, line.score) == (Outcome.FAILED, 0), line.message
    assert re.search(told, line.message), line.message
    assert "Traceback" not in line.message
    assert "\x1b" not in line.message
    assert not left(engine)


def test_an_honest_one_from_a_patched_recorder_is_as_good_as_any(forge: Forge) -> None:
    """There is nothing to believe in it, so that nothing is lost by who wrote it."""
    _, line = forge("return HONEST(self, value)")
    assert line.outcome is Outcome.PASSED, line.message


DEARER = {
    "a race, with work without end": ("work without end", "does not end in time"),
    "a race, with the answer as constants": ("no operations, the answer as constants", NOT_PROVEN),
    "a race, with the recording of another": ("the recording of another function", "fails in|not seen to compute it"),
}


@pytest.mark.parametrize("name, told", DEARER.values(), ids=DEARER.keys())
def test_a_forged_recording_races_nowhere(engine: Engine, forge: Forge, name: str, told: str) -> None:
    run, line = forge(WHOLE[name][0], "test_affine_race")
    assert (run.status, line.outcome, line.score) == ("graded", Outcome.FAILED, 0), line.message
    assert re.search(told, line.message), line.message
    assert not left(engine)
