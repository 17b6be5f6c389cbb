"""Which of several files is meant: the one in which most of what is asked for is written."""

import ast
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from autograder.assignment import Assignment, given_files
from autograder.errors import GraderError, SubmissionError, did_you_mean
from autograder.submission._files import FILE, MODULE, NOTEBOOK, Entry, code_kind, not_a_file, shown
from autograder.submission._ipynb import cells_of
from autograder.submission._module import module_text
from autograder.submission._parse import bound, parsed

# What may follow the name: `conv (1)`, `conv copy 2`, `conv_v2`. No two of these begin alike, so matching is linear.
COPY = r"(?:[ _-]|copy|copie|kopie|final|v?\d|\(\d+\))*"
OURS = (
    "check.py",
    "submit.py",
    "conftest.py",
)  # of the starter; so are helpers.py, where there is one, and what lies in `public`
OUR_FOLDERS = ("public", "hidden")
MAX_READ = 40  # files that are looked into
MAX_BYTES = 64 << 20  # of all of them
QUIZ = "QUIZ"
STUB = re.compile(r"\w+\.\w+")  # what a stub's NotImplementedError says
OTHER_NAME = 2  # a file that is named neither as asked nor as a copy of that


@dataclass(frozen=True)
class Outline:
    """Of what is asked for, what a file defines, and what of that is more than a stub; whether it cannot be read."""

    defined: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    is_broken: bool = False


def choose(entries: Iterable[Entry], where: str, assignment: Assignment) -> tuple[Entry, tuple[str, ...]]:
    """The entry to grade, and notes about how it was chosen.

    Raises:
        SubmissionError: there is none; the message names what is there instead.
    """
    listed = list(entries)
    code = [each for each in listed if is_code(each, assignment) and not part_named(each.path.name, assignment)]
    outlines = _outlines(sorted(code, key=lambda each: _likeness(each, assignment)), assignment)
    ranked = sorted(outlines, key=lambda pair: _rank(pair[0], pair[1], assignment))
    exact = [each for each in listed if each.path.name in wanted_files(assignment)]
    if not ranked or (not ranked[0][1].defined and not _is_meant(ranked[0][0], code, assignment)):
        odd = [each for each in exact if each.kind != FILE]
        raise _not_found(where, odd, [each.path.name for each in listed if _is_work(each, assignment)], assignment)
    chosen, outline = ranked[0]
    others = [(each, found) for each, found in ranked[1:] if found.defined or _hides(each, found, assignment)]
    notes = () if chosen.path.name in wanted_files(assignment) else (renamed(chosen.path.name, assignment.deliverable),)
    return chosen, (*notes, *([_compared(chosen, outline, others)] if others else []))


def renamed(name: str, module: str) -> str:
    """The note about a file under another name."""
    return f"{shown(name)} is graded as {module}.py"


def is_code(entry: Entry, assignment: Assignment) -> bool:
    """Whether something is code of the student's, by its name."""
    return entry.kind == FILE and bool(code_kind(entry.path.name)) and not _is_ours(entry, assignment)


def part_named(name: str, assignment: Assignment) -> str:
    """The part that a file is by its name, or by that it is called like a copy of it; empty for all others."""
    if name in wanted_files(assignment) or not code_kind(name):
        return ""
    stem = _stem(name)
    copied = (part for part in assignment.parts if re.fullmatch(re.escape(part) + COPY, stem, re.IGNORECASE))
    return stem if stem in assignment.parts else next(copied, "")


def wanted_files(assignment: Assignment) -> tuple[str, str]:
    """The names that are asked for."""
    return f"{assignment.deliverable}.py", f"{assignment.deliverable}.ipynb"


def advice(assignment: Assignment) -> str:
    """What to hand in."""
    module, notebook = wanted_files(assignment)
    if assignment.parts:
        more = " and ".join(f"{name}.py" for name in assignment.parts)
        return f"Hand in {module} or {notebook}, and {more}, together in a folder or zip."
    return f"Hand in {module} or {notebook}, alone or in a folder or zip."


def outline(data: bytes, name: str, assignment: Assignment) -> Outline:
    """What a file defines; nothing, where it cannot be read."""
    asked = (*assignment.public_names, QUIZ)
    try:
        if is_notebook(data, name):
            texts = [cell.source for cell in cells_of(data, shown(name)) if not cell.kind]
        else:
            texts = [module_text(data, name)[0]]
    except (SubmissionError, GraderError):
        return Outline(is_broken=True)
    written: dict[str, bool] = {}
    for text in texts:
        if any(name in text for name in asked):
            for node in parsed(text).nodes:
                done = not _taken_from(node, assignment.parts) and _is_written(node)
                written |= {name: done for name in bound(node) if name in asked}
    return Outline(frozenset(written), frozenset(name for name, done in written.items() if done))


def stubs_and_work(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a part's text defines at its top level as the stub left them, and those that it has more of."""
    found: dict[str, bool] = {}
    for node in parsed(text).nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            found |= dict.fromkeys(bound(node), _is_written(node))
    return frozenset(name for name in found if not found[name]), frozenset(name for name in found if found[name])


def written_in(module: str, texts: Mapping[str, str], assignment: Assignment) -> frozenset[str]:
    """Names of which more than a stub is written, in a module or in the parts that it has them from.

    Args:
        module: the deliverable's name, or a part's.
        texts: what was handed in, by module.
        assignment: whose.
    """
    text, others = texts[module], {name: text for name, text in texts.items() if name != module}
    if module == assignment.deliverable:
        found = {*outline(text.encode(), f"{module}.py", assignment).written}
    else:
        found = {*stubs_and_work(text)[1]}
    for node in parsed(text).nodes:
        if source := _taken_from(node, others):
            there = written_in(source, others, assignment)
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                found |= there if alias.name == "*" else {alias.asname or alias.name} if alias.name in there else set()
    return frozenset(found)


def _taken_from(node: ast.AST, modules: Container[str]) -> str:
    """The one of these modules that a `from … import …` is about; empty for all else."""
    source = node.module or "" if isinstance(node, ast.ImportFrom) and not node.level else ""
    return source if source in modules else ""


def is_notebook(data: bytes, name: str) -> bool:
    """Whether bytes are a notebook, whatever their file is called: JSON of one, or what claims to be one and is no
    module either."""
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"nbformat"' in data:
        return True
    return code_kind(name) == NOTEBOOK and not re.search(rb"^(def|class|import|from) \w", data, re.MULTILINE)


def _outlines(code: list[Entry], assignment: Assignment) -> list[tuple[Entry, Outline]]:
    found, room = list[tuple[Entry, Outline]](), MAX_BYTES
    for entry in code[:MAX_READ]:
        try:
            data = entry.read() if room > 0 else b""
        except SubmissionError:
            found.append((entry, Outline(is_broken=True)))
            continue
        room -= len(data)
        found.append((entry, outline(data, entry.path.name, assignment)))
    return found


def _is_written(node: ast.AST) -> bool:
    """Whether nothing in it is as the stub left it, and there is something in it. A stub says `conv.corr2d`; at home
    its folder, and with it the assignment, may have another name."""
    match node:
        case ast.FunctionDef(body=body) if all(isinstance(each, ast.Pass) or _is_text(each) for each in body):
            return False
        case ast.Assign(targets=[ast.Name(id="QUIZ")], value=ast.Dict(values=values)):
            return any(not (isinstance(each, ast.Constant) and each.value is None) for each in values)
    for part in ast.walk(node):
        match part:
            case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"), args=[ast.Constant(value=str(text))])):
                if STUB.fullmatch(text):
                    return False
    return True


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _rank(entry: Entry, found: Outline, assignment: Assignment) -> tuple[object, ...]:
    """Sorts first what has most written; where nothing is, what cannot be read comes first, so that this is said."""
    return -len(found.written), not _hides(entry, found, assignment), -len(found.defined)


def _hides(entry: Entry, found: Outline, assignment: Assignment) -> bool:
    """Whether the work may be in it, by its name, and nobody can tell."""
    return found.is_broken and _likeness(entry, assignment)[0] != OTHER_NAME


def _likeness(entry: Entry, assignment: Assignment) -> tuple[object, ...]:
    """Sorts first what is named as asked, then copies of that, then the rest; of each, the shallowest."""
    name = entry.path.name
    copy = re.compile(re.escape(assignment.deliverable) + COPY, re.IGNORECASE)
    rank = 0 if name in wanted_files(assignment) else 1 if copy.fullmatch(_stem(name)) else OTHER_NAME
    return rank, entry.depth, entry.path.parent, code_kind(name) != MODULE, entry.path


def _stem(name: str) -> str:
    """The name of a file of code without what follows it."""
    return name[: name.lower().find(".py") if code_kind(name) == MODULE else name.lower().find(".ipynb")]


def _is_meant(entry: Entry, code: list[Entry], assignment: Assignment) -> bool:
    """Whether a file in which nothing was found is the one that was handed in all the same."""
    return len(code) == 1 or _likeness(entry, assignment)[0] != OTHER_NAME


def _is_ours(entry: Entry, assignment: Assignment) -> bool:
    parts = entry.path.parts
    has_helpers = (assignment.folder / "helpers.py").exists()
    ours = {*OURS, *given_files(assignment), *(["helpers.py"] if has_helpers else [])}
    return parts[-1] in ours or any(p in OUR_FOLDERS for p in parts[:-1])


def _is_work(entry: Entry, assignment: Assignment) -> bool:
    return entry.kind == FILE and not _is_ours(entry, assignment) and entry.path.suffix.lower() in WORK


WORK = (".py", ".ipynb", ".zip", ".txt", ".json", ".gz", ".tgz", ".tar", ".rar", ".7z", ".pdf", ".html")


def _compared(chosen: Entry, outline: Outline, others: list[tuple[Entry, Outline]]) -> str:
    listed = ", ".join(f"{shown(each.path)} ({_state(found)})" for each, found in others[:5])
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    return f"{shown(chosen.path)} is graded, with {len(outline.written)} parts written; also there: {listed}{more}"


def _state(found: Outline) -> str:
    return "cannot be read" if found.is_broken else str(len(found.written))


def _not_found(where: str, odd: list[Entry], others: list[str], assignment: Assignment) -> SubmissionError:
    """Says what is there instead of the deliverable."""
    if odd:
        return not_a_file(str(odd[0].path), odd[0].kind)
    wanted = wanted_files(assignment)
    message = f"there is no {wanted[0]} or {wanted[1]} in {where}"
    for other in others:
        if hint := did_you_mean(other.lower(), wanted):
            return SubmissionError(f"{message}, but there is {shown(other)}{hint}", help=advice(assignment))
    listed = ", ".join(shown(other) for other in others[:5])
    return SubmissionError(f"{message}, only {listed}" if listed else message, help=advice(assignment))
