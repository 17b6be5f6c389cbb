"""What students start from, built from the reference: the stub, the notebook, the handout, the public checks.

`build` gives the files as bytes, always the same for the same assignment; `write` puts them under student_starter/NAME,
where they are committed and never edited; `drift` says how what lies there differs from that. A reference
whose markers are not in order is refused (GraderError with file and line): nothing of a solution may slip into a stub.
"""

from autograder.starter._build import build, drift, write
from autograder.starter._markers import Block, solution_blocks
from autograder.starter._notebook import notebook
from autograder.starter._stub import solved_source, stub_source

__all__ = ["Block", "build", "drift", "notebook", "solution_blocks", "solved_source", "stub_source", "write"]
