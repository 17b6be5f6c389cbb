"""Packages that an assignment's code may import beside those that are always there: `packages = ["einops>=0.7"]`.

Each is one that the course allows, by name. On a machine that lacks one, nothing of that assignment is graded, since
what would fail is not the student's. `packaging`, which reads requirements, is there wherever pytest is; the facts
alone are read without it.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.assignment._table import Table
from autograder.errors import AuthoringError, did_you_mean

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FILE = "assignment.toml"
NAME = re.compile(r"\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)", re.ASCII)


def package_name(requirement: str) -> str:
    """The package that a requirement asks for, as indexes compare names; empty where it begins with none."""
    found = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def read_packages(table: Table, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """The key `packages`.

    Args:
        table: of assignment.toml.
        allowed: what course.toml allows; None where there is no course, as in a student's folder.

    Raises:
        AuthoringError: one of them has no name, stands there twice, or is not allowed; the message lists what is.
    """
    packages = table.texts("packages", ())
    names = [package_name(each) for each in packages]
    for each, name in zip(packages, names, strict=True):
        if not name:
            raise table.fault(f"packages: {each!r} names no package", "packages")
        if names.count(name) > 1:
            raise table.fault(f"packages asks for {name} twice", "packages")
        known = [package_name(entry) for entry in allowed or ()]
        if allowed is not None and name not in known:
            listed = f"[packages] allowed of course.toml has {', '.join(known) or 'nothing'}"
            raise table.fault(f"packages: {listed}, and not {name!r}{did_you_mean(name, known)}", "packages")
    return packages


def requirements(folder: Path, packages: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """What is installed: of each package a version that both the assignment in `folder` and its course want.

    Raises:
        AuthoringError: one of them cannot be read, or no version is both; the message names file and entry.
    """
    return tuple(_narrowed(each, allowed, folder / FILE) for each in packages)


def _narrowed(requirement: str, allowed: Iterable[str], where: Path) -> str:
    own = _read(requirement, where)
    if own.url:
        raise AuthoringError(f"{where}: packages: {requirement!r} is an address: ask for a name and a version")
    for each in (each for each in allowed if package_name(each) == package_name(requirement)):
        course = _read(each, Path("course.toml"))
        if course.url:
            return each
        both = own.specifier & course.specifier
        if not all(both.contains(version, prereleases=True) for version in (*_exact(own), *_exact(course))):
            told = f"{requirement!r} is asked for, and course.toml allows {each!r}: no version is both"
            raise AuthoringError(f"{where}: packages: {told}")
        own.specifier, own.extras = both, own.extras | course.extras
    return str(own)


def missing_packages(folder: Path, packages: Iterable[str]) -> dict[str, str]:
    """Which of these are not installed here, with the version that is here instead, or nothing.

    Raises:
        AuthoringError: one of them cannot be read.
    """
    found = {}
    for each in packages:
        wanted, there = _read(each, folder / FILE).specifier, installed([each]).get(package_name(each), "")
        if not (there and wanted.contains(there, prereleases=True)):
            found[each] = there
    return found


def missing_note(folder: Path, packages: Iterable[str]) -> str:
    """Which packages of an assignment are not installed here, and how they are; empty where all are.

    Raises:
        AuthoringError: one of them cannot be read.
    """
    if not (missing := missing_packages(folder, packages)):
        return ""
    asked = ", ".join(f"{each} (here is {there})" if there else each for each, there in missing.items())
    wanted = " ".join(f"'{each}'" for each in missing)
    return f"{folder / FILE}: packages: not installed here: {asked}. Install with: pip install {wanted}"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages that are installed here, by name."""
    found = {}
    for name in map(package_name, packages):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def package_modules(packages: Iterable[str]) -> frozenset[str]:
    """The names by which they are imported: PyYAML is `yaml`. What is not installed here has none but its own."""
    found = set[str]()
    for name in map(package_name, packages):
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            files = []
        tops = {file.parts[0].partition(".")[0] for file in files if file.suffix in (".py", ".so", ".pyd")}
        found |= {name.replace("-", "_"), *(top for top in tops if top.isidentifier())}
    return frozenset(found)


def _exact(requirement: "Requirement") -> list[str]:
    """Versions that it pins."""
    return [each.version for each in requirement.specifier if each.operator == "==" and "*" not in each.version]


def _read(requirement: str, where: Path) -> "Requirement":
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(requirement)
    except InvalidRequirement as error:
        said = str(error).partition("\n")[0]
        told = f"{requirement!r} is no requirement, such as 'einops>=0.7': {said}"
        raise AuthoringError(f"{where}: packages: {told}") from error
