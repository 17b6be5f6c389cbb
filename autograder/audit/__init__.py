"""Is the grading right? Submissions whose score is known in advance, attacks that must gain nothing, and what this
machine can do.

`_audit` grades what is known (reference, stub, variants, known mistakes, `trivial` answers, hostile files), `report`
shows it, `attacks` counts what each protection is worth, `doctor` examines the machine.
"""

from autograder.audit._audit import Audit, Subject, Verdict, attacked_checks, audit, honest_work

__all__ = ["Audit", "Subject", "Verdict", "attacked_checks", "audit", "honest_work"]
