"""No text of a solution may stand in what students get."""

import json

from autograder.assignment import Assignment, reference_texts
from autograder.errors import AuthoringError
from autograder.starter._markers import solution_blocks

SHORTEST_BODY = 40  # characters: shorter solutions than this may stand in a handout by chance
SHORTEST_LINE = 30  # of a line, without its spaces


def refuse_leaks(assignment: Assignment, files: dict[str, bytes]) -> None:
    """Neither a whole solution nor a line of one, unless the stub of its own file has it too.

    Raises:
        AuthoringError: the message names file, task and line.
    """
    texts = {path: _text(path, data) for path, data in files.items()}
    for name, reference in reference_texts(assignment).items():
        _refuse_in(name, reference, assignment, texts)
        if "BEGIN SOLUTION" in texts[f"{name}.py"]:
            raise AuthoringError(f"{assignment.name}: the stub still has solution markers")


def _refuse_in(name: str, reference: str, assignment: Assignment, texts: dict[str, str]) -> None:
    """What one file of the reference would give away."""
    lines, file, known = reference.splitlines(), assignment.solutions[name], _packed(texts[f"{name}.py"])
    part = name if name in assignment.parts else ""
    for block in solution_blocks(reference, assignment, part):
        body = _unindented("\n".join(lines[block.begin : block.end - 1])).strip("\n")
        for path, text in texts.items():
            if len(body) > SHORTEST_BODY and body in text:
                raise _leak(assignment, path, f"the solution of {block.task}")
        for number in range(block.begin + 1, block.end):
            line = _packed(lines[number - 1])
            if len(line) < SHORTEST_LINE or line in known:
                continue
            for path, text in texts.items():
                if line in _packed(text):
                    raise _leak(assignment, path, f"line {number} of {file.name}, of {block.task}")


def _leak(assignment: Assignment, path: str, what: str) -> AuthoringError:
    return AuthoringError(f"{assignment.name}: {path}, which students get, would hold {what}")


def _text(path: str, data: bytes) -> str:
    """What a file says, without indentation; of a notebook, its cells."""
    text = data.decode("utf-8", "ignore")
    if path.endswith(".ipynb"):
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return _unindented(text)


def _unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n"))


def _packed(text: str) -> str:
    return "".join(text.split())
