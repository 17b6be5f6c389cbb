"""A recording run again, on other inputs: what it gives, and what it costs as counted here.

Counts are the same on any machine, which no clock is. They are taken from what is executed, so there is nothing to
believe: who says less has computed less.
"""

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from autograder.proof.places import refuse_wild_indices, refuse_wild_places
from autograder.proof.recording import DEVICE, GENERATOR, Read, Recording, RecordingRefused, Slot, Step, slots_in
from autograder.sandbox.recorder import LOOK

MATRIX_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "matmul", "dot", "mv", "addmv", "_sparse_mm", "_sparse_addmm")
UNWRITTEN = ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided")
SEED = 0
FIGURES = ("operations", "products", "flops", "largest", "written", "peak", "kept")


@dataclass
class Replay:
    """A recording, ready to be run as often as wanted. It is a function of its inputs: draws repeat, and what nothing
    wrote is zero, so that one run is as right, and as much work, as another.

    Args:
        recording: what is run.
        device: where.
    """

    recording: Recording
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.last = self._last_uses()
        self.generator = torch.Generator(self.device)

    def run(self, inputs: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor], counter: "Counter | None") -> Any:
        """The results' tree.

        Args:
            inputs: one a recorded input, in order; they are not written into.
            cotangents: one a recorded cotangent.
            counter: counts, if there is one.

        Raises:
            RecordingRefused: an operation fails, or there are not as many inputs.
        """
        environment = self._begin(inputs, cotangents)
        self.generator.manual_seed(SEED)
        (torch.cuda if self.device.type == "cuda" else torch.default_generator).manual_seed(SEED)
        reads: list[Any] = []
        if counter is not None:
            counter.begin(environment.values())
        with torch.no_grad():
            for index, step in enumerate(self.recording.steps):
                if counter is not None and index == self.recording.backward:
                    counter.turn_back()
                self._do(step, environment, reads, counter)
                for slot in self.last.get(index, ()):
                    environment.pop(slot, None)
            return self._filled(self.recording.results, environment, reads)

    def _begin(self, inputs: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
        recording = self.recording
        if len(inputs) != len(recording.inputs) or len(cotangents) < len(recording.cotangents):
            raise RecordingRefused("has another number of inputs than the call")
        given = {**dict(zip(recording.inputs, inputs, strict=True)), **dict(zip(recording.cotangents, cotangents))}  # noqa: B905
        given |= recording.constants
        return {slot: tensor.to(self.device).clone() for slot, tensor in given.items()}

    def _do(self, step: Step, environment: dict[int, Any], reads: list[Any], counter: "Counter | None") -> None:
        args = [self._filled(item, environment, reads) for item in step.args]
        kwargs = {key: self._filled(item, environment, reads) for key, item in step.kwargs.items()}
        refuse_wild_places(step.base, args, kwargs)
        try:
            result = step.function(*args, **kwargs)
            if step.base in UNWRITTEN:
                result.zero_()
        except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError) as error:
            told = str(error).partition("\n")[0][:200]
            raise RecordingRefused(f"fails in {step.name.removeprefix('aten::')}: {told}") from error
        self._keep(step.outs, result, environment, reads)
        if counter is not None and step.name != LOOK:
            refuse_wild_indices(result)
            counter.see(step, args, kwargs, result)

    def _keep(self, outs: tuple[Any, ...], result: Any, environment: dict[int, Any], reads: list[Any]) -> None:
        given = result if isinstance(result, tuple | list) else (result,)
        for out, item in zip(outs, given, strict=False):
            if isinstance(out, Slot):
                environment[out.number] = item
            elif isinstance(out, Read):
                reads.append(item)
            elif isinstance(out, tuple):
                self._keep(out, item, environment, reads)

    def _filled(self, item: Any, environment: dict[int, Any], reads: list[Any]) -> Any:
        kind = type(item)
        if kind is Slot:
            try:
                return environment[item.number]
            except KeyError:
                raise RecordingRefused("uses a tensor that was not made") from None
        if kind is list or kind is tuple:
            return kind(self._filled(each, environment, reads) for each in item)
        if kind is dict:
            return {key: self._filled(each, environment, reads) for key, each in item.items()}
        if kind is Read:
            return reads[item.number]
        if item is DEVICE:
            return self.device
        return self.generator if item is GENERATOR else item

    def _last_uses(self) -> dict[int, list[int]]:
        """Slots that are let go after each step: what is no longer needed is no longer there."""
        last: dict[int, int] = {}
        for index, step in enumerate(self.recording.steps):
            last.update(dict.fromkeys(step.used, index))
            last.update(dict.fromkeys(slots_in(step.outs), index))
        kept = set(slots_in(self.recording.results))
        ends: dict[int, list[int]] = {}
        for slot, index in last.items():
            if slot not in kept:
                ends.setdefault(index, []).append(slot)
        return ends


class Counter:
    """What one run cost.

    `operations`, matrix `products`, floating-point operations of these (`flops`), entries of the `largest` tensor,
    entries `written` by all operations, bytes that were alive at the `peak`, and bytes that were `kept` when it went
    backward.
    """

    def __init__(self) -> None:
        self.figures = dict.fromkeys(FIGURES, 0)
        self._live = 0
        self._storages: dict[int, Any] = {}

    def begin(self, given: Any) -> None:
        """What there is before the first operation is as large as if it had been made."""
        for part in _parts(list(given)):
            self._enter(part)

    def turn_back(self) -> None:
        """From here on it goes backward."""
        self.figures["kept"] = self._live

    def see(self, step: Step, args: list[Any], kwargs: dict[str, Any], result: Any) -> None:
        """An operation has run."""
        name = step.base
        self.figures["operations"] += 1
        self.figures["products"] += name in MATRIX_PRODUCTS
        self.figures["flops"] += _flops(name, args, result)
        given, made = list(_parts((args, kwargs))), list(_parts(result))
        for part in (*given, *made):
            self._enter(part)
        held = {part.untyped_storage()._cdata for part in given}
        mutates = step.function._schema.is_mutable
        fresh = (part for part in made if mutates or part.untyped_storage()._cdata not in held)
        self.figures["written"] += sum(_entries(part) for part in fresh)

    def _enter(self, part: torch.Tensor) -> None:
        """Count a storage as alive until it is freed."""
        self.figures["largest"] = max(self.figures["largest"], _entries(part))
        if part.is_meta:
            return
        storage = part.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return
        self._live += size
        self.figures["peak"] = max(self.figures["peak"], self._live)

        def freed(_: Any) -> None:
            self._live -= size
            self._storages.pop(key, None)

        self._storages[key] = weakref.ref(storage, freed)


INDICES = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


def _parts(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors that hold the entries of all tensors in a tree: of a sparse one its indices and stored values."""
    for tensor in tree_leaves(tree):
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.layout is torch.strided:
            yield tensor
        for name in INDICES.get(tensor.layout, ()):
            yield getattr(tensor, name)()


def _entries(part: torch.Tensor) -> int:
    """Entries in memory: what a view repeats (`expand`, windows by `as_strided`) is there once."""
    return min(part.numel(), part.untyped_storage().nbytes() // part.itemsize)


def _flops(name: str, args: list[Any], result: Any) -> int:
    """Multiply-adds of a matrix product, two operations each."""
    if name not in MATRIX_PRODUCTS or not isinstance(result, torch.Tensor):
        return 0
    matrices = [item for item in args if isinstance(item, torch.Tensor)]
    left = matrices[1] if name.startswith(("add", "badd", "_sparse_add")) else matrices[0]
    return 2 * result.numel() * (left.shape[-1] if left.ndim else 1)
