"""Every honest way of writing torch records, and its recording computes the same of inputs that it never saw."""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.proof import Recording, Replay
from autograder.proof.replay import Counter
from autograder.sandbox import wire
from autograder.sandbox.recorder import Recorder
from autograder.sandbox.request import Request
from autograder.sandbox.steps import Submission, cotangents_for, differentiable, perform, recorded_inputs
from autograder.sandbox.worker import load_module
from tests.ways import WAYS, Function


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What torch warns of is not what is asked here, and a worker hears of no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sent(value: Any) -> Any:
    """As it comes out of the worker."""
    return wire.copied(value)


def replayed(recording: Any, inputs: Sequence[Tensor], cotangents: Sequence[Tensor] = ()) -> Any:
    return Replay(Recording.read(sent(recording))).run(inputs, cotangents, Counter())


def same(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12, check_stride=False, check_layout=False)


def follows(function: Function, *shapes: tuple[int, ...], backward: bool = True) -> None:
    """The function's recording gives, on inputs that were drawn after it, what the function gives on them, gradients
    included."""

    class Module:
        __file__ = __file__

    setattr(Module, "function", staticmethod(function))  # noqa: B010
    step = "autograd" if backward else "call"

    def request(seed: int, **more: Any) -> Request:
        args = tuple(normal(*shape, seed=100 * seed + place) for place, shape in enumerate(shapes))
        return Request(step, "function", args, options={"seed": seed, **more})

    recorded = perform(Submission(Module), request(1, record=None))  # type: ignore[arg-type]
    fresh = request(2)
    inputs = [item.clone() for item in recorded_inputs(list(fresh.args), {}, {})]
    expected = perform(Submission(Module), fresh)["value"]  # type: ignore[arg-type]
    cotangents = cotangents_for(differentiable(expected["outputs"]), 2) if backward else []
    got = replayed(recorded["recording"], inputs, cotangents)
    for key in ("outputs", "gradients") if backward else ():
        same(got[key], _detached(expected[key]))
    if not backward:
        same(got, _detached(expected))


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detached(item) for key, item in value.items()}
    return type(value)(map(_detached, value)) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("name", WAYS)
def test_an_honest_way_of_writing_it_follows(name: str) -> None:
    follows(WAYS[name], (6, 6), (6, 6))


@pytest.mark.skipif(importlib.util.find_spec("einops") is None, reason="einops is not installed")
def test_einops_follows() -> None:
    einops = pytest.importorskip("einops")
    follows(
        lambda x, w: einops.rearrange(x, "(a b) d -> a (b d)", b=2) + einops.repeat(w[0, 0], " -> 3 12"), (6, 6), (6, 6)
    )


# Steps of the worker ----------------------------------------------------------------------------------------------

MODULES = """
import copy

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.bn = nn.BatchNorm1d(width)
        self.layers = nn.ModuleList(copy.deepcopy(nn.Linear(width, width)) for _ in range(2))
        self.register_buffer("table", torch.arange(float(width)), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.steps += 1
        x = self.bn(self.fc(x)) + self.table.to(x.dtype)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def helped(f, x):
    return f(x) @ x.T


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, dout):
        return 2 * dout
"""
HELPERS = '''
import torch


def with_a_callable(submission, x):
    """What the check sends along: a function in torch."""
    return submission.helped(lambda y: torch.tanh(y) + y.shape[0], x)


def with_a_gradient(submission, x):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(submission.helped(torch.sin, leaf).sum(), leaf)[0]
'''


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Submission:
    folder = tmp_path_factory.mktemp("proof")
    for name, text in (("ways", MODULES), ("ways_helpers", HELPERS)):
        (folder / f"{name}.py").write_text(text)
    return Submission(*(load_module(name, folder / f"{name}.py") for name in ("ways", "ways_helpers")))


def state_of(submission: Submission, seed: int) -> dict[str, Tensor]:
    made = submission.module.Net(4).double()
    return {
        key: item.clone() if not item.is_floating_point() else normal(*item.shape, seed=seed + place).abs() + 0.1
        for place, (key, item) in enumerate(made.state_dict().items())
    }


def follows_step(submission: Submission, make: Callable[[int], Request]) -> None:
    first, fresh = make(1), make(2)
    recorded = perform(submission, first.recorded(None))
    inputs = [item.clone() for item in recorded_inputs(list(fresh.args), fresh.kwargs, fresh.options)]
    expected = sent(perform(submission, fresh))["value"]
    outputs = expected["outputs"] if fresh.step in ("autograd", "module") else None
    got = replayed(recorded["recording"], inputs, cotangents_for(differentiable(outputs), fresh.options["seed"]))
    same(sent(got), expected)


@pytest.mark.parametrize("training", [True, False])
def test_a_module_with_parameters_buffers_and_running_statistics_follows(
    submission: Submission, training: bool
) -> None:
    options = {"init": [4], "init_kwargs": {}, "training": training}
    follows_step(
        submission,
        lambda seed: Request(
            "module",
            "Net",
            (normal(5, 4, seed=seed),),
            options=options | {"seed": seed, "state": state_of(submission, seed)},
        ),
    )


@pytest.mark.parametrize("name", ["with_a_callable", "with_a_gradient"])
def test_a_helper_follows(submission: Submission, name: str) -> None:
    follows_step(submission, lambda seed: Request("run", name, (normal(5, 4, seed=seed),), options={"seed": seed}))


def test_a_public_autograd_function_follows(submission: Submission) -> None:
    follows_step(
        submission, lambda seed: Request("autograd", "Twice", (normal(5, 4, seed=seed),), options={"seed": seed})
    )


def test_tensors_deep_in_arguments_follow(submission: Submission) -> None:
    follows(lambda x: {"a": [x.sin(), (x.cos(),)], "none": None, "number": 3}, (3, 4), backward=False)


# What the replay leaves alone -------------------------------------------------------------------------------------


def test_a_replay_repeats_and_writes_into_no_input() -> None:
    x = normal(4, 4)
    with Recorder([x], __file__) as recorder:
        value = x.mul_(2).add_(1)
    recording = Replay(Recording.read(sent(recorder.written(value))))
    given = normal(4, 4, seed=7)
    kept = given.clone()
    first, second = (recording.run([given], [], None) for _ in range(2))
    same(first, 2 * kept + 1)
    same(second, first)
    same(given, kept)


OUTSIDE: dict[str, Function] = {
    "NumPy": lambda x: torch.from_numpy(np.sin(x.detach().numpy())),
    "a list": lambda x: torch.tensor(x.tolist()),
    "a whole number": lambda x: x * int(1000 * x.sum().item()),
}


@pytest.mark.parametrize("way", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_what_left_torch_does_not_follow(way: Function) -> None:
    """The other half of the claim: such numbers come back as they were."""
    with pytest.raises(AssertionError, match="not close"):
        follows(way, (3, 4), backward=False)


DRAWING = {
    "a generator": lambda: torch.randn(4, generator=torch.Generator().manual_seed(1)),
    "the global generator": lambda: torch.rand(4),
    "memory that nothing wrote": lambda: torch.empty(4),
    "more of it": lambda: torch.ones(4).new_empty(1000).sum() + torch.empty_like(torch.ones(4)),
}


@pytest.mark.parametrize("draw", DRAWING.values(), ids=DRAWING.keys())
def test_every_run_of_a_replay_is_the_same(draw: Callable[[], Tensor]) -> None:
    """Else a recording could compute where it is compared, and spare itself the work where it is timed."""
    with Recorder([], __file__) as recorder:
        value = draw()
    replay = Replay(Recording.read(sent(recorder.written(value))))
    runs = []
    for _ in range(3):
        runs.append(replay.run([], [], None))
        torch.full((1000,), 7.0), torch.full((4,), 7.0)  # what is freed here may come back as what nothing wrote
    assert all(torch.equal(run, runs[0]) for run in runs)


def test_cotangents_that_the_step_draws_are_not_laid_at_the_student_s_door(submission: Submission) -> None:
    request = Request("autograd", "Twice", (normal(5, 4),), options={"seed": 1, "record": None})
    recording = Recording.read(sent(perform(submission, request)["recording"]))
    assert set(recording.lines.values()) == {0}
