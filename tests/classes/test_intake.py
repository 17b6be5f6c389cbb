"""What an instructor downloads becomes a list of submissions; what it is not is told in one message."""

import zipfile
from pathlib import Path

import pytest

from autograder.classes import Handed, Student, read_export
from autograder.errors import UsageError
from tests.made_class import Made, person, write_gradescope, write_plain

HELLO = Made("reference", {"mini.py": b"x = 1\n"})


def read(export: Path, tmp_path: Path) -> tuple[tuple[Handed, ...], tuple[str, ...]]:
    (tmp_path / "unpacked").mkdir()
    return read_export(export, tmp_path / "unpacked")


def files(folder: Path, **contents: str) -> Path:
    """A folder with these files; two underscores are a dot, three a slash."""
    for name, text in contents.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize("depth", [0, 1, 2], ids=["at the top", "in a folder", "two deep"])
def test_a_gradescope_export_is_found_wherever_its_top_folder_is(tmp_path: Path, depth: int) -> None:
    export = write_gradescope([HELLO, HELLO], tmp_path / "here" / "there", group=1)
    handed, remarks = read([export, tmp_path / "here" / "there", tmp_path / "here"][depth], tmp_path)
    assert remarks == ()
    assert [each.id for each in handed] == ["submission_1000", "submission_1001"]
    assert [student.sid for student in handed[0].students] == ["00000", "00002"], "numbers keep their zeros"
    assert handed[0].students[0] == Student(*(person(0)[key] for key in (":name", ":sid", ":email")))
    assert handed[1].created == "2026-11-01T13:59:00+00:00"


def test_what_the_list_and_the_folders_do_not_share_is_remarked(tmp_path: Path) -> None:
    export = write_gradescope([HELLO, HELLO], tmp_path)
    (export / "submission_1001").rename(export / "submission_77")
    handed, remarks = read(export, tmp_path)
    assert [each.id for each in handed] == ["submission_1000"]
    assert remarks == (
        "submission_1001 is listed, and its folder is not there",
        "submission_77 is not listed in submission_metadata.yml: nobody knows whose it is",
    )


def test_clones_are_one_submission_a_folder_by_name(tmp_path: Path) -> None:
    handed, _ = read(write_plain([HELLO, HELLO], tmp_path / "clones"), tmp_path)
    assert [(each.id, each.students) for each in handed] == [
        ("student0", (Student(login="student0"),)),
        ("student1", (Student(login="student1"),)),
    ]


def test_canvas_and_moodle_say_whose_it_is_in_the_name(tmp_path: Path) -> None:
    folder = files(
        tmp_path / "down",
        lovelaceada_11_901_conv__py="",
        noetheremmy_LATE_12_902_conv__ipynb="",
        noetheremmy_LATE_12_903_notes__py="",
        Alan_Turing_55_assignsubmission_file____conv__py="",
        readme__txt="",
    )
    handed, remarks = read(folder, tmp_path)
    assert [(each.id, each.students[0].number) for each in handed] == [
        ("Alan_Turing_55", "55"),
        ("lovelaceada_11", "11"),
        ("noetheremmy_12", "12"),
    ]
    assert sorted(path.name for path in handed[2].path.iterdir()) == ["conv.ipynb", "notes.py"], "own names, one folder"
    assert remarks == ("readme.txt was passed over",)


def test_a_zip_unpacks_below_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("anna/mini.py", "ben/mini.py", "../outside.py", "/abs.py", "__MACOSX/anna/mini.py"):
            opened.writestr(name, "x = 1")
    handed, _ = read(archive, tmp_path)
    assert {each.id for each in handed} == {"anna", "ben", "abs"}
    assert not (tmp_path / "outside.py").exists()


def test_a_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    def digest(folder: Path) -> str:
        return Handed("id", folder, ()).digest()

    first = digest(files(tmp_path / "a" / "x", mini__py="1"))
    assert digest(files(tmp_path / "b" / "x", mini__py="1")) == first
    assert digest(files(tmp_path / "c" / "x", mini__py="2")) != first
    assert digest(files(tmp_path / "d" / "x", mina__py="1")) != first
    (tmp_path / "b" / "x" / "link").symlink_to("/etc/passwd")
    assert digest(tmp_path / "b" / "x") != first


BAD = {
    "nothing there": (lambda at: at / "no", "there is no .*no"),
    "a text": (lambda at: files(at, a__txt="") / "a.txt", "a.txt is neither a folder nor a zip"),
    "no zip": (lambda at: files(at, a__zip="no zip") / "a.zip", "a.zip is damaged"),
    "empty": (lambda at: files(at, a___b__txt="") / "a", "there are no submissions in"),
    "bad metadata": (lambda at: files(at, submission_metadata__yml="{"), "submission_metadata.yml cannot be read"),
    "a list": (lambda at: files(at, submission_metadata__yml="- 1"), "lists no submissions"),
    "outside": (lambda at: files(at, submission_metadata__yml="../x: {}"), "the entry '../x' is not a submission's"),
}


@pytest.mark.parametrize("make, message", BAD.values(), ids=BAD.keys())
def test_what_is_no_class_is_told_in_one_message(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=message):
        read(make(tmp_path / "at"), tmp_path)
