"""A made class: what students hand in, from an assignment's own material, as a Gradescope export or as plain folders.

Deterministic for a seed. Used by tests with a few submissions of the small course and by `python -m benchmarks classes`
with many of a real one.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from autograder.assignment import Assignment, load_mistakes, mistaken_source
from autograder.errors import GraderError
from autograder.starter import build

SUBMISSIONS = Path(__file__).parent / "submissions"
DUE = datetime(2026, 11, 1, 22, 59, tzinfo=UTC)
EXPORT = "assignment_123_export"
GIVEN = ("Ada", "Emmy", "Sofia", "Alan", "Grace", "José", "Zoë", "Li", "Ngozi", "O'Neil")
FAMILY = (
    "Lovelace",
    "Noether",
    "Kovalevskaya",
    "Turing",
    "Hopper",
    "García Márquez",
    "Müller",
    "Wei",
    "Okafor",
    "<b>Q",
)
BROKEN = {
    "syntax": "def double(x:\n    return 2\n",
    "import": "import no_such_module\n",
    "stops": "import sys\nsys.exit(0)\n",
    "empty": "",
    "binary": "\x00\x01\x02",
}
INTEGRITY = "import sys\n\nFRAME = sys._getframe\n"


@dataclass(frozen=True)
class Made:
    """One submission: what kind it is, and the files in it."""

    kind: str
    files: dict[str, bytes]


def made_submissions(assignment: Assignment, count: int, seed: int = 1, hostile: bool = True) -> Iterator[Made]:
    """So many submissions: right ones and variants, mistakes and pairs of them, stubs, broken, odd, hostile ones.

    Args:
        assignment: of which.
        count: how many.
        seed: of the choice.
        hostile: whether files that attack are among them, where the assignment has some.
    """
    chance = random.Random(seed)
    kinds = [*_right(assignment), *_mistaken(assignment, chance), *_odd(assignment), *_stub(assignment)]
    name = f"{assignment.deliverable}.py"
    if hostile:
        files = sorted((SUBMISSIONS / assignment.name / "hostile").glob("*.py"))
        kinds += [Made(f"hostile {file.stem}", {name: file.read_bytes()}) for file in files]
    kinds += [Made(f"broken {kind}", {name: text.encode()}) for kind, text in BROKEN.items()]
    chance.shuffle(kinds)
    for position in range(count):
        base = kinds[position % len(kinds)]
        mark = f"\n# handed in by {position}\n".encode()  # no two of a class are the same file
        files_of = {file: data + mark if file.endswith(".py") else data for file, data in base.files.items()}
        yield Made(base.kind, files_of)


def _right(assignment: Assignment) -> Iterator[Made]:
    name = f"{assignment.deliverable}.py"
    yield Made("reference", {name: assignment.solution.read_bytes()})
    for file in sorted((SUBMISSIONS / assignment.name / "correct").glob("*.py")):
        yield Made(f"correct {file.stem}", {name: file.read_bytes()})


def _mistaken(assignment: Assignment, chance: random.Random) -> Iterator[Made]:
    name, source, mistakes = f"{assignment.deliverable}.py", assignment.solution.read_text(), load_mistakes(assignment)
    for mistake in mistakes:
        yield Made(f"mistake {mistake.name}", {name: mistaken_source(source, mistake).encode()})
    for first, second in zip(mistakes, chance.sample(mistakes, len(mistakes)), strict=True):
        try:
            both = mistaken_source(mistaken_source(source, first), second)
        except GraderError:  # they change the same line
            continue
        yield Made(f"mistakes {first.name}, {second.name}", {name: both.encode()})


def _odd(assignment: Assignment) -> Iterator[Made]:
    name, source = f"{assignment.deliverable}.py", assignment.solution.read_bytes()
    yield Made("odd: a browser's copy", {f"{assignment.deliverable} (1).py": source})
    yield Made("odd: in a folder", {f"homework/{name}": source})
    yield Made("odd: only a text", {"notes.txt": b"I could not do it"})
    yield Made("odd: looks inside", {name: source + INTEGRITY.encode()})


def _stub(assignment: Assignment) -> Iterator[Made]:
    name = f"{assignment.deliverable}.py"
    yield Made("stub", {name: build(assignment)[name]})


def person(position: int) -> dict[str, str]:
    """Somebody of the class, as Gradescope writes them."""
    name = f"{GIVEN[position % len(GIVEN)]} {FAMILY[(position // len(GIVEN)) % len(FAMILY)]}"
    return {":name": name, ":sid": f"{position:05d}", ":email": f"student{position}@school.example"}


def write_gradescope(made: list[Made], folder: Path, *, group: int = 0) -> Path:
    """A Gradescope export as a folder, whose first submission has `group` more submitters than one."""
    export = folder / EXPORT
    listed = {}
    for position, each in enumerate(made):
        name = f"submission_{1000 + position}"
        _write(each, export / name)
        more = range(len(made), len(made) + group) if position == 0 else ()
        created = DUE + timedelta(hours=3 * position - 12)
        listed[name] = {
            ":submitters": [person(one) for one in (position, *more)],
            ":created_at": created.strftime("%Y-%m-%d %H:%M:%S.000000000 Z"),
            ":score": 0.0,
            ":results": {"output": "!ruby/object:Object {}"},
            ":history": [],
        }
    (export / "submission_metadata.yml").write_text(yaml.safe_dump(listed, allow_unicode=True))
    return export


def write_plain(made: list[Made], folder: Path) -> Path:
    """One folder a submission, as clones lie."""
    for position, each in enumerate(made):
        _write(each, folder / f"student{position}")
    return folder


def _write(made: Made, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for file, data in made.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
