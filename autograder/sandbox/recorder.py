"""What a step did, as a list: every operation that torch dispatched, forward and backward, with what went in.

A recording is a claim, not evidence: it is replayed where no submission ever was (`autograder.proof`), on inputs that
are drawn after it arrived. Here it is only written down, as plain data:

    {"ops": [[name, args, kwargs, outs], …], "inputs": [slot, …], "cotangents": [slot, …], "backward": index or None,
     "results": the value's tree}           as JSON, in bytes
    constants: [[slot, tensor, line], …]    tensors that came from nowhere: made outside torch, or before it was watched

A tensor stands in `args` as ["t", slot]; other values that JSON does not have are lists with a letter, see `_packed`.
Runs in the worker: imports nothing of Deepgrade but its neighbours.
"""

import json
import math
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

MARK = "_deepgrade"  # a tensor's attribute
MOST_OPERATIONS = 300_000
MOST_CONSTANTS = 64 << 20  # bytes of all together
LOOK = "look"
IN_PLACE = frozenset(["aten::relu_", "aten::add_.Tensor", "aten::mul_.Tensor"])
ALIKE = IN_PLACE | {"aten::relu", "aten::tanh", "aten::sigmoid", "aten::add.Tensor", "aten::mul.Tensor"}


class RecordingError(Exception):
    """The step did something that cannot be written down, or too much. The message is for the student."""


class _Mark:
    """What a recorder knows of a tensor. A copy of the tensor is another one: nothing is known of it."""

    def __init__(self, recorder: "Recorder", slot: int, storage: int | None) -> None:
        self.recorder, self.slot, self.storage = recorder, slot, storage

    def __deepcopy__(self, memo: Any) -> None:
        return None


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down what is dispatched while it is entered.

    Args:
        inputs: the tensors that the step is given, in the order in which fresh ones will come.
        path: of the submission, to say which of its lines used a tensor that came from nowhere.
        limit: operations after which writing ends.
    """

    def __init__(self, inputs: list[torch.Tensor], path: str, limit: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.path = path
        self.limit = min(limit or MOST_OPERATIONS, MOST_OPERATIONS)
        self.operations: list[list[Any]] = []
        self.constants: list[list[Any]] = []
        self.cotangents: list[int] = []
        self.begun: int | None = None
        self.draws = False
        self.spare = MOST_CONSTANTS
        self._slots = 0
        self._reads: dict[float, int] = {}
        self._read_count = 0
        self._storages: dict[int, tuple[int, torch.dtype, Any]] = {}
        self.inputs = [self._new(tensor) for tensor in inputs]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch, which would else import torch._dynamo at the first operation: half a second a worker."""
        return False

    def __enter__(self) -> "Recorder":
        CURRENT.append(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        CURRENT.remove(self)
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._refuse_more()
        kwargs = kwargs or {}
        if _is_composite(func):
            return self._taken_apart(func, args, kwargs)
        name = _name(func)
        entry = [name, [self._packed(item) for item in args], {key: self._packed(kwargs[key]) for key in kwargs}]
        result = shaped(name, args)
        if result is None:
            result = func(*args, **kwargs)
        outs = [self._out(item) for item in (result if isinstance(result, tuple | list) else (result,))]
        self.operations.append([*entry, outs])
        return result

    def _taken_apart(self, func: Any, args: Any, kwargs: Any) -> Any:
        """In inference mode operations come whole that are made of others: those are written down."""
        super().__enter__()  # type: ignore[no-untyped-call]
        try:
            return func.decompose(*args, **kwargs)
        finally:
            super().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def backward(self, cotangents: list[torch.Tensor]) -> None:
        """The step goes backward from here, with these cotangents, which will be fresh too."""
        self.begun = len(self.operations)
        self.cotangents = [self._new(tensor) for tensor in cotangents]

    def written(self, value: Any) -> dict[str, Any]:
        """The recording of a step that returned `value`, plain."""
        self._refuse_more()  # the step may have caught it
        results = self._packed(value)
        listed = {
            "ops": self.operations,
            "inputs": self.inputs,
            "cotangents": self.cotangents,
            "backward": self.begun,
            "results": results,
        }
        text = json.dumps(listed, separators=(",", ":")).encode()
        return {"text": np.frombuffer(text, np.uint8), "constants": self.constants}

    def _refuse_more(self) -> None:
        if len(self.operations) >= self.limit:
            raise RecordingError(f"more than {self.limit:,} operations")

    # Slots -------------------------------------------------------------------------------------------------------

    def _new(self, tensor: torch.Tensor) -> int:
        """A slot for a tensor that was just made."""
        slot = self._slots
        self._slots += 1
        self._remember(tensor, slot)
        return slot

    def _remember(self, tensor: torch.Tensor, slot: int) -> None:
        storage = _storage(tensor)
        key = None if storage is None else storage._cdata
        vars(tensor)[MARK] = _Mark(self, slot, key)
        if storage is not None and key is not None and key not in self._storages:
            gone = self._storages.pop
            self._storages[key] = (slot, tensor.dtype, weakref.ref(storage, lambda _: gone(key, None)))

    def _slot(self, tensor: torch.Tensor) -> int:
        """The slot of a tensor, which is new where it has not been seen: another look at a storage that was, or a
        constant."""
        storage = _storage(tensor)
        key = None if storage is None else storage._cdata
        mark = vars(tensor).get(MARK)
        if mark is not None and mark.recorder is self and mark.storage == key:
            return int(mark.slot)
        slot = self._slots
        self._slots += 1
        known = None if key is None else self._storages.get(key)
        if known is not None and known[1] is tensor.dtype:
            self.operations.append(_look(tensor, known[0], slot))
        elif tensor.is_meta:
            self.operations.append(_blank(tensor, slot))
        else:
            self._keep_constant(tensor, slot)
        self._remember(tensor, slot)
        return slot

    def _keep_constant(self, tensor: torch.Tensor, slot: int) -> None:
        self.spare -= tensor.numel() * tensor.element_size() if tensor.layout is torch.strided else 0
        if self.spare < 0:
            raise RecordingError(f"more than {MOST_CONSTANTS >> 20} MiB of numbers that were not computed in torch")
        self.constants.append([slot, tensor.detach().clone(), self._line()])

    def _out(self, item: Any) -> Any:
        """What an operation gave: the slot of a tensor, the number of a scalar that was read, or None."""
        if isinstance(item, torch.Tensor):
            mark = vars(item).get(MARK)
            written_in_place = mark is not None and mark.recorder is self
            return self._slot(item) if written_in_place else self._new(item)
        if isinstance(item, list | tuple):
            return ["[", *(self._out(each) for each in item)]
        if isinstance(item, float):
            self._read_count += 1
            if math.isfinite(item) and not item.is_integer():
                self._reads[item] = self._read_count - 1
            return ["r", self._read_count - 1]
        return None

    # Values ------------------------------------------------------------------------------------------------------

    def _packed(self, item: Any) -> Any:
        """A value as JSON: plain values as they are, others as a list that begins with a letter."""
        if item is None or isinstance(item, bool | int | str):
            return item
        if isinstance(item, torch.Tensor):
            return ["t", self._slot(item)]
        if isinstance(item, float):
            return (
                ["r", self._reads[item]] if item in self._reads else item if math.isfinite(item) else ["f", str(item)]
            )
        if isinstance(item, list | tuple):
            return ["[" if isinstance(item, list) else "(", *(self._packed(each) for each in item)]
        if isinstance(item, dict):
            return ["{", *([str(key), self._packed(each)] for key, each in item.items())]
        return self._packed_rare(item)

    def _packed_rare(self, item: Any) -> Any:
        if isinstance(item, complex):
            return ["c", item.real, item.imag]
        if isinstance(item, torch.dtype | torch.layout | torch.memory_format):
            kind = {torch.dtype: "d", torch.layout: "l", torch.memory_format: "m"}[type(item)]
            return [kind, str(item).removeprefix("torch.")]
        if isinstance(item, torch.device):
            return ["v", item.type]
        if isinstance(item, torch.Generator):
            return ["g"]
        if isinstance(item, np.ndarray | np.generic):
            return self._packed(torch.from_numpy(np.array(item)))
        raise RecordingError(f"an object of type {type(item).__name__} where torch's operations take plain values")

    def _line(self) -> int | None:
        """The submission's line that runs; 0 where the step itself draws numbers."""
        if self.draws:
            return 0
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self.path:
            frame = frame.f_back
        return None if frame is None else frame.f_lineno


def _hide_from_compilers() -> None:
    """Let torch.compile in a submission compile nothing of a recorder, in which it would stumble."""
    frames = torch._C._dynamo.eval_frame  # what torch._dynamo.disable sets, which takes an import of half a second
    skipped = frames._FrameExecStrategy(frames._FrameAction.SKIP, frames._FrameAction.SKIP)
    frames.set_code_exec_strategy(Recorder.__torch_dispatch__.__code__, skipped)


with suppress(AttributeError):  # not every version of torch has these names
    _hide_from_compilers()

CURRENT: list[Recorder] = []


@contextmanager
def drawing() -> Iterator[None]:
    """What comes from nowhere meanwhile is not the submission's."""
    for recorder in CURRENT:
        recorder.draws = True
    yield
    for recorder in CURRENT:
        recorder.draws = False


def goes_backward(cotangents: list[Any]) -> None:
    """Tell the recorder, if one is on."""
    for recorder in CURRENT:
        recorder.backward([item for item in cotangents if isinstance(item, torch.Tensor)])


@cache
def _is_composite(operation: Any) -> bool:
    """Whether an operation is made of others."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd"))


def _name(operation: Any) -> str:
    """`aten::mul.Tensor`; the default overload is not named."""
    schema = operation._schema
    return f"{schema.name}.{schema.overload_name}" if schema.overload_name else str(schema.name)


def _storage(tensor: torch.Tensor) -> Any:
    return tensor.untyped_storage() if tensor.layout is torch.strided and not tensor.is_meta else None


def shaped(name: str, args: Any) -> Any:
    """What the most frequent operations of networks give on the meta device, None for all others. Torch takes these
    apart in Python: a millisecond each, and an import of half a second before the first."""
    first = args[0] if args else None
    if not (isinstance(first, torch.Tensor) and first.is_meta and first.is_floating_point()):
        return None
    if name in ALIKE and all(_is_like(item, first) for item in args[1:]):
        return first if name in IN_PLACE else torch.empty_like(first)
    if name == "aten::native_batch_norm" and len(args) == 8:
        moments = first.new_empty(first.shape[1] if args[5] else 0)
        return torch.empty_like(first), moments, torch.empty_like(moments)
    if name == "aten::addmm" and [item.ndim for item in args] == [1, 2, 2]:
        _, rows, columns = args
        fits = rows.shape[1] == columns.shape[0] and first.shape[0] == columns.shape[1]
        return first.new_empty(rows.shape[0], columns.shape[1]) if fits else None
    if name == "aten::mean.dim" and first.ndim == 4 and args[1] in ([-1, -2], [2, 3]) and len(args) == 3:
        return first.new_empty([*first.shape[:2], 1, 1] if args[2] else first.shape[:2])
    return None


def _is_like(item: Any, first: torch.Tensor) -> bool:
    if not isinstance(item, torch.Tensor):
        return isinstance(item, int | float)
    kinds = ((each.shape, each.stride(), each.dtype, each.device) for each in (item, first))
    return len(set(kinds)) == 1


def _blank(tensor: torch.Tensor, slot: int) -> list[Any]:
    """The operation that would have made a tensor without numbers."""
    kind = {"dtype": ["d", str(tensor.dtype).removeprefix("torch.")], "device": ["v", "meta"]}
    return ["aten::empty.memory_format", [["[", *tensor.shape]], kind, [slot]]


def _look(tensor: torch.Tensor, known: int, slot: int) -> list[Any]:
    """The operation that would have made this tensor from another with the same storage. It is not counted."""
    place = [["t", known], ["[", *tensor.shape], ["[", *tensor.stride()], int(tensor.storage_offset())]
    return [LOOK, place, {}, [slot]]
