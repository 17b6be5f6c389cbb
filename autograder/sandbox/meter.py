"""What a call cost and which operations it used, as torch's dispatcher saw it: forward, backward, in every thread.

Counts are the same on any machine, which no clock is. Watched at two levels, because some library calls decompose
before they reach the dispatcher (a fused LSTM cell becomes two products): names at the torch-function level,
operations at dispatch. Runs in the worker: imports nothing of Deepgrade.
"""

import _thread
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils import _python_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autograder.sandbox.tracing import Steps

# What each group forbids: parts of operation names (aten) and of function names (torch, torch.nn.functional).
GROUPS = {
    "convolution": ("convolution", "conv1d", "conv2d", "conv3d", "conv_transpose", "conv_tbc", "conv_depthwise"),
    "pooling": ("max_pool", "avg_pool", "lp_pool", "fractional_max_pool"),
    "batch_norm": ("batch_norm", "instance_norm", "group_norm"),
    "layer_norm": ("layer_norm",),
    "recurrent": ("lstm", "gru", "rnn_tanh", "rnn_relu", "rnn_layer"),
    "attention": ("scaled_dot_product", "multi_head_attention", "transformer_encoder_layer", "flash_attention"),
}
MATRIX_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "matmul", "dot", "mv", "addmv", "_sparse_mm", "_sparse_addmm")
ANY = "torch"  # a group of its own: no torch at all, for tasks that are NumPy's


class Meter:
    """Counts while it is entered. One a request.

    Args:
        path: of the submission, to say which of its lines used an operation.
        forbidden: groups of `GROUPS`, or `ANY`.
        counts: whether operations are counted; without, names are watched only, which costs next to nothing.
        traces: for NumPy: lines and calls in the submission's file are counted, and memory is what Python allocates.
    """

    def __init__(self, path: str, forbidden: tuple[str, ...] = (), counts: bool = True, traces: bool = False) -> None:
        self.path = path
        self.forbidden = forbidden
        self.traces = traces
        self.steps = count()
        self.modes: tuple[Any, ...] = (_Functions, _Dispatch) if counts else (_Functions,)
        self.operations = 0
        self.products = 0
        self.flops = 0
        self.largest = 0
        self.written = 0
        self.live = 0
        self.peak = 0
        self.found: dict[str, int | None] = {}
        self.tampered = False
        self._tracer = Steps(self)
        self._stack: list[Any] = []
        self._storages: dict[int, Any] = {}

    def __enter__(self) -> "Meter":
        self._stack = [mode(self) for mode in self.modes]
        for mode in self._stack:
            mode.__enter__()
        CURRENT.append(self)
        if self.traces:
            tracemalloc.start()
            self._tracer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        CURRENT.remove(self)
        if self.traces:
            self._tracer.__exit__(*error)
            self.tampered |= not tracemalloc.is_tracing()
            self.peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        self.tampered |= self._stack[-1] not in (
            *_python_dispatch._get_current_dispatch_mode_stack(),
            *_get_current_function_mode_stack(),  # type: ignore[no-untyped-call]
        )
        for mode in reversed(self._stack):
            mode.__exit__(None, None, None)

    def report(self) -> dict[str, Any]:
        """Figures and findings, plain."""
        figures = {"steps": next(self.steps), "peak": self.peak} if self.traces else self._counts()
        found = [[name, line] for name, line in self.found.items()]
        return {"figures": figures, "forbidden": found[:10], "tampered": self.tampered}

    def _counts(self) -> dict[str, int]:
        return {
            "operations": self.operations,
            "products": self.products,
            "flops": self.flops,
            "largest": self.largest,
            "written": self.written,
            "peak": self.peak,
        }

    def see_name(self, name: str) -> None:
        """A torch function or an operation is about to run."""
        for group in self.forbidden:
            if group == ANY or any(part in name for part in GROUPS[group]):
                self.found.setdefault(name, self._line())

    def see_operation(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """An operation has run. What it was given counts as its result does: an array made elsewhere is no less
        large."""
        name = operation.overloadpacket.__name__
        self.operations += 1
        self.products += name in MATRIX_PRODUCTS
        self.flops += _flops(name, args, result)
        given, made = list(_parts((args, kwargs))), list(_parts(result))
        for part in (*given, *made):
            self.largest = max(self.largest, _entries(part))
            self._keep(part.untyped_storage())
        held = {part.untyped_storage()._cdata for part in given}
        fresh = (part for part in made if operation._schema.is_mutable or part.untyped_storage()._cdata not in held)
        self.written += sum(_entries(part) for part in fresh)

    def _keep(self, storage: torch.UntypedStorage) -> None:
        """Count a storage as live until it is freed."""
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return
        self.live += size
        self.peak = max(self.peak, self.live)

        def freed(_: Any) -> None:
            self.live -= size
            self._storages.pop(key, None)

        self._storages[key] = weakref.ref(storage, freed)

    def _line(self) -> int | None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self.path:
            frame = frame.f_back
        return None if frame is None else frame.f_lineno


class _Functions(TorchFunctionMode):
    """Names as the student's code calls them."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.meter.see_name(_name(func))
        return func(*args, **(kwargs or {}))


class _Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Operations as the dispatcher runs them."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.meter = meter

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch, which would else import torch._dynamo at the first operation: half a second a worker."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.meter.see_name(func.overloadpacket.__name__)
        result = func(*args, **(kwargs or {}))
        self.meter.see_operation(func, args, kwargs or {}, result)
        return result


CURRENT: list[Meter] = []


def _name(function: Any) -> str:
    """`torch.nn.functional.conv2d`. torch.overrides.resolve_name would do, but its first call takes a second."""
    module = str(getattr(function, "__module__", None) or "torch")
    return f"{module}.{getattr(function, '__name__', '')}"


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
        if not isinstance(tensor, torch.Tensor) or tensor.is_meta:
            continue
        if tensor.layout is torch.strided:
            yield tensor
        for name in INDICES.get(tensor.layout, ()):
            yield getattr(tensor, name)()


def _entries(part: torch.Tensor) -> int:
    """Entries in memory: what a view repeats (`expand`, windows by `as_strided`) is there once."""
    return min(part.numel(), part.untyped_storage().nbytes() // part.itemsize)


def _flops(name: str, args: tuple[Any, ...], result: Any) -> int:
    """Multiply-adds of a matrix product, two operations each; torch's own counter would take a second to import."""
    if name not in MATRIX_PRODUCTS or not isinstance(result, torch.Tensor):
        return 0
    matrices = [item for item in args if isinstance(item, torch.Tensor)]
    left = matrices[1] if name.startswith(("add", "badd", "_sparse_add")) else matrices[0]
    return 2 * result.numel() * (left.shape[-1] if left.ndim else 1)


def guard() -> None:
    """Before student code is imported: new threads are metered too, and switching the modes off is noticed."""
    start = _thread.start_new_thread

    def metered(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> int:
        meters = list(CURRENT)

        def inside(*inner: Any, **named: Any) -> Any:
            with ExitStack() as stack:  # left again in order: a thread that ends in a mode frees it without the lock
                for meter in meters:
                    for mode in meter.modes:
                        stack.enter_context(mode(meter))
                    if meter.traces:
                        stack.enter_context(Steps(meter))
                return function(*inner, **named)

        return start(inside, args, kwargs or {})

    _thread.start_new_thread = _thread.start_new = metered
    threading._start_new_thread = metered  # type: ignore[attr-defined]
    for owner, name in (
        (_python_dispatch, "_disable_current_modes"),
        (_python_dispatch, "_pop_mode"),
        (torch._C, "_pop_torch_dispatch_stack"),
    ):
        _notice(owner, name)
    for owner, name in ((sys, "settrace"), (threading, "settrace"), (tracemalloc, "stop"), (tracemalloc, "reset_peak")):
        _notice(owner, name, tracing=True)


def _notice(owner: Any, name: str, tracing: bool = False) -> None:
    """Calls of this function from a submission's own lines mark the running meter as tampered with; of what traces
    with, all calls while it does."""
    original = getattr(owner, name)

    def noticed(*args: Any, **kwargs: Any) -> Any:
        for meter in CURRENT:
            own = sys._getframe(1).f_code.co_filename == meter.path
            meter.tampered |= meter.traces if tracing else own
        return original(*args, **kwargs)

    setattr(owner, name, noticed)
