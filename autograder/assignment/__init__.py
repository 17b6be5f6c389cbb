"""The facts of an assignment, read once from its folder into frozen dataclasses.

`course.toml` says what holds for the whole course, `assignment.toml` what students hand in and which tasks it has,
`mistakes.toml` which wrong answers are known, and the decorators of the checks what each is worth. Whatever is
misspelt, missing or contradictory is one AuthoringError that names file, line and key. `review` says what is wrong with
an assignment by its files alone. The local checker that students get ships this room: standard library only, and no
code of an assignment is run.
"""

from autograder.assignment._checks import KINDS, SHARED, CheckFacts, is_chosen, points
from autograder.assignment._course import (
    DEVICES,
    GITHUB_FOLDER,
    SCORING,
    SECRET,
    Course,
    Dates,
    Late,
    Packages,
    RateLimit,
    assignment_names,
    find_root,
    load_course,
)
from autograder.assignment._draws import drawn, is_one_of, listing, read_student
from autograder.assignment._facts import (
    COST_FIGURES,
    QUIZ,
    Assignment,
    ByHand,
    Costs,
    Limits,
    Pair,
    Ranking,
    Targets,
    Task,
    load_assignment,
    read_assignment,
    suite_digest,
)
from autograder.assignment._forbidden import FORBIDDEN
from autograder.assignment._formula import Formula
from autograder.assignment._given import DATA, GIVEN, given_files
from autograder.assignment._key import ANSWERS, FORMULAS, KEYS, STUDENT, Key, constants
from autograder.assignment._mistakes import Edit, Mistake, load_mistakes, mistaken_source
from autograder.assignment._packages import (
    installed,
    missing_note,
    missing_packages,
    package_modules,
    package_name,
    requirements,
)
from autograder.assignment._quiz import NUMBER, ROUNDING, Question, is_right, plain, read_answer
from autograder.assignment._review import FULL, Remark, platform_seconds, refuse_forbidden, review, reviewed
from autograder.assignment._table import Table

__all__ = [
    "ANSWERS",
    "COST_FIGURES",
    "DATA",
    "DEVICES",
    "FORBIDDEN",
    "FORMULAS",
    "FULL",
    "GITHUB_FOLDER",
    "GIVEN",
    "KEYS",
    "KINDS",
    "NUMBER",
    "QUIZ",
    "ROUNDING",
    "SCORING",
    "SECRET",
    "SHARED",
    "STUDENT",
    "Assignment",
    "ByHand",
    "CheckFacts",
    "Costs",
    "Course",
    "Dates",
    "Edit",
    "Formula",
    "Key",
    "Late",
    "Limits",
    "Mistake",
    "Packages",
    "Pair",
    "Question",
    "Ranking",
    "RateLimit",
    "Remark",
    "Table",
    "Targets",
    "Task",
    "assignment_names",
    "constants",
    "drawn",
    "find_root",
    "given_files",
    "installed",
    "is_chosen",
    "is_one_of",
    "is_right",
    "listing",
    "load_assignment",
    "load_course",
    "load_mistakes",
    "missing_note",
    "missing_packages",
    "mistaken_source",
    "package_modules",
    "package_name",
    "plain",
    "platform_seconds",
    "points",
    "read_answer",
    "read_assignment",
    "read_student",
    "refuse_forbidden",
    "requirements",
    "review",
    "reviewed",
    "suite_digest",
]
