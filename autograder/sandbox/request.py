"""What a worker is asked: one step on a submission. Imports nothing of Deepgrade but its neighbours: it runs there."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from autograder.sandbox.wire import encode

RECORD = "record"  # among the options: after how many operations a recording ends, None for never


@dataclass(frozen=True)
class Request:
    """One step on a submission.

    Attributes:
        step: one of `steps.STEPS`.
        name: the function, class, pair, helper or constant that it is about.
        args: positional arguments, plain values.
        kwargs: keyword arguments, plain values.
        options: what the step itself needs (`spec`, `seed`, `wrt`, `init`, `state`, …).
        absent: groups of what must be absent where it runs; for the runner, not sent.
    """

    step: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> list[bytes | memoryview]:
        """As it is sent, put together once for all whom it is sent to.

        Raises:
            WireError: it cannot be sent.
        """
        return encode(self.to_wire(), sparse=True)

    def to_wire(self) -> dict[str, Any]:
        """As a tree of plain values."""
        return {
            "step": self.step,
            "name": self.name,
            "args": list(self.args),
            "kwargs": self.kwargs,
            "options": self.options,
        }

    @classmethod
    def from_wire(cls, tree: dict[str, Any]) -> "Request":
        """The inverse of `to_wire`."""
        return cls(tree["step"], tree["name"], tuple(tree["args"]), tree["kwargs"], tree["options"])

    def recorded(self, most: int | None) -> "Request":
        """The same, with a recording of what is done, which ends after so many operations."""
        return replace(self, options=self.options | {RECORD: most})

    def unrecorded(self) -> "Request":
        """The same, without a recording."""
        return replace(self, options={key: item for key, item in self.options.items() if key != RECORD})
