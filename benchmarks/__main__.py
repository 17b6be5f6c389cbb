"""`python -m benchmarks`: every benchmark, or those named."""

import sys

from benchmarks import isolation, library

ALL = {"isolation": isolation.main, "library": library.main}


def main(names: list[str]) -> int:
    """Run the named benchmarks, all if none is named."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 64
    for name in names or ALL:
        ALL[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
