"""What a task may forbid: groups of operations, single ones of torch's (`aten::einsum`), and Python names (`eval`,
`numpy.convolve`, `scipy.signal`). How it is enforced: `sandbox.absence`."""

import builtins
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Collection
from types import ModuleType
from typing import Any

from autograder.errors import did_you_mean

FORBIDDEN = ("convolution", "pooling", "batch_norm", "layer_norm", "recurrent", "attention", "torch")  # groups
ATEN = "aten::"
ALIASES = {"np": "numpy", "nn": "torch.nn", "F": "torch.nn.functional"}  # of the field's own
BUILTINS = frozenset(name for name, item in vars(builtins).items() if callable(item) and not name.startswith("_"))
KINDS = (
    f"there are the groups {', '.join(FORBIDDEN)}; single operations such as 'aten::einsum'; and Python names such as "
    "'eval', 'numpy.convolve' or 'scipy.signal'"
)
HEAP, IMMUTABLE = 1 << 9, 1 << 8  # flags of types: whether attributes can be set


def spelled_out(entry: str) -> str:
    """An entry with the field's short names (`np`, `nn`, `F`) written out."""
    first, dot, rest = entry.partition(".")
    return f"{ALIASES.get(first, first)}{dot}{rest}" if dot else entry


def misspelt(entry: str) -> str:
    """What is wrong with an entry by its spelling alone; empty where nothing is."""
    if entry in FORBIDDEN or entry in BUILTINS or re.fullmatch(r"aten::[a-z_]\w*", entry):
        return ""
    if entry.startswith(ATEN):
        return f"{entry!r} is no operation: write its name without an overload, such as 'aten::einsum'"
    if "." in entry and all(part.isidentifier() for part in entry.split(".")):
        return ""
    if entry.isidentifier() and entry in sys.stdlib_module_names:
        return ""
    near = did_you_mean(entry, FORBIDDEN) or did_you_mean(entry, BUILTINS)
    return f"there is no group {entry!r}{near}; {KINDS}"


def unknown(entry: str) -> str:
    """What is wrong with a well spelt entry, found by importing what it names; empty where nothing is."""
    if entry in FORBIDDEN or entry in BUILTINS:
        return ""
    if entry.startswith(ATEN):
        known = _operations()
        bare = entry.removeprefix(ATEN).strip("_")
        return "" if bare in known else f"torch has no operation {entry!r}{_near(bare, known, ATEN)}"
    if _is_module(entry):
        return ""
    owner, name, missing = _followed(entry)
    if missing:
        return _missing(entry, owner, name, missing)
    found = pkgutil.resolve_name(entry)
    if not (callable(found) or isinstance(found, ModuleType)):
        return f"{entry!r} cannot be forbidden: it is a {type(found).__name__}, and only what is called or imported can"
    if isinstance(owner, type) and not (owner.__flags__ & HEAP and not owner.__flags__ & IMMUTABLE):
        return f"{entry!r} cannot be forbidden: methods of {name}, which is not written in Python, cannot be replaced"
    return ""


def _is_module(entry: str) -> bool:
    """Whether it is one, found without running it: `scipy.signal` alone takes a second, in every grading."""
    try:
        return importlib.util.find_spec(entry) is not None
    except (ImportError, ValueError):  # a part of what is no package; `__main__`
        return False


def _followed(entry: str) -> tuple[Any, str, str]:
    """The owner of the last part, or of the first that is missing; the owner's name; and that missing part, or nothing.
    The owner of what stands first is None."""
    owner: Any = None
    found: Any = None
    name = ""
    for part in entry.split("."):
        owner, longer = found, f"{name}.{part}".lstrip(".")
        try:
            found = pkgutil.resolve_name(longer)
        except (ImportError, AttributeError):
            return owner, name, part
        name = longer
    return owner, name.rpartition(".")[0], ""


def _missing(entry: str, owner: Any, name: str, part: str) -> str:
    if owner is None:
        known = [*sys.stdlib_module_names, *ALIASES, "numpy", "scipy", "torch", "matplotlib"]
        return f"there is no module {part!r} here, of which {entry!r} is to be a part{did_you_mean(part, known)}"
    below = [each.name for each in pkgutil.iter_modules(getattr(owner, "__path__", []))]
    known = [each for each in (*dir(owner), *below) if not each.startswith("_")]
    return f"{name} has no {part!r}{_near(part, known, f'{name}.')}"


def _near(word: str, known: Collection[str], prefix: str) -> str:
    near = did_you_mean(word, known)
    return near.replace("'", f"'{prefix}", 1)


def _operations() -> frozenset[str]:
    """Operations of torch's dispatcher, without overloads and the underscores of their variants."""
    names: list[str] = importlib.import_module("torch")._C._dispatch_get_all_op_names()
    return frozenset(name.partition("::")[2].partition(".")[0].strip("_") for name in names if name.startswith(ATEN))
