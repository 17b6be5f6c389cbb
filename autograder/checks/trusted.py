"""Trusted source, executed as modules of this process: references, known mistakes, helpers.

A reference with parts is several modules that import each other. Each copy of it (a mistake's is one) has its own,
found by its own imports and by nobody else's: what `layers` is depends on who asks.
"""

import builtins
import linecache
import sys
import types
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from autograder.assignment import Assignment, reference_texts


def module_from_source(name: str, source: str, filename: str) -> ModuleType:
    """Execute trusted source as a module, registered so that inspect and dataclasses find it."""
    return _executed(_empty(name, filename), source)


def reference_module(name: str, assignment: Assignment, texts: Mapping[str, str] | None = None) -> ModuleType:
    """Execute an assignment's reference, with its parts where it has some.

    Args:
        name: that the module gets.
        assignment: whose.
        texts: the source by module, the deliverable's first, where it is not the reference as it is.
    """
    known, own = texts or reference_texts(assignment), f"<{assignment.name}: {name}>"
    files = {each: str(path) if texts is None else f"{own}/{each}.py" for each, path in assignment.solutions.items()}
    main, *parts = known
    module = _empty(name, files[main])
    if parts:
        vars(module)["__builtins__"] = _importing(module, known, files)
    return _executed(module, known[main])


def _importing(main: ModuleType, texts: Mapping[str, str], files: Mapping[str, str]) -> dict[str, Any]:
    """Builtins of a program's own, in whose imports its modules come first; a part runs when it is first asked for."""
    first, *_ = texts
    loaded, own = {first: main}, dict(vars(builtins))

    def find(name: str, *rest: Any, **more: Any) -> ModuleType:
        if name not in texts:
            return builtins.__import__(name, *rest, **more)
        if name not in loaded:
            loaded[name] = _empty(f"{main.__name__}.{name}", files[name])
            vars(loaded[name])["__builtins__"] = own
            _executed(loaded[name], texts[name])
        return loaded[name]

    own["__import__"] = find
    return own


def _empty(name: str, filename: str) -> ModuleType:
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    return module


def _executed(module: ModuleType, source: str) -> ModuleType:
    filename = str(module.__file__)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module
