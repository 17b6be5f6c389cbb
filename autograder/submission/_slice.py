"""Which statements of a notebook the tasks need.

Kept are those that bind a wanted name or change its object, by themselves or by what they call, and those that bind or
change what these need, and so on. Training loops, plots and the imports that only they use are not among them.
"""

from collections.abc import Iterable

from autograder.submission._statements import QUIET, Deeds, Statement

MAX_STEPS = 200_000  # of following calls; beyond, what calls do to other names is not seen


def needed(found: list[Statement], wanted: Iterable[str]) -> list[bool]:
    """For each statement whether it is needed for the wanted names."""
    imported = {name: statement.package for statement in found if statement.is_import for name in statement.binds}
    makers: dict[str, list[int]] = {}
    for position, changed in enumerate(_changes(found, imported)):
        for name in found[position].binds | changed:
            makers.setdefault(name, []).append(position)
    todo = list(wanted)
    seen, kept = set(todo), [False] * len(found)
    for position, statement in enumerate(found):
        if statement.is_wild or statement.is_future:
            kept[position] = True
            todo += statement.needs - seen
            seen |= statement.needs
    while todo:
        for position in makers.get(todo.pop(), ()):
            if not kept[position]:
                kept[position] = True
                todo += found[position].needs - seen
                seen |= found[position].needs
    return kept


def _changes(found: list[Statement], imported: dict[str, str]) -> list[frozenset[str]]:
    """Names whose objects each statement changes, those that it changes by a call included. What is set in a library
    is not the task's."""
    deeds: dict[str, Deeds] = {}
    values = set[str]()  # names of what is neither defined nor imported: a function may write into it
    for statement in found:
        values |= statement.binds if not statement.is_import and statement.does is None else set()
        if (does := statement.does) is not None:
            deeds |= {name: _both(deeds[name], does) if name in deeds else does for name in statement.binds}
    reached = _reached(deeds)
    found_changes = []
    for statement in found:
        changed = set(statement.changes)
        for name in statement.calls:
            changed |= reached.get(name, frozenset())
        for called, given in statement.gives:
            if called in deeds:
                changed |= given if deeds[called].writes else set()
            elif imported.get(called) and imported[called] not in QUIET:
                changed |= given & values
        found_changes.append(frozenset(changed - imported.keys()))
    return found_changes


def _both(one: Deeds, other: Deeds) -> Deeds:
    return Deeds(one.changes | other.changes, one.calls | other.calls, one.writes or other.writes)


def _reached(deeds: dict[str, Deeds]) -> dict[str, set[str]]:
    """For each function what a call of it changes, through all that it calls."""
    callers: dict[str, list[str]] = {}
    for name, does in deeds.items():
        for called in does.calls:
            callers.setdefault(called, []).append(name)
    reached = {name: set(does.changes) for name, does in deeds.items()}
    todo, steps = [name for name, changed in reached.items() if changed], 0
    while todo and steps < MAX_STEPS:
        name = todo.pop()
        for caller in callers.get(name, ()):
            steps += 1 + len(reached[name])
            if not reached[name] <= reached[caller]:
                reached[caller] |= reached[name]
                todo.append(caller)
    return reached
