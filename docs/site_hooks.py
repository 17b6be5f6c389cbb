"""What the documentation site takes from outside of docs/: the README as its first page, a page of results, and an
instructor's report on a class."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from autograder.results import load_results
from autograder.results.page import page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # files outside of docs/, as pages
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/cost.md": "cost-figures.md",
}
BESIDE = {"autograder/results/results.schema.json": "results.schema.json"}
REPORT = "class-report.html"  # docs/sample_class.py writes it
CLASS = """\
# A sample report on a class

What `deepgrade report` says of a class: here of 32 made submissions, right and wrong ones, without names.
[Open it as a page of its own](class-report.html).

<iframe src="class-report.html" title="A sample report" style="width: 100%; height: 45rem; border: 0"></iframe>
"""
SAMPLE = """\
# A sample of results

What a student, or an instructor, gets as `report.html`: of a submission that has about half of an assignment right.
[Open it as a page of its own](sample.html).

<iframe src="sample.html" title="A sample of results" style="width: 100%; height: 45rem; border: 0"></iframe>
"""
LINK = re.compile(r"(?<=\]\()(?:\.\./)?([\w./-]+)(?=[)#])")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages and files that lie elsewhere."""
    for source, target in {**PAGES, **BESIDE}.items():
        files.append(File.generated(config, target, content=_moved((ROOT / source).read_text("utf-8"))))
    files.append(File.generated(config, "sample-results.md", content=SAMPLE))
    files.append(File.generated(config, "sample-report.md", content=CLASS))
    made = Path(config.site_dir).parent
    files.append(File.generated(config, "sample.html", content=page(load_results(made))))
    files.append(File.generated(config, REPORT, content=(made / REPORT).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to these lead to where they are on the site."""
    return _moved(markdown)


def _moved(text: str) -> str:
    """Links to files of the repository as links within the site."""
    moved = {**PAGES, **BESIDE}
    return LINK.sub(lambda match: moved.get(match[1], match[1].removeprefix("docs/")), text)
