"""The assignment of the recorded instructor's session is as good as its page says, and its slips are seen."""

from pathlib import Path

import pytest

from autograder.assignment import load_assignment, load_course, review
from autograder.audit import audit
from autograder.errors import AuthoringError
from autograder.starter import build
from docs.instructor_session import PAGE
from docs.session_files import FILES, SLIPS

pytestmark = pytest.mark.usefixtures("shared_engine")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with the session's assignment as it is in the end."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "course.toml").write_text('title = "A session"\n')
    return tmp_path


@pytest.mark.parametrize("select", ["reference", "mistake"])
def test_the_sessions_assignment_passes_its_audit(course: Path, select: str) -> None:
    assert review(load_assignment("losses", course), load_course(course)) == ()
    verdicts = audit("losses", course, workers=1).run(select=select)
    assert {verdict.subject.name: verdict.problems for verdict in verdicts if verdict.problems} == {}
    assert verdicts


def told(course: Path) -> str:
    """What the files alone tell."""
    try:
        assignment = load_assignment("losses", course)
        remarks = review(assignment, load_course(course))
        build(assignment)
    except AuthoringError as error:
        return error.message
    return " ".join(remark.text for remark in remarks)


TOLD = {  # of the first four slips, by the files alone
    "assignment.toml": "torch.nn.functional has no 'sofplus'; did you mean 'torch.nn.functional.softplus'?",
    "handout.md": "there is no task 'sofplus'; did you mean 'softplus'?",
    "test_hidden.py": "no fixture and no parameter is called 'agree'; did you mean 'agrees'?",
    "test_public.py": "the points of all checks and questions add up to 99, not 100",
}


@pytest.mark.parametrize(("name", "right", "wrong"), SLIPS[:4], ids=[slip[0].rpartition("/")[2] for slip in SLIPS[:4]])
def test_each_of_the_slips_is_told_by_the_files_alone(course: Path, name: str, right: str, wrong: str) -> None:
    assert FILES[name].count(right) == 1
    (course / name).write_text(FILES[name].replace(right, wrong))
    assert TOLD[name.rpartition("/")[2]] in told(course)


def test_the_page_is_a_recording_of_these_files() -> None:
    page = PAGE.read_text("utf-8")
    for _, right, wrong in SLIPS:
        for sign, text in (("-", wrong), ("+", right)):
            assert "\n".join(f"{sign} {line}" for line in text.splitlines()) in page
    assert TOLD["test_hidden.py"] in page
    assert TOLD["test_public.py"] in page
    assert "100.0 losses.py was graded: 100 of 100 points." in page
