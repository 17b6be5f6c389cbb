"""What a student handed in, reduced to one module in a staging folder.

A submission is a `.py` or an `.ipynb` of any name, or a folder or a zip that holds the deliverable: under its own name,
as a browser's copy of it (`conv (1).py`), or under any name where it is the only code.
Only that one file is read, within fixed bounds; no link is followed, and no archive is unpacked. Whatever is wrong with
it is one SubmissionError that says what is wrong and what to do. Nothing of it runs here; a notebook's code is parsed.

Where a folder has both the module and the notebook, the one with fewer unfinished tasks is graded, the module if they
are equal, and the notes say so.
"""

from autograder.submission._collect import Submission, collect

__all__ = ["Submission", "collect"]
