"""The test author's door to a module: `student.conv2d_forward(x, w)`, `student.pair("conv2d", x, w)`, … one round
trip each."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from autograder.assignment import Assignment
from autograder.checks.compare import as_numpy
from autograder.checks.draw import Draw
from autograder.checks.failure import Raised
from autograder.checks.helper import helper
from autograder.checks.runner import Answer, LocalRunner, Runner, T, explain
from autograder.errors import GraderError
from autograder.sandbox.request import Request
from autograder.sandbox.steps import PAIRS
from autograder.sandbox.wire import Seeded, arrays_in

GRADIENT = "the gradient with respect to"
NOTHING_WRITTEN = "Every gradient that came back is 0: nothing is written into any of them yet."
INNER = ("seed", "state")  # arguments of helpers that say nothing to a student


@dataclass
class Door:
    """Calls on one module, answered by a runner. Every request and its answer are kept, for the diagnosis.

    Attributes:
        assignment: facts.
        runner: what answers.
        signatures: a module to read parameter names from, for messages.
        draw: where seeds come from.
        source: the submission's file, for messages.
        task: of the check; what it forbids is absent from helpers too.
        log: every request and its answer.
        notes: what the student should hear although it costs nothing.
        check: the check's name.
        earlier: what the check asked in cases that passed before.
    """

    assignment: Assignment
    runner: Runner
    signatures: ModuleType
    draw: Draw
    source: Path
    log: list[tuple[Request, Answer]] = field(default_factory=list)
    task: str | None = None
    notes: list[str] = field(default_factory=list)
    check: str = ""
    earlier: list[tuple[Request, Answer]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something that the student should hear although it costs nothing."""
        self.notes.append(text)

    def written_note(self) -> str:
        """Of arguments that the submission wrote into, those of the first request where it did; else nothing."""
        for request, answer in self.log:
            # A worker may claim anything here: only names of arguments that were sent are repeated.
            sent = {*map(str, range(len(request.args))), *request.kwargs}
            if names := ", ".join(self.parameter(request, name) for name in answer.mutated if name in sent):
                return f"Note: your code writes into its argument {names}. The caller still needs it: work on a copy."
        return ""

    def unwritten_note(self, part: str) -> str:
        """Of a wrong gradient of a hand-written backward, where every gradient that came back is 0, as it was made;
        else nothing."""
        if not self.log or self.log[-1][0].step not in PAIRS or not self.is_gradient(self.log[-1][0], part):
            return ""
        value = self.log[-1][1].value
        pairs = [pair for pair in (value if isinstance(value, list) else [value]) if isinstance(pair, dict)]
        gradients = [item for pair in pairs for item in arrays_in(pair.get("gradients"))]
        return NOTHING_WRITTEN if gradients and not any(map(np.any, map(as_numpy, gradients))) else ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.value_of(self.request("call", name, args, kwargs))

    def pair(self, name: str, *args: Any, cotangents: Any = None, **kwargs: Any) -> Any:
        """Forward, then backward: `{"outputs": {…}, "gradients": {…}}`."""
        return self.value_of(self.request("pair", name, args, kwargs, cotangents=cotangents))

    def interleaved(self, name: str, *calls: tuple[Any, ...], cotangents: Any = None, **kwargs: Any) -> Any:
        """As `pair`, for several calls, all forwards first: a list of what `pair` gives. Cotangents are the same for
        each."""
        return self.value_of(self.request("interleaved", name, calls, kwargs, cotangents=cotangents))

    def autograd(self, name: str, *args: Any, cotangents: Any = None, wrt: Any = None, **kwargs: Any) -> Any:
        """A torch function and its gradients: `{"outputs": value, "gradients": {path: tensor}}`."""
        return self.value_of(self.request("autograd", name, args, kwargs, cotangents=cotangents, wrt=wrt))

    def module(
        self,
        name: str,
        init: tuple[Any, ...],
        *inputs: Any,
        state: dict[str, torch.Tensor] | None = None,
        cotangents: Any = None,
        training: bool = True,
        init_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Make, load, call, differentiate: `{"outputs", "gradients": {"inputs", "parameters"}, "state"}`."""
        options = {"init": list(init), "init_kwargs": init_kwargs or {}, "state": state, "training": training}
        value = self.value_of(self.request("module", name, inputs, kwargs, cotangents=cotangents, **options))
        return value | {"gradients": _split(value.get("gradients") or {})} if isinstance(value, dict) else value

    def run(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A helper of the assignment, beside the submission's code."""
        return self.value_of(self.request("run", name, args, kwargs))

    def value(self, name: str) -> Any:
        """A module-level constant."""
        return self.value_of(self.request("value", name, (), {}))

    def request(self, step: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], **options: Any) -> Request:
        """The request itself, with a seed and, for a pair, the names of what it returns."""
        options = {key: _list(item) if key in ("cotangents", "wrt") else item for key, item in options.items()}
        options["seed"] = self.draw.seed()
        if step in PAIRS:
            options["spec"] = self._spec(name)
        named = {key: _sendable(item) for key, item in kwargs.items()}
        return Request(step, name, tuple(map(_sendable, args)), named, options, self._absent(step, name))

    def _absent(self, step: str, name: str) -> tuple[str, ...]:
        """What must be absent where a request runs."""
        if step not in ("run", "value"):
            return self.assignment.task_of(name).forbidden
        return self.assignment.tasks[self.task].forbidden if self.task in self.assignment.tasks else ()

    def _spec(self, name: str) -> dict[str, list[str]]:
        found = self.assignment.pairs.get(name)
        if found is None:
            raise GraderError(f"{self.assignment.name}: assignment.toml has no [pairs.{name}]")
        return {
            "returns": list(found.returns),
            "differentiate": list(found.differentiate),
            "gradients": list(found.gradients),
        }

    def answer(self, request: Request) -> Answer:
        """Ask, and keep what came back."""
        answer = self.runner.answer(request)
        self.log.append((request, answer))
        return answer

    def once(self, request: Request, what: str, work: Callable[[], T]) -> T:
        """See `LocalRunner`: of a module of our own, something that is found out about its answer to a request."""
        assert isinstance(self.runner, LocalRunner)
        return self.runner.once(request, what, work)

    def value_of(self, request: Request) -> Any:
        """The value of a request.

        Raises:
            CheckFailed: the module raised, did not return, or broke the contract.
        """
        answer = self.answer(request)
        if not answer.ok:
            described = self.describe(request, answer.raised)
            raise explain(answer, self.source, described, self.assignment.packages)
        return answer.value

    def function(self, request: Request, raised: Raised | None = None, part: str = "") -> str:
        """The function or class of the submission that a request is about, as it is written; of a pair the forward,
        unless it came as far as the backward.

        Args:
            request: that was asked.
            raised: what came of it.
            part: which of the values that came back, in the message's words.
        """
        if request.step == "run":
            return self._function_of_helper(request, raised)
        if request.step not in PAIRS:
            return request.name if request.step != "value" else ""
        backward = f"{request.name}_backward"
        got_there = raised is not None and backward in (raised.called, raised.message.partition(" ")[0])
        return backward if got_there or self.is_gradient(request, part) else f"{request.name}_forward"

    def _function_of_helper(self, request: Request, raised: Raised | None) -> str:
        """The one that raised, or that is named among the arguments, or else the first that the helper uses."""
        named = [arg for arg in request.args if isinstance(arg, str)]
        used = helper(self.assignment.folder, request.name).uses
        likely = [raised.called if raised else None, *named, *(f"{name}_forward" for name in named), *used]
        return next((name for name in likely if name in self.assignment.public_names), "")

    def is_gradient(self, request: Request, part: str) -> bool:
        """Whether a part of a request's value, named as in messages, is a gradient."""
        if request.step in PAIRS:
            return part.replace(",", " ").partition(" ")[0] in self._spec(request.name)["gradients"]
        return part.startswith(GRADIENT)

    def describe(self, request: Request, raised: Raised | None = None, part: str = "") -> str:
        """The call as a student would write it, arrays by dtype and shape: the backward one where it came as far, with
        the forward one that led there. See `function` for the arguments."""
        name = self.function(request, raised, part)
        if request.step not in PAIRS or not name.endswith("_backward"):
            return self._described(request)
        names = ", ".join(_parameters(getattr(self.signatures, name, None)))
        return f"{name}({names}), after {self._described(request)}"

    def _described(self, request: Request) -> str:
        function = getattr(self.signatures, _function_name(self.signatures, request), None)
        if request.step == "value":
            return request.name
        if request.step == "run":
            return self._described_helper(request)
        if request.step == "network":
            return f"{request.name}({_arguments(None, request.args, request.kwargs)})"
        if request.step == "module":
            made = _arguments(function, tuple(request.options["init"]), request.options["init_kwargs"])
            called = _arguments(getattr(function, "forward", None), request.args, request.kwargs, skip_self=True)
            return f"{request.name}({made})({called})"
        name = _function_name(self.signatures, request)
        if request.step == "interleaved":
            return "; ".join(f"{name}({_arguments(function, args, request.kwargs)})" for args in request.args)
        return f"{name}({_arguments(function, request.args, request.kwargs)})"

    def _described_helper(self, request: Request) -> str:
        """The student's function that a helper only passes its arguments on to; else what the helper does."""
        found = helper(self.assignment.folder, request.name)
        name, rest = self.function(request), request.args[len(found.parameters) :]
        if found.passes_on and name:
            return f"{name}({_arguments(getattr(self.signatures, name, None), rest, request.kwargs)})"
        given = dict(zip(found.parameters, request.args, strict=False)) | request.kwargs
        named = [f"{key}={_brief(item)}" for key, item in given.items() if key not in INNER]
        return f"{found.says} ({', '.join([*named, *map(_brief, rest)])})"

    def parameter(self, request: Request, path: str) -> str:
        """`"1.weight"` as the function's author calls it: `w['weight']`."""
        head, _, rest = path.partition(".")
        if request.step == "interleaved":
            return f"(of call {int(head) + 1})" if head.isdigit() else head
        function = getattr(self.signatures, _function_name(self.signatures, request), None)
        if request.step == "module":
            function = getattr(function, "forward", None)
        names = _parameters(function, skip_self=request.step == "module")
        name = names[int(head)] if head.isdigit() and int(head) < len(names) else head
        return f"{name}[{rest}]" if rest else name


def _split(gradients: dict[str, Any]) -> dict[str, Any]:
    """Gradients by what they belong to: inputs in their order, parameters by name."""
    marked = {key.removeprefix("parameter "): item for key, item in gradients.items() if key.startswith("parameter ")}
    return {
        "inputs": [item for key, item in gradients.items() if not key.startswith("parameter ")],
        "parameters": marked,
    }


def _function_name(module: ModuleType, request: Request) -> str:
    if request.step in PAIRS:
        return f"{request.name}_forward"
    return request.name


def _list(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else list(value) if isinstance(value, tuple) else [value]


def _sendable(value: Any) -> Any:
    if isinstance(value, np.random.Generator | torch.Generator):
        raise GraderError("a check cannot send a generator: send Seeded('numpy', draw.seed()), made on arrival")
    return value


def _is_autograd(function: Any) -> bool:
    return inspect.isclass(function) and issubclass(function, torch.autograd.Function)


def _parameters(function: Any, skip_self: bool = False) -> list[str]:
    try:
        target = getattr(function, "forward") if _is_autograd(function) else function  # noqa: B009
        names = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return []
    return names[1:] if skip_self or names[:1] == ["ctx"] else names


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip_self: bool = False) -> str:
    names = _parameters(function, skip_self)
    positional = [
        f"{names[index]}={_brief(item)}" if index < len(names) and _is_big(item) else _brief(item)
        for index, item in enumerate(args)
    ]
    return ", ".join([*positional, *(f"{key}={_brief(item)}" for key, item in kwargs.items())])


def _is_big(value: Any) -> bool:
    return isinstance(value, np.ndarray | torch.Tensor | list | dict)


def _brief(value: Any) -> str:
    """An argument in a few characters: never an array's entries."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Seeded):
        return "rng" if value.kind == "numpy" else "generator"
    if isinstance(value, list | tuple) and any(_is_big(item) for item in value):
        body = ", ".join(map(_brief, value[:4])) + (", …" if len(value) > 4 else "")
        return f"[{body}]" if isinstance(value, list) else f"({body})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_brief(item)}" for key, item in list(value.items())[:3]) + ", …}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
