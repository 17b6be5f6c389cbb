"""Answers that are kept are those of the module, each a copy, within bounds; what fails is asked again."""

from types import ModuleType

import numpy as np
import pytest

from autograder.checks import LocalRunner, remembered
from autograder.checks.remembered import Memory, Remembered
from autograder.sandbox.request import Request

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


WANTED = asked()
OTHERS = {
    "values": asked(x=X + 1),
    "dtype": asked(x=X.astype(np.float32)),
    "shape": asked(x=X.reshape(2, 2)),
    "seed": asked(seed=2),
    "a recording": asked().recorded(None),
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


def test_what_is_found_out_of_an_answer_is_found_out_once_under_its_name() -> None:
    runner, done = Remembered(ModuleType("made")), list[str]()

    def found(what: str, value: object, request: Request = WANTED) -> object:
        return runner.once(request, what, lambda: [done.append(what), value][1])

    assert [found("figures", {"operations": 3}), found("figures", "never")] == [{"operations": 3}] * 2
    assert found("places", [["outputs", "0"]]) == [["outputs", "0"]]
    assert found("figures", 4, asked(x=X + 1)) == 4
    assert [found("nothing", None), found("nothing", None)] == [None] * 2
    assert done == ["figures", "places", "figures", "nothing", "nothing"]


def test_what_is_not_kept_is_found_out_each_time() -> None:
    plain = LocalRunner(ModuleType("made"))
    assert [plain.once(asked(), "figures", lambda value=value: value) for value in (1, 2)] == [1, 2]


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
