"""Agreement: the same request to student and reference, compared part by part down the ladder."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from autograder.checks.compare import HALF, SINGLE_NOTE, Closeness, compare, kind_of, slips
from autograder.checks.door import GRADIENT, Door
from autograder.checks.failure import CheckFailed
from autograder.checks.runner import Answer, explain
from autograder.checks.tolerance import Tolerance, real
from autograder.errors import GraderError
from autograder.sandbox.request import Request
from autograder.sandbox.wire import arrays_in, first_float


@dataclass
class Agrees:
    """`agrees("corr2d", x, k)`, `agrees.pair("conv2d", x, w, b)`, …: raises CheckFailed where the two differ."""

    student: Door
    reference: Door

    def __call__(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """Values of a plain call."""
        self.compare(self.student.request("call", name, args, kwargs), tol)

    def run(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """Values of a helper."""
        self.compare(self.student.request("run", name, args, kwargs), tol)

    def pair(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """Outputs of NAME_forward and gradients of NAME_backward, with random cotangents."""
        self.compare(self.student.request("pair", name, args, kwargs), tol)

    def interleaved(self, name: str, *calls: tuple[Any, ...], tol: Tolerance | None = None, **kwargs: Any) -> None:
        """As `pair`, for several calls, each with arguments of its own: first all forwards, then all backwards, as in a
        network that uses the layer more than once."""
        self.compare(self.student.request("interleaved", name, calls, kwargs), tol)

    def written(
        self, name: str, *args: Any, into: tuple[int, ...] = (0,), tol: Tolerance | None = None, **kwargs: Any
    ) -> None:
        """What a call returns, which may be nothing, and what it left in the arguments at these positions."""
        self.compare(self.student.request("written", name, args, kwargs, into=list(into)), tol)

    def autograd(self, name: str, *args: Any, wrt: Any = None, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """Outputs and autograd's gradients to floating tensors among the arguments (or those that `wrt` lists)."""
        self.compare(self.student.request("autograd", name, args, kwargs, wrt=wrt), tol)

    def module(
        self,
        name: str,
        init: tuple[Any, ...],
        *inputs: Any,
        training: bool = True,
        init_kwargs: dict[str, Any] | None = None,
        wrt: Any = None,
        tol: Tolerance | None = None,
        **kwargs: Any,
    ) -> None:
        """Outputs, gradients and state of a module that was given the reference's parameters, all of them random."""
        self.compare(self.module_request(name, init, inputs, kwargs, training, init_kwargs, wrt=wrt), tol)

    def module_request(
        self,
        name: str,
        init: tuple[Any, ...],
        inputs: tuple[Any, ...],
        kwargs: dict[str, Any],
        training: bool = True,
        init_kwargs: dict[str, Any] | None = None,
        **more: Any,
    ) -> Request:
        """The request of `module`, with the random state in it."""
        state = self._random_state(name, init, init_kwargs or {}, first_float(inputs) or torch.float64)
        options = {"init": list(init), "init_kwargs": init_kwargs or {}, "training": training, "state": state}
        return self.student.request("module", name, inputs, kwargs, **options, **more)

    def _random_state(
        self, name: str, init: tuple[Any, ...], init_kwargs: dict[str, Any], dtype: torch.dtype
    ) -> dict[str, torch.Tensor]:
        made = getattr(self.reference.signatures, name)(*init, **init_kwargs).to(dtype)
        return {key: self._randomised(key, item) for key, item in made.state_dict().items()}

    def _randomised(self, key: str, item: torch.Tensor) -> torch.Tensor:
        """Weights keep the scale of their fan-in; variances stay positive; counters stay."""
        draw = self.student.draw
        if not item.is_floating_point():
            return item.clone()
        if key.endswith("running_var"):
            return torch.from_numpy(np.asarray(draw.rng.uniform(0.5, 1.5, item.shape))).to(item.dtype)
        fan_in = item[0].numel() if item.ndim > 1 else 4
        return torch.as_tensor(draw(*item.shape) / fan_in**0.5, dtype=item.dtype)

    def compare(self, request: Request, tol: Tolerance | None = None) -> Any:
        """Ask both, compare part by part.

        Returns:
            The reference's value.

        Raises:
            CheckFailed: they differ, or the student's fails.
            GraderError: the reference's fails.
        """
        expected = self.expected(request)
        got = self.student.answer(request)
        if not got.ok:
            described = self.student.describe(request, got.raised)
            raise explain(got, self.student.source, described, self.student.assignment.packages)
        self.judge(request, got, expected, tol)
        return expected.value

    def expected(self, request: Request) -> Answer:
        """The reference's answer.

        Raises:
            GraderError: it fails, or gives nothing that could be compared.
        """
        expected = self.reference.answer(request)
        if expected.ok and expected.value is not None:
            return expected
        call = self.student.describe(request)
        if not expected.ok:
            raise GraderError(f"the reference fails on {call}: {expected.raised or expected.lost}")
        advice = "for what writes into its arguments there is agrees.written"
        raise GraderError(f"the reference returns nothing on {call}, so there is nothing to compare: {advice}")

    def judge(self, request: Request, got: Answer, expected: Answer, tol: Tolerance | None = None) -> None:
        """Compare two answers part by part.

        Raises:
            CheckFailed: they differ.
        """
        general = closeness_for(request, tol)
        for label, mine, theirs, gradient in parts(self.student, request, got.value, expected.value):
            closeness = replace(general, gradient=gradient)
            if found := compare(mine, theirs, label, closeness):
                call = self.student.describe(request, part=label)
                raise CheckFailed(found.text, rung=found.rung, call=call, picture=found.picture, part=label)
            if slips(mine, theirs, closeness):
                self.student.note(f"{self.student.describe(request, part=label)}\n{label} {SINGLE_NOTE}")


def closeness_for(request: Request, tol: Tolerance | None = None) -> Closeness:
    """How near answers to a request must be: as its arguments allow."""
    given = list(arrays_in([list(request.args), request.kwargs]))
    kinds = [_kind(item) for item in given]
    sent = min((real(kind) for kind in kinds if kind.kind in "fc"), key=lambda kind: kind.itemsize, default=None)
    return Closeness(tol, length=max((math.prod(item.shape) for item in given), default=1), sent=sent)


def _kind(item: np.ndarray | torch.Tensor) -> np.dtype:
    if not isinstance(item, torch.Tensor):
        return item.dtype
    return HALF if item.dtype is torch.bfloat16 else torch.empty(0, dtype=item.dtype).numpy().dtype


def parts(door: Door, request: Request, got: Any, expected: Any) -> Iterator[tuple[str, Any, Any, bool]]:
    """A step's value taken apart: label, the student's part, the other part, whether it is a gradient."""
    if request.step in ("call", "run", "value"):
        yield ("the result", got, expected, False)
        return
    if request.step == "interleaved":
        calls = got if isinstance(got, list) and len(got) == len(expected) else [None] * len(expected)
        for number, (one, right) in enumerate(zip(calls, expected, strict=True), 1):
            for label, *rest in _parts_of_pair(one, right):
                yield (f"{label}, call {number} of {len(expected)} (all forwards ran before the first backward)", *rest)
        return
    mine = got if isinstance(got, dict) else {}
    if request.step == "written":
        yield ("the result", mine.get("returned"), expected["returned"], False)
        for key, value in expected["written"].items():
            yield f"what is in {door.parameter(request, key)} after the call", _item(mine, "written", key), value, False
        return
    if request.step == "pair":
        yield from _parts_of_pair(got, expected)
        return
    yield "the output", mine.get("outputs"), expected["outputs"], False
    for key, value in (expected["gradients"] or {}).items():
        label = key if key.startswith("parameter ") else door.parameter(request, key)
        yield f"{GRADIENT} {label}", _item(mine, "gradients", key), value, True
    for key, value in expected.get("state", {}).items():
        yield f"{key} after the call", _item(mine, "state", key), value, False


def _parts_of_pair(got: Any, expected: dict[str, Any]) -> Iterator[tuple[str, Any, Any, bool]]:
    mine = got if isinstance(got, dict) else {}
    for key, value in expected["outputs"].items():
        yield f"the output {key}" if key != "out" else "the output", _item(mine, "outputs", key), value, False
    for key, value in expected["gradients"].items():
        yield key, _item(mine, "gradients", key), value, True


def _item(tree: dict[str, Any], *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None  # type: ignore[assignment]
    return tree


@dataclass
class KeepsDtype:
    """`keeps_dtype.pair("conv2d", x32, w32)`: every floating array that comes back is float32, as what went in; and
    float64 with the same arguments in float64.

    A dtype counts only where there is a right value: answers are compared with the reference's. `keeps_dtype.if_right`
    asks the same of a function of another task: a wrong value, or none, is the business of that task's own checks.

    Attributes:
        student: asked.
        reference: what is right; None where checks run without it, and only dtypes are looked at.
        lenient: whether a wrong value ends the matter.
    """

    student: Door
    reference: Door | None = None
    lenient: bool = False

    @property
    def if_right(self) -> "KeepsDtype":
        """The same, of values that are right."""
        return replace(self, lenient=True)

    def __call__(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """The values of a plain call."""
        self._check(self.student.request("call", name, args, kwargs), tol)

    def pair(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Outputs and hand-written gradients."""
        self._check(self.student.request("pair", name, args, kwargs))

    def autograd(self, name: str, *args: Any, wrt: Any = None, **kwargs: Any) -> None:
        """Outputs and autograd's gradients."""
        self._check(self.student.request("autograd", name, args, kwargs, wrt=wrt))

    def module(self, name: str, init: tuple[Any, ...], *inputs: Any, training: bool = True, **kwargs: Any) -> None:
        """Outputs and gradients of a module with the reference's parameters, all of them random."""
        if self.reference is None:
            options = {"init": list(init), "init_kwargs": {}, "training": training, "state": None}
            self._check(self.student.request("module", name, inputs, kwargs, **options))
        else:
            agrees = Agrees(self.student, self.reference)
            self._check(agrees.module_request(name, init, inputs, kwargs, training))

    def run(self, name: str, *args: Any, tol: Tolerance | None = None, **kwargs: Any) -> None:
        """What a helper returns."""
        self._check(self.student.request("run", name, args, kwargs), tol)

    def _check(self, request: Request, tol: Tolerance | None = None) -> None:
        if self.reference is None:
            value = self.student.value_of(request)
            self._look(request, value, value)
            return
        try:
            for asked in (request, _in_double(request)):
                expected = Agrees(self.student, self.reference).compare(asked, tol)
                self._look(asked, self.student.log[-1][1].value, expected)
        except CheckFailed as failed:
            if not self.lenient or failed.evidence.rung == "dtype":
                raise

    def _look(self, request: Request, value: Any, expected: Any) -> None:
        """Every floating array is as wide as the reference's, or, without one, no wider than float32."""
        for label, part, theirs, _ in parts(self.student, request, value, expected):
            for item, right in zip(arrays_in(part), arrays_in(theirs), strict=False):
                wide, wanted = item.dtype in WIDE, self.reference is not None and right.dtype in WIDE
                if _kind(item).kind in "fc" and wide != wanted:
                    sent = "float64" if wanted else "float32"
                    text = f"{label} is {kind_of(item)}, and should be {sent} with these arguments: keep their dtype"
                    raise CheckFailed(text, rung="dtype", call=self.student.describe(request, part=label), part=label)


WIDE = (torch.float64, np.dtype(np.float64), torch.complex128, np.dtype(np.complex128))


def _in_double(request: Request) -> Request:
    """The same request with float64 for float32."""
    options = request.options | {"state": _doubled(request.options.get("state"))}
    return replace(request, args=_doubled(request.args), kwargs=_doubled(request.kwargs), options=options)


def _doubled(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype is torch.float32 else value.clone()
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype == np.float32 else value.copy()
    if isinstance(value, dict):
        return {key: _doubled(item) for key, item in value.items()}
    return type(value)(map(_doubled, value)) if isinstance(value, list | tuple) else value
