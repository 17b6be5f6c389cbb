"""`python -m benchmarks`: every benchmark, or those named; names of assignments limit it to these. `--size N` says how
often or how many, as REPETITIONS does, and `--seed S` what is drawn, as SEED does."""

import os
import sys
from importlib import import_module

from autograder.assignment import assignment_names

ALL = (
    "classes",
    "cost",
    "grading",
    "isolation",
    "library",
    "mistakes",
    "notebooks",
    "phases",
    "pools",
    "race",
    "store",
)
OPTIONS = {"--size": "REPETITIONS", "--seed": "SEED"}  # and the variables that they stand for


def main(words: list[str]) -> int:
    """Run the named benchmarks on the named assignments; all where none is named."""
    names = list(words)
    for option, variable in OPTIONS.items():
        if option in names[:-1]:
            place = names.index(option)
            os.environ[variable] = names[place + 1]
            del names[place : place + 2]
    known = assignment_names()
    unknown = [name for name in names if name not in (*ALL, *known)]
    odd = [option for option, variable in OPTIONS.items() if not os.environ.get(variable, "1").isdigit()]
    if unknown or odd:
        wrong = f"there is no benchmark {unknown[0]!r}" if unknown else f"{odd[0]} takes a number"
        print(f"{wrong}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 64
    for name in [name for name in names if name in ALL] or ALL:
        import_module(f"benchmarks.{name}").main([name for name in names if name in known] or known)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
