"""What a worker does with a submission in one round trip: call, differentiate, read.

The same steps run on the student's module in a worker and on the reference in the grader, so both sides of a
comparison did the same. Runs in the worker: imports nothing of Deepgrade but its neighbours.
"""

import inspect
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch

from autograder.sandbox.onward import StandIn
from autograder.sandbox.recorder import Recorder, drawing, goes_backward
from autograder.sandbox.request import RECORD, Request
from autograder.sandbox.wire import Seeded, arrays_in, first_float


class ContractError(Exception):
    """The submission breaks the contract in a way that a plain comparison cannot express: the message is for the
    student."""


@dataclass(frozen=True)
class Submission:
    """The module under test and the assignment's helpers, loaded where the step runs; what the module's import raised,
    where it went on all the same."""

    module: ModuleType
    helpers: ModuleType | None = None
    failed: tuple[BaseException, ...] = ()

    def public(self, name: str) -> Any:
        """A name of the module.

        Raises:
            ContractError: the module does not define it.
            BaseException: what kept the module from defining it.
        """
        try:
            found = getattr(self.module, name)
        except AttributeError:
            raise ContractError(f"`{name}` is not defined in your file; the handout says what it is called") from None
        return found.fail() if isinstance(found, StandIn) else found


def perform(submission: Submission, request: Request) -> dict[str, Any]:
    """Run one step.

    Returns:
        `{"value": what the step gives, "mutated": positions and keywords of the arguments that were written into}`,
        and the `recording` of what it did, where one is asked for (see `Request.recorded`).
    """
    seed(request.options.get("seed", 0))
    args, kwargs = _made(list(request.args)), _made(request.kwargs)
    before = [_snapshot(item) for item in (*args, *kwargs.values())]
    step, more = STEPS[request.step], {}
    if RECORD in request.options:
        given, path = recorded_inputs(args, kwargs, request.options), str(submission.module.__file__)
        with Recorder(given, path, request.options[RECORD]) as recorder:
            value = step(submission, request.name, args, kwargs, request.options)
        more["recording"] = recorder.written(value)
    else:
        value = step(submission, request.name, args, kwargs, request.options)
    watched = zip([*map(str, range(len(args))), *kwargs], before, (*args, *kwargs.values()), strict=False)
    mutated = [name for name, old, new in watched if not _unchanged(old, new)]
    return {"value": value, "mutated": mutated, **more}


def recorded_inputs(args: Any, kwargs: Any, options: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that a step is given, in the order in which its recording has them."""
    return [item for item in arrays_in([args, kwargs, options.get("state")]) if isinstance(item, torch.Tensor)]


def seed(number: int) -> None:
    """Global generators, which nothing should read, at least repeat."""
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.default_generator.manual_seed(number)  # torch.manual_seed formats a stack trace for devices that are absent


def _made(value: Any) -> Any:
    """Generators are made here, from their seeds; everything else stays as it is."""
    if isinstance(value, Seeded):
        return value.make()
    if isinstance(value, dict):
        return {key: _made(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_made(item) for item in value)
    return value


def _snapshot(value: Any) -> list[np.ndarray]:
    return [_bits(item) if isinstance(item, torch.Tensor) else np.array(item) for item in arrays_in(value)]


def _bits(tensor: torch.Tensor) -> np.ndarray:
    """A copy of a tensor's numbers; of a sparse one, of those that it stores."""
    plain = tensor.detach()
    if plain.layout is not torch.strided:
        plain = plain._values() if plain.layout is torch.sparse_coo else plain.values()
    plain = plain.cpu().resolve_conj().resolve_neg().contiguous()
    return np.array((plain.view(torch.int16) if plain.dtype is torch.bfloat16 else plain).numpy())


def _unchanged(before: list[np.ndarray], value: Any) -> bool:
    after = _snapshot(value)
    return len(before) == len(after) and all(
        old.shape == new.shape and old.tobytes() == new.tobytes() for old, new in zip(before, after, strict=True)
    )


# The steps -----------------------------------------------------------------------------------------------------


def call(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """A plain call. A class with `apply` (an autograd function) is called through it."""
    return _callable(submission, name)(*args, **kwargs)


def value(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """A constant of the module."""
    return submission.public(name)


def written(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """A plain call, and what is in the arguments at the positions `options["into"]` after it."""
    returned = _callable(submission, name)(*args, **kwargs)
    return {"returned": returned, "written": {str(index): args[index] for index in options["into"]}}


def run(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """A helper of the assignment, given the submission's module."""
    try:
        return getattr(submission.helpers, name)(submission.module, *args, **kwargs)
    except AttributeError as error:
        if error.obj is submission.module:
            submission.public(str(error.name))
        raise


def pair(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """`NAME_forward`, then `NAME_backward` on cotangents (given, or drawn from `options["seed"]`)."""
    outputs, cache = _forward(submission, name, args, kwargs, options)
    return _backward(submission, name, outputs, cache, options)


def interleaved(
    submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """As `pair`, for the calls whose arguments `args` lists: all forwards, then all backwards, in the same order."""
    forwards = [_forward(submission, name, list(call), kwargs, options) for call in args]
    seeds = [options | {"seed": options["seed"] + index} for index in range(len(forwards))]
    return [_backward(submission, name, *each, seeded) for each, seeded in zip(forwards, seeds, strict=True)]


def _forward(
    submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> tuple[dict[str, Any], Any]:
    """Outputs by name, and the cache."""
    returned = submission.public(f"{name}_forward")(*args, **kwargs)
    outputs = _named(returned, options["spec"]["returns"], f"{name}_forward")
    return outputs, outputs.pop("cache")


def _backward(
    submission: Submission, name: str, outputs: dict[str, Any], cache: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Outputs and gradients by name."""
    spec, cotangents = options["spec"], options.get("cotangents")
    if cotangents is None:
        cotangents = cotangents_for([outputs[key] for key in spec["differentiate"]], options["seed"])
    returned = submission.public(f"{name}_backward")(*cotangents, cache)
    if len(spec["gradients"]) == 1 and not isinstance(returned, tuple):
        returned = (returned,)
    return {"outputs": outputs, "gradients": _named(returned, spec["gradients"], f"{name}_backward")}


def _named(returned: Any, names: list[str], function: str) -> dict[str, Any]:
    if not isinstance(returned, tuple | list) or len(returned) != len(names):
        got = f"{len(returned)} values" if isinstance(returned, tuple | list) else f"one {type(returned).__name__}"
        raise ContractError(f"{function} must return ({', '.join(names)}), {len(names)} in all; it returned {got}")
    return dict(zip(names, returned, strict=True))


def cotangents_for(outputs: list[Any], seed: int) -> list[Any]:
    """A standard normal cotangent for each output, of its shape, dtype and kind; of a complex one, in both parts."""
    rng = np.random.default_rng(seed)
    return [_cotangent(output, rng) for output in outputs]


def _cotangent(output: Any, rng: np.random.Generator) -> Any:
    if isinstance(output, torch.Tensor) and output.device.type != "cpu":
        generator = torch.Generator(output.device).manual_seed(int(rng.integers(1 << 31)))
        return torch.randn(output.shape, dtype=output.dtype, device=output.device, generator=generator)
    drawn = np.asarray(rng.standard_normal(np.shape(output)))
    if isinstance(output, torch.Tensor) and output.is_complex():
        drawn = drawn + 1j * rng.standard_normal(np.shape(output))
    if isinstance(output, torch.Tensor):
        return torch.from_numpy(np.asarray(drawn)).to(output.dtype)
    dtype = getattr(output, "dtype", np.dtype(np.float64))
    return np.asarray(drawn, dtype=dtype if dtype.kind == "f" else np.float64)


def autograd(
    submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """A torch function and its gradients to the floating tensors among the arguments."""
    leaves = _tracked_arguments(args, kwargs, options.get("wrt"))
    outputs = _callable(submission, name)(*args, **kwargs)
    return {"outputs": outputs, "gradients": differentiate(outputs, leaves, options)}


def module(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """Make a module, load its state, call it, differentiate to inputs and parameters, read the state back."""
    made = submission.public(name)(*_made(options["init"]), **_made(options["init_kwargs"]))
    if not isinstance(made, torch.nn.Module):
        raise ContractError(f"{name} must be a torch.nn.Module; it is a {type(made).__name__}")
    dtype = first_float(args)
    made = made if dtype is None else made.to(dtype)
    if options["state"] is not None:
        _load(made, options["state"], name)
    made.train(options["training"])
    return _module_step(made, args, kwargs, options)


def _module_step(made: torch.nn.Module, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    inputs = _tracked_arguments(args, kwargs, options.get("wrt"))
    parameters = {key: item for key, item in made.named_parameters() if item.requires_grad}
    outputs = made(*args, **kwargs)
    gradients = differentiate(outputs, inputs | {f"parameter {key}": item for key, item in parameters.items()}, options)
    return {"outputs": outputs, "gradients": gradients, "state": dict(made.state_dict())}


def network(submission: Submission, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """Build a network, and write down what its forward does to images of the shape `options["images"]`.

    That happens on the meta device, without memory and without arithmetic, and with numbers only where the student's
    code cannot do without (torch then names the device). `options["within"]` names a helper, a context manager, in
    which it runs. Parameters, buffers and images are the recording's inputs, in this order.
    """
    helper = options.get("within")
    with getattr(submission.helpers, helper)(submission.module) if helper else nullcontext():
        try:
            return _network_on("meta", submission, name, args, options)
        except Exception as error:
            if "meta" not in str(error):
                raise
            return _network_on("cpu", submission, name, args, options)


def _network_on(device: str, submission: Submission, name: str, args: list[Any], options: dict[str, Any]) -> Any:
    with torch.device(device):
        made = submission.public(name)(*args)
        if not isinstance(made, torch.nn.Module):
            raise ContractError(f"{name} must return a torch.nn.Module; it returned {type(made).__name__}")
        made.train(options["training"])
        kept: dict[str, list[torch.Tensor]] = {"parameter": [*made.parameters()], "buffer": [*made.buffers()]}
        images = torch.zeros(options["images"])
        inputs = [*kept["parameter"], *kept["buffer"], images]
        with torch.no_grad(), Recorder(inputs, str(submission.module.__file__)) as recorder:
            logits = made(images)
    held = [
        [role, list(item.shape), str(item.dtype).removeprefix("torch.")]
        for role, items in kept.items()
        for item in items
    ]
    return {"held": held, "recording": recorder.written(logits)}


def _load(made: torch.nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    own = made.state_dict()
    missing, extra = [key for key in state if key not in own], [key for key in own if key not in state]
    if missing or extra:
        parts = [f"{word} {', '.join(keys[:6])}" for word, keys in (("it lacks", missing), ("it adds", extra)) if keys]
        raise ContractError(f"{name} does not have the parameters that the handout names: {'; '.join(parts)}")
    for key, expected in state.items():
        if own[key].shape != expected.shape:
            shapes = f"{tuple(own[key].shape)}, not {tuple(expected.shape)}"
            raise ContractError(f"{name}: the parameter {key} has shape {shapes}")
    made.load_state_dict(state)


def differentiable(outputs: Any) -> list[torch.Tensor]:
    """The tensors among outputs that get cotangents, in order."""
    return [item for item in arrays_in(outputs) if isinstance(item, torch.Tensor) and _is_differentiable(item)]


def differentiate(outputs: Any, leaves: dict[str, torch.Tensor], options: dict[str, Any]) -> dict[str, Any] | None:
    """Gradients of `sum <cotangent, output>` to the leaves; a leaf that does not take part has gradient 0.

    Returns None where the outputs cannot be differentiated because they are not tensors (the comparison says so).

    Raises:
        ContractError: floating outputs are cut off from autograd although there is something to differentiate to.
    """
    tensors = differentiable(outputs)
    if not tensors or not leaves:
        return {} if not leaves else None
    connected = [item for item in tensors if item.requires_grad]
    if not connected:
        raise ContractError("the output is cut off from autograd (detach, .data, .numpy() or no_grad on the way?)")
    cotangents = options.get("cotangents")
    if cotangents is None:
        with drawing():
            cotangents = cotangents_for(tensors, options["seed"])
    goes_backward(cotangents)
    kept = [(out, cot) for out, cot in zip(tensors, cotangents, strict=False) if out.requires_grad]
    found = torch.autograd.grad(
        [out for out, _ in kept], list(leaves.values()), [cot for _, cot in kept], allow_unused=True
    )
    pairs = zip(leaves.items(), found, strict=True)
    return {key: torch.zeros_like(leaf) if gradient is None else gradient for (key, leaf), gradient in pairs}


def _is_differentiable(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _callable(submission: Submission, name: str) -> Callable[..., Any]:
    found = submission.public(name)
    if inspect.isclass(found) and issubclass(found, torch.autograd.Function):
        applied: Callable[..., Any] = found.apply
        return applied
    return found  # type: ignore[no-any-return]


def _tracked(value: Any, path: str, leaves: dict[str, torch.Tensor]) -> Any:
    """The value with its floating tensors made differentiable; `leaves` collects them by path ("0", "1.conv1.weight").

    The function gets clones, not leaves: autograd refuses to write into a leaf, and writing into an argument is no
    failure here.
    """
    if isinstance(value, torch.Tensor) and _is_differentiable(value):
        leaves[path] = value.requires_grad_()
        return leaves[path].clone()
    if isinstance(value, dict):
        return {key: _tracked(item, f"{path}.{key}", leaves) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_tracked(item, f"{path}.{index}", leaves) for index, item in enumerate(value))
    return value


def _tracked_arguments(args: list[Any], kwargs: dict[str, Any], wrt: list[Any] | None) -> dict[str, torch.Tensor]:
    """Replaces the arguments that `wrt` lists (all where it is None) by tracked ones, in place; gives their leaves."""
    wanted = None if wrt is None else {str(entry) for entry in wrt}
    leaves: dict[str, torch.Tensor] = {}
    for index, item in enumerate(args):
        if wanted is None or str(index) in wanted:
            args[index] = _tracked(item, str(index), leaves)
    for key, item in kwargs.items():
        if wanted is None or key in wanted:
            kwargs[key] = _tracked(item, key, leaves)
    return leaves


PAIRS = ("pair", "interleaved")  # steps that are about NAME_forward and NAME_backward
STEPS: dict[str, Callable[[Submission, str, list[Any], dict[str, Any], dict[str, Any]], Any]] = {
    step.__name__: step for step in (call, written, value, run, pair, interleaved, autograd, module, network)
}
