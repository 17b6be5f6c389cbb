"""`python -m benchmarks`: every benchmark, or those named; names of assignments limit it to these."""

import sys

from autograder.assignment import assignment_names
from benchmarks import classes, cost, grading, isolation, library, pools, race

ALL = {
    "classes": classes.main,
    "cost": cost.main,
    "grading": grading.main,
    "isolation": isolation.main,
    "library": library.main,
    "pools": pools.main,
    "race": race.main,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks on the named assignments; all where none is named."""
    known = assignment_names()
    unknown = [name for name in names if name not in (*ALL, *known)]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 64
    for name in [name for name in names if name in ALL] or ALL:
        ALL[name]([name for name in names if name in known] or known)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
