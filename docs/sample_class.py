"""Grade a made class of one assignment, and write the instructor's report on it for the site: right submissions, known
mistakes and pairs of them, stubs, what cannot be read. `python docs/sample_class.py FOLDER`, a minute or two."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from autograder.assignment import load_assignment  # noqa: E402
from autograder.classes import grade_class, write_class_report  # noqa: E402
from autograder.grading import Options  # noqa: E402
from tests.made_class import made_submissions, write_plain  # noqa: E402

ASSIGNMENT, SIZE, REPORT = "gcn", 32, "class-report.html"


def main(out: Path) -> Path:
    """Make, grade, report; returns the report's file."""
    assignment = load_assignment(ASSIGNMENT, ROOT)
    with tempfile.TemporaryDirectory() as name:
        export = write_plain([*made_submissions(assignment, SIZE, hostile=False)], Path(name) / "export")
        grade_class(ASSIGNMENT, export, Path(name) / "class", root=ROOT, options=Options(seed=1), jobs=2)
        out.mkdir(parents=True, exist_ok=True)
        return write_class_report(Path(name) / "class", out / REPORT, anonymous=True)


if __name__ == "__main__":
    print(f"Written: {main(Path(sys.argv[1]))}")
