"""The checks of an assignment on its own reference, in the sandbox, so often by one engine: what isolation costs."""

import sys
from collections.abc import Iterator

from autograder.assignment import Assignment, load_assignment, points
from autograder.grading import Engine, Options, grade
from autograder.results import Outcome


def comparable(assignment: Assignment) -> tuple[str, ...]:
    """Checks that an unprotected process can run too: costs and races are proven in a sandbox or not at all."""
    return tuple(check.name for check in points(assignment) if check.kind not in ("cost", "race"))


def main(name: str, count: int) -> int:
    """Grade so often; 1 where a check does not pass."""
    assignment = load_assignment(name)
    chosen = comparable(assignment)
    bad = 0
    with Engine(preload=assignment.preload) as engine:
        for _ in range(count):
            for said in failures(assignment, chosen, engine):
                bad = 1
                print(said, file=sys.stderr)
    return bad


def failures(assignment: Assignment, chosen: tuple[str, ...], engine: Engine) -> Iterator[str]:
    """What is said of each chosen check that does not pass."""
    options = Options(seed=1, select=chosen)
    run = grade(assignment.name, assignment.solution, options=options, engine=engine)
    for line in run.lines:
        if line.check in chosen and line.outcome is not Outcome.PASSED:
            yield f"{line.check}: {line.outcome.value}: {line.message}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
