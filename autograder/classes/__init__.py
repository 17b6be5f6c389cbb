"""A whole class: from an export to a store, from the store to pages, gradebooks and a report. Only `cli` imports this.

Every submission is graded by `autograder.grading`, in its own confined process; the driver alone writes the store.
"""

from autograder.classes._drive import PAGES, ClassRun, Ended, grade_class, page_name
from autograder.classes._intake import Handed, Student, read_export
from autograder.classes._show import ClassProgress, show_class
from autograder.classes._store import Grade, Store

__all__ = [
    "PAGES",
    "ClassProgress",
    "ClassRun",
    "Ended",
    "Grade",
    "Handed",
    "Store",
    "Student",
    "grade_class",
    "page_name",
    "read_export",
    "show_class",
]
