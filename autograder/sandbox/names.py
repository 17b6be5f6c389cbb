"""Python names that a task forbids, replaced by something that refuses: functions, classes, whole modules, builtins.

A fence and no wall. A function is taken out of every module of its package, so that what the package makes of it
refuses, too; what is kept elsewhere (in C, in a closure, by another package) stays. Where it must be sure, the
operation of torch is to be named. Runs in the worker, and at home: imports nothing else of Deepgrade.
"""

import builtins
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

OURS = f"{__name__.partition('.')[0]}."
NOTHING = object()


class AbsentNameError(RuntimeError):
    """A Python name was used that is absent here. The message is the name."""


class AbsentModule(ModuleType):
    """Stands for a forbidden module: it can be imported, since other tasks may need it, and not be used."""

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # who asks for these asks what kind of object it is
        raise AbsentNameError(self.__name__)


def own_builtins(absent: Collection[str]) -> dict[str, Any]:
    """Builtins of a submission's own, so that what is absent there is there for everybody else."""
    return vars(builtins) | {name: refusing(name) for name in absent}


def is_builtin(name: str) -> bool:
    """Whether a forbidden name is one of Python's own."""
    return "." not in name and hasattr(builtins, name)


def take_names(names: Collection[str]) -> None:
    """Replace these names, which are no builtins, for the rest of this process's life."""
    for name in names:
        for owner, key, refusal in _replacements(name):
            _put(owner, key, refusal)


@contextmanager
def without_names(names: Collection[str], *modules: ModuleType) -> Iterator[None]:
    """Replace these names for a while; builtins where a submission, whose `modules` share them, looks them up."""
    before: list[tuple[Any, str, Any]] = []
    own = vars(modules[0]).get("__builtins__")
    try:
        for name in names:
            found = [(own, name, refusing(name))] if is_builtin(name) else list(_replacements(name, *modules))
            for owner, key, refusal in found:
                before.append((owner, key, _held(owner).get(key, NOTHING)))
                _put(owner, key, refusal)
        yield
    finally:
        for owner, key, item in reversed(before):
            _put(owner, key, item)


def refusing(name: str, original: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """What a name is replaced by; the worker's own code goes on having the original."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if original is not None and str(sys._getframe(1).f_globals.get("__name__")).startswith(OURS):
            return original(*args, **kwargs)
        raise AbsentNameError(name)

    return refuse


def _replacements(name: str, *users: ModuleType) -> Iterator[tuple[Any, str, Any]]:
    """Owner, attribute and what is to be there, for each place from which a name is reached; a module goes on being
    used by what has it already, except by `users`."""
    above, _, last = name.rpartition(".")
    found, owner = pkgutil.resolve_name(name), pkgutil.resolve_name(above) if above else None
    if isinstance(found, ModuleType):
        stub = AbsentModule(name)
        stub.__path__ = []
        yield sys.modules, name, stub
        yield from [(owner, last, stub)] if owner is not None else []
        yield from _aliases(found, stub, users)
    elif isinstance(found, type) and _is_open(found):
        yield found, "__init__", refusing(name, found.__init__)  # type: ignore[misc]
    elif isinstance(owner, type):
        yield owner, last, refusing(name, found)
    else:
        package = name.partition(".")[0]
        modules = [module for key, module in sys.modules.items() if key.partition(".")[0] == package]
        yield from _aliases(found, refusing(name, found), [*modules, *users])


def _aliases(found: Any, refusal: Any, modules: Collection[ModuleType]) -> Iterator[tuple[Any, str, Any]]:
    """Every attribute of these modules that is this very object."""
    for module in modules:
        if isinstance(module, ModuleType):
            for key in [key for key, item in list(vars(module).items()) if item is found]:
                yield module, key, refusal


def _is_open(kind: type) -> bool:
    """Whether attributes of a class can be set, as of those that are written in Python."""
    try:
        kind.__init__ = kind.__init__  # type: ignore[misc]
    except TypeError:
        return False
    return True


def _held(owner: Any) -> Any:
    return owner if isinstance(owner, dict) else vars(owner)


def _put(owner: Any, key: str, item: Any) -> None:
    if isinstance(owner, dict | ModuleType):
        held = _held(owner)
        held.pop(key) if item is NOTHING else held.update({key: item})
    elif item is NOTHING:
        delattr(owner, key)
    else:
        setattr(owner, key, item)
