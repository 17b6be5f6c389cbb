"""Source code to syntax trees, one at a time.

Python 3.11 counts the depth of a tree for all threads together: two that parse at once end in “AST constructor
recursion depth mismatch”. Whoever grades many submissions does that in threads.
"""

import ast
import threading

PARSING = threading.Lock()


def parse(source: str | bytes, filename: str = "<unknown>") -> ast.Module:
    """As `ast.parse`, from any thread."""
    with PARSING:
        return ast.parse(source, filename)
