"""The instructor's report on a class: one HTML file, no scripts, no outside references; every text is escaped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from autograder.classes._drive import PAGES, page_name
from autograder.classes._statistics import LOW, CheckFigures, Figures, figures, histogram
from autograder.classes._store import Grade, Store
from autograder.plain import cut, write_whole
from autograder.results import are_points, signs, svg
from autograder.results import page as style

FILE_NAME = "report.html"
SHOWN = 12  # clusters of each kind
CHARS = 900  # of an example
WIDE, HIGH = 640, 190  # of the histogram, in the units of its view box
CARD = Path(style.__file__).with_name("page.css")


@dataclass(frozen=True)
class Person:
    """A submission as the report shows it: what it is called, where its page is (empty where that would tell)."""

    name: str
    page: str


def write_class_report(folder: Path, out: Path | None = None, *, anonymous: bool = False) -> Path:
    """Write the report on the class in a folder, whole or not at all.

    Args:
        folder: of the class.
        out: the file; by default `report.html` there.
        anonymous: no names, identifiers, times or links to pages; of wrong answers one example each is quoted still.

    Raises:
        UsageError: there is no class there, or nothing in it.
    """
    target = out or folder / FILE_NAME
    with Store(folder) as store:
        text = class_report(store, _pages(folder, target), anonymous=anonymous)
    return write_whole(target, text)


def _pages(folder: Path, target: Path) -> str:
    """Where the students' pages are, seen from the report."""
    beside = target.resolve().parent == folder.resolve()
    return PAGES if beside else (folder.resolve() / PAGES).as_uri()


def class_report(store: Store, pages: str = PAGES, *, anonymous: bool = False) -> str:
    """The report's HTML; see `write_class_report`."""
    grades, found = store.grades(), figures(store)
    people = _people(store, grades, pages, anonymous=anonymous)
    text: str = template("report.html.j2").render(
        title=store.fact("title"),
        assignment=store.fact("assignment"),
        when=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        anonymous=anonymous,
        figures=found,
        spread=_spread(found),
        histogram=histogram_svg(found),
        grades=grades,
        counts={kind: sum(grade.status == kind for grade in grades) for kind in ("graded", "unreadable", "fault")},
        open=[grade for grade in grades if grade.needs_a_human or grade.status == "unreadable"],
        ungraded=store.ungraded(),
        flags=store.flags(),
        people=people,
        shown=SHOWN,
        low=LOW,
        checks=sorted(found.checks, key=_place),
        seconds=sum(grade.seconds for grade in grades),
    )
    return text


def _people(store: Store, grades: Sequence[Grade], pages: str, *, anonymous: bool) -> dict[str, Person]:
    owners = store.students()
    found = {}
    ids = sorted({*(grade.id for grade in grades), *store.ungraded()})
    for number, each in enumerate(ids, start=1):
        names = " & ".join(student.shown for student in owners.get(each, ())) or each
        page = "" if anonymous else f"{pages}/{page_name(each)}"
        found[each] = Person(f"submission {number}" if anonymous else names, page)
    return found


def _spread(found: Figures) -> dict[str, float]:
    """Mean, median and quartiles of the scores."""
    scores = sorted(found.scores)
    if not scores:
        return {}

    def quantile(share: float) -> float:
        place = share * (len(scores) - 1)
        low = int(place)
        high = min(low + 1, len(scores) - 1)
        return scores[low] + (place - low) * (scores[high] - scores[low])

    quarters = {"lower quartile": quantile(0.25), "median": quantile(0.5), "upper quartile": quantile(0.75)}
    return {"mean": sum(scores) / len(scores), **quarters}


def histogram_svg(found: Figures) -> Markup:
    """The distribution of the scores, as inline SVG."""
    counts = histogram(found.scores, found.max_score)
    top, step = max(counts, default=0) or 1, WIDE / len(counts)
    parts = []
    for place, count in enumerate(counts):
        tall = (HIGH - 50) * count / top
        x, y = place * step + 1, HIGH - 26 - tall
        parts.append(_BAR.format(x=round(x, 1), y=round(y, 1), w=round(step - 2, 1), h=round(tall, 1)))
        if count:
            parts.append(_TEXT.format(x=round(x + step / 2 - 1, 1), y=round(y - 5, 1), text=count))
    for place in range(0, len(counts) + 1, len(counts) // 4):
        anchor = "start" if place == 0 else "end" if place == len(counts) else "middle"
        told = f"{found.max_score * place / len(counts):g}"
        parts.append(_AXIS.format(x=round(place * step, 1), y=HIGH - 8, text=told, anchor=anchor))
    parts.append(_LINE.format(y=HIGH - 26, w=WIDE))
    return _PICTURE.format(w=WIDE, h=HIGH, parts=Markup("").join(parts))


_BAR = Markup('<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="2" style="fill:var(--pending)"/>')
_TEXT = Markup('<text x="{x}" y="{y}" text-anchor="middle" style="font-size:12px;fill:var(--muted)">{text}</text>')
_AXIS = Markup('<text x="{x}" y="{y}" text-anchor="{anchor}" style="font-size:12px;fill:var(--muted)">{text}</text>')
_LINE = Markup('<rect x="0" y="{y}" width="{w}" height="1" style="fill:var(--edge)"/>')
_PICTURE = Markup(
    '<svg viewBox="0 0 {w} {h}" role="img" aria-label="how many submissions have how many points" '
    'style="width:100%">{parts}</svg>'
)


def _place(check: CheckFigures) -> list[int]:
    """Of a check among all, by its number: 2.9 before 2.10."""
    return [int(part) for part in re.findall(r"\d+", check.number)]


def long(seconds: float) -> str:
    """A time that may be hours."""
    minutes = round(seconds / 60)
    return svg.duration(seconds) if seconds < 600 else f"{minutes // 60} h {minutes % 60:02} min"


def decimal(number: float | None) -> str:
    """Two decimals, or a dash where there is no number."""
    return "–" if number is None else f"{number:.2f}".replace("-", "−")


@cache
def template(name: str) -> Any:
    """A page of this room to be filled in; whatever is filled in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": signs.points,
        "duration": svg.duration,
        "long": long,
        "decimal": decimal,
        "are_points": are_points,
    }
    environment.filters |= {"excerpt": lambda text: cut(text, CHARS)}
    environment.globals["style"] = Markup(CARD.read_text("utf-8"))  # ours
    return environment.get_template(name)
