"""Parts of a submission: modules that its deliverable imports, found under their names by whoever asks. Runs in the
worker, and at home: imports nothing else of Deepgrade but its neighbours."""

import marshal
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from autograder.sandbox.onward import run_on


class Parts(MetaPathFinder, Loader):
    """Finds parts before anything else of that name, and imports as much of each as runs.

    Args:
        folder: where they are staged.
        names: of the modules.
        builtins: the submission's own, None where it has Python's.

    Attributes:
        failed: what the imports raised that went on all the same.
    """

    def __init__(self, folder: Path, names: Collection[str], builtins: Mapping[str, Any] | None) -> None:
        self.folder, self.names, self.builtins = folder, frozenset(names), builtins
        self.failed: list[BaseException] = []

    def install(self) -> None:
        """From now on, in place of those of an earlier submission."""
        sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if not isinstance(finder, Parts))]
        for name in self.names:
            sys.modules.pop(name, None)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Of a part only."""
        return spec_from_file_location(name, self.folder / f"{name}.py", loader=self) if name in self.names else None

    def create_module(self, spec: ModuleSpec) -> None:
        """As any other module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run it on, whatever of it fails."""
        path = self.folder / f"{module.__name__}.py"
        if self.builtins is not None:
            vars(module)["__builtins__"] = self.builtins
        self.failed += run_on(path, module, kept_code(path))


def code_of(path: Path) -> Path:
    """Where a staged module's code is kept, compiled by a worker in which nothing of it ran. Only workers ever load
    that."""
    return path.with_name(f"{path.name}.code")


def kept_code(path: Path) -> CodeType | None:
    """A module's code from its file, where there is one: compiling it takes a seventh of what a worker takes."""
    code = code_of(path)
    return marshal.loads(code.read_bytes()) if code.exists() else None
