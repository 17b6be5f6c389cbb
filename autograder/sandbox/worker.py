"""The untrusted side: what a forked, confined process does with requests until it is killed.

It knows a reading and a writing descriptor, the submission's path, and whatever it was last sent; nothing else.
"""

import functools
import marshal
import os
import sys
import traceback
import types
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograder.sandbox import wire
from autograder.sandbox.absence import BUILTINS, REFUSED, AbsentError, make_absent
from autograder.sandbox.courtesy import Ground, welcome
from autograder.sandbox.names import own_builtins
from autograder.sandbox.onward import compile_source, run_on
from autograder.sandbox.parts import Parts, kept_code
from autograder.sandbox.recorder import RecordingError
from autograder.sandbox.request import Request
from autograder.sandbox.steps import ContractError, Submission, perform, seed

MAX_MESSAGE = 600
MAX_FAILED = 5  # statements of an import that are told of


@dataclass(frozen=True)
class Sources:
    """What the worker imports.

    Attributes:
        name: the deliverable's module name, as in `import conv`.
        path: the staged submission.
        helpers: the assignment's helpers, or None.
        own_builtins: whether it gets builtins of its own, so that some can be taken away for a while.
        parts: names of modules that lie beside the submission and are the student's, too.
    """

    name: str
    path: Path
    helpers: Path | None = None
    own_builtins: bool = False
    parts: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[Path, ...]:
        """The staged files of the student's, the deliverable first."""
        return self.path, *(self.path.with_name(f"{name}.py") for name in self.parts)

    @property
    def data(self) -> Path:
        """Where data lies that the assignment gives, if it does."""
        return self.path.parent / "data"


def load_module(name: str, path: Path, data: bytes | None = None) -> ModuleType:
    """Execute a source file, or `data` in its stead, as module `name`."""
    module = _registered(name, path)
    exec(_code(path) if data is None else compile_source(path, data), module.__dict__)
    return module


@functools.cache
def _code(path: Path) -> types.CodeType:
    return compile_source(path, path.read_bytes())


def _registered(name: str, path: Path) -> ModuleType:
    """An empty module that is known before it runs: dataclasses and inspect need that."""
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    return module


def load_submission(sources: Sources, text: str | None = None) -> Submission:
    """Import the helpers and as much of the submission as runs, or `text` in its stead. Its folder, in which the
    assignment's own modules lie too, comes last on the path, so that it shadows nothing. May be done again, for another
    check: then all is executed anew."""
    if (folder := str(sources.path.parent)) not in sys.path:
        sys.path.append(folder)
    seed(0)
    own = own_builtins(BUILTINS) if BUILTINS or sources.own_builtins else None
    parts = Parts(sources.path.parent, sources.parts, own)
    if sources.parts:
        parts.install()
    helpers = load_module("helpers", sources.helpers) if sources.helpers else None
    if text is not None:
        return Submission(load_module(sources.name, sources.path, text.encode()), helpers)
    module = _registered(sources.name, sources.path)
    if own is not None:
        vars(module)["__builtins__"] = own
    failed = run_on(sources.path, module, kept_code(sources.path))
    return Submission(module, helpers, tuple({id(error): error for error in (*parts.failed, *failed)}.values()))


def serve(reading: int, writing: int, sources: Sources, reply_bytes: int) -> None:
    """Import the submission, then answer one request after another. Every reply is a value or an error, both plain."""
    welcome()
    state: Submission | None = None
    born, path = Ground.found(), str(sources.path)
    ground = born
    while True:
        tree = read_frame(reading)
        if tree is None:
            return
        try:
            with (born if "import" in tree else ground).level():
                if "import" in tree:
                    state = load_submission(sources, tree["import"])
                    make_absent(tree.get("absent", ()))
                    ground = Ground.found()
                    failed = [describe(error, path, sources.parts) for error in state.failed[:MAX_FAILED]]
                    reply: dict[str, Any] = {"value": failed, "mutated": []}
                elif "probe" in tree:
                    reply = {"value": [path for path in tree["probe"] if readable(path)]}
                elif "compile" in tree:
                    file = sources.modules[tree["compile"]]
                    code = marshal.dumps(compile_source(file, file.read_bytes()))
                    reply = {"value": np.frombuffer(code, np.uint8)}
                else:
                    assert state is not None
                    reply = perform(state, Request.from_wire(tree))
                parts = wire.encode(reply, reply_bytes)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: none of them is ours to obey
            parts = wire.encode({"error": describe(error, path, sources.parts)})
        write_frame(writing, parts)


def readable(path: str) -> bool:
    """Whether this process could open a file or list a folder: what the grader asks before student code runs."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def describe(error: BaseException, path: str, parts: Collection[str] = ()) -> dict[str, Any]:
    """An exception as plain data: type, message, the deepest line in the submission's files, its function and the part
    that it is in, and the function that was called from outside of them."""
    if isinstance(error, ContractError | wire.WireError | RecordingError):
        kind = "RecordingError" if isinstance(error, RecordingError) else "ContractError"
        return {"type": kind, "message": str(error), "line": None, "function": None}
    line, function, called, part = None, None, None, None
    files = {path: None, **{str(Path(path).with_name(f"{name}.py")): name for name in parts}}
    if isinstance(error, SyntaxError) and error.filename in files:
        line, part = error.lineno, files[error.filename]
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
        if frames:
            line, function, called = frames[-1].lineno, frames[-1].name, frames[0].name
            part = files[frames[-1].filename]
    kind, message = type(error).__name__[:100], _text(error)
    if REFUSED and "TorchScript" in message:
        kind, message = AbsentError.__name__, REFUSED[-1]
    return {"type": kind, "message": message, "line": line, "function": function, "called": called, "part": part}


def _text(error: BaseException) -> str:
    try:
        return (error.msg if isinstance(error, SyntaxError) else str(error))[:MAX_MESSAGE]
    except BaseException:
        return "(its message could not be read)"


def read_frame(descriptor: int) -> Any:
    """The next frame's value, None at the end of the stream."""
    prefix = _read_exactly(descriptor, wire.PREFIX.size)
    if prefix is None:
        return None
    header_size, payload_size = wire.read_prefix(prefix)
    header, payload = _read_exactly(descriptor, header_size), _read_exactly(descriptor, payload_size)
    return None if header is None or payload is None else wire.decode(header, payload, sparse=True)


def _read_exactly(descriptor: int, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = os.readv(descriptor, [view])
        if count == 0:
            return None
        view = view[count:]
    return buffer


def write_frame(descriptor: int, parts: list[bytes | memoryview]) -> None:
    """All parts of a frame, whole."""
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]
