"""The decorators of gradescope_utils, which only note points: where it is not installed, checks do without."""

import importlib.util
import sys
import types

PACKAGE = "gradescope_utils"
MODULES = (PACKAGE, f"{PACKAGE}.autograder_utils", f"{PACKAGE}.autograder_utils.decorators")
NAMES = ("weight", "number", "visibility", "tags", "hide_errors", "partial_credit", "leaderboard")


def stand_in_for_decorators() -> None:
    """Let checks import them."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return
    for path in MODULES:
        sys.modules[path] = types.ModuleType(path)
    for name in NAMES:
        setattr(sys.modules[MODULES[-1]], name, lambda *args: lambda function: function)
