"""Is the grading right? Submissions whose score is known in advance, attacks that must gain nothing, and what this
machine can do.

`_audit` grades what is known (reference, stub, variants, known mistakes, `trivial` answers, hostile files), `report`
shows it, `_strength` grades `_mutants` of the reference and lets `_differ` tell survivors apart, `attacks` counts what
each protection is worth, `doctor` examines the machine.
"""

from autograder.audit._audit import Audit, Subject, Verdict, attacked_checks, audit, honest_work
from autograder.audit._mutants import Mutant, mutants
from autograder.audit._strength import Fate, strength

__all__ = [
    "Audit",
    "Fate",
    "Mutant",
    "Subject",
    "Verdict",
    "attacked_checks",
    "audit",
    "honest_work",
    "mutants",
    "strength",
]
