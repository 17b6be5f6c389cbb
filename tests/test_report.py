"""The page and the table: everything is said, nothing that is said becomes markup, and what is withheld stays so."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO, StringIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autograder.plain import degrade_signs
from autograder.results import Outcome, Run, shown, svg, terminal
from autograder.results.page import page, write_report
from autograder.results.signs import sign
from tests.samples import COST, HOSTILE, PICTURE, RACE, line, sample_lines, sample_run, without_fault

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Document(HTMLParser):
    """A page taken apart: its elements with their attributes, and its text. Fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def printed(run: Run, width: int = 100, **options: Any) -> str:
    """What the terminal shows."""
    console = Console(file=StringIO(), width=width, **options)
    terminal.show(run, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def flat(text: str) -> str:
    """The text with all white space as single spaces."""
    return " ".join(text.split())


# The page ---------------------------------------------------------------------------------------------------------


def test_everything_a_student_may_see_is_on_the_page() -> None:
    run = shown(sample_run())
    text = flat(Document(page(run)).text)
    for each in run.lines:
        assert flat(each.name) in text
        assert flat(each.message) in text
        assert each.hint is None or flat(each.hint) in text
        assert flat(each.beside) in text
        assert sign(each).word in text
    for said in (run.title, run.submission_name, str(run.seed), run.digest[:16], "torch 2.13.0+cpu", *run.notes):
        assert said in text
    assert "21 November 2026, 12:04 UTC" in text
    assert "landlock 6" in text
    assert "mounts off" in text


def test_hostile_text_stays_text() -> None:
    hostile = sample_run(
        title=HOSTILE, submission_name=HOSTILE, notes=(HOSTILE,), versions={HOSTILE: HOSTILE}, device=HOSTILE,
        confinement={HOSTILE: HOSTILE}, started=HOSTILE, digest=HOSTILE, task_titles={"pool2d": HOSTILE},
    )  # fmt: skip
    document = Document(page(hostile))
    tags = {tag for tag, _ in document.elements}
    assert not tags & {"script", "img", "iframe", "object", "link", "form", "base"}
    assert document.text.count("alert(1)</script>") >= 8
    assert "49" not in document.text.replace("1094882301", "")


def test_figures_are_no_way_in_either() -> None:
    figures = {
        HOSTILE: HOSTILE,
        "cost": [{"name": HOSTILE, "value": 3, "limit": 2, "unit": HOSTILE}],
        "race": RACE | {"ratio": HOSTILE},
    }
    document = Document(page(sample_run(lines=(line("c", "t", "passed", figures=figures),))))
    assert "script" not in {tag for tag, _ in document.elements}
    assert not any(name.startswith("on") for _, attributes in document.elements for name in attributes)


def test_the_page_refers_to_nothing_outside_itself() -> None:
    text = page(sample_run())
    document = Document(text)
    for tag, attributes in document.elements:
        assert tag != "script"
        assert not {"src", "srcset", "action", "data", "xlink:href"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text


def test_every_link_leads_to_its_place_and_every_lost_check_to_its_cause() -> None:
    elements = Document(page(sample_run())).elements
    targets = [attributes["id"] for _, attributes in elements if "id" in attributes]
    links = [(attributes["href"] or "")[1:] for tag, attributes in elements if tag == "a"]
    assert len(set(targets)) == len(targets)
    assert set(links) == set(targets)
    lost = [each for each in sample_lines() if each.score < each.max_score and not each.outcome.is_pending]
    assert sum(link.startswith("cause-") for link in links) == len(lost)


def test_the_page_has_landmarks_and_headings_that_skip_no_level() -> None:
    elements = Document(page(sample_run())).elements
    tags = [tag for tag, _ in elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


@pytest.mark.parametrize("visibility", ["hidden", "after_due_date", "after_published"])
def test_withheld_checks_leave_neither_text_nor_points(visibility: str) -> None:
    later = line("SECRET", "SECRET", "failed", 61, message="SECRET", hint="SECRET", visibility=visibility)
    run = sample_run(lines=(line("now", "t", "passed", 3), later), notes=())
    text = flat(Document(page(run)).text)
    assert "SECRET" not in text
    assert "1 more check is not shown here" in text
    assert not re.search(r"\b6[14]\b", text)
    assert "SECRET" in page(run, reveal=True)
    assert "of 64" in flat(Document(page(run, reveal=True)).text)


def test_details_of_our_faults_are_not_on_the_page() -> None:
    text = page(sample_run(status="fault", reason="hidden/test_pool.py is broken"))
    assert "test_pool.py" not in text
    assert "The grader failed, not you" in text


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"reason": "SyntaxError: line 3"}, "Your code could not be used"),
        ({"status": "unreadable", "reason": "an empty zip"}, "an empty zip"),
        ({"lines": (), "task_titles": {}}, "0 of 0 points"),
    ],
)
def test_a_run_that_ended_early_has_a_page_too(changes: dict[str, Any], says: str) -> None:
    assert says in flat(Document(page(without_fault(sample_run(**changes)))).text)


def test_what_could_not_be_measured_is_listed_with_the_reason() -> None:
    text = flat(Document(page(sample_run())).text)
    listed = text[text.index("What could not be measured here") :]
    assert "pool2d: speed on a GPU (5 points): This check needs a GPU" in listed
    assert "missed its calibration" in listed
    assert "What could not be measured" not in page(sample_run(lines=(line("c", "t", "passed"),)))


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_at_all_makes_a_well_formed_page(text: str) -> None:
    said = line(text, text, "failed", message=text, hint=text, figures={text: text})
    Document(page(sample_run(lines=(said,), title=text, reason=text, started=text)))


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    run = sample_run()
    path = write_report(run, tmp_path / "out")
    assert path.read_text("utf-8") == page(run)
    assert path.name == "report.html"


# Pictures ---------------------------------------------------------------------------------------------------------


def drawn(picture: str) -> list[ElementTree.Element]:
    """The elements of an SVG, which must be well formed."""
    root = ElementTree.fromstring(picture)
    assert root.tag == "svg"
    return list(root)


def test_a_picture_has_a_square_for_each_value_that_differs_its_side_and_a_frame_around_the_worst() -> None:
    parts = drawn(svg.squares_svg([[0, 0.5, -1], [0, 0, 0.25]]))
    squares = [part for part in parts[1:] if part.tag == "rect" and "fill:none" not in part.get("style", "")]
    assert [(each.get("x"), each.get("y")) for each in squares] == [("12", "0"), ("24", "0"), ("24", "12")]
    assert [re.findall(r"--(\w+)", each.get("style", ""))[0] for each in squares] == ["bad", "pending", "bad"]
    frames = [part for part in parts if part.tag == "rect" and "fill:none" in part.get("style", "")]
    assert [(each.get("x"), each.get("y")) for each in frames] == [("24", "0")]
    signs = next(part for part in parts if "stroke-width:1.5" in part.get("style", ""))
    assert (signs.get("d", "").count("h"), signs.get("d", "").count("v")) == (2, 1)  # a plus and a minus


@pytest.mark.parametrize("rows", [[], [[]], [[0.0]], [[math.nan, None, "x", 7, -3]], [[1.0] * 32] * 32])
def test_a_picture_of_anything_is_well_formed(rows: Any) -> None:
    drawn(svg.squares_svg(rows))


def widths(picture: str) -> list[float]:
    """Widths of the filled bars, without the tracks below them."""
    return [float(rect.get("width", 0)) for rect in drawn(picture) if rect.tag == "rect"][1::2]


def test_bars_grow_with_the_value_and_are_red_only_over_the_limit() -> None:
    within = svg.bars_svg([{"name": "operations", "value": 60, "reference": 12, "limit": 120}])
    over = svg.bars_svg([{"name": "operations", "value": 240, "reference": 12, "limit": 120}])
    exact = svg.bars_svg([{"name": "operations", "value": 120, "reference": 12, "limit": 120}])
    assert widths(within) < widths(exact) < widths(over)
    assert ("--bad" in within, "--bad" in exact, "--bad" in over) == (False, False, True)


def test_bars_name_value_reference_and_limit() -> None:
    text = "".join(ElementTree.fromstring(svg.bars_svg(COST)).itertext())
    for said in ("dispatched operations", "10,243", "reference 12", "limit 120", "1.76 MiB", "limit 4.39 MiB"):
        assert said in text


@pytest.mark.parametrize(
    "figures",
    [
        [],
        [{"name": "nothing else", "value": 0}],
        [{"name": "all zero", "value": 0, "reference": 0, "limit": 0}],
        [{"name": "fraction", "value": 1e-9, "limit": 1e9, "unit": "s"}],
        [{"name": "broken", "value": None}, "no figure", {"value": math.inf}, {"value": -3.5}],
    ],
)
def test_bars_of_anything_are_well_formed(figures: Any) -> None:
    for each in drawn(svg.bars_svg(figures)):
        assert all(math.isfinite(float(each.get(key, 0))) for key in ("x", "y", "width"))


def colour_of_mine(best: float) -> str:
    """Which variable colours the student's dots."""
    race = {"reference": [1.0, 1.1], "student": [best, best * 2], "target": 1.5, "limit": 3.0}
    dots = [each for each in drawn(svg.race_svg(race)) if each.tag == "circle"]
    return re.findall(r"--(\w+)", dots[-1].get("style", ""))[0]


def test_a_race_shows_every_turn_and_colours_the_verdict() -> None:
    dots = [each for each in drawn(svg.race_svg(RACE)) if each.tag == "circle"]
    assert len(dots) == len(RACE["reference"]) + len(RACE["student"])
    assert [colour_of_mine(best) for best in (0.5, 1.5, 1.51, 3.0, 3.01)] == ["good", "good", "partly", "partly", "bad"]


def test_slower_turns_lie_further_right() -> None:
    dots = [
        each for each in drawn(svg.race_svg({"reference": [1.0], "student": [2.0, 4.0, 8.0]})) if each.tag == "circle"
    ]
    places = [float(dot.get("cx", 0)) for dot in dots]
    assert places == sorted(places)
    assert places[2] - places[1] == pytest.approx(places[3] - places[2], abs=0.2)  # a logarithmic axis


@pytest.mark.parametrize("race", [{}, {"student": [1.0]}, {"student": 3, "reference": [0.0, math.nan, "x"]}])
def test_a_race_without_times_has_no_picture(race: dict[str, Any]) -> None:
    assert svg.race_svg(race) == ""


@pytest.mark.parametrize(
    "score, pending, total", [(0, 0, 0), (0, 0, 10), (10, 0, 10), (3, 7, 10), (0, 10, 10), (12, 5, 10)]
)
def test_the_ring_says_the_score(score: float, pending: float, total: float) -> None:
    text = "".join(ElementTree.fromstring(svg.ring_svg(score, pending, total)).itertext())
    assert text == f"{score}of {total}"


def test_the_ring_is_as_long_as_the_score() -> None:
    around = 2 * math.pi * 52
    arc = drawn(svg.ring_svg(25, 0, 100))[1]
    assert float(arc.get("stroke-dasharray", "").split()[0]) == pytest.approx(around / 4, abs=0.01)


@pytest.mark.parametrize(
    "number, unit, text",
    [
        (12, "", "12"),
        (10_243, "", "10,243"),
        (4.1e9, "flops", "4.1e+09 flops"),
        (0.25, "", "0.25"),
        (1 << 21, "bytes", "2 MiB"),
    ],
)
def test_amounts_are_short(number: float, unit: str, text: str) -> None:
    assert svg.amount(number, unit) == text


@pytest.mark.parametrize(
    "seconds, text", [(2.5, "2.5 s"), (0.0021, "2.1 ms"), (3e-6, "3 µs"), (5e-9, "5 ns"), (0, "0 ns")]
)
def test_durations_have_a_unit_that_suits_them(seconds: float, text: str) -> None:
    assert svg.duration(seconds) == text


def test_a_line_shows_the_pictures_that_its_figures_allow() -> None:
    plain = line("c", "t", "failed", picture=PICTURE, figures={"cost": COST, "race": RACE})
    odd = line("c", "t", "failed", picture=None, figures={"cost": "many", "race": [1], "note": "kept"})
    assert page(sample_run(lines=(plain,))).count("<figure>") == 3
    assert page(sample_run(lines=(replace(plain, outcome=Outcome.PASSED),))).count("<figure>") == 2
    assert "<figure>" not in page(sample_run(lines=(odd,)))
    assert "kept" in page(sample_run(lines=(odd,)))


# The terminal -----------------------------------------------------------------------------------------------------


def test_the_table_lists_every_check_below_its_task_with_points_and_outcome() -> None:
    rows = [flat(row) for row in printed(sample_run(), width=140).splitlines()]
    titles = [rows.index(row) for row in ("Quiz 1/2", "Cross-correlation 8/12", "Pooling 0/20")]
    assert titles == sorted(titles)
    for each in sample_lines()[:-1]:
        assert (
            f"{each.number} {each.name} {each.score:g}/{each.max_score:g} {sign(each).symbol} {sign(each).word}" in rows
        )


def test_whoever_grades_sees_what_is_withheld_and_what_broke() -> None:
    withheld = line("later", "t", "failed", message="shown to us", hide_errors="hidden", visibility="hidden")
    text = flat(printed(sample_run(lines=(*sample_lines(), withheld), reason="disk full", status="fault")))
    assert "shown to us" in text
    assert "asked for shape (3, 5)" in text
    assert "disk full" in text


def test_totals_and_files_end_the_table(tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=60)
    terminal.show(without_fault(sample_run()), console, files=[tmp_path / "results.json"])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "18.3 of 68 points" in text
    assert "10 points are not measured yet" in text
    assert f"Written: {tmp_path / 'results.json'}" in text


@pytest.mark.parametrize("colour", [True, False])
def test_hostile_text_is_printed_as_it_is(colour: bool) -> None:
    text = printed(sample_run(), width=160, force_terminal=colour, no_color=not colour)
    assert "[red]markup[/]" in text
    escaped = printed(sample_run(lines=(line("a\x1b]0;title\x07b", "t", "failed", message="\x1b[2Jgone"),)), width=80)
    assert "\x1b" not in escaped
    assert "]0;titleb" in escaped


def test_checks_blocked_by_one_reason_do_not_repeat_it() -> None:
    blocked = tuple(line(f"check {k}", "t", "blocked", message="Not run: see the top.") for k in range(9))
    run = sample_run(lines=blocked, reason="SyntaxError: line 3", notes=())
    for text in (printed(run), Document(page(run)).text):
        assert "see the top" not in text
        assert text.count("SyntaxError: line 3") == 1
    assert "check 3" not in printed(run)
    assert "check 3" in page(run)


def test_long_names_wrap_within_the_terminal() -> None:
    lines = tuple(line("a name " * 30, "t", "passed", number=f"1.{k}") for k in range(3))
    text = printed(sample_run(lines=lines, notes=(), task_titles={}), width=72)
    assert max(map(len, text.splitlines())) <= 72


def test_progress_counts_outcomes_and_leaves_nothing_behind() -> None:
    console = Console(file=StringIO(), width=120, force_terminal=True, force_interactive=True)
    with terminal.progress(console, "grading conv") as progress:
        for each in sample_lines():
            progress(each)
        progress._progress.refresh()
        live = console.file.getvalue()  # type: ignore[attr-defined]
    assert "✓ 4" in live
    assert "✗ 5" in live


def test_progress_is_silent_where_nobody_looks() -> None:
    console = Console(file=StringIO(), width=120)
    with terminal.progress(console, "grading conv") as progress:
        progress(sample_lines()[0])
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_of_any_encoding_shows_every_run(encoding: str) -> None:
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    degrade_signs(stream)
    terminal.show(sample_run(), Console(file=stream, width=100))
    stream.flush()
    told = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert "corr2d" in told
    assert ("✓" in told) is (encoding == "utf-8")
