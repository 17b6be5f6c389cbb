"""Results: the one schema, and what people see of it in a terminal and on a page.

`results.json`, the terminal's table, the page and the class store are all made from a `Run`. How anything was found out
is not known here.
"""

from autograder.results._causes import cause_of, causes
from autograder.results._file import FILE_NAME, load_results, write_results
from autograder.results._gradescope import to_gradescope
from autograder.results._model import Line, Outcome, Run, Standing, merged, shown
from autograder.results._words import are_points, opening, summary

__all__ = [
    "FILE_NAME",
    "Line",
    "Outcome",
    "Run",
    "Standing",
    "are_points",
    "cause_of",
    "causes",
    "load_results",
    "merged",
    "opening",
    "shown",
    "summary",
    "to_gradescope",
    "write_results",
]
