"""Versions of Python and of the packages that adavit needs or can use. Imports none of them: they may be broken."""

import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from adavit.doctor.finding import Finding
from adavit.runtime.paths import quoted

SHOWN = ("adavit", "torch", "torchvision", "kornia", "torch-fidelity")
"""Packages whose versions are told in any case."""

OLDEST_PYTHON = (3, 11)
DEVELOPMENT = "dev"
"""An extra that nobody needs who only trains."""


def requirements() -> dict[str, list[Requirement]]:
    """What the installed adavit declares, by the extra that needs it; "" is always needed.

    Nothing where it was not installed.
    """
    try:
        lines = metadata.requires("adavit") or []
        extras = metadata.metadata("adavit").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    declared = [Requirement(line) for line in lines]
    found = {"": [each for each in declared if _is_needed(each, "")]}
    for extra in extras:
        found[extra] = [
            each for each in declared if _is_needed(each, extra) and each not in found[""]
        ]
    return found


def installed(name: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def is_met(requirement: Requirement) -> bool:
    """Whether a package is there in a version within the bounds, for which builds before a release are the release.

    A version by another scheme than Python's is in no bounds.
    """
    version = installed(requirement.name)
    try:
        return version is not None and Version(version).base_version in requirement.specifier
    except InvalidVersion:
        return False


def examine_versions() -> Iterator[Finding]:
    """The versions, and which extras are there."""
    needed = requirements()
    named = {name: installed(name) for name in SHOWN}
    python = platform.python_version()
    told = [f"{name} {version or 'not installed'}" for name, version in named.items()]
    unmet = [each for each in needed.pop("", []) if not is_met(each)]
    found, remedy = f"Python {python}, {', '.join(told)}.", ""
    if unmet:
        wanted = [f"{each.name}{each.specifier}" for each in unmet]
        found += f" Expected {', '.join(wanted)}."
        remedy = f"pip install --upgrade {' '.join(map(quoted, wanted))}"
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
    needed.pop(DEVELOPMENT, None)
    if needed:
        yield _extras(needed)


def _extras(requirements: dict[str, list[Requirement]]) -> Finding:
    here = [name for name, needed in requirements.items() if all(map(is_met, needed))]
    missing = [name for name in requirements if name not in here]
    found = f"There: {', '.join(here) or 'none'}." + (
        f" Not there: {', '.join(missing)}." if missing else ""
    )
    remedy = f'Where you need one: pip install "adavit[{missing[0]}]"' if missing else ""
    return Finding("extras", "ok", found, remedy, {"there": here, "missing": missing})


def _is_needed(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
