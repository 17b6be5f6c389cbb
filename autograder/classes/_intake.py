"""What an instructor downloads, as a list of submissions: a Gradescope export, or plain folders and files.

Nothing of a submission is opened here but to list it; `autograder.submission` judges what is in it.
"""

import hashlib
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from autograder.classes._replayed import content_digest
from autograder.errors import UsageError

METADATA = "submission_metadata.yml"
CODE = (".py", ".ipynb", ".zip")
MAX_FILE = 100 << 20  # bytes of one unpacked file: more is no homework
MAX_FILES = 200_000
MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_file(_(?P<file>.*))?")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<number>\d+)_(?P<attempt>\d+)_(?P<file>.+)")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class Student:
    """Somebody whose submission it is.

    Attributes:
        name: as the platform writes it; may be empty, as any of these may.
        sid: the school's identifier.
        email: address.
        number: the learning platform's own identifier: Canvas' ID, Moodle's participant number.
        login: what a plain folder is called: an account's name, mostly.
    """

    name: str = ""
    sid: str = ""
    email: str = ""
    number: str = ""
    login: str = ""

    @property
    def shown(self) -> str:
        """The best name that is known."""
        return self.name or self.email or self.sid or self.login or self.number

    @property
    def handles(self) -> tuple[str, ...]:
        """What the student is known by, and nobody else, in small letters."""
        return tuple(each.casefold() for each in (self.email, self.sid, self.number, self.login) if each)

    @property
    def is_known(self) -> bool:
        """Whether by something that the student knows, too: an address, or the school's number."""
        return bool(self.email or self.sid or "@" in self.login)


@dataclass(frozen=True)
class Handed:
    """One submission of the class.

    Attributes:
        id: unique in the class, and the same in the next export.
        path: what is graded: a file, or a folder.
        students: one, or a group's.
        created: when it was handed in, ISO 8601 in UTC; None where the download does not say.
    """

    id: str
    path: Path
    students: tuple[Student, ...]
    created: str | None = None

    def digest(self) -> str:
        """SHA-256 in hex of every name and byte handed in; links count as what they point to, unread."""
        found = hashlib.sha256(self.path.name.encode("utf-8", "surrogateescape"))
        files = sorted(self.path.rglob("*")) if self.path.is_dir() and not self.path.is_symlink() else [self.path]
        for file in files:
            found.update(f"\0{file.relative_to(self.path)}\0".encode("utf-8", "surrogateescape"))
            found.update(_content(file))
        return found.hexdigest()

    def content(self) -> str:
        """By which a replay bundle knows it again, whatever its folder is called there."""
        try:
            return content_digest(self.path)
        except OSError:
            return ""  # nothing has that


def _content(file: Path) -> bytes:
    """The hash of a file's bytes, or what it is instead: a folder, a link, something unreadable."""
    try:
        mode = file.lstat().st_mode
        if stat.S_ISLNK(mode):
            return f"link {file.readlink()}".encode("utf-8", "surrogateescape")
        if not stat.S_ISREG(mode):
            return f"kind {stat.S_IFMT(mode)}".encode()
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        return f"unreadable {error.errno}".encode()


def read_export(export: Path, unpacked: Path) -> tuple[tuple[Handed, ...], tuple[str, ...]]:
    """The submissions of a class, sorted by id, and remarks about what was passed over.

    Args:
        export: a zip or a folder: Gradescope's export, or one submission a folder or file.
        unpacked: an empty folder for what has to be unpacked.

    Raises:
        UsageError: there is no such file, it is damaged, or it holds no submission.
    """
    if not export.exists():
        raise UsageError(f"there is no {export}", help="Name the zip or the folder that you downloaded.")
    if export.is_file() and export.suffix.lower() != ".zip":
        raise UsageError(
            f"{export.name} is neither a folder nor a zip", help="For one submission: deepgrade grade NAME FILE."
        )
    folder = _unpack(export, unpacked / "export") if export.is_file() else export
    metadata = _find_metadata(folder)
    if metadata is not None:
        handed, remarks = _gradescope(metadata)
    else:
        handed, remarks = _plain(_unwrapped(folder), unpacked / "joined")
    if not handed:
        raise UsageError(f"there are no submissions in {export}", help="; ".join(remarks))
    return tuple(sorted(handed, key=lambda each: each.id)), tuple(remarks)


def _unpack(archive: Path, target: Path) -> Path:
    """A zip's plain files, each below `target`, whatever its name says."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if _is_wanted(member)]
            if len(members) > MAX_FILES or any(member.file_size > MAX_FILE for member in members):
                raise UsageError(f"{archive.name} is larger than a class can be", help="Unpack it, and look.")
            for member in members:
                opened.extract(member, target)  # drops drives, leading slashes and ..
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise UsageError(f"{archive.name} is damaged: {error}", help="Download it again.") from error
    target.mkdir(exist_ok=True)
    return target


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    return not member.is_dir() and kind in (0, stat.S_IFREG) and not _is_clutter(PurePosixPath(member.filename))


def _is_clutter(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "__pycache__") for part in path.parts)


def _find_metadata(folder: Path) -> Path | None:
    """Gradescope's list of submissions, wherever the top folder is."""
    for pattern in (METADATA, f"*/{METADATA}", f"*/*/{METADATA}"):
        found = [path for path in sorted(folder.glob(pattern)) if "__MACOSX" not in path.parts]
        if len(found) > 1:
            raise UsageError(f"{folder} holds several exports", help="Name one of them: " + ", ".join(map(str, found)))
        if found:
            return found[0]
    return None


def _gradescope(metadata: Path) -> tuple[list[Handed], list[str]]:
    try:
        # Every value is text: a student's number keeps its zeros, and no tag makes an object.
        listed = yaml.load(metadata.read_bytes(), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{METADATA} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(listed, dict):
        raise UsageError(f"{METADATA} lists no submissions", help="Export the submissions again.")
    handed, remarks = [], []
    for name, facts in listed.items():
        folder = metadata.parent / str(name)
        if not isinstance(facts, dict) or PurePosixPath(str(name)).name != name:
            raise UsageError(f"{METADATA}: the entry {name!r} is not a submission's")
        if not folder.is_dir():
            remarks.append(f"{name} is listed, and its folder is not there")
            continue
        handed.append(Handed(str(name), folder, _submitters(facts), moment(str(_key(facts, "created_at") or ""))))
    listed_names = {str(name) for name in listed}
    for folder in sorted(metadata.parent.glob("submission_*/")):
        if folder.name not in listed_names:
            remarks.append(f"{folder.name} is not listed in {METADATA}: nobody knows whose it is")
    return handed, remarks


def _key(facts: dict[Any, Any], name: str) -> Any:
    """A value under Gradescope's key, which has a leading colon."""
    return facts.get(f":{name}", facts.get(name))


def _submitters(facts: dict[Any, Any]) -> tuple[Student, ...]:
    people = _key(facts, "submitters")
    texts = [
        {key: str(_key(person, key) or "").strip() for key in ("name", "sid", "email")}
        for person in (people if isinstance(people, list) else [])
        if isinstance(person, dict)
    ]
    return tuple(
        Student(**{key: "" if text in ("null", "~") else text for key, text in each.items()}) for each in texts
    )


def moment(text: str) -> str | None:
    """A time as platforms write it, as ISO 8601 in UTC; None for what is no time. Without a zone it is UTC."""
    found = MOMENT.match(text.strip())
    if found is None:
        return None
    zone = (found[3] or "Z").replace(":", "")
    offset = timedelta() if zone in ("Z", "UTC") else timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    try:
        told = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=timezone(offset))
    except ValueError:
        return None
    return told.astimezone(UTC).isoformat(timespec="seconds")


def _unwrapped(folder: Path) -> Path:
    """Past folders that hold nothing but one folder of submissions."""
    entries = list(_entries(folder))
    while len(entries) == 1 and entries[0].is_dir() and not MOODLE.fullmatch(entries[0].name):
        inner = list(_entries(entries[0]))
        if len(inner) < 2 and not (inner and inner[0].is_dir()):
            break  # one student's folder with one file
        if any(entry.suffix.lower() in CODE and not _is_labelled(entry.name) for entry in inner if entry.is_file()):
            break  # one student's folder
        folder, entries = entries[0], inner
    return folder


def _is_labelled(name: str) -> bool:
    return bool(MOODLE.fullmatch(name) or CANVAS.fullmatch(name))


def _entries(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not _is_clutter(PurePosixPath(path.name)):
            yield path


def _plain(folder: Path, joined: Path) -> tuple[list[Handed], list[str]]:
    """One submission a folder or file; the files that a platform labels with one student's number belong together."""
    parts: dict[str, list[tuple[Path, str]]] = {}
    owners: dict[str, Student] = {}
    remarks = []
    for path in _entries(folder):
        if "_assignsubmission_onlinetext" in path.name or (path.is_file() and path.suffix.lower() not in CODE):
            remarks.append(f"{path.name} was passed over")
            continue
        key, student, name = _labelled(path)
        owners.setdefault(key, student)
        parts.setdefault(key, []).append((path, name))
    stems: dict[str, int] = {}
    for key in parts:
        stems[_stem(key)] = stems.get(_stem(key), 0) + 1
    handed = []
    for key, files in parts.items():
        name = _stem(key) if stems[_stem(key)] == 1 else key
        path = files[0][0] if len(files) == 1 else _join(files, joined / key)
        handed.append(Handed(name, path, (owners[key],)))
    return handed, remarks


def _stem(name: str) -> str:
    return name.removesuffix(Path(name).suffix) if Path(name).suffix.lower() in CODE else name


def _labelled(path: Path) -> tuple[str, Student, str]:
    """Key, owner and own name of what a platform downloads under a label of its own."""
    if found := MOODLE.fullmatch(path.name):
        student = Student(name=found["name"].strip(), number=found["number"])
        return f"{found['name']}_{found['number']}", student, found["file"] or path.name
    if path.is_file() and (found := CANVAS.fullmatch(path.name)):
        student = Student(name=found["name"], number=found["number"])
        return f"{found['name']}_{found['number']}", student, found["file"]
    login = _stem(path.name) if path.is_file() else path.name
    return path.name, Student(login=login), path.name


def _join(files: list[tuple[Path, str]], folder: Path) -> Path:
    """The files of one student, under the names that they gave them, in a folder."""
    folder.mkdir(parents=True)
    for path, name in files:
        if path.is_file() and not path.is_symlink():
            (folder / Path(name).name).write_bytes(path.read_bytes())
    return folder
