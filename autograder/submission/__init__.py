"""What a student handed in, reduced to one module in a staging folder.

A submission is a `.py` or an `.ipynb` of any name, or a folder, a zip or a tar. Of several files the one is taken in
which most of what is asked for is written, and the notes name the others; what came with the starter never counts.
Only that one file is read, and parts beside it and files of plain arrays where the assignment asks for some, within
fixed bounds; no link is followed, and no archive is unpacked. Nothing of it runs here; code is parsed.

What does not parse costs what it would have defined, and no more: the rest is staged, every line where it was, with a
function in the place of each that was lost which says why when it is called. Where nothing can be used, that is one
SubmissionError that says what is wrong and what to do.
"""

from autograder.submission._arrays import plain_arrays
from autograder.submission._choice import outline, written_in
from autograder.submission._collect import Submission, collect, needed_of, take_needed
from autograder.submission._given import lay_out
from autograder.submission._imports import WARM, warm_modules
from autograder.submission._notebook import left_out, where
from autograder.submission._parse import LEFT_OUT

__all__ = [
    "LEFT_OUT",
    "WARM",
    "Submission",
    "collect",
    "lay_out",
    "left_out",
    "needed_of",
    "outline",
    "plain_arrays",
    "take_needed",
    "warm_modules",
    "where",
    "written_in",
]
