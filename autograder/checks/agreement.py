"""Agreement: the same request to student and reference, compared part by part down the ladder."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from autograder.checks.compare import Closeness, Mismatch, as_numpy, compare, kind_of
from autograder.checks.door import Door
from autograder.checks.failure import CheckFailed
from autograder.checks.runner import Answer, explain
from autograder.checks.tolerance import Tolerance
from autograder.errors import GraderError
from autograder.sandbox.steps import Request
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
        expected = self.reference.answer(request)
        if not expected.ok:
            raise GraderError(
                f"the reference fails on {self.student.describe(request)}: {expected.raised or expected.lost}"
            )
        got = self.student.answer(request)
        if not got.ok:
            raise explain(got, self.student.source, self.student.describe(request))
        self.judge(request, got, expected, tol)
        return expected.value

    def judge(self, request: Request, got: Answer, expected: Answer, tol: Tolerance | None = None) -> None:
        """Compare two answers part by part.

        Raises:
            CheckFailed: they differ.
        """
        call = self.student.describe(request)
        length = max((as_numpy(item).size for item in arrays_in([list(request.args), request.kwargs])), default=1)
        for mismatch in self._mismatches(request, got.value, expected.value, tol, length):
            raise CheckFailed(mismatch.text, rung=mismatch.rung, call=call, differs=mismatch.differs)

    def _mismatches(
        self, request: Request, got: Any, expected: Any, tol: Tolerance | None, length: int
    ) -> Iterator[Mismatch]:
        for label, mine, theirs, gradient in parts(self.student, request, got, expected):
            if found := compare(mine, theirs, label, Closeness(tol, gradient, length)):
                yield found


def parts(door: Door, request: Request, got: Any, expected: Any) -> Iterator[tuple[str, Any, Any, bool]]:
    """A step's value taken apart: label, the student's part, the other part, whether it is a gradient."""
    if request.step in ("call", "run", "value"):
        yield ("the result", got, expected, False)
        return
    mine = got if isinstance(got, dict) else {}
    if request.step == "pair":
        for key, value in expected["outputs"].items():
            yield f"the output {key}" if key != "out" else "the output", _item(mine, "outputs", key), value, False
        for key, value in expected["gradients"].items():
            yield f"{key} of {request.name}_backward", _item(mine, "gradients", key), value, True
        return
    yield "the output", mine.get("outputs"), expected["outputs"], False
    for key, value in (expected["gradients"] or {}).items():
        label = key if key.startswith("parameter ") else door.parameter(request, key)
        yield f"the gradient with respect to {label}", _item(mine, "gradients", key), value, True
    for key, value in expected.get("state", {}).items():
        yield f"{key} after the call", _item(mine, "state", key), value, False


def _item(tree: dict[str, Any], *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None  # type: ignore[assignment]
    return tree


@dataclass
class KeepsDtype:
    """`keeps_dtype.pair("conv2d", x32, w32)`: every floating array that comes back is float32, as what went in.

    Values are not compared, but an answer of zeros, or the arguments handed back, earns nothing.
    """

    student: Door
    reference: Door | None = None

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> None:
        """The values of a plain call."""
        self._check(self.student.request("call", name, args, kwargs))

    def pair(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Outputs and hand-written gradients."""
        self._check(self.student.request("pair", name, args, kwargs))

    def autograd(self, name: str, *args: Any, wrt: Any = None, **kwargs: Any) -> None:
        """Outputs and autograd's gradients."""
        self._check(self.student.request("autograd", name, args, kwargs, wrt=wrt))

    def module(self, name: str, init: tuple[Any, ...], *inputs: Any, training: bool = True, **kwargs: Any) -> None:
        """Outputs and gradients of a module."""
        options = {"init": list(init), "init_kwargs": {}, "training": training, "state": None}
        self._check(self.student.request("module", name, inputs, kwargs, **options))

    def run(self, name: str, *args: Any, **kwargs: Any) -> None:
        """What a helper returns."""
        self._check(self.student.request("run", name, args, kwargs))

    def _check(self, request: Request) -> None:
        value = self.student.value_of(request)
        if self.reference is not None and _worthless(value, self.reference.runner.answer(request).value, request):
            text = (
                "the dtype of an answer counts only where there is one: these are zeros, or the arguments handed back"
            )
            raise CheckFailed(text, rung="value", call=self.student.describe(request))
        labelled = parts(self.student, request, value, value)
        for label, part, _, _ in labelled:
            for item in arrays_in(part):
                if as_numpy(item).dtype.kind == "f" and as_numpy(item).dtype != np.float32:
                    text = f"{label} is {kind_of(item)}, although every argument is float32: the dtype should be kept"
                    raise CheckFailed(text, rung="dtype", call=self.student.describe(request))


def _worthless(got: Any, expected: Any, request: Request) -> bool:
    """All zeros, or an argument, where the reference gives something else."""
    mine, theirs = [[as_numpy(item) for item in arrays_in(value)] for value in (got, expected)]
    if not any(item.any() for item in mine) and any(item.any() for item in theirs):
        return True
    given = [as_numpy(item) for item in arrays_in([list(request.args), request.kwargs])]

    def handed_back(items: list[np.ndarray]) -> bool:
        return any(item.size > 1 and any(np.array_equal(item, one) for one in given) for item in items)

    return handed_back(mine) and not handed_back(theirs)
