"""The page in a browser, at a phone's width, in light and in dark: axe-core finds nothing to mend, and nothing has to
be scrolled sideways."""

import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.results import Outcome, Run
from autograder.results.page import page
from tests.samples import sample_lines, sample_run, without_fault

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), "")
AXE = importlib.util.find_spec("axe_playwright_python")  # for the axe-core in it alone
pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="there is no Chromium here"),
    pytest.mark.skipif(not AXE, reason="`.ci/setup` installs axe-core: pip install --no-deps axe-playwright-python"),
]
PHONE = 390
WITHOUT_SCRIPTS = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')  # axe-core is one
ASK = """
<script>
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const told = found.violations.map(each => `${each.id}: ${each.nodes.map(node => node.html).join(" ").slice(0, 300)}`);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  parent.document.body.textContent = JSON.stringify({told, dark, sideways, rules: found.passes.length});
});
</script>
"""
RUNS = {
    "every outcome": sample_run(),
    "full": sample_run(lines=tuple(line for line in sample_lines() if line.outcome is Outcome.PASSED)),
    "half": without_fault(sample_run()),
    "failed": sample_run(
        lines=tuple(replace(line, outcome=Outcome.BLOCKED, score=0) for line in sample_lines()),
        reason="SyntaxError: line 3",
    ),
    "unreadable": sample_run(lines=(), status="unreadable", reason="The zip holds no file conv.py."),
}


def asked(text: str, folder: Path, dark: bool = False) -> dict[str, object]:
    """What a browser says of a page."""
    assert AXE is not None and AXE.submodule_search_locations
    axe = Path(AXE.submodule_search_locations[0], "axe.min.js").read_text("utf-8")
    assert len(WITHOUT_SCRIPTS.findall(text)) == 1
    shown = WITHOUT_SCRIPTS.sub("", text).replace("</body>", f"<script>{axe}</script>{ASK}</body>")
    frame = f'<iframe style="width: {PHONE}px; height: 844px; border: 0" srcdoc="{html.escape(shown)}"></iframe>'
    (folder / "page.html").write_text(f'<!doctype html><meta charset="utf-8"><body>{frame}</body>', "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    flags += ["--blink-settings=preferredColorScheme=0", "--force-dark-mode"] if dark else []
    command = [BROWSER, *flags, "--virtual-time-budget=60000", "--dump-dom", (folder / "page.html").as_uri()]
    own = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=240, check=True)
    body = re.search(r"<body>(\{.*\})</body>", done.stdout, re.DOTALL)
    assert body, done.stdout[-2000:]
    found: dict[str, object] = json.loads(html.unescape(body[1]))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_axe_finds_nothing_to_mend_on_the_page_of_a_phone(run: Run, tmp_path: Path, dark: bool) -> None:
    found = asked(page(run, reveal=True), tmp_path, dark)
    assert found["told"] == [] and found["rules"]
    assert found["dark"] is dark
    assert found["sideways"] == 0


def test_axe_finds_what_is_to_mend(tmp_path: Path) -> None:
    spoilt = page(RUNS["full"]).replace('lang="en"', "").replace("<h1>", "<h4>").replace("</h1>", "</h4>")
    assert "html-has-lang" in str(asked(spoilt, tmp_path)["told"])
