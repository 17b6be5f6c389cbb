"""The same work as a notebook: the handout's sections between the stub's functions, then the experiment."""

import ast
import re
from collections.abc import Iterator

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.assignment import KEYS, QUIZ, STUDENT, Assignment, constants, load_course
from autograder.errors import AuthoringError
from autograder.starter._colab import colab_cells
from autograder.starter._formulas import typeset
from autograder.starter._handout import Section, handout, sections
from autograder.starter._markers import Scope
from autograder.starter._pictures import embedded, pictures
from autograder.starter._stub import solved_source, stub_source
from autograder.starter._texts import CHECK_CELLS, TASK_CELL
from autograder.syntax import parse

CELL = re.compile(r"# ?%%[ \t]*(\[markdown\])?[ \t]*(.*)")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(assignment: Assignment, *, solved: bool = False) -> bytes:
    """The notebook that students fill in, or, `solved`, the one with the reference in it. Always the same bytes.

    Raises:
        AuthoringError: the reference, the handout or the experiment is not in order.
    """
    source = solved_source(assignment) if solved else stub_source(assignment)
    cells = [
        new_markdown_cell(text, id=name) if kind == "markdown" else new_code_cell(text, id=name)
        for name, kind, text in _cells(source, assignment)
    ]
    made = new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(made)
    return (str(nbformat.writes(made)).rstrip("\n") + "\n").encode()


def _cells(source: str, assignment: Assignment) -> Iterator[tuple[str, str, str]]:
    """Name, kind and text of every cell; the names are the cells' ids, so they never change by themselves."""
    header, quiz, code = _pieces(source, assignment)
    page = handout(assignment, typeset)
    text = sections(embedded(page, pictures(assignment, page)), assignment)
    address = load_course(assignment.folder.parents[1]).address
    for position, (kind, cell) in enumerate(colab_cells(assignment, address), start=1):
        yield f"colab-{position}", kind, cell
    for position, section in enumerate(text):
        if position == _first_task(text):
            yield from [("imports", "code", header)] if header else []
            yield from [("quiz", "code", quiz)] if quiz else []
            if STUDENT in constants(assignment.quiz):
                yield "check-quiz", "code", TASK_CELL.format(name=assignment.deliverable, task=QUIZ)
        yield f"task-{section.task}" if section.task else f"text-{position}", "markdown", section.text
        if section.task:
            yield f"code-{section.task}", "code", code[section.task]
            yield f"check-{section.task}", "code", TASK_CELL.format(name=assignment.deliverable, task=section.task)
    for position, (kind, cell) in enumerate(CHECK_CELLS, start=1):
        yield f"check-{position}", kind, cell.format(name=assignment.deliverable)
    for position, (kind, cell) in enumerate(_experiment(assignment), start=1):
        yield f"experiment-{position}", kind, cell


def _first_task(text: tuple[Section, ...]) -> int:
    return next(position for position, section in enumerate(text) if section.task)


def _pieces(source: str, assignment: Assignment) -> tuple[str, str, dict[str, str]]:
    """A module cut in three: what stands before its first definition, the quiz, and the code of every task.

    A helper or a constant goes with the public function that follows it, what follows the last with the last.
    """
    lines, position, before_code, task = source.split("\n"), 0, True, ""
    header, quiz, waiting = list[str](), list[str](), list[str]()
    code: dict[str, list[str]] = {name: [] for name in assignment.tasks}
    for node in parse(source).body:
        end = node.end_lineno or node.lineno
        text, position = lines[position:end], max(position, end)
        before_code = before_code and not isinstance(node, Scope)
        if isinstance(node, Scope) and node.name in assignment.public_names:
            task = assignment.task_of(node.name).name
            code[task] += [*waiting, *text]
            waiting = []
        elif _is_quiz(node):
            quiz += text
        else:
            (header if before_code else waiting).extend(text)
    code[task] += [*waiting, *lines[position:]]
    return _trimmed(header), _trimmed(quiz), {name: _trimmed(text) for name, text in code.items()}


def _is_quiz(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in KEYS


def _trimmed(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n").rstrip()


def _experiment(assignment: Assignment) -> Iterator[tuple[str, str]]:
    """Kind and text of the experiment's cells: experiment.py cut at its `# %%` and `# %% [markdown]` lines."""
    file = assignment.folder / "experiment.py"
    if not file.exists():
        return
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
        parse("\n".join(lines))
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise AuthoringError(f"{file}: cannot be used ({error})") from error
    pieces: list[tuple[str, str, list[str]]] = [("", "", [])]  # is it markdown, its title, its lines
    for line in lines:
        if mark := CELL.fullmatch(line):
            pieces.append((mark[1] or "", mark[2], []))
        else:
            pieces[-1][2].append(line)
    for markdown, title, body in pieces:
        make = _prose if markdown else _code
        yield from ((kind, text) for kind, text in make(title, body, assignment) if text)


def _prose(title: str, lines: list[str], assignment: Assignment) -> Iterator[tuple[str, str]]:
    if stray := next((line for line in lines if line.strip() and not line.startswith("#")), ""):
        file = assignment.folder / "experiment.py"
        raise AuthoringError(f"{file}: a markdown cell holds comments only, but this one has {stray!r}")
    text = [line.removeprefix("#").removeprefix(" ") for line in lines]
    yield "markdown", _trimmed([f"## {title}", "", *text] if title else text)


def _code(title: str, lines: list[str], assignment: Assignment) -> Iterator[tuple[str, str]]:
    """A code cell without its imports from the deliverable, whose names the notebook has; a docstring becomes prose."""
    module = parse("\n".join(lines))
    drop = set[int]()
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module == assignment.deliverable:
            drop |= {*range(node.lineno - 1, node.end_lineno or node.lineno)}
    if prose := ast.get_docstring(module):
        drop |= {*range(module.body[0].end_lineno or 1)}
        yield "markdown", prose
    code = _trimmed([line for position, line in enumerate(lines) if position not in drop])
    yield "code", f"# {title}\n{code}".strip() if title else code
