"""Small pictures as inline SVG: where values differ, cost against its limit, times of a race, a score.

Every text is escaped. Colours are the page's variables, with a value of their own for pages that have none. What is
drawn is data of a run, which may come from a file: what is not a number is left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from markupsafe import Markup, escape

WIDTH = 360  # of bars and strips, in the units of their view boxes; small, so that text stays readable on a phone
CELL = 12
MAX_WIDTH = 460  # of bars and strips, in pixels
SYMBOLS = {"reference": "▲", "limit": "┃"}
MARKS = (("reference", "start"), ("limit", "end"))  # of a bar, and on which side each is written
GOOD, PARTLY, BAD, PENDING, MUTED, TRACK, INK, CARD = (
    "var(--good,#1a7f4b)",
    "var(--partly,#8a5a00)",
    "var(--bad,#b42318)",
    "var(--pending,#0b6e99)",
    "var(--muted,#59636e)",
    "var(--track,#e4e7ec)",
    "var(--ink,#1c2024)",
    "var(--card,#ffffff)",
)


def squares_svg(rows: Sequence[Sequence[float]], label: str = "where values differ") -> Markup:
    """Where values differ, as a grid of squares: one colour and a plus where they are too large, another and a minus
    where too small, the worst framed.

    Args:
        rows: equally long rows of marks: 0 where values do not differ, else see `results.Line`.
        label: says what is seen, for those who cannot.
    """
    columns = max((len(row) for row in rows), default=0)
    width, height = columns * CELL, len(rows) * CELL
    marks = [(x, y, mark) for y, row in enumerate(rows) for x, mark in enumerate(row) if _is_number(mark)]
    parts = [_tag("rect", width=width, height=height, style=f"fill:{CARD}")]
    for x, y, mark in marks:
        if mark:
            place = {"x": x * CELL, "y": y * CELL, "width": CELL, "height": CELL}
            parts.append(_tag("rect", **place, style=f"fill:{BAD if mark > 0 else PENDING}"))
    lines = [f"M0 {y * CELL}h{width}" for y in range(len(rows) + 1)]
    lines += [f"M{x * CELL} 0v{height}" for x in range(columns + 1)]
    parts.append(_tag("path", d="".join(lines), style=f"stroke:{TRACK};stroke-width:1;fill:none"))
    signs = "".join(_sign(x * CELL, y * CELL, mark) for x, y, mark in marks)
    parts.append(_tag("path", d=signs or "M0 0", style=f"stroke:{CARD};stroke-width:1.5;fill:none"))
    for x, y, mark in marks:
        if abs(mark) >= 1:
            place = {"x": x * CELL, "y": y * CELL, "width": CELL, "height": CELL}
            parts.append(_tag("rect", **place, style=f"fill:none;stroke:{INK};stroke-width:2"))
    return _svg(width, height, label, parts, max_width=max(width * 1.5, 60), cap=420)


def _sign(x: int, y: int, mark: float) -> str:
    """A plus or a minus in the square's middle, as strokes; nothing where no side is said."""
    if abs(mark) < 0.5:
        return ""
    minus = f"M{x + 3.5} {y + CELL / 2}h{CELL - 7}"
    return f"{minus}M{x + CELL / 2} {y + 3.5}v{CELL - 7}" if mark > 0 else minus


def bars_svg(figures: Sequence[Mapping[str, Any]], label: str = "cost against its limits") -> Markup:
    """What was counted, one bar a figure on a logarithmic scale of its own, with ticks for the reference and the limit.

    Args:
        figures: `{"name": "operations", "value": 10243, "reference": 12, "limit": 120, "unit": ""}`; the last three may
            be missing or None.
        label: says what is seen, for those who cannot.
    """
    drawn = [figure for figure in figures if isinstance(figure, Mapping) and _is_number(figure.get("value"))]
    parts = [part for index, figure in enumerate(drawn) for part in _bar(figure, index * 62)]
    return _svg(WIDTH, 62 * len(drawn), label, parts, max_width=MAX_WIDTH)


def _bar(figure: Mapping[str, Any], top: int) -> Iterable[Markup]:
    value, limit, unit = figure["value"], figure.get("limit"), str(figure.get("unit") or "")
    marks = [(word, anchor, figure[word]) for word, anchor in MARKS if _is_number(figure.get(word))]
    known = [number for number in (value, *(number for _, _, number in marks)) if number > 0] or [1.0]
    scale = _Scale(min(known) / 3, max(known) * 1.25)
    colour = BAD if _is_number(limit) and value > limit else GOOD
    yield _text(0, top + 13, str(figure.get("name", "")), weight=600)
    yield _text(WIDTH, top + 13, amount(value, unit), anchor="end", weight=700, fill=colour)
    for width, fill in ((float(WIDTH), TRACK), (round(scale(value), 1), colour)):
        yield _tag("rect", y=top + 20, width=width, height=10, rx=5, style=f"fill:{fill}")
    for word, anchor, number in marks:
        x, symbol = round(scale(number), 1), SYMBOLS[word]
        mark = f"M{x - 1} {top + 17}h2v16h-2z" if word == "limit" else f"M{x} {top + 28}l5 8h-10z"
        yield _tag("path", d=mark, style=f"fill:{INK}")
        place = 0 if anchor == "start" else WIDTH
        yield _text(place, top + 48, f"{symbol} {word} {amount(number, unit)}", anchor=anchor, size=11, fill=MUTED)


def race_svg(race: Mapping[str, Any], label: str = "times of the race") -> Markup:
    """Times of both sides as dots on one logarithmic axis, with lines where full points end and where none are left.

    Args:
        race: `{"student": [seconds, …], "reference": [seconds, …], "target": 1.5, "limit": 3}`; target and limit are
            multiples of the reference's best time and may be missing.
        label: says what is seen, for those who cannot.
    """
    reference, student = _times(race, "reference"), _times(race, "student")
    if not reference or not student:
        return Markup("")
    best = min(reference)
    lines = {word: race[word] * best for word in ("target", "limit") if _is_number(race.get(word)) and race[word] > 0}
    times = [*reference, *student, *lines.values()]
    scale = _Scale(min(times) / 1.15, max(times) * 1.15, left=74)
    parts = [part for word, time in lines.items() for part in _race_line(word, scale(time))]
    parts += _strip("reference", reference, 36, MUTED, scale)
    parts += _strip("yours", student, 72, _colour(min(student), lines), scale)
    for x, anchor, time in ((74, "start", min(times)), (WIDTH, "end", max(times))):
        parts.append(_text(x, 106, duration(time), anchor=anchor, size=11, fill=MUTED))
    return _svg(WIDTH, 112, label, parts, max_width=MAX_WIDTH)


def _times(race: Mapping[str, Any], side: str) -> list[float]:
    values = race.get(side)
    return [time for time in values if _is_number(time) and time > 0] if isinstance(values, list | tuple) else []


def _colour(best: float, lines: Mapping[str, float]) -> str:
    """Of a best time: full points, some, or none."""
    if best <= lines.get("target", math.inf):
        return GOOD
    return PARTLY if best <= lines.get("limit", 0.0) else BAD


def _race_line(word: str, x: float) -> list[Markup]:
    line = _tag("line", x1=x, x2=x, y1=16, y2=92, style=f"stroke:{INK};stroke-dasharray:3 3")
    return [line, _text(x, 11, word, anchor="middle", size=11, fill=MUTED)]


def _strip(name: str, values: list[float], y: int, colour: str, scale: "_Scale") -> list[Markup]:
    dots = [
        _tag(
            "circle",
            cx=round(scale(time), 1),
            cy=y + (index * 5) % 13 - 6,
            r=3,
            style=f"fill:{colour};fill-opacity:.45",
        )
        for index, time in enumerate(values)
    ]
    best = round(scale(min(values)), 1)
    mark = _tag("rect", x=best - 1.5, y=y - 12, width=3, height=24, rx=1.5, style=f"fill:{colour}")
    return [
        *dots,
        mark,
        _text(0, y - 1, name, weight=600),
        _text(0, y + 13, duration(min(values)), size=11, fill=MUTED),
    ]


def ring_svg(score: float, pending: float, total: float) -> Markup:
    """A score as a ring: earned in one colour, still to be measured hatched, the rest empty.

    Args:
        score: points earned.
        pending: points that are still to be measured.
        total: points to be had.
    """
    around = 2 * math.pi * 52
    shares = [min(1.0, part / total) if total else 0.0 for part in (score, pending)]
    common = {"cx": 64, "cy": 64, "r": 52, "fill": "none", "stroke_width": 12, "transform": "rotate(-90 64 64)"}
    parts = [_tag("circle", **common, style=f"stroke:{TRACK}")]
    if shares[0]:
        earned = f"{shares[0] * around:.2f} {around:.2f}"
        parts.append(_tag("circle", **common, stroke_dasharray=earned, style=f"stroke:{GOOD}"))
    if shares[1]:
        teeth = max(1, round(shares[1] * around / 6))
        dashes = " ".join(["3 3"] * teeth)
        pattern = f"0 {shares[0] * around:.2f} {dashes} 0 {around:.2f}"
        parts.append(_tag("circle", **common, stroke_dasharray=pattern, style=f"stroke:{PENDING}"))
    parts.append(_text(64, 68, f"{round(score, 2):g}", anchor="middle", size=32, weight=700))
    parts.append(_text(64, 86, f"of {round(total, 2):g}", anchor="middle", size=12, fill=MUTED))
    return _svg(128, 128, f"{round(score, 2):g} of {round(total, 2):g} points", parts, max_width=160)


def amount(number: float, unit: str = "") -> str:
    """A count or size in few characters: 12; 10,243; 4.1e+09; 0.25; 1.76 MiB."""
    if unit == "bytes":
        for factor, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(number) >= factor:
                return f"{number / factor:.3g} {name}"
    end = f" {unit}" if unit else ""
    if (number == int(number) or abs(number) >= 1000) and abs(number) < 1e7:
        return f"{int(number):,}{end}"
    return f"{number:.3g}{end}"


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


class _Scale:
    """A logarithmic axis from `low` to `high`, drawn from `left` to the picture's right edge."""

    def __init__(self, low: float, high: float, left: float = 0.0) -> None:
        self.low, self.high, self.left = max(low, 1e-300), max(high, low * 1.0001, 1e-299), left

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.left + min(1.0, share) * (WIDTH - self.left)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _svg(
    width: float, height: float, label: str, parts: Iterable[Markup], *, max_width: float, cap: float = 1e9
) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;max-width:{}px">')
    return head.format(width, height, label, int(min(max_width, cap))) + Markup("").join(parts) + Markup("</svg>")


def _tag(name: str, **attributes: Any) -> Markup:
    pairs = Markup(" ").join(
        Markup('{}="{}"').format(key.replace("_", "-"), value) for key, value in attributes.items()
    )
    return Markup(f"<{name} ") + pairs + Markup("/>")


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400, fill: str = INK
) -> Markup:
    style = f"font-size:{size}px;font-weight:{weight};fill:{fill}"
    return Markup('<text x="{}" y="{}" text-anchor="{}" style="{}">{}</text>').format(x, y, anchor, style, escape(text))
