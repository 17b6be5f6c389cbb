"""Grade one submission, from path to results: the public door of the framework.

    from autograder.grading import Engine, grade
    with Engine() as engine:
        run = grade("conv", "conv.py", engine=engine)

`run` is what the caller holds, `engine` and `launcher` the warm process that forks graders, seen from outside and from
inside, `grader` the trusted process that grades, `rehearsal` one that has prepared for a class, `job` what it is asked,
`kept` recordings that wait for a GPU. Nothing here imports torch before it forks.
"""

from autograder.grading.engine import Engine
from autograder.grading.kept import kept_checks
from autograder.grading.run import NOT_RUN, Options, Rehearsed, class_seed, grade, rehearse, run_seed

__all__ = ["NOT_RUN", "Engine", "Options", "Rehearsed", "class_seed", "grade", "kept_checks", "rehearse", "run_seed"]
