"""What a check ends with when it does not pass."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.checks.picture import Picture
from autograder.errors import SubmissionError


@dataclass(frozen=True)
class Evidence:
    """What a failure leaves for the report beside its message.

    Attributes:
        rung: the rung of the ladder, or what else went wrong (raised, timeout, exit, …).
        picture: of where values differ.
        beside: yours and expected side by side; for checks alone that students can read.
        part: which of the values that came back, in the message's words.
    """

    rung: str
    picture: Picture | None = None
    beside: str = ""
    part: str = ""


class CheckFailed(SubmissionError):
    """The submission does not do what the check asks. The message is for the student.

    Args:
        message: what is wrong.
        rung: see `Evidence`.
        call: the call that it is about, as the student would write it.
        picture: see `Evidence`.
        beside: see `Evidence`.
        part: see `Evidence`.
    """

    def __init__(
        self,
        message: str,
        *,
        rung: str = "property",
        call: str = "",
        picture: Picture | None = None,
        beside: str = "",
        part: str = "",
    ) -> None:
        super().__init__(f"{call}\n{message}" if call else message)
        self.text = message
        self.evidence = Evidence(rung, picture, beside, part)


class Deferred(Exception):
    """The check needs hardware that is not here; the message is for the student."""


@dataclass(frozen=True)
class Raised:
    """An exception in the submission, as plain data.

    Attributes:
        type: name of the exception's class.
        message: its text.
        line: the deepest line of the submission that it passed, None where there is none.
        function: the function of that line.
        called: the function of the submission that was called from outside, and led there.
        part: the part of the submission that the line is in; None where that is the deliverable.
    """

    type: str
    message: str
    line: int | None
    function: str | None
    called: str | None = None
    part: str | None = None

    def file(self, source: Path) -> Path:
        """The file that the line is in, of a submission's that is staged at `source`. What is no name of a module leads
        nowhere else: a worker may say anything."""
        return source.with_name(f"{self.part}.py") if self.part and self.part.isidentifier() else source

    @classmethod
    def from_wire(cls, tree: Any) -> "Raised":
        """From what the worker says: any field may be missing or of another type."""
        fields = tree if isinstance(tree, dict) else {}
        text = {
            key: fields.get(key) if isinstance(fields.get(key), str) else None
            for key in ("type", "message", "function", "called", "part")
        }
        line = fields.get("line")
        return cls(
            type=text["type"] or "Exception",
            message=text["message"] or "",
            line=line if type(line) is int else None,
            function=text["function"],
            called=text["called"],
            part=text["part"],
        )
