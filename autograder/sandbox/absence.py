"""Forbidden means absent: what a task forbids is replaced, in the whole process, by something that refuses.

Kernels are replaced in torch's dispatcher, where every way of calling them ends: from any thread, under any guard, from
scripted code, from operations of a submission's own. Routines that are made of allowed operations (attention, the
recurrent modules of torch.ao) are replaced by name. Replaced kernels cannot be put back: the handles are leaked on
purpose, since a `Library` object could be undone. Python names: see `sandbox.names`. Runs in the worker, before a
submission is imported.
"""

import contextlib
import ctypes
import importlib
import pkgutil
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from types import BuiltinFunctionType, MethodDescriptorType, ModuleType
from typing import Any, NoReturn

import torch

from autograder.sandbox.names import is_builtin, take_names

# What each group forbids: parts of the names of operations.
GROUPS = {
    "convolution": ("conv", "_nnpack"),
    "pooling": ("max_pool", "avg_pool", "lp_pool", "fractional_max_pool"),
    "batch_norm": ("batch_norm", "instance_norm", "group_norm"),
    "layer_norm": ("layer_norm",),
    "recurrent": ("lstm", "gru", "rnn_tanh", "rnn_relu", "rnn_layer"),
    "attention": ("scaled_dot_product", "multi_head_attention", "transformer_encoder_layer", "flash_attention"),
}
TORCH = "torch"  # a group of its own: no operation at all, for tasks that are NumPy's
ATEN = "aten::"  # before a single operation
ROUTINES = {  # made of operations that are allowed: module, owner within it, name
    "attention": (
        ("torch.nn.functional", "", "multi_head_attention_forward"),
        ("torch.nn", "MultiheadAttention", "forward"),
        ("torch.nn", "TransformerEncoderLayer", "forward"),
        ("torch.nn", "TransformerDecoderLayer", "forward"),
    ),
}
MODULES = {  # too slow to import only to replace something in them
    "attention": ("torch.ao.nn.quantizable",),
    "recurrent": ("torch.ao.nn.quantizable", "torch.ao.nn.quantized.dynamic"),
}
SPACES = ("aten", "mkldnn", "mkl", "quantized", "prepacked", "onednn", "xnnpack", "mkldnn_prepacked", "sparse", "prims")
RECIPES = ("torch._decomp", "torch._refs")
BACKENDS = ("CPU", "MkldnnCPU", "QuantizedCPU", "SparseCPU", "SparseCsrCPU", "CUDA")
COMPOSITE = "CompositeImplicitAutograd"  # taken apart before it comes to a backend, where a mode is on
HARMLESS = ("convert", "aten::to.", "_convolution_mode_")  # "conv" is part of their names


REFUSED: list[str] = []  # what was called last: of scripted code's exceptions only the text is left
BUILTINS: list[str] = []  # that are absent from a submission


class AbsentError(RuntimeError):
    """Something was called that is absent here. The message is its name."""


@cache
def operations() -> dict[str, frozenset[str]]:
    """Names of all operations with their overloads, by namespace. Looked up once, before processes are forked."""
    found: dict[str, set[str]] = {space: set() for space in SPACES}
    for schema in torch._C._jit_get_all_schemas():
        space, _, name = schema.name.partition("::")
        if space in found:
            found[space].add(f"{name}.{schema.overload_name}" if schema.overload_name else name)
    return {space: frozenset(names) for space, names in found.items()}


def is_forbidden(operation: str, entries: Collection[str]) -> bool:
    """Whether an operation, such as `convolution_backward.default`, is one of those that these entries forbid."""
    bare = operation.rpartition("::")[2].partition(".")[0].strip("_")
    singles = filter(None, map(single, entries))
    if any(bare in (each, f"{each}_copy") or bare.startswith(f"{each}_backward") for each in singles):
        return True
    if any(part in operation for part in HARMLESS):
        return False
    return any(entry == TORCH or any(part in operation for part in GROUPS.get(entry, ())) for entry in entries)


@cache
def single(entry: str) -> str:
    """The one operation that an entry names, bare of underscores: `aten::bmm`, or a function of torch's that is nothing
    else, such as `torch.bmm`. Empty for groups and for all other Python names."""
    if entry.startswith(ATEN):
        return entry.removeprefix(ATEN).strip("_")
    if not entry.startswith(f"{TORCH}."):
        return ""
    found = pkgutil.resolve_name(entry)
    name = found.__name__ if isinstance(found, BuiltinFunctionType | MethodDescriptorType) else ""
    is_one = bool(name) and any(each.partition(".")[0] == name for each in operations()["aten"])
    return name.strip("_") if is_one else ""


def python_names(entries: Collection[str]) -> list[str]:
    """Those of the entries that are names in Python, and no operations."""
    return [entry for entry in entries if entry != TORCH and entry not in GROUPS and not single(entry)]


def make_absent(entries: Collection[str]) -> None:
    """Replace everything that these entries forbid, for the rest of this process's life; builtins are left to the
    submission's import."""
    names = python_names(entries)
    take_names([name for name in names if not is_builtin(name)])
    BUILTINS.extend(name for name in names if is_builtin(name))
    if groups := [entry for entry in entries if entry not in names]:
        _take_operations(groups)


def _take_operations(groups: Collection[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the first kernel that is replaced
        for space, names in operations().items():
            wanted = [name for name in names if is_forbidden(name, groups)]
            for backend in ("CPU",) if TORCH in groups else BACKENDS:
                _replace(space, backend, wanted, TORCH if TORCH in groups else "")
            if TORCH not in groups:
                _replace(space, COMPOSITE, [name for name in wanted if _is_composite(space, name)], "")
    if TORCH not in groups:
        _take_recipes(groups)
    for group in groups:
        for module, owner, name in ROUTINES.get(group, ()):
            place = importlib.import_module(module)
            setattr(getattr(place, owner) if owner else place, name, _refusal(f"{owner}.{name}".strip(".")))
        _take_out(MODULES.get(group, ()))


def _take_recipes(groups: Collection[str]) -> None:
    """Take what torch knows, in Python, of how these operations are made of others."""
    for module in [item for name, item in sys.modules.items() if name.startswith(RECIPES)]:
        for name in [name for name, item in vars(module).items() if callable(item) and is_forbidden(name, groups)]:
            setattr(module, name, _refusal(name.removesuffix("_impl")))
    for name in operations()["aten"]:
        if is_forbidden(name, groups):
            base, _, overload = name.partition(".")
            operation = getattr(getattr(torch.ops.aten, base), overload or "default")
            operation.py_kernels.update(dict.fromkeys(operation.py_kernels, _refusal(name)))


def _take_out(names: tuple[str, ...]) -> None:
    """Let nobody import these modules, and put refusals into those that torch has imported itself."""
    sys.meta_path.insert(0, _NoModule(names))
    for loaded in [name for name in sys.modules if name.startswith(names)] if names else ():
        for owner in [item for item in vars(sys.modules[loaded]).values() if isinstance(item, type)]:
            if issubclass(owner, torch.nn.Module) and owner.__module__.startswith(names):
                owner.forward = _refusal(f"{loaded}.{owner.__name__}")


class _NoModule(MetaPathFinder):
    """Lets nobody import these modules, or what is in them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if any(name == each or name.startswith(f"{each}.") for each in self.names):
            raise AbsentError(name)


def _replace(space: str, backend: str, names: Collection[str], told: str) -> None:
    """Put a refusal in the place of each of a backend's kernels, called `told` or by the operation's own name."""
    if not names:
        return
    library = torch._C._dispatch_library("IMPL", space, backend, __name__, 1)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    for name in names:
        with contextlib.suppress(RuntimeError):  # an operation of which this backend knows nothing
            library.impl(name, backend, _refusal(told or name), False)  # type: ignore[call-arg]


def _is_composite(space: str, name: str) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(f"{space}::{name}", COMPOSITE))


def _refusal(name: str) -> Callable[..., NoReturn]:
    name = name.removesuffix(".default")

    def refuse(*_: Any, **__: Any) -> NoReturn:
        REFUSED[:] = [name]
        raise AbsentError(name)

    return refuse
