"""A replay bundle returns what was graded, to whom it belongs, and runs nothing of what was handed in."""

import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autograder import results
from autograder.classes import Store, Student, replay_bundle
from autograder.errors import UsageError
from autograder.results import to_gradescope
from tests.classes.conftest import Graded
from tests.classes.made_store import graded as scored
from tests.classes.made_store import run, store

SCHEMA = json.loads((Path(results.__file__).parent / "results.schema.json").read_text())


@pytest.fixture
def home(graded: Graded, tmp_path: Path) -> Path:
    """A home as the platform lays it out, with the bundle of the graded class and no submission."""
    home = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (home / name).mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(replay_bundle(graded.out).data())) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, home / "source"))
            path.chmod(member.external_attr >> 16)
    return home


def replayed(home: Path, submission: Path, number: int | None) -> dict[str, Any]:
    """What students would see of a submission."""
    shutil.copytree(submission, home / "submission", symlinks=True, dirs_exist_ok=True)
    if number is not None:
        (home / "submission_metadata.json").write_text(json.dumps({"id": number, "users": []}))
    done = subprocess.run([str(home / "source" / "run_autograder")], cwd=home, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((home / "results" / "results.json").read_text()))


def expected(graded: Graded, submission: str) -> dict[str, Any]:
    with Store(graded.out) as stored:
        run = stored.run(submission)
    assert run is not None
    return dict(json.loads(json.dumps(to_gradescope(run))))


@pytest.mark.parametrize("position", range(12))
def test_each_gets_its_own_results_by_number_and_by_content(graded: Graded, home: Path, position: int) -> None:
    name = f"submission_{1000 + position}"
    found = replayed(home, graded.export / name, 1000 + position)
    assert found == expected(graded, name)
    jsonschema.validate(found, SCHEMA)
    (home / "submission_metadata.json").write_text('{"id": 7}')
    assert replayed(home, graded.export / name, None)["tests"] == found["tests"]


def test_what_was_not_graded_is_told_so(graded: Graded, home: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mini.py").write_text("open('/tmp/never', 'w')")
    found = replayed(home, tmp_path / "new", 4242)
    assert found["score"] == 0
    assert "There is no stored result for this submission" in found["output"]
    assert "not your fault" in found["output"]


@pytest.mark.parametrize("metadata", ["", "[]", "{}", '{"id": null}'])
def test_without_a_number_the_content_tells(graded: Graded, home: Path, metadata: str) -> None:
    (home / "submission_metadata.json").write_text(metadata)
    found = replayed(home, graded.export / "submission_1003", None)
    assert found["tests"] == expected(graded, "submission_1003")["tests"]


def test_nothing_of_a_submission_is_run_or_followed(graded: Graded, home: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    shutil.copytree(graded.export / "submission_1003", new)
    for name in ("json.py", "hashlib.py", "sitecustomize.py", "conftest.py"):
        (new / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    os.symlink("/", new / "everything")
    assert replayed(home, new, 1003)["tests"] == expected(graded, "submission_1003")["tests"]
    assert not (tmp_path / "ran").exists()


def test_the_bundle_is_the_same_bytes_every_time_and_holds_no_check(graded: Graded) -> None:
    bundle = replay_bundle(graded.out)
    assert bundle.data() == replay_bundle(graded.out).data()
    kinds = {name.partition("/")[0] for name in bundle.files}
    assert kinds == {"stored", "index.json", "replay.py", "run_autograder", "setup.sh"}


def test_a_fault_is_no_result(tmp_path: Path) -> None:
    people = {"a": [Student("Ada")], "b": [Student("Emmy")]}
    made = replay_bundle(store(tmp_path / "one", {"a": scored("e"), "b": run([], "fault", "disk")}, people))
    assert (made.count, made.remarks) == (1, ("1 have no final grade and will be told so: b",))
    none = store(tmp_path / "none", {"b": run([], "fault", "disk")}, people)
    with pytest.raises(UsageError, match="there is no result to return in"):
        replay_bundle(none)
