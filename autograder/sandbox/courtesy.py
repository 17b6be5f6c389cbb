"""What honest code may count on in a worker, whatever it expects of its author's machine or has switched for all.

Before the import: streams that take any text, a name for the user, `get_ipython` (a notebook saved as a .py calls it),
a picture instead of a window, and code as it is instead of compiled. Around each request: the switches of NumPy, torch
and `warnings` as a fresh Python has them, since the grader's own steps run under them too; folder and default dtype as
the import left them. Runs in the worker: imports nothing else of Deepgrade.
"""

import builtins
import importlib
import os
import sys
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import torch

WINDOWS = ("gtk3", "gtk4", "macosx", "nbagg", "qt", "qt5", "qt6", "tk", "webagg", "wx")  # that matplotlib can draw in
FRESH = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def welcome() -> None:
    """Prepare this process for a submission."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):  # the old ones take the pipe for a file
        setattr(sys, name, open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
    os.environ.update(USER="student", LOGNAME="student", PYTHONBREAKPOINT="0")  # nobody answers a debugger
    stand_in_for_ipython()
    sys.meta_path.insert(0, _NoWindow())


def without_compiler() -> None:
    """Let `torch.compile` give back what it is given: where no process may be started there is no compiler, and loading
    all that would call one takes each worker seconds."""

    def as_it_is(model: Any = None, **_: Any) -> Any:
        return (lambda given: given) if model is None else model

    torch.compile = as_it_is


def stand_in_for_ipython() -> None:
    """Let what a notebook was exported to call `get_ipython`."""
    vars(builtins).setdefault("get_ipython", _NoNotebook)


class _NoNotebook:
    """Stands for IPython: `get_ipython().run_line_magic("matplotlib", "inline")` does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class _NoWindow(MetaPathFinder, Loader):
    """Gives matplotlib's drawing without a screen, whichever kind of window a submission asks for."""

    NAMES = frozenset(f"matplotlib.backends.backend_{kind}{end}" for kind in WINDOWS for end in ("", "agg"))

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in self.NAMES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        made = ModuleType(spec.name)
        vars(made).update(vars(importlib.import_module("matplotlib.backends.backend_agg")))
        return made

    def exec_module(self, module: ModuleType) -> None:
        """It is complete already."""


def _unswitch() -> None:
    """Turn off what slows down or rounds, and was left on: a race is not the place to look for errors."""
    tracemalloc.stop()
    torch.autograd.set_detect_anomaly(False)
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
    with suppress(RuntimeError):  # it was set by the newer of two interfaces that do not mix
        if torch.get_float32_matmul_precision() != "highest":
            torch.set_float32_matmul_precision("highest")


@dataclass(frozen=True)
class Ground:
    """What every request starts from: the state that the import left."""

    folder: str
    dtype: torch.dtype

    @classmethod
    def found(cls) -> "Ground":
        """As it is now."""
        try:
            return cls(os.getcwd(), torch.get_default_dtype())
        except OSError:  # it may have removed its folder
            return cls("/", torch.get_default_dtype())

    @contextmanager
    def level(self) -> Iterator[None]:
        """For one request."""
        with suppress(OSError):  # it may have removed that one too
            os.chdir(self.folder)
        torch.set_default_dtype(self.dtype)
        _unswitch()
        with warnings.catch_warnings(), np.errstate(**FRESH), torch.inference_mode(False), torch.enable_grad():  # type: ignore[arg-type]
            warnings.simplefilter("ignore")
            yield
