"""Where a request runs: the student's module in a worker, or a module of our own in this process. Both give the same
answers."""

import linecache
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from autograder.assignment import ANSWERS, FORMULAS, Formula, package_modules, package_name, plain
from autograder.checks.failure import CheckFailed, Raised
from autograder.checks.slips import slip
from autograder.sandbox import wire
from autograder.sandbox.absence import TORCH
from autograder.sandbox.limits import WorkerLost
from autograder.sandbox.request import Request
from autograder.sandbox.steps import Submission, perform
from autograder.sandbox.worker import describe
from autograder.submission import LEFT_OUT, left_out, where

T = TypeVar("T")
CHECK_CALLS = 6  # a check may take as long as so many calls that take their limit
SHORTENED_SECONDS = 2.0  # for what did not return in time once already
BELOW = 'below `if __name__ == "__main__":`'
PACKAGES = ("numpy", "scipy", "torch", "matplotlib", "tqdm")  # that code may import where it is graded
NO_PACKAGE = (
    "{} is not there where your code is graded, on Gradescope or elsewhere: there are Python's own modules, {}NumPy, "
    "SciPy, PyTorch and Matplotlib, and of your own files only what is asked for. Take the import out, or put it, with "
    f"the code that uses it, {BELOW}."
)
NO_MEMORY = re.compile(r"^_?(Array)?MemoryError|^OutOfMemoryError|DefaultCPUAllocator|not enough memory")
TWO_DTYPES = re.compile(
    r"same dtype|scalar type \w+ but found|FloatTensor\).*DoubleTensor\)|DoubleTensor\).*FloatTensor\)"
)
SAME_DTYPE = (
    "Two dtypes meet here. Make tensors and parameters with the dtype of the inputs (`dtype=x.dtype`), and do not call "
    "`torch.set_default_dtype`: inputs come as float32 and as float64."
)
ALONE = "Where your code is graded there are no other programs, no network, and no files but those that it writes there"
ADVICE = {  # by exception: what to change, where it is not the code that is wrong but where it expects to run
    "EOFError": f"Nobody is there to answer `input()` when your code is graded. Use a constant, or put it {BELOW}.",
    "FileNotFoundError": f"{ALONE}: of yours only this one. Put what reads other files {BELOW}.",
    **dict.fromkeys(("PermissionError", "BlockingIOError"), f"{ALONE}. Put what needs more {BELOW}."),
    **dict.fromkeys(("URLError", "gaierror", "ConnectionError", "HTTPError"), f"{ALONE}. Put downloads {BELOW}."),
    "BdbQuit": "Nobody is there to answer a debugger when your code is graded. Take `set_trace()` out.",
    "SystemExit": f"A module must not end Python when it is imported or called. Put `exit()` or `main()` {BELOW}.",
}
NO_PARENT = "no known parent package"
ALONE_HERE = "Only this one file is graded, with no package around it: put what you need of the other file into it."
WITH_POINT = re.compile(r"from\s+\.(\w+)\s+import")
NO_POINT = "There is no package around your files where they are graded: leave out the point, `from {} import …`."
NO_GPU = re.compile(r"not compiled with CUDA|NVIDIA driver|No CUDA GPUs|No HIP GPUs|cuda\.is_available\(\)$")
USE_ITS_DEVICE = (
    "There is no GPU where your code is graded. Make tensors where the inputs are (`device=x.device`), and take "
    '`.cuda()`, `.to("cuda")` and the like out.'
)
NO_LOOP = "An event loop needs sockets, which are not there where your code is graded: call what it runs without it."
STAR = re.compile(r"^from\s+(\w+)[\w.]*\s+import\s+\*", re.MULTILINE)
LOOKUPS = ("NameError", "KeyError", "AttributeError", "IndexError")  # may come of what was left out of a notebook
AT_IMPORT = f"All that stands at the top level of your file runs then. Put training, plots and tests {BELOW}."


@dataclass(frozen=True)
class Answer:
    """What came of a request: a plain value, or how it failed.

    Attributes:
        value: the step's value.
        mutated: positions and keywords of arguments that the submission wrote into.
        raised: the exception, if one was raised.
        lost: how the worker ended, if it did.
        recording: of the operations, where one was asked for; a claim, to be replayed.
    """

    value: Any = None
    mutated: tuple[str, ...] = ()
    raised: Raised | None = None
    lost: WorkerLost | None = None
    recording: Any = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.raised is None and self.lost is None

    @classmethod
    def from_reply(cls, reply: Any) -> "Answer":
        """From a worker's reply, which may be anything."""
        if not isinstance(reply, dict) or not ({"value"} <= reply.keys() or {"error"} <= reply.keys()):
            return cls(lost=WorkerLost("garbled", "sent back something that is no answer"))
        if "error" in reply:
            return cls(raised=Raised.from_wire(reply["error"]))
        mutated = reply.get("mutated")
        names = mutated if isinstance(mutated, list) else []
        written = tuple(name for name in names if isinstance(name, str))[:20]
        return cls(reply["value"], written, recording=reply.get("recording"))


class Runner(Protocol):
    """Anything that answers requests."""

    def answer(self, request: Request) -> Answer:
        """Run one step; never raises for what the module does."""
        ...

    def close(self) -> None:
        """No more requests will come."""
        ...


@dataclass
class LocalRunner:
    """A module in this process: the reference, a known mistake, or, on a student's own machine, the submission; `parts`
    are the modules that lie beside it."""

    module: ModuleType
    helpers: ModuleType | None = None
    parts: tuple[str, ...] = ()

    def answer(self, request: Request) -> Answer:
        """See `Runner`. Arguments and results are copied, as if they had crossed the boundary."""
        try:
            if request.step == "value" and request.args:
                return Answer(self._of_key(str(request.args[0]), request.kwargs))
            sent = Request.from_wire(wire.received(request.frame, sparse=True))
            return Answer.from_reply(wire.copied(perform(Submission(self.module, self.helpers), sent)))
        except (Exception, SystemExit) as error:
            return Answer(raised=Raised.from_wire(describe(error, str(self.module.__file__), self.parts)))

    def once(self, request: Request, what: str, work: Callable[[], T]) -> T:
        """What somebody finds out about the answer to a request, under a name; where answers are kept, it is too."""
        return work()

    def _of_key(self, question: str, values: dict[str, float]) -> Any:
        """What is right for one question of the quiz, where these values were drawn; as answers are compared."""
        if values:
            return Formula(vars(self.module)[FORMULAS][question]).value(values)
        right = vars(self.module)[ANSWERS][question]
        return plain(right) if isinstance(right, str) else float(right)

    def close(self) -> None:
        """See `Runner`."""


def explain(answer: Answer, source: Path, call: str, packages: Iterable[str] = ()) -> CheckFailed:
    """A failed answer in the student's words.

    Args:
        answer: one that is not `ok`.
        source: the submission, for the line that an exception passed.
        call: what was called.
        packages: of the assignment's own.
    """
    if answer.lost is not None:
        slow = f"\n{AT_IMPORT}" if answer.lost.kind == "timeout" and call.startswith("import ") else ""
        return CheckFailed(f"Your code {answer.lost}.{slow}", rung=answer.lost.kind, call=call)
    raised = answer.raised
    assert raised is not None
    if raised.type == "NotImplementedError" and raised.message.count(".") == 1:
        return CheckFailed(f"Not done yet: the stub of {raised.message} is still in place.", rung="stub", call=call)
    if raised.type == "AbsentError":
        rule = f"This task is about writing what `{raised.message}` does: using it earns nothing"
        told = "This task is to be written in NumPy: torch is not there for it" if raised.message == TORCH else rule
        return CheckFailed(told + place(raised, source), rung="forbidden", call=call)
    if raised.type == "AbsentNameError":
        told = f"This task is to be solved without `{raised.message}`: using it earns nothing{place(raised, source)}"
        return CheckFailed(told, rung="forbidden", call=call)
    if raised.type == "RecordingError":
        told = f"Your code does {raised.message}, which is beyond every limit of this check."
        return CheckFailed(told, rung="cost", call=call)
    if raised.type == "ContractError":
        return CheckFailed(f"{_sentence(raised.message, call)}.", rung="structure", call=call)
    if is_left_out(answer):
        return CheckFailed(raised.message, rung="raised", call=call)
    if NO_MEMORY.search(f"{raised.type}: {raised.message}"):
        told = f"Your code asked for more memory than it may have{place(raised, source)}"
        return CheckFailed(told, rung="memory", call=call)
    return CheckFailed(f"It raised {_told(raised, source, packages)}", rung="raised", call=call)


def _sentence(text: str, call: str) -> str:
    """With a capital, unless it begins with a name of the student's."""
    first = text.partition(" ")[0]
    return text if "_" in first or call.startswith(first) else f"{text[:1].upper()}{text[1:]}"


def is_left_out(answer: Answer) -> bool:
    """Whether it failed for something that was lost when the submission was read, of which there is a note."""
    raised = answer.raised
    return raised is not None and raised.type == "SyntaxError" and raised.message.startswith(LEFT_OUT)


def skipped_note(answer: Answer, source: Path, packages: Iterable[str] = ()) -> str:
    """What a student reads of a statement that failed while the import went on."""
    assert answer.raised is not None
    told = _told(answer.raised, source, packages)
    return f"A statement of your file failed when it was imported. Only what uses it fails: {told}"


def _told(raised: Raised, source: Path, packages: Iterable[str]) -> str:
    text = f"{raised.type}: {raised.message}" if raised.message else raised.type
    told = _advice_on(raised, source, packages) or advice(raised.type, raised.message, packages) or slip(raised, source)
    return f"{text}{place(raised, source)}{told}"


def importable(packages: Iterable[str]) -> set[str]:
    """Names of the modules that code may import where it is graded, Python's own apart."""
    return {*PACKAGES, *package_modules(packages)}


def no_package(what: str, packages: Iterable[str]) -> str:
    """That something cannot be imported where code is graded, and what can."""
    return NO_PACKAGE.format(what, "".join(f"{package_name(each)}, " for each in packages))


def advice(kind: str, message: str, packages: Iterable[str] = ()) -> str:
    """A line about what to change, where an exception comes from the place that code is graded in; else nothing."""
    if kind == "ModuleNotFoundError":
        named = re.search(r"No module named '([\w.]+)'", message)
        top = named[1].partition(".")[0] if named else ""
        return "" if top in importable(packages) else f"\n{no_package(f'`{top}`' if top else 'this module', packages)}"
    if kind == "ImportError" and NO_PARENT in message:
        return f"\n{ALONE_HERE}"
    if kind == "RuntimeError" and TWO_DTYPES.search(message):
        return f"\n{SAME_DTYPE}"
    if kind in ("RuntimeError", "AssertionError") and NO_GPU.search(message):
        return f"\n{USE_ITS_DEVICE}"
    return f"\n{ADVICE[kind]}" if kind in ADVICE else ""


def _advice_on(raised: Raised, source: Path, packages: Iterable[str]) -> str:
    """Advice that the submission's own text gives rise to."""
    text, source = _text(raised, source), raised.file(source)
    if raised.type == "AssertionError" and "cuda.is_available" in text:
        return f"\n{USE_ITS_DEVICE}"
    named = WITH_POINT.match(text) if raised.type == "ImportError" else None
    if named and source.with_name(f"{named[1]}.py").exists():
        return f"\n{NO_POINT.format(named[1])}"
    if raised.type in ("PermissionError", "OSError") and "asyncio" in text:
        return f"\n{NO_LOOP}"
    if raised.type not in LOOKUPS:
        return ""
    lines = linecache.getlines(str(source))
    stars = _stars(lines, source, packages) if raised.type == "NameError" else []
    told = [no_package(f"`{name}`", packages) for name in stars]
    if dropped := left_out(lines, raised.line or 0):
        told.append(f"Left out of the notebook, as no task seemed to need it: {dropped}")
    return "".join(f"\n{each}" for each in told)


def _stars(lines: list[str], source: Path, packages: Iterable[str]) -> list[str]:
    """Packages that are not there, and of which everything was to be imported."""
    own = (file.stem for file in source.parent.glob("*.py"))
    there = {*importable(packages), *sys.stdlib_module_names, *own}
    return [name for name in dict.fromkeys(STAR.findall("".join(lines))) if name not in there][:1]


def _text(raised: Raised, source: Path) -> str:
    return linecache.getline(str(raised.file(source)), raised.line).strip() if raised.line else ""


def line_of(raised: Raised, source: Path) -> str:
    """`line 7 of conv.py`, of a notebook `line 2 of the cell 5`; nothing where there is none."""
    if raised.line is None:
        return ""
    file = raised.file(source)
    cell = where(linecache.getlines(str(file)), raised.line)
    return f"line {cell[1]} of the cell {cell[0]}" if cell else f"line {raised.line} of {file.name}"


def place(raised: Raised, source: Path) -> str:
    """The line that an exception passed, and its text, each after a line end; nothing where there is none."""
    if raised.line is None:
        return ""
    line = f"\n  {line_of(raised, source)}" + (f", in {raised.function}" if raised.function else "")
    text = _text(raised, source)
    return f"{line}: {text[:120]}" if text else line
