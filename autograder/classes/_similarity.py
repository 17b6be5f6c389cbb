"""Which submissions of a class share code that neither the stub nor the whole class has: for a human, never a score.

`copydetect` (winnowing of k-grams: Schleimer, Wilkerson & Aiken 2003) compares what was graded, so a notebook as the
module that it became. Names, texts and comments do not count. What many submissions have is taken for common ground.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from markupsafe import Markup

from autograder.assignment import load_assignment
from autograder.classes._drive import SOURCES, stem
from autograder.classes._intake import Student
from autograder.classes._report import template
from autograder.classes._store import Store
from autograder.errors import UsageError
from autograder.plain import write_whole
from autograder.starter import build

PAGE, TABLE = "similarity.html", "similarity.csv"
GRAM = 25  # tokens that must be alike to count at all
LEAST = 60  # tokens in common, below which a pair is not worth anybody's time
SHOWN = 30  # pairs on the page, with their code
COLUMNS = ("first", "of", "second", "of", "tokens in common", "share of first", "share of second")


@dataclass(frozen=True)
class Pair:
    """Two submissions that share code: their ids, the tokens in common, their shares of each, and where it stands."""

    first: str
    second: str
    tokens: int
    shares: tuple[float, float]
    places: tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Similarity:
    """What was found: pairs, the most alike first; the sources of those compared, and whose each is, by id."""

    pairs: tuple[Pair, ...]
    sources: dict[str, str]
    names: dict[str, str]


def similarity(folder: Path, *, root: Path | None = None, threshold: float = 0.5, common: int = 10) -> Similarity:
    """Compare every two submissions of a graded class.

    Args:
        folder: of the class.
        root: folder of the course.
        threshold: the share of the one or the other from which on a pair is named.
        common: what more submissions than that share is nobody's own.

    Raises:
        UsageError: there is no class there, or copydetect is not installed.
    """
    with Store(folder) as store:
        owners, name = store.students(), store.fact("assignment") or ""
        ids = sorted({*(grade.id for grade in store.grades()), *store.ungraded()})
    assignment = load_assignment(name, root)
    file, files = f"{assignment.deliverable}.py", [f"{name}.py" for name in assignment.solutions]
    sources = {each: text for each in ids if (text := _source(folder, each, files))}
    prints = {each: _fingerprint(text, file) for each, text in sources.items()}
    counted = Counter(found for each in prints.values() for found in each.hashes)
    ground = {found for found, count in counted.items() if count > common}
    given = build(assignment)
    ground = ground.union(*(_fingerprint(given[each].decode(), file).hashes for each in files))
    for each in prints.values():
        _forget(each, ground)
    pairs = [pair for pair in _pairs(prints, owners) if max(pair.shares) >= threshold]
    names = {each: " & ".join(who.shown for who in owners.get(each, ())) or each for each in sources}
    return Similarity(tuple(sorted(pairs, key=lambda pair: (-max(pair.shares), -pair.tokens))), sources, names)


def _source(folder: Path, submission: str, files: Sequence[str]) -> str:
    """What was graded, with plain line ends, parts below the deliverable; empty where nothing could be."""
    found = [folder / SOURCES / stem(submission) / file for file in files]
    texts = [path.read_text("utf-8", "replace") if path.is_file() else "" for path in found]
    heads = ["", *(f"\n# {file}\n" for file in files[1:])]
    text = "\n".join(f"{head}{text}" for head, text in zip(heads, texts, strict=True) if text.strip())
    return "\n".join(text.splitlines()).strip("\n") + "\n" if text.strip() else ""


def _fingerprint(text: str, file: str) -> Any:
    try:
        from copydetect import CodeFingerprint
    except ImportError as error:
        raise UsageError("this needs copydetect", help="pip install 'deepgrade[similarity]'") from error
    return CodeFingerprint(file, GRAM, 1, fp=io.StringIO(text))


def _forget(fingerprint: Any, ground: set[int]) -> None:
    """Take away common ground; the library's own way loses passages that a file has twice."""
    from copydetect.utils import get_token_coverage

    fingerprint.hash_idx = {found: at for found, at in fingerprint.hash_idx.items() if found not in ground}
    fingerprint.hashes = set(fingerprint.hash_idx)
    size = len(fingerprint.filtered_code)
    fingerprint.token_coverage = get_token_coverage(fingerprint.hash_idx, fingerprint.k, size)


def _pairs(prints: dict[str, Any], owners: dict[str, tuple[Student, ...]]) -> Iterator[Pair]:
    """Every two that share enough, but for two attempts of one student."""
    from copydetect import compare_files

    for first, second in combinations(prints, 2):
        one, other = prints[first], prints[second]
        if one.hashes.isdisjoint(other.hashes) or set(owners.get(first, ())) & set(owners.get(second, ())):
            continue
        tokens, shares, places = compare_files(one, other)
        if tokens >= LEAST:
            spans = [[(int(begin), int(end)) for begin, end in zip(*each, strict=True)] for each in places]
            yield Pair(first, second, int(tokens), (float(shares[0]), float(shares[1])), (spans[0], spans[1]))


def write_similarity(found: Similarity, folder: Path) -> tuple[Path, Path]:
    """Write the page, with the code of the first pairs side by side, and the table of all pairs; returns both."""
    text: str = template("similarity.html.j2").render(
        pairs=found.pairs[:SHOWN], all=len(found.pairs), names=found.names, marked=_marked, sources=found.sources
    )
    return write_whole(folder / PAGE, text), write_whole(folder / TABLE, _table(found))


def _table(found: Similarity) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair in found.pairs:
        who = pair.first, found.names[pair.first], pair.second, found.names[pair.second]
        writer.writerow((*who, pair.tokens, *(f"{share:.3f}" for share in pair.shares)))
    return text.getvalue()


def _marked(source: str, places: Sequence[tuple[int, int]]) -> Markup:
    """A source, escaped, with what is shared marked."""
    parts, at = [], 0
    for begin, end in places:
        parts += [Markup("{}<mark>{}</mark>").format(source[at:begin], source[begin:end])]
        at = end
    return Markup("").join([*parts, Markup("{}").format(source[at:])])
