"""The documentation as a site: every page is in its navigation, and every link and anchor leads somewhere."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograder.classes import Student, write_class_report
from autograder.results import write_results
from docs.kinds_table import anchor
from tests.classes.made_store import graded, store
from tests.samples import sample_run

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
PAGES = sorted((ROOT / "docs").glob("*.md"))
GENERATED = {"index.md", "contributing.md", "changelog.md", "cost-figures.md", "sample-results.md", "sample-report.md"}
BUILDS = pytest.mark.skipif(
    not importlib.util.find_spec("material"), reason="`make site` installs what builds the site"
)


def listed(nav: Any) -> Iterator[str]:
    """The pages of the navigation."""
    if isinstance(nav, str):
        yield nav
    for entry in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from listed(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(listed(CONFIG["nav"])) == sorted([*(page.name for page in PAGES), *GENERATED])


def anchors(page: Path) -> set[str]:
    """What can be linked to in a page: its headings, outside of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_anchor_that_a_page_links_to_is_a_heading(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
        assert heading in anchors((page.parent / target) if target else page), f"{page.name}: {target}#{heading}"


@BUILDS
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    write_results(sample_run(), tmp_path)
    made = store(
        tmp_path / "class", {"a": graded("e"), "b": graded("eh")}, {"a": [Student("Ada")], "b": [Student("Emmy")]}
    )
    write_class_report(made, tmp_path / "class-report.html", anonymous=True)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.name for path in (tmp_path / "site").glob("*.html")}
    assert {
        "index.html",
        "cookbook.html",
        "kinds.html",
        "sample.html",
        "class-report.html",
        "cost-figures.html",
    } <= made
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert 'href="course.html"' in index
    assert "Cross-correlation" in (tmp_path / "site" / "sample.html").read_text("utf-8")
