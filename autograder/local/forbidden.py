"""What a task forbids is refused at home, too, with the words of the grade: nobody shall learn of it there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.sandbox.absence import TORCH, AbsentError, is_forbidden, python_names
from autograder.sandbox.names import without_names


@contextmanager
def forbidding(entries: Collection[str], *modules: ModuleType) -> Iterator[None]:
    """Refuse what these entries forbid: operations wherever in torch they are called from, and Python names, builtins
    where the submission's `modules` use them.

    Unlike in the sandbox nothing is taken out for good, so that the next task has it: this tells who did not know, and
    stops nobody who does.

    Raises:
        AbsentError: in the code that calls one of the operations.
        AbsentNameError: in the code that uses one of the names.
    """
    names = python_names(entries)
    operations = [entry for entry in entries if entry not in names]
    with without_names(names, *modules), ExitStack() as modes:
        if operations:
            modes.enter_context(_Functions(operations))
            modes.enter_context(_Operations(operations))
        yield


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses what arrives at torch's dispatcher: functions and modules are made of that."""

    def __init__(self, groups: Collection[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.groups = groups

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """As `sandbox.recorder`: else torch imports its compiler at the first operation."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_forbidden(name := func._schema.name.partition("::")[2], self.groups):
            raise AbsentError(TORCH if TORCH in self.groups else name)
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Refuses by name what is taken apart before it comes to the dispatcher: attention, recurrent layers."""

    def __init__(self, groups: Collection[str]) -> None:
        super().__init__()
        self.groups = [group for group in groups if group != TORCH]

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_forbidden(name := getattr(func, "__name__", ""), self.groups):
            raise AbsentError(name)
        return func(*args, **(kwargs or {}))
