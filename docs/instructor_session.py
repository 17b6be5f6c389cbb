"""Record docs/instructor-session.md: every command of it is run, in an empty folder outside of this repository.

    python docs/instructor_session.py [--platform COMMAND --root FOLDER]

A wheel is built of this repository and installed into an environment of its own (pip's own settings say from where).
With --platform, COMMAND runs a shell line as root in a root file system like Gradescope's, which lies in FOLDER and has
/autograder as the platform makes it; without it that part is left out, and the page says so. Takes some ten minutes.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "instructor-session.md"
sys.path.insert(0, str(ROOT))

from docs.session_files import FILES, HALF, SLIPS  # noqa: E402

BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
LONGEST = 34  # lines of an output that are shown
SHOW = "import json; found = json.load(open('results/results.json')); print(found['score'], found['output'])"


class Session:
    """Runs commands where the last one stood, and writes down what is seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = self.here = folder
        self.text: list[str] = []
        self.seconds = 0.0
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "LANG", "SSL_", "HOME"))}
        path = os.pathsep.join([str(folder / "env" / "bin"), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"])
        self.environment = kept | {"PATH": path, "COLUMNS": "110", "OMP_NUM_THREADS": "1", "TERM": "dumb"}

    def say(self, text: str) -> None:
        """Words between the commands."""
        self.text.append(text)

    def run(self, command: str, *, ends: int = 0, shown: str = "", last: int = LONGEST) -> str:
        """Run a command, and write it down with its output and, where it takes a second or more, its time.

        Raises:
            SystemExit: it ended otherwise than expected.
        """
        began = time.monotonic()
        words = ["bash", "-c", f"set -o pipefail; {command}"]
        done = subprocess.run(
            words, cwd=self.here, env=self.environment, stdout=-1, stderr=-2, text=True, errors="replace", check=False
        )
        took = time.monotonic() - began
        self.seconds += took
        print(f"{took:6.1f} s  {command[:100]}", flush=True)
        if done.returncode != ends:
            sys.exit(f"{command} ended with {done.returncode}, not {ends}:\n{done.stdout[-3000:]}")
        lines = self._plain(done.stdout).splitlines()
        if len(lines) > last:
            lines = ["…", *lines[-last:]]
        ended = [f"(exit code {ends})"] if ends else []
        told = f"   # {took:.0f} s" if took >= 1 else ""
        self.text.append("\n".join(["```", f"$ {shown or command}{told}", *lines, *ended, "```"]))
        return done.stdout

    def cd(self, folder: str) -> None:
        """Go there."""
        self.here = self.here / folder
        self.text.append(f"```\n$ cd {folder}\n```")

    def write(self, name: str, text: str, language: str) -> None:
        """Write a file, and show it."""
        (self.here / name).write_text(text)
        self.text.append(f"`{name}`:\n\n```{language}\n{text.rstrip()}\n```")

    def mend(self, name: str, old: str, new: str) -> None:
        """Replace a piece of a file, and show both."""
        text = (self.here / name).read_text()
        assert text.count(old) == 1, (name, old)
        (self.here / name).write_text(text.replace(old, new))
        changed = [f"- {line}" for line in old.splitlines()] + [f"+ {line}" for line in new.splitlines()]
        self.text.append("\n".join([f"`{name}`:", "", "```diff", *changed, "```"]))

    def _plain(self, text: str) -> str:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(str(self.folder), "…")
        lines = (line.rstrip() for line in text.rstrip().splitlines())
        return "\n".join(line for line in lines if not line.startswith("WARNING: Location"))  # of this machine's pip


def wheel(folder: Path) -> Path:
    """The wheel of this repository."""
    clone = folder / "clone"
    clone.mkdir()
    shutil.copytree(
        ROOT / "autograder", clone / "autograder", symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    (clone / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "docs/student-guide.md"):
        shutil.copy(ROOT / name, clone / name)
    subprocess.run([sys.executable, "-c", BUILD], cwd=clone, check=True, capture_output=True)
    (made,) = (clone / "dist").glob("*.whl")
    shutil.move(made, folder / made.name)
    shutil.rmtree(clone)
    return folder / made.name


def install(session: Session, made: Path) -> None:
    """The environment, and the course."""
    session.say("## Installed\n\nThe wheel lies in an empty folder.")
    session.run("python3 -m venv env")
    session.run(f"env/bin/pip install -q {made.name} --constraint <(unzip -p {made.name} '*/constraints.txt')", last=3)
    session.run("source env/bin/activate; deepgrade --version", shown="source env/bin/activate && deepgrade --version")
    session.run("deepgrade doctor")
    session.say("## A course\n\nIt passes its own audit before anything is changed.")
    session.run("deepgrade init mycourse")
    session.cd("mycourse")
    session.run("deepgrade audit")


def author(session: Session) -> None:
    """An assignment, with the slips that an author makes."""
    session.say(
        "## An assignment of three tasks\n\n"
        "`deepgrade new` writes one that works; each file is then written anew after "
        "[writing an assignment](writing-an-assignment.md), here with the slips of a first evening in them."
    )
    session.run("deepgrade new losses")
    slipped = dict(FILES)
    for name, right, wrong in SLIPS:
        assert slipped[name].count(right) == 1, (name, right)
        slipped[name] = slipped[name].replace(right, wrong)
    for name, text in slipped.items():
        session.write(name, text, {"toml": "toml", "md": "markdown", "py": "python"}[name.rpartition(".")[2]])
    session.run("rm assignments/losses/experiment.py")
    session.say(
        "## What is wrong with it, without running it\n\nNothing is graded yet: these are told by the files alone, one "
        "at a time."
    )
    for name, right, wrong in SLIPS[:4]:
        session.run("deepgrade audit losses", ends=65)
        session.mend(name, wrong, right)


def prove(session: Session) -> None:
    """Audits until all holds, then mutants."""
    session.say(
        "## What grading shows\n\nNow everything is graded. One of the known mistakes gets away: the check draws "
        "numbers that are never negative, so it cannot tell."
    )
    session.run("deepgrade audit losses", ends=65)
    (weak, right, wrong), (mistakes, all_lost, lost) = SLIPS[4:]
    session.mend(weak, wrong, right)
    session.say("And it costs more than its author thought: a check of dtypes compares the values of its own task.")
    session.run("deepgrade audit losses", ends=65)
    session.mend(mistakes, lost, all_lost)
    session.run("deepgrade audit losses")
    session.say("Is the suite strong beyond the mistakes that were thought of?")
    session.run("deepgrade audit losses --mutants 6")


def release(session: Session) -> None:
    """The bundles, and what a student and an instructor see."""
    session.say("## Released")
    session.run("deepgrade release losses")
    session.run("for zip in dist/*.zip; do echo $zip; unzip -Z1 $zip | grep -v autograder/ | tr '\\n' ' '; echo; done")
    session.say("As a student: unpacked, checked as it is, and with half of it written.")
    session.run("unzip -q dist/losses-starter.zip -d student && cd student/losses && python check.py", ends=1)
    (session.here / "student" / "losses" / "losses.py").write_text(HALF)
    session.run("cd student/losses && python check.py")
    session.run("deepgrade grade losses student/losses/losses.py", ends=0, last=60)


def platform(session: Session, command: Sequence[str], root: Path) -> None:
    """The autograder's zip in a root like Gradescope's: built once, then the solution, the stub, and half."""
    home = root / "autograder"
    session.say(
        "## On Gradescope\n\nIn a root file system like the platform's (Debian 12 with its Python 3.11, as root, the "
        "harness's folders; no Docker): `setup.sh` once, as when the image is built, then `run_autograder` for each."
    )
    for name in ("source", "submission", "results", "deepgrade"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in ("source", "submission", "results"):
        (home / name).mkdir(parents=True)
    inside = "export PIP_FIND_LINKS=/opt/wheels; " if (root / "opt" / "wheels").exists() else ""
    shutil.copy(session.here / "dist" / "losses-autograder.zip", home / "autograder.zip")

    def within(line: str) -> None:
        session.run(shlex.join([*command, inside + line]), shown=line, last=12)

    within("cd /autograder/source && unzip -q ../autograder.zip && bash ./setup.sh")
    stub = ["unzip", "-p", "dist/losses-starter.zip", "losses/losses.py"]
    works = {
        "The solution": FILES["solutions/losses.py"],
        "The stub": subprocess.run(stub, cwd=session.here, capture_output=True, text=True, check=True).stdout,
        "Half of it": HALF,
    }
    for what, text in works.items():
        (home / "submission" / "losses.py").write_text(text)
        session.say(f"{what}:")
        within(f'cd /autograder && ./source/run_autograder && python3 -c "{SHOW}"')


def main() -> None:
    """Record, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="", help="runs a shell line in the root")
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="session-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        session = Session(folder)
        install(session, wheel(folder))
        author(session)
        prove(session)
        release(session)
        if asked.platform:
            platform(session, shlex.split(asked.platform), asked.root)
        else:
            session.say("## On Gradescope\n\nNot tried in this recording.")
        written = sum(text.count("\n") for text in FILES.values())
        head = HEAD.format(minutes=session.seconds / 60, lines=written)
    PAGE.write_text("\n\n".join([head, *session.text, QUESTIONS]), "utf-8")


HEAD = """\
# An instructor's session

From a wheel in an empty folder, outside of the repository, to a graded submission on a root like Gradescope's, wrong
turns included. Every command was run by `docs/instructor_session.py`, which wrote this page; the seconds are those of
that run, on a machine with two cores that had other work, too. All commands together took {minutes:.0f} minutes,
installing PyTorch among them; what is to be written are {lines} lines, in six files."""

QUESTIONS = """\
## Questions on the way

* How does a pair look whose forward gives one number? `returns = ["loss", "cache"]`, says [the page on
  facts](writing-an-assignment.md#the-facts-assignmenttoml).
* How is one function of the library forbidden, and not a whole group? There is [a table of what
  can be](writing-an-assignment.md#what-a-task-must-not-use).
* Which checks does a known mistake lose? The audit named the one that was forgotten. The page on checks had said that
  dtypes are looked at and values are not; it is mended.
* Has the solution that students get markers in it? No, it is [for reading](instructor-guide.md#release); its notebook
  has outputs where `deepgrade[notebook]` is installed.

None was left open. How long the files take to write is not told: who wrote these knows the framework.
"""

if __name__ == "__main__":
    main()
