"""The course: the folder that holds assignments/ and solutions/, and what its `course.toml` says of all of them."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from autograder.assignment._table import Table
from autograder.errors import UsageError, did_you_mean

FILE = "course.toml"
SECRET = "DEEPGRADE_SECRET"
SCORING = 1  # raised by every version that can move the score of an unchanged submission; the changelog says how
VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
DEVICES = ("cpu", "cuda", "rehearsal")
GITHUB = "https://github.com/"
GITHUB_FOLDER = GITHUB + r"([\w.-]+/[\w.-]+)/tree/([\w.-]+)((?:/[\w.-]+)*)"  # repository, branch, path


@dataclass(frozen=True)
class Dates:
    """When an assignment is handed out and due, and until when late work is taken."""

    released: datetime | None = None
    due: datetime | None = None
    late_until: datetime | None = None


@dataclass(frozen=True)
class Late:
    """What lateness costs: late by less than `grace` is not late; of the points earned so many percent are lost for
    each day begun; later than `most_days` earns nothing."""

    grace: timedelta = timedelta()
    percent_per_day: float = 0.0
    most_days: int | None = None


@dataclass(frozen=True)
class RateLimit:
    """How many submissions are graded within a time; those that we could not grade do not count."""

    submissions: int
    within: timedelta


@dataclass(frozen=True)
class Packages:
    """Where packages are installed from (empty: pip's own index), and which ones submissions may import beyond those
    that grading needs."""

    index: str = ""
    torch_index: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """What `course.toml` says, or its defaults where there is none.

    Attributes:
        root: the folder.
        title: of the course.
        address: where students get the archives, for notebooks that are opened on Colab; empty if there is none.
        visibility: of hidden checks and quiz questions that do not say their own.
        device: where checks that need a GPU run unless a command says otherwise.
        secret_file: holds the course's secret; None where only the environment may have it.
        dates: by assignment.
        platform: how long Gradescope gives one submission, as set there.
        scoring: the framework's `SCORING` that the course was written for.
        classes: the table `[class]`, for the room that grades classes; it refuses the keys that it does not know.
        cluster: the table `[cluster]`, likewise.
    """

    root: Path
    title: str = ""
    address: str = ""
    visibility: str = "visible"
    device: str = "cpu"
    secret_file: Path | None = None
    dates: dict[str, Dates] = field(default_factory=dict)
    late: Late = Late()
    rate_limit: RateLimit | None = None
    packages: Packages = Packages()
    platform: timedelta = timedelta(minutes=10)
    scoring: int = SCORING
    classes: Table = field(default_factory=lambda: Table.empty(Path(FILE), "class"), compare=False)
    cluster: Table = field(default_factory=lambda: Table.empty(Path(FILE), "cluster"), compare=False)

    def secret(self, environment: Mapping[str, str] | None = None) -> str:
        """The course's secret: of the environment, else of the file; empty if there is neither.

        Raises:
            UsageError: the file is empty, or cannot be read.
        """
        given = (os.environ if environment is None else environment).get(SECRET, "")
        if given or self.secret_file is None:
            return given
        try:
            found = self.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            help = f"Write some long sentence of your own into it, or set {SECRET}."
            raise UsageError(f"{self.secret_file}: the course's secret cannot be read ({error})", help=help) from error
        if not found:
            raise UsageError(f"{self.secret_file} is empty", help="The course's secret belongs there: a long sentence.")
        return found

    def scoring_note(self) -> str:
        """What to know before anything is graded: that this version scores otherwise. Empty if it does not."""
        if self.scoring == SCORING:
            return ""
        return (
            f"{self.root / FILE} was written for scoring {self.scoring}, and this version has {SCORING}: the same "
            "submission can get other points. See the changelog; after an audit, write the new number there."
        )

    def secret_note(self, environment: Mapping[str, str] | None = None) -> str:
        """What to know before students' work is graded: that the secret is missing, or open. Empty if all is well."""
        if not self.secret(environment):
            return (
                f"the course has no secret: set {SECRET}, or secret_file in {FILE}. Without one, whoever has the "
                "hidden checks can compute what will be drawn."
            )
        if self.secret_file is not None and self.secret_file.exists() and _is_open(self.secret_file):
            return f"{self.secret_file} can be read by everybody on this machine: chmod 600 it."
        return ""


def _is_open(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IROTH)


def find_root(root: Path | str | None = None) -> Path:
    """The folder of the course: `root`, or else the nearest one with a course.toml, from the current folder upwards, or
    else the clone that this package lies in.

    Raises:
        UsageError: there is none, or it has no assignments/ folder.
    """
    if root is not None:
        folder = Path(root)
    else:
        here = Path.cwd()
        beside = Path(__file__).resolve().parents[2]
        candidates = [folder for folder in (here, *here.parents) if (folder / FILE).is_file()]
        candidates += [beside] if (beside / FILE).is_file() else []
        if not candidates:
            help = "Go there, name it with --course, or start one: deepgrade init FOLDER."
            raise UsageError(f"no course here: neither {here} nor a folder above it has a {FILE}", help=help)
        folder = candidates[0]
    if not (folder / "assignments").is_dir():
        raise UsageError(f"{folder} has no folder assignments/", help="Name the folder of the course, which has one.")
    return folder.resolve()


def assignment_names(root: Path | str | None = None) -> tuple[str, ...]:
    """Names of all assignments under `root`, sorted."""
    return tuple(sorted(file.parent.name for file in (find_root(root) / "assignments").glob("*/assignment.toml")))


def load_course(root: Path | str | None = None) -> Course:
    """Read the course's facts.

    Raises:
        UsageError: there is no course.
        AuthoringError: its course.toml is wrong; the message names line and key.
    """
    base = find_root(root)
    if not (base / FILE).exists():
        return Course(base)
    table = Table.read(base / FILE)
    secret = table.text("secret_file", "")
    course = Course(
        root=base,
        title=table.text("title"),
        address=_address(table),
        visibility=table.choice("visibility", VISIBILITIES, "visible"),
        device=table.choice("device", DEVICES, "cpu"),
        secret_file=base / secret if secret else None,
        dates=_dates(table.table("dates", required=False), assignment_names(base)),
        late=_late(table.table("late", required=False)),
        rate_limit=_rate_limit(table.table("rate_limit")) if "rate_limit" in table else None,
        packages=_packages(table.table("packages", required=False)),
        platform=_platform(table.table("gradescope", required=False)),
        scoring=table.whole("scoring", SCORING),
        classes=table.table("class", required=False),
        cluster=table.table("cluster", required=False),
    )
    table.close()
    return course


def _address(table: Table) -> str:
    address = table.text("address", "").removesuffix("/")
    if address and not re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w.~%+-]+)*", address):
        raise table.fault(f"address is {address!r}, not that of a folder: https://…, without ? and #", "address")
    if address.startswith(GITHUB) and not re.fullmatch(GITHUB_FOLDER, address):
        wanted = f"{GITHUB}OWNER/REPOSITORY/tree/BRANCH/FOLDER"
        raise table.fault(f"address is {address!r}, not that of a folder as the browser has it: {wanted}", "address")
    return address


def _dates(table: Table, names: tuple[str, ...]) -> dict[str, Dates]:
    return {name: _dates_of(name, entry, names) for name, entry in table.tables()}


def _dates_of(name: str, table: Table, names: tuple[str, ...]) -> Dates:
    if name not in names:
        raise table.fault(f"there is no assignment {name!r}{did_you_mean(name, names)}")
    keys = ("released", "due", "late_until")
    given = {key: table.moment(key) for key in keys if key in table}
    table.close()
    for earlier, later in (("released", "due"), ("due", "late_until"), ("released", "late_until")):
        if earlier in given and later in given and given[earlier] >= given[later]:
            raise table.fault(f"{earlier} is not before {later}", later)
    if "late_until" in given and "due" not in given:
        raise table.fault("due is missing: late is later than what?")
    return Dates(**given)


def _late(table: Table) -> Late:
    late = Late(
        grace=timedelta(minutes=table.number("grace_minutes")) if "grace_minutes" in table else timedelta(),
        percent_per_day=table.number("percent_per_day") if "percent_per_day" in table else 0.0,
        most_days=table.whole("most_days", 0) if "most_days" in table else None,
    )
    if late.percent_per_day > 100:
        raise table.fault(f"percent_per_day is {late.percent_per_day:g}: at most 100 can be lost", "percent_per_day")
    table.close()
    return late


def _rate_limit(table: Table) -> RateLimit:
    for key in ("submissions", "hours"):
        if key not in table:
            raise table.fault(f"{key} is missing")
    limit = RateLimit(table.whole("submissions", 0), timedelta(hours=table.number("hours")))
    table.close()
    return limit


def _packages(table: Table) -> Packages:
    packages = Packages(table.text("index", ""), table.text("torch_index", ""), table.texts("allowed", ()))
    table.close()
    return packages


LONGEST_MINUTES = 40  # what Gradescope lets one set


def _platform(table: Table) -> timedelta:
    minutes = table.number("minutes", 10)
    table.close()
    if minutes > LONGEST_MINUTES:
        raise table.fault(f"minutes is {minutes:g}: the platform's longest limit is {LONGEST_MINUTES}", "minutes")
    return timedelta(minutes=minutes)
