"""What is asked of a submission, and how an answer is judged. Knows nothing of Gradescope, points or pages."""

from autograder.checks.agreement import Agrees, KeepsDtype
from autograder.checks.compare import Closeness, Mismatch, compare
from autograder.checks.diagnosis import Diagnosis
from autograder.checks.door import Door
from autograder.checks.draw import Draw
from autograder.checks.expect import Expect
from autograder.checks.failure import CheckFailed, Evidence, Raised
from autograder.checks.runner import Answer, LocalRunner, Runner, explain, is_left_out, skipped_note
from autograder.checks.tolerance import Tolerance, tolerance_for
from autograder.checks.trusted import module_from_source, reference_module
from autograder.sandbox.wire import Seeded

__all__ = [
    "Agrees",
    "Answer",
    "CheckFailed",
    "Closeness",
    "Diagnosis",
    "Door",
    "Draw",
    "Evidence",
    "Expect",
    "KeepsDtype",
    "LocalRunner",
    "Mismatch",
    "Raised",
    "Runner",
    "Seeded",
    "Tolerance",
    "compare",
    "explain",
    "is_left_out",
    "module_from_source",
    "reference_module",
    "skipped_note",
    "tolerance_for",
]
