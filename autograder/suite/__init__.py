"""Running checks: what pytest is told, what checks are run against, and how each case of one ends.

`world` is between the plugin and those who run it; `plugin` holds the fixtures for authors of checks; `stopwatch` ends
what takes too long. The local checker ships this room.
"""

from autograder.suite._session import check_files, merged, run_pytest

__all__ = ["check_files", "merged", "run_pytest"]
