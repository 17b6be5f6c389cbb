"""Answers that are kept are those of the module, each a copy, within bounds; what fails is asked again."""

from types import ModuleType

import numpy as np
import pytest

from autograder.checks import remembered
from autograder.checks.remembered import Memory, Remembered
from autograder.sandbox.steps import Request

X = np.arange(4.0)


@pytest.fixture
def module() -> ModuleType:
    """Counts how often it is called."""
    made = ModuleType("made")
    made.__file__ = "made.py"
    source = """
calls = []
def doubled(x):
    calls.append(len(x))
    return {"twice": 2 * x, "size": (len(x), None)}
def failing(x):
    calls.append(len(x))
    raise ValueError("no")
"""
    exec(source, vars(made))
    return made


def asked(name: str = "doubled", x: np.ndarray = X, **options: object) -> Request:
    return Request("call", name, (x,), {}, {"seed": 1, **options})


def test_the_same_is_asked_once_and_each_gets_a_copy(module: ModuleType) -> None:
    runner = Remembered(module)
    first = runner.answer(asked())
    first.value["twice"][:] = -1
    again = runner.answer(asked(x=X.copy()))
    assert again.value["twice"].tolist() == [0, 2, 4, 6]
    assert again.value["size"] == (4, None)
    again.value["twice"][:] = -1
    assert runner.answer(asked()).value["twice"].tolist() == [0, 2, 4, 6]
    assert len(module.calls) == 1


OTHERS = {
    "values": asked(x=X + 1),
    "dtype": asked(x=X.astype(np.float32)),
    "shape": asked(x=X.reshape(2, 2)),
    "seed": asked(seed=2),
    "options": asked(record=None),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_differs_in_anything_is_asked_by_itself(module: ModuleType, other: Request) -> None:
    runner = Remembered(module)
    runner.answer(asked())
    runner.answer(other)
    assert len(module.calls) == 2


def test_modules_that_share_a_memory_answer_for_themselves(module: ModuleType) -> None:
    memory = Memory()
    for whose in ("a mistake", "another"):
        Remembered(module, memory=memory, whose=whose).answer(asked())
    assert len(module.calls) == 2


def test_what_fails_is_asked_again(module: ModuleType) -> None:
    runner = Remembered(module)
    for _ in range(2):
        assert "no" in str(runner.answer(asked("failing")).raised)
    assert len(module.calls) == 2


def test_nothing_is_kept_beyond_the_bounds_or_once_it_is_closed(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "EACH", 1000)
    monkeypatch.setattr(remembered, "MOST", 1500)
    runner = Remembered(module)
    runner.answer(asked(x=np.zeros(1000)))
    assert runner.memory.held == 0
    for number in range(50):
        runner.answer(asked(x=X + number))
    assert 0 < runner.memory.held <= 1500
    closed = Remembered(module, memory=Memory(is_open=False))
    closed.answer(asked())
    assert closed.memory.held == 0
