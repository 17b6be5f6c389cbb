"""What a task forbids is refused at home, too, with the words of the grade: nobody shall learn of it there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.sandbox.absence import TORCH, AbsentError, is_forbidden


@contextmanager
def forbidding(groups: Collection[str]) -> Iterator[None]:
    """Refuse the operations of these groups, wherever in torch they are called from.

    Unlike in the sandbox nothing is taken out of torch, so that the next task has it: this tells who did not know, and
    stops nobody who does.

    Raises:
        AbsentError: in the code that calls one of them.
    """
    if not groups:
        yield
        return
    with _Functions(groups), _Operations(groups):
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
