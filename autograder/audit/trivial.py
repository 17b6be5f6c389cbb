"""Answers that deserve nothing: a task's functions made to return zeros, return their input, or raise. For the audit.

Each is the reference with a few lines after it, so that only the task in question is worthless.
"""

from autograder.assignment import Task

KINDS = ("zeros", "input", "raises")

PREAMBLE = """

import functools as _functools
import inspect as _inspect


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _zeroed(value):
    if _is_array(value):
        return value * 0 if getattr(value.dtype, "kind", "") != "b" else value & False
    if isinstance(value, dict):
        return {key: _zeroed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_zeroed(item) for item in value)
    return 0 * value if isinstance(value, (int, float, str)) else value  # zero times a text is the empty text


def _first(args, value):
    arrays = [item for item in args if _is_array(item)] or list(args)
    given = arrays[0] if arrays else None
    return type(value)([given, *value[1:]]) if type(value) in (list, tuple) and value else given


def _worthless(function, kind):
    @_functools.wraps(function)
    def changed(*args, **kwargs):
        if kind == "raises":
            raise RuntimeError("worthless")
        given = args[1:] if args and hasattr(args[0], "_parameters") else args
        value = function(*args, **kwargs)
        if hasattr(value, "_parameters"):  # a network, which is worth nothing without its layers
            value.forward = _layerless(value.forward) if kind == "zeros" else _worthless(value.forward, kind)
            return value
        if callable(value):  # a function made by the function
            return _worthless(value, kind)
        return _zeroed(value) if kind == "zeros" else _first(given, value)
    return changed


def _layerless(forward):
    return lambda *args: (lambda value: value.new_zeros(value.shape))(forward(*args))


def _spoil(name, kind):
    found = globals()[name]
    if not _inspect.isclass(found):
        globals()[name] = _worthless(found, kind)
    elif hasattr(found, "apply") and hasattr(found, "backward"):
        found.forward = staticmethod(_worthless(found.forward, kind))
    else:
        methods = [key for key, item in vars(found).items() if _inspect.isfunction(item) and not key.startswith("_")]
        for key in methods:
            setattr(found, key, _worthless(getattr(found, key), kind))


"""


def worthless_source(reference: str, task: Task, kind: str) -> str:
    """The reference's source with the task's functions and classes spoilt in one of the ways of `KINDS`."""
    spoilt = "\n".join(f"_spoil({name!r}, {kind!r})" for name in task.functions)
    return f"{reference}{PREAMBLE}{spoilt}\n"
