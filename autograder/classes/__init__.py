"""A whole class: from an export to a store, from the store to pages, gradebooks and a report. Only `cli` imports this.

Every submission is graded by `autograder.grading`, in its own confined process; the driver alone writes the store.
"""

from autograder.classes._drive import PAGES, ClassRun, Ended, grade_class, page_name, suite_key
from autograder.classes._gradebook import FORMATS, Filled, canvas, gradescope, moodle, write_gradebook
from autograder.classes._intake import Handed, Student, read_export
from autograder.classes._policy import Mark, Policy, marks, read_policy
from autograder.classes._show import ClassProgress, show_class
from autograder.classes._store import Grade, Store

__all__ = [
    "FORMATS",
    "PAGES",
    "ClassProgress",
    "ClassRun",
    "Ended",
    "Filled",
    "Grade",
    "Handed",
    "Mark",
    "Policy",
    "Store",
    "Student",
    "canvas",
    "grade_class",
    "gradescope",
    "marks",
    "moodle",
    "page_name",
    "read_export",
    "read_policy",
    "show_class",
    "suite_key",
    "write_gradebook",
]
