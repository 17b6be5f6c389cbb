"""Runs the public checks on your work: `python check.py`. `python check.py --help` says what else it can do."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUNDLE = os.path.join(HERE, "deepgrade.pyz")


def main(command="check"):
    """Hand over to the checker in the bundle beside this file, or else to one that is installed."""
    if sys.version_info < (3, 11):
        sys.stderr.write("Python 3.11 or newer is needed; this is %s\n" % sys.version.split()[0])
        return 3
    if os.path.exists(BUNDLE):
        sys.path.insert(0, BUNDLE)
    try:
        import autograder.local
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "autograder":
            raise
        sys.stderr.write("deepgrade.pyz must lie beside check.py; it is in the archive that you were given\n")
        return 3
    return autograder.local.main(HERE, sys.argv[1:], command)


if __name__ == "__main__":
    sys.exit(main())
