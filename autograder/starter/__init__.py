"""What students start from, built from the reference: the stub, the notebook, the handout, the public checks.

`build` gives the files as bytes, always the same for the same assignment; `write` puts them under student_starter/NAME,
where they are committed and never edited; `drift` says how what lies there differs from that. A reference
whose markers are not in order is refused (AuthoringError with file and line), and so is whatever holds text of a
solution: nothing of it may slip into what students get.
"""

from autograder.starter._build import build, drift, write
from autograder.starter._handout import handout
from autograder.starter._markers import Block, solution_blocks
from autograder.starter._notebook import notebook
from autograder.starter._pictures import pictures
from autograder.starter._stub import solved_source, stub_source

__all__ = [
    "Block",
    "build",
    "drift",
    "handout",
    "notebook",
    "pictures",
    "solution_blocks",
    "solved_source",
    "stub_source",
    "write",
]
