"""The handout and the notebook made of it: formulas as text here and typeset there, pictures, and what Colab needs."""

import base64
import json
import re
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from autograder.assignment import assignment_names, load_assignment
from autograder.errors import AuthoringError
from autograder.release import bundles
from autograder.release.new import create
from autograder.starter import build
from autograder.starter._formulas import formulas

ROOT = Path(__file__).resolve().parents[1]
TEXT = "    y = x / sum over j of x_j\n\n```math\ny = \\frac{x}{\\sum_j x_j}\n```\n"
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an assignment to start from, `net`."""
    (tmp_path / "assignments").mkdir()
    (tmp_path / "course.toml").write_text('title = "Deep learning"\n')
    create("net", tmp_path)
    return tmp_path / "assignments" / "net"


def add(folder: Path, text: str) -> None:
    """Add a text to the handout."""
    file = folder / "handout.md"
    file.write_text(f"{file.read_text()}\n{text}")


def built(folder: Path) -> tuple[str, dict[str, str]]:
    """The handout that students get, and the notebook's cells by their ids."""
    files = build(load_assignment(folder.name, folder.parents[1]))
    cells = json.loads(files[f"{folder.name}.ipynb"])["cells"]
    return files["handout.md"].decode(), {cell["id"]: "".join(cell["source"]) for cell in cells}


# Formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", ["", "  "], ids=["in the text", "in a list"])
def test_a_formula_is_text_in_the_handout_and_typeset_in_the_notebook(folder: Path, indent: str) -> None:
    add(folder, "".join(f"{indent}{line}".rstrip() + "\n" for line in ["before", "", *TEXT.splitlines(), "", "after"]))
    page, cells = built(folder)
    assert page.endswith(f"{indent}before\n\n{indent}    y = x / sum over j of x_j\n\n{indent}after\n")
    shown = next(text for text in cells.values() if "before" in text)
    assert shown.endswith(
        f"{indent}before\n\n{indent}$$\n{indent}y = \\frac{{x}}{{\\sum_j x_j}}\n{indent}$$\n\n{indent}after"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.removesuffix("```\n"), "is not closed"),
        (TEXT.partition("\n\n")[2], "has no plain formula above it"),
        (TEXT.replace("\n\n", "\n"), "has no plain formula above it"),
        (TEXT.replace("    y", "y"), "has no plain formula above it"),
    ],
    ids=["open", "alone", "too near", "not indented"],
)
def test_a_formula_that_is_not_in_order_is_refused(folder: Path, text: str, told: str) -> None:
    add(folder, f"above\n\n{text}")
    with pytest.raises(AuthoringError, match=rf"handout\.md: the fence of a formula {told}.*: ```math y = "):
        built(folder)


GREEK = ("alpha", "beta", "gamma", "theta", "lambda", "Lambda", "mu", "sigma")


def words(formula: str) -> set[str]:
    """Names and numbers of a formula, LaTeX's own commands left out where they are not letters of its alphabet."""
    flat = re.sub(r"\\(begin|end)\{\w+\}|\\operatorname\*?|\\_", lambda found: "_" * (found[0] == r"\_"), formula)
    flat = re.sub(r"\\([A-Za-z]+)", lambda found: f" {found[1]} " if found[1] in (*GREEK, "sin", "cos") else " ", flat)
    return set(re.findall(r"[A-Za-z]+|\d+", flat.replace("_", " ")))


@pytest.mark.parametrize("name", assignment_names(ROOT))
def test_text_and_latex_of_a_formula_speak_of_the_same(name: str) -> None:
    found = formulas((ROOT / "assignments" / name / "handout.md").read_text("utf-8"))
    assert found
    for formula in found:
        latex, text = "\n".join(formula.latex), "\n".join(formula.text)
        known = words(text) | set("".join(words(text)))  # y_ij is y with i and j there
        assert words(latex) <= known, (latex, text)
        assert latex.count("{") == latex.count("}") and latex.count(r"\begin") == latex.count(r"\end")
        assert latex.isascii() and "$" not in latex


# Pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictured(folder: Path) -> Path:
    """The same with a picture."""
    (folder / "figures").mkdir()
    (folder / "figures" / "square.svg").write_text(DRAWING)
    add(folder, 'Look:\n\n![a "square", of\nnine by nine](figures/square.svg)\n')
    return folder


def test_a_picture_goes_along_and_is_within_the_notebook(pictured: Path) -> None:
    page, cells = built(pictured)
    assert "](figures/square.svg)" in page
    assert "its pictures are in `figures/`" in build(load_assignment("net", pictured.parents[1]))["README.md"].decode()
    shown = next(text for text in cells.values() if "Look:" in text)
    image = re.search(
        r'<img alt="a &quot;square&quot;, of\nnine by nine" src="data:image/svg\+xml;base64,(\S+)">', shown
    )
    assert image and base64.b64decode(image[1]).decode() == DRAWING and "figures/" not in shown
    starter = bundles(load_assignment("net", pictured.parents[1]))[0]
    assert starter.files["net/figures/square.svg"].decode() == DRAWING


UNSHOWN = {
    "missing": ("square.svg", "circle.svg", r"there is no file figures/circle\.svg"),
    "silent": ('a "square", of\nnine by nine', " ", r"say in words what figures/square\.svg shows"),
    "idle": ("![", "[", r"square\.svg is not shown: handout\.md has no !\[\.\.\.\]\(figures/square\.svg\)"),
}


@pytest.mark.parametrize(("old", "new", "told"), UNSHOWN.values(), ids=UNSHOWN.keys())
def test_a_picture_that_would_not_be_seen_is_refused(pictured: Path, old: str, new: str, told: str) -> None:
    page = pictured / "handout.md"
    page.write_text(page.read_text().replace(old, new))
    with pytest.raises(AuthoringError, match=told):
        built(pictured)


@pytest.mark.parametrize("data", [b"<svg", b"<html/>", b"\x89PNG"])
def test_a_picture_that_is_no_svg_is_refused(pictured: Path, data: bytes) -> None:
    (pictured / "figures" / "square.svg").write_bytes(data)
    with pytest.raises(AuthoringError, match=r"square\.svg: a picture of a handout is an SVG"):
        built(pictured)


SHOWN = sorted((ROOT / "assignments").glob("*/figures/*.svg"))


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_a_picture_reads_by_itself_in_light_and_dark_and_on_a_phone(file: Path) -> None:
    """It has a title, a ground of its own, colours for both, a size that scales, words within its edges, and nothing
    from elsewhere."""
    drawing = ET.fromstring(file.read_bytes())
    text = file.read_text("utf-8")
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    assert drawing.attrib["viewBox"] == f"0 0 {width:g} {height:g}" and width <= 640
    assert "<title>" in text and 'class="ground"' in text and "prefers-color-scheme: dark" in text
    assert not re.search(r"<(script|image|use|foreignObject)|url\(|@import|href", text)
    for words_ in drawing.iter("{*}text"):
        small, x = "small" in words_.attrib["class"], float(words_.attrib["x"])
        wide = len(words_.text or "") * (6.2 if small else 7.4)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[words_.attrib["text-anchor"]]
        assert left >= 0 and left + wide <= width, words_.text
        assert 0 < float(words_.attrib["y"]) < height - 4, words_.text


# Colab ------------------------------------------------------------------------------------------------------------


def addressed(folder: Path, address: str) -> dict[str, str]:
    """The notebook's cells in a course that names an address."""
    (folder.parents[1] / "course.toml").write_text(f'title = "Deep learning"\naddress = "{address}"\n')
    return built(folder)[1]


def test_without_an_address_a_notebook_knows_nothing_of_colab(folder: Path) -> None:
    assert "colab" not in str(built(folder)[1]).lower()


def test_of_a_folder_on_github_a_badge_opens_the_notebook(folder: Path) -> None:
    cells = addressed(folder, "https://github.com/me/dl-2026/tree/main/hand/outs/")
    assert list(cells)[:2] == ["colab-1", "colab-2"]
    place = "https://colab.research.google.com/github/me/dl-2026/blob/main/hand/outs/net/net.ipynb"
    assert f"colab-badge.svg)]({place})" in cells["colab-1"] and "GPU" in cells["colab-1"]
    assert '"https://github.com/me/dl-2026/raw/main/hand/outs/net-starter.zip"' in cells["colab-2"]


def test_from_elsewhere_the_files_are_fetched_and_no_badge_promises_what_colab_cannot(folder: Path) -> None:
    cells = addressed(folder, "https://example.org/~me/dl")
    assert "badge" not in cells["colab-1"] and '"https://example.org/~me/dl/net-starter.zip"' in cells["colab-2"]


def test_elsewhere_than_on_colab_its_cell_does_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda address: pytest.fail("something is fetched"))
    exec(addressed(folder, "https://example.org/dl")["colab-2"], {})


LIKE_COLAB = """
import os, subprocess, sys, types, urllib.request

home, chdir, hooks = os.getcwd(), os.chdir, []
message = types.SimpleNamespace(blocking_request=lambda name, timeout_sec: {"ipynb": {name: "as on the screen"}})
sys.modules["google"] = sys.modules["google.colab"] = types.SimpleNamespace(_message=message)
urllib.request.urlopen = lambda address: open(os.path.join(home, address.rpartition("/")[2]), "rb")
subprocess.run = lambda command, check: print(*command[1:])
os.chdir = lambda place: chdir(home if place == "/content" else place)
events = types.SimpleNamespace(register=lambda event, hook: hooks.append(hook) if event == "pre_run_cell" else 1 / 0)
get_ipython = lambda: types.SimpleNamespace(events=events)
"""
THEN = """
print(sorted(os.listdir())[:5])
for cell in ("1 + 1", '!"{sys.executable}" check.py net.ipynb'):
    hooks[0](types.SimpleNamespace(raw_cell=cell))
    print(" ".join(open("net.ipynb").read().split())[:18])
"""


@pytest.mark.parametrize("times", [1, 2], ids=["once", "and again"])
def test_on_colab_the_files_are_there_and_what_is_on_the_screen_is_checked(
    folder: Path, tmp_path: Path, times: int
) -> None:
    cell = addressed(folder, "https://example.org/dl")["colab-2"]
    machine = tmp_path / "content"
    machine.mkdir()
    starter = bundles(load_assignment("net", folder.parents[1]))[0]
    (machine / starter.name).write_bytes(starter.data())
    code = "\n".join([LIKE_COLAB, *[cell] * times, THEN])
    done = subprocess.run([sys.executable, "-c", code], cwd=machine, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    install, names, before, after = done.stdout.splitlines()[times - 1 :]
    assert install == "-m pip install --quiet numpy pytest scipy torch matplotlib tqdm"
    assert names == "['README.md', 'assignment.toml', 'check.py', 'deepgrade.pyz', 'handout.md']"
    assert before == '{ "cells": [ { "ce'
    assert after == '{"get_ipynb": "as '
