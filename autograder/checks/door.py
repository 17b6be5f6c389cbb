"""The test author's door to a module: `student.conv2d_forward(x, w)`, `student.pair("conv2d", x, w)`, … one round
trip each."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from autograder.assignment import Assignment
from autograder.checks.draw import Draw
from autograder.checks.runner import Answer, Runner, explain
from autograder.errors import GraderError
from autograder.sandbox.steps import PAIRS, Request
from autograder.sandbox.wire import Seeded


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
    """

    assignment: Assignment
    runner: Runner
    signatures: ModuleType
    draw: Draw
    source: Path
    log: list[tuple[Request, Answer]] = field(default_factory=list)
    task: str | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something that the student should hear although it costs nothing."""
        self.notes.append(text)

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

    def value_of(self, request: Request) -> Any:
        """The value of a request.

        Raises:
            CheckFailed: the module raised, did not return, or broke the contract.
        """
        answer = self.answer(request)
        if not answer.ok:
            raise explain(answer, self.source, self.describe(request))
        return answer.value

    def describe(self, request: Request) -> str:
        """The call as a student would write it, arrays by dtype and shape."""
        function = getattr(self.signatures, _function_name(self.signatures, request), None)
        if request.step == "value":
            return request.name
        if request.step == "run":
            return f"the check's helper {request.name}({_arguments(None, request.args, request.kwargs)})"
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
