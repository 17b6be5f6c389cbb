"""A whole class: from an export to a store, from the store to pages, gradebooks and a report. Only `cli` imports this.

Every submission is graded by `autograder.grading`, in its own confined process; the driver alone writes the store.
"""

from autograder.classes._cluster import Cluster, read_cluster
from autograder.classes._drive import PAGES, ClassRun, Ended, grade_class, page_name, suite_key
from autograder.classes._gradebook import Filled, gradebook
from autograder.classes._hand import form
from autograder.classes._intake import Handed, Student, read_export
from autograder.classes._measure import Measured, measure_class
from autograder.classes._policy import Mark, Policy, course_policy, marks, read_policy
from autograder.classes._replay import Replay, replay_bundle
from autograder.classes._report import write_class_report
from autograder.classes._show import ClassProgress, show_class, show_measured, show_similarity
from autograder.classes._similarity import Similarity, similarity, write_similarity
from autograder.classes._store import Grade, Store

__all__ = [
    "PAGES",
    "ClassProgress",
    "ClassRun",
    "Cluster",
    "Ended",
    "Filled",
    "Grade",
    "Handed",
    "Mark",
    "Measured",
    "Policy",
    "Replay",
    "Similarity",
    "Store",
    "Student",
    "course_policy",
    "form",
    "grade_class",
    "gradebook",
    "marks",
    "measure_class",
    "page_name",
    "read_cluster",
    "read_export",
    "read_policy",
    "replay_bundle",
    "show_class",
    "show_measured",
    "show_similarity",
    "similarity",
    "suite_key",
    "write_class_report",
    "write_similarity",
]
