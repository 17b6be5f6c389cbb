"""A recording read back: plain data becomes operations of torch with their arguments, or is refused.

Refused are operations that are not torch's own or not on the list, arguments that are not plain, tensors that nothing
made, and sizes that no answer has. Devices and generators are not taken over: the replay has its own.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from autograder.proof.allowed import operation
from autograder.sandbox.recorder import LOOK

MOST_OPERATIONS = 400_000
MOST_NUMBERS = 1 << 28  # in one tensor
MOST_DEPTH = 8
DTYPES = {str(kind).removeprefix("torch."): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
LAYOUTS = {"strided": torch.strided, "sparse_coo": torch.sparse_coo, "sparse_csr": torch.sparse_csr}
LAYOUTS |= {"sparse_csc": torch.sparse_csc, "sparse_bsr": torch.sparse_bsr, "sparse_bsc": torch.sparse_bsc}
FORMATS = {str(kind).removeprefix("torch."): kind for kind in (torch.contiguous_format, torch.preserve_format)}
FORMATS |= {"channels_last": torch.channels_last, "channels_last_3d": torch.channels_last_3d}


class RecordingRefused(Exception):
    """A recording that cannot be replayed. The message completes “what your code was seen to do …”."""


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor."""

    number: int


@dataclass(frozen=True)
class Read:
    """Stands for a floating number that was read from a tensor, the how manieth."""

    number: int


DEVICE, GENERATOR = object(), object()  # stand for those of the replay


@dataclass(frozen=True)
class Step:
    """One operation: what is called, with what, and the slots of what it gives."""

    name: str
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outs: tuple[Any, ...]

    @cached_property
    def base(self) -> str:
        """Its name without namespace and overload."""
        return self.name.removeprefix("aten::").partition(".")[0]

    @property
    def used(self) -> Iterator[int]:
        """Slots that go in."""
        return slots_in((self.args, self.kwargs))


@dataclass(frozen=True)
class Recording:
    """A list of operations, ready to be replayed.

    Attributes:
        steps: the operations, in order.
        inputs: slots of the tensors that the recorded step was given.
        cotangents: slots of those that it went backward with.
        backward: how many operations came before that; None where it did not go backward.
        results: the value's tree, tensors as slots.
        constants: tensors by slot, and the submission's line that first used each.
    """

    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    cotangents: tuple[int, ...]
    backward: int | None
    results: Any
    constants: dict[int, torch.Tensor] = field(default_factory=dict)
    lines: dict[int, int | None] = field(default_factory=dict)

    @classmethod
    def read(cls, plain: Any) -> "Recording":
        """From what a worker sent.

        Raises:
            RecordingRefused: it is not a recording that can be replayed.
        """
        try:
            return _Reader(plain).read()
        except RecordingRefused:
            raise
        except Exception as error:  # plain data of any shape at all comes here
            raise RecordingRefused(f"is not written down in order ({type(error).__name__})") from error

    @property
    def operations(self) -> tuple[Step, ...]:
        """The steps that count."""
        return tuple(step for step in self.steps if step.name != LOOK)


def slots_in(tree: Any) -> Iterator[int]:
    """Numbers of all slots in a tree of arguments or results."""
    if isinstance(tree, Slot):
        yield tree.number
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from slots_in(item)
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from slots_in(item)


class _Reader:
    """Walks a recording once; what it has not met cannot be referred to."""

    def __init__(self, plain: Any) -> None:
        self.listed = json.loads(bytes(np.asarray(plain["text"], np.uint8)))
        self.plain = plain
        self.known: set[int] = set()
        self.reads = 0

    def read(self) -> Recording:
        inputs, cotangents = ([self._new(slot) for slot in self.listed[key]] for key in ("inputs", "cotangents"))
        constants, lines = self._constants()
        begun = self.listed["backward"]
        if len(self.listed["ops"]) > MOST_OPERATIONS:
            raise RecordingRefused(f"takes more than {MOST_OPERATIONS:,} operations")
        steps = []
        for index, (name, args, kwargs, outs) in enumerate(self.listed["ops"]):
            steps.append(self._step(name, args, kwargs, outs))
            early = begun is None or index < begun
            if early and any(slot in cotangents for slot in steps[-1].used):
                raise RecordingRefused("uses what it goes backward with before it goes backward")
        results = self._value(self.listed["results"], 0)
        at = int(begun) if begun is not None else None
        return Recording(tuple(steps), tuple(inputs), tuple(cotangents), at, results, constants, lines)

    def _constants(self) -> tuple[dict[int, torch.Tensor], dict[int, int | None]]:
        constants, lines = {}, {}
        for slot, tensor, line in self.plain["constants"]:
            if not isinstance(tensor, torch.Tensor):
                raise RecordingRefused("has a constant that is no tensor")
            constants[self._new(slot)] = tensor
            lines[slot] = line if type(line) is int else None
        return constants, lines

    def _new(self, slot: Any) -> int:
        if type(slot) is not int or slot in self.known:
            raise RecordingRefused("makes a tensor twice")
        self.known.add(slot)
        return slot

    def _step(self, name: Any, args: Any, kwargs: Any, outs: Any) -> Step:
        function = operation(name)
        if function is None:
            raise RecordingRefused(f"uses {str(name)[:80]}, which is not one of the operations that can be followed")
        made = tuple(self._value(item, 0) for item in args)
        named = {str(key): self._value(item, 0) for key, item in kwargs.items()}
        return Step(name, function, made, named, tuple(self._out(item, 0) for item in outs))

    def _out(self, item: Any, depth: int) -> Any:
        if item is None:
            return None
        if type(item) is int:  # written in place, it keeps its slot
            self.known.add(item)
            return Slot(item)
        if isinstance(item, list) and item[0] == "[" and depth < MOST_DEPTH:
            return tuple(self._out(each, depth + 1) for each in item[1:])
        if isinstance(item, list) and item[0] == "r":
            self.reads += 1
            return Read(self.reads - 1)
        raise RecordingRefused("gives something that is neither a tensor nor a number")

    def _value(self, item: Any, depth: int) -> Any:
        if item is None or isinstance(item, bool | str | float):
            return item
        if isinstance(item, int):
            if not -(1 << 63) <= item < 1 << 63:
                raise RecordingRefused("has a whole number that no operation takes")
            return item
        if not isinstance(item, list) or depth > MOST_DEPTH:
            raise RecordingRefused("has an argument that is not plain")
        return self._tagged(item[0], item[1:], depth)

    def _tagged(self, kind: str, rest: list[Any], depth: int) -> Any:
        if kind == "t":
            if rest[0] not in self.known:
                raise RecordingRefused("refers to a tensor that nothing made")
            return Slot(int(rest[0]))
        if kind in ("[", "("):
            items = [self._value(each, depth + 1) for each in rest]
            return items if kind == "[" else tuple(items)
        if kind == "{":
            return {str(key): self._value(each, depth + 1) for key, each in rest}
        if kind == "r":
            if not 0 <= rest[0] < self.reads:
                raise RecordingRefused("refers to a number that was not read")
            return Read(int(rest[0]))
        plain: Any = {"d": DTYPES, "l": LAYOUTS, "m": FORMATS}.get(kind)
        if plain is not None:
            return plain[rest[0]]
        makers: dict[str, Any] = {"f": _float, "c": complex, "v": _device, "g": lambda: GENERATOR}
        return makers[kind](*rest)


def _float(text: str) -> float:
    return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[text]


def _device(kind: str) -> Any:
    """Numbers are where the replay is; tensors without numbers are nowhere."""
    return torch.device("meta") if kind == "meta" else DEVICE
