"""Versions of Python and of the packages that adavit needs or can use. Imports none of them: they may be broken."""

import platform
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from adavit.doctor.finding import Finding

SHOWN = ("adavit", "torch", "torchvision", "kornia", "torch-fidelity")
"""Packages whose versions are told in any case."""

OLDEST_PYTHON = (3, 11)
DEVELOPMENT = "dev"
"""An extra that nobody needs who only trains."""

_PARTS = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?(?P<bounds>[^;]*)(;.*extra == ['\"](?P<extra>[^'\"]+))?"
)
_BOUND = re.compile(r"(?P<sign>>=|<)\s*(?P<release>[0-9.]+)")


@dataclass(frozen=True)
class Requirement:
    """A package that is needed, or that an extra needs.

    Attributes:
        name: Of the package.
        bounds: As in its requirement, such as ">=2.11".
        extra: Whose it is; empty for one that is always needed.
    """

    name: str
    bounds: str
    extra: str

    @property
    def installed(self) -> str | None:
        """Its version; None where it is not there."""
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None

    def is_met(self) -> bool:
        """Whether it is there in a version within the bounds."""
        version = self.installed
        if version is None:
            return False
        release = _release(version)
        return all(
            release >= _release(bound["release"])
            if bound["sign"] == ">="
            else release < _release(bound["release"])
            for bound in _BOUND.finditer(self.bounds)
        )


def requirements() -> list[Requirement]:
    """What the installed adavit declares; none where it was not installed."""
    try:
        lines = metadata.requires("adavit") or []
    except metadata.PackageNotFoundError:
        return []
    matches = (_PARTS.match(line) for line in lines)
    return [
        Requirement(match["name"], match["bounds"].strip(), match["extra"] or "")
        for match in matches
        if match is not None
    ]


def examine_versions() -> Iterator[Finding]:
    """The versions, and which extras are there."""
    needed = [each for each in requirements() if not each.extra]
    named = {name: Requirement(name, "", "").installed for name in SHOWN}
    python = platform.python_version()
    told = [f"{name} {version or 'not installed'}" for name, version in named.items()]
    unmet = [each for each in needed if not each.is_met()]
    found, remedy = f"Python {python}, {', '.join(told)}.", ""
    if unmet:
        wanted = [f"{each.name}{each.bounds}" for each in unmet]
        found += f" Expected {', '.join(wanted)}."
        remedy = f"pip install --upgrade {shlex.join(wanted)}"
    elif sys.version_info[:2] < OLDEST_PYTHON:
        found += " Expected Python 3.11 or later."
        remedy = "Make an environment with a later Python, and install adavit there."
    yield Finding(
        "versions",
        "problem" if remedy else "ok",
        found,
        remedy,
        {"python": python, **named},
    )
    extras = [each for each in requirements() if each.extra not in ("", DEVELOPMENT)]
    if extras:
        yield _extras(extras)


def _extras(requirements: list[Requirement]) -> Finding:
    names = list(dict.fromkeys(each.extra for each in requirements))
    absent = {each.extra for each in requirements if not each.is_met()}
    here = [name for name in names if name not in absent]
    missing = [name for name in names if name in absent]
    found = f"There: {', '.join(here) or 'none'}." + (
        f" Not there: {', '.join(missing)}." if missing else ""
    )
    remedy = f"Where you need one: pip install 'adavit[{missing[0]}]'" if missing else ""
    return Finding("extras", "ok", found, remedy, {"there": here, "missing": missing})


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at the end: 2.11.0 is 2.11."""
    numbers = [int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part]  # type: ignore[index]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
