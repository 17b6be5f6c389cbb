"""Gradescope's door: a home as the platform lays it out, and a results.json that is there and valid, come what may."""

import io
import json
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autograder import results
from autograder.assignment import RateLimit, load_assignment, load_course, points
from autograder.grading import Options, run_seed
from autograder.release import bundles, gradescope
from autograder.release._rate import refusal
from autograder.release.gradescope import main

COURSE = Path(__file__).parent / "course"
MINI = load_assignment("mini", COURSE)
CHECKS = len(points(MINI))
REFERENCE = MINI.solution.read_text()
SCHEMA = json.loads((Path(results.__file__).parent / "results.schema.json").read_text())
OURS = "not your fault"


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The autograder's archive, unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(io.BytesIO(bundles(MINI, "of the course")[1].data())) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def home(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a submission. The machine's shared folders are left as they are: it is not ours alone."""
    monkeypatch.setattr(gradescope, "SHARED", ())
    shutil.copytree(source, tmp_path / "home" / "source")
    for name in ("submission", "results"):
        (tmp_path / "home" / name).mkdir()
    (tmp_path / "home" / "submission_metadata.json").write_text('{"users": [{"email": "someone"}]}')
    return tmp_path / "home"


def results(home: Path) -> dict[str, Any]:
    """What main wrote."""
    main(str(home))
    return dict(json.loads((home / "results" / "results.json").read_text()))


def graded(home: Path, source: str, name: str = "mini.py") -> dict[str, Any]:
    """Results of one file, valid by the schema."""
    (home / "submission" / name).write_text(source)
    found = results(home)
    jsonschema.validate(found, SCHEMA)
    return found


def score(found: dict[str, Any]) -> float:
    return float(found["score"]) if "score" in found else float(sum(test["score"] for test in found["tests"]))


def status(found: dict[str, Any]) -> str:
    return str(found["extra_data"]["status"])


def test_the_reference_gets_full_marks_under_any_name_with_a_seed_that_a_regrade_repeats(home: Path) -> None:
    found = graded(home, REFERENCE, "my work (2).py")
    assert (score(found), status(found)) == (100, "graded"), found
    assert all(test["status"] == "passed" for test in found["tests"])
    digest, seed = found["extra_data"]["digest"], found["extra_data"]["seed"]
    assert seed == run_seed(digest, Options(secret="of the course"), MINI)
    assert seed != run_seed(digest, Options(secret="of another course"), MINI)


def test_nothing_submitted_scores_nothing_and_says_so(home: Path) -> None:
    found = results(home)
    jsonschema.validate(found, SCHEMA)
    assert (score(found), status(found)) == (0, "unreadable")
    assert "mini.py" in found["output"]
    assert OURS not in found["output"]
    assert len(found["tests"]) == CHECKS


HOSTILE = """
import glob, os, sys
HOME = HERE


def attack(*_, **__):
    score = '{"score": 100}'
    for path in (HOME + "/results/results.json", "results.json", "/tmp/results.json"):
        try:
            open(path, "w").write(score)
        except OSError:
            pass
    found = []
    for path in ("source/solutions/mini.py", "submission_metadata.json", "source/deepgrade.json"):
        try:
            found.append(open(os.path.join(HOME, path)).read())
        except OSError:
            pass
    raise ValueError(f"found {len(found)} of 3: {found}")


double = attack
"""


def test_a_hostile_submission_in_a_zip_reads_nothing_and_writes_no_results(home: Path) -> None:
    hostile = REFERENCE + HOSTILE.replace("HERE", repr(str(home)))
    with zipfile.ZipFile(home / "submission" / "work.zip", "w") as archive:
        archive.writestr("work/mini.py", hostile)
    found = results(home)
    jsonschema.validate(found, SCHEMA)
    assert status(found) == "graded"
    assert 0 < score(found) < 100
    told = json.dumps(found)
    assert "found 0 of 3: []" in told
    assert "someone" not in told
    assert "of the course" not in told


@pytest.mark.parametrize(("text", "earned"), [(f"{REFERENCE}\nimport os\n", 100), ("import os\nx = 1\n", 0)])
def test_a_submission_that_ends_its_process_still_has_every_line(home: Path, text: str, earned: float) -> None:
    """What the tasks need of it, if anything, is graded."""
    found = graded(home, f"{text}os._exit(0)\n")
    assert (score(found), status(found), len(found["tests"])) == (earned, "graded", CHECKS)
    assert "ended the whole process" in found["output"]


def break_json(source: Path) -> None:
    (source / "deepgrade.json").write_text("{")


def lose_json(source: Path) -> None:
    (source / "deepgrade.json").unlink()


def name_another(source: Path) -> None:
    (source / "deepgrade.json").write_text('{"assignment": "maxi", "secret": "s"}')


def list_json(source: Path) -> None:
    (source / "deepgrade.json").write_text("[]")


def break_facts(source: Path) -> None:
    (source / "assignments" / "mini" / "assignment.toml").write_text("title = ")


def lose_reference(source: Path) -> None:
    (source / "solutions" / "mini.py").unlink()


def break_check(source: Path) -> None:
    (source / "assignments" / "mini" / "hidden" / "test_hidden.py").write_text("import no_such_package\n")


DAMAGE = [break_json, lose_json, name_another, list_json, break_facts, lose_reference, break_check]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_fault_of_ours_leaves_results_that_blame_nobody_else(
    home: Path, capfd: pytest.CaptureFixture[str], damage: Any
) -> None:
    damage(home / "source")
    found = graded(home, REFERENCE) if damage is break_check else by_hand(home)
    assert status(found) == "fault"
    assert "deepgrade:" in capfd.readouterr().err
    told = json.dumps(found)
    assert OURS in told or "failed, not you" in told
    assert "Traceback" not in told
    assert "no_such_package" not in told, "what went wrong is for staff"


def by_hand(home: Path) -> dict[str, Any]:
    """Results written by hand: a score, and what students are told."""
    (home / "submission" / "mini.py").write_text(REFERENCE)
    found = results(home)
    assert score(found) == 0
    assert isinstance(found["output"], str)
    return found


def test_what_students_must_not_read_is_made_private(home: Path) -> None:
    for name in ("source", "submission", "results"):
        (home / name).chmod(0o755)
    results(home)
    for name, mode in (
        ("source", 0o700),
        ("submission", 0o700),
        ("results", 0o700),
        ("submission_metadata.json", 0o600),
    ):
        assert (home / name).stat().st_mode & 0o777 == mode


# The rate limit ---------------------------------------------------------------------------------------------------

LIMIT = RateLimit(2, timedelta(hours=24))


def submitted(now: str, *earlier: tuple[str, float, bool]) -> dict[str, Any]:
    """Metadata: hours of one week, from "1 00:00" to "7 23:59"; scores, and whether we failed."""
    moments = [f"2026-11-0{day}T{hour}:00+01:00" for day, hour in (when.split() for when, *_ in [(now,), *earlier])]
    previous = [
        {"submission_time": moment, "score": score, "autograder_error": failed}
        for moment, (_, score, failed) in zip(moments[1:], earlier, strict=True)
    ]
    return {"created_at": moments[0], "previous_submissions": previous}


LIMITED = {
    "the first": (submitted("2 12:00"), None),
    "the second": (submitted("2 12:00", ("2 11:00", 30, False)), None),
    "the third": (submitted("2 12:00", ("2 10:00", 30, False), ("2 11:00", 40, False)), 40),
    "the third, a day later": (submitted("3 10:01", ("2 10:00", 30, False), ("2 11:00", 40, False)), None),
    "after a fault of ours": (submitted("2 12:00", ("2 10:00", 30, False), ("2 11:00", 0, True)), None),
    "after one that was refused": (
        submitted("3 10:30", ("2 10:00", 30, False), ("2 11:00", 40, False), ("3 09:00", 40, False)),
        None,
    ),
    "metadata of another kind": ({"created_at": "yesterday"}, None),
}


@pytest.mark.parametrize(("metadata", "stands"), LIMITED.values(), ids=LIMITED.keys())
def test_a_rate_limit_counts_what_was_graded(metadata: dict[str, Any], stands: float | None) -> None:
    found = refusal(metadata, LIMIT)
    assert (None if found is None else found.score) == stands
    assert refusal(metadata, None) is None


def test_who_is_refused_keeps_the_score_and_reads_when_to_come_again(home: Path) -> None:
    (home / "source" / "course.toml").write_text('title = "x"\n[rate_limit]\nsubmissions = 2\nhours = 24\n')
    (home / "submission_metadata.json").write_text(json.dumps(LIMITED["the third"][0]))
    (home / "submission" / "mini.py").write_text(REFERENCE)
    found = results(home)
    assert (found["score"], status(found)) == (40, "limited")
    assert "graded from 2026-11-03 10:00+01:00 on" in found["output"]
    (home / "submission_metadata.json").write_text(json.dumps(LIMITED["the second"][0]))
    assert score(graded(home, REFERENCE)) == 100


def test_the_bundle_takes_the_limit_along(tmp_path: Path) -> None:
    course = Path(shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns("__pycache__")))
    facts = 'title = "x"\nvisibility = "hidden"\n[dates.mini]\ndue = 2026-11-01T23:59:00+01:00\n'
    limits = "[rate_limit]\nsubmissions = 2\nhours = 24\n[gradescope]\nminutes = 20\n"
    (course / "course.toml").write_text(facts + limits)
    files = bundles(load_assignment("mini", course))[1].files
    (tmp_path / "there" / "assignments").mkdir(parents=True)
    (tmp_path / "there" / "course.toml").write_bytes(files["course.toml"])
    found = load_course(tmp_path / "there")
    assert (found.rate_limit, found.visibility, found.platform) == (LIMIT, "hidden", timedelta(minutes=20))
    assert found.dates == {}
