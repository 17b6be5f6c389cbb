"""The store of a class: one SQLite file, written by the driver alone, read by reports, gradebooks and `datasette`.

A result belongs to a submission and to a key: what was handed in, the suite and the environment, as a hash. What has
the same key is never graded again, and what an earlier suite said stays until the file is deleted.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.classes._intake import Handed, Student
from autograder.classes._pool import STAYS
from autograder.errors import GraderError, UsageError
from autograder.results import Line, Outcome, Run

FILE = "class.sqlite"
VERSION = 3
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO fact VALUES ('version', '{VERSION}');
CREATE TABLE IF NOT EXISTS submission (
  id TEXT PRIMARY KEY, created TEXT, key TEXT NOT NULL, present INTEGER NOT NULL, flags TEXT NOT NULL,
  content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS student (
  submission TEXT NOT NULL REFERENCES submission, position INTEGER NOT NULL, name TEXT NOT NULL, sid TEXT NOT NULL,
  email TEXT NOT NULL, number TEXT NOT NULL, login TEXT NOT NULL, PRIMARY KEY (submission, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
  submission TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL, score REAL NOT NULL, max_score REAL NOT NULL,
  pending REAL NOT NULL, unsteady REAL NOT NULL, seconds REAL NOT NULL, reason TEXT,
  run TEXT NOT NULL, PRIMARY KEY (submission, key));
CREATE TABLE IF NOT EXISTS line (
  submission TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, task TEXT NOT NULL, check_name TEXT NOT NULL,
  name TEXT NOT NULL, number TEXT NOT NULL, kind TEXT NOT NULL, outcome TEXT NOT NULL, score REAL NOT NULL,
  max_score REAL NOT NULL, diagnosis TEXT, hint TEXT, message TEXT NOT NULL, seconds REAL NOT NULL,
  extra INTEGER NOT NULL, PRIMARY KEY (submission, key, position)) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS grade AS
  SELECT submission.id, status, score, max_score, pending, unsteady, seconds,
    reason, submission.created, submission.present
  FROM submission JOIN result ON result.submission = submission.id AND result.key = submission.key;
"""
LINE_COLUMNS = 16


def _columns(line: Line) -> tuple[Any, ...]:
    """A line as the table has it, after whose and which it is."""
    what = line.task, line.check, line.name, line.number, line.kind, str(line.outcome)
    return (*what, line.score, line.max_score, line.diagnosis, line.hint, line.message, line.duration, line.extra)


@dataclass(frozen=True)
class Grade:
    """The result that counts of one submission: points, those that are still to be measured, those of them for which
    the machine was too unsteady, status, when it was handed in, and whether it is in the latest
    export: an earlier attempt may not be."""

    id: str
    status: str
    score: float
    max_score: float
    pending: float
    unsteady: float
    seconds: float
    reason: str | None
    created: str | None
    present: bool

    @property
    def needs_a_human(self) -> bool:
        """Whether it is to be repeated: a fault of ours, or a machine too unsteady. What needs a GPU only waits."""
        return self.status == "fault" or self.unsteady > 0


class Store:
    """An open store. A context manager; every method that writes does so whole or not at all."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Open the store of a class.

        Args:
            folder: of the class, as given to `deepgrade class --out`.
            write: also make it, and allow writing.

        Raises:
            UsageError: there is none to read.
            GraderError: it is damaged, or another version's.
        """
        self.folder, self.path = folder, folder / FILE
        if not write and not self.path.is_file():
            raise UsageError(f"there is no class in {folder}", help="First: deepgrade class EXPORT --assignment NAME.")
        mode = "rwc" if write else "rw"  # a reader, too, may have to make the file of shared memory
        self._open = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
        )
        try:
            self._begin(write)
        except BaseException:
            self._open.close()
            raise

    def _begin(self, write: bool) -> None:
        """Make the tables, all or none; refuse what is not such a file."""
        try:
            if write:
                self._open.execute("PRAGMA journal_mode=WAL")
                self._open.execute("PRAGMA synchronous=FULL")
                self._open.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            has_tables = self._value("SELECT count(*) FROM sqlite_master")
        except (sqlite3.DatabaseError, GraderError) as error:
            told = f"{self.path} cannot be used: {error.args[0] if error.args else error}"
            raise GraderError(told, help=f"Free the disk or choose another folder. {STAYS}") from error
        if not has_tables:
            raise UsageError(f"there is no class in {self.folder}", help="Its first run was stopped: run it again.")
        version = self.fact("version")
        if version != str(VERSION):
            told = f"{self.path} has version {version}, not {VERSION}"
            raise GraderError(told, help="Grade the class into a new folder.")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._open.execute("BEGIN IMMEDIATE")
            try:
                yield self._open
            except BaseException:
                self._open.execute("ROLLBACK")
                raise
            self._open.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise GraderError(
                f"{self.path} cannot be written: {error}",
                help=STAYS,
            ) from error

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """What a query finds, one row at a time."""
        try:
            yield from self._open.execute(query, values)
        except sqlite3.DatabaseError as error:
            told = f"{self.path} cannot be read: {error}"
            raise GraderError(told, help="Restore the file, or grade the class into a new folder.") from error

    def _value(self, query: str, *values: Any) -> Any:
        """The first column of the first row; None where there is none."""
        return next((row[0] for row in self._rows(query, *values)), None)

    def fact(self, name: str) -> str | None:
        """Something about the class: assignment, title, version, export."""
        found: str | None = self._value("SELECT value FROM fact WHERE name = ?", name)
        return found

    def begin(self, facts: dict[str, str], handed: Sequence[tuple[Handed, str, list[str]]]) -> None:
        """What the class is and who handed in what, each with its key and its integrity flags."""
        with self._writing() as base:
            base.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
            base.execute("UPDATE submission SET present = 0")
            base.executemany("DELETE FROM student WHERE submission = ?", [(each.id,) for each, _, _ in handed])
            base.executemany(
                "INSERT OR REPLACE INTO submission VALUES (?, ?, ?, 1, ?, ?)",
                [(each.id, each.created, key, json.dumps(flags), each.content()) for each, key, flags in handed],
            )
            base.executemany(
                "INSERT INTO student VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (each.id, position, *asdict(student).values())
                    for each, _, _ in handed
                    for position, student in enumerate(each.students)
                ],
            )

    def put(self, submission: str, key: str, run: Run) -> None:
        """The result of a submission; an earlier one under the same key is replaced."""
        unsteady = sum(line.max_score for line in run.lines if line.outcome is Outcome.INCONCLUSIVE)
        points = run.score, run.max_score, run.pending, unsteady
        head = (submission, key, run.status, *points, run.duration, run.reason)
        lines = [(submission, key, position, *_columns(line)) for position, line in enumerate(run.lines)]
        with self._writing() as base:
            base.execute("DELETE FROM line WHERE submission = ? AND key = ?", (submission, key))
            text = json.dumps(run.to_dict())
            base.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*head, text))
            base.executemany(f"INSERT INTO line VALUES ({', '.join('?' * LINE_COLUMNS)})", lines)

    def status(self, submission: str, key: str) -> str | None:
        """How the result with this key ended; None where there is none."""
        query = "SELECT status FROM result WHERE submission = ? AND key = ?"
        found: str | None = self._value(query, submission, key)
        return found

    def key(self, submission: str) -> str | None:
        """The key of the result that counts."""
        found: str | None = self._value("SELECT key FROM submission WHERE id = ?", submission)
        return found

    def run(self, submission: str, key: str | None = None) -> Run | None:
        """The whole result of a submission, by default the one that counts."""
        query = "SELECT run FROM result WHERE submission = ? AND key = ?"
        found = self._value(query, submission, key or self.key(submission))
        return Run.from_dict(json.loads(found)) if found else None

    def grades(self, *, earlier: bool = False) -> list[Grade]:
        """The results that count, by id: of what is in the latest export, with `earlier` of earlier ones too."""
        found = [Grade(*row) for row in self._rows("SELECT * FROM grade ORDER BY id")]
        return [grade for grade in found if grade.present or earlier]

    def contents(self) -> Iterator[tuple[Grade, str]]:
        """The results that count of the latest export, each with the digest of what was handed in."""
        query = "SELECT grade.*, content FROM grade JOIN submission USING (id) WHERE grade.present ORDER BY id"
        return ((Grade(*row[:-1]), row[-1]) for row in self._rows(query))

    def ungraded(self) -> list[str]:
        """Ids of submissions of the latest export without a result that counts."""
        query = "SELECT id FROM submission WHERE present AND id NOT IN (SELECT id FROM grade) ORDER BY id"
        return [row[0] for row in self._rows(query)]

    def students(self) -> dict[str, tuple[Student, ...]]:
        """Whose each submission is, by id."""
        found: dict[str, tuple[Student, ...]] = {}
        query = "SELECT submission, name, sid, email, number, login FROM student ORDER BY submission, position"
        for submission, *fields in self._rows(query):
            found[submission] = (*found.get(submission, ()), Student(*fields))
        return found

    def known_flags(self, submission: str, key: str) -> list[str] | None:
        """The integrity flags of a submission, None where this key is new."""
        found = self._value("SELECT flags FROM submission WHERE id = ? AND key = ?", submission, key)
        return None if found is None else list(json.loads(found))

    def flags(self) -> dict[str, list[str]]:
        """What a human should look at in the source of a submission, by id; only where there is something."""
        query = "SELECT id, flags FROM submission WHERE present AND flags != '[]' ORDER BY id"
        return {row[0]: json.loads(row[1]) for row in self._rows(query)}

    def lines(self, columns: str, where: str = "1", *, earlier: bool = False) -> Iterator[tuple[Any, ...]]:
        """Columns of the lines that count, in order of submission and check, one at a time; see `grades`."""
        return self._rows(
            f"SELECT {columns} FROM submission JOIN line ON line.submission = submission.id "
            f"AND line.key = submission.key WHERE (submission.present OR {int(earlier)}) AND ({where}) "
            "ORDER BY submission.id, line.position"
        )
