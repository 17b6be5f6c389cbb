"""Configurations to attack, and the campaign against each: a home of its own, a process in it, and what that tells.

A home holds the autograder's bundle as it is released, closed to other users, with a token planted in what is hidden.
Where a configuration is refused, that is a result; then the refusal is lifted in the home's copy of the package, and
the attacks show why it is there.
"""

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autograder.assignment import find_root, load_assignment
from autograder.audit.attacks import _container
from autograder.errors import UsageError
from autograder.release import bundles

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from autograder.audit.attacks._field import main; main(sys.argv[2])"
)
LIFTED = "\n\ndef preflight(*arguments: object) -> None:\n    pass\n"
STRANGER = 60_900  # a user that nobody is
LIMITS = "[limits]\ncall_seconds = 3.0\nrun_seconds = 60.0\nprocesses = {processes}\n\n"


@dataclass(frozen=True)
class Site:
    """A configuration.

    Attributes:
        name: for people.
        root: whether the grader is root.
        without: protections switched off, by the names of `Confinement`.
        processes: whether the assignment lets submissions start processes.
        container: whether it runs in one.
        lifted: whether refusals are taken out.
    """

    name: str
    root: bool = True
    without: tuple[str, ...] = ()
    processes: bool = False
    container: bool = False
    lifted: bool = False


SITES = (
    Site("root"),
    Site("root, no Landlock", without=("landlock",)),
    Site("root, no seccomp", without=("seccomp",)),
    Site("root, neither", without=("landlock", "seccomp")),
    Site("root, processes allowed", processes=True),
    Site("not root", root=False),
    Site("not root, no Landlock", root=False, without=("landlock",)),
    Site("not root, no seccomp", root=False, without=("seccomp",)),
    Site("not root, processes allowed", root=False, processes=True),
    Site("Docker's defaults", container=True),
    Site("Docker before v23", container=True, without=("landlock",)),
)


@dataclass
class Campaign:
    """What came of attacking a site.

    Attributes:
        site: the configuration.
        level: of confinement, as results record it; empty where nothing was graded.
        refused: why grading is refused there.
        missing: why this configuration cannot be made on this machine.
        attacks: how many were tried, by group.
        breaches: attack, group and what it won.
    """

    site: Site
    level: str = ""
    refused: str = ""
    missing: str = ""
    attacks: Counter[str] = field(default_factory=Counter)
    breaches: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is switched off, so that no attack may succeed."""
        return not self.site.without and not self.site.lifted


def campaigns(only: str = "", sites: str = "", report: Callable[[str], None] = print) -> Iterator[Campaign]:
    """Attack every configuration whose name is `sites` or contains it with every attack whose name contains `only`.

    Raises:
        UsageError: this is no clone: the attacks are not here.
    """
    if not _hostile().is_dir():
        raise UsageError("the attacks lie in tests/, which a bundle does not have: run this in a clone")
    exactly = [site for site in SITES if site.name == sites]
    for site in exactly or [site for site in SITES if sites in site.name]:
        report(site.name)
        first = _attacked(site, only)
        yield first
        if first.refused:
            yield _attacked(replace(site, name=f"{site.name}, refusal lifted", lifted=True), only)


def _hostile() -> Path:
    return find_root() / "tests" / "submissions" / "conv" / "hostile"


def _attacked(site: Site, only: str) -> Campaign:
    campaign = Campaign(site)
    if os.geteuid() != 0 and (site.root or site.container):
        campaign.missing = "needs root"
    elif site.container and not _container.runtime():
        campaign.missing = "needs a container runtime: install runc or crun"
    else:
        with tempfile.TemporaryDirectory(prefix="deepgrade-attacks-") as folder:
            os.chmod(folder, 0o755)
            _fight(campaign, Path(folder), only)
    return campaign


def _fight(campaign: Campaign, folder: Path, only: str) -> None:
    """Until every attack was tried: one that ends the whole process is noted, and the rest goes on in another."""
    site = campaign.site
    tried: list[str] = []
    token = secrets.token_hex(16)
    home = _home(folder / "home", site, token)
    while True:
        order = {"home": str(home), "token": token, "without": site.without, "skip": tried, "only": only}
        command = [
            sys.executable,
            "-P",
            "-s",
            "-B",
            "-c",
            BOOT,
            str(home / "source"),
            json.dumps(order | {"container": site.container}),
        ]
        if site.container:
            place = folder / f"container-{len(tried)}"
            command = _container.bundle(place, home, command, landlock="landlock" not in site.without)
        begun = _listened(campaign, command, tried)
        if begun is None or campaign.refused or campaign.missing:
            return
        campaign.breaches.append((*begun, "ended the whole grading"))
        tried.append(begun[0])


def _listened(campaign: Campaign, command: list[str], tried: list[str]) -> tuple[str, str] | None:
    """Take what the field tells; the attack that had begun when it fell silent, None where all have ended."""
    stranger = None if campaign.site.root or os.geteuid() != 0 else STRANGER
    begun: tuple[str, str] | None = None
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"},
            user=stranger, group=stranger, extra_groups=None if stranger is None else [],
        )  # fmt: skip
    except PermissionError:
        campaign.missing = "another user cannot read this Python (a private folder above it)"
        return None
    assert process.stdout is not None
    heard = False
    with process:
        for line in process.stdout:
            heard = True
            told: dict[str, Any] = json.loads(line)
            if "trial" in told:
                campaign.level = told["confinement"].get("level", "")
                campaign.refused = told["reason"] if told["trial"] != "graded" else ""
            elif "begins" in told:
                begun = told["begins"], told["group"]
                campaign.attacks[told["group"]] += 1
            else:
                begun = None
                tried.append(told["ends"])
                campaign.breaches += [(told["ends"], told["group"], gain) for gain in told["breaches"]]
        assert process.stderr is not None
        trouble = process.stderr.read().strip()
    if not heard or (process.returncode and begun is None):
        campaign.missing = (trouble or "it does not start").splitlines()[-1]
    return begun


def _home(home: Path, site: Site, token: str) -> Path:
    """The bundle, the attacks, the token."""
    conv = load_assignment("conv")
    with zipfile.ZipFile(io.BytesIO(bundles(conv, "attacked")[1].data())) as archive:
        archive.extractall(home / "source")
    shutil.copytree(_hostile(), home / "attacks")
    shutil.copy(find_root() / "tests" / "sandbox" / "probes.py", home / "attacks")
    folder = home / "source" / "assignments" / "conv"
    for hidden in (home / "source" / "solutions" / "conv.py", *(folder / "hidden").glob("*.py")):
        hidden.write_text(f"{hidden.read_text('utf-8')}\n# {token}\n", "utf-8")
    facts = folder / "assignment.toml"
    text = re.sub(r"^\[limits\]\n(?:[^\[].*\n|\n)*", "", facts.read_text("utf-8"), flags=re.MULTILINE)
    head, _, tail = text.partition("\n[")
    facts.write_text(f"{head}\n{LIMITS.format(processes=str(site.processes).lower())}[{tail}", "utf-8")
    if site.lifted:
        grader = home / "source" / "autograder" / "grading" / "grader.py"
        grader.write_text(grader.read_text("utf-8") + LIFTED, "utf-8")
    owner = STRANGER if not site.root and os.geteuid() == 0 else os.geteuid()
    for path in (home, *home.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, owner, owner)
    return home
