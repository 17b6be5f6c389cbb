"""Boxes, arrows, grids and words as an SVG that reads on a light and on a dark page: it brings its own ground, and
follows what the reader's system prefers."""

from collections.abc import Mapping, Sequence
from html import escape

Point = tuple[float, float]
CELL = 34.0  # side of a grid's cell
KINDS = ("plain", "blue", "orange", "green", "faint")
STYLE = """
svg { --ground: #ffffff; --edge: #d0d7de; --ink: #1f2328; --quiet: #59636e; --plain: #f6f8fa; --faint: #ffffff;
  --blue: #dbeafe; --blue-ink: #1d4ed8; --orange: #ffe8d1; --orange-ink: #b43403; --green: #d9f5e0;
  --green-ink: #116329; }
@media (prefers-color-scheme: dark) { svg { --ground: #161b22; --edge: #444c56; --ink: #e6edf3; --quiet: #9da7b3;
  --plain: #262c36; --faint: #161b22; --blue: #173a6b; --blue-ink: #8ec5ff; --orange: #5a2c0c; --orange-ink: #ffb77c;
  --green: #11432a; --green-ink: #7ee2a0; } }
text { font: 14px ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
.small { font-size: 12px; } .quiet { fill: var(--quiet); } .bold { font-weight: 600; }
.mono { font-family: ui-monospace, Menlo, Consolas, monospace; }
.ground { fill: var(--ground); stroke: var(--edge); }
.box { stroke: var(--edge); }
.line { fill: none; stroke: var(--quiet); stroke-width: 1.5; } .tip { fill: var(--quiet); }
.thin { stroke: var(--edge); stroke-width: 1; } .dashed { stroke-dasharray: 4 3; }
.frame { fill: none; stroke-width: 2.5; }
.plain { fill: var(--plain); } .faint { fill: var(--faint); }
.blue { fill: var(--blue); } .orange { fill: var(--orange); } .green { fill: var(--green); }
.frame.blue, .line.blue { stroke: var(--blue-ink); } .frame.orange, .line.orange { stroke: var(--orange-ink); }
.line.green { stroke: var(--green-ink); } .frame, .line { fill: none; }
text.blue, .tip.blue { fill: var(--blue-ink); } text.orange, .tip.orange { fill: var(--orange-ink); }
text.green, .tip.green { fill: var(--green-ink); }
"""


class Drawing:
    """A picture of `width` by `height`, on a ground with round corners."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> None:
        """Words whose middle stands at the height y; `kind` is any of small, quiet, bold, mono and the colours."""
        place = f'x="{x:g}" y="{y + 5:g}" text-anchor="{anchor}"'
        self.parts.append(f'<text {place} class="{kind}">{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, words: str = "", kind: str = "plain") -> None:
        """A box with its upper left corner at (x, y), and words in its middle."""
        size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect {size} rx="5" class="box {kind}"/>')
        if words:
            self.text(x + width / 2, y + height / 2, words, kind if kind not in ("plain", "faint") else "")

    def frame(self, x: float, y: float, width: float, height: float, kind: str = "blue") -> None:
        """A thick frame around something."""
        size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect {size} rx="4" class="frame {kind}"/>')

    def circle(self, x: float, y: float, radius: float, words: str = "", kind: str = "plain") -> None:
        """A circle around (x, y), and words in its middle."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="box {kind}"/>')
        if words:
            self.text(x, y, words, kind if kind not in ("plain", "faint") else "")

    def line(self, *points: Point, kind: str = "") -> None:
        """A line through points; `kind` may be dashed and a colour."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line {kind}"/>')

    def arrow(self, *points: Point, kind: str = "") -> None:
        """A line through points with a tip at its end; the last piece is level or upright."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        self.line(*points[:-1], (x1 - 6 * dx, y1 - 6 * dy), kind=kind)
        left = x1 - 8 * dx - 4 * dy, y1 - 8 * dy + 4 * dx
        right = x1 - 8 * dx + 4 * dy, y1 - 8 * dy - 4 * dx
        tip = " ".join(f"{x:.4g},{y:.4g}" for x, y in ((x1, y1), left, right))
        self.parts.append(f'<polygon points="{tip}" class="tip {kind.replace("dashed", "").strip()}"/>')

    def grid(
        self,
        x: float,
        y: float,
        rows: Sequence[Sequence[object]],
        marked: Mapping[Point, str] | None = None,
        cell: float = CELL,
    ) -> None:
        """A table of values, its upper left corner at (x, y); `marked` has the kinds of cells by row and column."""
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                kind = (marked or {}).get((i, j), "plain")
                self.box(x + j * cell, y + i * cell, cell, cell, str(value), kind)

    def svg(self) -> str:
        """The file."""
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        ground = (
            f'<rect x="0.5" y="0.5" width="{self.width - 1:g}" height="{self.height - 1:g}" rx="8" class="ground"/>'
        )
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(self.title)}</title>'
        return "\n".join([head, f"<style>{STYLE}</style>", ground, *self.parts, "</svg>"]) + "\n"
