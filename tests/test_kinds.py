"""Every kind of task has an example that is audited, or is refused when it is read; the page says which."""

import re
import shutil
from pathlib import Path

import pytest

from autograder.assignment import load_assignment, points
from autograder.errors import AuthoringError
from docs.kinds_table import BEFORE, PAGE, refreshed
from tests.kind_rows import KINDS, REFUSED, Kind, Refused
from tests.test_cookbook import PAGE as COOKBOOK

SMALL = Path(__file__).parent / "course"


def recipe(heading: str) -> str:
    """A section of the cookbook; empty where there is none."""
    return next(
        (part for part in re.split(r"^## ", COOKBOOK, flags=re.MULTILINE) if part.startswith(f"{heading}\n")), ""
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_an_example_that_is_written_as_the_table_says(kind: Kind) -> None:
    assert bool(kind.recipe) != bool(kind.check)
    if kind.recipe:
        text = recipe(kind.recipe)
        assert "# mistakes.toml\n[[mistake]]" in text, "tests/test_cookbook.py audits the recipes"
    else:
        name, _, check = kind.check.partition(": ")
        folder = load_assignment(name).folder
        assert check in {each.name for each in points(load_assignment(name))}
        text = "".join(file.read_text() for file in (folder / "hidden").glob("test_*.py") if check in file.read_text())
    for words in re.findall(r"`([\w.\[\]/*]+)", kind.how):
        assert words.removesuffix("*.py") in text, f"{kind.name} is not written with {words}"


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_a_kind_that_cannot_be_checked_is_refused(row: Refused, tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "course")
    facts = tmp_path / "course" / "assignments" / "mini" / "assignment.toml"
    assert row.old in facts.read_text()
    facts.write_text(facts.read_text().replace(row.old, row.new, 1))
    with pytest.raises(AuthoringError, match=re.escape(row.told)):
        load_assignment("mini", tmp_path / "course")


def test_no_recipe_is_without_its_kind() -> None:
    headings = re.findall(r"^## (.+)$", COOKBOOK, flags=re.MULTILINE)
    assert {*headings} - {"Questions"} == {kind.recipe for kind in KINDS if kind.recipe}
    assert len(KINDS) + len(REFUSED) >= 28


def test_how_it_was_before_is_of_kinds_that_there_are() -> None:
    assert BEFORE.keys() <= {row.name for row in (*KINDS, *REFUSED)}
    assert len(BEFORE) >= 28


def test_the_page_of_kinds_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert refreshed(page) == page, "run `make docs`"
