"""What can go wrong, and whose fault it is.

    DeepgradeError
    ├── SubmissionError   the student's: shown to them, scored 0 where it happened, nothing to repair on our side
    ├── GraderError       ours: a machine or a grader that fails, a check that stumbles; the run is regraded
    │   └── AuthoringError    the author's: a course or an assignment that contradicts itself; found before grading
    └── UsageError        the instructor's: a wrong name or file on the command line

The first two never mix: a student is never charged for our fault, and never told that theirs is ours.
"""

import difflib
from collections.abc import Iterable


class DeepgradeError(Exception):
    """Base of every error that Deepgrade raises on purpose.

    Args:
        message: what is wrong, in one sentence that names the file, key or call.
        help: what the reader can do about it; may be empty.
    """

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class SubmissionError(DeepgradeError):
    """The submission is at fault; message and help are shown to the student."""


class GraderError(DeepgradeError):
    """The grader, an assignment or a check is at fault; never counted against a student."""


class AuthoringError(GraderError):
    """What an author wrote contradicts itself: facts, checks, mistakes, markers. Never counted against a student."""


class UsageError(DeepgradeError):
    """The instructor named a command, assignment or file that does not exist."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error message: `; did you mean 'conv2d'?`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
